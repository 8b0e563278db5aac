//! From what is on disk to an engine that serves.

use std::sync::{Arc, Mutex, atomic::AtomicU64};

use dashmap::DashMap;
use prost::Message as _;
use tokio::sync::Semaphore;

use super::{
    ArchiveError, Cell, Engine, Merchants, Observer, Options, Signals,
    deadlines::Deadlines,
    decided::Decided,
    id_hasher,
    policies::{Book, Policies},
    proposals::Proposed,
    replay::replay,
    scheduler,
    time::{Time, append},
};
use crate::{
    clock::{Clock, ClockError, Micros, Mode},
    codec::{Malformed, decode_merchant, decode_policy, encode_policy, kept_proposal},
    domain::{InForce, Policy, Proposals, Timeline, Timestamp},
    journal::{
        self, AppendError, Journal, JournalFault, Lsn, Progress, RecoverError, Store, StoreError, Tail, VisitError,
    },
    proto::journal::{CheckpointGlobals, CheckpointItem, checkpoint_item::Item, record::Body},
};

/// What a recovery found.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Open merchants.
    pub merchants: u64,
    /// Remembered orders.
    pub orders: u64,
    /// Where the checkpoint that was used begins the replay; none without one.
    pub checkpoint: Option<Lsn>,
    /// Where the journal ends, how many records were replayed, and what of an unfinished batch was dropped.
    pub tail: Tail,
}

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What is on disk is damaged, or contradicts itself.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The files cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state that follows from the journal is none that the rules lead to.
    #[error("the recovered state is not consistent: {0}")]
    Inconsistent(String),
    /// Time cannot go on.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// The journal belongs to another policy.
    #[error(
        "the policy file differs from policy version {version}, which this data directory follows; a policy file only seeds an \
         empty data directory: start without it, or with the file that was used first; SetPolicy changes the policy"
    )]
    OtherPolicy {
        /// The version in force.
        version: u64,
    },
    /// The history cannot be taken up.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The first records could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The first records did not become durable.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// The background threads could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl Engine {
    /// Recovers the state from a store and goes on with it. `clock` is started with the latest time that may have been given
    /// out before, if any. Returns when everything that was read is durable again.
    ///
    /// # Errors
    /// When something is damaged, contradicts itself, or cannot be read or written. What was acknowledged is untouched then.
    pub fn open(
        store: Arc<dyn Store>,
        fingerprint_key: [u8; 16],
        clock: impl FnOnce(Option<Micros>) -> Result<Clock, ClockError>,
        options: Options,
    ) -> Result<(Arc<Self>, Recovered), OpenError> {
        let (state, checkpoint, tail) = State::recover(&*store, fingerprint_key, &options)?;
        state.check()?;
        let clock = clock(state.clock.map(Timestamp::micros))?;
        let observer = Arc::clone(&options.observer);
        let journal_options = journal::Options {
            workers: options.workers,
            observer: Arc::new(Forward(observer)),
            ..journal::Options::default()
        };
        let journal = Journal::start(store, tail.clone(), journal_options).map_err(OpenError::Thread)?;
        let recovered = Recovered {
            merchants: state.merchants.len() as u64,
            orders: state.decided.counts().orders,
            checkpoint,
            tail,
        };
        let background = options.background;
        state.start_archive(&journal, checkpoint)?;
        let engine = Arc::new(state.into_engine(clock, journal, options)?);
        engine.journal.wait_durable_blocking(engine.journal.last())?;
        if background {
            *engine.threads() = scheduler::start(&engine).map_err(OpenError::Thread)?;
        }
        Ok((engine, recovered))
    }
}

/// Hands the journal's news to the engine's observer and to the log.
struct Forward(Arc<dyn Observer>);

impl journal::Observer for Forward {
    fn batch_committed(&self, records: usize, bytes: usize, write: std::time::Duration, sync: std::time::Duration) {
        self.0.batch_committed(records, bytes, write, sync);
    }

    fn room_changed(&self, read_only: bool) {
        if read_only {
            tracing::warn!("no room in the journal: commands are refused until there is some");
        } else {
            tracing::info!("there is room in the journal again");
        }
    }

    /// Callers are told only that the journal has failed; what failed, and where, is said here.
    fn poisoned(&self, fault: &JournalFault) {
        tracing::error!(%fault, "nothing can be recorded any more");
    }
}

/// What follows from the journal so far.
pub(super) struct State {
    pub(super) merchants: Merchants,
    pub(super) decided: Decided,
    policies: Option<Policies>,
    pub(super) proposals: Proposed,
    /// The last record about a fact that had left memory: the archive has to know it.
    pub(super) last_archived: Lsn,
    /// The bound of the time that was given out.
    pub(super) clock: Option<Timestamp>,
    pub(super) replayed_bytes: u64,
}

impl State {
    pub(super) fn empty(key: [u8; 16], options: &Options) -> Self {
        Self {
            merchants: DashMap::with_hasher_and_shard_amount(id_hasher(key), options.shards),
            decided: Decided::new(key, options.archive.clone()),
            policies: None,
            proposals: Proposed::default(),
            last_archived: Lsn::ZERO,
            clock: None,
            replayed_bytes: 0,
        }
    }

