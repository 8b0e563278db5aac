//! One engine over a store in memory, asked through the services.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tonic::Status;
use tplus::{
    clock::{Clock, ManualClock},
    domain::{Calendar, Category, Limits, Money, Policy, QuotaBasis, QuotaCounts, Tier},
    engine::{Engine, Options},
    grpc::{EngineSlot, Services},
    journal::{MemoryStore, Unsynced},
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
    engine: Arc<Engine>,
    services: Services,
    policy: Policy,
    limits: Limits,
    start: i64,
    background: Background,
    restarts: usize,
}

impl Partition {
    pub(crate) fn new(trace: &Trace, background: Background) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let store = MemoryStore::new();
        let (limits, policy, start) = (limits_of(trace.limits), policy_of(&trace.policy), trace.start);
        let engine = open(&store, &policy, limits, start);
        let services = services(&engine);
        Self { runtime, store, engine, services, policy, limits, start, background, restarts: 0 }
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Result<ModelAnswer, Refusal> {
        let answer = match request {
            Request::Restart => {
                self.restart();
                Ok(ModelAnswer::Done)
            }
            Request::Checkpoint => {
                self.engine.checkpoint().expect("written");
                Ok(ModelAnswer::Done)
            }
            asked => self.runtime.block_on(ask(&self.services, asked)).map_err(|status| Refusal::from(&status)),
        };
        while self.background == Background::Eager && self.engine.run_due().expect("recorded") > 0 {}
        answer
    }

    /// Money is conserved, and everything else that always holds.
    pub(crate) fn check(&self) {
        self.engine.check().expect("the books are right");
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
        self.engine.close().expect("closed");
        self.store = survived.unwrap_or_else(|| self.store.crash(Unsynced::Kept));
        self.engine = open(&self.store, &self.policy, self.limits, self.start);
        self.services = services(&self.engine);
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.engine.close().expect("closed");
        }
    }
}

fn services(engine: &Arc<Engine>) -> Services {
    let slot = EngineSlot::new();
    slot.fill(Arc::clone(engine));
    Services::new(Arc::new(slot))
}

fn open(store: &MemoryStore, policy: &Policy, limits: Limits, start: i64) -> Arc<Engine> {
    let clock = |floor: Option<i64>| Ok(Clock::Manual(ManualClock::start(floor.unwrap_or(start), floor)));
    let options = Options { limits, shards: 4, policy: Some(policy.clone()), background: false, ..Options::default() };
    Engine::open(Arc::new(store.clone()), [7; 16], clock, options).expect("opened").0
}

fn limits_of(limits: model::Limits) -> Limits {
    Limits {
        open_releases: limits.releases,
        holds: limits.holds,
        open_appeals: limits.appeals,
        categories: limits.categories,
        ..Limits::default()
    }
}

fn policy_of(model: &ModelPolicy) -> Policy {
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
