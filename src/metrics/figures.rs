//! What the engine and the journal do, and what they look like.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{domain::Cycle, engine::Stats, history};

type Float = Gauge<f64, AtomicU64>;

/// What is counted as it happens.
#[derive(Debug)]
pub(super) struct Work {
    quick: [Counter; 2],
    standard: [Counter; 2],
    pub(super) batch_records: Histogram,
    pub(super) batch_bytes: Histogram,
    pub(super) journal_write: Histogram,
    pub(super) journal_sync: Histogram,
    pub(super) due_facts: Counter,
    pub(super) recovery_progress: Float,
    pub(super) checkpoint_items: Gauge,
    pub(super) checkpoint_bytes: Gauge,
    pub(super) checkpoint_took: Histogram,
    pub(super) checkpoint_failures: Counter,
    pub(super) checkpoint_age: Float,
    pub(super) recovery_took: Float,
}

impl Work {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let classifications = Family::<[(&'static str, &'static str); 2], Counter>::default();
        let answers = |cycle| {
            ["false", "true"]
                .map(|replayed| classifications.get_or_create_owned(&[("cycle", cycle), ("replayed", replayed)]))
        };
        let (quick, standard) = (answers("quick"), answers("standard"));
        registry.register("tplus_classifications", "Orders answered, by cycle and by whether again", classifications);
        let work = Self {
            quick,
            standard,
            batch_records: Histogram::new(exponential_buckets(1.0, 2.0, 16)),
            batch_bytes: Histogram::new(exponential_buckets(64.0, 4.0, 12)),
            journal_write: seconds(),
            journal_sync: seconds(),
            due_facts: Counter::default(),
            recovery_progress: Float::default(),
            checkpoint_items: Gauge::default(),
            checkpoint_bytes: Gauge::default(),
            checkpoint_took: Histogram::new(exponential_buckets(1e-3, 2.0, 18)),
            checkpoint_failures: Counter::default(),
            checkpoint_age: Float::default(),
            recovery_took: Float::default(),
        };
        work.register(registry);
        work
    }

    fn register(&self, registry: &mut Registry) {
        let records = Unit::Other("records".into());
        let help = "Records that went to disk together";
        registry.register_with_unit("tplus_journal_batch", help, records, self.batch_records.clone());
        let help = "Bytes that went to disk together";
        registry.register_with_unit("tplus_journal_batch", help, Unit::Bytes, self.batch_bytes.clone());
        let help = "Writing a batch";
        registry.register_with_unit("tplus_journal_write", help, Unit::Seconds, self.journal_write.clone());
        let help = "Waiting until a batch is durable";
        registry.register_with_unit("tplus_journal_sync", help, Unit::Seconds, self.journal_sync.clone());
        registry.register("tplus_due_facts", "Settlements and releases recorded", self.due_facts.clone());
        let help = "How much of the journal was replayed at the start, 0 to 1";
        registry.register("tplus_recovery_progress_ratio", help, self.recovery_progress.clone());
        registry.register("tplus_checkpoint_items", "Items of the last checkpoint", self.checkpoint_items.clone());
        let help = "Size of the last checkpoint";
        registry.register_with_unit("tplus_checkpoint", help, Unit::Bytes, self.checkpoint_bytes.clone());
        let help = "Writing a checkpoint";
        registry.register_with_unit("tplus_checkpoint", help, Unit::Seconds, self.checkpoint_took.clone());
        let help = "Checkpoints that were begun and not finished";
        registry.register("tplus_checkpoint_failures", help, self.checkpoint_failures.clone());
        let help = "Since the last checkpoint was written, or since the start";
        registry.register_with_unit("tplus_checkpoint_age", help, Unit::Seconds, self.checkpoint_age.clone());
        let help = "How long the start took until calls were answered";
        registry.register_with_unit("tplus_recovery", help, Unit::Seconds, self.recovery_took.clone());
    }

    pub(super) const fn classified(&self, cycle: Cycle, replayed: bool) -> &Counter {
        let [first, again] = match cycle {
            Cycle::Quick => &self.quick,
            Cycle::Standard => &self.standard,
        };
        if replayed { again } else { first }
    }
}

