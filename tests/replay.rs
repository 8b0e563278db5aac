//! `tplus replay` against a real server: the answers, the repeat, a crash on the way, and what is refused.
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
    fs,
    path::Path,
    process::{Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use served::{Server, tplus};
use tempfile::TempDir;

const HEADER: &str = "order_id,line,seller_id,completed_at,price\n";
const START: [&str; 6] = ["--listen", "127.0.0.1:0", "--clock", "manual", "--clock-start", "2026-01-01T00:00:00Z"];

/// Segments that a replay fills.
const SMALL: [(&str, &str); 1] = [("TPLUS_JOURNAL_SEGMENT_SIZE", "262144")];

/// Orders of the worked examples 1 and 2, of a day later, and two on one instant.
const ROWS: &str = "\
    a,1,with,2026-01-05T10:00:00Z,60.00\n\
    a,2,with,2026-01-05T10:00:00Z,40\n\
    b,1,with,2026-01-05T11:00:00Z,0.01\n\
    b,1,other,2026-01-05T10:30:00Z,100.01\n\
    c,1,with,2026-01-06T00:00:00Z,100.00\n";

fn served() -> (TempDir, Server, String) {
    let root = tempfile::tempdir().unwrap();
    let (server, address) = Server::start(root.path(), &START, &SMALL);
    (root, server, address)
}

fn replay(root: &Path, rows: &str, args: &[&str]) -> Output {
    let file = root.join("rows.csv");
    fs::write(&file, rows).unwrap();
    tplus(&["replay", file.to_str().unwrap()]).args(args).output().unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The JSON up to the figures that depend on the machine.
fn figures(json: &str) -> &str {
    json.split_once(",\"milliseconds\"").unwrap().0
}

#[test]
fn rows_are_answered_by_the_rules_and_a_repeat_changes_nothing() {
    let (root, _server, address) = served();
    let args = ["--server", &address, "--guarantee", "100", "--json"];
    let first = printed(&replay(root.path(), &format!("{HEADER}{ROWS}"), &args));
    assert_eq!(
        figures(&first),
        "{\"orders\":5,\"replayed\":0,\"quick\":{\"orders\":3,\"price\":\"200.00\"},\
         \"standard\":{\"orders\":2,\"price\":\"100.02\"},\"guarantees\":2,\"guarantees_replayed\":0,\"sellers\":2,\
         \"balances\":{\"guarantee\":\"200.00\",\"frozen\":\"0.00\",\"gap\":\"200.00\",\"releasing\":\"0.00\",\
         \"available\":\"0.00\",\"pending\":\"300.02\",\"debt\":\"0.00\",\"historical_profit\":\"0.00\"},\
         \"clock\":\"2026-01-06T00:00:00Z\""
    );
    let again = printed(&replay(root.path(), &format!("{HEADER}{ROWS}"), &args));
    let known =
        first.replace("\"replayed\":0", "\"replayed\":5").replace("guarantees_replayed\":0", "guarantees_replayed\":2");
    assert_eq!(figures(&again), figures(&known));
}

#[test]
fn settling_leaves_nothing_pending() {
    let (root, _server, address) = served();
    let args = ["--server", &address, "--guarantee", "100", "--settle"];
    let table = printed(&replay(root.path(), &format!("{HEADER}{ROWS}"), &args));
    for (name, amount) in
        [("frozen", "200.00"), ("available", "100.02"), ("pending", "0.00"), ("historical profit", "300.02")]
    {
        assert!(table.contains(&format!("{name:<30}{amount:>22}\n")), "{name} in\n{table}");
    }
    assert!(table.contains("2 sellers, all together at 2026-01-14T00:00:00Z\n"), "{table}");
}

fn many_rows() -> String {
    let row = |n: u32| {
        let (day, hour, second) = (2 + n / 200, n / 10 % 20, n % 10);
        format!("o{n},1,s{},2026-02-{day:02}T{hour:02}:00:{second:02}Z,{}.50\n", n % 7, 1 + n % 90)
    };
    (0..1_000).map(row).fold(HEADER.to_owned(), |rows, row| rows + &row)
}

#[test]
fn a_replay_outlives_a_crash_of_the_server() {
    let (whole, _server, address) = served();
    let undisturbed =
        printed(&replay(whole.path(), &many_rows(), &["--server", &address, "--guarantee", "50", "--json"]));

    let (root, server, address) = served();
    let file = root.path().join("rows.csv");
    fs::write(&file, many_rows()).unwrap();
    let args = ["--server", &address, "--guarantee", "50", "--json"];
    let running = tplus(&["replay", file.to_str().unwrap()])
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let replaying = thread::spawn(move || running.wait_with_output().unwrap());
    wait_for_a_second_segment(root.path());
    server.kill();
    let port = address.trim_start_matches("http://");
    let (_server, again) = Server::start(root.path(), &["--listen", port, "--clock", "manual"], &SMALL);
    assert_eq!(again, address);

    let disturbed = printed(&replaying.join().unwrap());
    let from_the_start = printed(&replay(root.path(), &many_rows(), &args));
    let all_known = |json: &str| figures(json).split_once(",\"sellers\"").unwrap().1.to_owned();
    assert_eq!(all_known(&disturbed), all_known(&undisturbed));
    assert_eq!(all_known(&from_the_start), all_known(&undisturbed));
    assert!(from_the_start.contains("\"orders\":1000,\"replayed\":1000,"), "{from_the_start}");
}

/// Waits until so many rows have been kept that the journal has taken a second segment.
fn wait_for_a_second_segment(root: &Path) {
    let (journal, started) = (root.join("data").join("journal"), Instant::now());
    let segments = || {
        let files = fs::read_dir(&journal).unwrap().flatten();
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "seg")).count()
    };
    while segments() < 2 {
        assert!(started.elapsed() < Duration::from_secs(120), "no row arrives");
        thread::yield_now();
    }
}

