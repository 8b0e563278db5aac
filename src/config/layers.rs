//! Where settings are given: flags, environment, file; put over each other as text, each value with its source.

use std::{collections::BTreeMap, fmt::Display, fs, path::PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::{
    error::{ConfigError, Source},
    value::{line_of, toml_problem},
};

/// The flags of `tplus serve`. None has a default here, so that it is known which were given.
///
/// Values are read where those of the file and the environment are, so all three have the same bounds and messages.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(after_help = "Every setting can also be given in the file of --config, as listen or clock.max_step, and as \
                        an environment variable, as TPLUS_LISTEN or TPLUS_CLOCK_MAX_STEP. Flags come before the \
                        environment, and that before the file.")]
pub struct ServeArgs {
    /// A TOML file with settings
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// Where the journal and everything made from it lives [default: ./tplus-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Where gRPC is served [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Where /metrics is served, or "off" [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDRESS")]
    pub metrics_listen: Option<String>,
    /// A TOML file with the rules that an empty data directory starts with [default: the published rules]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<String>,
    /// Who may do what: a TOML file, or "anyone" [default: anyone, if only this machine can connect]
    #[arg(long, value_name = "FILE")]
    pub access: Option<String>,
    /// The server's certificate, as PEM, for encrypted connections
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<String>,
    /// Its private key, as PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<String>,
    /// The authorities of clients' certificates, as PEM
    #[arg(long, value_name = "FILE")]
    pub tls_client_ca: Option<String>,
    /// Who moves the engine's time: system or manual [default: system]
    #[arg(long, value_name = "MODE")]
    pub clock: Option<String>,
    /// Where a manual clock starts, as 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub clock_start: Option<String>,
    /// Start although more time has passed since the last record than clock.max_gap; the wall clock is right
    #[arg(long)]
    pub accept_clock_gap: bool,
    /// How log lines look: auto, human or json [default: auto]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Which log lines are written, as info,tplus=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log_filter: Option<String>,
}

/// Every key. Its variable follows from it.
const KEYS: [&str; 37] = [
    "data_dir",
    "listen",
    "metrics_listen",
    "policy",
    "access",
    "audit_log",
    "tls.cert",
    "tls.key",
    "tls.client_ca",
    "tls.client_cert",
    "clock.mode",
    "clock.start",
    "clock.max_step",
    "clock.max_gap",
    "clock.accept_gap",
    "journal.segment_size",
    "checkpoint.every_bytes",
    "engine.max_in_flight",
    "engine.shards",
    "engine.recent_ids",
    "engine.history_lag",
    "history.cache_bytes",
    "history.cached_merchants",
    "limits.open_releases",
    "limits.holds",
    "limits.open_appeals",
    "limits.categories",
    "limits.imported_orders",
    "server.drain_deadline",
    "server.max_connections",
    "server.plaintext",
    "server.reflection",
    "log.format",
    "log.filter",
    "trace.endpoint",
    "trace.ca",
    "trace.sample",
];

/// Names the configuration file, so it cannot be a key in it.
const CONFIG_VARIABLE: &str = "TPLUS_CONFIG";

/// Told to the commands that ask a server, and nothing to the server: a shell that is set up for them can also serve.
const CLIENT_VARIABLES: [&str; 5] = ["TPLUS_SERVER", "TPLUS_CA", "TPLUS_CERT", "TPLUS_KEY", "TPLUS_TOKEN_FILE"];

/// What all variables of ours begin with.
const PREFIX: &str = "TPLUS_";

impl ServeArgs {
    /// What was given: key, flag, value.
    fn given(self) -> impl Iterator<Item = (&'static str, &'static str, String)> {
        [
            ("data_dir", "--data-dir", self.data_dir),
            ("listen", "--listen", self.listen),
            ("metrics_listen", "--metrics-listen", self.metrics_listen),
            ("policy", "--policy", self.policy),
            ("access", "--access", self.access),
            ("tls.cert", "--tls-cert", self.tls_cert),
            ("tls.key", "--tls-key", self.tls_key),
            ("tls.client_ca", "--tls-client-ca", self.tls_client_ca),
            ("clock.mode", "--clock", self.clock),
            ("clock.start", "--clock-start", self.clock_start),
            ("clock.accept_gap", "--accept-clock-gap", self.accept_clock_gap.then(|| "true".to_owned())),
            ("log.format", "--log-format", self.log_format),
            ("log.filter", "--log-filter", self.log_filter),
        ]
        .into_iter()
        .filter_map(|(key, flag, text)| Some((key, flag, text?)))
    }
}

/// The variables of this process that [`super::Config::load`] may want.
///
/// # Errors
///
/// [`ConfigError::NotText`] if one that begins with `TPLUS_` is not UTF-8; others are passed over.
pub fn environment() -> Result<Vec<(String, String)>, ConfigError> {
    let ours = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    ours.filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(ConfigError::NotText { name }),
        })
        .collect()
}

