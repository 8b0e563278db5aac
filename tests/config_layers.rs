//! Settings by flag, environment and file: which one wins, and what is refused in which words.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{CommandFactory as _, Parser};
use tplus::{
    clock::Mode,
    config::{Config, ConfigError, LogFormat, ServeArgs},
};

/// A command line of its own, as `tplus serve` will be.
#[derive(Debug, Parser)]
struct Serve {
    #[command(flatten)]
    args: ServeArgs,
}

/// What the three sources give, to be loaded together.
#[derive(Default)]
struct Given<'a> {
    flags: &'a [&'a str],
    variables: &'a [(&'a str, &'a str)],
    file: &'a str,
}

impl Given<'_> {
    fn load(&self) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tplus.toml");
        fs::write(&path, self.file).unwrap();
        let flags = ["serve"].iter().chain(self.flags);
        let mut args = Serve::try_parse_from(flags).unwrap().args;
        if !self.file.is_empty() {
            args.config = Some(path.to_str().unwrap().to_owned());
        }
        Config::load(args, self.variables.iter().map(|(name, value)| (name.to_string(), value.to_string())))
    }

    /// The refusal, with the directory of the file cut off.
    fn refusal(&self) -> String {
        let text = self.load().unwrap_err().to_string();
        match (text.find(" of /"), text.find("tplus.toml")) {
            (Some(from), Some(to)) => format!("{} of {}", &text[..from], &text[to..]),
            _ => text,
        }
    }
}

fn file(file: &str) -> Given<'_> {
    Given { file, ..Given::default() }
}

fn variables<'a>(variables: &'a [(&'a str, &'a str)]) -> Given<'a> {
    Given { variables, ..Given::default() }
}

fn flags<'a>(flags: &'a [&'a str]) -> Given<'a> {
    Given { flags, ..Given::default() }
}

const EVERYTHING: &str = r#"
data_dir = "/data"
listen = "[::1]:1"
metrics_listen = "off"
policy = "p.toml"
[clock]
mode = "manual"
start = "2026-03-01T13:00:00.000001+01:00"
max_step = "1h"
max_gap = "1h"
accept_gap = true
[journal]
segment_size = 262144
[checkpoint]
every_bytes = 1048576
[engine]
max_in_flight = 1
shards = 2
[limits]
open_releases = 1
holds = 2
open_appeals = 3
categories = 4
imported_orders = 5
[server]
drain_deadline = "1m 500ms"
max_connections = 7
[log]
format = "json"
filter = "warn,tplus=debug"
[trace]
sample = 0.25
"#;

/// The same as `EVERYTHING`, as variables.
const EVERY_VARIABLE: [(&str, &str); 23] = [
    ("TPLUS_DATA_DIR", "/data"),
    ("TPLUS_LISTEN", "[::1]:1"),
    ("TPLUS_METRICS_LISTEN", "off"),
    ("TPLUS_POLICY", "p.toml"),
    ("TPLUS_CLOCK_MODE", "manual"),
    ("TPLUS_CLOCK_START", "2026-03-01T12:00:00.000001Z"),
    ("TPLUS_CLOCK_MAX_STEP", "1h"),
    ("TPLUS_CLOCK_MAX_GAP", "1h"),
    ("TPLUS_CLOCK_ACCEPT_GAP", "true"),
    ("TPLUS_JOURNAL_SEGMENT_SIZE", "262144"),
    ("TPLUS_CHECKPOINT_EVERY_BYTES", "1048576"),
    ("TPLUS_ENGINE_MAX_IN_FLIGHT", "1"),
    ("TPLUS_ENGINE_SHARDS", "2"),
    ("TPLUS_LIMITS_OPEN_RELEASES", "1"),
    ("TPLUS_LIMITS_HOLDS", "2"),
    ("TPLUS_LIMITS_OPEN_APPEALS", "3"),
    ("TPLUS_LIMITS_CATEGORIES", "4"),
    ("TPLUS_LIMITS_IMPORTED_ORDERS", "5"),
    ("TPLUS_SERVER_DRAIN_DEADLINE", "60500ms"),
    ("TPLUS_SERVER_MAX_CONNECTIONS", "7"),
    ("TPLUS_LOG_FORMAT", "json"),
    ("TPLUS_LOG_FILTER", "warn,tplus=debug"),
    ("TPLUS_TRACE_SAMPLE", "0.25"),
];

fn everything() -> Config {
    let mut config = Config {
        data_dir: PathBuf::from("/data"),
        listen: "[::1]:1".parse().unwrap(),
        metrics_listen: None,
        policy: Some(PathBuf::from("p.toml")),
        ..Config::default()
    };
    config.clock.mode = Mode::Manual;
    config.clock.start = Some(1_772_366_400_000_001);
    config.clock.max_step = Duration::from_secs(3_600);
    config.clock.max_gap = Duration::from_secs(3_600);
    config.clock.accept_gap = true;
    config.journal.segment_size = 262_144;
    config.checkpoint.every_bytes = 1_048_576;
    config.engine.max_in_flight = 1;
    config.engine.shards = 2;
    config.limits.open_releases = 1;
    config.limits.holds = 2;
    config.limits.open_appeals = 3;
    config.limits.categories = 4;
    config.limits.imported_orders = 5;
    config.server.drain_deadline = Duration::from_millis(60_500);
    config.server.max_connections = 7;
    config.log.format = LogFormat::Json;
    config.log.filter = "warn,tplus=debug".to_owned();
    config.trace.sample_of_a_million = 250_000;
    config
}

#[test]
fn nothing_given_is_the_defaults() {
    let config = Given::default().load().unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.data_dir, PathBuf::from("./tplus-data"));
    assert_eq!(config.listen, "127.0.0.1:50051".parse().unwrap());
    assert_eq!(config.metrics_listen, Some("127.0.0.1:9464".parse().unwrap()));
    assert_eq!(config.policy, None);
    assert_eq!(config.clock.mode, Mode::System);
    assert_eq!(config.clock.start, None);
    assert_eq!(config.clock.max_step, Duration::from_secs(5));
    assert_eq!(config.clock.max_gap, Duration::from_secs(7 * 86_400));
    assert!(!config.clock.accept_gap);
    assert_eq!(config.journal.segment_size, 67_108_864);
    assert_eq!(config.checkpoint.every_bytes, 268_435_456);
    assert_eq!(config.engine.max_in_flight, 16_384);
    assert_eq!(config.engine.shards, 1_024);
    assert_eq!(config.limits.open_releases, 1_000);
    assert_eq!((config.limits.holds, config.limits.open_appeals), (64, 1_000));
    assert_eq!((config.limits.categories, config.limits.imported_orders), (64, 10_000));
    assert_eq!(config.server.drain_deadline, Duration::from_secs(20));
    assert_eq!(config.server.max_connections, 10_000);
    assert_eq!(config.log.format, LogFormat::Auto);
    assert_eq!(config.log.filter, "info,fjall=warn,lsm_tree=warn");
}

