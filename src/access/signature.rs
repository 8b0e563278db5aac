//! Signatures of tokens, checked by ring.
//!
//! jsonwebtoken brings no cryptography of its own; it asks a provider, of which a process has one. Signing is not for us: only issuers sign.

use jsonwebtoken::{
    AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use signature::{Error as BadSignature, Verifier};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: nobody_signs,
    verifier_factory: verifier,
    // What is behind this is about keys that sign, and about thumbprints; reading a key set needs none of it.
    key_utils: KeyUtils::new_unimplemented(),
};

/// From now on signatures can be checked.
pub(super) fn install() {
    // Whoever was there before has installed the same.
    PROVIDER.install_default().unwrap_or_default();
}

fn nobody_signs(_: &jsonwebtoken::Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verifier(algorithm: &jsonwebtoken::Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let (method, family) = method(*algorithm)?;
    if key.family() != family {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(Checks { algorithm: *algorithm, method, key: key.clone() }))
}

/// How a signature is checked.
#[derive(Clone, Copy)]
enum Method {
    Rsa(&'static RsaParameters),
    Other(&'static dyn VerificationAlgorithm),
}

fn method(algorithm: jsonwebtoken::Algorithm) -> Result<(Method, AlgorithmFamily)> {
    Ok(match algorithm {
        jsonwebtoken::Algorithm::RS256 => (Method::Rsa(&RSA_PKCS1_2048_8192_SHA256), AlgorithmFamily::Rsa),
        jsonwebtoken::Algorithm::PS256 => (Method::Rsa(&RSA_PSS_2048_8192_SHA256), AlgorithmFamily::Rsa),
        jsonwebtoken::Algorithm::ES256 => (Method::Other(&ECDSA_P256_SHA256_FIXED), AlgorithmFamily::Ec),
        jsonwebtoken::Algorithm::ES384 => (Method::Other(&ECDSA_P384_SHA384_FIXED), AlgorithmFamily::Ec),
        jsonwebtoken::Algorithm::EdDSA => (Method::Other(&ED25519), AlgorithmFamily::Ed),
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    })
}

/// Checks signatures that were made with the other half of a key.
struct Checks {
    algorithm: jsonwebtoken::Algorithm,
    method: Method,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for Checks {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), BadSignature> {
        let checked = match (self.method, self.key.kind()) {
            (Method::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Method::Other(algorithm), DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(algorithm, key).verify(message, signature)
            }
            _ => return Err(BadSignature::new()),
        };
        checked.map_err(|_| BadSignature::new())
    }
}

impl JwtVerifier for Checks {
    fn algorithm(&self) -> jsonwebtoken::Algorithm {
        self.algorithm
    }
}
