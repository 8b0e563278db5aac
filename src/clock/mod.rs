//! Engine time, and the only room with ambient time and randomness.
//!
//! Everything else is handed its time, so that a test or a simulation can own it. The rules that engine time keeps:
//!
//! - It never runs backwards, not across threads and, given the floor that the journal remembers, not across restarts.
//! - While running it goes with the boot clock, which counts suspension too. A step of the wall clock never moves it.
//! - A small difference to the wall clock is slewed away; one beyond `max_step` raises an alarm and is not followed.
//!
//! Instants are microseconds since 1970-01-01T00:00:00Z ([`Micros`]).

mod engine;
mod source;

use std::{
    fmt, io,
    sync::atomic::{AtomicI64, Ordering},
};

pub use self::{
    engine::{ClockError, ClockState, EngineClock, MAX_SLEW_PPM, Options},
    source::{OsTime, TestTime, TimeSource},
};

/// An instant: microseconds since 1970-01-01T00:00:00Z, negative before it.
pub type Micros = i64;

/// Who moves the time of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It goes by itself, as [`EngineClock`] describes.
    System,
    /// It stands still until it is advanced.
    Manual,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mode::System => "system",
            Mode::Manual => "manual",
        })
    }
}

/// The time of one engine, whoever moves it.
#[derive(Debug)]
pub enum Clock {
    /// It goes by itself.
    System(EngineClock),
    /// It stands still until it is advanced.
    Manual(ManualClock),
}

impl Clock {
    /// The engine time: at or above everything this clock has answered before, to any thread.
    pub fn now(&self) -> Micros {
        match self {
            Clock::System(clock) => clock.now(),
            Clock::Manual(clock) => clock.now(),
        }
    }

    /// Who moves this clock.
    pub fn mode(&self) -> Mode {
        match self {
            Clock::System(_) => Mode::System,
            Clock::Manual(_) => Mode::Manual,
        }
    }

    /// Compares with the wall clock and corrects the course; to be called about once a second.
    ///
    /// A manual clock has nothing to compare with: it answers no offset and no alarm.
    pub fn check(&self) -> ClockState {
        match self {
            Clock::System(clock) => clock.check(),
            Clock::Manual(_) => ClockState::default(),
        }
    }

    /// What the latest [`Clock::check`] found.
    pub fn state(&self) -> ClockState {
        match self {
            Clock::System(clock) => clock.state(),
            Clock::Manual(_) => ClockState::default(),
        }
    }

    /// Moves a manual clock to `to`; advancing to where it stands is no error.
    ///
    /// # Errors
    ///
    /// [`AdvanceError::NotManual`] for a clock that goes by itself, [`AdvanceError::Backwards`] if `to` has passed.
    pub fn advance(&self, to: Micros) -> Result<(), AdvanceError> {
        match self {
            Clock::System(_) => Err(AdvanceError::NotManual),
            Clock::Manual(clock) => Ok(clock.advance(to)?),
        }
    }
}

/// A clock that stands still until it is advanced, for tests and rehearsals against a running engine.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
}

impl ManualClock {
    /// Starts at `start`, or at `floor` (the highest time ever given out before) where that is later: a restart with
    /// an old starting point does not take anything back.
    pub fn start(start: Micros, floor: Option<Micros>) -> ManualClock {
        ManualClock { now: AtomicI64::new(floor.map_or(start, |floor| floor.max(start))) }
    }

    /// Where it stands.
    pub fn now(&self) -> Micros {
        self.now.load(Ordering::Acquire)
    }

    /// Moves it to `to`; advancing to where it stands is no error.
    ///
    /// # Errors
    ///
    /// [`Backwards`] if `to` has passed; the clock stays where it is.
    pub fn advance(&self, to: Micros) -> Result<(), Backwards> {
        // The maximum, not a store: of two callers at once the later instant wins, whichever writes last.
        let now = self.now.fetch_max(to, Ordering::AcqRel);
        if to < now { Err(Backwards { now, to }) } else { Ok(()) }
    }
}

/// A manual clock was asked to go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the clock stands at {} and cannot go back to {}", instant(*.now), instant(*.to))]
pub struct Backwards {
    /// Where the clock stands.
    pub now: Micros,
    /// Where it was asked to go.
    pub to: Micros,
}

/// Why a clock was not advanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdvanceError {
    /// The clock goes by itself.
    #[error("the clock is the system's; only a manual clock can be advanced")]
    NotManual,
    /// The instant has passed.
    #[error(transparent)]
    Backwards(#[from] Backwards),
}

/// Random bytes from the operating system, fit for keys.
///
/// # Errors
///
/// If the operating system has none to give.
#[allow(clippy::disallowed_methods, reason = "the one place that may ask for randomness")]
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// An instant as a person reads it: RFC 3339 in UTC, or the bare number where the calendar ends.
pub(crate) fn instant(micros: Micros) -> String {
    match chrono::DateTime::from_timestamp_micros(micros) {
        Some(time) => time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        None => format!("{micros} µs since 1970"),
    }
}
