//! `tplus import` against a real server: files of many merchants, refusals, repeats, crashes of either side.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test may stop at once"
)]

mod served;

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use served::{Server, tplus};
use tempfile::TempDir;

const START: [&str; 6] = ["--listen", "127.0.0.1:0", "--clock", "manual", "--clock-start", "2026-01-05T10:00:00Z"];
/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9";

fn served() -> (TempDir, Server, String) {
    let root = tempfile::tempdir().unwrap();
    let (server, address) = Server::start(root.path(), &START, &[]);
    (root, server, address)
}

fn file(root: &Path, name: &str, content: &str) -> PathBuf {
    let file = root.join(name);
    fs::write(&file, content).unwrap();
    file
}

fn import(file: &Path, address: &str, args: &[&str]) -> Output {
    tplus(&["import", file.to_str().unwrap(), "--server", address, "--json"]).args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Imported, known before and refused.
#[track_caller]
fn counts(output: &Output) -> (u64, u64, u64) {
    let summary: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)));
    let counts = ["imported", "known_before", "refused"].map(|name| summary[name].as_u64().unwrap());
    assert_eq!(output.status.code(), Some(i32::from(counts[2] > 0)), "{}", said(output));
    (counts[0], counts[1], counts[2])
}

/// The refused lines of the report beside a file, in the order of the lines.
fn refusals(file: &Path) -> Vec<Value> {
    listed(Path::new(&format!("{}.refused.jsonl", file.to_str().unwrap())))
}

fn listed(report: &Path) -> Vec<Value> {
    let text = fs::read_to_string(report).unwrap();
    let mut refusals: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    refusals.sort_by_key(|refusal| refusal["line"].as_u64());
    refusals
}

/// Every import in the journal of a server that was stopped: merchant and fact, in the order of the merchants. The facts
/// tell when they were recorded by a clock that does not move.
fn imports(root: &Path) -> Vec<(String, Value)> {
    let dump = tplus(&["journal", "dump", "--json", "--data-dir", root.join("data").to_str().unwrap()]);
    let dump = { dump }.output().unwrap();
    let records = String::from_utf8(dump.stdout).unwrap();
    let of_merchant = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        Some((record["merchant_id"].as_str()?.to_owned(), record["facts"].clone()))
    };
    let mut imports: Vec<_> = records.lines().filter_map(of_merchant).collect();
    imports.sort_by(|(one, _), (other, _)| one.cmp(other));
    imports
}

/// A merchant that brings something of everything.
fn merchant(number: u32) -> Value {
    json!({
        "merchant_id": format!("m-{number}"),
        "historical_profit": format!("{}.50", 100 + number),
        "available": "7",
        "guarantee": "100",
        "frozen": "100.00",
        "releasing": [{ "amount": "5.01", "due_at": "2026-01-08T00:00:00Z" }],
        "pending": [{ "settles_at": "2026-01-06T00:00:00Z", "cycle": "QUICK", "orders": 2, "profit": "9.99" }],
        "orders": [
            {
                "order_id": "settled", "price": "30", "profit": "20", "completed_at": "2025-12-20T09:00:00Z",
                "cycle": "STANDARD", "settles_at": "2025-12-27T00:00:00Z",
            },
            {
                "order_id": "pending", "price": "40", "completed_at": "2026-01-04T22:00:00+01:00", "cycle": "QUICK",
                "settles_at": "2026-01-06T00:00:00Z",
            },
        ],
    })
}

fn merchants(numbers: impl IntoIterator<Item = u32>) -> String {
    numbers.into_iter().fold(String::new(), |lines, number| format!("{lines}{}\n", merchant(number)))
}

