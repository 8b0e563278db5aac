//! From a configuration to an engine that has recovered.

use std::{fs, io, path::PathBuf, sync::Arc, time::Instant};

use super::{Opened, banner::Recovered};
use crate::{
    clock::{self, Clock, EngineClock, ManualClock, Mode, OsTime, TimeSource as _},
    codec::Fingerprint,
    config::{Config, LimitsConfig, PolicyError, PolicyFile},
    domain::{Known, Limits, Policy},
    engine::{self, Archive, ArchiveError, Engine, Observer},
    history::{self, History, HistoryError},
    journal::{self, FileOptions, FileStore, Journal, Lsn, NewDirectory, Store as _},
};

/// Why the engine was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] journal::OpenError),
    /// What is in it cannot be taken up.
    #[error(transparent)]
    Engine(#[from] engine::OpenError),
    /// Its history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The directory was created with the other clock.
    #[error("{} was created with the {created} clock and keeps it; start with --clock {created}", directory.display())]
    OtherClock {
        /// The data directory.
        directory: PathBuf,
        /// The clock it was created with.
        created: String,
    },
    /// The policy file cannot be read.
    #[error("cannot read the policy file {}: {source}", path.display())]
    PolicyUnreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The policy file says something that is no policy.
    #[error("policy file {}: {source}", path.display())]
    PolicyInvalid {
        /// The file.
        path: PathBuf,
        /// What.
        source: PolicyError,
    },
    /// The operating system gives no randomness.
    #[error("no random numbers are to be had: {0}")]
    Random(io::Error),
    /// The thread that opens it is gone.
    #[error("the recovery broke off")]
    BrokeOff,
}

/// The folder of the history within the data directory.
const HISTORY: &str = "history";

/// The name of the directory's attribute that says what moves its time.
const CLOCK: &str = "clock";

/// Opens the data directory that a configuration names, creates it if there is none, and recovers the engine from it.
///
/// # Errors
/// See [`OpenFailure`]. What was acknowledged is untouched then; an empty directory may have been created, an unfinished batch dropped.
pub fn open(config: &Config, observer: Arc<dyn Observer>) -> Result<Opened, OpenFailure> {
    let began = Instant::now();
    let policy = config.policy.as_ref().map(read_policy).transpose()?;
    let store = FileStore::open(&config.data_dir, file_options(config)?)?;
    let created = store.identity().attribute(CLOCK).unwrap_or_default().to_owned();
    if created != config.clock.mode.to_string() {
        return Err(OpenFailure::OtherClock { directory: config.data_dir.clone(), created });
    }
    let fingerprint_key = store.identity().fingerprint_key;
    let history = History::open_meanwhile(history::Options {
        dir: config.data_dir.join(HISTORY),
        directory_id: store.identity().id,
        fingerprint_key,
        cache_bytes: config.history.cache_bytes,
        cached_merchants: config.history.cached_merchants,
        ..history::Options::default()
    })?;
    let clock = |floor| start_clock(&config.clock, floor);
    let options = engine::Options {
        limits: limits(&config.limits, &store),
        max_in_flight: config.engine.max_in_flight,
        shards: config.engine.shards,
        checkpoint_every: config.checkpoint.every_bytes,
        policy,
        archive: Some(Arc::new(OnDisk(history.clone()))),
        max_recent: config.engine.recent_ids,
        max_lag: config.engine.history_lag,
        background: true,
        observer,
        ..engine::Options::default()
    };
    let (engine, found) = Engine::open(Arc::new(store), fingerprint_key, clock, options)?;
    if let Some(torn) = &found.tail.torn {
        tracing::warn!(
            lsn = torn.lsn.get(),
            offset = torn.offset,
            "an unfinished batch was dropped; nobody was told of it"
        );
    }
    let recovered = Recovered {
        merchants: found.merchants,
        orders: found.orders,
        records: found.tail.visited,
        last: found.tail.last.get(),
        took: began.elapsed(),
    };
    Ok(Opened { engine, history, data: config.data_dir.display().to_string(), recovered })
}

/// The history as what remembers for the engine.
pub struct OnDisk(pub History);

impl Archive for OnDisk {
    fn start(&self, journal: &Journal, at_least: Lsn) -> Result<(), ArchiveError> {
        self.0.start(journal, at_least).map_err(archive_error)
    }

    fn known(&self, fingerprint: Fingerprint) -> Result<Option<Known>, ArchiveError> {
        self.0.known(fingerprint).map_err(archive_error)
    }

    fn durable(&self) -> Lsn {
        self.0.durable()
    }

    fn fingerprints(&self, visit: &mut dyn FnMut(Fingerprint)) -> Result<(), ArchiveError> {
        self.0.fingerprints(visit).map_err(archive_error)
    }

    fn stop(&self) {
        self.0.stop();
    }
}

fn archive_error(error: HistoryError) -> ArchiveError {
    ArchiveError(error.to_string())
}

/// The configured limits; an import has to fit into one record of the journal.
fn limits(config: &LimitsConfig, store: &FileStore) -> Limits {
    /// What an order of an import takes in it at most: in the import itself, and as a fact of its own.
    const ORDER: usize = 512;
    /// What everything else of a record takes at most.
    const REST: usize = 192 << 10;
    let fits = store.max_record().saturating_sub(REST) / ORDER;
    Limits {
        open_releases: config.open_releases as usize,
        holds: config.holds as usize,
        open_appeals: config.open_appeals as usize,
        categories: config.categories as usize,
        imported_orders: (config.imported_orders as usize).min(fits),
    }
}

fn read_policy(path: &PathBuf) -> Result<Policy, OpenFailure> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|source| OpenFailure::PolicyUnreadable { path: path.clone(), source })?;
    PolicyFile::parse(&text).map_err(|source| OpenFailure::PolicyInvalid { path: path.clone(), source })
}

fn file_options(config: &Config) -> Result<FileOptions, OpenFailure> {
    let create = NewDirectory {
        id: clock::random_bytes().map_err(OpenFailure::Random)?,
        fingerprint_key: clock::random_bytes().map_err(OpenFailure::Random)?,
        attributes: vec![(CLOCK.to_owned(), config.clock.mode.to_string())],
    };
    Ok(FileOptions { segment_size: config.journal.segment_size, create: Some(create), ..FileOptions::default() })
}

fn start_clock(config: &crate::config::ClockConfig, floor: Option<clock::Micros>) -> Result<Clock, clock::ClockError> {
    match config.mode {
        Mode::System => EngineClock::start(Arc::new(OsTime), floor, config.options()).map(Clock::System),
        // A clock that was moved before goes on where it stood; the configured start is for the first time alone.
        Mode::Manual => {
            let start = floor.or(config.start).unwrap_or_else(|| OsTime.wall());
            Ok(Clock::Manual(ManualClock::start(start, floor)))
        }
    }
}
