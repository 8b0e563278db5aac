//! Encrypted connections: certificates from files, looked at again while serving.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{NoClientAuth, VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::config::{ClientCert, TlsConfig};

/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why connections cannot be encrypted as the files say.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} {problem}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong, to be read behind the name.
        problem: String,
    },
    /// The files do not go together.
    #[error("{} and {}: {error}", cert.display(), key.display())]
    Mismatch {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why not.
        error: rustls::Error,
    },
}

/// Encrypts connections with what is in the files.
#[derive(Debug)]
pub(super) struct Tls {
    config: TlsConfig,
    now: ArcSwap<Loaded>,
}

/// What was in the files.
#[derive(Debug)]
struct Loaded {
    files: Files,
    rustls: Arc<ServerConfig>,
}

/// The files, to see when they change.
#[derive(PartialEq, Eq)]
struct Files {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for Files {
    /// The key is told to nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    pub(super) fn open(config: TlsConfig) -> Result<Self, TlsError> {
        let loaded = Loaded::of(Files::read(&config)?, &config)?;
        Ok(Self { config, now: ArcSwap::from_pointee(loaded) })
    }

    /// Looks at the files again; new connections are as they say now, those that there are go on. Answers whether anything was new. Blocks
    /// while it reads.
    ///
    /// Files that do not go together may be halfway through being replaced: what held before holds on.
    pub(super) fn refresh(&self) -> Result<bool, TlsError> {
        let files = Files::read(&self.config)?;
        if files == self.now.load().files {
            return Ok(false);
        }
        self.now.store(Arc::new(Loaded::of(files, &self.config)?));
        Ok(true)
    }

    /// Shakes hands with who has connected.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.now.load().rustls));
        match timeout(PATIENCE, acceptor.accept(stream)).await {
            Ok(done) => done,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Files {
    fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        let read = |path: &Path| fs::read(path).map_err(|error| TlsError::Unreadable { path: path.to_owned(), error });
        let client_ca = config.client_ca.as_deref().map(read).transpose()?;
        Ok(Self { cert: read(&config.cert)?, key: read(&config.key)?, client_ca })
    }
}

impl Loaded {
    fn of(files: Files, config: &TlsConfig) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(&files.cert, &config.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&files.key);
        let key = key.map_err(|error| malformed(&config.key, format!("has no private key: {error}")))?;
        let mismatch = |error| TlsError::Mismatch { cert: config.cert.clone(), key: config.key.clone(), error };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(mismatch)?;
        let clients = verifier(&files, config, provider)?;
        let mut rustls = builder.with_client_cert_verifier(clients).with_single_cert(chain, key).map_err(mismatch)?;
        rustls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { files, rustls: Arc::new(rustls) })
    }
}

/// Judges the certificates of clients.
fn verifier(
    files: &Files,
    config: &TlsConfig,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let Some((path, pem)) = config.client_ca.as_deref().zip(files.client_ca.as_deref()) else {
        return Ok(Arc::new(NoClientAuth));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, path)? {
        roots
            .add(certificate)
            .map_err(|error| malformed(path, format!("has a certificate of no authority: {error}")))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let verifier = match config.client_cert {
        ClientCert::Required => verifier,
        ClientCert::Optional => verifier.allow_unauthenticated(),
    };
    verifier.build().map_err(|error: VerifierBuilderError| malformed(path, format!("is of no use: {error}")))
}

fn certificates(text: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(text).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(malformed(path, "has no certificate".to_owned())),
        Err(error) => Err(malformed(path, format!("is no PEM: {error}"))),
    }
}

fn malformed(path: &Path, problem: String) -> TlsError {
    TlsError::Malformed { path: path.to_owned(), problem }
}
