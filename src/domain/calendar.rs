//! Settlement days.

use std::time::Duration;

use super::Timestamp;

/// A settlement day, numbered from the one that began on 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// The day so many days later.
    pub const fn plus(self, days: u32) -> Self {
        Self(self.0.saturating_add_unsigned(days))
    }

    /// The day so many days earlier.
    pub const fn minus(self, days: u32) -> Self {
        Self(self.0.saturating_sub_unsigned(days))
    }
}

/// Cuts time into settlement days of exactly 24 hours. No local time, no daylight saving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// How far after 00:00 UTC a day starts; below 24 hours.
    pub day_start: Duration,
}

const DAY: i64 = 24 * 60 * 60 * 1_000_000;

impl Calendar {
    /// The settlement day an instant lies in; a day's first instant belongs to it.
    pub fn day_of(self, instant: Timestamp) -> Day {
        let day = instant.before(self.day_start).micros().div_euclid(DAY);
        Day(i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX }))
    }

    /// The first instant of a settlement day.
    pub fn start_of(self, day: Day) -> Timestamp {
        Timestamp::from_micros(i64::from(day.0).saturating_mul(DAY)).after(self.day_start)
    }

    /// The end of a settlement day, which is the first instant of the next.
    pub fn end_of(self, day: Day) -> Timestamp {
        self.start_of(day.plus(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_with_its_first_instant() {
        let calendar = Calendar { day_start: Duration::from_secs(8 * 3600) };
        let start = Timestamp::parse("2026-03-29T08:00:00Z").unwrap();
        let day = calendar.day_of(start);
        assert_eq!(calendar.start_of(day), start);
        assert_eq!(calendar.day_of(start.before(Duration::from_micros(1))), day.minus(1));
        assert_eq!(calendar.end_of(day), Timestamp::parse("2026-03-30T08:00:00Z").unwrap());
    }

    #[test]
    fn days_before_1970_are_days_too() {
        let calendar = Calendar { day_start: Duration::ZERO };
        assert_eq!(calendar.day_of(Timestamp::from_micros(-1)), Day(-1));
    }
}
