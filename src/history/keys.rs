//! The keys of the rows: bytes that sort as what they stand for. All trees are one tree of the store, and the first byte of a key
//! tells them apart: so whatever is written at once is written whole or not at all, in whichever way it is written.

use super::{Clock, HistoryError, Kind};
use crate::{
    codec::Fingerprint,
    domain::{Day, Timestamp},
    journal::Lsn,
};

/// The number of a merchant within the history, from 1, in the order in which merchants were opened. Shorter than its id, and so
/// are the keys.
pub(super) type Number = u32;

/// The trees, in the order in which they lie and are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Tree {
    /// Small facts about the history itself.
    Meta = 1,
    /// Id of a merchant → its number.
    Merchants = 2,
    /// Number of a merchant → its id.
    Names = 3,
    /// Merchant, number of the first one → facts.
    Entries = 4,
    /// Merchant, number → the state after that fact.
    Snapshots = 5,
    /// Merchant, what, date, first number → numbers of facts.
    Dates = 6,
    /// Merchant, kind, first number → numbers of facts.
    Kinds = 7,
    /// Merchant, number of a release → the release.
    Releases = 8,
    /// Merchant, number, number of a fact about that → how many there are up to it.
    Later = 9,
    /// Fingerprint → what later facts made of it.
    Standings = 10,
    /// Level, bucket, time → ids.
    Ids = 11,
    /// Position of the first one → what records say.
    Events = 12,
    /// Version → policy.
    Policies = 13,
    /// Clock, settlement day → what it changed over all merchants.
    Days = 14,
    /// Day of completion, merchant, position → what settled on T+2.
    Quick = 15,
}

/// What is arranged by date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dated {
    /// Orders, by when they settle.
    Orders = 1,
    /// Settlements, by when they were due.
    Settlements = 2,
}

/// A small fact about the history itself.
pub(super) fn meta(name: &str) -> Vec<u8> {
    text(Tree::Meta, name)
}

/// The number of a merchant.
pub(super) fn merchant(id: &str) -> Vec<u8> {
    text(Tree::Merchants, id)
}

fn text(tree: Tree, text: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + text.len());
    key.push(tree as u8);
    key.extend_from_slice(text.as_bytes());
    key
}

/// The text with which a key ends.
pub(super) fn ending_text(key: &[u8]) -> &[u8] {
    key.get(1..).unwrap_or_default()
}

/// The id of a merchant.
pub(super) fn name(merchant: Number) -> [u8; 5] {
    join(&[&[Tree::Names as u8], &merchant.to_be_bytes()])
}

/// Something of a merchant that has a number.
pub(super) fn numbered(tree: Tree, merchant: Number, number: u64) -> [u8; 13] {
    join(&[&[tree as u8], &merchant.to_be_bytes(), &number.to_be_bytes()])
}

/// The facts of a merchant that begin with this number.
pub(super) fn entries(merchant: Number, first: u64) -> [u8; 13] {
    numbered(Tree::Entries, merchant, first)
}

/// A fact about an earlier one.
pub(super) fn later(merchant: Number, subject: u64, number: u64) -> [u8; 21] {
    join(&[&[Tree::Later as u8], &merchant.to_be_bytes(), &subject.to_be_bytes(), &number.to_be_bytes()])
}

/// The number of the fact that the later one is about.
pub(super) fn later_subject(key: &[u8]) -> Result<u64, HistoryError> {
    let subject = key.get(5..13).and_then(|bytes| bytes.try_into().ok()).ok_or_else(too_short)?;
    Ok(u64::from_be_bytes(subject))
}

pub(super) fn date(merchant: Number, dated: Dated, at: Timestamp, number: u64) -> [u8; 22] {
    let at = signed_64(at.micros());
    join(&[&[Tree::Dates as u8], &merchant.to_be_bytes(), &[dated as u8], &at, &number.to_be_bytes()])
}

pub(super) fn kind(merchant: Number, kind: Kind, number: u64) -> [u8; 14] {
    join(&[&[Tree::Kinds as u8], &merchant.to_be_bytes(), &[kind.number()], &number.to_be_bytes()])
}

/// What later facts made of an earlier one.
pub(super) fn standing(fingerprint: Fingerprint) -> [u8; 17] {
    join(&[&[Tree::Standings as u8], &fingerprint.get().to_be_bytes()])
}

/// The ids of a bucket that were written at this time.
pub(super) fn ids(level: u8, bucket: u32, time: u64) -> [u8; 14] {
    join(&[&[Tree::Ids as u8, level], &bucket.to_be_bytes(), &time.to_be_bytes()])
}

/// The bucket of a key of ids.
pub(super) fn bucket(key: &[u8]) -> Result<u32, HistoryError> {
    let bucket = key.get(2..6).and_then(|bytes| bytes.try_into().ok()).ok_or_else(too_short)?;
    Ok(u32::from_be_bytes(bucket))
}

pub(super) fn events(first: Lsn) -> [u8; 9] {
    join(&[&[Tree::Events as u8], &first.get().to_be_bytes()])
}

pub(super) fn policy(version: u64) -> [u8; 9] {
    join(&[&[Tree::Policies as u8], &version.to_be_bytes()])
}

pub(super) fn day(clock: Clock, day: Day) -> [u8; 6] {
    join(&[&[Tree::Days as u8, clock as u8], &signed_32(day.0)])
}

/// A merchant on a day of completion.
pub(super) fn quick(day: Day, merchant: Number, lsn: Lsn) -> [u8; 17] {
    join(&[&[Tree::Quick as u8], &signed_32(day.0), &merchant.to_be_bytes(), &lsn.get().to_be_bytes()])
}

/// The merchant of a key of what settled on T+2.
pub(super) fn quick_merchant(key: &[u8]) -> Result<Number, HistoryError> {
    let merchant = key.get(5..9).and_then(|bytes| bytes.try_into().ok()).ok_or_else(too_short)?;
    Ok(Number::from_be_bytes(merchant))
}

/// The number with which a key ends.
pub(super) fn number(key: &[u8]) -> Result<u64, HistoryError> {
    let (_, bytes) = key.split_last_chunk().ok_or_else(too_short)?;
    Ok(u64::from_be_bytes(*bytes))
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
            prop_assert_eq!(entries(a.0, a.1).cmp(&entries(b.0, b.1)), a.cmp(&b));
            prop_assert_eq!(number(&entries(a.0, a.1)), Ok(a.1));
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
        fn days_of_completion_sort_before_merchants(a: (i32, u32, u64), b: (i32, u32, u64)) {
            let key = |(number, merchant, lsn)| quick(Day(number), merchant, Lsn::new(lsn));
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            prop_assert_eq!(quick_merchant(&key(a)), Ok(a.1));
        }

        #[test]
        fn ids_sort_by_level_then_bucket_then_time(a: (u8, u32, u64), b: (u8, u32, u64)) {
            prop_assert_eq!(ids(a.0, a.1, a.2).cmp(&ids(b.0, b.1, b.2)), a.cmp(&b));
            prop_assert_eq!((bucket(&ids(a.0, a.1, a.2)), number(&ids(a.0, a.1, a.2))), (Ok(a.1), Ok(a.2)));
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
