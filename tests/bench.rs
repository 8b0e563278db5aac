//! `tplus bench` against real servers and wrong ones, with little load. What is measured is not judged here, only what is counted and checked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test may stop at once"
)]

mod guarded;
#[path = "access/issuer.rs"]
mod issuer;
mod liar;
#[path = "access/pki.rs"]
mod pki;
mod served;

use std::{fs, process::Output};

use liar::{Liar, Lie};
use serde_json::Value;
use served::{Server, tplus};

const LITTLE: [&str; 6] = ["--merchants", "50", "--duration", "20s", "--check", "1"];

fn bench(args: &[&str]) -> Output {
    tplus(&["bench"]).args(LITTLE).args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What is told of the only run of one that went well.
#[track_caller]
fn run(args: &[&str]) -> Value {
    let output = bench(&[args, &["--json", "-"]].concat());
    assert!(output.status.success(), "{}", said(&output));
    let mut all: Value = serde_json::from_slice(&output.stdout).unwrap();
    all["runs"][0].take()
}

#[track_caller]
fn counts(run: &Value, name: &str) -> u64 {
    run[name].as_u64().unwrap_or_else(|| panic!("no {name} in {run}"))
}

#[test]
fn a_stream_is_measured_and_checked() {
    let run = run(&["--chunk", "100", "--orders", "20000", "--repeats", "0.1", "--late", "0.1", "--receipts"]);
    assert_eq!(counts(&run, "orders"), 20_000);
    assert_eq!(counts(&run, "quick") + counts(&run, "standard"), 20_000);
    assert!(counts(&run, "quick") > 0 && counts(&run, "standard") > 0, "{run}");
    assert_eq!((counts(&run, "checked"), counts(&run, "messages"), counts(&run, "wrong")), (20_000, 200, 0));
    assert!(counts(&run, "repeats_compared") > 1_000, "{run}");
    for name in ["p50", "p99.99", "max"] {
        assert!(run["latency_ns"][name].as_u64().unwrap() > 0, "{name} in {run}");
    }
    for name in ["server_cpu_ns_per_order", "client_cpu_ns_per_order", "journal_bytes_per_order"] {
        assert!(run[name].as_f64().is_some(), "{name} in {run}");
    }
}

#[test]
fn chunks_and_single_orders_are_measured_by_each_client() {
    for args in [
        &["--mode", "chunk", "--chunk", "50", "--connections", "2", "--zipf", "1"][..],
        &["--mode", "unary", "--threads", "2"],
        &["--mode", "unary", "--client", "light"],
        &["--mode", "unary", "--client", "light", "--rate", "20000"],
        &["--mode", "unary", "--rate", "20000"],
        &["--chunk", "10", "--rate", "20000"],
        &["--mode", "chunk", "--chunk", "10", "--rate", "20000"],
    ] {
        let run = run(&[args, &["--orders", "2000", "--repeats", "0.05"]].concat());
        assert_eq!((counts(&run, "orders"), counts(&run, "wrong")), (2_000, 0), "{args:?}: {run}");
        assert!(counts(&run, "checked") > 0, "{args:?}: {run}");
        assert_eq!(counts(&run, "quick") + counts(&run, "standard"), 2_000, "{args:?}: {run}");
    }
}

#[test]
fn runs_are_told_one_by_one_with_their_median_and_drawn() {
    let directory = tempfile::tempdir().unwrap();
    let (json, svg) = (directory.path().join("all.json"), directory.path().join("all.svg"));
    let files = ["--json", json.to_str().unwrap(), "--svg", svg.to_str().unwrap()];
    let output = bench(&[&["--orders", "3000", "--chunk", "100", "--repeat", "3"][..], &files].concat());
    assert!(output.status.success(), "{}", said(&output));
    let table = String::from_utf8(output.stdout).unwrap();
    for word in ["StreamClassifyOrders, 100 orders a message", "run 3 of 3", "median", "CPU an order"] {
        assert!(table.contains(word), "{word} in {table}");
    }
    let all: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(all["runs"].as_array().unwrap().len(), 3);
    assert!(all["median_run"].as_u64().unwrap() < 3);
    let picture = fs::read_to_string(svg).unwrap();
    assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"));
}

#[test]
fn a_server_that_runs_is_measured_and_left_running() {
    let root = tempfile::tempdir().unwrap();
    let (_server, address) = Server::start(root.path(), &["--listen", "127.0.0.1:0"], &[]);
    let args = ["--server", &address, "--orders", "1000", "--chunk", "100", "--seed", "7"];
    assert_eq!(counts(&run(&args), "orders"), 1_000);
    // The same orders once more: all are known, and nothing is wrong with that.
    assert_eq!(counts(&run(&args), "wrong"), 0);
}

#[test]
fn every_lie_is_noticed() {
    for (lie, noticed) in [
        (Lie::Cycle, "days after the day of its completion"),
        (Lie::Fewer, "results for"),
        (Lie::Replayed, "answered as a repeat"),
        (Lie::Forgotten, "not answered as a repeat"),
        (Lie::Sequence, "sequence"),
        (Lie::Quota, "of a quota of"),
        (Lie::Refused, "LIAR"),
    ] {
        let liar = Liar::start(lie);
        let output = bench(&[
            "--server",
            &liar.address,
            "--no-setup",
            "--chunk",
            "100",
            "--orders",
            "5000",
            "--repeats",
            "0.2",
            "--receipts",
        ]);
        assert_eq!(output.status.code(), Some(1), "{lie:?}: {}", said(&output));
        assert!(said(&output).contains(noticed), "{lie:?}: {}", said(&output));
    }
    let honest = Liar::start(Lie::None);
    let output =
        bench(&["--server", &honest.address, "--no-setup", "--chunk", "100", "--orders", "5000", "--repeats", "0.2"]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn nobody_and_nonsense_are_told() {
    let nobody = bench(&["--server", "http://127.0.0.1:9", "--no-setup"]);
    assert_eq!(nobody.status.code(), Some(1), "{}", said(&nobody));
    for args in [&["--mode", "unary", "--chunk", "2"][..], &["--server", "ftp://nowhere"], &["--zipf", "-1"]] {
        let output = bench(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
    }
}
