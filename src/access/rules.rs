//! Who may do what, as an operator has laid it down.

use std::{collections::HashMap, num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use super::{Permissions, Scope, limits::Budget};
use crate::domain::{Change, Money};

/// Whom the program takes somebody for, and how it knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Identity {
    /// A [SPIFFE ID](https://spiffe.io/docs/latest/spiffe-specs/spiffe-id/) in the client's certificate.
    Spiffe(String),
    /// A DNS name in the client's certificate.
    Dns(String),
    /// The subject of a token.
    Subject(String),
}

impl Identity {
    /// The longest name that an identity may have, in bytes: it stands in every record of what its owner brings about.
    pub const MAX_BYTES: usize = 255;

    /// As it stands in records: `spiffe://…`, `dns:…` or `sub:…`, so that no kind can be taken for another.
    pub fn name(&self) -> String {
        match self {
            Self::Spiffe(id) => id.clone(),
            Self::Dns(name) => format!("dns:{name}"),
            Self::Subject(subject) => format!("sub:{subject}"),
        }
    }
}

/// What an operator says of a caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerRules {
    /// Whom they are about.
    pub identity: Identity,
    /// What its roles allow.
    pub may: Permissions,
    /// Whom it may be about.
    pub merchants: Scope,
    /// How much.
    pub limits: Limits,
}

/// How much a caller may ask for; what is not given has no bound but the server's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls in a second, where each order of a chunk counts as one.
    pub rate: Option<NonZeroU32>,
    /// How many of them may come at once after a time of silence; as many as in a second, if it is not given.
    pub burst: Option<NonZeroU32>,
    /// Calls that are not answered yet; a stream counts until it ends.
    pub concurrent: Option<NonZeroU32>,
}

impl Limits {
    /// How many calls may come at once, if there is a bound.
    pub fn most_at_once(self) -> Option<NonZeroU32> {
        self.rate.map(|rate| self.burst.unwrap_or(rate))
    }
}

/// Which tokens are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// Who has to have made them.
    pub issuer: String,
    /// Whom they have to be meant for.
    pub audience: String,
    /// How they may be signed.
    pub algorithms: Vec<Algorithm>,
    /// Where the issuer's keys are.
    pub keys: KeySource,
    /// How often they are looked for anew.
    pub refresh: Duration,
    /// How far the issuer's clock may be off.
    pub leeway: Duration,
}

/// Where an issuer's keys are, as a JSON Web Key Set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file.
    File(PathBuf),
    /// Behind an `https` address, or an `http` address of this machine.
    Url(String),
}

/// How a token may be signed: with keys of which only one half is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with SHA-256.
    RS256,
    /// RSA-PSS with SHA-256.
    PS256,
    /// ECDSA over P-256.
    ES256,
    /// ECDSA over P-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::RS256, Self::PS256, Self::ES256, Self::ES384, Self::EdDSA];
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Which changes nobody may make alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FourEyes {
    /// Deductions above this amount; none: every caller who may deduct does so alone.
    pub deduct_over: Option<Money>,
    /// Adjustments above this amount, in both directions; none: as with deductions.
    pub adjust_over: Option<Money>,
    /// Policies.
    pub policy: bool,
    /// How long a proposal may be approved.
    pub expires_after: Duration,
}

impl Default for FourEyes {
    fn default() -> Self {
        Self { deduct_over: None, adjust_over: None, policy: false, expires_after: Duration::from_secs(72 * 3_600) }
    }
}

impl FourEyes {
    /// Whether it takes another one to approve a change.
    pub fn are_needed(&self, change: &Change) -> bool {
        let above = |limit: Option<Money>, amount| limit.is_some_and(|limit| amount > limit);
        match change {
            Change::Deduction(_, command) => above(self.deduct_over, command.amount),
            Change::Adjustment(_, command) => above(self.adjust_over, command.amount),
            Change::Policy(_) => self.policy,
        }
    }
}

/// Who may do what. Whoever is not named may do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Those who may do something, each once.
    pub callers: Vec<CallerRules>,
    /// Which tokens are believed; none, if there is nothing said.
    pub tokens: Option<TokenRules>,
    /// What nobody may do alone.
    pub four_eyes: FourEyes,
}

/// A caller as the rules have it, with what is left of its limits.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) name: Arc<str>,
    pub(super) may: Permissions,
    pub(super) merchants: Scope,
    pub(super) budget: Budget,
}

/// Rules by whom they are about.
pub(super) type Grants = HashMap<Identity, Arc<Grant>>;

/// The grants of these rules. Who has the same limits as before keeps what is left of them.
pub(super) fn grants(rules: &Rules, before: &Grants) -> Grants {
    let grant = |caller: &CallerRules| {
        let before = before.get(&caller.identity).map(|grant| &grant.budget);
        Arc::new(Grant {
            name: caller.identity.name().into(),
            may: caller.may,
            merchants: caller.merchants.clone(),
            budget: Budget::after(before, caller.limits),
        })
    };
    rules.callers.iter().map(|caller| (caller.identity.clone(), grant(caller))).collect()
}
