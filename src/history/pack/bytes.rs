//! Numbers as they stand in packed rows: seven bits a byte, those below zero folded between the others.

use crate::history::{HistoryError, keys::too_short};

/// Adds a number.
pub(super) fn put(row: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        row.push(number as u8 | 0x80);
        number >>= 7;
    }
    row.push(number as u8);
}

/// Adds a number that may be below zero, and of any size.
pub(super) fn put_signed(row: &mut Vec<u8>, number: i128) {
    let mut folded = ((number << 1) ^ (number >> 127)).cast_unsigned();
    while folded > u64::MAX.into() {
        row.push(folded as u8 | 0x80);
        folded >>= 7;
    }
    put(row, folded as u64);
}

/// Adds bytes with their length before them.
pub(super) fn put_bytes(row: &mut Vec<u8>, bytes: &[u8]) {
    put(row, bytes.len() as u64);
    row.extend_from_slice(bytes);
}

/// What is left of a row to be read.
#[derive(Clone, Copy)]
pub(in crate::history) struct Rest<'a>(pub(in crate::history) &'a [u8]);

impl<'a> Rest<'a> {
    /// Whether everything is read.
    pub(super) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Result<u8, HistoryError> {
        let (byte, rest) = self.0.split_first().ok_or_else(too_short)?;
        self.0 = rest;
        Ok(*byte)
    }

    /// The next number.
    pub(super) fn number(&mut self) -> Result<u64, HistoryError> {
        match self.0.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*byte))
            }
            _ => u64::try_from(self.wide()?).map_err(|_| too_large()),
        }
    }

    /// The next number that may be below zero.
    pub(super) fn signed(&mut self) -> Result<i128, HistoryError> {
        let folded = self.wide()?;
        Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }

    fn wide(&mut self) -> Result<u128, HistoryError> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            number |= u128::from(byte & 0x7f).checked_shl(shift).ok_or_else(too_large)?;
            if byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    /// So many bytes.
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], HistoryError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or_else(too_short)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Bytes that have their length before them.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], HistoryError> {
        let len = self.number()?;
        self.take(usize::try_from(len).map_err(|_| too_large())?)
    }

    /// The same as text.
    pub(super) fn text(&mut self) -> Result<&'a str, HistoryError> {
        std::str::from_utf8(self.bytes()?).map_err(|error| HistoryError::damaged(error.to_string()))
    }
}

pub(super) fn too_large() -> HistoryError {
    HistoryError::damaged("a number that is too large")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_survive(number: u64, signed: i128, small: i16, bytes: Vec<u8>) {
            let mut row = vec![];
            put(&mut row, number);
            put_signed(&mut row, signed);
            put_signed(&mut row, small.into());
            put_bytes(&mut row, &bytes);
            let mut rest = Rest(&row);
            prop_assert_eq!((rest.number(), rest.signed(), rest.signed()), (Ok(number), Ok(signed), Ok(small.into())));
            prop_assert_eq!(rest.bytes(), Ok(&*bytes));
            prop_assert!(rest.is_empty() && rest.byte().is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut rest = Rest(&bytes);
            while rest.signed().is_ok() {}
            prop_assert!(Rest(&bytes).bytes().is_ok() || Rest(&bytes).bytes().is_err());
        }
    }
}
