//! Which facts memory has let go of.

use crate::codec::Fingerprint;

/// Proves the absence of a fingerprint: what it does not contain was never inserted. Of a hundred thousand others it contains about
/// four: each of them costs a question to the disk, which may be slow just then. Takes about four bytes for each that was inserted, and
/// grows in pieces, so that no insertion moves what is there already.
///
/// A Bloom filter whose bits for a fingerprint all lie in one line of the processor's cache: a look costs one miss for a piece, which
/// whoever looks for many has [touched](Filter::touch) before.
pub(super) struct Filter {
    pieces: Vec<Piece>,
}

/// A filter of a fixed size.
pub(super) struct Piece {
    /// How many came before it.
    number: usize,
    blocks: Vec<Block>,
    room: usize,
}

/// A line of the cache.
#[derive(Clone, Copy, Default)]
#[repr(align(64))]
struct Block([u64; WORDS]);

const WORDS: usize = 8;
/// How many ids a block is for: four bytes each.
const IDS_OF_A_BLOCK: usize = 16;
/// The blocks of the first piece: 1 MB.
const FIRST_PIECE: usize = 16_384;

impl Filter {
    pub(super) const fn new() -> Self {
        Self { pieces: Vec::new() }
    }

    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.pieces.iter().any(|piece| piece.block(fingerprint).is_some_and(|block| block.has(fingerprint)))
    }

    /// Brings what is looked at for a fingerprint near to the processor. What it answers means nothing.
    pub(super) fn touch(&self, fingerprint: Fingerprint) -> u64 {
        let words = self.pieces.iter().filter_map(|piece| piece.block(fingerprint)?.0.first());
        words.fold(0, |all, word| all ^ word)
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
        let Some(last) = self.pieces.last_mut() else { return };
        last.room -= 1;
        let at = last.place(fingerprint);
        if let Some(block) = last.blocks.get_mut(at) {
            block.0.iter_mut().zip(0..).for_each(|(word, number)| *word |= bit(fingerprint, number));
        }
    }
}

impl Piece {
    /// Three times as large as all before it together: few pieces to look into. A large one takes its time.
    pub(super) fn new(number: usize) -> Self {
        let blocks = FIRST_PIECE << (2 * number);
        Self { number, blocks: vec![Block::default(); blocks], room: blocks * IDS_OF_A_BLOCK }
    }

    fn block(&self, fingerprint: Fingerprint) -> Option<&Block> {
        self.blocks.get(self.place(fingerprint))
    }

    #[allow(clippy::cast_possible_truncation, reason = "below the number of blocks")]
    fn place(&self, fingerprint: Fingerprint) -> usize {
        let (high, _) = fingerprint.halves();
        ((u128::from(high) * self.blocks.len() as u128) >> 64) as usize
    }
}

impl Block {
    /// Whether all bits of a fingerprint are set. Without an exit on the way, which could not be foreseen.
    fn has(&self, fingerprint: Fingerprint) -> bool {
        let bits = (0..).map(|word| bit(fingerprint, word));
        self.0.iter().zip(bits).fold(0, |missing, (word, bit)| missing | !word & bit) == 0
    }
}

/// The bit of a word: six bits of the fingerprint say which.
#[inline]
fn bit(fingerprint: Fingerprint, word: u32) -> u64 {
    let (_, low) = fingerprint.halves();
    1 << (low.wrapping_shr(6 + 6 * word) & 63)
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
        let inserted = 3_000_000;
        (0..inserted).for_each(|n| filter.insert(some(n)));
        assert!((0..inserted).all(|n| filter.contains(some(n))));
        let others = (inserted..2 * inserted).filter(|n| filter.contains(some(*n))).count();
        assert!(others < 150, "{others} of {inserted} others are said to be contained");
    }
}
