//! How commands reach a server: over TLS, with a certificate of their own, with a token; and what they say when they cannot.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at once"
)]

mod served;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};

use self::served::{Server, tplus};

/// Whom both sides trust, and a certificate for each; another one that nobody trusts.
struct Certificates {
    dir: TempDir,
}

impl Certificates {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (ca, members) in [("ca", &["server", "client"][..]), ("other-ca", &["stranger"])] {
            let mut params = CertificateParams::new(vec![]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            fs::write(dir.path().join(format!("{ca}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
            let issuer = Issuer::new(params, key);
            for member in members {
                let params = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()]).unwrap();
                let key = KeyPair::generate().unwrap();
                fs::write(dir.path().join(format!("{member}.pem")), params.signed_by(&key, &issuer).unwrap().pem())
                    .unwrap();
                fs::write(dir.path().join(format!("{member}.key")), key.serialize_pem()).unwrap();
            }
        }
        Self { dir }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    fn certificates(&self, file: &str) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(self.path(file)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// What a server does that shows its certificate, and perhaps wants to see one.
    fn acceptor(&self, mutual: bool) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if mutual {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificates("ca.pem").remove(0)).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::from_pem_file(self.path("server.key")).unwrap();
        let mut config = builder.with_single_cert(self.certificates("server.pem"), key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Takes TLS off what comes, and hands it on to a server that speaks none.
async fn in_front_of(server: SocketAddr, acceptor: TlsAcceptor) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever is not trusted gets no further.
                let Ok(mut outside) = acceptor.accept(socket).await else { return };
                let mut inside = TcpStream::connect(server).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut outside, &mut inside).await);
            });
        }
    });
    address
}

/// Runs the program while this runtime serves: its exit code, and all that it said.
async fn run(args: &[&str]) -> (Option<i32>, String) {
    run_where_the_system_trusts(Path::new("/dev/null"), args).await
}

/// The same, where the system's roots are those of a file.
async fn run_where_the_system_trusts(roots: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = tplus(args);
    command.env("SSL_CERT_FILE", roots).env_remove("SSL_CERT_DIR");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_server_is_asked_over_tls() {
    let root = tempfile::tempdir().unwrap();
    let (_server, address) = Server::start(root.path(), &["--listen", "127.0.0.1:0"], &[]);
    let plain: SocketAddr = address.trim_start_matches("http://").parse().unwrap();
    let files = Certificates::new();
    let file = |name: &str| text(&files.path(name));
    let (ca, other_ca) = (file("ca.pem"), file("other-ca.pem"));
    let (cert, key) = (file("client.pem"), file("client.key"));
    let (stranger, stranger_key) = (file("stranger.pem"), file("stranger.key"));
    let shown = format!("https://{}", in_front_of(plain, files.acceptor(false)).await);
    let mutual = format!("https://{}", in_front_of(plain, files.acceptor(true)).await);

    let (exit, said) = run(&["clock", "show", "--server", &shown, "--ca", &ca]).await;
    assert_eq!(exit, Some(0), "{said}");
    let (exit, said) = run(&["clock", "show", "--server", &mutual, "--ca", &ca, "--cert", &cert, "--key", &key]).await;
    assert_eq!(exit, Some(0), "{said}");
    // What sends files reaches it the same way.
    let rows = root.path().join("merchants.csv");
    fs::write(&rows, "merchant_id,available\nm1,5\n").unwrap();
    let (exit, said) = run(&["import", &text(&rows), "--server", &shown, "--ca", &ca]).await;
    assert_eq!(exit, Some(0), "{said}");

    let (roots, others, line) =
        (files.path("ca.pem"), files.path("other-ca.pem"), ["clock", "show", "--server", &shown]);
    let system = |roots| run_where_the_system_trusts(roots, &line);
    assert_eq!(system(&roots).await.0, Some(0), "whom the system trusts is trusted");
    // Nobody vouches for the server: neither those that the system trusts, nor these.
    for (exit, said) in [system(&others).await, run(&[&line[..], &["--ca", &other_ca]].concat()).await] {
        assert_eq!(exit, Some(1), "{said}");
        assert!(said.starts_with(&format!("error: asking {shown}: ")) && said.contains("certificate"), "{said}");
        assert!(said.contains("\nhint: does the server show a certificate for this address"), "{said}");
    }
    for identity in [&[][..], &["--cert", &stranger, "--key", &stranger_key]] {
        let (exit, said) = run(&[&["clock", "show", "--server", &mutual, "--ca", &ca], identity].concat()).await;
        assert_eq!(exit, Some(1), "{said}");
        assert!(said.starts_with(&format!("error: asking {mutual}: ")), "{said}");
    }
    // No TLS where TLS is spoken, and the other way round.
    let (exit, _) = run(&["clock", "show", "--server", &shown.replace("https", "http")]).await;
    assert_eq!(exit, Some(1));
    let (exit, said) = run(&["clock", "show", "--server", &address.replace("http", "https"), "--ca", &ca]).await;
    assert_eq!(exit, Some(1), "{said}");
}

/// Answers every call that nobody is known, and notes what was shown.
async fn doorkeeper(seen: Arc<Mutex<Vec<String>>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let Ok(mut calls) = h2::server::handshake(socket).await else { return };
                while let Some(Ok((request, mut answer))) = calls.accept().await {
                    let shown = request.headers().get("authorization");
                    let shown = shown.map_or("nothing", |shown| shown.to_str().unwrap()).to_owned();
                    seen.lock().unwrap().push(shown);
                    let refusal = http::Response::builder()
                        .header("content-type", "application/grpc")
                        .header("grpc-status", "16")
                        .header("grpc-message", "who are you?");
                    answer.send_response(refusal.body(()).unwrap(), true).unwrap();
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_token_is_shown_with_every_call() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let address = format!("http://{}", doorkeeper(Arc::clone(&seen)).await);
    let root = tempfile::tempdir().unwrap();
    let token = root.path().join("token");
    fs::write(&token, "abc.def-ghi\n").unwrap();
    let (exit, said) = run(&["margin", "m1", "--server", &address, "--token-file", &text(&token)]).await;
    assert_eq!((exit, said.as_str()), (Some(1), "error: UNAUTHENTICATED: who are you?\n"));
    let (exit, _) = run(&["margin", "m1", "--server", &address]).await;
    assert_eq!(exit, Some(1));
    assert_eq!(*seen.lock().unwrap(), ["Bearer abc.def-ghi", "nothing"]);
    let (exit, said) = run(&["margin", "m1", "--server", &address, "--token-file", "/nowhere"]).await;
    assert_eq!(exit, Some(1));
    assert!(said.starts_with("error: cannot read the token file /nowhere: No such file"), "{said}");
    let (exit, said) = run(&["margin", "m1", "--server", "http://192.0.2.1:1", "--token-file", &text(&token)]).await;
    assert_eq!(exit, Some(2));
    assert!(said.contains("a token would be sent to http://192.0.2.1:1 in plaintext"), "{said}");
    assert_eq!(seen.lock().unwrap().len(), 2, "nothing else was sent");
}
