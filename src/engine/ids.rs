//! Which ids are known, and where to find what is known under them.

use crate::codec::Fingerprint;

/// A table of fingerprints, in pieces that grow one by one: no insertion moves more than a piece, and no two pieces grow at the same
/// time but by chance.
///
/// At ten million ids the cost of a look is the cache miss, not the arithmetic: so an entry is two words in place, in a row with its
/// neighbours, and whoever looks for many [touches](Ids::touch) them first, so that the misses overlap. An entry has only half of the
/// fingerprint; whether what lies in a place is what is looked for, the caller says, and is asked only where that half fits.
pub(super) struct Ids {
    pieces: Box<[Piece]>,
    len: usize,
}

/// Where something is: any number but zero.
pub(super) type Place = std::num::NonZeroU64;

/// A table with linear probing, at most [`FULL`] full.
#[derive(Default)]
struct Piece {
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// The upper half of the fingerprint.
    high: u64,
    place: Option<Place>,
}

/// At fifty million ids, a piece has twelve thousand: 0.3 MB.
const PIECES: usize = 4_096;
/// The first size of a piece is spread between this and half as much again, so that they grow at different times.
const FIRST_SIZE: usize = 32;
/// How full a piece may be, in tenths.
const FULL: usize = 7;
/// A piece of which less than such a share is used becomes smaller by half.
const EMPTY: usize = 6;

