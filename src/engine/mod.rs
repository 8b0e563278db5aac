//! How it runs: merchants in memory, a journal under them, and a background task for what comes due.

mod archive;
mod checkpoint;
mod deadlines;
mod decided;
mod filter;
mod ids;
mod kept;
mod orders;
mod policies;
mod proposals;
mod read;
mod recovery;
mod replay;
mod room;
mod scheduler;
mod state_hash;
mod stats;
mod submit;
mod time;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    thread::JoinHandle,
    time::Duration,
};

use dashmap::DashMap;
use foldhash::{SharedSeed, quality::SeedableRandomState};
use tokio::sync::{Semaphore, SemaphorePermit};

pub use self::{
    archive::{Archive, ArchiveError},
    checkpoint::{CheckpointError, Written},
    orders::{Classified, Manner, Order, Told},
    policies::{Announced, PolicyRequest},
    proposals::{Made, ProposalAnswer, ProposalRequest, VerdictRequest},
    read::View,
    recovery::{OpenError, Recovered},
    room::Room,
    state_hash::{StateHash, state_hash},
    stats::Stats,
    submit::Submitted,
};
use self::{
    deadlines::Deadlines,
    decided::Decided,
    policies::Book,
    proposals::Proposed,
    scheduler::Signal,
    time::{Advance, Time},
};
use crate::{
    clock::Mode,
    codec::Malformed,
    domain::{Command, Cycle, Limits, Merchant, MerchantId, Policy, Rejection, Timestamp},
    journal::{AppendError, Journal, JournalFault, Lsn, Workers},
    trace,
};

/// The merchants of one partition, and the journal that everything about them is in.
///
/// ```text
///   execute ── permit ──▶ submit ─────────────────────────────────────────────▶ wait ──▶ answer
///                          │ lock the merchant                                   ▲
///                          │ known id? the first answer again                    │ durable
///                          │ what is due, then decide                            │
///                          │ append ──▶ journal buffer ──▶ committer ──▶ disk ───┘
///                          │ apply, remember
///                          ▼ unlock
/// ```
///
/// Contract: an answer, a repeat, a refusal or a read leaves only when everything it rests on is durable. Journal order is the
/// order of decisions. A merchant changes only through facts that are in the journal, and the engine's state is at any time
/// what recovery makes of them, but for day totals so old that no answer rests on them. No lock is held while waiting for the disk.
///
/// Locks are taken in this order: proposals, gate of the manual clock, merchant (several: in the order of their shards), clock lease, announcement of a
/// policy, decided facts, journal buffer, deadlines.
pub struct Engine {
    merchants: Merchants,
    decided: Decided,
    deadlines: Deadlines,
    policies: Book,
    proposals: Proposed,
    time: Time,
    journal: Journal,
    permits: Arc<Semaphore>,
    /// As many again for whoever waits for room: who waits for much would be handed every permit that comes free, and keep all others
    /// out.
    patient: Arc<Semaphore>,
    max_in_flight: usize,
    limits: Limits,
    checkpoint_every: u64,
    max_recent: usize,
    max_lag: u64,
    /// Bytes of records that the recovery had to replay.
    replayed_bytes: u64,
    /// How many of all bytes of records the last checkpoint has spared a restart, see [`Engine::to_replay`].
    covered_bytes: AtomicU64,
    observer: Arc<dyn Observer>,
    signals: Signals,
    background: Mutex<Vec<JoinHandle<()>>>,
    /// Held while looks that were taken are not yet seen to, so that whoever holds it sees all that are due.
    seeing_to: Mutex<()>,
}

type Merchants = DashMap<MerchantId, Cell, IdHasher>;
type IdHasher = SeedableRandomState;

fn id_hasher(key: [u8; 16]) -> IdHasher {
    let [a, b, c, d, e, f, g, h, ..] = key;
    IdHasher::with_seed(u64::from_le_bytes([a, b, c, d, e, f, g, h]), SharedSeed::global_fixed())
}

/// A merchant, the position of the last record in its state, and when the background task will look at it.
///
/// Laid out as written: what an order needs comes first, and so is in few lines of the processor's cache.
#[derive(Default)]
#[repr(C)]
struct Cell {
    lsn: Lsn,
    next_look: Option<Timestamp>,
    merchant: Merchant,
}

impl Cell {
    /// Brings what an order needs near to the processor. What it answers means nothing.
    fn touch(&self) -> u64 {
        let Merchant { frozen, facts, gap_standing, deductions, .. } = &self.merchant;
        let standing = u64::from(frozen.is_zero() ^ gap_standing.warned);
        self.lsn.get() ^ facts ^ standing ^ deductions.len() as u64
    }

    /// The same for what is not in the cell itself.
    fn touch_lists(&self) -> u64 {
        let pending = self.merchant.pending.first().map_or(0, |pending| pending.orders);
        let totals = self.merchant.days.last().map_or(0, |totals| totals.day.0.unsigned_abs());
        pending ^ u64::from(totals)
    }
}

