//! The keys of an issuer of tokens, from where it publishes them.

use std::{fs, io, time::Duration};

use jsonwebtoken::{
    DecodingKey,
    jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};

use super::{Algorithm, KeySource};

/// How long an issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many bytes a key set may have; they have some thousand.
const MOST_BYTES: u64 = 1 << 20;

/// Why there are no keys to be had from their source.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("cannot read {source}")]
    File {
        /// Why not.
        source: io::Error,
    },
    /// The address does not answer with a key set.
    #[error("cannot fetch: {0}")]
    Fetch(String),
    /// What is there is no JSON Web Key Set.
    #[error("is no JSON Web Key Set: {0}")]
    Malformed(serde_json::Error),
}

/// Keys that tokens may be signed with.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
    /// What they were read from, to see when it changes.
    text: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Key {
    /// What a token calls it.
    id: Option<String>,
    /// The one algorithm that it is for.
    algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl Keys {
    /// Looks for the keys. Blocks for as long as the source takes.
    pub(super) fn look(source: &KeySource, believed: &[Algorithm]) -> Result<Self, KeysError> {
        let text = match source {
            KeySource::File(path) => fs::read(path).map_err(|source| KeysError::File { source })?,
            KeySource::Url(url) => fetch(url).map_err(|error| KeysError::Fetch(error.to_string()))?,
        };
        let set: JwkSet = serde_json::from_slice(&text).map_err(KeysError::Malformed)?;
        // A set may have keys for other purposes; they are not for us. One without any for us says that none holds any more.
        let keys = set.keys.iter().flat_map(|jwk| usable(jwk, believed)).collect();
        Ok(Self { keys, text })
    }

    /// Whether both were read from the same.
    pub(super) fn are(&self, other: &Self) -> bool {
        self.text == other.text
    }

    /// The key for a token that says this of itself. One that names no key is taken only if there is no choice.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting = self.keys.iter().filter(|key| key.algorithm == algorithm);
        match id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)),
            None => fitting.next().filter(|_| fitting.next().is_none()),
        }
    }
}

/// What a key may be used for: the algorithm it names, or those of its kind.
fn usable(jwk: &Jwk, believed: &[Algorithm]) -> Vec<Key> {
    let signs = jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let Some(key) = DecodingKey::from_jwk(jwk).ok().filter(|_| signs) else { return Vec::new() };
    let named = jwk.common.key_algorithm;
    let fits = |algorithm: &Algorithm| {
        key.family() == algorithm.theirs().family() && named.is_none_or(|named| named == named_as(*algorithm))
    };
    let id = jwk.common.key_id.clone();
    let key = |algorithm: &Algorithm| Key { id: id.clone(), algorithm: *algorithm, key: key.clone() };
    believed.iter().filter(|algorithm| fits(algorithm)).map(key).collect()
}

const fn named_as(algorithm: Algorithm) -> KeyAlgorithm {
    match algorithm {
        Algorithm::RS256 => KeyAlgorithm::RS256,
        Algorithm::PS256 => KeyAlgorithm::PS256,
        Algorithm::ES256 => KeyAlgorithm::ES256,
        Algorithm::ES384 => KeyAlgorithm::ES384,
        Algorithm::EdDSA => KeyAlgorithm::EdDSA,
    }
}

fn fetch(url: &str) -> Result<Vec<u8>, ureq::Error> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        // Where the keys are is what decides whose they are.
        .max_redirects(0)
        .max_redirects_will_error(true)
        .build()
        .new_agent();
    agent.get(url).call()?.body_mut().with_config().limit(MOST_BYTES).read_to_vec()
}
