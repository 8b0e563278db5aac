//! Tokens: who somebody says he is, vouched for by an issuer (JWT, [RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use jsonwebtoken::{Header, Validation, decode, decode_header, errors::ErrorKind};
use parking_lot::Mutex;
use serde::Deserialize;

use super::{
    Algorithm, TokenRules,
    keys::{Keys, KeysError},
    signature,
};
use crate::clock::{Micros, OsTime, TimeSource as _};

/// The longest token that is looked at, in bytes.
const MOST_BYTES: usize = 8 * 1024;

/// How many tokens are remembered as good. Beyond that all are forgotten, and looked at once more.
const REMEMBERED: usize = 10_000;

/// How soon after the last time keys are looked for again, because a token names one that is not known.
const NOT_SOONER: Duration = Duration::from_secs(10);

/// Why a token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is no JWT, too long, or lacks a claim.
    #[error("is no JWT with the claims iss, aud, sub and exp")]
    Malformed,
    /// It is signed in a way that is not believed, or not at all.
    #[error("is not signed in a way that is believed")]
    Algorithm,
    /// It says of itself that nobody may believe it who does not understand more of it than is understood here.
    #[error("has an extension that is critical and not understood")]
    Extension,
    /// The issuer has no such key, or two of that name, as far as is known.
    #[error("is signed with a key that is not known")]
    UnknownKey,
    /// The signature is not that of the key.
    #[error("has a wrong signature")]
    Signature,
    /// Its time is over.
    #[error("has expired")]
    Expired,
    /// Its time has not begun.
    #[error("is not valid yet")]
    NotYet,
    /// Somebody else has made it.
    #[error("is not from the issuer that is believed")]
    Issuer,
    /// It is meant for somebody else.
    #[error("is not meant for this service")]
    Audience,
}

/// What a token says that is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Believed {
    /// Who it is about.
    pub(super) subject: Arc<str>,
    /// Until when it holds, on the wall clock.
    pub(super) until: Micros,
}

/// Judges tokens.
#[derive(Debug)]
pub(super) struct Tokens {
    rules: TokenRules,
    keys: ArcSwap<Keys>,
    /// By the hash of the whole token. Checking a signature takes longer than deciding on an order.
    believed: DashMap<[u8; 32], Believed>,
    /// How often other keys were found.
    changes: AtomicU64,
    looked: Mutex<Looked>,
}

/// When keys were looked for.
#[derive(Debug, Default)]
struct Looked {
    last: Option<Instant>,
    /// A token has named a key that is not known, or they could not be had.
    wanted: bool,
}

impl Tokens {
    /// Nobody is believed before keys have been looked for.
    pub(super) fn new(rules: TokenRules) -> Self {
        signature::install();
        Self {
            rules,
            keys: ArcSwap::default(),
            believed: DashMap::new(),
            changes: AtomicU64::new(0),
            looked: Mutex::default(),
        }
    }

    pub(super) const fn rules(&self) -> &TokenRules {
        &self.rules
    }

    /// Looks for the issuer's keys, if it is time to. Blocks for as long as that takes; whatever goes wrong, the old keys stay.
    pub(super) fn refresh(&self) -> Result<(), KeysError> {
        {
            let mut looked = self.looked.lock();
            let passed = looked.last.map(|last| last.elapsed());
            let due =
                passed.is_none_or(|passed| passed >= self.rules.refresh || (looked.wanted && passed >= NOT_SOONER));
            if !due {
                return Ok(());
            }
            *looked = Looked { last: Some(Instant::now()), wanted: false };
        }
        let keys = Keys::look(&self.rules.keys, &self.rules.algorithms, &self.keys.load())
            .inspect_err(|_| self.looked.lock().wanted = true)?;
        if let Some(keys) = keys {
            self.keys.store(Arc::new(keys));
            // A key may be gone, and with it what it had signed.
            self.changes.fetch_add(1, Ordering::AcqRel);
            self.believed.clear();
        }
        Ok(())
    }

