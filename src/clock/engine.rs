//! The clock that goes by itself.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;

use super::{Micros, TimeSource, instant, source::micros};

/// How much faster or slower than the boot clock engine time may go, in parts per million: 1 %.
///
/// Enough to lose the default `max_step` of 5 s in under nine minutes, little enough that a deadline an hour away is
/// met within 36 s, and that nobody who compares two instants takes it for a step.
pub const MAX_SLEW_PPM: i64 = 10_000;

/// A reading of both clocks that took longer than this (µs) was interrupted and is taken again.
const QUICK_READING: Micros = 50;

/// How often an interrupted reading is taken again before the best one has to do.
const READING_ATTEMPTS: usize = 5;

/// How far engine time follows the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// A running clock slews away a difference up to this, and alarms beyond it. Zero follows nothing.
    pub max_step: Duration,
    /// A start this long or less past the highest time given out before is taken for downtime.
    pub max_gap: Duration,
    /// A person has confirmed that a longer gap is real.
    pub accept_gap: bool,
}

impl Default for Options {
    /// 5 s, 7 days, no consent.
    fn default() -> Options {
        Options { max_step: Duration::from_secs(5), max_gap: Duration::from_secs(7 * 24 * 60 * 60), accept_gap: false }
    }
}

/// Why the clock did not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// The wall clock says that more time has passed than anyone would take for downtime: everything due by then
    /// would settle and release at once, and engine time can never come back. So a person has to say that it is true.
    #[error(
        "the wall clock says {}, but the last time this engine gave out is {}; that is more than clock.max_gap ({}) \
         ago; set the wall clock right, or confirm it with --accept-clock-gap",
        instant(*.wall), instant(*.floor), humantime::format_duration(*.max_gap)
    )]
    Gap {
        /// What the wall clock said (µs since 1970).
        wall: Micros,
        /// The highest time given out before (µs since 1970).
        floor: Micros,
        /// The longest gap that needs no consent.
        max_gap: Duration,
    },
}

/// How engine time and the wall clock stood to each other at the latest [`EngineClock::check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClockState {
    /// Wall clock − engine time (µs): positive when the engine is behind.
    pub offset_to_wall_us: Micros,
    /// The offset is beyond `max_step`: it is not followed, and a person has to look. It clears when the wall clock
    /// comes back; a restart goes on at the wall clock if that is ahead.
    pub alarm: bool,
}

/// Engine time that goes by itself, with the boot clock.
///
/// ```text
/// engine = course.engine + elapsed + shift      elapsed = boot − course.boot
///                                               shift → course.slew, by at most 1 % of elapsed
/// ```
///
/// `check` plots a new course from where the engine is, so changing course moves nothing. A shift ends by itself when
/// the difference is gone: if nobody calls `check`, the clock goes on with the boot clock.
///
/// Absent: a path from the wall clock to `now`. Only `start` jumps to it, and only forward.
#[derive(Debug)]
pub struct EngineClock {
    source: Arc<dyn TimeSource>,
    max_step: Micros,
    course: ArcSwap<Course>,
    /// The highest time given out; what makes `now` monotonic when two threads meet a change of course.
    last: AtomicI64,
    /// The outcome of the latest check; held while the next one is made.
    state: Mutex<ClockState>,
}

/// A stretch of engine time without a change of mind.
#[derive(Debug, Clone, Copy)]
struct Course {
    /// The boot clock where it begins (µs).
    boot: Micros,
    /// Engine time there.
    engine: Micros,
    /// What is to be caught up (+) or lost (−) on it in all (µs).
    slew: Micros,
}

impl Course {
    /// Engine time on this course when the boot clock says `boot`; does not fall as `boot` rises.
    fn at(&self, boot: Micros) -> Micros {
        // Negative when the boot clock was read just before the course was changed.
        let elapsed = boot.saturating_sub(self.boot).max(0);
        let most = elapsed / (1_000_000 / MAX_SLEW_PPM);
        self.engine.saturating_add(elapsed).saturating_add(self.slew.clamp(-most, most))
    }
}

impl EngineClock {
    /// Starts at the wall clock, or at `floor`, the highest time this engine has ever given out, where that is later.
    ///
    /// # Errors
    ///
    /// [`ClockError::Gap`] if the wall clock is more than `max_gap` past `floor` and nobody has accepted that.
    pub fn start(
        source: Arc<dyn TimeSource>,
        floor: Option<Micros>,
        options: Options,
    ) -> Result<EngineClock, ClockError> {
        let Options { max_step, max_gap, accept_gap } = options;
        let (boot, wall) = read_together(source.as_ref());
        if let Some(floor) = floor
            && wall > floor.saturating_add(micros(max_gap))
            && !accept_gap
        {
            return Err(ClockError::Gap { wall, floor, max_gap });
        }
        let engine = floor.map_or(wall, |floor| floor.max(wall));
        let clock = EngineClock {
            source,
            max_step: micros(max_step),
            course: ArcSwap::from_pointee(Course { boot, engine, slew: 0 }),
            last: AtomicI64::new(engine),
            state: Mutex::new(ClockState::default()),
        };
        clock.check();
        Ok(clock)
    }

    /// The engine time: at or above everything this clock has answered before, to any thread. Never waits.
    pub fn now(&self) -> Micros {
        // Boot first, course second: a thread that loses the processor between the two finds its old reading before
        // the start of the new course, never a new reading on an old course.
        let boot = micros(self.source.boot());
        let time = self.course.load().at(boot);
        // Under load most calls fall into the microsecond of one before: they need not fight for the cache line.
        let last = self.last.load(Ordering::Acquire);
        if last >= time { last } else { self.last.fetch_max(time, Ordering::AcqRel).max(time) }
    }

    /// Compares with the wall clock and plots the course from here: towards it if it is within `max_step`, with the
    /// boot clock otherwise. To be called about once a second; calls less than 100 µs apart undo each other's slew.
    pub fn check(&self) -> ClockState {
        let mut state = self.lock();
        let (boot, wall) = read_together(self.source.as_ref());
        let engine = self.course.load().at(boot);
        let offset = wall.saturating_sub(engine);
        let alarm = offset.saturating_abs() > self.max_step;
        let slew = if alarm { 0 } else { offset };
        self.course.store(Arc::new(Course { boot, engine, slew }));
        *state = ClockState { offset_to_wall_us: offset, alarm };
        *state
    }

    /// What the latest check found; for metrics.
    pub fn state(&self) -> ClockState {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, ClockState> {
        // What it guards is whole at every moment, so a panic elsewhere has not spoiled it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Both clocks at one moment (boot µs, wall µs). They cannot be read at once, and a thread that loses the processor in
/// between would take its absence for an offset; so the tightest of a few readings counts.
fn read_together(source: &dyn TimeSource) -> (Micros, Micros) {
    let mut best = (Micros::MAX, 0, 0);
    for _ in 0..READING_ATTEMPTS {
        let before = micros(source.boot());
        let wall = source.wall();
        let took = micros(source.boot()).saturating_sub(before);
        if took < best.0 {
            best = (took, before.saturating_add(took / 2), wall);
        }
        if took <= QUICK_READING {
            break;
        }
    }
    (best.1, best.2)
}
