//! The journal itself, as whoever uses it sees it.

use std::io;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::appender::Appender;
use super::committer::{Shared, Waiter, Wake};
use super::error::{AppendError, JournalFault};
use super::faults::{join, lock};
use super::follower::Follower;
use super::position::{Epoch, Lsn};
use super::store::{Store, Tail};

/// Told what the committer does, for metrics. Called from the committer's thread (`room_changed` also from appending
/// threads), outside of any lock; it should return at once.
pub trait Observer: Send + Sync {
    /// A batch has become durable.
    fn batch_committed(&self, _records: usize, _bytes: usize, _write: Duration, _sync: Duration) {}

    /// The journal ran out of room, or has room again.
    fn room_changed(&self, _read_only: bool) {}

    /// The journal is poisoned.
    fn poisoned(&self, _fault: &JournalFault) {}
}

/// An observer that looks away.
#[derive(Debug, Default, Clone, Copy)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// Who does the work that callers only wait for: committing, and preparing space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workers {
    /// Threads of their own.
    #[default]
    Threads,
    /// Whoever calls, and waits without a runtime. Then everything happens in one order, which is the caller's: a simulation.
    Caller,
}

/// How a journal is run.
#[derive(Clone)]
pub struct Options {
    /// Who commits. With [`Workers::Caller`] it is who calls [`Journal::commit`], or blocks until something is durable.
    pub workers: Workers,
    /// Told about every commit.
    pub observer: Arc<dyn Observer>,
    /// How many bytes of durable batches are kept in memory for all followers together, while there are any.
    pub follow_bytes: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { workers: Workers::Threads, observer: Arc::new(Unobserved), follow_bytes: 64 << 20 }
    }
}

/// The sequence of records that everything else is a projection of.
///
/// ```text
///   append ──► filling ──swap──► in flight ──Store::commit──► durable ──► waiters wake
///   (callers)  batch n+1         batch n      write, sync
///              └─ one mutex ─┘   └──────── the committer's thread ──────┘
///
///   lsn   1 ……………… durable │ in flight │ filling … last │ next append
/// ```
///
/// Contract:
/// - `append` numbers records densely, in the order of its calls, and does no I/O. A caller that holds its own lock
///   across the decision and the append gets journal order = decision order.
/// - A record is *kept* once `durable()` has reached its position, and not before; whoever answers for it waits.
/// - While one batch is on its way to the disk the next one fills: batches form by themselves, there is no timer.
///   One batch is in flight at a time.
/// - Any failed write or sync poisons the journal for good. Nothing is retried, nothing later is written, every
///   waiter beyond `durable()` gets the fault. What had become durable stays so.
/// - No room is not a fault: `append` refuses, nothing is lost, and it succeeds again once the store has room. What was
///   accepted always fits.
/// - A follower is handed the durable records and no others, each once, in order; how, the room's comment says.
///
/// Invariants: `durable ≤ last`; `durable` never falls; a waiter is woken exactly once, and only when its own position
/// was reached or never will be. Clones share one journal; the last one dropped closes it.
#[derive(Clone)]
pub struct Journal {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Takes up a store where its recovery left it, and starts the committer's thread.
    ///
    /// # Errors
    /// Where the thread cannot be started.
    pub fn start(store: Arc<dyn Store>, tail: Tail, options: Options) -> io::Result<Journal> {
        let shared = Arc::new(Shared::new(store, &tail, options));
        let weak = Arc::downgrade(&shared);
        shared.store.watch_room(Arc::new(move || {
            if let Some(shared) = weak.upgrade() {
                shared.settle_room();
            }
        }));
        let runner = Arc::clone(&shared);
        let start = || std::thread::Builder::new().name("journal-commit".to_owned()).spawn(move || runner.run());
        let thread = (shared.workers == Workers::Threads).then(start).transpose()?;
        Ok(Journal { owner: Arc::new(Owner { shared, thread: Mutex::new(thread) }) })
    }

    /// Commits what was appended, where no thread does. Answers whether there was anything.
    pub fn commit(&self) -> bool {
        let shared = &*self.owner.shared;
        shared.workers == Workers::Caller && shared.commit_now()
    }

    /// Puts a record behind all others and returns its position. It is kept only once that is durable.
    ///
    /// # Errors
    /// Where nothing was appended: see [`AppendError`].
    pub fn append(&self, record: &[u8]) -> Result<Lsn, AppendError> {
        self.appender()?.append(record)
    }

