//! Rows of records: what consecutive records of the journal say, the position of the first one in the key.

use super::bytes::{Rest, put, too_large};
use crate::history::{HistoryError, keys::Number};

/// How many records a row holds at most.
pub(in crate::history) const MOST_RECORDS: usize = 256;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::history) enum Packed {
    /// Nothing that the history keeps.
    Nothing,
    /// That a policy was announced, of this version.
    Policy(u64),
    /// Facts of a merchant.
    Facts {
        /// The merchant.
        merchant: Number,
        /// The number of the first one.
        first: u64,
        /// How many.
        count: u32,
    },
}

/// Adds a record to a row.
pub(in crate::history) fn pack_record(row: &mut Vec<u8>, record: Packed) {
    match record {
        Packed::Nothing => put(row, 0),
        Packed::Policy(version) => {
            put(row, 1);
            put(row, version);
        }
        Packed::Facts { merchant, first, count } => {
            put(row, u64::from(merchant) + 1);
            put(row, count.into());
            put(row, first);
        }
    }
}

/// Reads a row of records.
pub(in crate::history) struct Records<'a>(pub(in crate::history) Rest<'a>);

impl Records<'_> {
    fn record(&mut self) -> Result<Packed, HistoryError> {
        Ok(match self.0.number()? {
            0 => Packed::Nothing,
            1 => Packed::Policy(self.0.number()?),
            more => {
                let merchant = Number::try_from(more - 1).map_err(|_| too_large())?;
                let count = u32::try_from(self.0.number()?).map_err(|_| too_large())?;
                Packed::Facts { merchant, first: self.0.number()?, count }
            }
        })
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Packed, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            self.0 = Rest(&[]);
        }
        Some(record)
    }
}
