//! Instants.

use std::{fmt, time::Duration};

use chrono::{DateTime, SecondsFormat, Utc};

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an instant of RFC 3339, like 2026-01-31T09:00:00Z")]
pub struct InvalidTime;

impl Timestamp {
    /// The earliest instant that protobuf and RFC 3339 can say: 0001-01-01T00:00:00Z.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// The latest instant that engine time may reach: 9000-01-01T00:00:00Z. Everything that is ever computed from an instant
    /// up to here can still be said in RFC 3339, which ends with the year 9999.
    pub const MAX: Self = Self(221_845_392_000_000_000);

    /// The instant so many microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads an instant of RFC 3339; digits finer than a microsecond are cut off.
    ///
    /// # Errors
    /// When the text is no such instant.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        DateTime::parse_from_rfc3339(text).map(|instant| Self(instant.timestamp_micros())).map_err(|_| InvalidTime)
    }

    /// The instant a duration later; the far end of time when there is none.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    /// The instant a duration earlier; the far beginning of time when there is none.
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// How long after an earlier instant this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with as many digits of the second as it has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_micros(self.0) {
            Some(instant) => f.write_str(&instant.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            None => write!(f, "{} µs after 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_and_shown_in_utc() {
        let noon = Timestamp::parse("2026-01-31T13:00:00.5+01:00").unwrap();
        assert_eq!(noon.to_string(), "2026-01-31T12:00:00.500Z");
        assert_eq!(Timestamp::parse("yesterday"), Err(InvalidTime));
    }

    #[test]
    fn the_bounds_are_what_they_say() {
        assert_eq!(Timestamp::parse("0001-01-01T00:00:00Z"), Ok(Timestamp::MIN));
        assert_eq!(Timestamp::parse("9000-01-01T00:00:00Z"), Ok(Timestamp::MAX));
    }
}