/// What was given for each key, by the strongest source that gave it.
#[derive(Debug, Default)]
pub(super) struct Layers {
    given: BTreeMap<&'static str, (String, Source)>,
}

impl Layers {
    /// Weakest first, so that each layer covers what it says anew.
    pub(super) fn read(
        args: ServeArgs,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Layers, ConfigError> {
        let (mut path, variables) = split_environment(environment)?;
        path = args.config.clone().or(path);
        let mut layers = Layers::default();
        if let Some(path) = path {
            layers.add_file(PathBuf::from(path))?;
        }
        for (key, name, text) in variables {
            layers.given.insert(key, (text, Source::Variable(name)));
        }
        for (key, flag, text) in args.given() {
            layers.given.insert(key, (text, Source::Flag(flag)));
        }
        Ok(layers)
    }

    /// Reads what was given for `key` into `target`; leaves it alone if nothing was.
    pub(super) fn take<T>(
        &self,
        key: &'static str,
        target: &mut T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<(), ConfigError> {
        if let Some((text, at)) = self.given.get(key) {
            *target = read(text).map_err(|problem| ConfigError::Setting { key, problem, at: at.clone() })?;
        }
        Ok(())
    }

    /// The refusal of a value that does not go with another.
    pub(super) fn refuse(&self, key: &'static str, problem: String) -> ConfigError {
        let at = self.given.get(key).map_or(Source::Default, |(_, at)| at.clone());
        ConfigError::Setting { key, problem, at }
    }

    fn add_file(&mut self, path: PathBuf) -> Result<(), ConfigError> {
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => return Err(ConfigError::Unreadable { path, error }),
        };
        let file: File = toml::from_str(&text).map_err(|error| {
            let (problem, line) = toml_problem(&text, error);
            ConfigError::File { problem, at: Source::File { path: path.clone(), line } }
        })?;
        for Entry { key, text: value, offset } in file.entries() {
            let at = Source::File { path: path.clone(), line: line_of(&text, offset) };
            self.given.insert(key, (value, at));
        }
        Ok(())
    }
}

/// `TPLUS_CLOCK_MAX_STEP` for `clock.max_step`.
fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "_").to_uppercase())
}