#[test]
fn the_file_can_give_everything() {
    assert_eq!(file(EVERYTHING).load().unwrap(), everything());
}

#[test]
fn the_environment_can_give_everything() {
    assert_eq!(variables(&EVERY_VARIABLE).load().unwrap(), everything());
}

#[test]
fn flags_give_what_they_have() {
    let config = flags(&[
        "--data-dir=/data",
        "--listen=[::1]:1",
        "--metrics-listen=off",
        "--policy=p.toml",
        "--clock=manual",
        "--clock-start=2026-03-01T12:00:00.000001Z",
        "--accept-clock-gap",
        "--log-format=json",
        "--log-filter=warn,tplus=debug",
    ])
    .load()
    .unwrap();
    let all = everything();
    assert_eq!(config.data_dir, all.data_dir);
    assert_eq!(config.listen, all.listen);
    assert_eq!(config.metrics_listen, None);
    assert_eq!(config.policy, all.policy);
    assert_eq!((config.clock.mode, config.clock.start), (Mode::Manual, all.clock.start));
    assert!(config.clock.options().accept_gap);
    assert_eq!(config.log, all.log);
}

#[test]
fn flags_come_before_the_environment_and_that_before_the_file() {
    let mut given = Given {
        flags: &["--listen=127.0.0.1:1"],
        variables: &[("TPLUS_LISTEN", "127.0.0.1:2")],
        file: "listen = '127.0.0.1:3'",
    };
    assert_eq!(given.load().unwrap().listen.port(), 1);
    given.flags = &[];
    assert_eq!(given.load().unwrap().listen.port(), 2);
    given.variables = &[("TPLUS_LISTEN", "")];
    assert_eq!(given.load().unwrap().listen.port(), 3, "an empty variable is one not given");
    given.file = "";
    assert_eq!(given.load().unwrap().listen.port(), 50051);
}

