//! Which ids are known, and where to find what is known under them.

use crate::codec::Fingerprint;

/// A table of fingerprints, in pieces that grow one by one: no insertion moves more than a piece, and no two pieces grow at the same
/// time but by chance.
///
/// At ten million ids the cost of a look is the cache miss, not the arithmetic: so an entry is three words in place, in a row with its
/// neighbours, and whoever looks for many [touches](Ids::touch) them first, so that the misses overlap.
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
    high: u64,
    low: u64,
    place: Option<Place>,
}

/// At fifty million ids, a piece has twelve thousand: 0.3 MB.
const PIECES: usize = 4_096;
/// The first size of a piece is spread between this and half as much again, so that they grow at different times.
const FIRST_SIZE: usize = 32;
/// How full a piece may be, in tenths.
const FULL: usize = 7;

impl Ids {
    pub(super) fn new() -> Self {
        Self { pieces: std::iter::repeat_with(Piece::default).take(PIECES).collect(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, fingerprint: Fingerprint) -> Option<Place> {
        let (high, low) = fingerprint.halves();
        let piece = self.pieces.get(number_of(low))?;
        piece.slots.get(piece.find(high, low)?)?.place
    }

    /// Brings the place where a fingerprint would be near to the processor. What it answers means nothing.
    pub(super) fn touch(&self, fingerprint: Fingerprint) -> u64 {
        let (high, low) = fingerprint.halves();
        let slot = self.pieces.get(number_of(low)).and_then(|piece| piece.slots.get(piece.home(high)));
        slot.map_or(0, |slot| slot.low)
    }

    /// Notes where something is. Answers where it was before.
    pub(super) fn put(&mut self, fingerprint: Fingerprint, place: Place) -> Option<Place> {
        let (high, low) = fingerprint.halves();
        let number = number_of(low);
        let piece = self.pieces.get_mut(number)?;
        if piece.used * 10 >= piece.slots.len() * FULL {
            piece.resize(if piece.slots.is_empty() { first_size(number) } else { piece.slots.len() * 3 / 2 });
        }
        let at = piece.find(high, low)?;
        let slot = piece.slots.get_mut(at)?;
        let before = slot.place.replace(place);
        if before.is_none() {
            (slot.high, slot.low) = (high, low);
            piece.used += 1;
            self.len += 1;
        }
        before
    }

    /// How many pieces there are.
    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// What is in a piece.
    pub(super) fn piece(&self, number: usize) -> impl Iterator<Item = (Fingerprint, Place)> {
        let slots = self.pieces.get(number).map(|piece| piece.slots.as_slice()).unwrap_or_default();
        slots.iter().filter_map(Slot::entry)
    }

    /// Lets go of what is not to be kept of a piece.
    pub(super) fn retain(&mut self, number: usize, mut keep: impl FnMut(Fingerprint, Place) -> bool) {
        let Some(piece) = self.pieces.get_mut(number) else { return };
        let slots = std::mem::take(&mut piece.slots);
        let before = std::mem::take(&mut piece.used);
        let stays = slots.iter().filter(|slot| slot.entry().is_some_and(|(id, place)| keep(id, place)));
        let stays: Vec<_> = stays.copied().collect();
        // As large as it was, unless most of it is empty now: what goes makes room for what comes.
        let size = if stays.len() * 4 < slots.len() { stays.len() * 2 } else { slots.len() };
        drop(slots);
        piece.fill(size.max(first_size(number)), &stays);
        self.len = self.len + piece.used - before;
    }
}

impl Slot {
    fn entry(&self) -> Option<(Fingerprint, Place)> {
        self.place.map(|place| (Fingerprint::from_halves((self.high, self.low)), place))
    }
}

impl Piece {
    /// Where the search for a fingerprint begins: its upper half as a fraction of the table.
    #[allow(clippy::cast_possible_truncation, reason = "below the length")]
    fn home(&self, high: u64) -> usize {
        ((u128::from(high) * self.slots.len() as u128) >> 64) as usize
    }

    /// Where a fingerprint is, or is to be put. None: the table has no slots.
    fn find(&self, high: u64, low: u64) -> Option<usize> {
        let (before, after) = self.slots.split_at(self.home(high));
        let fits = |slot: &Slot| slot.place.is_none() || slot.high == high && slot.low == low;
        after.iter().position(fits).map(|at| before.len() + at).or_else(|| before.iter().position(fits))
    }

    fn resize(&mut self, size: usize) {
        let slots = std::mem::take(&mut self.slots);
        self.used = 0;
        self.fill(size, &slots);
    }

    fn fill(&mut self, size: usize, with: &[Slot]) {
        self.slots = vec![Slot::default(); size];
        for slot in with.iter().filter(|slot| slot.place.is_some()) {
            if let Some(free) = self.find(slot.high, slot.low).and_then(|at| self.slots.get_mut(at)) {
                *free = *slot;
                self.used += 1;
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
    use super::*;

    /// Fingerprints that look random, as they do.
    fn some(n: u64) -> Fingerprint {
        let mix = |n: u64| (n ^ n >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n << 17;
        Fingerprint::from_halves((mix(mix(n)), mix(mix(n + 7))))
    }

    fn place(n: u64) -> Place {
        Place::new(n + 1).unwrap()
    }

    #[test]
    fn what_was_put_is_found_and_nothing_else() {
        let mut ids = Ids::new();
        let known = 1_000_000;
        for n in 0..known {
            assert_eq!((ids.get(some(n)), ids.put(some(n), place(n))), (None, None));
        }
        assert!((0..known).all(|n| ids.get(some(n)) == Some(place(n))));
        assert!((known..2 * known).all(|n| ids.get(some(n)).is_none()));
        assert_eq!(ids.put(some(7), place(8)), Some(place(7)));
        assert_eq!((ids.get(some(7)), ids.len()), (Some(place(8)), 1_000_000));
    }

    #[test]
    fn what_is_let_go_is_gone_and_the_rest_stays() {
        let mut ids = Ids::new();
        assert!((0..100_000).all(|n| ids.put(some(n), place(n)).is_none()));
        let mut gone = 0;
        for number in 0..ids.pieces() {
            ids.retain(number, |_, place| {
                gone += u64::from(place.get() % 10 != 0);
                place.get() % 10 == 0
            });
        }
        assert_eq!((gone, ids.len()), (90_000, 10_000));
        assert!((0..100_000).all(|n| ids.get(some(n)).is_some() == ((n + 1) % 10 == 0)));
        assert_eq!((0..ids.pieces()).map(|number| ids.piece(number).count()).sum::<usize>(), 10_000);
    }
}