#[test]
fn rows_are_imported_once_and_the_bad_ones_are_listed() {
    let (root, server, address) = served();
    let mut rows = "debt,merchant_id,historical_profit,available,guarantee,frozen\n".to_owned();
    for number in 0..300 {
        rows += &match number {
            50 => "0,m-50,not money,0,0,0\n".to_owned(),
            100 => "0,m-100,1,5,100,0\n".to_owned(),
            150 => "0,m-150,1\n".to_owned(),
            200 => "0,m 200,1,5,0,0\n".to_owned(),
            250 => "0,\"m-250,1,5,0,0\n".to_owned(),
            number if number % 3 == 0 => format!("5.5,m-{number},{number},0,0,0\n"),
            number => format!("0,\"m-{number}\",{number}.25,3,1000,1000.00\n\n"),
        };
    }
    let file = file(root.path(), "many.csv", &rows);
    let first = import(&file, &address, &[]);
    assert_eq!(counts(&first), (295, 0, 5), "{}", said(&first));
    assert!(said(&first).starts_with("error: 5 of 300 merchants were refused\nhint: "), "{}", said(&first));
    assert!(said(&first).contains("many.csv.refused.jsonl says why"), "{}", said(&first));

    let lines: Vec<&str> = rows.lines().collect();
    let refusals = refusals(&file);
    let short = |refusal: &Value| {
        let line = usize::try_from(refusal["line"].as_u64().unwrap()).unwrap();
        (lines[line - 1], refusal["merchant_id"].clone(), refusal["reason"].clone(), refusal["fields"].clone())
    };
    let id = "is not an id of 1 to 64 characters of A-Z a-z 0-9 . _ : -";
    let amount = "is not an amount of the form [0-9]{1,12}(\\.[0-9]{1,2})?";
    let bad = |field: &str, description: &str| json!([{ "field": field, "description": description }]);
    assert_eq!(
        refusals.iter().map(short).collect::<Vec<_>>(),
        [
            ("0,m-50,not money,0,0,0", json!("m-50"), json!("INVALID_FIELD"), bad("historical_profit", amount)),
            ("0,m-100,1,5,100,0", json!("m-100"), json!("INVALID_FIELD"), bad("available", "has to be 0 beside a gap")),
            ("0,m-150,1", Value::Null, json!("MALFORMED_LINE"), json!([])),
            ("0,m 200,1,5,0,0", json!("m 200"), json!("MALFORMED_LINE"), bad("merchant_id", id)),
            ("0,\"m-250,1,5,0,0", Value::Null, json!("MALFORMED_LINE"), json!([])),
        ]
    );
    assert_eq!(refusals[2]["message"], "the row has 3 columns, the header has 6");

    let again = import(&file, &address, &[]);
    assert_eq!(counts(&again), (0, 295, 5), "{}", said(&again));
    server.kill();
    let kept = imports(root.path());
    assert_eq!(kept.len(), 295);
    let (merchant, facts) = &kept[0];
    let fact = &facts[0];
    let fields = ["historical_profit", "available", "debt", "guarantee", "frozen", "request_id"];
    let fields = fields.map(|field| fact[field].as_str().unwrap());
    assert_eq!(merchant, "m-0");
    assert_eq!(fields, ["0.00", "0.00", "5.50", "0.00", "0.00", "import-m-0"]);
}

#[test]
fn objects_bring_all_that_a_merchant_has() {
    let (root, server, address) = served();
    let file = file(root.path(), "all.jsonl", &merchants(0..200));
    let first = import(&file, &address, &["--concurrency", "7"]);
    assert_eq!(counts(&first), (200, 0, 0), "{}", said(&first));
    assert!(!root.path().join("all.jsonl.refused.jsonl").exists());
    assert_eq!(counts(&import(&file, &address, &[])), (0, 200, 0));
    server.kill();
    let kept = imports(root.path());
    assert_eq!(kept.len(), 200);
    let names =
        |facts: &Value| -> Vec<Value> { facts.as_array().unwrap().iter().map(|fact| fact["fact"].clone()).collect() };
    for (number, facts) in &kept {
        assert_eq!(names(facts), ["merchant_imported", "order_imported", "order_imported"], "{number}");
    }
    let fact = &kept.iter().find(|(merchant, _)| merchant == "m-17").unwrap().1[0];
    assert_eq!(fact["historical_profit"], "117.50");
    assert_eq!(fact["guarantee"], "100.00");
    assert_eq!(fact["releasing"], json!([{ "amount": "5.01", "due_at": "2026-01-08T00:00:00Z" }]));
    assert_eq!(fact["pending"][0]["orders"], 2);
    assert_eq!(fact["orders"][1]["profit"], "40.00", "left out, it is the price");
    assert_eq!(fact["orders"][1]["completed_at"], "2026-01-04T21:00:00Z");
}