#[test]
fn the_environment_can_name_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tplus.toml");
    fs::write(&path, "data_dir = 'from the file'").unwrap();
    let environment = || [("TPLUS_CONFIG".to_owned(), path.to_str().unwrap().to_owned())];
    let config = Config::load(ServeArgs::default(), environment()).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("from the file"));

    let other = ServeArgs { config: Some("/nowhere/tplus.toml".to_owned()), ..ServeArgs::default() };
    let refusal = Config::load(other, environment()).unwrap_err().to_string();
    assert!(
        refusal.starts_with("the configuration file /nowhere/tplus.toml cannot be read: No such file"),
        "{refusal}"
    );
}

#[test]
fn a_refusal_names_the_source_that_won() {
    let given = |flags, variables| Given { flags, variables, file: "\n\nlisten = 'here'" };
    let problem = "listen: \"here\" is no IP address with a port such as \"127.0.0.1:50051\"";
    assert_eq!(given(&[], &[]).refusal(), format!("{problem} (line 3 of tplus.toml)"));
    assert_eq!(
        given(&[], &[("TPLUS_LISTEN", "here")]).refusal(),
        format!("{problem} (environment variable TPLUS_LISTEN)")
    );
    assert_eq!(given(&["--listen=here"], &[]).refusal(), format!("{problem} (flag --listen)"));
    assert!(given(&["--listen=127.0.0.1:1"], &[]).load().is_ok(), "what is covered is not judged");
}

#[test]
fn values_out_of_bounds_are_refused() {
    let cases = [
        ("TPLUS_CLOCK_MAX_STEP", "61m", "clock.max_step: \"61m\" is outside 0s to 1h"),
        ("TPLUS_CLOCK_MAX_STEP", "5", "clock.max_step: \"5\" is no duration such as \"5s\""),
        ("TPLUS_CLOCK_MAX_GAP", "59m", "clock.max_gap: \"59m\" is outside 1h to 36500d"),
        ("TPLUS_CLOCK_MAX_GAP", "101y", "clock.max_gap: \"101y\" is outside 1h to 36500d"),
        ("TPLUS_CLOCK_MODE", "Manual", "clock.mode: \"Manual\" is not one of \"system\", \"manual\""),
        ("TPLUS_CLOCK_ACCEPT_GAP", "yes", "clock.accept_gap: \"yes\" is neither \"true\" nor \"false\""),
        (
            "TPLUS_CLOCK_START",
            "2026-03-01",
            "clock.start: \"2026-03-01\" is no RFC 3339 time such as \"2026-03-01T12:00:00Z\"",
        ),
        ("TPLUS_JOURNAL_SEGMENT_SIZE", "16383", "journal.segment_size: 16383 is outside 262144 to 1073741824"),
        (
            "TPLUS_JOURNAL_SEGMENT_SIZE",
            "1073741825",
            "journal.segment_size: 1073741825 is outside 262144 to 1073741824",
        ),
        ("TPLUS_JOURNAL_SEGMENT_SIZE", "300000", "journal.segment_size: 300000 is not a multiple of 4096"),
        ("TPLUS_JOURNAL_SEGMENT_SIZE", "64MiB", "journal.segment_size: \"64MiB\" is not a whole number"),
        ("TPLUS_CHECKPOINT_EVERY_BYTES", "1", "checkpoint.every_bytes: 1 is outside 65536 to 1099511627776"),
        ("TPLUS_ENGINE_MAX_IN_FLIGHT", "0", "engine.max_in_flight: 0 is outside 1 to 1048576"),
        ("TPLUS_ENGINE_SHARDS", "1", "engine.shards: 1 is outside 2 to 65536"),
        ("TPLUS_ENGINE_SHARDS", "1000", "engine.shards: 1000 is not a power of two"),
        ("TPLUS_LIMITS_OPEN_RELEASES", "1001", "limits.open_releases: 1001 is outside 1 to 1000"),
        ("TPLUS_LIMITS_OPEN_RELEASES", "-1", "limits.open_releases: -1 is outside 1 to 1000"),
        ("TPLUS_LIMITS_HOLDS", "65", "limits.holds: 65 is outside 1 to 64"),
        ("TPLUS_LIMITS_OPEN_APPEALS", "0", "limits.open_appeals: 0 is outside 1 to 1000"),
        ("TPLUS_LIMITS_CATEGORIES", "65", "limits.categories: 65 is outside 1 to 64"),
        ("TPLUS_LIMITS_IMPORTED_ORDERS", "10001", "limits.imported_orders: 10001 is outside 1 to 10000"),
        ("TPLUS_SERVER_DRAIN_DEADLINE", "2h", "server.drain_deadline: \"2h\" is outside 0s to 1h"),
        ("TPLUS_LOG_FORMAT", "text", "log.format: \"text\" is not one of \"auto\", \"human\", \"json\""),
        ("TPLUS_LISTEN", "off", "listen: \"off\" is no IP address with a port such as \"127.0.0.1:50051\""),
        (
            "TPLUS_METRICS_LISTEN",
            "localhost:1",
            "metrics_listen: \"localhost:1\" is no IP address with a port such as \"127.0.0.1:50051\", nor \"off\"",
        ),
    ];
    for (name, value, problem) in cases {
        assert_eq!(variables(&[(name, value)]).refusal(), format!("{problem} (environment variable {name})"));
    }
    let refusal = variables(&[("TPLUS_LOG_FILTER", "tplus=loud")]).refusal();
    assert!(
        refusal.starts_with("log.filter: \"tplus=loud\" is no log filter such as \"info,tplus=debug\""),
        "{refusal}"
    );
}

