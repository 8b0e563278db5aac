//! Who is asking, and what he may do.
//!
//! ```text
//!   certificate ─┐                           permission of the method?
//!                ├─▶ Identity ─▶ grant ──▶   enough of its limits left?  ──▶ Session ─▶ about a merchant it may touch?
//!   token ───────┘      │          │
//!                  not believed  unknown                     every no: Denied, and a line in the audit log
//! ```
//!
//! Rules are a file ([`crate::config::AccessFile`]) that is looked at again while serving ([`Access::refresh`]); what is wrong with a new one leaves
//! the old one standing. Whoever is not named there may do nothing. A call is admitted before its message is looked at ([`Access::admit`]); what it
//! is about is judged when it has been read, before anything else of it ([`Session::may_touch`]).

mod audit;
mod denied;
mod keys;
mod limits;
mod peer;
mod permission;
mod rules;
mod scope;
mod session;
mod signature;
mod token;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;

pub use self::{
    audit::{Attempt, AuditLog, Refused, files as audit_files},
    denied::Denied,
    keys::KeysError,
    limits::{CallerUse, Exceeded, UnderWay},
    peer::Peer,
    permission::{Permission, Permissions},
    rules::{Algorithm, CallerRules, FourEyes, Identity, KeySource, Limits, Rules, TokenRules},
    scope::Scope,
    session::{Session, Standing},
    token::BadToken,
};
use self::{
    rules::{Grant, Grants, grants},
    token::{Believed, Tokens},
};
use crate::{
    clock::{Micros, OsTime, TimeSource as _},
    config::{AccessError, AccessFile},
};

/// Decides who may do what, by a file of rules.
#[derive(Debug)]
pub struct Access {
    path: PathBuf,
    state: ArcSwap<State>,
    audit: AuditLog,
}

/// The rules as they stand.
#[derive(Debug)]
struct State {
    /// The file that they come from, to see when it changes.
    text: String,
    grants: Grants,
    tokens: Option<Arc<Tokens>>,
    four_eyes: FourEyes,
}

/// Why rules do not hold.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The file cannot be read.
    #[error("the access file {} cannot be read: {error}", path.display())]
    Unreadable {
        /// The file as it was named.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// What is written there makes no sense.
    #[error("the access file {}: {error}", path.display())]
    Malformed {
        /// The file as it was named.
        path: PathBuf,
        /// What is wrong.
        error: AccessError,
    },
    /// The keys of the issuer of tokens are not to be had.
    #[error("the keys of {issuer}: {error}")]
    Keys {
        /// Whose keys.
        issuer: String,
        /// Why not.
        error: KeysError,
    },
}

/// What a call brings with it that tells who is asking.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// Who is at the other end of the connection.
    pub peer: &'a Peer,
    /// The `authorization` of the call.
    pub authorization: Option<&'a [u8]>,
}

impl Access {
    /// Reads the rules. Keys of an issuer that cannot be had yet do not matter: nobody is believed until they can.
    ///
    /// # Errors
    /// When the file cannot be read, or makes no sense.
    pub fn open(path: PathBuf, audit: AuditLog) -> Result<Self, RulesError> {
        let text = read(&path)?;
        let state = State::of(text, &path, None)?;
        let access = Self { path, state: ArcSwap::from_pointee(state), audit };
        if let Err(error) = access.state.load().refresh_keys() {
            tracing::warn!(%error, "no token is believed until its issuer's keys are there");
        }
        Ok(access)
    }

    /// Looks at the file again, and takes what is new. Blocks for as long as that takes: where another issuer is to be believed, until its keys
    /// are there. Answers whether the rules are new.
    ///
    /// # Errors
    /// When something is wrong with what is there now; what held before holds on.
    pub fn refresh(&self) -> Result<bool, RulesError> {
        let before = self.state.load_full();
        let text = read(&self.path)?;
        if text == before.text {
            return Ok(false);
        }
        let state = State::of(text, &self.path, Some(&before))?;
        state.refresh_keys()?;
        self.state.store(Arc::new(state));
        Ok(true)
    }

    /// Looks for the keys of the issuer of tokens, when it is time to. Blocks for as long as that takes.
    ///
    /// # Errors
    /// When they are not to be had; those that were there hold on.
    pub fn refresh_keys(&self) -> Result<(), RulesError> {
        self.state.load_full().refresh_keys()
    }