/// The configuration file that the environment names, and what it gives: key, name of the variable, value.
type Environment = (Option<String>, Vec<(&'static str, String, String)>);

fn split_environment(environment: impl IntoIterator<Item = (String, String)>) -> Result<Environment, ConfigError> {
    let known: BTreeMap<String, &'static str> = KEYS.iter().map(|key| (variable_of(key), *key)).collect();
    let (mut path, mut variables) = (None, Vec::new());
    for (name, value) in environment {
        let given = !value.is_empty();
        if name == CONFIG_VARIABLE {
            path = given.then_some(value);
        } else if let Some(key) = known.get(&name) {
            if given {
                variables.push((*key, name, value));
            }
        } else if name.starts_with(PREFIX)
            && !CLIENT_VARIABLES.contains(&name.as_str())
            && !is_service_link(&name, &value)
        {
            let others = CLIENT_VARIABLES.iter().chain([&CONFIG_VARIABLE]).map(|name| (*name).to_owned());
            let names = known.into_keys().chain(others);
            return Err(ConfigError::UnknownVariable { meant: nearest(&name, names), name });
        }
    }
    Ok((path, variables))
}

/// Whether this is how Kubernetes tells every pod about a service whose name begins with `tplus`: nothing that
/// anybody wrote, and no reason not to start. (`TPLUS_SERVICE_HOST`, `TPLUS_PORT=tcp://…`, `TPLUS_PORT_50051_TCP_ADDR`.)
fn is_service_link(name: &str, value: &str) -> bool {
    let protocol = |text: &str| ["tcp", "udp", "sctp"].contains(&text);
    let words: Vec<&str> = name.split('_').collect();
    match words.as_slice() {
        [.., "PORT", number, proto] | [.., "PORT", number, proto, "PROTO" | "PORT" | "ADDR"]
            if protocol(&proto.to_lowercase()) =>
        {
            number.parse::<u16>().is_ok()
        }
        [.., "SERVICE", "HOST" | "PORT"] => true,
        [.., "PORT"] => value.split_once("://").is_some_and(|(scheme, _)| protocol(scheme)),
        _ => name.contains("_SERVICE_PORT_"),
    }
}

/// The one of `names` that is a slip or two of the finger away from `name`, if there is one.
fn nearest(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    names.map(|other| (distance(name, &other), other)).min().filter(|(slips, _)| *slips <= 3).map(|(_, other)| other)
}

/// How many letters to put in, leave out or change to get from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (deleted, left) in from.bytes().enumerate() {
        let (mut diagonal, mut before) = (deleted, deleted + 1);
        let mut next = vec![before];
        for (above, right) in row.iter().skip(1).zip(to.bytes()) {
            let changed = diagonal + usize::from(left != right);
            before = changed.min(before + 1).min(above + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

type Text = Option<Spanned<String>>;
type Number = Option<Spanned<i64>>;

/// The file as it is written: types only, bounds come later.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    data_dir: Text,
    listen: Text,
    metrics_listen: Text,
    policy: Text,
    access: Text,
    audit_log: Text,
    tls: TlsSection,
    clock: ClockSection,
    journal: JournalSection,
    checkpoint: CheckpointSection,
    engine: EngineSection,
    history: HistorySection,
    limits: LimitsSection,
    server: ServerSection,
    log: LogSection,
    trace: TraceSection,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TlsSection {
    cert: Text,
    key: Text,
    client_ca: Text,
    client_cert: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ClockSection {
    mode: Text,
    start: Text,
    max_step: Text,
    max_gap: Text,
    accept_gap: Option<Spanned<bool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct JournalSection {
    segment_size: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CheckpointSection {
    every_bytes: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct EngineSection {
    max_in_flight: Number,
    shards: Number,
    recent_ids: Number,
    history_lag: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HistorySection {
    cache_bytes: Number,
    cached_merchants: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsSection {
    open_releases: Number,
    holds: Number,
    open_appeals: Number,
    categories: Number,
    imported_orders: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ServerSection {
    drain_deadline: Text,
    max_connections: Number,
    plaintext: Text,
    reflection: Option<Spanned<bool>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LogSection {
    format: Text,
    filter: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TraceSection {
    endpoint: Text,
    ca: Text,
    sample: Option<Spanned<f64>>,
}

/// A value of the file as text, and where in the file it stands (bytes).
struct Entry {
    key: &'static str,
    text: String,
    offset: usize,
}

impl File {
    fn entries(self) -> impl Iterator<Item = Entry> {
        fn entry<T: Display>(key: &'static str, value: Option<Spanned<T>>) -> Option<Entry> {
            value.map(|value| Entry { key, text: value.get_ref().to_string(), offset: value.span().start })
        }
        [
            entry("data_dir", self.data_dir),
            entry("listen", self.listen),
            entry("metrics_listen", self.metrics_listen),
            entry("policy", self.policy),
            entry("access", self.access),
            entry("audit_log", self.audit_log),
            entry("tls.cert", self.tls.cert),
            entry("tls.key", self.tls.key),
            entry("tls.client_ca", self.tls.client_ca),
            entry("tls.client_cert", self.tls.client_cert),
            entry("clock.mode", self.clock.mode),
            entry("clock.start", self.clock.start),
            entry("clock.max_step", self.clock.max_step),
            entry("clock.max_gap", self.clock.max_gap),
            entry("clock.accept_gap", self.clock.accept_gap),
            entry("journal.segment_size", self.journal.segment_size),
            entry("checkpoint.every_bytes", self.checkpoint.every_bytes),
            entry("engine.max_in_flight", self.engine.max_in_flight),
            entry("engine.shards", self.engine.shards),
            entry("engine.recent_ids", self.engine.recent_ids),
            entry("engine.history_lag", self.engine.history_lag),
            entry("history.cache_bytes", self.history.cache_bytes),
            entry("history.cached_merchants", self.history.cached_merchants),
            entry("limits.open_releases", self.limits.open_releases),
            entry("limits.holds", self.limits.holds),
            entry("limits.open_appeals", self.limits.open_appeals),
            entry("limits.categories", self.limits.categories),
            entry("limits.imported_orders", self.limits.imported_orders),
            entry("server.drain_deadline", self.server.drain_deadline),
            entry("server.max_connections", self.server.max_connections),
            entry("server.plaintext", self.server.plaintext),
            entry("server.reflection", self.server.reflection),
            entry("log.format", self.log.format),
            entry("log.filter", self.log.filter),
            entry("trace.endpoint", self.trace.endpoint),
            entry("trace.ca", self.trace.ca),
            entry("trace.sample", self.trace.sample),
        ]
        .into_iter()
        .flatten()
    }
}
