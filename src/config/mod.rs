//! What an operator can set, and where.
//!
//! A setting has one name, its key, and three places it can be given. The first that gives it wins:
//!
//! 1. the flag of `tplus serve` (`--data-dir`), for the settings that have one;
//! 2. the environment variable (`TPLUS_DATA_DIR`, and `TPLUS_CLOCK_MAX_STEP` for `clock.max_step`); an empty one
//!    counts as not given;
//! 3. the TOML file that `--config` or `TPLUS_CONFIG` names;
//! 4. the default.
//!
//! Only the value that wins is judged, but a key or a `TPLUS_` variable that nobody reads is always refused: a
//! misspelt setting must not look as if it held. Paths are UTF-8 and relative to the working directory.
//!
//! The rules of settlement are no configuration: they are the policy, in a file of their own ([`PolicyFile`]).

mod access;
mod error;
mod layers;
mod policy;
mod value;

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

pub use self::{
    access::{AccessError, AccessFile},
    error::{ConfigError, Source},
    layers::{ServeArgs, environment},
    policy::{PUBLISHED_POLICY, PolicyError, PolicyFile},
};
use self::{
    layers::Layers,
    value::{DAY, HOUR},
};
use crate::clock::{self, Micros};

/// Everything `tplus serve` is told, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `data_dir`: where the journal and everything made from it lives.
    pub data_dir: PathBuf,
    /// `listen`: where the gRPC services are served.
    pub listen: SocketAddr,
    /// `metrics_listen`: where `/metrics` is served; `None` if it is off.
    pub metrics_listen: Option<SocketAddr>,
    /// `policy`: the policy file; `None` for the published rules.
    pub policy: Option<PathBuf>,
    /// `access`: who may do what.
    pub access: AccessConfig,
    /// `audit_log`: where attempts are written that were refused; `None`: nowhere.
    pub audit_log: Option<PathBuf>,
    /// `[tls]`; `None`: connections are not encrypted.
    pub tls: Option<TlsConfig>,
    /// `[clock]`
    pub clock: ClockConfig,
    /// `[journal]`
    pub journal: JournalConfig,
    /// `[checkpoint]`
    pub checkpoint: CheckpointConfig,
    /// `[engine]`
    pub engine: EngineConfig,
    /// `[history]`
    pub history: HistoryConfig,
    /// `[limits]`
    pub limits: LimitsConfig,
    /// `[server]`
    pub server: ServerConfig,
    /// `[log]`
    pub log: LogConfig,
    /// `[trace]`
    pub trace: TraceConfig,
}

/// `access`: who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessConfig {
    /// Whoever can connect may do everything.
    Anyone,
    /// What the rules in this file say, see [`AccessFile`].
    Rules(PathBuf),
}

/// `[tls]`: encrypted connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// `tls.cert`: the server's certificate and those between it and its authority, as PEM.
    pub cert: PathBuf,
    /// `tls.key`: its private key, as PEM.
    pub key: PathBuf,
    /// `tls.client_ca`: the authorities whose certificates clients may bring, as PEM; `None`: clients are not asked for any.
    pub client_ca: Option<PathBuf>,
    /// `tls.client_cert`: whether a client has to have one; matters with `tls.client_ca`.
    pub client_cert: ClientCert,
}

/// `tls.client_cert`: whether a client has to have a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCert {
    /// Nobody connects without.
    Required,
    /// Who connects without has to bring a token.
    Optional,
}

impl fmt::Display for ClientCert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ClientCert::Required => "required",
            ClientCert::Optional => "optional",
        })
    }
}

/// `[clock]`: engine time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockConfig {
    /// `clock.mode`: who moves it.
    pub mode: clock::Mode,
    /// `clock.start`: where a manual clock starts (µs since 1970); never given with the system's clock.
    pub start: Option<Micros>,
    /// `clock.max_step`: the largest difference to the wall clock that is slewed away, 0 s to 1 h.
    pub max_step: Duration,
    /// `clock.max_gap`: the longest time since the last record that a start takes for downtime, 1 h to 100 years.
    pub max_gap: Duration,
    /// `clock.accept_gap`: a longer one is real. Meant for one start, so better a flag than a line in a file.
    pub accept_gap: bool,
}

impl ClockConfig {
    /// What the system's clock takes from here.
    pub fn options(&self) -> clock::Options {
        clock::Options { max_step: self.max_step, max_gap: self.max_gap, accept_gap: self.accept_gap }
    }
}

/// `[journal]`: the journal's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalConfig {
    /// `journal.segment_size`: bytes in a file, 256 KiB to 1 GiB, a multiple of 4,096.
    pub segment_size: u64,
}