type Label = [(&'static str, &'static str); 1];

/// What is looked at when somebody scrapes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) serving: Gauge,
    merchants: Gauge,
    shard_merchants: Family<Label, Float>,
    orders: Gauge,
    requests: Gauge,
    filtered: Gauge,
    queued: Gauge,
    last: Gauge,
    durable: Gauge,
    segments: Family<Label, Gauge>,
    segment_bytes: Family<Label, Gauge>,
    disk_free: Gauge,
    disk_size: Gauge,
    replay: Gauge,
    in_flight: Family<Label, Gauge>,
    most_in_flight: Gauge,
    read_only: Gauge,
    failed: Gauge,
    due_lag: Float,
    clock_offset: Float,
    clock_alarm: Gauge,
}

impl State {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, Gauge::clone(&gauge));
            gauge
        };
        let state = Self {
            serving: gauge("tplus_serving", "1 while calls are answered"),
            merchants: gauge("tplus_merchants", "Merchants that were ever opened"),
            shard_merchants: Family::default(),
            orders: gauge("tplus_orders_remembered", "Orders whose answer is remembered"),
            requests: gauge("tplus_requests_remembered", "Requests whose answer is remembered"),
            filtered: gauge("tplus_ids_filtered", "Orders and requests that have left memory, but for a tag"),
            queued: Gauge::default(),
            last: gauge("tplus_journal_last_lsn", "The last position given out"),
            durable: gauge("tplus_journal_durable_lsn", "The last position that is on disk"),
            segments: Family::default(),
            segment_bytes: Family::default(),
            disk_free: Gauge::default(),
            disk_size: Gauge::default(),
            replay: Gauge::default(),
            in_flight: Family::default(),
            most_in_flight: gauge("tplus_in_flight_limit", "The most commands of calls, and of streams, that may wait"),
            read_only: gauge("tplus_read_only", "1 while commands are refused for want of room on the disk"),
            failed: gauge("tplus_journal_failed", "1 once the journal has failed and the process is about to end"),
            due_lag: Float::default(),
            clock_offset: Float::default(),
            clock_alarm: gauge("tplus_clock_alarm", "1 while the machine's clock is too far off to be followed"),
        };
        state.register(registry);
        state
    }

    fn register(&self, registry: &mut Registry) {
        let state = self;
        let help = "What waits to be written";
        registry.register_with_unit("tplus_journal_queued", help, Unit::Bytes, state.queued.clone());
        let help = "Files of the journal: live, and those behind two checkpoints";
        registry.register("tplus_journal_segments", help, state.segments.clone());
        let help = "Size of the journal: live, and what is behind two checkpoints";
        registry.register_with_unit("tplus_journal_disk", help, Unit::Bytes, state.segment_bytes.clone());
        let help = "What is free on the disk of the data directory";
        registry.register_with_unit("tplus_disk_free", help, Unit::Bytes, state.disk_free.clone());
        let help = "Size of the disk of the data directory";
        registry.register_with_unit("tplus_disk_size", help, Unit::Bytes, state.disk_size.clone());
        let help = "Records that a restart would have to replay";
        registry.register_with_unit("tplus_replay", help, Unit::Bytes, state.replay.clone());
        let help = "Commands that wait for their answer, of calls and of streams";
        registry.register("tplus_in_flight", help, state.in_flight.clone());
        let help = "How long the oldest settlement or release that is due waits to be recorded";
        registry.register_with_unit("tplus_due_lag", help, Unit::Seconds, state.due_lag.clone());
        let help = "How far the machine's clock is ahead of engine time";
        registry.register_with_unit("tplus_clock_offset", help, Unit::Seconds, state.clock_offset.clone());
        let help = "Merchants of a shard: the smallest, the largest, the mean";
        registry.register("tplus_shard_merchants", help, state.shard_merchants.clone());
    }

    pub(super) fn look_at(&self, stats: &Stats) {
        self.merchants.set(signed(stats.merchants));
        self.orders.set(signed(stats.orders_remembered));
        self.requests.set(signed(stats.requests_remembered));
        self.queued.set(signed(stats.journal_queued_bytes));
        self.last.set(signed(stats.journal_last));
        self.durable.set(signed(stats.journal_durable));
        self.filtered.set(signed(stats.ids_filtered));
        self.replay.set(signed(stats.replay_bytes));
        self.look_at_room(stats);
        self.read_only.set(i64::from(stats.read_only));
        self.failed.set(i64::from(stats.journal_failed));
        self.due_lag.set(stats.due_lag.as_secs_f64());
        self.clock_offset.set(stats.clock.offset_to_wall_us as f64 / 1e6);
        self.clock_alarm.set(i64::from(stats.clock.alarm));
        let sizes = &stats.shard_sizes;
        let shards = |stat, value| self.shard_merchants.get_or_create(&[("stat", stat)]).set(value);
        shards("min", wide(sizes.iter().min().copied().unwrap_or_default()));
        shards("max", wide(sizes.iter().max().copied().unwrap_or_default()));
        shards("mean", wide(sizes.iter().sum()) / float(sizes.len().max(1)));
    }

    fn look_at_room(&self, stats: &Stats) {
        let set = |family: &Family<Label, Gauge>, label, value| family.get_or_create(&[label]).set(signed(value));
        set(&self.in_flight, ("part", "calls"), stats.in_flight);
        set(&self.in_flight, ("part", "streams"), stats.in_flight_streams);
        self.most_in_flight.set(signed(stats.max_in_flight));
        let usage = &stats.journal_usage;
        for (part, extent) in [("live", usage.live), ("archive", usage.archived)] {
            set(&self.segments, ("part", part), extent.segments);
            set(&self.segment_bytes, ("part", part), extent.bytes);
        }
        self.disk_free.set(signed(usage.free));
        self.disk_size.set(signed(usage.total));
    }
}

