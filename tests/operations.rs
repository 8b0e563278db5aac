//! What docs/operations.md says of metrics and alarms is what the real program tells, and what deploy/ is about.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at once")]

mod watched;

use std::collections::{BTreeMap, BTreeSet};

use tplus::grpc::convert::REASONS;

use crate::watched::Watched;

const OPERATIONS: &str = include_str!("../docs/operations.md");
const ALERTS: &str = include_str!("../deploy/prometheus/alerts.yml");
const ALERT_TESTS: &str = include_str!("../deploy/prometheus/alerts_test.yml");
const DASHBOARD: &str = include_str!("../deploy/grafana/tplus.json");

/// A series: its type, and the names of its labels.
type Series = BTreeMap<String, (String, BTreeSet<String>)>;

/// The rows of the table that begins with this header.
fn table(header: &str) -> Vec<Vec<&'static str>> {
    let rows = OPERATIONS.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).collect();
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

/// The words of a cell that are code.
fn codes(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn documented() -> Series {
    let row = |row: Vec<&str>| {
        let name = codes(row[0]).pop_first().unwrap();
        (name, (row[1].to_owned(), codes(row[2])))
    };
    table("| series |").into_iter().map(row).collect()
}

/// What a family's samples are called.
fn samples_of(name: &str, kind: &str) -> Vec<String> {
    let ends: &[&str] = match kind {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        _ => &[""],
    };
    ends.iter().map(|end| format!("{name}{end}")).collect()
}

/// The names of the labels of a sample, but for the one of a histogram's buckets.
fn labels(sample: &str) -> BTreeSet<String> {
    let within = sample.split_once('{').map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
    let names = within.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
    names.filter(|name| name != "le").collect()
}

fn scraped(text: &str) -> Series {
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    kinds
        .map(|(name, kind)| {
            let samples = samples_of(name, kind);
            let of_family = |line: &&str| samples.iter().any(|sample| line.split(['{', ' ']).next() == Some(sample));
            let found: BTreeSet<_> = text.lines().filter(of_family).map(labels).collect();
            assert_eq!(found.len(), 1, "the samples of {name} have labels of their own each: {found:?}");
            (name.to_owned(), (kind.to_owned(), found.into_iter().next().unwrap()))
        })
        .collect()
}

#[test]
fn every_series_is_in_the_table_and_there() {
    let root = tempfile::tempdir().unwrap();
    // Callers have series of their own where there are rules about them.
    let access = root.path().join("access.toml");
    let rules = "[[callers]]\ndns = \"checkout.shop.example\"\nroles = [\"admin\"]\nrate = 5\nconcurrent = 5\n";
    std::fs::write(&access, rules).unwrap();
    let server = Watched::start(root.path(), &["--access", access.to_str().unwrap()]);
    let text = server.scrape();
    assert_eq!(documented(), scraped(&text));
    for reason in REASONS.iter().map(|reason| reason.name).chain(["OTHER"]) {
        assert!(text.contains(&format!("tplus_refused_total{{reason=\"{reason}\"}} 0\n")), "{reason}");
    }
    let value = |series: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).unwrap();
        line.parse::<f64>().unwrap()
    };
    // What the operating system was asked for.
    for some in ["process_resident_memory_bytes", "process_open_fds", "process_threads", "tplus_disk_free_bytes"] {
        assert!(value(some) > 0.0, "{some}");
    }
    assert!(value("process_open_fds") < value("process_max_fds"));
    assert!(value("tplus_disk_free_bytes") <= value("tplus_disk_size_bytes"));
    assert!((value("tplus_journal_segments{part=\"live\"}") - 1.0).abs() < 0.5);
    assert!(value("process_start_time_seconds") > 1.7e9, "seconds since 1970");
    assert!(server.stop());
}

/// What looks like the name of a series in an expression.
fn series_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| ["tplus_", "grpc_server_", "process_"].iter().any(|start| word.starts_with(start))).collect()
}

#[test]
fn dashboard_and_alarms_ask_for_series_that_there_are() {
    let known: BTreeSet<String> =
        documented().into_iter().flat_map(|(name, (kind, _))| samples_of(&name, &kind)).collect();
    for (what, text) in [("alerts.yml", ALERTS), ("alerts_test.yml", ALERT_TESTS), ("tplus.json", DASHBOARD)] {
        let asked = series_in(text);
        assert!(asked.len() > 10, "{what} asks for {asked:?}");
        let unknown: Vec<_> = asked.into_iter().filter(|name| !known.contains(*name)).collect();
        assert_eq!(unknown, Vec::<&str>::new(), "in {what}");
    }
}

#[test]
fn every_alarm_is_explained_and_tested() {
    let alarms: BTreeSet<String> =
        ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::to_owned).collect();
    assert!(alarms.len() > 10);
    let explained: BTreeSet<String> = table("| alarm |").iter().map(|row| codes(row[0]).pop_first().unwrap()).collect();
    assert_eq!(explained, alarms);
    let tested =
        ALERT_TESTS.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("alertname: "));
    assert_eq!(tested.map(str::to_owned).collect::<BTreeSet<_>>(), alarms);
}

#[test]
fn the_dashboard_shows_what_it_says() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
    let panels = dashboard["panels"].as_array().unwrap();
    let drawn: Vec<_> = panels.iter().filter(|panel| panel["type"] != "row").collect();
    assert!(drawn.len() > 15, "{} panels", drawn.len());
    let mut places = BTreeSet::new();
    for panel in drawn {
        let title = panel["title"].as_str().unwrap();
        assert!(!title.is_empty() && panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{panel}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(targets.iter().all(|target| target["expr"].as_str().is_some_and(|expr| expr.contains("$instance"))));
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{title} is too wide");
        assert!(places.insert((place["x"].as_u64(), place["y"].as_u64())), "{title} lies on another");
    }
}
