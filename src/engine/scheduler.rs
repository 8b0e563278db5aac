//! The background task: makes happen without traffic what is due. It holds no rule and changes no answer.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{Engine, checkpoint};
use crate::{
    clock::Mode,
    journal::{AppendError, Lsn},
};

/// How many merchants are looked at before the disk is waited for and the others get their turn. It bounds what due work adds
/// to the batch that a command waits for: about 50 kB.
const STEP: usize = 256;

/// How often the wall clock is compared, and the longest wait for anything.
const TICK: Duration = Duration::from_secs(1);

/// Wakes and stops the background threads.
#[derive(Default)]
pub(super) struct Signal {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default)]
struct State {
    stopped: bool,
    woken: bool,
}

impl Signal {
    pub(super) fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Waits until woken, stopped or the time is over. Answers whether to go on.
    fn wait(&self, most: Duration) -> bool {
        let state = self.lock();
        let idle = |state: &mut State| !state.stopped && !state.woken;
        let waited = self.changed.wait_timeout_while(state, most, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.woken = false;
        !state.stopped
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
    let mut checked = Instant::now();
    loop {
        let wait = match engine.run_due() {
            Ok(0) => until_next(engine),
            Ok(_) => Duration::ZERO,
            Err(AppendError::NoRoom) => TICK,
            // The journal has failed or is closed: nothing can be recorded any more.
            Err(_) => return,
        };
        if checked.elapsed() >= TICK {
            checked = Instant::now();
            engine.check_clock();
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

fn run_checkpoints(engine: &Engine) {
    let mut done = 0;
    while engine.signals.checkpoint.wait(TICK) {
        let appended = engine.journal.bytes_appended();
        if appended.saturating_sub(done) < engine.checkpoint_every {
            continue;
        }
        done = appended;
        match checkpoint::write(engine) {
            Ok(written) => tracing::info!(items = written.items, bytes = written.bytes, "checkpoint written"),
            Err(error) => tracing::warn!(%error, "checkpoint given up, the older ones stand"),
        }
    }
}

impl Engine {
    /// Looks at up to 256 merchants that have something due, records what it is, and waits until that is durable. Answers how
    /// many merchants it looked at.
    ///
    /// # Errors
    /// When the journal takes no more; what was not recorded is still due.
    pub fn run_due(&self) -> Result<usize, AppendError> {
        let due = self.deadlines.take_due(self.time.peek(), STEP);
        let mut last = Lsn::ZERO;
        let mut facts = 0;
        for (n, look) in due.iter().enumerate() {
            match self.submit_due(look) {
                Ok(Some((lsn, recorded))) => (last, facts) = (lsn, facts + recorded),
                Ok(None) => {}
                Err(error) => {
                    due.into_iter().skip(n).for_each(|look| self.deadlines.push(look));
                    return Err(error);
                }
            }
        }
        if facts > 0 {
            self.observer.due_recorded(facts);
            // One step in flight at a time: the next waits its turn behind the commands that came meanwhile.
            self.journal.wait_durable_blocking(last).map_err(AppendError::Poisoned)?;
        }
        Ok(due.len())
    }

    fn check_clock(&self) {
        let before = self.time.clock().state();
        let state = self.time.clock().check();
        if state.alarm && !before.alarm {
            let offset_seconds = state.offset_to_wall_us as f64 / 1e6;
            tracing::error!(offset_seconds, "the wall clock was stepped; engine time does not follow");
        }
    }
}
