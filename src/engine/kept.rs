//! Decided facts as they were written, one behind the other.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use crate::{codec::Fingerprint, journal::Lsn};

/// Facts in memory, in the order in which they came or changed last: those at the front leave first.
///
/// They lie in chunks, which are shared with whoever goes through them while others come and go.
pub(super) struct Kept {
    chunks: VecDeque<Arc<Vec<u8>>>,
    /// The number of the first chunk.
    first: u64,
    /// How much at the front of it has left.
    left: usize,
    /// Chunks that were let go of: their memory is there already.
    spare: Vec<Vec<u8>>,
}

/// A fact, and what has become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Of merchant and id.
    pub(super) fingerprint: Fingerprint,
    /// The position of the last record about it.
    pub(super) lsn: Lsn,
    /// How it stands, as it is written; nothing: unchanged.
    pub(super) standing: &'a [u8],
    /// The fact, as it was written.
    pub(super) fact: &'a [u8],
}

/// When a chunk is full. Small enough that copying one is no pause.
const CHUNK: usize = 1 << 20;
/// Most spare chunks.
const SPARE: usize = 16;
/// Fingerprint, position, length of the fact, length of the standing.
const HEAD: usize = 16 + 8 + 4 + 1;
/// Bits of a place that tell where in a chunk.
const OFFSET_BITS: u32 = 28;

impl Kept {
    pub(super) fn new() -> Self {
        Self { chunks: VecDeque::new(), first: 1, left: 0, spare: Vec::new() }
    }

    /// Keeps a fact. Answers its place.
    pub(super) fn push(&mut self, entry: &Entry<'_>) -> u64 {
        let Entry { fingerprint, lsn, standing, fact } = entry;
        if self.chunks.back().is_none_or(|chunk| chunk.len() + HEAD + standing.len() + fact.len() > CHUNK) {
            let chunk = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK));
            self.chunks.push_back(Arc::new(chunk));
        }
        let number = self.first + self.chunks.len() as u64 - 1;
        // The last chunk is never shared.
        let Some(chunk) = self.chunks.back_mut().map(Arc::make_mut) else { return 0 };
        let place = number << OFFSET_BITS | chunk.len() as u64;
        let mut head = [0; HEAD];
        let parts = head.split_at_mut(16);
        parts.0.copy_from_slice(&fingerprint.get().to_le_bytes());
        let parts = parts.1.split_at_mut(8);
        parts.0.copy_from_slice(&lsn.get().to_le_bytes());
        let parts = parts.1.split_at_mut(4);
        parts.0.copy_from_slice(&u32::try_from(fact.len()).unwrap_or(u32::MAX).to_le_bytes());
        parts.1.copy_from_slice(&[u8::try_from(standing.len()).unwrap_or(u8::MAX)]);
        chunk.extend_from_slice(&head);
        chunk.extend_from_slice(standing);
        chunk.extend_from_slice(fact);
        place
    }

    /// What is in a place.
    pub(super) fn get(&self, place: u64) -> Option<Entry<'_>> {
        let (chunk, at) = self.find(place)?;
        Entry::read(self.chunks.get(chunk)?.get(at..)?).map(|(entry, _)| entry)
    }

    /// Takes note that what is in a place is kept elsewhere now.
    pub(super) fn forget(&mut self, place: u64) {
        let Some((chunk, at)) = self.find(place) else { return };
        let chunk = self.chunks.get_mut(chunk).map(Arc::make_mut);
        if let Some(lsn) = chunk.and_then(|chunk| chunk.get_mut(at + 16..at + 24)) {
            lsn.copy_from_slice(&Lsn::ZERO.get().to_le_bytes());
        }
    }

    fn find(&self, place: u64) -> Option<(usize, usize)> {
        let chunk = usize::try_from((place >> OFFSET_BITS).checked_sub(self.first)?).ok()?;
        Some((chunk, usize::try_from(place & ((1 << OFFSET_BITS) - 1)).ok()?))
    }

    /// Whether the first fact has its last record up to a position.
    pub(super) fn begins_up_to(&self, lsn: Lsn) -> bool {
        let first = self.chunks.front().and_then(|chunk| Entry::read(chunk.get(self.left..)?));
        first.is_some_and(|(entry, _)| entry.lsn <= lsn)
    }

    /// Lets go of the first fact, if its last record is up to a position. Answers its place and whose it was.
    pub(super) fn take_first(&mut self, up_to: Lsn) -> Option<(u64, Fingerprint)> {
        let chunk = self.chunks.front()?;
        let (entry, rest) = Entry::read(chunk.get(self.left..)?).filter(|(entry, _)| entry.lsn <= up_to)?;
        let (place, fingerprint) = (self.first << OFFSET_BITS | self.left as u64, entry.fingerprint);
        self.left = chunk.len() - rest.len();
        if rest.is_empty() {
            self.drop_first();
        }
        Some((place, fingerprint))
    }

    fn drop_first(&mut self) {
        let chunk = self.chunks.pop_front().and_then(Arc::into_inner);
        (self.first, self.left) = (self.first + 1, 0);
        if let Some(mut chunk) = chunk.filter(|_| self.spare.len() < SPARE) {
            chunk.clear();
            self.spare.push(chunk);
        }
    }

    /// The numbers of all chunks.
    pub(super) fn chunks(&self) -> Range<u64> {
        self.first..self.first + self.chunks.len() as u64
    }

    /// What is in a chunk now, if there still is one.
    pub(super) fn chunk(&self, number: u64) -> Option<Chunk> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let bytes = self.chunks.get(at)?;
        let is_last = at + 1 == self.chunks.len();
        let bytes = if is_last { Arc::new(bytes.to_vec()) } else { Arc::clone(bytes) };
        Some(Chunk { bytes, left: if at == 0 { self.left } else { 0 } })
    }
}

