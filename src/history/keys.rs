//! The keys of the trees: bytes that sort as what they stand for.

use super::{Clock, HistoryError, Kind};
use crate::{
    codec::Fingerprint,
    domain::{Day, Timestamp},
    journal::Lsn,
};

/// The number of a merchant within the history, from 1, in the order in which merchants were opened. Shorter than its id, and so
/// are the keys.
pub(super) type Number = u32;

/// What is arranged by date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dated {
    /// Orders, by when they settle.
    Orders = 1,
    /// Settlements, by when they were due.
    Settlements = 2,
}

pub(super) const fn merchant(merchant: Number) -> [u8; 4] {
    merchant.to_be_bytes()
}

pub(super) const fn lsn(lsn: Lsn) -> [u8; 8] {
    lsn.get().to_be_bytes()
}

pub(super) const fn id(fingerprint: Fingerprint) -> [u8; 16] {
    fingerprint.get().to_be_bytes()
}

/// A fact of a merchant, or a release of it.
pub(super) fn fact(merchant: Number, number: u64) -> [u8; 12] {
    join(&[&merchant.to_be_bytes(), &number.to_be_bytes()])
}

/// A fact about an earlier one.
pub(super) fn later(merchant: Number, subject: u64, number: u64) -> [u8; 20] {
    join(&[&merchant.to_be_bytes(), &subject.to_be_bytes(), &number.to_be_bytes()])
}

/// The number of the fact that the later one is about.
pub(super) fn later_subject(key: &[u8]) -> Result<u64, HistoryError> {
    let subject = key.get(4..12).and_then(|bytes| bytes.try_into().ok()).ok_or_else(too_short)?;
    Ok(u64::from_be_bytes(subject))
}

pub(super) fn date(merchant: Number, dated: Dated, at: Timestamp, number: u64) -> [u8; 21] {
    join(&[&merchant.to_be_bytes(), &[dated as u8], &signed_64(at.micros()), &number.to_be_bytes()])
}

pub(super) fn kind(merchant: Number, kind: Kind, number: u64) -> [u8; 13] {
    join(&[&merchant.to_be_bytes(), &[kind.number()], &number.to_be_bytes()])
}

pub(super) fn day(clock: Clock, day: Day) -> [u8; 5] {
    join(&[&[clock as u8], &signed_32(day.0)])
}

/// A merchant on a day of completion.
pub(super) fn quick(day: Day, merchant: Number) -> [u8; 8] {
    join(&[&signed_32(day.0), &merchant.to_be_bytes()])
}

/// The number of the fact with which a key ends.
pub(super) fn number(key: &[u8]) -> Result<u64, HistoryError> {
    let (_, bytes) = key.split_last_chunk().ok_or_else(too_short)?;
    Ok(u64::from_be_bytes(*bytes))
}

/// Day of completion and merchant.
pub(super) fn decode_quick(key: &[u8]) -> Result<(Day, Number), HistoryError> {
    let (day, rest) = key.split_first_chunk().ok_or_else(too_short)?;
    let merchant = rest.try_into().map_err(|_| too_short())?;
    Ok((Day(u32::from_be_bytes(*day).wrapping_add(1 << 31).cast_signed()), u32::from_be_bytes(merchant)))
}

pub(super) fn too_short() -> HistoryError {
    HistoryError::damaged("a row that is too short")
}

/// The sign bit is turned over, so that what is below zero sorts first.
const fn signed_64(number: i64) -> [u8; 8] {
    (number.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

const fn signed_32(number: i32) -> [u8; 4] {
    (number.cast_unsigned() ^ (1 << 31)).to_be_bytes()
}

fn join<const LEN: usize>(parts: &[&[u8]]) -> [u8; LEN] {
    let mut key = [0; LEN];
    key.iter_mut().zip(parts.iter().flat_map(|part| part.iter())).for_each(|(to, from)| *to = *from);
    key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn facts_sort_by_merchant_then_number(a: (u32, u64), b: (u32, u64)) {
            prop_assert_eq!(fact(a.0, a.1).cmp(&fact(b.0, b.1)), a.cmp(&b));
        }

        #[test]
        fn later_facts_sort_by_what_they_are_about(a: (u32, u64, u64), b: (u32, u64, u64)) {
            prop_assert_eq!(later(a.0, a.1, a.2).cmp(&later(b.0, b.1, b.2)), a.cmp(&b));
            prop_assert_eq!(later_subject(&later(a.0, a.1, a.2)), Ok(a.1));
        }

        #[test]
        fn dates_sort_by_instant_then_number(a: (u32, i64, u64), b: (u32, i64, u64)) {
            let key = |(merchant, at, number)| date(merchant, Dated::Orders, Timestamp::from_micros(at), number);
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(number(&key(a)), Ok(a.2));
        }

        #[test]
        fn days_sort_by_clock_then_day(a: (bool, i32), b: (bool, i32)) {
            let key = |(recorded, number)| day(if recorded { Clock::Recorded } else { Clock::Effective }, Day(number));
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
        }

        #[test]
        fn days_of_completion_sort_before_merchants(a: (i32, u32), b: (i32, u32)) {
            let key = |(number, merchant)| quick(Day(number), merchant);
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(decode_quick(&key(a)), Ok((Day(a.0), a.1)));
        }

        #[test]
        fn kinds_of_a_merchant_stand_apart(merchant: u32, a: (usize, u64), b: (usize, u64)) {
            let of = |index: usize| Kind::ALL[index % Kind::ALL.len()];
            let order = (of(a.0), a.1).cmp(&(of(b.0), b.1));
            prop_assert_eq!(kind(merchant, of(a.0), a.1).cmp(&kind(merchant, of(b.0), b.1)), order);
        }
    }

    #[test]
    fn every_kind_has_its_number() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(*kind));
        }
        assert_eq!((Kind::from_number(0), Kind::from_number(24)), (None, None));
    }
}