#[test]
fn the_bounds_are_inside() {
    for (name, value) in [
        ("TPLUS_CLOCK_MAX_STEP", "0s"),
        ("TPLUS_CLOCK_MAX_STEP", "1h"),
        ("TPLUS_CLOCK_MAX_GAP", "36500d"),
        ("TPLUS_JOURNAL_SEGMENT_SIZE", "1073741824"),
        ("TPLUS_CHECKPOINT_EVERY_BYTES", "1099511627776"),
        ("TPLUS_ENGINE_MAX_IN_FLIGHT", "1048576"),
        ("TPLUS_ENGINE_SHARDS", "65536"),
        ("TPLUS_LIMITS_OPEN_RELEASES", "1000"),
        ("TPLUS_SERVER_DRAIN_DEADLINE", "0s"),
    ] {
        assert!(variables(&[(name, value)]).load().is_ok(), "{name}={value}");
    }
}

#[test]
fn an_unknown_key_is_refused_by_name_and_line() {
    let refusal = file("listen = '127.0.0.1:1'\n\n[clock]\nmax_stp = '5s'\n").refusal();
    assert_eq!(
        refusal,
        "clock.max_stp: unknown key, expected one of `mode`, `start`, `max_step`, `max_gap`, `accept_gap` \
         (line 4 of tplus.toml)"
    );
    let refusal = file("\nlissten = '127.0.0.1:1'").refusal();
    assert!(refusal.starts_with("lissten: unknown key, expected one of `data_dir`, `listen`, "), "{refusal}");
    assert!(refusal.ends_with(" (line 2 of tplus.toml)"), "{refusal}");
    let refusal = file("[jornal]\nsegment_size = 1").refusal();
    assert!(refusal.starts_with("jornal: unknown key, "), "{refusal}");
}

#[test]
fn a_value_of_the_wrong_type_is_refused_by_name_and_line() {
    assert_eq!(
        file("\n[engine]\nshards = 'many'").refusal(),
        "engine.shards: invalid type: string \"many\", expected i64 (line 3 of tplus.toml)"
    );
    assert_eq!(
        file("data_dir = 5").refusal(),
        "data_dir: invalid type: integer `5`, expected a string (line 1 of tplus.toml)"
    );
    assert_eq!(
        file("[limits]\n\nopen_releases = -3").refusal(),
        "limits.open_releases: -3 is outside 1 to 1000 (line 3 of tplus.toml)"
    );
    assert_eq!(file("[log]\nfilter = 'info'\n data_dir = ").load().unwrap_err().to_string().lines().count(), 1);
}

#[test]
fn a_file_that_is_no_toml_is_refused_by_line() {
    let refusal = file("listen = '127.0.0.1:1'\nthis is no toml\n").refusal();
    assert!(refusal.ends_with("(line 2 of tplus.toml)"), "{refusal}");
    let refusal = file("data_dir = 'a'\ndata_dir = 'b'\n").refusal();
    assert!(refusal.contains("duplicate key") && refusal.ends_with("(line 2 of tplus.toml)"), "{refusal}");
}

#[test]
fn an_unknown_variable_is_refused_by_name() {
    assert_eq!(
        variables(&[("TPLUS_LISTN", "127.0.0.1:1")]).refusal(),
        "nobody reads the environment variable TPLUS_LISTN; did you mean TPLUS_LISTEN?"
    );
    assert_eq!(
        variables(&[("TPLUS_CLOCK_MAXSTEP", "1s")]).refusal(),
        "nobody reads the environment variable TPLUS_CLOCK_MAXSTEP; did you mean TPLUS_CLOCK_MAX_STEP?"
    );
    assert_eq!(
        variables(&[("TPLUS_COLOUR_OF_MONEY", "green")]).refusal(),
        "nobody reads the environment variable TPLUS_COLOUR_OF_MONEY"
    );
    assert!(variables(&[("TPLUS_LISTN", "")]).refusal().contains("TPLUS_LISTEN"), "empty, but misspelt");
    assert!(variables(&[("PATH", "/bin"), ("TPLUSH", "toy"), ("OTHER_TPLUS_X", "")]).load().is_ok());
}

