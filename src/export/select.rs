//! Which rows are wanted.

use std::{fmt, str::FromStr, time::Duration};

use chrono::NaiveDate;

use crate::domain::{Day, MerchantId, Timeline, Timestamp};

/// Which rows are wanted. All bounds hold together.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Recorded from here on.
    pub from: Option<Bound>,
    /// Recorded before this.
    pub until: Option<Bound>,
    /// About this merchant.
    pub merchant: Option<MerchantId>,
    /// At positions behind this one.
    pub after: u64,
    /// At positions up to this one; none: up to the last.
    pub through: Option<u64>,
}

/// The end of an interval of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// An instant.
    At(Timestamp),
    /// The beginning of a settlement day, whenever that was or will be by the calendar of its time.
    Day(Day),
}

/// A text that is neither an instant nor a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither a settlement day, like 2026-01-31, nor an instant of RFC 3339, like 2026-01-31T09:00:00Z")]
pub struct InvalidBound;

impl FromStr for Bound {
    type Err = InvalidBound;

    fn from_str(text: &str) -> Result<Self, InvalidBound> {
        if text.contains('T') {
            return Timestamp::parse(text).map(Self::At).map_err(|_| InvalidBound);
        }
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| InvalidBound)?;
        let days = date.signed_duration_since(NaiveDate::default()).num_days();
        let bound = i32::try_from(days).map(|day| Self::Day(Day(day))).map_err(|_| InvalidBound)?;
        if bound.to_string() == text { Ok(bound) } else { Err(InvalidBound) }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(instant) => instant.fmt(f),
            Self::Day(day) => f.write_str(&date(*day)),
        }
    }
}

/// The date on which a settlement day begins in UTC.
pub(super) fn date(Day(day): Day) -> String {
    let date = NaiveDate::default().checked_add_signed(chrono::Duration::days(day.into()));
    date.unwrap_or_default().format("%Y-%m-%d").to_string()
}

impl Bound {
    /// Whether an instant, which lies in this settlement day, is before it.
    fn is_after(self, at: Timestamp, day: Day) -> bool {
        match self {
            Self::At(bound) => at < bound,
            Self::Day(bound) => day < bound,
        }
    }

    /// The instant that it is.
    pub(super) fn instant(self, timeline: &Timeline) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Day(day) => timeline.start_of(day),
        }
    }
}

impl Selection {
    /// How far the journal has to be beyond an instant for nothing from before to come any more: a command takes its time, and its place in
    /// the journal a moment later.
    pub const SETTLES: Duration = Duration::from_secs(60);

    /// Whether what was recorded at an instant, which lies in this settlement day, at this position is wanted.
    pub(super) fn includes(&self, lsn: u64, at: Timestamp, day: Day) -> bool {
        lsn > self.after
            && self.from.is_none_or(|from| !from.is_after(at, day))
            && self.until.is_none_or(|until| until.is_after(at, day))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_days_or_instants() {
        assert_eq!("2026-01-31".parse(), Ok(Bound::Day(Day(20_484))));
        assert_eq!("1970-01-01".parse(), Ok(Bound::Day(Day(0))));
        let instant = "2026-01-31T09:00:00Z".parse::<Bound>().unwrap();
        assert_eq!(instant.to_string(), "2026-01-31T09:00:00Z");
        assert_eq!("2026-01-31".parse::<Bound>().unwrap().to_string(), "2026-01-31");
        for bad in ["", "2026-1-31", "2026-02-30", "31.1.2026", "2026-01-31T09:00", "+2026-01-31", "yesterday"] {
            assert_eq!(bad.parse::<Bound>(), Err(InvalidBound), "{bad}");
        }
    }

    #[test]
    fn an_interval_has_its_beginning_and_not_its_end() {
        let at = |micros| Some(Bound::At(Timestamp::from_micros(micros)));
        let some = Selection { from: at(10), until: at(20), after: 5, ..Selection::default() };
        let includes = |lsn, micros| some.includes(lsn, Timestamp::from_micros(micros), Day(0));
        assert_eq!([9, 10, 19, 20].map(|micros| includes(6, micros)), [false, true, true, false]);
        assert!(!includes(5, 15));
        let days =
            Selection { from: Some(Bound::Day(Day(3))), until: Some(Bound::Day(Day(4))), ..Selection::default() };
        let includes = |day| days.includes(1, Timestamp::default(), Day(day));
        assert_eq!([2, 3, 4].map(includes), [false, true, false]);
    }
}
