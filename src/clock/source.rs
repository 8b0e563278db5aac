//! Where time comes from: the operating system, or a test.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, Timespec, clock_gettime};

use super::Micros;

/// The two clocks that engine time is made from.
pub trait TimeSource: fmt::Debug + Send + Sync {
    /// Time since some fixed point: never goes back, no one sets it, and suspension counts.
    fn boot(&self) -> Duration;

    /// What the wall clock says. May be stepped either way at any moment.
    fn wall(&self) -> Micros;
}

/// The clocks of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsTime;

/// Goes on while the machine is suspended. Where there is no clock of this name, the monotonic one is the nearest
/// (on macOS it counts sleep).
#[cfg(any(target_os = "linux", target_os = "android"))]
const BOOT: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const BOOT: ClockId = ClockId::Monotonic;

impl TimeSource for OsTime {
    fn boot(&self) -> Duration {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(BOOT);
        Duration::new(u64::try_from(tv_sec).unwrap_or(0), u32::try_from(tv_nsec).unwrap_or(0))
    }

    /// Through std, which asks the C library: a test sets this clock under the real program by standing before that, which it cannot do
    /// with `clock_gettime` above, as that goes to the kernel by itself.
    #[allow(clippy::disallowed_methods, reason = "the one place that may ask for the time")]
    fn wall(&self) -> Micros {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => micros(since),
            Err(before) => -micros(before.duration()),
        }
    }
}

/// Clocks that move only when told to, for tests and simulations.
#[derive(Debug)]
pub struct TestTime {
    // One lock over both, so that no reader sees half a step.
    clocks: Mutex<(Duration, Micros)>,
}

impl TestTime {
    /// Clocks that stand still, the wall clock at `wall`.
    pub fn new(wall: Micros) -> TestTime {
        // Not zero: a machine has been up for a while when the engine starts.
        TestTime { clocks: Mutex::new((Duration::from_secs(1_000), wall)) }
    }

    /// Time passes, on both clocks; the machine may have been suspended or not, nobody can tell.
    pub fn advance(&self, by: Duration) {
        self.change(|(boot, wall)| {
            *boot = boot.saturating_add(by);
            *wall = wall.saturating_add(micros(by));
        });
    }

    /// Time passes while the wall clock stands still, or was set back by as much.
    pub fn advance_boot(&self, by: Duration) {
        self.change(|(boot, _)| *boot = boot.saturating_add(by));
    }

    /// Someone steps the wall clock, forward or back (µs); no time passes.
    pub fn step_wall(&self, by: Micros) {
        self.change(|(_, wall)| *wall = wall.saturating_add(by));
    }

    fn change(&self, change: impl FnOnce(&mut (Duration, Micros))) {
        change(&mut self.clocks.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn read(&self) -> (Duration, Micros) {
        *self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TimeSource for TestTime {
    fn boot(&self) -> Duration {
        self.read().0
    }

    fn wall(&self) -> Micros {
        self.read().1
    }
}

/// A duration in whole microseconds; beyond 292,000 years it stays there.
pub(super) fn micros(duration: Duration) -> Micros {
    // Not through `as_micros`, whose 128 bits cost as much as reading the clock.
    let seconds = Micros::try_from(duration.as_secs()).unwrap_or(Micros::MAX);
    seconds.saturating_mul(1_000_000).saturating_add(Micros::from(duration.subsec_micros()))
}
