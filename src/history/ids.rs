//! What is known under which fingerprint: sorted pieces of ids, in buckets.
//!
//! Fingerprints are random, so a row for each would have the store carry all of them about again and again. Here a row holds many:
//! those of one batch that begin with the same bits. Level by level there are eight times as many buckets, and when a bucket has
//! filled up, all it holds moves to the eight buckets of the next level that it stands for. So an id is rewritten once a level, a
//! hundred with one row, and is found by looking through one bucket of each level. Each batch moves as many as it brings.

use std::collections::BTreeMap;

use super::{
    HistoryError,
    keys::{self, Number, Tree},
    trees::View,
    write::Sink,
};
use crate::codec::Fingerprint;

/// How many bits of the fingerprint tell the buckets of a level apart that those of the level before did not.
const BITS: u32 = 3;
/// The highest level there can be.
const MOST_LEVELS: u8 = 10;
/// How many ids a row should hold at least.
const SMALL: usize = 64;
/// How many ids fill a bucket.
const FULL: usize = SMALL << BITS;
/// How many rows of a bucket are made one, if they do not fill it.
const ROWS: usize = 8;
/// Bytes of an id: fingerprint, merchant, number.
const LEN: usize = 16 + 4 + 5;

/// Where a fact is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) fingerprint: u128,
    pub(super) merchant: Number,
    pub(super) number: u64,
}

impl Id {
    fn put(self, row: &mut Vec<u8>) {
        row.extend_from_slice(&self.fingerprint.to_be_bytes());
        row.extend_from_slice(&self.merchant.to_be_bytes());
        let [_, _, _, number @ ..] = self.number.to_be_bytes();
        row.extend_from_slice(&number);
    }

    fn read(bytes: &[u8; LEN]) -> Self {
        let (fingerprint, rest) = bytes.split_at(16);
        let (merchant, number) = rest.split_at(4);
        let fold = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte));
        #[allow(clippy::cast_possible_truncation, reason = "as many bytes as were taken")]
        Self { fingerprint: fold(fingerprint), merchant: fold(merchant) as Number, number: fold(number) as u64 }
    }

    /// The bucket of a level in which it lies.
    #[allow(clippy::cast_possible_truncation, reason = "at most 30 bits are left")]
    const fn bucket(fingerprint: u128, level: u8) -> u32 {
        let bits = BITS * level as u32;
        if bits == 0 { 0 } else { (fingerprint >> (128 - bits)) as u32 }
    }
}

/// The ids of a row.
pub(super) fn read(row: &[u8]) -> Result<&[[u8; LEN]], HistoryError> {
    match row.as_chunks() {
        (ids, []) => Ok(ids),
        _ => Err(HistoryError::damaged("a row with part of an id")),
    }
}

/// The fingerprint of an id of a row.
pub(super) fn fingerprint(id: &[u8; LEN]) -> Fingerprint {
    let (high, _) = id.split_first_chunk().unwrap_or((&[0; 16], &[]));
    Fingerprint::new(u128::from_be_bytes(*high))
}

/// Looks for an id in a row.
fn search(row: &[u8], wanted: u128) -> Result<Option<Id>, HistoryError> {
    let ids = read(row)?;
    let found = ids.binary_search_by_key(&wanted, |id| fingerprint(id).get());
    Ok(found.ok().and_then(|at| ids.get(at)).map(Id::read))
}

/// Looks for an id. Most lie in the highest level.
pub(super) fn find(view: &View, wanted: Fingerprint) -> Result<Option<Id>, HistoryError> {
    for level in (0..view.ledger.levels()).rev() {
        let bucket = Id::bucket(wanted.get(), level);
        for row in view.range(keys::ids(level, bucket, 0), keys::ids(level, bucket, u64::MAX)) {
            if let Some(id) = search(&row.value()?, wanted.get())? {
                return Ok(Some(id));
            }
        }
    }
    Ok(None)
}

/// Looks for many ids, sorted, and answers which of them are not there as they should be. The lowest levels have the latest.
pub(super) fn missing(view: &View, mut wanted: Vec<Id>) -> Result<Vec<Id>, HistoryError> {
    for level in 0..view.ledger.levels() {
        let mut left = Vec::new();
        for of_bucket in wanted.chunk_by(|a, b| Id::bucket(a.fingerprint, level) == Id::bucket(b.fingerprint, level)) {
            let bucket = of_bucket.first().map_or(0, |id| Id::bucket(id.fingerprint, level));
            let rows = view.range(keys::ids(level, bucket, 0), keys::ids(level, bucket, u64::MAX));
            let rows = rows.map(|row| row.value()).collect::<Result<Vec<_>, _>>()?;
            for id in of_bucket {
                let mut found = None;
                for row in &rows {
                    found = found.or(search(row, id.fingerprint)?);
                }
                if found != Some(*id) {
                    left.push(*id);
                }
            }
        }
        wanted = left;
    }
    Ok(wanted)
}