    /// The newest checkpoint that is whole, and what was recorded after it.
    fn recover(store: &dyn Store, key: [u8; 16], options: &Options) -> Result<(Self, Option<Lsn>, Tail), OpenError> {
        let mut base = (Self::empty(key, options), None);
        for info in store.checkpoints()? {
            let mut state = Self::empty(key, options);
            match store.read_checkpoint(&info, &mut |item| state.restore(item).map_err(VisitError::new)) {
                Ok(()) => {
                    base = (state, Some(info.start));
                    break;
                }
                Err(error) => tracing::error!(%error, "checkpoint passed over, an older one or the journal will do"),
            }
        }
        let (state, checkpoint) = base;
        let from = checkpoint.unwrap_or(Lsn::ZERO.next());
        let tell = &mut |progress: Progress| options.observer.recovery_progress(progress.done, progress.total);
        let (state, tail) = replay(state, |visit| store.recover(from, visit, tell))?;
        Ok((state, checkpoint, tail))
    }

    fn restore(&mut self, item: &[u8]) -> Result<(), Malformed> {
        let item = CheckpointItem::decode(item).map_err(|error| Malformed(error.to_string()))?;
        match item.item.ok_or_else(|| Malformed::missing("item"))? {
            Item::Globals(globals) => self.restore_globals(globals),
            Item::Merchant(merchant) => {
                let (id, merchant, lsn) = decode_merchant(merchant)?;
                self.merchants.insert(id, Cell { merchant, lsn, next_look: None });
                Ok(())
            }
            Item::Decided(decided) => {
                self.decided.recent_mut().restore(&decided);
                Ok(())
            }
        }
    }

    fn restore_globals(&mut self, globals: CheckpointGlobals) -> Result<(), Malformed> {
        let lsn = Lsn::new(globals.policy_lsn);
        for set in globals.policies {
            self.add_policy(decode_policy(set)?, lsn);
        }
        let proposals = globals.proposals.into_iter().map(kept_proposal).collect::<Result<Vec<_>, _>>()?;
        let proposals = Proposals::restored(globals.latest_proposal, proposals);
        self.proposals = Proposed::new(proposals, Lsn::new(globals.proposal_lsn));
        self.clock = Some(Timestamp::from_micros(globals.clock));
        Ok(())
    }

    /// All policies, oldest first.
    pub(super) fn policies(&self) -> impl Iterator<Item = &InForce> {
        self.policies.iter().flat_map(|policies| policies.timeline.versions())
    }

    /// A policy that a checkpoint told of already is met again in the journal.
    pub(super) fn add_policy(&mut self, in_force: InForce, lsn: Lsn) {
        match &mut self.policies {
            None => self.policies = Some(Policies::new(Timeline::new(in_force), lsn)),
            Some(policies) if policies.timeline.latest().version < in_force.version => {
                policies.timeline.push(in_force);
                policies.lsn = lsn;
            }
            Some(_) => {}
        }
    }

    /// The archive has to know everything that memory does not: what had left memory before the checkpoint was begun.
    fn start_archive(&self, journal: &Journal, checkpoint: Option<Lsn>) -> Result<(), OpenError> {
        if let Some(archive) = self.decided.archive() {
            archive.start(journal, checkpoint.map_or(Lsn::ZERO, Lsn::previous).max(self.last_archived))?;
            self.decided.fill_filter()?;
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), OpenError> {
        super::check(&self.merchants).map_err(OpenError::Inconsistent)
    }

    fn into_engine(self, clock: Clock, journal: Journal, options: Options) -> Result<Engine, OpenError> {
        let until = self.clock.unwrap_or(Timestamp::MIN);
        let time = Time::new(clock, until);
        // A manual clock that begins, or that begins later than it stood.
        if time.clock().mode() == Mode::Manual && time.peek() > until {
            time.record_advance(time.peek(), "", &journal)?;
        }
        let policies = policies_in_force(self.policies, options.policy, &time, &journal)?;
        let hasher = self.merchants.hasher().clone();
        let engine = Engine {
            merchants: self.merchants,
            decided: self.decided,
            deadlines: Deadlines::new(64, hasher),
            policies: Book::new(policies),
            proposals: self.proposals,
            time,
            journal,
            permits: Arc::new(Semaphore::new(options.max_in_flight)),
            patient: Arc::new(Semaphore::new(options.max_in_flight)),
            max_in_flight: options.max_in_flight,
            limits: options.limits,
            checkpoint_every: options.checkpoint_every,
            max_recent: options.max_recent,
            max_lag: options.max_lag,
            replayed_bytes: self.replayed_bytes,
            covered_bytes: AtomicU64::new(0),
            observer: options.observer,
            signals: Signals::default(),
            background: Mutex::default(),
            seeing_to: Mutex::default(),
        };
        engine.reschedule();
        Ok(engine)
    }
}

/// The policies of the journal; an empty journal gets its first one. A policy file has to be the first or the latest: it only
/// seeds an empty directory.
fn policies_in_force(
    recorded: Option<Policies>,
    wanted: Option<Policy>,
    time: &Time,
    journal: &Journal,
) -> Result<Policies, OpenError> {
    match recorded {
        Some(policies) => {
            let is = |wanted: &Policy| {
                let mut versions = policies.timeline.versions();
                let seed = versions.next().is_some_and(|first| first.policy == *wanted);
                seed || policies.timeline.latest().policy == *wanted
            };
            if wanted.as_ref().is_none_or(is) {
                Ok(policies)
            } else {
                Err(OpenError::OtherPolicy { version: policies.timeline.latest().version })
            }
        }
        None => {
            let now = time.now(journal)?.now;
            let first = InForce::first(wanted.unwrap_or_default(), now);
            let lsn = append(journal, now, "", Body::PolicySet(encode_policy(&first)))?;
            Ok(Policies::new(Timeline::new(first), lsn))
        }
    }
}

impl Engine {
    /// Plans a look at every merchant.
    pub(super) fn reschedule(&self) {
        let policies = self.policies.peek();
        for mut cell in self.merchants.iter_mut() {
            let id = cell.key().clone();
            self.schedule(&id, &mut cell, &policies);
        }
    }
}
