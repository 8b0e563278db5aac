//! The journal itself: numbering, group commit, waiting, poisoning.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::appender::Appender;
use super::batch::Batch;
use super::error::{AppendError, JournalFault, StoreError};
use super::faults::{join, lock};
use super::follower::Follower;
use super::position::{Epoch, Lsn};
use super::ring::Ring;
use super::store::{CommitTimes, Store, Tail};

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

/// How a journal is run.
#[derive(Clone)]
pub struct Options {
    /// Told about every commit.
    pub observer: Arc<dyn Observer>,
    /// How many bytes of durable batches are kept in memory for all followers together, while there are any.
    pub follow_bytes: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { observer: Arc::new(Unobserved), follow_bytes: 64 << 20 }
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

pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) observer: Arc<dyn Observer>,
    epoch: Epoch,
    pub(super) max_record: usize,
    pub(super) last: AtomicU64,
    durable: AtomicU64,
    pub(super) queued_bytes: AtomicUsize,
    pub(super) appended_bytes: AtomicU64,
    pub(super) read_only: AtomicBool,
    state: Mutex<State>,
    pub(super) work: Condvar,
    fault: watch::Sender<Option<JournalFault>>,
    ring: Arc<Ring>,
}

pub(super) struct State {
    pub(super) filling: Batch,
    /// What the batch in flight may take from the store's room.
    in_flight_cost: u64,
    /// The bytes of the record that found no room; 0 while there is room.
    pub(super) refused: usize,
    in_flight_last: Lsn,
    /// Waiters up to `in_flight_last`, and beyond: two lists, so that a commit touches only those it wakes.
    waiting_in_flight: Vec<Waiter>,
    waiting_beyond: Vec<Waiter>,
    /// The committer sleeps and has to be woken.
    pub(super) idle: bool,
    pub(super) closing: bool,
    pub(super) fault: Option<JournalFault>,
}

struct Waiter {
    lsn: Lsn,
    wake: Wake,
}

enum Wake {
    Task(oneshot::Sender<Result<(), JournalFault>>),
    Thread(mpsc::SyncSender<Result<(), JournalFault>>),
}

impl Waiter {
    fn wake(self, outcome: Result<(), JournalFault>) {
        // Whoever no longer listens has given up waiting; there is nobody left to tell.
        match self.wake {
            Wake::Task(sender) => drop(sender.send(outcome)),
            Wake::Thread(sender) => drop(sender.try_send(outcome)),
        }
    }
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
        let thread = std::thread::Builder::new().name("journal-commit".to_owned()).spawn(move || runner.run())?;
        Ok(Journal { owner: Arc::new(Owner { shared, thread: Mutex::new(Some(thread)) }) })
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
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn new(store: Arc<dyn Store>, tail: &Tail, options: Options) -> Shared {
        let state = State {
            filling: Batch::new(tail.last.next(), tail.epoch),
            in_flight_cost: 0,
            refused: 0,
            in_flight_last: tail.last,
            waiting_in_flight: Vec::new(),
            waiting_beyond: Vec::new(),
            idle: false,
            closing: false,
            fault: None,
        };
        Shared {
            epoch: tail.epoch,
            max_record: store.max_record(),
            store,
            observer: options.observer,
            last: AtomicU64::new(tail.last.get()),
            durable: AtomicU64::new(tail.last.get()),
            queued_bytes: AtomicUsize::new(0),
            appended_bytes: AtomicU64::new(0),
            read_only: AtomicBool::new(false),
            state: Mutex::new(state),
            work: Condvar::new(),
            fault: watch::Sender::new(None),
            ring: Arc::new(Ring::new(options.follow_bytes)),
        }
    }

    fn durable(&self) -> Lsn {
        Lsn::new(self.durable.load(Ordering::Acquire))
    }

    /// The committer's thread.
    fn run(&self) {
        let _guard = PoisonOnPanic(self);
        let mut batch = Batch::new(self.durable().next(), self.epoch);
        let mut woken = Vec::new();
        while self.take(&mut batch) {
            match self.store.commit(&batch) {
                Ok(times) => self.publish(&batch, times, &mut woken),
                Err(cause) => return self.poison(cause),
            }
        }
        self.dismiss();
    }

