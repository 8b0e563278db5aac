//! The keys of an issuer of tokens, from where it publishes them.

use std::{fs, io, time::Duration};

use jsonwebtoken::{
    DecodingKey, DecodingKeyKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse},
};

use super::{Algorithm, KeySource};

/// How long an issuer may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many bytes a key set may have; they have some thousand.
const MOST_BYTES: u64 = 1 << 20;

/// How many bytes an RSA key's modulus has at least: 2048 bits, as [RFC 7518](https://www.rfc-editor.org/rfc/rfc7518#section-3.3) wants it.
const RSA_BYTES: usize = 2048 / 8;

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
    text: Option<Vec<u8>>,
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
    /// Looks for the keys; none, if they are what they were before. Blocks for as long as the source takes.
    pub(super) fn look(source: &KeySource, believed: &[Algorithm], before: &Self) -> Result<Option<Self>, KeysError> {
        let text = match source {
            KeySource::File(path) => fs::read(path).map_err(|source| KeysError::File { source })?,
            KeySource::Url(url) => fetch(url).map_err(|error| KeysError::Fetch(error.to_string()))?,
        };
        if before.text.as_ref() == Some(&text) {
            return Ok(None);
        }
        let set: JwkSet = serde_json::from_slice(&text).map_err(KeysError::Malformed)?;
        // A set may have keys for other purposes; they are not for us. One without any for us says that none holds any more.
        let keys = set.keys.iter().flat_map(|jwk| usable(jwk, believed)).collect();
        let keys = Self { keys, text: Some(text) };
        for key in &keys.keys {
            if let (Some(id), None) = (&key.id, keys.find(key.id.as_deref(), key.algorithm)) {
                tracing::warn!(id, "the issuer has two keys of this id: no token that names it is believed");
            }
        }
        Ok(Some(keys))
    }

    /// The key for a token that says this of itself, if there is no choice: of two that fit nobody can tell which is meant.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let named = |key: &&Key| id.is_none() || key.id.as_deref() == id;
        let mut fitting = self.keys.iter().filter(|key| key.algorithm == algorithm).filter(named);
        fitting.next().filter(|_| fitting.next().is_none())
    }
}

/// What a key may be used for: the algorithm it names, or those of its kind.
fn usable(jwk: &Jwk, believed: &[Algorithm]) -> Vec<Key> {
    let common = &jwk.common;
    let signs = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let checks = common.key_operations.as_ref().is_none_or(|may| may.contains(&KeyOperations::Verify));
    let Some(key) = DecodingKey::from_jwk(jwk).ok().filter(|_| signs && checks) else { return Vec::new() };
    let id = common.key_id.clone();
    if is_weak(&key) {
        tracing::warn!(id, "a key of the issuer has less than 2048 bits: no token that it has signed is believed");
        return Vec::new();
    }
    let named = common.key_algorithm;
    let fits =
        |algorithm: &Algorithm| of_its_kind(jwk, *algorithm) && named.is_none_or(|named| named == named_as(*algorithm));
    let key = |algorithm: &Algorithm| Key { id: id.clone(), algorithm: *algorithm, key: key.clone() };
    believed.iter().filter(|algorithm| fits(algorithm)).map(key).collect()
}

/// Whether it is an RSA key with which others could sign, too.
fn is_weak(key: &DecodingKey) -> bool {
    let DecodingKeyKind::RsaModulusExponent { n, .. } = key.kind() else { return false };
    n.iter().skip_while(|byte| **byte == 0).count() < RSA_BYTES
}

/// Whether a key is of the kind, and on the curve, that an algorithm goes with.
const fn of_its_kind(jwk: &Jwk, algorithm: Algorithm) -> bool {
    match (&jwk.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256 | Algorithm::PS256) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => matches!(key.curve, EllipticCurve::P256),
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES384) => matches!(key.curve, EllipticCurve::P384),
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => matches!(key.curve, EllipticCurve::Ed25519),
        _ => false,
    }
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
