//! Places in the journal, as watchers are told them.

use std::{fmt, str::FromStr};

use crate::journal::Lsn;

/// A place in the journal: the position of a record, and which of the things in the record it is, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    lsn: Lsn,
    index: u32,
}

/// A text that is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no position that was told, like 0 or 17.2")]
pub struct InvalidPosition;

impl Position {
    /// Before everything.
    pub const START: Self = Self { lsn: Lsn::ZERO, index: 0 };

    /// After everything in a record.
    pub const fn end_of(lsn: Lsn) -> Self {
        Self { lsn, index: u32::MAX }
    }

    /// The position of the record after it.
    pub const fn next_record(self) -> Lsn {
        self.lsn.next()
    }

    /// Whether it lies in a record behind this one.
    pub fn is_after(self, lsn: Lsn) -> bool {
        self.lsn > lsn
    }
}

impl From<(Lsn, u32)> for Position {
    fn from((lsn, index): (Lsn, u32)) -> Self {
        Self { lsn, index }
    }
}

impl From<Position> for (Lsn, u32) {
    fn from(Position { lsn, index }: Position) -> Self {
        (lsn, index)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lsn == Lsn::ZERO { f.write_str("0") } else { write!(f, "{}.{}", self.lsn, self.index) }
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        if text == "0" {
            return Ok(Self::START);
        }
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (lsn, index) =
            text.split_once('.').filter(|(lsn, index)| digits(lsn) && digits(index)).ok_or(InvalidPosition)?;
        let lsn = Lsn::new(lsn.parse().map_err(|_| InvalidPosition)?);
        Ok(Self { lsn, index: index.parse().map_err(|_| InvalidPosition)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_told() {
        for position in [Position::START, Position::from((Lsn::new(17), 2)), Position::end_of(Lsn::new(5))] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for bad in ["", "1", "1.", ".1", "-1.0", "1.0.0", "a", "+1.0", "1.4294967296"] {
            assert_eq!(bad.parse::<Position>(), Err(InvalidPosition), "{bad:?}");
        }
    }
}