/// `[checkpoint]`: how much a restart has to replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointConfig {
    /// `checkpoint.every_bytes`: bytes of journal between two checkpoints, 64 KiB to 1 TiB.
    pub every_bytes: u64,
}

/// `[engine]`: sizes of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// `engine.max_in_flight`: commands taken and not yet answered, 1 to 1,048,576; more are refused as overload.
    pub max_in_flight: usize,
    /// `engine.shards`: pieces of the merchant map, a power of two from 2 to 65,536.
    pub shards: usize,
    /// `engine.recent_ids`: decided orders and requests that stay in memory although the history knows them, 0 to 2³².
    pub recent_ids: usize,
    /// `engine.history_lag`: records that the history may be behind, 1 to 2³²; then commands wait for it, or are refused as overload.
    pub history_lag: u64,
}

/// `[history]`: what was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryConfig {
    /// `history.cache_bytes`: how much of its files is held in memory for reading, 1 MiB to 1 TiB.
    pub cache_bytes: u64,
    /// `history.cached_merchants`: states of merchants that are held in memory while it is written, 1 to 2³².
    pub cached_merchants: usize,
}

/// `[limits]`: what one merchant may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitsConfig {
    /// `limits.open_releases`: releases under way at once, 1 to 1,000.
    pub open_releases: u32,
    /// `limits.holds`: holds that stand at once, 1 to 64.
    pub holds: u32,
    /// `limits.open_appeals`: appeals that are open at once, 1 to 1,000.
    pub open_appeals: u32,
    /// `limits.categories`: 1 to 64.
    pub categories: u32,
    /// `limits.imported_orders`: orders that come with an import, 1 to 10,000.
    pub imported_orders: u32,
}

/// `[server]`: the serving of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// `server.drain_deadline`: how long requests under way may take once it is told to stop, 0 s to 1 h.
    pub drain_deadline: Duration,
    /// `server.max_connections`: connections at once, 1 to 1,000,000, and no more than the process may open files for beside its own.
    pub max_connections: usize,
    /// `server.plaintext`: from where connections may come that are not encrypted.
    pub plaintext: Plaintext,
    /// `server.reflection`: whether the server tells what services it has, so that grpcurl needs no protos.
    pub reflection: bool,
}

/// `server.plaintext`: from where connections may come that are not encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// From this machine: the server listens on a loopback address.
    Loopback,
    /// From anywhere: something else sees to it that nobody listens in.
    Anywhere,
}

impl fmt::Display for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Plaintext::Loopback => "loopback",
            Plaintext::Anywhere => "anywhere",
        })
    }
}

/// `[log]`: what is told on standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `log.format`
    pub format: LogFormat,
    /// `log.filter`: directives of `tracing_subscriber::EnvFilter`, which has parsed them.
    pub filter: String,
}

/// `[trace]`: spans of calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceConfig {
    /// `trace.endpoint`: the collector that they are sent to, over OTLP (gRPC); `None` if nothing is traced.
    pub endpoint: Option<String>,
    /// `trace.ca`: the authorities that an `https` collector's certificate may be from, as PEM; `None`: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// `trace.sample`: how many of a million calls are traced whose callers have not decided, 0 to 1,000,000.
    pub sample_of_a_million: u32,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Auto => "auto",
            LogFormat::Human => "human",
            LogFormat::Json => "json",
        })
    }
}

