//! Somebody who makes tokens.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
        RsaEncoding, RsaKeyPair,
    },
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde_json::{Value, json};

pub(crate) const NAME: &str = "https://id.shop.example";
pub(crate) const AUDIENCE: &str = "tplus";

/// A key that signs tokens.
pub(crate) struct Key {
    pub(crate) id: String,
    pair: Pair,
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// Keys for tests, which protect nothing: making one takes too long.
const RSA_2048: &str = include_str!("keys/rsa-2048.test.pem");
const RSA_3072: &str = include_str!("keys/rsa-3072.test.pem");

impl Key {
    pub(crate) fn p256(id: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { id: id.into(), pair: Pair::P256(pair) }
    }

    pub(crate) fn ed25519(id: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self { id: id.into(), pair: Pair::Ed25519(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap()) }
    }

    pub(crate) fn rsa_2048(id: &str) -> Self {
        Self::rsa(id, RSA_2048)
    }

    pub(crate) fn rsa_3072(id: &str) -> Self {
        Self::rsa(id, RSA_3072)
    }

    fn rsa(id: &str, pem: &str) -> Self {
        let document = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap();
        Self { id: id.into(), pair: Pair::Rsa(RsaKeyPair::from_pkcs8(document.secret_pkcs8_der()).unwrap()) }
    }

    fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
            Pair::Rsa(_) => "RS256",
        }
    }

    /// What of it is for everybody.
    pub(crate) fn public(&self) -> Value {
        let (id, algorithm) = (&self.id, self.algorithm());
        match &self.pair {
            Pair::P256(pair) => {
                // The first byte says that both halves follow.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (BASE64.encode(x), BASE64.encode(y));
                json!({"kty": "EC", "crv": "P-256", "kid": id, "alg": algorithm, "use": "sig", "x": x, "y": y})
            }
            Pair::Rsa(pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                let (n, e) = (BASE64.encode(n), BASE64.encode(e));
                // Such a key names no algorithm, so that it is good for both of its kind.
                json!({"kty": "RSA", "kid": id, "use": "sig", "n": n, "e": e})
            }
            Pair::Ed25519(pair) => {
                let x = BASE64.encode(pair.public_key());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "alg": algorithm, "use": "sig", "x": x})
            }
        }
    }

    /// A token about somebody, which is good until the other end of the century unless `claims` say otherwise.
    pub(crate) fn token(&self, subject: &str, claims: &Value) -> String {
        self.signed(&json!({"alg": self.algorithm(), "kid": self.id, "typ": "JWT"}), subject, claims)
    }

    pub(crate) fn signed(&self, header: &Value, subject: &str, claims: &Value) -> String {
        let mut all = json!({"iss": NAME, "aud": AUDIENCE, "sub": subject, "exp": 4_000_000_000_u64});
        for (name, value) in claims.as_object().unwrap() {
            if value.is_null() {
                all.as_object_mut().unwrap().remove(name);
            } else {
                all[name] = value.clone();
            }
        }
        let said = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(all.to_string()));
        let signature = match &self.pair {
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), said.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(said.as_bytes()).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding =
                    if header["alg"] == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &SystemRandom::new(), said.as_bytes(), &mut signature).unwrap();
                signature
            }
        };
        format!("{said}.{}", BASE64.encode(signature))
    }
}

/// A key set of keys as they are published, or as a test would have them.
pub(crate) fn key_set(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}

/// A key set.
pub(crate) fn published(keys: &[&Key]) -> String {
    key_set(&keys.iter().map(|key| key.public()).collect::<Vec<_>>())
}
