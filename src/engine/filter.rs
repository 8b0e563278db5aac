//! Which facts memory has let go of.

use crate::codec::Fingerprint;

/// Proves the absence of a fingerprint: what it does not contain was never inserted. Of a thousand million others it contains about
/// ten: each of them costs a question to the disk, which may take its time just then, and everybody behind it waits. Takes five to six
/// bytes for each that was inserted, and grows in pieces, so that no insertion moves what is there already.
///
/// A table of tags, 32 bits of the fingerprint each, in lines of the processor's cache, and in the next line where one is full: a look
/// costs one miss for a piece, which whoever looks for many has [touched](Filter::touch) before.
pub(super) struct Filter {
    pieces: Vec<Piece>,
}

/// A filter of a fixed size.
pub(super) struct Piece {
    /// How many came before it.
    number: usize,
    lines: Vec<Line>,
    room: usize,
}

/// A line of the cache: tags, from the first on; no tag: free.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Line([u32; TAGS]);

const TAGS: usize = 16;
/// How many ids there are for each line: few lines are full then.
const IDS_OF_A_LINE: usize = 12;
/// The lines of the first piece: 1 MB.
const FIRST_PIECE: usize = 16_384;

impl Filter {
    pub(super) const fn new() -> Self {
        Self { pieces: Vec::new() }
    }

    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.pieces.iter().any(|piece| piece.contains(fingerprint))
    }

    /// Brings what is looked at for a fingerprint near to the processor. What it answers means nothing.
    pub(super) fn touch(&self, fingerprint: Fingerprint) -> u64 {
        let lines = self.pieces.iter().filter_map(|piece| piece.lines.get(piece.home(fingerprint))?.0.first());
        lines.fold(0, |all, tag| all ^ u64::from(*tag))
    }

    /// How many were inserted.
    pub(super) fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// How many fingerprints can be inserted before a piece is made for more.
    pub(super) fn room(&self) -> usize {
        self.pieces.last().map_or(0, |last| last.room)
    }

    /// The number of the piece that will be needed next.
    pub(super) const fn next_piece(&self) -> usize {
        self.pieces.len()
    }

    /// Goes on with a piece that was made ahead, unless there is another one with its number by now.
    pub(super) fn add(&mut self, piece: Piece) {
        if piece.number == self.pieces.len() {
            self.pieces.push(piece);
        }
    }

    pub(super) fn insert(&mut self, fingerprint: Fingerprint) {
        if self.room() == 0 {
            self.add(Piece::new(self.pieces.len()));
        }
        if let Some(last) = self.pieces.last_mut() {
            last.insert(fingerprint);
        }
    }
}

impl Piece {
    /// Three times as large as all before it together: few pieces to look into. A large one takes its time.
    pub(super) fn new(number: usize) -> Self {
        let lines = FIRST_PIECE << (2 * number);
        Self { number, lines: vec![Line::default(); lines], room: lines * IDS_OF_A_LINE }
    }

    const fn len(&self) -> usize {
        (self.lines.len() * IDS_OF_A_LINE).saturating_sub(self.room)
    }

    /// Up to the first line that is not full: it would be in one of them.
    fn contains(&self, fingerprint: Fingerprint) -> bool {
        let tag = tag(fingerprint);
        let (before, after) = self.lines.split_at(self.home(fingerprint));
        for line in after.iter().chain(before) {
            // Without an exit on the way, which could not be foreseen.
            if line.0.iter().fold(false, |found, there| found | (*there == tag)) {
                return true;
            }
            if line.0.last() == Some(&0) {
                return false;
            }
        }
        false
    }

    /// There is room.
    fn insert(&mut self, fingerprint: Fingerprint) {
        let home = self.home(fingerprint);
        let (before, after) = self.lines.split_at_mut(home);
        let free = after.iter_mut().chain(before).find_map(|line| line.0.iter_mut().find(|there| **there == 0));
        if let Some(free) = free {
            *free = tag(fingerprint);
            self.room -= 1;
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "below the number of lines")]
    fn home(&self, fingerprint: Fingerprint) -> usize {
        let (high, _) = fingerprint.halves();
        ((u128::from(high) * self.lines.len() as u128) >> 64) as usize
    }
}

/// What is kept of a fingerprint: never 0.
#[allow(clippy::cast_possible_truncation, reason = "some bits of many")]
const fn tag(fingerprint: Fingerprint) -> u32 {
    let (_, low) = fingerprint.halves();
    low as u32 | (low as u32 == 0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fingerprints that look random, as they do.
    fn some(n: u64) -> Fingerprint {
        let mix = |n: u64| (n ^ n >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ n << 17;
        Fingerprint::from_halves((mix(mix(n)), mix(mix(n + 7))))
    }

    #[test]
    fn what_was_inserted_is_contained_and_little_else() {
        let mut filter = Filter::new();
        let inserted = 2_000_000;
        (0..inserted).for_each(|n| filter.insert(some(n)));
        assert!((0..inserted).all(|n| filter.contains(some(n))));
        let others = (inserted..2 * inserted).filter(|n| filter.contains(some(*n))).count();
        assert!(others <= 1, "{others} of {inserted} others are said to be contained");
    }
}
