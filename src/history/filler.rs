//! The thread that fills the history.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fjall::PersistMode;
use prost::Message as _;

use super::{
    HistoryError,
    draft::{Desk, Draft},
    keys::Tree,
    shared::Shared,
    source::Source,
    states::States,
    trees::{Ledger, Trees},
    writer::Writer,
};
use crate::{
    codec::decode_policy,
    domain::Timeline,
    journal::{FollowError, Journal, Lsn, RecoverError, Run},
    proto::journal::HistoryPolicy,
};

/// How long to wait for a record before looking whether the thread is to end.
const IDLE: Duration = Duration::from_millis(100);
/// How many bytes of records a batch has gathered where it is worth waiting for many more.
const BUSY: usize = 128 << 10;
/// How much longer it waits then.
const BUSY_LINGERS: u32 = 10;
/// How long it waits before it looks whether somebody waits for it.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often a long way to catch up is told of.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// Moves the history along behind the journal.
pub(super) struct Filler {
    shared: Arc<Shared>,
    writer: Writer,
    source: Source,
    states: States,
    timeline: Option<Timeline>,
    /// How far the history is with all that is drafted.
    ledger: Ledger,
    durable: Lsn,
    synced: Instant,
}

/// Why a filler does not go on.
pub(super) enum Stop {
    /// The journal is closed, and everything is applied; or somebody asked for it.
    Ended,
    /// It can be tried again: files could not be read or written.
    Stuck(HistoryError),
    /// It makes no sense to go on.
    Failed(HistoryError),
}

impl From<HistoryError> for Stop {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Store(_) | HistoryError::Journal(_) => Self::Stuck(error),
            _ => Self::Failed(error),
        }
    }
}

impl Filler {
    /// Takes up the files where they are. Once it is there they are in use, and not marked as whole.
    pub(super) fn new(shared: &Arc<Shared>, journal: &Journal) -> Result<Self, HistoryError> {
        let trees = shared.trees()?;
        trees.mark_used()?;
        trees.db.persist(PersistMode::SyncAll)?;
        let ledger = trees.ledger()?;
        Ok(Self {
            shared: Arc::clone(shared),
            source: Source::new(journal.follow(ledger.applied.next())),
            states: States::new(shared.options.cached_merchants),
            timeline: timeline(&trees)?,
            durable: ledger.applied,
            ledger,
            synced: Instant::now(),
            writer: Writer::new(shared, trees)?,
        })
    }

    /// Goes on until a position is applied.
    pub(super) fn catch_up(&mut self, to: Lsn) -> Result<(), Stop> {
        let (began, from) = (Instant::now(), self.ledger.applied);
        let mut told = began;
        while self.ledger.applied < to {
            self.step()?;
            if told.elapsed() >= TOLD_EVERY {
                told = Instant::now();
                let (applied, to) = (self.ledger.applied.get(), to.get());
                let rate = (applied - from.get()) as f64 / began.elapsed().as_secs_f64();
                tracing::info!(applied, to, records_per_second = rate.round(), "the history catches up");
            }
        }
        Ok(self.writer.settle()?)
    }

    /// Goes on until it has to stop.
    pub(super) fn run(&mut self) -> Stop {
        loop {
            match self.step() {
                Ok(()) => {}
                // What was not synced is there nevertheless: nothing is lost but the mark that it is.
                Err(Stop::Ended) => return self.sync().map_or_else(Stop::from, |()| Stop::Ended),
                Err(stop) => return stop,
            }
        }
    }

    /// Applies what is at hand as one batch, after waiting a moment for it.
    fn step(&mut self) -> Result<(), Stop> {
        if self.shared.asked_to_end(Duration::ZERO).is_some() {
            return Err(Stop::Ended);
        }
        let runs = self.gather()?;
        if runs.is_empty() {
            self.writer.settle()?;
        } else {
            self.apply(&runs)?;
        }
        // What is on its way is synced by that alone.
        if !self.writer.is_writing()
            && self.durable < self.ledger.applied
            && self.synced.elapsed() >= self.shared.options.sync_every
        {
            self.sync()?;
        }
        Ok(())
    }

    /// Records for one batch; none if there are none for a while.
    fn gather(&mut self) -> Result<Vec<Run>, Stop> {
        let most = self.shared.options.batch_bytes;
        let first = match self.source.next(most, IDLE) {
            Some(Ok(run)) => run,
            Some(Err(FollowError::Ended(_))) => return Err(Stop::Ended),
            Some(Err(FollowError::Read(error))) => return Err(unreadable(&error)),
            None => return Err(Stop::Failed(HistoryError::Failed("the thread that reads panicked".to_owned()))),
        };
        let began = Instant::now();
        let (mut bytes, mut runs) = (first.record_bytes(), vec![first]);
        runs.retain(|run| !run.is_empty());
        while !runs.is_empty() && bytes < most && !self.shared.is_awaited(self.ledger.applied) {
            let linger = self.shared.options.linger * if bytes < BUSY { 1 } else { BUSY_LINGERS };
            let left = linger.saturating_sub(began.elapsed()).min(LOOK_EVERY);
            // An error stays what it is: it comes again when the next batch is gathered.
            match self.source.next(most - bytes, left) {
                Some(Ok(run)) if !run.is_empty() => {
                    bytes += run.record_bytes();
                    runs.push(run);
                    if left.is_zero() {
                        break;
                    }
                }
                Some(Ok(_)) if linger > began.elapsed() => {}
                _ => break,
            }
        }
        if bytes >= most / 2 {
            self.source.read_ahead(most);
        }
        Ok(runs)
    }

    fn apply(&mut self, runs: &[Run]) -> Result<(), HistoryError> {
        let options = &self.shared.options;
        let mut draft = Draft::behind(self.ledger.clone());
        let (states, timeline) = (&mut self.states, &mut self.timeline);
        let mut desk = Desk { writer: &mut self.writer, key: options.fingerprint_key, states, timeline };
        draft.add(&mut desk, runs.iter().flat_map(Run::records))?;
        let last = runs.last().and_then(|run| run.records().last()).map(|(_, record)| blake3::hash(record));
        draft.ledger.last_record = last.map(|hash| hash.as_bytes().to_vec()).unwrap_or_default();
        self.ledger = draft.ledger.clone();
        let bytes = runs.iter().map(Run::record_bytes).sum::<usize>();
        self.writer.write(draft, bytes >= options.many_bytes)?;
        self.states.end_batch();
        Ok(())
    }

    fn sync(&mut self) -> Result<(), HistoryError> {
        self.writer.sync()?;
        (self.durable, self.synced) = (self.writer.written().applied, Instant::now());
        Ok(())
    }
}

/// A journal that no longer holds what is needed will not hold it later either.
fn unreadable(error: &RecoverError) -> Stop {
    let told = HistoryError::Journal(error.to_string());
    match error {
        RecoverError::File(_) => Stop::Stuck(told),
        _ => Stop::Failed(told),
    }
}

/// All policies that the files hold.
fn timeline(trees: &Trees) -> Result<Option<Timeline>, HistoryError> {
    let mut timeline: Option<Timeline> = None;
    for row in trees.view()?.range([Tree::Policies as u8], [Tree::Policies as u8 + 1]) {
        let row = HistoryPolicy::decode(&*row.value()?)?;
        let policy = decode_policy(row.policy.ok_or_else(|| HistoryError::damaged("a policy without its rules"))?)?;
        match &mut timeline {
            Some(timeline) => timeline.push(policy),
            none => *none = Some(Timeline::new(policy)),
        }
    }
    Ok(timeline)
}