    /// How often other keys were found: what was believed before may not hold any more.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Who a token is about.
    pub(super) fn judge(&self, token: &[u8]) -> Result<Believed, BadToken> {
        if token.len() > MOST_BYTES {
            return Err(BadToken::Malformed);
        }
        let hash = *blake3::hash(token).as_bytes();
        if let Some(believed) = self.believed.get(&hash).map(|believed| believed.clone()) {
            return if OsTime.wall() < believed.until { Ok(believed) } else { Err(BadToken::Expired) };
        }
        let changes = self.changes();
        let believed = self.check(token)?;
        if self.believed.len() >= REMEMBERED {
            self.believed.clear();
        }
        self.believed.insert(hash, believed.clone());
        if self.changes() != changes {
            // It may rest on a key that has gone meanwhile.
            self.believed.remove(&hash);
        }
        Ok(believed)
    }

    fn check(&self, token: &[u8]) -> Result<Believed, BadToken> {
        let header = decode_header(token).map_err(|error| reason(error.kind()))?;
        if !is_understood(&header) {
            return Err(BadToken::Extension);
        }
        let signed = Algorithm::ours(header.alg).filter(|signed| self.rules.algorithms.contains(signed));
        let signed = signed.ok_or(BadToken::Algorithm)?;
        let keys = self.keys.load();
        let Some(key) = keys.find(header.kid.as_deref(), signed) else {
            self.looked.lock().wanted = true;
            return Err(BadToken::UnknownKey);
        };
        let mut valid = Validation::new(header.alg);
        valid.set_audience(&[&self.rules.audience]);
        valid.set_issuer(&[&self.rules.issuer]);
        valid.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        valid.validate_nbf = true;
        valid.leeway = self.rules.leeway.as_secs();
        let claims: Claims = decode(token, &key.key, &valid).map_err(|error| reason(error.kind()))?.claims;
        // Somewhere in the far future it ends at the latest, whatever is claimed.
        let until = (claims.exp + self.rules.leeway.as_secs_f64()).min(1e12) * 1e6;
        #[expect(clippy::cast_possible_truncation, reason = "bounded above, and what is below has expired")]
        Ok(Believed { subject: claims.sub.into(), until: until as Micros })
    }
}

/// Whether there is nothing in a header that has to be understood and is not. The library reads `crit` and makes nothing of it; RFC 7515 (4.1.11)
/// has such tokens refused, and none of the extensions is known here. `b64` (RFC 7797) changes what was signed, and must not come without `crit`.
fn is_understood(header: &Header) -> bool {
    header.crit.is_none() && header.extras.inner().get("b64").is_none_or(|encoded| *encoded == true)
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Seconds since 1970; a fraction is allowed.
    exp: f64,
}

fn reason(kind: &ErrorKind) -> BadToken {
    match kind {
        ErrorKind::InvalidSignature => BadToken::Signature,
        ErrorKind::ExpiredSignature => BadToken::Expired,
        ErrorKind::ImmatureSignature => BadToken::NotYet,
        ErrorKind::InvalidIssuer => BadToken::Issuer,
        ErrorKind::InvalidAudience => BadToken::Audience,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::UnsupportedAlgorithm => {
            BadToken::Algorithm
        }
        _ => BadToken::Malformed,
    }
}

impl Algorithm {
    /// The same as the library calls it.
    pub(super) const fn theirs(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::RS256 => jsonwebtoken::Algorithm::RS256,
            Self::PS256 => jsonwebtoken::Algorithm::PS256,
            Self::ES256 => jsonwebtoken::Algorithm::ES256,
            Self::ES384 => jsonwebtoken::Algorithm::ES384,
            Self::EdDSA => jsonwebtoken::Algorithm::EdDSA,
        }
    }

    fn ours(theirs: jsonwebtoken::Algorithm) -> Option<Self> {
        Self::ALL.into_iter().find(|ours| ours.theirs() == theirs)
    }
}
