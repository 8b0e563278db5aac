//! A wall clock that can be set under a real program while it runs: libfaketime before its C library. Its other clocks go on as they are.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::time::{ClockId, clock_gettime};

/// Seconds.
pub const SECOND: i64 = 1;
pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;
pub const YEAR: i64 = 365 * DAY;

/// 2026-03-02T12:00:00Z in seconds: every test begins at noon, and so never runs into the end of a day by itself.
const NOON: i64 = 1_772_452_800;

pub struct Wall {
    file: PathBuf,
    library: String,
    /// How far it is ahead of the machine's, in seconds.
    ahead: i64,
}

impl Wall {
    /// A clock that stands at noon and goes.
    pub fn at_noon(root: &Path) -> Self {
        let library = std::env::var("TPLUS_FAKETIME").expect("TPLUS_FAKETIME names libfaketimeMT.so.1");
        let seconds = machine() / 1_000_000;
        let mut wall = Self { file: root.join("wall"), library, ahead: 0 };
        wall.step(NOON - seconds);
        wall
    }

    /// Sets it forward or back, in seconds.
    pub fn step(&mut self, by: i64) {
        self.ahead += by;
        // A name at once, so that nobody reads half a number.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{:+}\n", self.ahead)).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// What it says, in microseconds since 1970.
    pub fn now(&self) -> i64 {
        machine() + self.ahead * 1_000_000
    }

    /// What a program needs in its environment to live by it.
    pub fn environment(&self) -> [(&str, &str); 5] {
        [
            ("LD_PRELOAD", &self.library),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ]
    }
}

/// The machine's wall clock, in microseconds since 1970.
fn machine() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

/// The clock that nobody sets, in microseconds.
pub fn boot() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    let since = Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap());
    i64::try_from(since.as_micros()).unwrap()
}