#[test]
fn the_machines_clock_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (_server, address) = Server::start(root.path(), &["--listen", "127.0.0.1:0"], &[]);
    let said = refused(&replay(root.path(), &format!("{HEADER}{ROWS}"), &["--server", &address]), 1);
    assert_eq!(
        said,
        format!(
            "error: the clock of {address} is not manual\n\
             hint: serve a new data directory with `tplus serve --clock manual --clock-start 2026-01-05T10:00:00Z`\n"
        )
    );
}

#[test]
fn a_row_that_is_too_old_stops_the_replay_with_a_hint() {
    let (root, _server, address) = served();
    let rows = format!("{HEADER}a,1,s,2026-01-02T00:00:00Z,1\nb,1,s,2025-12-01T00:00:00Z,1\n");
    let said = refused(&replay(root.path(), &rows, &["--server", &address]), 1);
    assert!(said.starts_with("error: line 3, order b:1 of s: FAILED_PRECONDITION: "), "{said}");
    assert!(
        said.contains("\nhint: the server's clock stands at 2026-01-02T00:00:00Z, it has to start before the data"),
        "{said}"
    );
    let args = ["--server", &address, "--json"];
    let one = printed(&replay(root.path(), &format!("{HEADER}a,1,s,2026-01-02T00:00:00Z,1\n"), &args));
    assert!(one.starts_with("{\"orders\":1,\"replayed\":1,"), "the row before it stands: {one}");
}

#[test]
fn a_known_order_with_another_price_is_named() {
    let (root, _server, address) = served();
    let args = ["--server", &address];
    let row = |price| format!("{HEADER}a,1,s,2026-01-02T00:00:00Z,{price}\n");
    printed(&replay(root.path(), &row("1"), &args));
    let said = refused(&replay(root.path(), &row("2"), &args), 1);
    assert!(said.starts_with("error: line 2, order a:1 of s: ALREADY_EXISTS: "), "{said}");
    assert!(said.contains("price"), "{said}");
}

#[test]
fn a_file_with_a_mistake_is_refused_before_anything_is_sent() {
    let root = tempfile::tempdir().unwrap();
    let rows = format!("{HEADER}{ROWS}d,1,s,2026-01-07T00:00:00Z,1.234\n");
    // Nobody listens there, and nobody is asked.
    let said = refused(&replay(root.path(), &rows, &["--server", "http://127.0.0.1:9"]), 1);
    assert!(said.starts_with("error: line 7, column price: \"1.234\" is not an amount"), "{said}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let root = tempfile::tempdir().unwrap();
    let said = refused(&replay(root.path(), HEADER, &["--server", "http://127.0.0.1:9"]), 1);
    assert!(said.starts_with("error: asking http://127.0.0.1:9 for its clock: UNAVAILABLE: "), "{said}");
    assert!(said.contains("refused"), "{said}");
}

#[test]
fn nonsense_on_the_command_line_is_a_usage_error() {
    let root = tempfile::tempdir().unwrap();
    refused(&replay(root.path(), HEADER, &["--guarantee", "1.50"]), 2);
    refused(&replay(root.path(), HEADER, &["--server", "not an address"]), 2);
}
