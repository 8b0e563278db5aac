//! Decided facts as they were written, one behind the other.

use std::{collections::VecDeque, ops::Range};

use crate::journal::Lsn;

/// Facts in memory, in the order in which they came: those that came first leave first, many at a time.
pub(super) struct Kept {
    chunks: VecDeque<Chunk>,
    /// The number of the first chunk.
    first: u64,
    /// Chunks that were let go of: their memory is there already.
    spare: Vec<Vec<u8>>,
}

struct Chunk {
    bytes: Vec<u8>,
    facts: usize,
    /// The last position of a record in it.
    last: Lsn,
}

/// When a chunk is full. Small enough that letting go of one is no pause.
const CHUNK: usize = 1 << 20;
/// Most spare chunks.
const SPARE: usize = 16;
/// A position, and a length.
const HEAD: usize = 12;
/// Bits of a place that tell where in a chunk.
const OFFSET_BITS: u32 = 28;

impl Kept {
    pub(super) fn new() -> Self {
        Self { chunks: VecDeque::new(), first: 1, spare: Vec::new() }
    }

    /// Keeps a fact that a record tells. Answers its place.
    pub(super) fn push(&mut self, lsn: Lsn, fact: &[u8]) -> u64 {
        if self.chunks.back().is_none_or(|chunk| chunk.bytes.len() + HEAD + fact.len() > CHUNK) {
            let bytes = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK));
            self.chunks.push_back(Chunk { bytes, facts: 0, last: Lsn::ZERO });
        }
        let number = self.first + self.chunks.len() as u64 - 1;
        let Some(chunk) = self.chunks.back_mut() else { return 0 };
        let place = number << OFFSET_BITS | chunk.bytes.len() as u64;
        let len = u32::try_from(fact.len()).unwrap_or(u32::MAX);
        chunk.bytes.extend_from_slice(&lsn.get().to_le_bytes());
        chunk.bytes.extend_from_slice(&len.to_le_bytes());
        chunk.bytes.extend_from_slice(fact);
        chunk.facts += 1;
        chunk.last = chunk.last.max(lsn);
        place
    }

    /// The fact at a place, and the position of the record that tells it.
    pub(super) fn get(&self, place: u64) -> Option<(Lsn, &[u8])> {
        let chunk = self.chunks.get(usize::try_from((place >> OFFSET_BITS).checked_sub(self.first)?).ok()?)?;
        let at = usize::try_from(place & ((1 << OFFSET_BITS) - 1)).ok()?;
        let (lsn, rest) = chunk.bytes.get(at..)?.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        Some((Lsn::new(u64::from_le_bytes(*lsn)), rest.get(..u32::from_le_bytes(*len) as usize)?))
    }

    /// The places of the oldest facts that came with records up to a position, and how many facts there are.
    pub(super) fn up_to(&self, lsn: Lsn) -> (Range<u64>, usize) {
        let old = || self.chunks.iter().take_while(|chunk| chunk.last <= lsn);
        let end = self.first + old().count() as u64;
        (self.first << OFFSET_BITS..end << OFFSET_BITS, old().map(|chunk| chunk.facts).sum())
    }

    /// Lets go of the facts before a place.
    pub(super) fn drop_before(&mut self, place: u64) {
        while self.first < place >> OFFSET_BITS
            && let Some(mut chunk) = self.chunks.pop_front()
        {
            self.first += 1;
            if self.spare.len() < SPARE {
                chunk.bytes.clear();
                self.spare.push(chunk.bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_until_they_are_let_go_of() {
        let mut kept = Kept::new();
        let fact = |n: u64| vec![n.to_le_bytes()[0]; 100 + usize::try_from(n).unwrap() % 50];
        let places: Vec<_> = (0..50_000).map(|n| kept.push(Lsn::new(n), &fact(n))).collect();
        let all =
            |kept: &Kept| (0..50_000).filter(|n| kept.get(places[usize::try_from(*n).unwrap()]).is_some()).count();
        let found =
            (0..50_000).all(|n| kept.get(places[usize::try_from(n).unwrap()]) == Some((Lsn::new(n), &*fact(n))));
        assert!(found && all(&kept) == 50_000);

        let (old, facts) = kept.up_to(Lsn::new(25_000));
        assert!(facts > 0 && facts <= 25_001 && old.contains(&places[0]) && !old.contains(&places[25_001]));
        kept.drop_before(old.end);
        assert_eq!(all(&kept), 50_000 - facts);
        let again = kept.push(Lsn::new(50_000), b"again");
        assert_eq!(kept.get(again), Some((Lsn::new(50_000), &b"again"[..])));
    }

    #[test]
    fn a_fact_larger_than_a_chunk_has_one_for_itself() {
        let mut kept = Kept::new();
        let large = vec![7; 2 * CHUNK];
        let places =
            [kept.push(Lsn::new(1), b"small"), kept.push(Lsn::new(2), &large), kept.push(Lsn::new(3), b"small")];
        assert_eq!(kept.get(places[1]), Some((Lsn::new(2), &*large)));
        assert_eq!(kept.get(places[2]), Some((Lsn::new(3), &b"small"[..])));
    }
}
