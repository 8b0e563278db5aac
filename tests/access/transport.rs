//! Who can connect at all.

use std::fs;

use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{
    CHECKOUT, RULES, Shop, is, order,
    pki::Authority,
    served::{Server, tplus},
    write,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_known_by_its_certificate_and_stands_in_the_records() {
    let mut shop = Shop::open(RULES);
    let mut orders = shop.orders(shop.channel(CHECKOUT).await);
    orders.classify_order(order("m-1", "o-1")).await.unwrap();
    drop(shop.server.take());
    let data = shop.root.path().join("data");
    let dump = tplus(&["journal", "dump", "--json", "--data-dir", data.to_str().unwrap()]).output().unwrap();
    let dump = String::from_utf8(dump.stdout).unwrap();
    let record = dump.lines().find(|line| line.contains("o-1")).unwrap();
    assert!(record.contains(CHECKOUT), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_connects_without_a_certificate_of_the_authority() {
    let shop = Shop::open(RULES);
    let stranger = Authority::new().client(CHECKOUT);
    for named in [None, Some(&stranger)] {
        // The client may learn of it only when it uses the connection.
        let answer = match shop.endpoint(named).connect().await {
            Ok(channel) => shop.orders(channel).classify_order(order("m-1", "o-1")).await.map_err(|_| ()),
            Err(_) => Err(()),
        };
        answer.unwrap_err();
    }
    let plain = shop.address.replace("https://localhost", "http://127.0.0.1");
    let plain = tonic::transport::Endpoint::from_shared(plain).unwrap().connect().await;
    if let Ok(channel) = plain {
        shop.orders(channel).classify_order(order("m-1", "o-1")).await.unwrap_err();
    }
    // And the server is there for others.
    shop.orders(shop.channel(CHECKOUT).await).classify_order(order("m-1", "o-1")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_only_health_is_told_where_that_is_optional() {
    let shop = Shop::with(RULES, &[("TPLUS_TLS_CLIENT_CERT", "optional")]);
    let channel = shop.endpoint(None).connect().await.unwrap();
    let health = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(health.into_inner().status, 1);
    is(shop.orders(channel).classify_order(order("m-1", "o-1")).await, Code::Unauthenticated, "CREDENTIALS_MISSING");
}

#[test]
fn files_that_are_of_no_use_are_named() {
    let shop = Shop::open(RULES);
    let path = |name: &str| shop.root.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("other.key"), Authority::new().server().key).unwrap();
    for (cert, key, says) in [
        ("missing.pem", "server.key", "missing.pem cannot be read"),
        ("server.key", "server.key", "server.key has no certificate"),
        ("server.pem", "server.pem", "server.pem has no private key"),
        ("server.pem", "other.key", "server.pem and "),
    ] {
        let (cert, key) = (path(cert), path(key));
        let data = path("elsewhere");
        let serve = ["serve", "--data-dir", &data, "--listen", "127.0.0.1:0", "--metrics-listen", "off"];
        let serve = tplus(&serve).args(["--tls-cert", &cert, "--tls-key", &key]).output().unwrap();
        let said = String::from_utf8(serve.stderr).unwrap();
        assert!(!serve.status.success() && said.contains(says), "{says}: {said}");
    }
}

#[test]
fn others_than_this_machine_are_served_only_if_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    for (more, says) in [
        (&[][..], "needs tls.cert and tls.key, or server.plaintext"),
        (&[("TPLUS_SERVER_PLAINTEXT", "anywhere")][..], "needs access: a file of rules, or \"anyone\""),
    ] {
        let serve = ["serve", "--data-dir", data.to_str().unwrap(), "--listen", "0.0.0.0:0"];
        let serve = tplus(&serve).envs(more.iter().copied()).output().unwrap();
        let said = String::from_utf8(serve.stderr).unwrap();
        assert_eq!(serve.status.code(), Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

/// The two files in the ConfigMap of deploy/kubernetes.
fn config_map() -> [String; 2] {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kubernetes/configmap.yaml")).unwrap();
    ["tplus.toml", "access.toml"].map(|name| {
        let lines = text.lines().skip_while(|line| *line != format!("  {name}: |")).skip(1);
        let within = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
        within.map(|line| format!("{}\n", line.trim_start_matches("    "))).collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_lets_in_whom_it_names() {
    let mut shop = Shop::open(RULES);
    shop.server.take().unwrap().stop();
    let root = shop.root.path().to_str().unwrap();
    let [settings, rules] = config_map();
    let settings = settings
        .replace("/etc/tplus/tls/tls.crt", &format!("{root}/server.pem"))
        .replace("/etc/tplus/tls/tls.key", &format!("{root}/server.key"))
        .replace("/etc/tplus/tls/ca.crt", &format!("{root}/ca.pem"))
        .replace("/etc/tplus/config/", &format!("{root}/"))
        .replace("/var/lib/tplus/", &format!("{root}/"))
        .replace("0.0.0.0:50051", "0.0.0.0:0");
    assert!(settings.contains("access = "), "{settings}");
    write(shop.root.path(), "tplus.toml", &settings);
    write(shop.root.path(), "access.toml", &rules);
    let (server, address) = Server::start(shop.root.path(), &["--config", &format!("{root}/tplus.toml")], &[]);
    shop.address = address.replace("http://0.0.0.0", "https://localhost");
    shop.server = Some(server);
    shop.orders(shop.channel(CHECKOUT).await).classify_order(order("m-1", "o-1")).await.unwrap();
    let other = shop.channel("spiffe://shop.example/other").await;
    is(shop.orders(other).classify_order(order("m-1", "o-1")).await, Code::PermissionDenied, "CALLER_UNKNOWN");
}

#[test]
fn a_person_at_a_prompt_is_known_by_the_same_certificate() {
    let shop = Shop::open(RULES);
    let path = |name: &str| shop.root.path().join(name).to_str().unwrap().to_owned();
    let mine = shop.authority.client(CHECKOUT);
    fs::write(path("me.pem"), mine.cert).unwrap();
    fs::write(path("me.key"), mine.key).unwrap();
    let (ca, cert, key) = (path("ca.pem"), path("me.pem"), path("me.key"));
    let asked = |command: &[&str]| {
        let connection = ["--server", &shop.address, "--ca", &ca, "--cert", &cert, "--key", &key];
        let asked = tplus(command).args(connection).output().unwrap();
        (asked.status.success(), String::from_utf8(asked.stdout).unwrap() + &String::from_utf8(asked.stderr).unwrap())
    };
    let (done, said) = asked(&["classify", "m-1", "o-1=10.00", "--output", "json"]);
    assert!(done && said.contains("SETTLEMENT_CYCLE_STANDARD"), "{said}");
    let (done, said) = asked(&["policy", "show"]);
    assert!(!done && said.contains("PERMISSION_MISSING"), "{said}");
}