    /// Holds the buffer for several records.
    ///
    /// # Errors
    /// Where nothing can be appended any more: see [`AppendError`].
    pub fn appender(&self) -> Result<Appender<'_>, AppendError> {
        let shared = &*self.owner.shared;
        Appender::new(shared, lock(&shared.state))
    }

    /// Wakes the committer, if it sleeps and there is something for it to do.
    pub fn wake(&self) {
        let shared = &*self.owner.shared;
        let mut state = lock(&shared.state);
        let asleep = !state.filling.is_empty() && mem::take(&mut state.idle);
        drop(state);
        if asleep {
            shared.work.notify_one();
        }
    }

    /// The last record appended.
    pub fn last(&self) -> Lsn {
        Lsn::new(self.owner.shared.last.load(Ordering::Acquire))
    }

    /// The last record that is durable, with everything before it.
    pub fn durable(&self) -> Lsn {
        self.owner.shared.durable()
    }

    /// The epoch under which this owner writes.
    pub fn epoch(&self) -> Epoch {
        self.owner.shared.epoch
    }

    /// Waits until `lsn` is durable. `Ok` at once where it is, also after a later fault. Cancelling it is safe.
    ///
    /// # Errors
    /// The fault, where the journal was poisoned or closed before `lsn` became durable.
    pub async fn wait_durable(&self, lsn: Lsn) -> Result<(), JournalFault> {
        let shared = &self.owner.shared;
        if shared.durable() >= lsn {
            return Ok(());
        }
        let (sender, receiver) = oneshot::channel();
        shared.enlist(Waiter { lsn, wake: Wake::Task(sender) });
        receiver.await.unwrap_or(Err(JournalFault::Closed))
    }

    /// The same for a thread of its own; not to be called from async code.
    ///
    /// # Errors
    /// As for [`Journal::wait_durable`].
    pub fn wait_durable_blocking(&self, lsn: Lsn) -> Result<(), JournalFault> {
        let shared = &self.owner.shared;
        while shared.durable() < lsn && self.commit() {}
        if shared.durable() >= lsn {
            return Ok(());
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        shared.enlist(Waiter { lsn, wake: Wake::Thread(sender) });
        receiver.recv().unwrap_or(Err(JournalFault::Closed))
    }

    /// Bytes of records appended and not yet durable.
    pub fn queued_bytes(&self) -> usize {
        self.owner.shared.queued_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of records appended since the start.
    pub fn bytes_appended(&self) -> u64 {
        self.owner.shared.appended_bytes.load(Ordering::Relaxed)
    }

    /// What poisoned the journal, if anything did. Closing is not a fault.
    pub fn fault(&self) -> Option<JournalFault> {
        self.owner.shared.fault.borrow().clone()
    }

    /// Resolves once the journal is poisoned; the process should then end with an error.
    pub async fn faulted(&self) -> JournalFault {
        let mut faults = self.owner.shared.fault.subscribe();
        match faults.wait_for(Option::is_some).await.map(|fault| (*fault).clone()) {
            Ok(Some(fault)) => fault,
            // The sender lives as long as `self`, so neither of these is ever met.
            Ok(None) | Err(_) => JournalFault::Closed,
        }
    }

    /// Whether records of so many bytes in all may find no room now, but will soon: whoever can wait should. Takes no lock, and is about what is
    /// there in this moment.
    pub fn is_short_of_room(&self, bytes: usize) -> bool {
        let shared = &*self.owner.shared;
        let queued = self.queued_bytes().saturating_add(bytes);
        // With the lengths that come before them, and the frame of another batch.
        let cost = shared.store.cost(queued + queued / 8).saturating_add(shared.store.cost(0));
        cost > shared.store.room() && shared.store.is_preparing()
    }

    /// True from an append refused for want of room until there would be room for it.
    pub fn read_only(&self) -> bool {
        self.owner.shared.read_only.load(Ordering::Relaxed)
    }

    /// Takes no more records, makes durable what was appended, and ends the committer's thread. May be called again.
    ///
    /// # Errors
    /// The fault, where the journal is poisoned: then not everything that was appended is durable.
    pub fn close(&self) -> Result<(), JournalFault> {
        self.owner.close();
        self.fault().map_or(Ok(()), Err)
    }

    /// A cursor over the durable records from `from` on, which goes on with those to come. It is no handle: it does not
    /// keep the journal from being closed.
    pub fn follow(&self, from: Lsn) -> Follower {
        let shared = &self.owner.shared;
        // Under the lock: a batch that passed `publish` before is in `durable`, one that comes after will be put.
        let state = lock(&shared.state);
        shared.ring.enter(shared.durable().next());
        drop(state);
        Follower::new(Arc::clone(&shared.store), Arc::clone(&shared.ring), from)
    }

    /// Where the journal is kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.owner.shared.store
    }
}

impl Owner {
    fn close(&self) {
        // Held while joining, so that a second caller returns only when everything is drained.
        let mut thread = lock(&self.thread);
        lock(&self.shared.state).closing = true;
        self.shared.work.notify_one();
        if let Some(thread) = thread.take() {
            join(thread);
        } else if self.shared.workers == Workers::Caller {
            while self.shared.commit_now() {}
            self.shared.dismiss();
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
    }
}
