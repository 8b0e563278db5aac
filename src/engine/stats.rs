//! Figures for whoever watches.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::sync::Semaphore;

use super::Engine;
use crate::{clock::ClockState, journal::Usage};

/// Figures for gauges.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Merchants that are open.
    pub merchants: u64,
    /// Decided orders that are remembered.
    pub orders_remembered: u64,
    /// Decided requests that are remembered.
    pub requests_remembered: u64,
    /// Bytes appended to the journal that are not durable.
    pub journal_queued_bytes: u64,
    /// The last position.
    pub journal_last: u64,
    /// The last durable position.
    pub journal_durable: u64,
    /// Nothing can be recorded, since the disk is full.
    pub read_only: bool,
    /// The journal has failed: the process is about to end.
    pub journal_failed: bool,
    /// What the journal takes of the disk.
    pub journal_usage: Usage,
    /// Bytes of records that a restart would have to replay.
    pub replay_bytes: u64,
    /// How long the oldest due work has been waiting for the background task.
    pub due_lag: Duration,
    /// Commands that wait for the disk.
    pub in_flight: u64,
    /// Orders of streams that do.
    pub in_flight_streams: u64,
    /// The most there may be of either.
    pub max_in_flight: u64,
    /// How many records the archive may be behind.
    pub max_lag: u64,
    /// Decided orders and requests of which memory holds a tag alone.
    pub ids_filtered: u64,
    /// The clock against the wall.
    pub clock: ClockState,
    /// How many merchants each shard holds.
    pub shard_sizes: Vec<u64>,
}

impl Engine {
    /// Figures for gauges. Takes short locks only, but as many as there are shards, and looks at the journal's directories: meant for a
    /// scrape, not for every request.
    pub fn stats(&self) -> Stats {
        let decided = self.decided.counts();
        let in_flight = |permits: &Semaphore| self.max_in_flight.saturating_sub(permits.available_permits()) as u64;
        Stats {
            merchants: self.merchants.len() as u64,
            orders_remembered: decided.orders,
            requests_remembered: decided.requests,
            journal_queued_bytes: self.journal.queued_bytes() as u64,
            journal_last: self.journal.last().get(),
            journal_durable: self.journal.durable().get(),
            read_only: self.journal.read_only(),
            journal_failed: self.journal.fault().is_some(),
            journal_usage: self.journal.store().usage(),
            replay_bytes: self.to_replay(),
            due_lag: self.deadlines.next().map_or(Duration::ZERO, |at| self.time.peek().since(at)),
            in_flight: in_flight(&self.permits),
            in_flight_streams: in_flight(&self.patient),
            max_in_flight: self.max_in_flight as u64,
            max_lag: self.max_lag,
            ids_filtered: decided.filtered,
            clock: self.time.clock().state(),
            shard_sizes: self.merchants.shards().iter().map(|shard| shard.read().len() as u64).collect(),
        }
    }

    /// Bytes of records that a restart would have to replay: what the last one replayed and what came since, without what checkpoints cover.
    pub(super) fn to_replay(&self) -> u64 {
        let all = self.replayed_bytes + self.journal.bytes_appended();
        all.saturating_sub(self.covered_bytes.load(Ordering::Relaxed))
    }
}
