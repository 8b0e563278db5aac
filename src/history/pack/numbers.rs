//! Rows of numbers of facts: rising, the first of them in the key.

use super::bytes::{Rest, put};
use crate::history::HistoryError;

/// How many numbers a row holds at most.
pub(in crate::history) const MOST_NUMBERS: usize = 512;

/// The row for these numbers, which rise.
pub(in crate::history) fn pack_numbers(numbers: &[u64]) -> Vec<u8> {
    let mut row = Vec::with_capacity(numbers.len());
    for (before, next) in numbers.iter().zip(numbers.iter().skip(1)) {
        put(&mut row, next.saturating_sub(*before));
    }
    row
}

/// Reads such a row, the first number included.
pub(in crate::history) struct Numbers<'a> {
    next: Option<u64>,
    rest: Rest<'a>,
}

impl<'a> Numbers<'a> {
    /// Reads a row whose key ends with this number.
    pub(in crate::history) const fn new(first: u64, row: &'a [u8]) -> Self {
        Self { next: Some(first), rest: Rest(row) }
    }
}

impl Iterator for Numbers<'_> {
    type Item = Result<u64, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.next.take()?;
        if !self.rest.is_empty() {
            match self.rest.number() {
                Ok(by) => self.next = Some(number.saturating_add(by)),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(number))
    }
}