#[test]
fn other_content_under_a_known_id_is_refused_with_its_field() {
    let (root, _server, address) = served();
    let before = file(root.path(), "before.jsonl", &merchants(0..3));
    assert_eq!(counts(&import(&before, &address, &[])), (3, 0, 0));
    let mut changed = [merchant(0), merchant(1), merchant(2)];
    changed[0]["releasing"][0]["amount"] = json!("5.02");
    changed[1]["orders"][0]["price"] = json!("31");
    changed[2]["request_id"] = json!("another");
    let after = file(root.path(), "after.jsonl", &changed.map(|merchant| format!("{merchant}\n")).concat());
    assert_eq!(counts(&import(&after, &address, &[])), (0, 0, 3));
    let refusals = refusals(&after);
    let short = |refusal: &Value| (refusal["reason"].clone(), refusal["fields"][0]["field"].clone());
    assert_eq!(
        refusals.iter().map(short).collect::<Vec<_>>(),
        [
            (json!("ID_REUSED"), json!("releasing")),
            (json!("ID_REUSED"), json!("orders")),
            (json!("MERCHANT_OPEN"), Value::Null)
        ]
    );
}

#[test]
fn the_first_line_of_a_merchant_wins_every_time() {
    let (root, server, address) = served();
    let line = |merchant, available| format!("m-{merchant},{available}\n");
    let rows: String = (0..100).flat_map(|number| [line(number, 1), line(number, 2), line(number, 1)]).collect();
    let file = file(root.path(), "twice.csv", &format!("merchant_id,available\n{rows}"));
    assert_eq!(counts(&import(&file, &address, &[])), (100, 100, 100));
    assert!(refusals(&file).iter().all(|refusal| refusal["line"].as_u64().unwrap() % 3 == 0));
    server.kill();
    assert!(imports(root.path()).iter().all(|(_, facts)| facts[0]["available"] == "1.00"));
}

#[test]
fn a_dry_run_tells_the_same_and_changes_nothing() {
    let (root, server, address) = served();
    let mut lines = merchants(0..50);
    lines += "{\"merchant_id\":\"m-x\",\"frozen\":\"1\"}\n{\"merchant_id\":\"m-y\",\"frozen\":1}\n";
    let file = file(root.path(), "dry.jsonl", &lines);
    let report = root.path().join("report");
    let args = ["--dry-run", "--report", report.to_str().unwrap()];
    let dry = import(&file, &address, &args);
    assert_eq!(counts(&dry), (50, 0, 2), "{}", said(&dry));
    assert_eq!(counts(&import(&file, &address, &args)), (50, 0, 2));
    let reasons: Vec<Value> = listed(&report).iter().map(|refusal| refusal["reason"].clone()).collect();
    assert_eq!(reasons, ["INVALID_FIELD", "MALFORMED_LINE"]);
    let table = tplus(&["import", file.to_str().unwrap(), "--server", &address, "--dry-run"]).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.starts_with("would be imported                     50\nknown before "), "{table}");
    server.kill();
    assert_eq!(imports(root.path()), []);
}