impl Default for Config {
    /// What holds when nothing is set.
    fn default() -> Config {
        let clock::Options { max_step, max_gap, accept_gap } = clock::Options::default();
        Config {
            data_dir: PathBuf::from("./tplus-data"),
            listen: SocketAddr::from(([127, 0, 0, 1], 50051)),
            metrics_listen: Some(SocketAddr::from(([127, 0, 0, 1], 9464))),
            policy: None,
            access: AccessConfig::Anyone,
            audit_log: None,
            tls: None,
            clock: ClockConfig { mode: clock::Mode::System, start: None, max_step, max_gap, accept_gap },
            journal: JournalConfig { segment_size: 64 * MIB },
            checkpoint: CheckpointConfig { every_bytes: 256 * MIB },
            engine: EngineConfig { max_in_flight: 16_384, shards: 1_024, recent_ids: 1 << 18, history_lag: 1 << 25 },
            history: HistoryConfig { cache_bytes: 256 * MIB, cached_merchants: 1 << 17 },
            limits: LimitsConfig {
                open_releases: 1_000,
                holds: 64,
                open_appeals: 1_000,
                categories: 64,
                imported_orders: 10_000,
            },
            server: ServerConfig {
                drain_deadline: Duration::from_secs(20),
                max_connections: 10_000,
                plaintext: Plaintext::Loopback,
                reflection: true,
            },
            log: LogConfig { format: LogFormat::Auto, filter: "info,fjall=warn,lsm_tree=warn".to_owned() },
            trace: TraceConfig { endpoint: None, ca: None, sample_of_a_million: 10_000 },
        }
    }
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

impl Config {
    /// Puts the layers together: flags over `environment` over the file over the defaults.
    ///
    /// The environment is handed in, as names and values; what does not begin with `TPLUS_` is ignored. The one thing
    /// it touches is the configuration file, if the flags or the environment name one.
    ///
    /// # Errors
    ///
    /// A [`ConfigError`], which names what is wrong and where it was given: a file that cannot be read or is no TOML,
    /// a key or variable that nobody reads, a value that cannot be read or is out of bounds, or two that do not go
    /// together.
    pub fn load(
        args: ServeArgs,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let layers = Layers::read(args, environment)?;
        let mut config = Config::default();
        config.take_places(&layers)?;
        config.take_clock(&layers)?;
        config.take_sizes(&layers)?;
        config.take_limits(&layers)?;
        layers.take("server.drain_deadline", &mut config.server.drain_deadline, |text| {
            value::duration(text, Duration::ZERO, HOUR)
        })?;
        let connections = |text: &str| value::whole(text, 1, 1_000_000);
        layers.take("server.max_connections", &mut config.server.max_connections, connections)?;
        layers.take("server.plaintext", &mut config.server.plaintext, |text| {
            value::one_of(text, &[Plaintext::Loopback, Plaintext::Anywhere])
        })?;
        layers.take("server.reflection", &mut config.server.reflection, value::boolean)?;
        config.take_access(&layers)?;
        layers.take("log.format", &mut config.log.format, value::log_format)?;
        layers.take("log.filter", &mut config.log.filter, value::log_filter)?;
        config.take_trace(&layers)?;
        Ok(config)
    }

    fn take_trace(&mut self, layers: &Layers) -> Result<(), ConfigError> {
        let trace = &mut self.trace;
        layers.take("trace.endpoint", &mut trace.endpoint, value::collector_or_off)?;
        layers.take("trace.ca", &mut trace.ca, |text| value::path(text).map(Some))?;
        let encrypted = trace.endpoint.as_ref().is_some_and(|collector| value::is_https(collector));
        if trace.ca.is_some() && !encrypted {
            return Err(layers.refuse("trace.ca", "says nothing without an https address in trace.endpoint".to_owned()));
        }
        layers.take("trace.sample", &mut trace.sample_of_a_million, value::of_a_million)
    }

    fn take_places(&mut self, layers: &Layers) -> Result<(), ConfigError> {
        layers.take("data_dir", &mut self.data_dir, value::path)?;
        layers.take("policy", &mut self.policy, |text| value::path(text).map(Some))?;
        layers.take("listen", &mut self.listen, value::address)?;
        layers.take("metrics_listen", &mut self.metrics_listen, value::address_or_off)?;
        // Port 0 lets the system choose, so two of them are two.
        if self.metrics_listen == Some(self.listen) && self.listen.port() != 0 {
            let problem = format!("{} is taken by listen", self.listen);
            return Err(layers.refuse("metrics_listen", problem));
        }
        Ok(())
    }

    /// Who may do what is said explicitly wherever others than this machine's users can connect, and so is that nothing is encrypted.
    fn take_access(&mut self, layers: &Layers) -> Result<(), ConfigError> {
        let mut access = None;
        layers.take("access", &mut access, |text| {
            let rules = |text| value::path(text).map(AccessConfig::Rules);
            if text == "anyone" { Ok(Some(AccessConfig::Anyone)) } else { rules(text).map(Some) }
        })?;
        layers.take("audit_log", &mut self.audit_log, |text| value::path(text).map(Some))?;
        self.take_tls(layers)?;
        let public = !self.listen.ip().is_loopback();
        if public && self.tls.is_none() && self.server.plaintext == Plaintext::Loopback {
            let problem = format!("{} needs tls.cert and tls.key, or server.plaintext = \"anywhere\"", self.listen);
            return Err(layers.refuse("listen", problem));
        }
        if public && access.is_none() {
            let problem = format!("{} needs access: a file of rules, or \"anyone\"", self.listen);
            return Err(layers.refuse("listen", problem));
        }
        self.access = access.unwrap_or(AccessConfig::Anyone);
        if self.access == AccessConfig::Anyone && self.audit_log.is_some() {
            return Err(layers.refuse("audit_log", "says nothing without a file of rules in access".to_owned()));
        }
        Ok(())
    }

