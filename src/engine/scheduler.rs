//! The background task: makes happen without traffic what is due. It holds no rule and changes no answer.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{Engine, checkpoint};
use crate::{
    background::give_way,
    clock::Mode,
    journal::{AppendError, Lsn},
};

/// How many merchants are looked at before the disk is waited for and the others get their turn. It bounds what due work adds
/// to the batch that a command waits for: about 50 kB.
const STEP: usize = 256;

/// How often the wall clock is compared, and the longest wait for anything.
const TICK: Duration = Duration::from_secs(1);

/// How long to wait after a checkpoint that was not finished.
const RETRY_CHECKPOINT: Duration = Duration::from_secs(60);

/// Wakes and stops the background threads.
#[derive(Default)]
pub(super) struct Signal {
    woken: Mutex<bool>,
    stopped: AtomicBool,
    changed: Condvar,
}

impl Signal {
    pub(super) fn wake(&self) {
        *self.lock() = true;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Waits until woken, stopped or the time is over. Answers whether to go on.
    fn wait(&self, most: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), most, |woken| !*woken);
        let (mut woken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *woken = false;
        !self.is_stopped()
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the threads that settle, release and reset, and that write checkpoints.
pub(super) fn start(engine: &Arc<Engine>) -> std::io::Result<Vec<JoinHandle<()>>> {
    let spawn = |name: &str, run: fn(&Engine)| {
        let engine = Arc::clone(engine);
        std::thread::Builder::new().name(name.into()).spawn(move || run(&engine))
    };
    Ok(vec![spawn("tplus-due", run_due_work)?, spawn("tplus-checkpoint", run_checkpoints)?])
}

fn run_due_work(engine: &Engine) {
    let mut checked = None::<Instant>;
    let mut alarmed = false;
    loop {
        let wait = match engine.run_due() {
            Ok(0) => until_next(engine),
            Ok(_) => Duration::ZERO,
            Err(AppendError::NoRoom) => TICK,
            Err(error @ AppendError::TooLarge { .. }) => {
                tracing::error!(%error, "due work cannot be recorded");
                TICK
            }
            // Nothing can be recorded any more.
            Err(AppendError::Poisoned(_) | AppendError::Closed) => return,
        };
        if checked.is_none_or(|checked| checked.elapsed() >= TICK) {
            checked = Some(Instant::now());
            alarmed = check_clock(engine, alarmed);
        }
        if !engine.signals.due.wait(wait) {
            return;
        }
    }
}

fn until_next(engine: &Engine) -> Duration {
    let next = engine.deadlines.next().filter(|_| engine.time.clock().mode() == Mode::System);
    next.map_or(TICK, |at| at.since(engine.time.peek()).min(TICK))
}

/// A checkpoint is written once it saves the replay of so many times its size: a large one takes its time, and keeps the disk from others.
const WORTH: u64 = 4;

fn run_checkpoints(engine: &Engine) {
    give_way();
    let mut last_size = 0;
    let mut pause = TICK;
    while engine.signals.checkpoint.wait(pause) {
        let evicted = engine.let_go();
        if evicted > 0 {
            tracing::debug!(evicted, "decided facts left memory; the history knows them");
        }
        pause = TICK;
        if engine.to_replay() < engine.checkpoint_every.max(last_size * WORTH) {
            continue;
        }
        match checkpoint::write(engine) {
            Ok(written) => {
                last_size = written.bytes;
                tracing::info!(items = written.items, bytes = written.bytes, "checkpoint written");
            }
            Err(error) => {
                pause = RETRY_CHECKPOINT;
                engine.observer.checkpoint_failed();
                tracing::warn!(%error, "the checkpoint was not finished");
            }
        }
    }
}

/// Tells of an alarm once, when it begins.
fn check_clock(engine: &Engine, alarmed: bool) -> bool {
    let state = engine.time.clock().check();
    if state.alarm && !alarmed {
        let wall_ahead_seconds = state.offset_to_wall_us as f64 / 1e6;
        tracing::error!(wall_ahead_seconds, "the wall clock is too far off; engine time does not follow it");
    }
    state.alarm
}

impl Engine {
    /// Looks at up to 256 merchants for whom a look is due, records what has come due, and waits until that is durable. Answers how many
    /// it looked at.
    ///
    /// # Errors
    /// When the journal takes no more; what was not recorded is still due.
    pub fn run_due(&self) -> Result<usize, AppendError> {
        let _seeing_to = self.seeing_to.lock().unwrap_or_else(PoisonError::into_inner);
        let mut looks = self.deadlines.take_due(self.time.peek(), STEP).into_iter();
        let (mut taken, mut facts, mut last) = (0, 0, Lsn::ZERO);
        let mut refused = Ok(());
        for look in looks.by_ref() {
            match self.submit_due(&look) {
                Ok(Some((lsn, recorded))) => (last, facts) = (lsn, facts + recorded),
                Ok(None) => {}
                Err(error) => {
                    self.deadlines.push(look);
                    refused = Err(error);
                    break;
                }
            }
            taken += 1;
        }
        looks.for_each(|look| self.deadlines.push(look));
        if facts > 0 {
            self.observer.due_recorded(facts);
            // One step in flight at a time: the next waits its turn behind the commands that came meanwhile.
            self.journal.wait_durable_blocking(last)?;
        }
        refused.map(|()| taken)
    }
}
