//! `tplus top` beside a real server, where there is no terminal.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at once")]

#[path = "access/pki.rs"]
mod pki;
mod watched;

use std::{collections::BTreeMap, process::Output};

use tplus::proto::v1::*;

use crate::{
    pki::Authority,
    watched::{Watched, tplus},
};

fn once(args: &[&str]) -> Output {
    tplus(&["top", "--every", "200ms"]).args(args).output().unwrap()
}

#[tokio::test]
async fn without_a_terminal_it_looks_twice_and_prints() {
    let root = tempfile::tempdir().unwrap();
    let server = Watched::start(root.path(), &[]);
    let mut guarantees = guarantee_service_client::GuaranteeServiceClient::connect(server.grpc.clone()).await.unwrap();
    for (merchant, guarantee) in [("small", 5), ("large", 900)] {
        let request = ModifyGuaranteeRequest {
            merchant_id: merchant.into(),
            request_id: "raise".into(),
            guarantee: Some(guarantee),
            ..ModifyGuaranteeRequest::default()
        };
        guarantees.modify_guarantee(request).await.unwrap();
    }
    let printed = once(&["--metrics", &server.metrics, "--server", &server.grpc, "--by", "guarantee"]);
    assert!(printed.status.success(), "{printed:?}");
    let text = String::from_utf8(printed.stdout).unwrap();
    let (figures, merchants) = text.split_once("\n\n").unwrap();
    let figures: BTreeMap<&str, &str> =
        figures.lines().map(|line| line.split_at(22)).map(|(name, value)| (name.trim(), value)).collect();
    assert_eq!((figures["state"], figures["merchants"]), ("serving", "2"));
    assert_eq!(
        (figures["version"], figures["in flight"]),
        (env!("CARGO_PKG_VERSION"), "0 of calls, 0 of streams, of 16.4k")
    );
    let names: Vec<_> = merchants.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(names, ["by", "large", "small"], "{merchants}");
    assert!(merchants.lines().nth(1).unwrap().contains(" 900.00"));
}

#[test]
fn who_does_not_answer_is_named() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let failed = once(&["--metrics", &nobody]);
    assert_eq!(failed.status.code(), Some(1));
    let said = String::from_utf8(failed.stderr).unwrap();
    assert!(
        said.starts_with(&format!("error: http://{nobody}/metrics: ")) && said.contains("hint: --metrics"),
        "{said}"
    );
    let nonsense = once(&["--every", "1ms"]);
    assert_eq!(nonsense.status.code(), Some(2));
}

#[test]
fn merchants_are_asked_for_as_other_commands_ask() {
    let (root, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (shown, mine) = (authority.server(), authority.client("ops.shop.example"));
    let access = write("access.toml", "[[callers]]\ndns = \"ops.shop.example\"\nroles = [\"admin\"]\n");
    let (cert, key, ca) =
        (write("server.pem", &shown.cert), write("server.key", &shown.key), write("ca.pem", &authority.pem()));
    let tls = ["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &ca, "--access", &access];
    let server = Watched::start(root.path(), &tls);
    let address = server.grpc.replace("http://127.0.0.1", "https://localhost");
    let (cert, key) = (write("mine.pem", &mine.cert), write("mine.key", &mine.key));
    let asked = |more: &[&str]| once(&[&["--metrics", &server.metrics, "--server", &address], more].concat());
    let printed = |asked: Output| {
        assert!(asked.status.success(), "{asked:?}");
        String::from_utf8(asked.stdout).unwrap()
    };
    let known = printed(asked(&["--ca", &ca, "--cert", &cert, "--key", &key]));
    assert!(known.contains("\nby day total") && !known.contains("not known"), "{known}");
    // Who is not let in, or does not trust the server, sees everything but the merchants, and why.
    let others = write("others.pem", &Authority::new().pem());
    for ca in [&ca, &others] {
        let unknown = printed(asked(&["--ca", ca]));
        assert!(unknown.contains("serving") && unknown.contains("\nmerchants are not known: "), "{unknown}");
    }
    let mixed = once(&["--metrics", &server.metrics, "--server", &server.grpc, "--ca", &ca]);
    assert_eq!(mixed.status.code(), Some(2), "{mixed:?}");
    let usage = asked(&["--cert", &cert]);
    assert!(
        !usage.status.success() && String::from_utf8(usage.stderr).unwrap().contains("--cert and --key go together")
    );
}
