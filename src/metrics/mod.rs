//! What the process tells about itself.
//!
//! One registry, owned by [`Metrics`]; nothing global. What happens is counted as it happens, by the layer around the services
//! ([`Measure`]) and by the engine ([`Observer`]); what can be looked at is looked at when somebody scrapes.

mod callers;
mod calls;
mod connections;
mod figures;
mod http;
mod layer;
mod process;
mod refused;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use prometheus_client::{encoding::text, metrics::info::Info, registry::Registry};

use self::{
    callers::Callers,
    calls::{Call, Calls},
    figures::{Past, State, Work},
    process::Process,
    refused::Refused,
};
pub use self::{
    connections::{Connections, Open},
    http::{CONTENT_TYPE, routes},
    layer::{Measure, MeasuredBody},
};
use crate::{
    access::Access,
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
    refused: Refused,
    connections: Connections,
    callers: Callers,
    process: Process,
    /// When the last checkpoint was written, or else everything was at 0.
    checkpoint: Mutex<Instant>,
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
        let refused = Refused::new(&mut registry);
        let connections = Connections::new(&mut registry);
        let callers = Callers::new(&mut registry);
        let process = Process::new(&mut registry);
        let checkpoint = Mutex::new(Instant::now());
        Self { registry, calls, work, state, past, refused, connections, callers, process, checkpoint }
    }

    /// Everything in the text format of OpenMetrics; what the engine and its history look like now, if there are any.
    pub fn render(&self, stats: Option<(&Stats, &history::Stats)>) -> String {
        if let Some((stats, past)) = stats {
            self.state.look_at(stats);
            self.past.look_at(past, stats);
        }
        self.work.checkpoint_age.set(self.last_checkpoint().elapsed().as_secs_f64());
        self.process.look();
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

    /// The engine was recovered, which took so long.
    pub fn recovered(&self, took: Duration) {
        self.work.recovery_took.set(took.as_secs_f64());
    }

    /// What is to be told of connections.
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// From now on it is told of the callers that these rules name.
    pub fn tell_callers(&self, access: &Arc<Access>) {
        self.callers.are(access);
    }

    fn last_checkpoint(&self) -> MutexGuard<'_, Instant> {
        self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner)
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
        *self.last_checkpoint() = Instant::now();
    }

    fn checkpoint_failed(&self) {
        self.work.checkpoint_failures.inc();
    }

    fn orders_refused(&self, reason: &str, orders: u64) {
        self.refused.count(reason, orders);
    }
}

#[cfg(test)]
mod tests;
