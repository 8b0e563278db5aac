//! The one place where a test puts an engine together.

use std::{path::Path, sync::Arc};

use tplus::{
    clock::{Clock, EngineClock, ManualClock, OsTime},
    engine::{self, Engine},
    history::{self, History},
    journal::{FileOptions, FileStore, NewDirectory},
    metrics::Metrics,
    server::{OnDisk, OpenFailure, Opened, Recovered},
};

use super::Setup;

/// An engine over a journal in this directory, with the policy, limits and clock of the test, observed by these metrics.
pub(super) fn open(setup: &Setup, directory: &Path, metrics: Arc<Metrics>) -> Result<Opened, OpenFailure> {
    let create = NewDirectory { id: [1; 16], fingerprint_key: [2; 16], attributes: Vec::new() };
    let faults = Some(Arc::clone(&setup.faults));
    let options =
        FileOptions { segment_size: setup.segment_size, create: Some(create), faults, ..FileOptions::default() };
    let store = FileStore::open(directory, options)?;
    let history = History::open(history::Options {
        dir: directory.join("history"),
        directory_id: [1; 16],
        fingerprint_key: [2; 16],
        ..history::Options::default()
    })?;
    let options = engine::Options {
        archive: Some(Arc::new(OnDisk(history.clone()))),
        limits: setup.limits,
        max_in_flight: setup.max_in_flight,
        shards: 16,
        policy: Some(setup.policy.clone()),
        observer: metrics,
        ..engine::Options::default()
    };
    let manual = setup.manual_clock;
    let clock = |floor| {
        if manual {
            Ok(Clock::Manual(ManualClock::start(0, floor)))
        } else {
            EngineClock::start(Arc::new(OsTime), floor, tplus::clock::Options::default()).map(Clock::System)
        }
    };
    let (engine, _) = Engine::open(Arc::new(store), [2; 16], clock, options)?;
    Ok(Opened { engine, history, data: directory.display().to_string(), recovered: Recovered::default() })
}