    fn take_tls(&mut self, layers: &Layers) -> Result<(), ConfigError> {
        let (mut cert, mut key, mut client_ca, mut client_cert) = (None, None, None, None);
        layers.take("tls.cert", &mut cert, |text| value::path(text).map(Some))?;
        layers.take("tls.key", &mut key, |text| value::path(text).map(Some))?;
        layers.take("tls.client_ca", &mut client_ca, |text| value::path(text).map(Some))?;
        layers.take("tls.client_cert", &mut client_cert, |text| {
            value::one_of(text, &[ClientCert::Required, ClientCert::Optional]).map(Some)
        })?;
        let alone = |key, without: &str| Err(layers.refuse(key, format!("says nothing without {without}")));
        self.tls = match (cert, key) {
            (Some(cert), Some(key)) => {
                if client_ca.is_none() && client_cert.is_some() {
                    return alone("tls.client_cert", "tls.client_ca");
                }
                Some(TlsConfig { cert, key, client_ca, client_cert: client_cert.unwrap_or(ClientCert::Required) })
            }
            (Some(_), None) => return alone("tls.cert", "tls.key"),
            (None, Some(_)) => return alone("tls.key", "tls.cert"),
            (None, None) if client_ca.is_some() => return alone("tls.client_ca", "tls.cert and tls.key"),
            (None, None) if client_cert.is_some() => return alone("tls.client_cert", "tls.cert and tls.key"),
            (None, None) => None,
        };
        Ok(())
    }

    fn take_clock(&mut self, layers: &Layers) -> Result<(), ConfigError> {
        let clock = &mut self.clock;
        layers.take("clock.mode", &mut clock.mode, value::clock_mode)?;
        layers.take("clock.start", &mut clock.start, |text| value::instant(text).map(Some))?;
        layers.take("clock.max_step", &mut clock.max_step, |text| value::duration(text, Duration::ZERO, HOUR))?;
        layers.take("clock.max_gap", &mut clock.max_gap, |text| value::duration(text, HOUR, 36_500 * DAY))?;
        layers.take("clock.accept_gap", &mut clock.accept_gap, value::boolean)?;
        if clock.start.is_some() && clock.mode != clock::Mode::Manual {
            let problem = "only a manual clock has a start; clock.mode is \"system\"".to_owned();
            return Err(layers.refuse("clock.start", problem));
        }
        Ok(())
    }

    fn take_sizes(&mut self, layers: &Layers) -> Result<(), ConfigError> {
        layers.take("journal.segment_size", &mut self.journal.segment_size, |text| {
            // The largest record there can be, of a merchant with a thousand releases due at once, fits; imports are bounded by it.
            value::multiple_of(4 * KIB, value::whole(text, 256 * KIB, GIB)?)
        })?;
        layers.take("checkpoint.every_bytes", &mut self.checkpoint.every_bytes, |text| {
            value::whole(text, 64 * KIB, TIB)
        })?;
        layers.take("engine.max_in_flight", &mut self.engine.max_in_flight, |text| value::whole(text, 1, 1 << 20))?;
        // A sharded map of a single shard is one the map itself refuses.
        layers.take("engine.shards", &mut self.engine.shards, |text| {
            value::power_of_two(value::whole(text, 2, 1 << 16)?)
        })?;
        layers.take("engine.recent_ids", &mut self.engine.recent_ids, |text| value::whole(text, 0, 1 << 32))?;
        layers.take("engine.history_lag", &mut self.engine.history_lag, |text| value::whole(text, 1, 1 << 32))?;
        layers.take("history.cache_bytes", &mut self.history.cache_bytes, |text| value::whole(text, MIB, TIB))?;
        layers.take("history.cached_merchants", &mut self.history.cached_merchants, |text| {
            value::whole(text, 1, 1 << 32)
        })?;
        Ok(())
    }

    fn take_limits(&mut self, layers: &Layers) -> Result<(), ConfigError> {
        let limits = &mut self.limits;
        layers.take("limits.open_releases", &mut limits.open_releases, |text| value::whole(text, 1, 1_000))?;
        layers.take("limits.holds", &mut limits.holds, |text| value::whole(text, 1, 64))?;
        layers.take("limits.open_appeals", &mut limits.open_appeals, |text| value::whole(text, 1, 1_000))?;
        layers.take("limits.categories", &mut limits.categories, |text| value::whole(text, 1, 64))?;
        layers.take("limits.imported_orders", &mut limits.imported_orders, |text| value::whole(text, 1, 10_000))
    }
}