impl Ids {
    pub(super) fn new() -> Self {
        Self { pieces: std::iter::repeat_with(Piece::default).take(PIECES).collect(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, fingerprint: Fingerprint, is_it: impl Fn(Place) -> bool) -> Option<Place> {
        let (high, low) = fingerprint.halves();
        let piece = self.pieces.get(number_of(low))?;
        piece.slots.get(piece.find(high, is_it)?)?.place
    }

    /// Brings the place where a fingerprint would be near to the processor. What it answers means nothing.
    pub(super) fn touch(&self, fingerprint: Fingerprint) -> u64 {
        let (high, low) = fingerprint.halves();
        let slot = self.pieces.get(number_of(low)).and_then(|piece| piece.slots.get(piece.home(high)));
        slot.map_or(0, |slot| slot.high)
    }

    /// Notes where something is. Answers where it was before.
    pub(super) fn put(
        &mut self,
        fingerprint: Fingerprint,
        place: Place,
        is_it: impl Fn(Place) -> bool,
    ) -> Option<Place> {
        let (high, low) = fingerprint.halves();
        let number = number_of(low);
        let piece = self.pieces.get_mut(number)?;
        if piece.used * 10 >= piece.slots.len() * FULL {
            piece.resize(if piece.slots.is_empty() { first_size(number) } else { piece.slots.len() * 3 / 2 });
        }
        let at = piece.find(high, is_it)?;
        let slot = piece.slots.get_mut(at)?;
        let before = slot.place.replace(place);
        if before.is_none() {
            slot.high = high;
            piece.used += 1;
            self.len += 1;
        }
        before
    }

    /// Takes away what is in a place. Answers the place, if it was there.
    pub(super) fn remove(&mut self, fingerprint: Fingerprint, is_it: impl Fn(Place) -> bool) -> Option<Place> {
        let (high, low) = fingerprint.halves();
        let number = number_of(low);
        let piece = self.pieces.get_mut(number)?;
        let at = piece.find(high, is_it)?;
        let place = piece.slots.get(at)?.place?;
        piece.clear(at);
        self.len -= 1;
        if piece.used * EMPTY < piece.slots.len() && piece.slots.len() / 2 >= first_size(number) {
            piece.resize(piece.slots.len() / 2);
        }
        Some(place)
    }
}

impl Piece {
    /// Where the search for a fingerprint begins: its upper half as a fraction of the table.
    #[allow(clippy::cast_possible_truncation, reason = "below the length")]
    fn home(&self, high: u64) -> usize {
        ((u128::from(high) * self.slots.len() as u128) >> 64) as usize
    }

    /// Where a fingerprint is, or is to be put. None: the table has no slots.
    fn find(&self, high: u64, is_it: impl Fn(Place) -> bool) -> Option<usize> {
        let (before, after) = self.slots.split_at(self.home(high));
        let fits = |slot: &Slot| slot.place.is_none_or(|place| slot.high == high && is_it(place));
        after.iter().position(fits).map(|at| before.len() + at).or_else(|| before.iter().position(fits))
    }

    /// Empties a slot. What was put behind it because it was full moves up, so that it is found.
    fn clear(&mut self, at: usize) {
        let len = self.slots.len();
        let mut hole = at;
        self.used -= 1;
        // At least one slot is empty, so this ends.
        for step in 1..len {
            let next = (at + step) % len;
            let Some(slot) = self.slots.get(next).copied().filter(|slot| slot.place.is_some()) else { break };
            // How far it lies behind its home, and behind the hole: it must not come before its home.
            let from_home = (next + len - self.home(slot.high)) % len;
            let from_hole = (next + len - hole) % len;
            if from_home >= from_hole
                && let Some(empty) = self.slots.get_mut(hole)
            {
                *empty = slot;
                hole = next;
            }
        }
        if let Some(empty) = self.slots.get_mut(hole) {
            *empty = Slot::default();
        }
    }

    fn resize(&mut self, size: usize) {
        let slots = std::mem::replace(&mut self.slots, vec![Slot::default(); size]);
        for slot in slots.iter().filter(|slot| slot.place.is_some()) {
            // Those in it are all different.
            if let Some(free) = self.find(slot.high, |_| false).and_then(|at| self.slots.get_mut(at)) {
                *free = *slot;
            }
        }
    }
}

#[allow(clippy::cast_possible_truncation, reason = "below the number of pieces")]
const fn number_of(low: u64) -> usize {
    low as usize % PIECES
}

const fn first_size(number: usize) -> usize {
    FIRST_SIZE + FIRST_SIZE / 2 * number / PIECES
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// Fingerprints that look random, as they do.
    fn some(n: u64) -> Fingerprint {
        let mix = |n: u64| (n ^ n >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n << 17;
        Fingerprint::from_halves((mix(mix(n)), mix(mix(n + 7))))
    }

    fn place(n: u64) -> Place {
        Place::new(n + 1).unwrap()
    }

    fn get(ids: &Ids, n: u64) -> Option<Place> {
        ids.get(some(n), |there| there == place(n))
    }

    fn put(ids: &mut Ids, n: u64) -> Option<Place> {
        ids.put(some(n), place(n), |there| there == place(n))
    }

    #[test]
    fn what_was_put_is_found_and_nothing_else() {
        let mut ids = Ids::new();
        let known = 1_000_000;
        for n in 0..known {
            assert_eq!((get(&ids, n), put(&mut ids, n)), (None, None));
        }
        assert!((0..known).all(|n| get(&ids, n) == Some(place(n))));
        assert!((known..2 * known).all(|n| get(&ids, n).is_none()));
        assert_eq!(ids.put(some(7), place(8), |there| there == place(7)), Some(place(7)));
        assert_eq!((ids.get(some(7), |there| there == place(8)), ids.len()), (Some(place(8)), 1_000_000));
    }

    #[test]
    fn what_is_let_go_is_gone_and_the_rest_stays() {
        let mut ids = Ids::new();
        assert!((0..100_000).all(|n| put(&mut ids, n).is_none()));
        let removed = |ids: &mut Ids, n| ids.remove(some(n), |there| there == place(n));
        for n in (0..100_000).filter(|n| n % 10 != 0) {
            assert_eq!((removed(&mut ids, n), removed(&mut ids, n)), (Some(place(n)), None));
        }
        assert_eq!(ids.len(), 10_000);
        assert!((0..100_000).all(|n| get(&ids, n).is_some() == (n % 10 == 0)));
        let slots: usize = ids.pieces.iter().map(|piece| piece.slots.len()).sum();
        assert!(slots < 200_000, "{slots} slots for 10,000");
        assert!((0..100_000).filter(|n| n % 10 == 0).all(|n| removed(&mut ids, n).is_some()));
        assert_eq!(ids.len(), 0);
    }

    /// Every way of lying behind each other, around the end of a piece too: fingerprints of one piece with few homes, of which some have
    /// the upper half in common.
    #[test]
    fn crowded_pieces_do_as_a_map_does() {
        let crowded = |n: u64| Fingerprint::from_halves((((n % 5) << 61) | ((n / 3) << 59), n << 12 | 7));
        let (mut ids, mut map, mut dice) = (Ids::new(), HashMap::new(), 1_u64);
        for round in 0..200_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let n = (dice >> 33) % 60;
            let (id, new) = (crowded(n), place(n << 32 | round));
            let is_it = |there: Place| (there.get() - 1) >> 32 == n;
            if dice >> 63 == 0 {
                assert_eq!(ids.put(id, new, is_it), map.insert(n, new));
            } else {
                assert_eq!(ids.remove(id, is_it), map.remove(&n));
            }
            let n = round % 60;
            assert_eq!(ids.get(crowded(n), |there| (there.get() - 1) >> 32 == n), map.get(&n).copied());
            assert_eq!(ids.len(), map.len());
        }
    }
}