#[test]
fn the_links_of_a_cluster_are_no_settings() {
    let links = [
        ("TPLUS_SERVICE_HOST", "10.0.0.1"),
        ("TPLUS_SERVICE_PORT", "50051"),
        ("TPLUS_SERVICE_PORT_GRPC", "50051"),
        ("TPLUS_PORT", "tcp://10.0.0.1:50051"),
        ("TPLUS_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
        ("TPLUS_PORT_50051_TCP_PROTO", "tcp"),
        ("TPLUS_PORT_50051_TCP_PORT", "50051"),
        ("TPLUS_PORT_50051_TCP_ADDR", "10.0.0.1"),
        ("TPLUS_METRICS_SERVICE_HOST", "10.0.0.2"),
    ];
    assert_eq!(variables(&links).load().unwrap(), Config::default());
    for wrong in [("TPLUS_PORT", "50051"), ("TPLUS_PORT_GRPC_TCP", "tcp://10.0.0.1:1")] {
        assert!(variables(&[wrong]).refusal().contains(wrong.0));
    }
}

#[test]
fn a_start_needs_a_manual_clock() {
    let start = ("TPLUS_CLOCK_START", "2026-03-01T12:00:00Z");
    assert_eq!(
        variables(&[start]).refusal(),
        "clock.start: only a manual clock has a start; clock.mode is \"system\" (environment variable TPLUS_CLOCK_START)"
    );
    assert!(variables(&[start, ("TPLUS_CLOCK_MODE", "manual")]).load().is_ok());
}

#[test]
fn two_listeners_need_two_addresses() {
    assert_eq!(
        flags(&["--listen=127.0.0.1:9464"]).refusal(),
        "metrics_listen: 127.0.0.1:9464 is taken by listen (default)"
    );
    assert!(flags(&["--listen=127.0.0.1:9464", "--metrics-listen=off"]).load().is_ok());
    assert!(flags(&["--listen=127.0.0.1:0", "--metrics-listen=127.0.0.1:0"]).load().is_ok());
}

#[test]
fn an_empty_path_is_none() {
    assert_eq!(flags(&["--data-dir="]).refusal(), "data_dir: \"\" is not a path (flag --data-dir)");
}

#[test]
fn the_command_line_is_sound() {
    Serve::command().debug_assert();
}

#[test]
fn traces_are_sent_where_a_build_can_send_them() {
    assert_eq!(Config::default().trace.endpoint, None);
    assert_eq!(file("[trace]\nendpoint = \"off\"\nsample = 1").load().unwrap().trace.sample_of_a_million, 1_000_000);
    for (given, refusal) in [
        (
            "endpoint = \"collector:4317\"",
            "\"collector:4317\" is no address such as \"http://127.0.0.1:4317\", nor \"off\"",
        ),
        ("ca = \"ca.pem\"", "says nothing without an https address in trace.endpoint"),
        ("ca = \"ca.pem\"\nendpoint = \"off\"", "says nothing without an https address in trace.endpoint"),
        (
            "endpoint = \"ftp://c:4317\"",
            "\"ftp://c:4317\" is no address such as \"http://127.0.0.1:4317\", nor \"off\"",
        ),
        ("sample = 1.5", "1.5 is outside 0 to 1"),
        ("sample = nan", "NaN is outside 0 to 1"),
    ] {
        let key = given.split(' ').next().unwrap();
        let expected = format!("trace.{key}: {refusal} (line 2 of tplus.toml)");
        assert_eq!(file(&format!("[trace]\n{given}")).refusal(), expected);
    }
    let somewhere = file("[trace]\nendpoint = \"http://127.0.0.1:4317\"");
    let encrypted = file("[trace]\nendpoint = \"https://collector.example:4317\"\nca = \"ca.pem\"");
    if cfg!(feature = "otlp") {
        assert_eq!(somewhere.load().unwrap().trace.endpoint.as_deref(), Some("http://127.0.0.1:4317"));
        assert_eq!(encrypted.load().unwrap().trace.ca.as_deref(), Some(Path::new("ca.pem")));
    } else {
        assert!(somewhere.refusal().contains("build it with --features otlp"));
    }
}
