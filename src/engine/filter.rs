//! Which facts memory has let go of.

use std::{
    hash::{BuildHasherDefault, DefaultHasher},
    sync::{PoisonError, RwLock},
};

use fastbloom::BloomFilter;

use crate::codec::Fingerprint;

/// Proves the absence of a fingerprint: what it does not contain was never inserted. One in a thousand that it contains was not
/// either. Takes about two bytes for each, and grows in pieces, so that no insertion moves what is there already.
pub(super) struct Filter {
    shards: Box<[RwLock<Vec<Piece>>]>,
}

/// A filter of a fixed size. The hasher is never used: fingerprints are good hashes already.
struct Piece {
    bits: BloomFilter<BuildHasherDefault<DefaultHasher>>,
    room: usize,
}

const SHARDS: usize = 256;
const FIRST_PIECE: usize = 1_024;
const FALSE_POSITIVES: f64 = 1e-3;

impl Piece {
    fn new(room: usize) -> Self {
        let bits = BloomFilter::with_false_pos(FALSE_POSITIVES).hasher(BuildHasherDefault::default());
        Self { bits: bits.expected_items(room), room }
    }
}

impl Filter {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }

    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        let (shard, hash) = self.place(fingerprint);
        shard.is_some_and(|shard| {
            let pieces = shard.read().unwrap_or_else(PoisonError::into_inner);
            pieces.iter().rev().any(|piece| piece.bits.contains_hash(hash))
        })
    }

    pub(super) fn insert(&self, fingerprint: Fingerprint) {
        let (Some(shard), hash) = self.place(fingerprint) else { return };
        let mut pieces = shard.write().unwrap_or_else(PoisonError::into_inner);
        if pieces.last().is_none_or(|last| last.room == 0) {
            // Each as large as all before it: few pieces to look into, and at most half of the memory unused.
            let room = FIRST_PIECE << pieces.len().saturating_sub(1);
            pieces.push(Piece::new(room));
        }
        if let Some(last) = pieces.last_mut() {
            last.bits.insert_hash(hash);
            last.room -= 1;
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "any bits of the fingerprint do")]
    fn place(&self, fingerprint: Fingerprint) -> (Option<&RwLock<Vec<Piece>>>, u64) {
        let (high, low) = fingerprint.halves();
        (self.shards.get(low as usize % SHARDS), high)
    }
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
        let filter = Filter::new();
        let inserted = 500_000;
        (0..inserted).for_each(|n| filter.insert(some(n)));
        assert!((0..inserted).all(|n| filter.contains(some(n))));
        let others = (inserted..2 * inserted).filter(|n| filter.contains(some(*n))).count();
        assert!(others < 2_500, "{others} of {inserted} others are said to be contained");
    }
}