/// How far the history is, looked at when somebody scrapes.
#[derive(Debug)]
pub(super) struct Past {
    applied: Gauge,
    durable: Gauge,
    lag: Gauge,
    most_lag: Gauge,
    facts: Gauge,
    disk: Gauge,
    stuck: Gauge,
}

impl Past {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, Gauge::clone(&gauge));
            gauge
        };
        let past = Self {
            applied: gauge("tplus_history_applied_lsn", "Up to which position the history can be read"),
            durable: gauge("tplus_history_durable_lsn", "Up to which position the history is on disk for good"),
            lag: gauge("tplus_history_lag_records", "Durable records that the history has not taken up yet"),
            most_lag: gauge("tplus_history_lag_limit", "How many records it may be behind before commands are refused"),
            facts: gauge("tplus_history_facts", "Facts that the history holds"),
            disk: Gauge::default(),
            stuck: gauge("tplus_history_stuck", "1 while the history cannot go on, or has ended"),
        };
        registry.register_with_unit("tplus_history_disk", "Size of the history", Unit::Bytes, past.disk.clone());
        past
    }

    pub(super) fn look_at(&self, stats: &history::Stats, engine: &Stats) {
        self.applied.set(signed(stats.applied.get()));
        self.durable.set(signed(stats.durable.get()));
        self.lag.set(signed(engine.journal_durable.saturating_sub(stats.applied.get())));
        self.most_lag.set(signed(engine.max_lag));
        self.facts.set(signed(stats.facts));
        self.disk.set(signed(stats.disk_bytes));
        self.stuck.set(i64::from(stats.stuck.is_some() || stats.failed.is_some()));
    }
}

/// From 10 µs to 10 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(10e-6, 2.0, 20))
}

/// How much of the whole; of nothing, all.
pub(super) fn ratio(done: u64, total: u64) -> f64 {
    if total == 0 { 1.0 } else { wide(done) / wide(total) }
}

pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) const fn float(value: usize) -> f64 {
    wide(value as u64)
}

/// Exact up to 2⁵³, which is more than is ever counted here.
const fn wide(value: u64) -> f64 {
    value as f64
}