/// Facts that were in memory at one moment.
pub(super) struct Chunk {
    bytes: Arc<Vec<u8>>,
    left: usize,
}

impl Chunk {
    /// Those that are not kept elsewhere by then.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = self.bytes.get(self.left..).unwrap_or_default();
        let all = std::iter::from_fn(move || {
            let (entry, behind) = Entry::read(rest)?;
            rest = behind;
            Some(entry)
        });
        all.filter(|entry| entry.lsn > Lsn::ZERO)
    }
}

impl<'a> Entry<'a> {
    /// The first of some entries, and the others.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (fingerprint, rest) = bytes.split_first_chunk()?;
        let (lsn, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (standing_len, rest) = rest.split_first()?;
        let (standing, rest) = rest.split_at_checked((*standing_len).into())?;
        let (fact, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let fingerprint = Fingerprint::new(u128::from_le_bytes(*fingerprint));
        Some((Self { fingerprint, lsn: Lsn::new(u64::from_le_bytes(*lsn)), standing, fact }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(n: u64, fact: &[u8]) -> Entry<'_> {
        Entry { fingerprint: Fingerprint::new(n.into()), lsn: Lsn::new(n), standing: b"", fact }
    }

    #[test]
    fn facts_are_found_until_they_are_let_go_of() {
        let mut kept = Kept::new();
        let fact = |n: u64| vec![n.to_le_bytes()[0]; 100 + usize::try_from(n).unwrap() % 50];
        let places: Vec<_> = (1..=50_000).map(|n| kept.push(&entry(n, &fact(n)))).collect();
        let found = |kept: &Kept| {
            (1..=50_000).zip(&places).filter(|(n, place)| kept.get(**place) == Some(entry(*n, &fact(*n)))).count()
        };
        assert_eq!(found(&kept), 50_000);

        let shared = kept.chunk(kept.chunks().start).unwrap();
        let gone: Vec<_> = std::iter::from_fn(|| kept.take_first(Lsn::new(25_000))).collect();
        let expected = (1..=25_000_u64).zip(&places).map(|(n, place)| (*place, Fingerprint::new(n.into())));
        assert!(gone.into_iter().eq(expected) && !kept.begins_up_to(Lsn::new(25_000)));
        assert!(kept.chunks().start > 2 && found(&kept) < 30_000);
        // Who goes through a chunk goes on.
        assert!(shared.entries().map(|entry| entry.lsn.get()).eq(1..=shared.entries().count() as u64));

        let again = kept.push(&entry(50_001, b"again"));
        assert_eq!(kept.get(again), Some(entry(50_001, b"again")));
        let all = |kept: &Kept| kept.chunks().filter_map(|number| Some(kept.chunk(number)?.entries().count())).sum();
        assert_eq!((all)(&kept), 25_001_usize);
        kept.forget(again);
        assert_eq!(all(&kept), 25_000_usize);
        while kept.take_first(Lsn::new(u64::MAX)).is_some() {}
        assert_eq!((all(&kept), kept.chunks().is_empty()), (0, true));
        let again = kept.push(&entry(50_002, b"once more"));
        assert_eq!(kept.get(again), Some(entry(50_002, b"once more")));
    }

    #[test]
    fn a_fact_larger_than_a_chunk_has_one_for_itself() {
        let mut kept = Kept::new();
        let large = vec![7; 2 * CHUNK];
        let facts = [&b"small"[..], &large, b"small"];
        let places = facts.map(|fact| kept.push(&Entry { standing: b"stands", ..entry(1, fact) }));
        for (place, fact) in places.into_iter().zip(facts) {
            assert_eq!(kept.get(place), Some(Entry { standing: b"stands", ..entry(1, fact) }));
        }
    }
}