    /// Swaps the filled batch for the empty one; waits for the first record. False once closed and drained.
    fn take(&self, batch: &mut Batch) -> bool {
        let mut state = lock(&self.state);
        while state.filling.is_empty() {
            if state.closing {
                return false;
            }
            state.idle = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
        batch.restart(state.filling.next());
        mem::swap(batch, &mut state.filling);
        state.in_flight_cost = self.store.cost(batch.bytes().len());
        let State { in_flight_last, waiting_in_flight, waiting_beyond, .. } = &mut *state;
        *in_flight_last = batch.last();
        waiting_in_flight.extend(waiting_beyond.extract_if(.., |waiter| waiter.lsn <= *in_flight_last));
        true
    }

    /// The batch is durable: says so, and wakes who waited for it.
    fn publish(&self, batch: &Batch, times: CommitTimes, woken: &mut Vec<Waiter>) {
        // In this order: whoever sees the new position sees the shorter queue too.
        self.queued_bytes.fetch_sub(batch.record_bytes(), Ordering::Relaxed);
        self.durable.store(batch.last().get(), Ordering::Release);
        let mut state = lock(&self.state);
        // The store has taken the batch from its room already; in between it counted twice, which is the safe side.
        state.in_flight_cost = 0;
        let refused = state.refused > 0;
        mem::swap(&mut state.waiting_in_flight, woken);
        let followed = self.ring.is_followed();
        drop(state);
        for waiter in woken.drain(..) {
            waiter.wake(Ok(()));
        }
        if followed {
            self.ring.put(batch);
        }
        if refused {
            self.settle_room();
        }
        self.observer.batch_committed(batch.len(), batch.record_bytes(), times.write, times.sync);
    }

    fn poison(&self, cause: StoreError) {
        let fault = JournalFault::Poisoned { durable: self.durable(), cause: Arc::new(cause) };
        let mut state = lock(&self.state);
        state.fault = Some(fault.clone());
        state.filling.restart(Lsn::ZERO);
        let woken = state.take_waiters();
        drop(state);
        self.fault.send_replace(Some(fault.clone()));
        for waiter in woken {
            waiter.wake(Err(fault.clone()));
        }
        self.ring.end(self.durable().next(), fault.clone());
        self.observer.poisoned(&fault);
    }

    /// Everything is drained; who still waits, waits for what will never be appended.
    fn dismiss(&self) {
        let woken = lock(&self.state).take_waiters();
        for waiter in woken {
            waiter.wake(Err(JournalFault::Closed));
        }
        self.ring.end(self.durable().next(), JournalFault::Closed);
    }

    fn enlist(&self, waiter: Waiter) {
        let mut state = lock(&self.state);
        // Looked at again under the lock: a commit publishes before it takes the lock to collect the waiters.
        let outcome = if self.durable() >= waiter.lsn {
            Ok(())
        } else if let Some(fault) = &state.fault {
            Err(fault.clone())
        } else if state.closing && waiter.lsn.get() > self.last.load(Ordering::Acquire) {
            Err(JournalFault::Closed)
        } else {
            let in_flight = waiter.lsn <= state.in_flight_last;
            let list = if in_flight { &mut state.waiting_in_flight } else { &mut state.waiting_beyond };
            return list.push(waiter);
        };
        drop(state);
        waiter.wake(outcome);
    }

    /// What everything queued takes from the store's room at most, with so many bytes more.
    pub(super) fn cost_with(&self, state: &State, more: usize) -> u64 {
        state.in_flight_cost.saturating_add(self.store.cost(state.filling.bytes().len() + more))
    }

    /// Takes appends again once what was refused last would fit.
    fn settle_room(&self) {
        let mut state = lock(&self.state);
        let fits = self.cost_with(&state, state.refused) <= self.store.room();
        if state.refused == 0 || !fits {
            return;
        }
        state.refused = 0;
        self.read_only.store(false, Ordering::Relaxed);
        drop(state);
        self.observer.room_changed(false);
    }
}

impl State {
    fn take_waiters(&mut self) -> Vec<Waiter> {
        let mut woken = mem::take(&mut self.waiting_in_flight);
        woken.append(&mut self.waiting_beyond);
        woken
    }
}

/// A committer that panics must not leave its waiters waiting.
struct PoisonOnPanic<'a>(&'a Shared);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poison(StoreError::Misuse("the committer's thread panicked".to_owned()));
        }
    }
}
