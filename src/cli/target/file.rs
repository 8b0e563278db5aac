//! Files of certificates and keys, looked at before rustls is handed them, so that what is wrong with one is said with its name.

use std::{fs, path::Path};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _};
use tonic::transport::{Certificate, Identity};

use crate::cli::{Exit, Failure};

/// The certificates of a PEM file.
pub(super) fn certificates(flag: &str, path: &Path) -> Result<Certificate, Failure> {
    let text = read(flag, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(unusable(flag, path, "no certificate in it (-----BEGIN CERTIFICATE-----)"))
        }
        Ok(_) => Ok(Certificate::from_pem(text)),
        Err(error) => Err(unusable(flag, path, &error.to_string())),
    }
}

/// A certificate with its key.
pub(super) fn identity(cert: &Path, key: &Path) -> Result<Identity, Failure> {
    let certificates = certificates("--cert", cert)?;
    let text = read("--key", key)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(_) => Ok(Identity::from_pem(certificates, text)),
        Err(pem::Error::NoItemsFound) => {
            Err(unusable("--key", key, "no private key in it that is not encrypted (-----BEGIN PRIVATE KEY-----)"))
        }
        Err(error) => Err(unusable("--key", key, &error.to_string())),
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::new(Exit::Failed, error).during(format!("cannot read {flag} {}", path.display()));
    fs::read(path).map_err(unreadable)
}

fn unusable(flag: &str, path: &Path, problem: &str) -> Failure {
    Failure::new(Exit::Failed, format!("{flag} {}: {problem}", path.display()))
}