#[derive(Default)]
struct Signals {
    due: Signal,
    checkpoint: Signal,
}

/// What an engine is made with.
pub struct Options {
    /// How much of a kind a merchant may have.
    pub limits: Limits,
    /// How many commands and reads may wait for the disk at once, 1 or more; what comes beyond is refused before it is looked at.
    pub max_in_flight: usize,
    /// Into how many shards the merchants are divided; a power of two.
    pub shards: usize,
    /// After how many bytes of journal a checkpoint is written.
    pub checkpoint_every: u64,
    /// The policy for an empty journal; the published rules if there is none. A journal that has another one is refused.
    pub policy: Option<Policy>,
    /// What remembers decided facts once memory has let go of them; without it, memory never does.
    pub archive: Option<Arc<dyn Archive>>,
    /// How many decided orders and requests stay in memory although the archive knows them.
    pub max_recent: usize,
    /// How many records the archive may be behind: what it does not know is in memory.
    pub max_lag: u64,
    /// Whether the background threads run. Without them no answer changes.
    pub background: bool,
    /// Who commits. With [`Workers::Caller`] it is who calls [`Journal::commit`], or whatever blocks.
    pub workers: Workers,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_in_flight: 16_384,
            shards: 1_024,
            checkpoint_every: 256 << 20,
            policy: None,
            archive: None,
            max_recent: 1 << 18,
            max_lag: 1 << 25,
            background: true,
            workers: Workers::Threads,
            observer: Arc::new(Unobserved),
        }
    }
}

/// Is told what happens, for metrics. Every method is called on a path that others wait for, and has to be quick.
pub trait Observer: Send + Sync {
    /// So many orders were decided, or found decided.
    fn classified(&self, _cycle: Cycle, _replayed: bool, _orders: u64) {}
    /// A batch became durable.
    fn batch_committed(&self, _records: usize, _bytes: usize, _write: Duration, _sync: Duration) {}
    /// Facts that had come due were recorded by the background task.
    fn due_recorded(&self, _facts: usize) {}
    /// Recovery has verified so many bytes of so many.
    fn recovery_progress(&self, _done: u64, _total: u64) {}
    /// A checkpoint was written.
    fn checkpoint_written(&self, _items: u64, _bytes: u64, _took: Duration) {}
    /// A checkpoint was begun and not finished.
    fn checkpoint_failed(&self) {}
    /// So many orders of a chunk were refused, for a reason that the API names.
    fn orders_refused(&self, _reason: &str, _orders: u64) {}
}

struct Unobserved;
impl Observer for Unobserved {}

/// A command for a merchant, and how to treat it.
#[derive(Clone, Debug)]
pub struct Request<C> {
    /// The merchant.
    pub merchant: MerchantId,
    /// What is asked for.
    pub command: C,
    /// Who asks; empty, if nobody was asked who he is.
    pub caller: String,
    /// Decide, but change and remember nothing.
    pub validate_only: bool,
    /// Refuse a command that is not known when this has passed.
    pub not_after: Option<Timestamp>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<F> {
    /// The fact that the command left.
    pub fact: F,
    /// When it counts from.
    pub effective_at: Timestamp,
    /// It was known already.
    pub replayed: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A no by the rules; nothing was changed, and the same request will get it again while nothing else changes.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Too much is in flight; nothing was looked at. May be repeated.
    #[error("the engine is overloaded")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The disk is full, or the next file is still being prepared; nothing was changed. May be repeated.
    #[error("there is no room in the journal")]
    ReadOnly {
        /// When to try again.
        retry_after: Duration,
    },
    /// The journal has failed or is closed. Whether the command was recorded is open; a repeat after a restart tells.
    #[error("the engine is not available: {reason}")]
    Unavailable {
        /// What happened.
        reason: String,
    },
}

impl From<AppendError> for EngineError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::NoRoom => Self::ReadOnly { retry_after: Duration::from_millis(250) },
            AppendError::Closed => JournalFault::Closed.into(),
            AppendError::Poisoned(fault) => fault.into(),
            AppendError::TooLarge { .. } => Self::Unavailable { reason: error.to_string() },
        }
    }
}

impl From<ArchiveError> for EngineError {
    fn from(error: ArchiveError) -> Self {
        tracing::error!(%error, "an id could not be looked up");
        Self::Unavailable { reason: "the history cannot be read".to_owned() }
    }
}

impl From<Malformed> for EngineError {
    fn from(error: Malformed) -> Self {
        tracing::error!(%error, "what memory holds of an id is no fact");
        Self::Unavailable { reason: "an id cannot be looked up".to_owned() }
    }
}

impl From<JournalFault> for EngineError {
    fn from(fault: JournalFault) -> Self {
        // What failed, with its path, is for the log and not for the caller.
        let reason = match fault {
            JournalFault::Poisoned { .. } => "the journal has failed",
            JournalFault::Closed => "the journal is closed",
        };
        Self::Unavailable { reason: reason.to_owned() }
    }
}