#[test]
fn the_first_half_of_a_file_is_a_beginning() {
    let (root, server, address) = served();
    let lines = merchants(0..200);
    let half = file(root.path(), "half.jsonl", &lines[..lines.len() / 2]);
    let first = import(&half, &address, &[]);
    let (imported, known, refused) = counts(&first);
    assert!((90..110).contains(&imported) && known == 0 && refused == 1, "{}", said(&first));
    assert_eq!(refusals(&half)[0]["line"], imported + 1, "the line that was cut");
    let whole = file(root.path(), "whole.jsonl", &lines);
    assert_eq!(counts(&import(&whole, &address, &[])), (200 - imported, imported, 0));
    server.kill();
    assert_eq!(imports(root.path()).len(), 200);
}

/// An import that reads from a pipe, so that it is on its way for as long as we like.
fn piped(address: &str, report: &Path) -> Child {
    let args = ["import", "-", "--format", "jsonl", "--json", "--server", address, "--report"];
    tplus(&args).arg(report).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the journal of a server that runs holds as many imports.
fn wait_for_imports(root: &Path, wanted: usize) {
    let started = Instant::now();
    while imports(root).len() < wanted {
        assert!(started.elapsed() < Duration::from_secs(120), "no merchant arrives");
        thread::yield_now();
    }
}

#[test]
fn a_killed_import_is_resumed_and_ends_as_if_nothing_had_been() {
    let (undisturbed, server, address) = served();
    let whole = file(undisturbed.path(), "whole.jsonl", &merchants(0..300));
    assert_eq!(counts(&import(&whole, &address, &[])), (300, 0, 0));
    server.kill();

    let (root, server, address) = served();
    let mut killed = piped(&address, &root.path().join("report"));
    let mut pipe = killed.stdin.take().unwrap();
    pipe.write_all(merchants(0..150).as_bytes()).unwrap();
    pipe.flush().unwrap();
    wait_for_imports(root.path(), 100);
    killed.kill().unwrap();
    killed.wait().unwrap();
    drop(pipe);

    let (imported, known, refused) = counts(&import(&whole, &address, &[]));
    assert!(imported >= 150 && known >= 100 && imported + known == 300 && refused == 0);
    assert_eq!(counts(&import(&whole, &address, &[])), (0, 300, 0));
    server.kill();
    assert_eq!(imports(root.path()), imports(undisturbed.path()));
}

#[test]
fn an_import_outlives_a_crash_of_the_server() {
    let (root, server, address) = served();
    let report = root.path().join("report");
    let mut running = piped(&address, &report);
    let mut pipe = running.stdin.take().unwrap();
    pipe.write_all(merchants(0..100).as_bytes()).unwrap();
    wait_for_imports(root.path(), 50);
    server.kill();
    pipe.write_all(merchants(100..200).as_bytes()).unwrap();
    drop(pipe);
    let port = address.trim_start_matches("http://");
    let (server, again) = Server::start(root.path(), &["--listen", port, "--clock", "manual"], &[]);
    assert_eq!(again, address);
    let (imported, known, refused) = counts(&running.wait_with_output().unwrap());
    assert_eq!((imported + known, refused), (200, 0));
    assert_eq!(fs::read_to_string(&report).unwrap(), "");
    server.kill();
    assert_eq!(imports(root.path()).len(), 200);
}

#[test]
fn an_interrupted_import_says_how_far_it_came() {
    let (root, _server, address) = served();
    let mut running = piped(&address, &root.path().join("report"));
    let mut pipe = running.stdin.take().unwrap();
    pipe.write_all(merchants(0..20).as_bytes()).unwrap();
    wait_for_imports(root.path(), 20);
    let told = Command::new("sh").args(["-c", &format!("kill -INT {}", running.id())]).status().unwrap();
    assert!(told.success());
    let output = running.wait_with_output().unwrap();
    drop(pipe);
    assert_eq!(output.status.code(), Some(1));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(summary["imported"].as_u64().unwrap() <= 20, "{summary}");
    assert!(said(&output).starts_with("error: interrupted\nhint: the same command can be given again"), "{output:?}");
}

#[test]
fn standard_input_is_read_and_its_report_lies_where_it_was_called() {
    let (root, _server, address) = served();
    let rows = file(root.path(), "rows", "merchant_id\na\nb b\n");
    let args = ["import", "-", "--format", "csv", "--json", "--server", &address];
    let output = tplus(&args).current_dir(root.path()).stdin(File::open(rows).unwrap()).output().unwrap();
    assert_eq!(counts(&output), (1, 0, 1));
    assert_eq!(listed(&root.path().join("stdin.refused.jsonl"))[0]["line"], 3);
}

#[test]
fn a_merchant_with_as_many_orders_as_it_may_bring_is_imported_and_one_more_is_refused() {
    let (root, _server, address) = served();
    let bringing = |number: u32, count: u32| {
        let order = |order: u32| {
            json!({
                "order_id": format!("{order:064}"), "price": "999999999999.99", "profit": "0.01",
                "completed_at": "2026-01-04T21:00:00.123456Z", "cycle": "STANDARD",
                "settles_at": "2026-01-11T00:00:00Z",
            })
        };
        let orders: Vec<Value> = (0..count).map(order).collect();
        json!({ "merchant_id": format!("m-{number}"), "orders": orders })
    };
    let lines = format!("{}\n{}\n", bringing(0, 10_000), bringing(1, 10_001));
    let file = file(root.path(), "orders.jsonl", &lines);
    assert_eq!(counts(&import(&file, &address, &[])), (1, 0, 1));
    assert_eq!(refusals(&file)[0]["reason"], "TOO_MANY_ORDERS");
    assert_eq!(counts(&import(&file, &address, &[])), (0, 1, 1));
}

#[test]
fn a_line_that_no_server_takes_stops_nobody() {
    let (root, _server, address) = served();
    let mut huge = merchant(1);
    huge["request_id"] = json!("x".repeat(6 << 20));
    let file = file(root.path(), "huge.jsonl", &format!("{}\n{huge}\n{}\n", merchant(0), merchant(2)));
    let output = import(&file, &address, &[]);
    assert_eq!(counts(&output), (2, 0, 1), "{}", said(&output));
    assert_eq!(refusals(&file)[0]["reason"], "MESSAGE_TOO_LARGE");
}

#[test]
fn what_cannot_be_used_at_all_is_refused_before_anybody_is_asked() {
    let root = tempfile::tempdir().unwrap();
    for (name, content, args, code, expected) in [
        ("a.csv", "merchant_id,profit\n", &[][..], 1, "error: line 1: the column \"profit\" is not known"),
        ("a.txt", "", &[], 2, "error: cannot tell from its name how "),
        ("b.csv", "merchant_id\n", &["--concurrency", "0"], 2, "error: invalid value '0' for '--concurrency"),
        ("c.csv", "merchant_id\n", &["--format", "xml"], 2, "error: invalid value 'xml' for '--format"),
    ] {
        let output = import(&file(root.path(), name, content), NOBODY, args);
        assert_eq!(output.status.code(), Some(code), "{name}: {}", said(&output));
        assert!(said(&output).starts_with(expected) && output.stdout.is_empty(), "{name}: {}", said(&output));
    }
    let absent = import(&root.path().join("absent.csv"), NOBODY, &[]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(said(&absent).starts_with("error: cannot read "), "{}", said(&absent));
}

#[test]
fn a_server_that_is_not_there_is_named_and_nothing_is_left_behind() {
    let root = tempfile::tempdir().unwrap();
    let file = file(root.path(), "a.csv", "merchant_id\na\n");
    let output = import(&file, NOBODY, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).starts_with("error: asking http://127.0.0.1:9 for its clock: UNAVAILABLE: "), "{output:?}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}
