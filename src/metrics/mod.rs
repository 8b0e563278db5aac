//! What the process tells about itself.
//!
//! One registry, owned by [`Metrics`]; nothing global. What happens is counted as it happens, by the layer around the services
//! ([`Measure`]) and by the engine ([`Observer`]); what can be looked at is looked at when somebody scrapes.

mod calls;
mod figures;
mod http;
mod layer;

use std::time::Duration;

use prometheus_client::{encoding::text, metrics::info::Info, registry::Registry};

use self::{
    calls::{Call, Calls},
    figures::{Past, State, Work},
};
pub use self::{
    http::{CONTENT_TYPE, routes},
    layer::{Measure, MeasuredBody},
};
use crate::{
    build::BUILD,
    domain::Cycle,
    engine::{Observer, Stats},
    history,
};

/// The registry and everything in it.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Calls,
    work: Work,
    state: State,
    past: Past,
}

impl Metrics {
    /// A registry in which everything stands at 0.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let build = Info::new([("version", BUILD.version), ("commit", BUILD.commit), ("rustc", BUILD.rustc_version())]);
        registry.register("tplus_build", "The running build", build);
        let calls = Calls::new(&mut registry);
        let work = Work::new(&mut registry);
        let state = State::new(&mut registry);
        let past = Past::new(&mut registry);
        Self { registry, calls, work, state, past }
    }

    /// Everything in the text format of OpenMetrics; what the engine and its history look like now, if there are any.
    pub fn render(&self, stats: Option<(&Stats, &history::Stats)>) -> String {
        if let Some((stats, past)) = stats {
            self.state.look_at(stats);
            self.past.look_at(past, stats.journal_durable);
        }
        let mut out = String::new();
        match text::encode(&mut out, &self.registry) {
            Ok(()) => out,
            // Writing to a string does not fail.
            Err(std::fmt::Error) => String::new(),
        }
    }

    /// Whether calls are answered.
    pub fn set_serving(&self, serving: bool) {
        self.state.serving.set(i64::from(serving));
    }

    /// Whether calls are answered, as last set.
    pub fn is_serving(&self) -> bool {
        self.state.serving.get() == 1
    }

    /// A call of a method, by its path, has arrived.
    fn call(&self, path: &str) -> Call {
        self.calls.start(path)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Metrics {
    fn classified(&self, cycle: Cycle, replayed: bool, orders: u64) {
        self.work.classified(cycle, replayed).inc_by(orders);
    }

    fn batch_committed(&self, records: usize, bytes: usize, write: Duration, sync: Duration) {
        self.work.batch_records.observe(figures::float(records));
        self.work.batch_bytes.observe(figures::float(bytes));
        self.work.journal_write.observe(write.as_secs_f64());
        self.work.journal_sync.observe(sync.as_secs_f64());
    }

    fn due_recorded(&self, facts: usize) {
        self.work.due_facts.inc_by(u64::try_from(facts).unwrap_or(u64::MAX));
    }

    fn recovery_progress(&self, done: u64, total: u64) {
        self.work.recovery_progress.set(figures::ratio(done, total));
    }

    fn checkpoint_written(&self, items: u64, bytes: u64, took: Duration) {
        self.work.checkpoint_items.set(figures::signed(items));
        self.work.checkpoint_bytes.set(figures::signed(bytes));
        self.work.checkpoint_took.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests;