/// Hands over every fingerprint.
pub(super) fn all(view: &View, visit: &mut dyn FnMut(Fingerprint)) -> Result<(), HistoryError> {
    for row in view.range([Tree::Ids as u8], [Tree::Ids as u8 + 1]) {
        read(&row.value()?)?.iter().for_each(|id| visit(fingerprint(id)));
    }
    Ok(())
}

/// The level at which so many ids come in.
fn level(ids: usize) -> u8 {
    (0..MOST_LEVELS).rev().find(|level| SMALL << (BITS * u32::from(*level)) <= ids).unwrap_or(0)
}

/// What a batch does to the ids.
pub(super) struct Change {
    /// Rows by key; none: the row goes.
    rows: BTreeMap<[u8; 14], Option<Vec<u8>>>,
    time: u64,
}

impl Change {
    /// New ids at a time that was not there before, and what has to move because of them. `cursors` tell how far the moving has got
    /// in each level.
    pub(super) fn of(view: &View, mut ids: Vec<Id>, time: u64, cursors: &mut Vec<u32>) -> Result<Self, HistoryError> {
        let mut change = Self { rows: BTreeMap::new(), time };
        if ids.is_empty() {
            return Ok(change);
        }
        ids.sort_unstable();
        let entry = level(ids.len());
        if cursors.len() <= usize::from(entry) {
            cursors.resize(usize::from(entry) + 1, 0);
        }
        change.put(entry, &ids);
        let share = 1_u32 << (BITS * u32::from(entry)).saturating_sub(BITS);
        for level in entry..view.ledger.levels() {
            let Some(cursor) = cursors.get_mut(usize::from(level)) else { break };
            let first = *cursor;
            let last = (first + share).min(1 << (BITS * u32::from(level))) - 1;
            *cursor = if last + 1 == 1 << (BITS * u32::from(level)) { 0 } else { last + 1 };
            let is_raised = change.tidy(view, level, (first, last))?;
            if is_raised && cursors.len() <= usize::from(level) + 1 {
                cursors.push(0);
            }
        }
        Ok(change)
    }

    /// Writes all rows.
    pub(super) fn write(self, sink: &mut Sink<'_>) -> Result<(), HistoryError> {
        self.rows.into_iter().try_for_each(|(key, row)| match row {
            Some(row) => sink.put(&key, &row),
            None => sink.remove(&key),
        })
    }

    /// Adds sorted ids to the buckets of a level.
    fn put(&mut self, level: u8, ids: &[Id]) {
        for of_bucket in ids.chunk_by(|a, b| Id::bucket(a.fingerprint, level) == Id::bucket(b.fingerprint, level)) {
            let bucket = of_bucket.first().map_or(0, |id| Id::bucket(id.fingerprint, level));
            let row = self.rows.entry(keys::ids(level, bucket, self.time)).or_default();
            // Another level may have moved some there already.
            let mut all: Vec<_> = row.iter().flat_map(|row| row.as_chunks().0).map(Id::read).collect();
            all.extend(of_bucket);
            all.sort_unstable();
            let mut bytes = Vec::with_capacity(all.len() * LEN);
            all.iter().for_each(|id| id.put(&mut bytes));
            *row = Some(bytes);
        }
    }

    /// Looks through some buckets of a level for what has to move. Answers whether anything went to the next level.
    fn tidy(&mut self, view: &View, level: u8, (first, last): (u32, u32)) -> Result<bool, HistoryError> {
        let rows = view.range(keys::ids(level, first, 0), keys::ids(level, last, u64::MAX));
        let (mut held, mut bucket, mut is_raised) = (Vec::new(), first, false);
        for row in rows {
            let (key, row) = row.into_inner()?;
            let of = keys::bucket(&key)?;
            if of != bucket {
                is_raised |= self.tidy_bucket(level, bucket, &held)?;
                held.clear();
                bucket = of;
            }
            held.push((keys::number(&key)?, row));
        }
        Ok(is_raised | self.tidy_bucket(level, bucket, &held)?)
    }

    fn tidy_bucket(&mut self, level: u8, bucket: u32, held: &[(u64, fjall::Slice)]) -> Result<bool, HistoryError> {
        let count = held.iter().map(|(_, row)| row.len() / LEN).sum::<usize>();
        let is_full = count >= FULL && level + 1 < MOST_LEVELS;
        if !is_full && held.len() < ROWS {
            return Ok(false);
        }
        let mut ids = Vec::with_capacity(count);
        for (time, row) in held {
            ids.extend(read(row)?.iter().map(Id::read));
            self.rows.insert(keys::ids(level, bucket, *time), None);
        }
        ids.sort_unstable();
        self.put(if is_full { level + 1 } else { level }, &ids);
        Ok(is_full)
    }
}
