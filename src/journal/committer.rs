//! From the buffer to the disk: group commit, waking, poisoning.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use tokio::sync::{oneshot, watch};

use super::batch::Batch;
use super::error::{JournalFault, StoreError};
use super::faults::lock;
use super::handle::{Observer, Options, Workers};
use super::position::{Epoch, Lsn};
use super::ring::Ring;
use super::store::{CommitTimes, Store, Tail};

/// What the handles of a journal and its committer share.
pub(super) struct Shared {
    pub(super) store: Arc<dyn Store>,
    pub(super) workers: Workers,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) epoch: Epoch,
    pub(super) max_record: usize,
    pub(super) last: AtomicU64,
    durable: AtomicU64,
    pub(super) queued_bytes: AtomicUsize,
    pub(super) appended_bytes: AtomicU64,
    pub(super) read_only: AtomicBool,
    pub(super) state: Mutex<State>,
    pub(super) work: Condvar,
    pub(super) fault: watch::Sender<Option<JournalFault>>,
    pub(super) ring: Arc<Ring>,
}

/// The buffer, and who waits.
pub(super) struct State {
    pub(super) filling: Batch,
    /// The store's room when no batch was in flight last: that one is yet to be taken from it.
    room: u64,
    /// What the batch in flight may take from it.
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

pub(super) struct Waiter {
    pub(super) lsn: Lsn,
    pub(super) wake: Wake,
}

pub(super) enum Wake {
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

impl Shared {
    pub(super) fn new(store: Arc<dyn Store>, tail: &Tail, options: Options) -> Shared {
        let state = State {
            filling: Batch::new(tail.last.next(), tail.epoch),
            room: store.room(),
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
            workers: options.workers,
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

    pub(super) fn durable(&self) -> Lsn {
        Lsn::new(self.durable.load(Ordering::Acquire))
    }

    /// The committer's thread.
    pub(super) fn run(&self) {
        let _guard = PoisonOnPanic(self);
        let mut batch = Batch::new(self.durable().next(), self.epoch);
        let mut woken = Vec::new();
        while let Some(state) = self.wait_for_work() {
            self.take(state, &mut batch);
            if !self.commit(&batch, &mut woken) {
                return;
            }
        }
        self.dismiss();
    }

    /// The same in the thread of a caller: one batch. Answers whether there was one, and it could be committed.
    pub(super) fn commit_now(&self) -> bool {
        let state = lock(&self.state);
        if state.filling.is_empty() {
            return false;
        }
        let mut batch = Batch::new(self.durable().next(), self.epoch);
        self.take(state, &mut batch);
        self.commit(&batch, &mut Vec::new())
    }

    /// Whether it could be committed. If not, nothing can be any more.
    fn commit(&self, batch: &Batch, woken: &mut Vec<Waiter>) -> bool {
        match self.store.commit(batch) {
            Ok(times) => self.publish(batch, times, woken),
            Err(cause) => {
                self.poison(cause);
                return false;
            }
        }
        true
    }

    /// Waits for the first record. None once closed and drained.
    fn wait_for_work(&self) -> Option<MutexGuard<'_, State>> {
        let mut state = lock(&self.state);
        while state.filling.is_empty() {
            if state.closing {
                return None;
            }
            state.idle = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.idle = false;
        Some(state)
    }

    /// Swaps the filled batch for the empty one.
    fn take(&self, mut state: MutexGuard<'_, State>, batch: &mut Batch) {
        batch.restart(state.filling.next());
        mem::swap(batch, &mut state.filling);
        state.in_flight_cost = self.store.cost(batch.bytes().len());
        let State { in_flight_last, waiting_in_flight, waiting_beyond, .. } = &mut *state;
        *in_flight_last = batch.last();
        waiting_in_flight.extend(waiting_beyond.extract_if(.., |waiter| waiter.lsn <= *in_flight_last));
    }

    /// The batch is durable: says so, and wakes who waited for it.
    fn publish(&self, batch: &Batch, times: CommitTimes, woken: &mut Vec<Waiter>) {
        // In this order: whoever sees the new position sees the shorter queue too.
        self.queued_bytes.fetch_sub(batch.record_bytes(), Ordering::Relaxed);
        self.durable.store(batch.last().get(), Ordering::Release);
        let mut state = lock(&self.state);
        // Both at once: in between the batch would count twice, or not at all.
        (state.room, state.in_flight_cost) = (self.store.room(), 0);
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
    pub(super) fn dismiss(&self) {
        let woken = lock(&self.state).take_waiters();
        for waiter in woken {
            waiter.wake(Err(JournalFault::Closed));
        }
        self.ring.end(self.durable().next(), JournalFault::Closed);
    }

    pub(super) fn enlist(&self, waiter: Waiter) {
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

    /// Whether the store has room for everything that is queued, with so many bytes more.
    pub(super) fn fits(&self, state: &State, more: usize) -> bool {
        state.in_flight_cost.saturating_add(self.store.cost(state.filling.bytes().len() + more)) <= state.room
    }

    /// There may be more room. Takes appends again once what was refused last would fit.
    pub(super) fn settle_room(&self) {
        let mut state = lock(&self.state);
        state.room = self.store.room();
        if state.refused == 0 || !self.fits(&state, state.refused) {
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