impl Engine {
    /// Decides on a command, and answers when everything the answer rests on is durable. Whoever stops waiting loses nothing:
    /// the fact stands, and a repeat gets its answer.
    ///
    /// # Errors
    /// See [`EngineError`]; a refusal by the rules is one of them.
    pub async fn execute<C: Command>(&self, request: Request<C>) -> Result<Answer<C::Fact>, EngineError> {
        let _permit = self.permit()?;
        self.check_lag()?;
        self.next_segment(1).await;
        let submitted = trace::timed(trace::DECIDE, || self.submit(&request));
        self.once_durable(submitted).await
    }

    fn permit(&self) -> Result<SemaphorePermit<'_>, EngineError> {
        self.permits.try_acquire().map_err(|_| overloaded())
    }

    async fn once_durable<T>(&self, submitted: Submitted<T>) -> Result<T, EngineError> {
        trace::stage(trace::DURABLE, self.journal.wait_durable(submitted.rests_on)).await?;
        submitted.result
    }

    /// Engine time.
    ///
    /// # Errors
    /// When the journal has failed.
    pub async fn now(&self) -> Result<Timestamp, EngineError> {
        let given = self.time.now(&self.journal)?;
        self.journal.wait_durable(given.rests_on).await?;
        Ok(given.now)
    }

    /// What moves engine time.
    pub fn clock_mode(&self) -> Mode {
        self.time.clock().mode()
    }

    /// Moves the manual clock forward, as the caller wants it (empty, if nobody was asked who he is); commands in flight come before it.
    ///
    /// # Errors
    /// When the clock is not manual, the instant has passed or lies after [`Timestamp::MAX`], or the journal takes no more.
    pub async fn advance_clock(&self, to: Timestamp, caller: &str) -> Result<Timestamp, EngineError> {
        if self.clock_mode() == Mode::System {
            return Err(Rejection::ClockNotManual.into());
        }
        if to > Timestamp::MAX {
            let reason = format!("has to be at most {}", Timestamp::MAX);
            return Err(Rejection::Invalid { field: "to", reason }.into());
        }
        let given = match self.time.advance(to, caller, &self.journal)? {
            Advance::Done(given) => given,
            Advance::Backwards(given) => {
                self.journal.wait_durable(given.rests_on).await?;
                return Err(Rejection::ClockBackwards { now: given.now }.into());
            }
        };
        self.signals.due.wake();
        self.journal.wait_durable(given.rests_on).await?;
        Ok(given.now)
    }

    /// Who is told what happens.
    pub fn observer(&self) -> &dyn Observer {
        &*self.observer
    }

    /// Checks what always holds for every merchant, conservation of money first.
    ///
    /// # Errors
    /// Names the first merchant for which something does not hold, and the figures.
    pub fn check(&self) -> Result<(), String> {
        check(&self.merchants)
    }

    /// Writes a checkpoint now.
    ///
    /// # Errors
    /// When the files cannot be written, the journal has failed, or another checkpoint is being written; the older ones stand.
    pub fn checkpoint(&self) -> Result<Written, CheckpointError> {
        checkpoint::write(self)
    }

    /// Lets go of decided facts that the archive knows for good, once there are more in memory than there should be. Answers how
    /// many went. The background does so by itself.
    pub fn let_go(&self) -> usize {
        self.decided.evict(self.max_recent, self.journal.last())
    }

    /// The journal, for waiting on positions.
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Resolves when the journal has failed. Nothing can be recorded any more; the process has to end and to recover.
    pub async fn faulted(&self) -> JournalFault {
        self.journal.faulted().await
    }

    /// Stops the background threads, makes everything durable, and records where the clock stands. Call it when nothing is in
    /// flight any more.
    ///
    /// # Errors
    /// When the journal has failed.
    pub fn close(&self) -> Result<(), JournalFault> {
        self.signals.due.stop();
        self.signals.checkpoint.stop();
        for thread in std::mem::take(&mut *self.threads()) {
            if thread.join().is_err() {
                tracing::error!("a background thread had panicked");
            }
        }
        if let Err(error) = self.time.end_lease(&self.journal) {
            tracing::warn!(%error, "engine time may go on up to a second ahead after the restart");
        }
        let closed = self.journal.close();
        if let Some(archive) = self.decided.archive() {
            archive.stop();
        }
        closed
    }
}

fn check(merchants: &Merchants) -> Result<(), String> {
    for cell in merchants {
        cell.merchant.check().map_err(|imbalance| format!("merchant {}: {imbalance}", cell.key()))?;
    }
    Ok(())
}

impl Engine {
    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.background.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn overloaded() -> EngineError {
    EngineError::Overloaded { retry_after: RETRY_AFTER }
}

/// When an overloaded engine wants to be asked again: some batches later.
const RETRY_AFTER: Duration = Duration::from_millis(20);