    /// Admits a call of a method, by its path, or says why not.
    ///
    /// # Errors
    /// When nobody can be told to be asking, or somebody who may not.
    pub fn admit(self: &Arc<Self>, path: &str, credentials: Credentials<'_>) -> Result<(Session, UnderWay), Denied> {
        let state = self.state.load();
        let told = state.identify(credentials);
        let attempt = |caller: &str| Attempt {
            caller: caller.to_owned(),
            peer: credentials.peer.address,
            method: path.to_owned(),
            merchant: String::new(),
        };
        let known = match told {
            Ok(known) => known,
            Err(denied) => return Err(self.refuse(attempt(denied.caller()), denied)),
        };
        let Known { grant, until, identity, tokens } = known;
        let admitted = grant.admit(path);
        let (needs, under_way) = admitted.map_err(|denied| self.refuse(attempt(&grant.name), denied))?;
        let session = Session::new(
            Arc::clone(self),
            (identity, grant),
            needs,
            credentials.peer.address,
            Standing { until, tokens },
        );
        Ok((session, under_way))
    }

    /// How much everybody may ask for whom the rules name now, and how much he has, by his name.
    pub fn callers(&self) -> Vec<CallerUse> {
        let state = self.state.load();
        let mut callers: Vec<_> = state.grants.values().map(|grant| grant.budget.used_by(&grant.name)).collect();
        callers.sort_by(|one, other| one.caller.cmp(&other.caller));
        callers
    }

    /// Writes a no down, and hands it on.
    fn refuse(&self, attempt: Attempt, denied: Denied) -> Denied {
        self.audit.refused(attempt, &denied);
        denied
    }

    /// What the rules as they stand now have about somebody.
    fn grant(&self, identity: &Identity) -> Option<Arc<Grant>> {
        self.state.load().grants.get(identity).cloned()
    }

    /// What nobody may do alone by the rules as they stand now.
    fn four_eyes(&self) -> FourEyes {
        self.state.load().four_eyes
    }

    /// Whether tokens are believed by the same rules and keys as then.
    fn believes(&self, (tokens, changes): &Believing) -> bool {
        let now = self.state.load();
        now.tokens.as_ref().is_some_and(|now| Arc::ptr_eq(now, tokens)) && tokens.changes() == *changes
    }
}

/// Somebody whom the rules name.
struct Known {
    identity: Identity,
    grant: Arc<Grant>,
    /// When what he is known by loses its force, on the wall clock.
    until: Option<Micros>,
    /// Which tokens were believed, if he is known by one.
    tokens: Option<Believing>,
}

/// Which tokens were believed: by which rules, and by which of their keys.
type Believing = (Arc<Tokens>, u64);

impl State {
    fn of(text: String, path: &Path, before: Option<&Self>) -> Result<Self, RulesError> {
        let malformed = |error| RulesError::Malformed { path: path.to_owned(), error };
        let rules = AccessFile::parse(&text).map_err(malformed)?;
        let grants = match before {
            Some(before) => grants(&rules, &before.grants),
            None => grants(&rules, &Grants::new()),
        };
        let kept = before.and_then(|before| before.tokens.as_ref());
        let tokens = rules.tokens.map(|rules| match kept.filter(|kept| *kept.rules() == rules) {
            Some(kept) => Arc::clone(kept),
            None => Arc::new(Tokens::new(rules)),
        });
        Ok(Self { text, grants, tokens, four_eyes: rules.four_eyes })
    }

    fn refresh_keys(&self) -> Result<(), RulesError> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        tokens.refresh().map_err(|error| RulesError::Keys { issuer: tokens.rules().issuer.clone(), error })
    }

    /// Whom the rules name of those that the credentials tell of. A token that is there decides: who brings one wants to be judged by it.
    fn identify(&self, Credentials { peer, authorization }: Credentials<'_>) -> Result<Known, Denied> {
        if let Some(given) = authorization {
            let token = bearer(given).ok_or(Denied::BadToken(BadToken::Malformed))?;
            let tokens = self.tokens.as_ref().ok_or(Denied::NoTokens)?;
            let believing = (Arc::clone(tokens), tokens.changes());
            let Believed { subject, until } = tokens.judge(token).map_err(Denied::BadToken)?;
            return self.known(Identity::Subject(subject.to_string()), Some(until), Some(believing));
        }
        if peer.until.is_some_and(|until| OsTime.wall() >= until) {
            return Err(Denied::CertificateExpired);
        }
        let named = peer.identities.iter().find(|identity| self.grants.contains_key(identity));
        let identity = named.or(peer.identities.first()).ok_or(Denied::NoCredentials)?;
        self.known(identity.clone(), peer.until, None)
    }

    fn known(&self, identity: Identity, until: Option<Micros>, tokens: Option<Believing>) -> Result<Known, Denied> {
        match self.grants.get(&identity) {
            Some(grant) => Ok(Known { identity, grant: Arc::clone(grant), until, tokens }),
            None => Err(Denied::Unknown { caller: identity.name() }),
        }
    }
}

fn read(path: &Path) -> Result<String, RulesError> {
    fs::read_to_string(path).map_err(|error| RulesError::Unreadable { path: path.to_owned(), error })
}

/// The token of an `authorization`; the scheme may be written in any case.
fn bearer(given: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = given.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}
