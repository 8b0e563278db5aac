//! A test hook on the commit path, shared by both stores so that one suite can make either of them fail.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Locks, also after a panic elsewhere: what these locks guard is consistent between statements, and the journal
/// has its own way of noticing that its thread died.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a thread to end, unless it is the one that asks: whoever drops the last handle may be that thread.
pub(crate) fn join(thread: std::thread::JoinHandle<()>) {
    if thread.thread().id() != std::thread::current().id() {
        // What a panic there has cost is known by other means.
        drop(thread.join());
    }
}

/// Counts writes and syncs of commits, makes chosen ones fail, holds them back, and bounds the space there is.
/// Nothing of it is in the way of a store that was not given one.
#[derive(Debug, Default)]
pub struct Faults {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    writes: Step,
    syncs: Step,
    /// Bytes that may still be taken; `None` without bound.
    space: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Step {
    done: u64,
    fail: Option<u64>,
    /// How much longer each takes.
    slow: Duration,
    held: bool,
    waiting: bool,
}

/// The two halves of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Handing the bytes over.
    Write,
    /// Making them durable.
    Sync,
}

impl Faults {
    /// Makes the `n`-th half from now on fail; 1 is the next.
    pub fn fail(&self, half: Half, n: u64) {
        let mut state = lock(&self.state);
        let step = state.step(half);
        step.fail = Some(step.done + n);
    }

    /// Has every half take so much longer from now on.
    pub fn slow(&self, half: Half, by: Duration) {
        lock(&self.state).step(half).slow = by;
    }

    /// Holds every half back from now on.
    pub fn hold(&self, half: Half) {
        lock(&self.state).step(half).held = true;
    }

    /// Lets what is held go on.
    pub fn release(&self, half: Half) {
        lock(&self.state).step(half).held = false;
        self.changed.notify_all();
    }

    /// Waits until a commit has arrived at a held half.
    pub fn wait_held(&self, half: Half) {
        let mut state = lock(&self.state);
        while !state.step(half).waiting {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// True while a commit waits at a held half.
    pub fn is_held(&self, half: Half) -> bool {
        lock(&self.state).step(half).waiting
    }

    /// How many have been attempted.
    pub fn attempted(&self, half: Half) -> u64 {
        lock(&self.state).step(half).done
    }

    /// Bounds the bytes that may still be taken; `None` lifts the bound.
    pub fn set_space(&self, bytes: Option<u64>) {
        lock(&self.state).space = bytes;
    }

    /// Takes space, or fails as a full disk does.
    pub(crate) fn take_space(&self, bytes: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        if let Some(space) = &mut state.space {
            *space = space.checked_sub(bytes).ok_or(io::ErrorKind::StorageFull)?;
        }
        Ok(())
    }

    /// What is left of the space.
    pub(crate) fn space(&self) -> Option<u64> {
        lock(&self.state).space
    }

    /// Called before each half.
    pub(crate) fn before(&self, half: Half) -> io::Result<()> {
        let mut state = lock(&self.state);
        while state.step(half).held {
            state.step(half).waiting = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let slow = state.step(half).slow;
        if !slow.is_zero() {
            let waited = self.changed.wait_timeout_while(state, slow, |_| true);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let step = state.step(half);
        step.waiting = false;
        step.done += 1;
        if step.fail == Some(step.done) { Err(io::Error::other("an injected fault")) } else { Ok(()) }
    }
}

impl State {
    fn step(&mut self, half: Half) -> &mut Step {
        match half {
            Half::Write => &mut self.writes,
            Half::Sync => &mut self.syncs,
        }
    }
}
