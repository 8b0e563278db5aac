//! A server that wants TLS, a certificate and perhaps a token, and what `tplus bench` says of it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    LITTLE, counts,
    issuer::{AUDIENCE, Key, NAME, published},
    pki::{Authority, Issued},
    said,
    served::{Server, tplus},
};

/// What `tplus bench` needs to be allowed, and no more.
const NEEDED: &str = r#""clock.read", "policy.read", "guarantee.modify", "order.classify""#;
/// The client's certificate.
const LOAD: &str = "spiffe://shop.example/load";

/// Every client, with few orders.
const WIRES: [&[&str]; 5] = [
    &["--mode", "stream", "--chunk", "100"],
    &["--mode", "stream", "--chunk", "10", "--rate", "20000"],
    &["--mode", "chunk", "--chunk", "50", "--connections", "2"],
    &["--mode", "unary", "--threads", "2"],
    &["--mode", "unary", "--client", "light"],
];

/// A server, and all files of both sides.
struct Guarded {
    root: TempDir,
    authority: Authority,
    issuer: Key,
    address: String,
    _server: Server,
}

impl Guarded {
    /// Whom its access file names, with these permissions; by their certificate, or by a token.
    fn start(who: &str, permissions: &str) -> Self {
        let (root, authority, issuer) = (tempfile::tempdir().unwrap(), Authority::new(), Key::p256("a"));
        let path = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
        let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        write("keys.json", &published(&[&issuer]));
        let tokens = format!(
            "[tokens]\nissuer = \"{NAME}\"\naudience = \"{AUDIENCE}\"\nalgorithms = [\"ES256\"]\nkeys = \"{}\"\n",
            path("keys.json")
        );
        let rules = format!("[roles]\nload = [{permissions}]\n\n{tokens}\n[[callers]]\n{who}\nroles = [\"load\"]\n");
        write("access.toml", &rules);
        write("ca.pem", &authority.pem());
        write("other-ca.pem", &Authority::new().pem());
        for (name, Issued { cert, key }) in [
            ("server", authority.server()),
            ("load", authority.client(LOAD)),
            ("stranger", Authority::new().client(LOAD)),
        ] {
            write(&format!("{name}.pem"), &cert);
            write(&format!("{name}.key"), &key);
        }
        let given = [
            ("TPLUS_ACCESS", path("access.toml")),
            ("TPLUS_AUDIT_LOG", path("refused.jsonl")),
            ("TPLUS_TLS_CERT", path("server.pem")),
            ("TPLUS_TLS_KEY", path("server.key")),
            ("TPLUS_TLS_CLIENT_CA", path("ca.pem")),
        ];
        let environment: Vec<_> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (server, address) = Server::start(root.path(), &["--listen", "127.0.0.1:0"], &environment);
        let address = address.replace("http://127.0.0.1", "https://localhost");
        Self { root, authority, issuer, address, _server: server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What measures it, trusting this authority and showing this certificate.
    fn bench(&self, ca: &str, named: &str, args: &[&str]) -> Command {
        let mut command = tplus(&["bench", "--server", &self.address, "--orders", "2000"]);
        command.args(LITTLE).args(args).arg("--ca").arg(self.path(ca));
        command.arg("--cert").arg(self.path(&format!("{named}.pem")));
        command.arg("--key").arg(self.path(&format!("{named}.key")));
        command
    }

    /// The same as somebody who is trusted, with a token.
    fn with_token(&self, token: &str, args: &[&str]) -> Command {
        fs::write(self.path("token"), token).unwrap();
        let mut command = self.bench("ca.pem", "load", args);
        command.arg("--token-file").arg(self.path("token"));
        command
    }
}

/// All orders were answered, some of the answers were looked at, and all of those are right.
#[track_caller]
fn is_right(mut command: Command) {
    let output = command.args(["--repeats", "0.05", "--json", "-"]).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let run = &all["runs"][0];
    assert_eq!((counts(run, "orders"), counts(run, "wrong")), (2_000, 0), "{command:?}: {run}");
    assert_eq!(counts(run, "quick") + counts(run, "standard"), 2_000, "{command:?}: {run}");
    assert!(counts(run, "checked") > 0, "{command:?}: {run}");
}

/// It failed, and said this.
#[track_caller]
fn fails(mut command: Command, with: &str) -> Output {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{command:?}: {}", said(&output));
    assert!(said(&output).contains(with), "{command:?}: {}", said(&output));
    output
}

#[test]
fn every_client_measures_over_mutual_tls_what_it_may() {
    let server = Guarded::start(&format!("spiffe = \"{LOAD}\""), NEEDED);
    for wire in WIRES {
        is_right(server.bench("ca.pem", "load", wire));
    }
    // Who leads the load through the environment need not repeat himself.
    let mut command = tplus(&["bench", "--server", &server.address, "--orders", "2000"]);
    command.args(LITTLE).env("TPLUS_CA", server.path("ca.pem"));
    command.env("TPLUS_CERT", server.path("load.pem")).env("TPLUS_KEY", server.path("load.key"));
    is_right(command);
    // Whom the system trusts is trusted, by the client that speaks without tonic too.
    let mut command = tplus(&["bench", "--server", &server.address, "--orders", "2000"]);
    command.args(LITTLE).args(WIRES[4]).env("SSL_CERT_FILE", server.path("ca.pem")).env_remove("SSL_CERT_DIR");
    command.arg("--cert").arg(server.path("load.pem")).arg("--key").arg(server.path("load.key"));
    is_right(command);
    let table = server.bench("ca.pem", "load", &["--chunk", "100"]).output().unwrap();
    assert!(String::from_utf8(table.stdout).unwrap().contains(" in flight on each, over TLS\n"));
}

#[test]
fn every_client_shows_its_token() {
    // Nobody is let in by the certificate alone.
    let server = Guarded::start("subject = \"load\"", NEEDED);
    let token = server.issuer.token("load", &json!({}));
    for wire in WIRES {
        is_right(server.with_token(&token, wire));
    }
    fails(server.bench("ca.pem", "load", &[]), "PERMISSION_DENIED: ");
    let claims = |claims: Value| server.issuer.token("load", &claims);
    for (token, problem) in [
        (Key::p256("a").token("load", &json!({})), "signature"),
        (claims(json!({"exp": 1_000_000_000})), "expired"),
        (claims(json!({"aud": "somebody-else"})), "not meant for this service"),
        ("no-token-at-all".to_owned(), "token"),
    ] {
        let output = fails(server.with_token(&token, &[]), problem);
        let begin = format!("error: asking {} for its clock: UNAUTHENTICATED: ", server.address);
        assert!(said(&output).starts_with(&begin), "{}", said(&output));
    }
    fails(server.with_token(" ", &[]), "token is empty");
}

#[test]
fn who_may_not_classify_is_told_so_by_every_client() {
    let server = Guarded::start(&format!("spiffe = \"{LOAD}\""), r#""clock.read", "policy.read", "guarantee.modify""#);
    for wire in WIRES {
        fails(server.bench("ca.pem", "load", wire), "PERMISSION_MISSING");
    }
}

#[test]
fn who_is_not_trusted_is_told_on_either_side() {
    let server = Guarded::start(&format!("spiffe = \"{LOAD}\""), NEEDED);
    let begin = format!("error: asking {} for its clock: ", server.address);
    let output = fails(server.bench("other-ca.pem", "load", &[]), "certificate");
    assert!(said(&output).starts_with(&begin) && said(&output).contains("\nhint: does the server show"), "{output:?}");
    let output = fails(server.bench("ca.pem", "stranger", &[]), "");
    assert!(said(&output).starts_with(&begin), "{output:?}");
    // A certificate of the right authority for somebody whom the rules do not name.
    let Issued { cert, key } = server.authority.client("spiffe://shop.example/other");
    fs::write(server.path("other.pem"), cert).unwrap();
    fs::write(server.path("other.key"), key).unwrap();
    fails(server.bench("ca.pem", "other", &[]), "PERMISSION_DENIED: ");
    let plain = server.address.replace("https", "http");
    let output = tplus(&["bench", "--server", &plain]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

#[test]
fn means_of_connecting_are_for_servers_that_are_named() {
    for (args, problem) in [
        (&["--ca", "ca.pem"][..], "--ca is for a server that runs already"),
        (&["--token-file", "token"], "--token-file is for a server that runs already"),
        (&["--server", "http://127.0.0.1:9", "--ca", "ca.pem"], "--ca is for TLS"),
        (&["--server", "https://127.0.0.1:9", "--cert", "cert.pem"], "--cert and --key go together"),
        (&["--server", "http://192.0.2.1:9", "--token-file", "token"], "in plaintext"),
    ] {
        let output = tplus(&["bench"]).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
        assert!(said(&output).contains(problem), "{args:?}: {}", said(&output));
    }
    // A shell that is set up for another server measures one of its own all the same.
    let mut command = tplus(&["bench", "--orders", "1000"]);
    command.args(LITTLE).env("TPLUS_CA", "/nowhere/ca.pem").env("TPLUS_TOKEN_FILE", "/nowhere/token");
    let output = command.env("TPLUS_SERVER", "http://127.0.0.1:9").output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}
