//! Encrypted connections: whom the client trusts, and who it says it is.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::net::TcpListener;
use tonic::{
    codegen::tokio_stream::wrappers::TcpListenerStream,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};
use tplus::{
    client::{Client, Error, Kind, Retry, Tls},
    proto::v1::GetClockRequest,
};

use crate::scripted::Script;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for this name and its key.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A server with a certificate for `tplus.test`, which lets in whom this authority vouches for.
async fn serve(authority: &Authority) -> String {
    let (certificate, key) = authority.issue("tplus.test");
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(authority.pem()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let served = Server::builder().tls_config(tls).unwrap().add_service(Script::default().service());
    tokio::spawn(served.serve_with_incoming(TcpListenerStream::new(listener)));
    address
}

async fn ask(address: &str, tls: Tls) -> Result<(), Error> {
    let mut retry = Retry::default();
    retry.most_tries = 1;
    let client = Client::builder(address).tls(tls).retry(retry).token(|| "t".into()).build().unwrap();
    client.call(GetClockRequest {}).await.map(drop)
}

#[tokio::test]
async fn both_sides_know_whom_they_talk_to() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let address = serve(&authority).await;
    let (certificate, key) = authority.issue("checkout");
    let trusting = Tls::trusting(authority.pem());

    ask(&address, trusting.clone().identity(&*certificate, &*key).server_name("tplus.test")).await.unwrap();

    let wrong_name = ask(&address, trusting.clone().identity(&*certificate, &*key)).await.unwrap_err();
    assert!(wrong_name.to_string().contains("not valid for name"), "{wrong_name}");

    let not_trusted = Tls::trusting(stranger.pem()).identity(&*certificate, &*key).server_name("tplus.test");
    let error = ask(&address, not_trusted).await.unwrap_err();
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    assert_eq!((error.kind(), error.is_unclear()), (Kind::Unsent, false), "and it is no use to ask again");

    let nobody = ask(&address, trusting.clone().server_name("tplus.test")).await.unwrap_err();
    assert_eq!(nobody.kind(), Kind::Unavailable, "{nobody}");

    let (certificate, key) = stranger.issue("checkout");
    let unknown = ask(&address, trusting.identity(certificate, key).server_name("tplus.test")).await.unwrap_err();
    assert_eq!(unknown.kind(), Kind::Unavailable, "{unknown}");
}
