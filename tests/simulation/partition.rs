//! One engine over a store in memory, asked through the services.

use std::sync::Arc;

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tplus::{
    clock::{Clock, ManualClock},
    domain::{Calendar, Category, Limits, Money, Policy, QuotaBasis, QuotaCounts, Tier},
    engine::{Engine, Options},
    grpc::{EngineSlot, Services},
    history::{self, History},
    journal::{MemoryStore, Unsynced},
    server::OnDisk,
};

use crate::{
    ask::ask,
    model::{self, Basis, Counts, ModelPolicy, answers::ModelAnswer, api::Request, trace::Trace},
    wire::Refusal,
};

/// Whether what is due is also done when nobody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Background {
    Off,
    /// After every step, all of it.
    Eager,
}

pub(crate) struct Partition {
    runtime: Runtime,
    store: MemoryStore,
    directory: TempDir,
    /// Nothing only while it restarts.
    running: Option<Running>,
    policy: Policy,
    limits: Limits,
    start: i64,
    background: Background,
    restarts: usize,
}

struct Running {
    engine: Arc<Engine>,
    services: Services,
}

impl Partition {
    pub(crate) fn new(trace: &Trace, background: Background) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut partition = Self {
            runtime,
            store: MemoryStore::new(),
            directory: in_memory(),
            running: None,
            policy: policy_of(&trace.policy),
            limits: limits_of(trace.limits),
            start: trace.start,
            background,
            restarts: 0,
        };
        partition.open();
        partition
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Result<ModelAnswer, Refusal> {
        let answer = match request {
            Request::Restart => {
                self.restart();
                Ok(ModelAnswer::Done)
            }
            Request::Checkpoint => {
                self.engine().checkpoint().expect("written");
                Ok(ModelAnswer::Done)
            }
            asked => {
                let services = &self.running.as_ref().expect("it runs").services;
                self.runtime.block_on(ask(services, asked)).map_err(|status| Refusal::from(&status))
            }
        };
        if self.background == Background::Eager {
            // Whatever it does gets less: it ends.
            let ends = (0..50).any(|_| self.engine().run_due().expect("recorded") == 0);
            assert!(ends, "the background task always finds something to do: {request:?}");
        }
        answer
    }

    /// Money is conserved, and everything else that always holds.
    pub(crate) fn check(&self) {
        self.engine().check().expect("the books are right");
    }

    fn engine(&self) -> &Engine {
        &self.running.as_ref().expect("it runs").engine
    }

    /// In turn a clean end, a crash that loses what was not synced, and one that loses nothing. Every answer was given, so none
    /// of them may take anything back.
    fn restart(&mut self) {
        let survived = match self.restarts % 3 {
            0 => None,
            1 => Some(self.store.crash(Unsynced::Dropped)),
            _ => Some(self.store.crash(Unsynced::Kept)),
        };
        self.restarts += 1;
        self.engine().close().expect("closed");
        self.store = survived.unwrap_or_else(|| self.store.crash(Unsynced::Kept));
        self.running = None; // the history is let go of before it is opened again
        self.open();
    }

    fn open(&mut self) {
        let history = History::open(history::Options {
            dir: self.directory.path().join("history"),
            fingerprint_key: KEY,
            ..history::Options::default()
        });
        let history = history.expect("opened");
        let start = self.start;
        let clock = |floor: Option<i64>| Ok(Clock::Manual(ManualClock::start(floor.unwrap_or(start), floor)));
        let options = Options {
            limits: self.limits,
            shards: 4,
            policy: Some(self.policy.clone()),
            archive: Some(Arc::new(OnDisk(history.clone()))),
            background: false,
            ..Options::default()
        };
        let (engine, _) = Engine::open(Arc::new(self.store.clone()), KEY, clock, options).expect("opened");
        let slot = EngineSlot::new();
        slot.fill(Arc::clone(&engine), history);
        self.running = Some(Running { engine, services: Services::new(Arc::new(slot)) });
    }
}

/// The history wants a real directory, and syncs it: where there is one in memory, that is faster.
pub(crate) fn in_memory() -> TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let directory = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    directory.expect("a directory")
}

/// Of the fingerprints.
pub(crate) const KEY: [u8; 16] = [7; 16];

impl Drop for Partition {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.engine().close().expect("closed");
        }
    }
}

pub(crate) fn limits_of(limits: model::Limits) -> Limits {
    Limits {
        open_releases: limits.releases,
        holds: limits.holds,
        open_appeals: limits.appeals,
        categories: limits.categories,
        ..Limits::default()
    }
}

pub(crate) fn policy_of(model: &ModelPolicy) -> Policy {
    let micros = |micros: i64| std::time::Duration::from_micros(micros.try_into().expect("not negative"));
    let minimum = |(category, dollars): (&String, &u64)| {
        (Category::parse(category).expect("a category"), Money::from_dollars(*dollars))
    };
    let mut tiers: Vec<_> =
        model.tiers.iter().map(|&(above, multiple)| Tier { above: Money::from_cents(above), multiple }).collect();
    tiers.reverse();
    let policy = Policy {
        base_multiple: model.base_multiple,
        tiers,
        counts: match model.counts {
            Counts::All => QuotaCounts::All,
            Counts::Quick => QuotaCounts::Quick,
        },
        basis: match model.basis {
            Basis::Guarantee => QuotaBasis::Guarantee,
            Basis::Frozen => QuotaBasis::Frozen,
        },
        calendar: Calendar { day_start: micros(model.day_start) },
        quick_days: model.quick_days.try_into().expect("few days"),
        standard_days: model.standard_days.try_into().expect("few days"),
        release_after: micros(model.release_after),
        max_guarantee: model.max_guarantee.map(Money::from_dollars),
        max_lateness: micros(model.max_lateness),
        max_ahead: micros(model.max_ahead),
        appeal_window: micros(model.appeal_window),
        clean_record: model.clean_record.map(micros),
        category_minimums: model.category_minimums.iter().map(minimum).collect(),
        warn_gap_after: model.warn_gap_after.map(micros),
        warn_debt_after: model.warn_debt_after.map(micros),
        warn_quota_percent: model.warn_quota_percent,
    };
    policy.validated().expect("a policy")
}
