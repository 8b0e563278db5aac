//! Who may do what: certificates, tokens, permissions, merchants and limits, with the real program over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod issuer;
mod pki;
#[path = "../served/mod.rs"]
mod served;
mod tokens;

mod drain;
mod four_eyes;
mod limits;
mod permissions;
mod reload;
mod signatures;
mod transport;
mod ungated;
mod usage;
#[path = "../watched/mod.rs"]
mod watched;

use std::{fs, path::Path, time::Duration};

use served::Server;
use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};
use tonic_types::StatusExt as _;
use tplus::proto::v1::{ClassifyOrderRequest, order_service_client::OrderServiceClient};

use self::pki::{Authority, Issued};

/// Who may do what in most tests.
const RULES: &str = r#"
[roles]
checkout = ["order.classify", "margin.read"]
support = ["deduct", "margin.read"]

[[callers]]
spiffe = "spiffe://shop.example/checkout"
roles = ["checkout"]

[[callers]]
spiffe = "spiffe://shop.example/europe"
roles = ["checkout", "support"]
merchants = ["eu-*"]

[[callers]]
dns = "ops.shop.example"
roles = ["admin"]
"#;

const CHECKOUT: &str = "spiffe://shop.example/checkout";
const EUROPE: &str = "spiffe://shop.example/europe";
const OPS: &str = "ops.shop.example";

/// A directory with all files, and a server that runs by them.
struct Shop {
    root: tempfile::TempDir,
    authority: Authority,
    server: Option<Server>,
    address: String,
}

impl Shop {
    /// With certificates of clients required.
    fn open(rules: &str) -> Self {
        Self::with(rules, &[])
    }

    fn with(rules: &str, settings: &[(&str, &str)]) -> Self {
        let (root, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        write(root.path(), "access.toml", rules);
        write(root.path(), "ca.pem", &authority.pem());
        let Issued { cert, key } = authority.server();
        write(root.path(), "server.pem", &cert);
        write(root.path(), "server.key", &key);
        let mut shop = Self { root, authority, server: None, address: String::new() };
        shop.serve(settings);
        shop
    }

    fn serve(&mut self, settings: &[(&str, &str)]) {
        let path = |name: &str| self.root.path().join(name).to_str().unwrap().to_owned();
        let given = [
            ("TPLUS_LISTEN", "127.0.0.1:0".to_owned()),
            ("TPLUS_ACCESS", path("access.toml")),
            ("TPLUS_AUDIT_LOG", path("refused.jsonl")),
            ("TPLUS_TLS_CERT", path("server.pem")),
            ("TPLUS_TLS_KEY", path("server.key")),
            ("TPLUS_TLS_CLIENT_CA", path("ca.pem")),
        ];
        let mut environment: Vec<_> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        environment.extend(settings);
        let (server, address) = Server::start(self.root.path(), &[], &environment);
        self.address = address.replace("http://127.0.0.1", "https://localhost");
        self.server = Some(server);
    }

    /// What a client needs that has this certificate, if any.
    fn tls(&self, named: Option<&Issued>) -> ClientTlsConfig {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.authority.pem()));
        match named {
            Some(Issued { cert, key }) => tls.identity(Identity::from_pem(cert, key)),
            None => tls,
        }
    }

    fn endpoint(&self, named: Option<&Issued>) -> Endpoint {
        let endpoint = Endpoint::from_shared(self.address.clone()).unwrap().timeout(Duration::from_secs(30));
        endpoint.tls_config(self.tls(named)).unwrap()
    }

    /// A connection of somebody whose certificate has this name.
    async fn channel(&self, name: &str) -> Channel {
        self.endpoint(Some(&self.authority.client(name))).connect().await.unwrap()
    }

    fn orders(&self, channel: Channel) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(channel)
    }
}

fn write(root: &Path, name: &str, text: &str) {
    // As an operator should: nobody reads half of a file.
    let aside = root.join(format!("{name}.new"));
    fs::write(&aside, text).unwrap();
    fs::rename(aside, root.join(name)).unwrap();
}

fn order(merchant: &str, id: &str) -> ClassifyOrderRequest {
    ClassifyOrderRequest {
        merchant_id: merchant.into(),
        order_id: id.into(),
        price: "10.00".into(),
        ..ClassifyOrderRequest::default()
    }
}

/// The code and the reason of an error.
fn told(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

fn is<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, reason: &str) {
    assert_eq!(told(&answer.unwrap_err()), (code, reason.to_owned()));
}
