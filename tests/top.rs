//! `tplus top` beside a real server, where there is no terminal.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at once")]

mod watched;

use std::{collections::BTreeMap, process::Output};

use tplus::proto::v1::*;

use crate::watched::{Watched, tplus};

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
