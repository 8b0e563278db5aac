//! Files of certificates and keys, looked at before rustls is handed them, so that what is wrong with one is said with its name.

use std::{fs, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::cli::{Exit, Failure};

/// What TLS is made of: whom to trust, and what to show.
#[derive(Debug)]
pub(super) struct Files {
    /// Who may have issued the server's certificate; without it those that the system trusts.
    ca: Option<Certificates>,
    /// What to show to a server that asks.
    shown: Option<(Certificates, Key)>,
}

/// The certificates of a PEM file.
#[derive(Debug)]
struct Certificates {
    text: Vec<u8>,
    found: Vec<CertificateDer<'static>>,
}

/// The private key of a PEM file, which is not shown.
struct Key {
    text: Vec<u8>,
    found: PrivateKeyDer<'static>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl Files {
    /// Reads those that are given.
    ///
    /// # Errors
    /// [`Exit::Usage`] for a certificate without a key and the other way round, [`Exit::Failed`] for a file that cannot be used.
    pub(super) fn read(ca: Option<&Path>, cert: Option<&Path>, key: Option<&Path>) -> Result<Self, Failure> {
        let ca = ca.map(|ca| certificates("--ca", ca)).transpose()?;
        let shown = match (cert, key) {
            (Some(cert), Some(key)) => Some((certificates("--cert", cert)?, private_key(key)?)),
            (None, None) => None,
            _ => return Err(Failure::new(Exit::Usage, "--cert and --key go together: one of them is missing")),
        };
        Ok(Self { ca, shown })
    }

    /// For channels of tonic.
    pub(super) fn for_channels(&self) -> ClientTlsConfig {
        let tls = match &self.ca {
            Some(ca) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&ca.text)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        match &self.shown {
            Some((cert, key)) => tls.identity(Identity::from_pem(&cert.text, &key.text)),
            None => tls,
        }
    }

    /// The same, for sockets on which somebody speaks HTTP/2 by himself.
    ///
    /// # Errors
    /// [`Exit::Failed`] for a key that is not the certificate's.
    pub(super) fn for_sockets(self) -> Result<ClientConfig, Failure> {
        let mut roots = RootCertStore::empty();
        // As tonic does it: of many roots, some may be of a kind that is not known here.
        roots.add_parsable_certificates(match self.ca {
            Some(ca) => ca.found,
            None => rustls_native_certs::load_native_certs().certs,
        });
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(unusable_for_tls)?;
        let builder = builder.with_root_certificates(roots);
        let mut config = match self.shown {
            Some((cert, key)) => builder.with_client_auth_cert(cert.found, key.found).map_err(unusable_for_tls)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![super::way::H2.to_vec()];
        Ok(config)
    }
}

/// What to say where the files can be read, and TLS cannot be made of them.
pub(super) fn unusable_for_tls(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::new(Exit::Failed, error).during("the certificates or the key cannot be used for TLS")
}

fn certificates(flag: &str, path: &Path) -> Result<Certificates, Failure> {
    let text = read(flag, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(unusable(flag, path, "no certificate in it (-----BEGIN CERTIFICATE-----)"))
        }
        Ok(found) => Ok(Certificates { text, found }),
        Err(error) => Err(unusable(flag, path, &error.to_string())),
    }
}

fn private_key(path: &Path) -> Result<Key, Failure> {
    let text = read("--key", path)?;
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(found) => Ok(Key { text, found }),
        Err(pem::Error::NoItemsFound) => {
            Err(unusable("--key", path, "no private key in it that is not encrypted (-----BEGIN PRIVATE KEY-----)"))
        }
        Err(error) => Err(unusable("--key", path, &error.to_string())),
    }
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::new(Exit::Failed, error).during(format!("cannot read {flag} {}", path.display()));
    fs::read(path).map_err(unreadable)
}

fn unusable(flag: &str, path: &Path, problem: &str) -> Failure {
    Failure::new(Exit::Failed, format!("{flag} {}: {problem}", path.display()))
}
