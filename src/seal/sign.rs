//! Keys of Ed25519, in the files in which OpenSSL writes them.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::Hex;

/// A private key.
pub struct Key(Ed25519KeyPair);

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicKey(pub Hex<32>);

/// A file that holds no key that can be used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// There is no such part in it.
    #[error("there is no \"-----BEGIN {0}-----\" with what belongs to it")]
    Pem(&'static str),
    /// It is a key of another kind, or none.
    #[error("it is no key of Ed25519: {0}")]
    Kind(String),
}

/// What stands before the 32 bytes of a public key of Ed25519 in DER (RFC 8410).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

impl Key {
    /// Reads a private key: PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse_pem(text: &str) -> Result<Self, InvalidKey> {
        let der = pem(text, "PRIVATE KEY")?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der);
        pair.map(Self).map_err(|rejected| InvalidKey::Kind(rejected.to_string()))
    }

    /// What the signatures of this key are known by.
    pub fn public(&self) -> PublicKey {
        PublicKey(Hex(self.0.public_key().as_ref().try_into().unwrap_or_default()))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Hex<64> {
        Hex(self.0.sign(message).as_ref().try_into().unwrap_or([0; 64]))
    }
}

impl PublicKey {
    /// Reads a public key: PEM, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse_pem(text: &str) -> Result<Self, InvalidKey> {
        let der = pem(text, "PUBLIC KEY")?;
        let bytes = der.strip_prefix(&PUBLIC_PREFIX).and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| Self(Hex(bytes))).ok_or_else(|| InvalidKey::Kind("InvalidEncoding".to_owned()))
    }

    pub(super) fn has_signed(&self, message: &[u8], signature: &Hex<64>) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0.0).verify(message, &signature.0).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Key {
    /// The key itself stays secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.public()).finish()
    }
}

/// The bytes of the part of a PEM file that has this label.
fn pem(text: &str, label: &'static str) -> Result<Vec<u8>, InvalidKey> {
    let missing = InvalidKey::Pem(label);
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----")).ok_or_else(|| missing.clone())?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----")).ok_or_else(|| missing.clone())?;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).map_err(|_| missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 8410, 10.3, and the public key that belongs to it (10.1).
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn the_keys_of_the_standard_are_read() {
        let (key, public) = (Key::parse_pem(PRIVATE).unwrap(), PublicKey::parse_pem(PUBLIC).unwrap());
        assert_eq!(key.public(), public);
        let signature = key.sign(b"said");
        assert!(public.has_signed(b"said", &signature));
        assert!(!public.has_signed(b"Said", &signature));
        assert!(!format!("{key:?}").contains("d4ee72"));
    }

    #[test]
    fn anything_else_is_no_key() {
        assert_eq!(Key::parse_pem(PUBLIC).unwrap_err(), InvalidKey::Pem("PRIVATE KEY"));
        assert_eq!(Key::parse_pem(&PRIVATE[..60]).unwrap_err(), InvalidKey::Pem("PRIVATE KEY"));
        assert!(matches!(Key::parse_pem(&PRIVATE.replace("BQYDK2Vw", "BQYDK2Vu")), Err(InvalidKey::Kind(_))));
        assert!(matches!(PublicKey::parse_pem(&PUBLIC.replace("BQYDK2Vw", "BQYDK2Vu")), Err(InvalidKey::Kind(_))));
    }
}
