//! Decided facts as they were written, one behind the other.

use std::{collections::VecDeque, ops::RangeInclusive, sync::Arc};

use crate::{codec::Fingerprint, journal::Lsn};

/// Facts in memory, in the order in which they came or changed last: those at the front leave first.
///
/// They lie in chunks, of which those that are full are shared with whoever goes through them while others come and go.
pub(super) struct Kept {
    full: VecDeque<Arc<Vec<u8>>>,
    /// The chunk that is being filled, behind those that are full.
    last: Vec<u8>,
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
        Self { full: VecDeque::new(), last: Vec::new(), first: 1, left: 0, spare: Vec::new() }
    }

    /// Keeps a fact. Answers its place.
    pub(super) fn push(&mut self, entry: &Entry<'_>) -> u64 {
        let Entry { fingerprint, lsn, standing, fact } = entry;
        if self.last.len() + HEAD + standing.len() + fact.len() > CHUNK {
            self.fill_another();
        }
        let place = (self.first + self.full.len() as u64) << OFFSET_BITS | self.last.len() as u64;
        let mut head = [0; HEAD];
        let parts = head.split_at_mut(16);
        parts.0.copy_from_slice(&fingerprint.get().to_le_bytes());
        let parts = parts.1.split_at_mut(8);
        parts.0.copy_from_slice(&lsn.get().to_le_bytes());
        let parts = parts.1.split_at_mut(4);
        parts.0.copy_from_slice(&u32::try_from(fact.len()).unwrap_or(u32::MAX).to_le_bytes());
        parts.1.copy_from_slice(&[u8::try_from(standing.len()).unwrap_or(u8::MAX)]);
        self.last.extend_from_slice(&head);
        self.last.extend_from_slice(standing);
        self.last.extend_from_slice(fact);
        place
    }

    fn fill_another(&mut self) {
        let next = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK));
        let full = std::mem::replace(&mut self.last, next);
        if !full.is_empty() {
            self.full.push_back(Arc::new(full));
        }
    }

    /// What is in a place.
    pub(super) fn get(&self, place: u64) -> Option<Entry<'_>> {
        let (chunk, at) = self.find(place)?;
        Entry::read(self.bytes(chunk)?.get(at..)?).map(|(entry, _)| entry)
    }

    /// Takes note that what is in a place is kept elsewhere now.
    pub(super) fn forget(&mut self, place: u64) {
        let Some((chunk, at)) = self.find(place) else { return };
        let bytes = if chunk == self.full.len() {
            Some(&mut self.last)
        } else {
            // Who goes through it just now goes through it as it was.
            self.full.get_mut(chunk).map(Arc::make_mut)
        };
        if let Some(lsn) = bytes.and_then(|bytes| bytes.get_mut(at + 16..at + 24)) {
            lsn.copy_from_slice(&Lsn::ZERO.get().to_le_bytes());
        }
    }

    /// In which chunk behind the first a place is, and where in it.
    fn find(&self, place: u64) -> Option<(usize, usize)> {
        let chunk = usize::try_from((place >> OFFSET_BITS).checked_sub(self.first)?).ok()?;
        Some((chunk, usize::try_from(place & ((1 << OFFSET_BITS) - 1)).ok()?))
    }

    fn bytes(&self, chunk: usize) -> Option<&Vec<u8>> {
        if chunk == self.full.len() { Some(&self.last) } else { self.full.get(chunk).map(|full| &**full) }
    }

    /// Whether the first fact has its last record up to a position.
    pub(super) fn begins_up_to(&self, lsn: Lsn) -> bool {
        let first = self.bytes(0).and_then(|chunk| Entry::read(chunk.get(self.left..)?));
        first.is_some_and(|(entry, _)| entry.lsn <= lsn)
    }

    /// Lets go of the first fact, if its last record is up to a position. Answers its place and whose it was.
    pub(super) fn take_first(&mut self, up_to: Lsn) -> Option<(u64, Fingerprint)> {
        let chunk = self.bytes(0)?;
        let (entry, rest) = Entry::read(chunk.get(self.left..)?).filter(|(entry, _)| entry.lsn <= up_to)?;
        let (place, fingerprint) = (self.first << OFFSET_BITS | self.left as u64, entry.fingerprint);
        let (left, is_last) = (chunk.len() - rest.len(), rest.is_empty());
        self.left = left;
        if is_last {
            self.drop_first();
        }
        Some((place, fingerprint))
    }

    fn drop_first(&mut self) {
        let first = match self.full.pop_front() {
            Some(full) => Arc::into_inner(full),
            None => Some(std::mem::take(&mut self.last)),
        };
        (self.first, self.left) = (self.first + 1, 0);
        if let Some(mut chunk) = first.filter(|_| self.spare.len() < SPARE) {
            chunk.clear();
            self.spare.push(chunk);
        }
    }

    /// The numbers of all chunks.
    pub(super) fn chunks(&self) -> RangeInclusive<u64> {
        self.first..=self.first + self.full.len() as u64
    }

    /// What is in a chunk now, if there still is one.
    pub(super) fn chunk(&self, number: u64) -> Option<Chunk> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let is_last = at == self.full.len();
        let bytes = if is_last { Arc::new(self.last.clone()) } else { Arc::clone(self.full.get(at)?) };
        Some(Chunk { bytes, left: if at == 0 { self.left } else { 0 } })
    }
}

/// Facts that were in memory at one moment.
pub(super) struct Chunk {
    bytes: Arc<Vec<u8>>,
    left: usize,
}

impl Chunk {
    /// All of them, also those that are kept elsewhere by then.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut rest = self.bytes.get(self.left..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (entry, behind) = Entry::read(rest)?;
            rest = behind;
            Some(entry)
        })
    }
}

impl<'a> Entry<'a> {
    /// It is kept in another place by now.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.lsn == Lsn::ZERO
    }

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

        let shared = kept.chunk(*kept.chunks().start()).unwrap();
        let gone: Vec<_> = std::iter::from_fn(|| kept.take_first(Lsn::new(25_000))).collect();
        let expected = (1..=25_000_u64).zip(&places).map(|(n, place)| (*place, Fingerprint::new(n.into())));
        assert!(gone.into_iter().eq(expected) && !kept.begins_up_to(Lsn::new(25_000)));
        assert!(*kept.chunks().start() > 2 && found(&kept) < 30_000);
        // Who goes through a chunk goes on.
        assert!(shared.entries().map(|entry| entry.lsn.get()).eq(1..=shared.entries().count() as u64));

        let again = kept.push(&entry(50_001, b"again"));
        assert_eq!(kept.get(again), Some(entry(50_001, b"again")));
        let in_chunk = |chunk: Chunk| chunk.entries().filter(|entry| !entry.is_elsewhere()).count();
        let all = |kept: &Kept| kept.chunks().filter_map(|number| kept.chunk(number).map(in_chunk)).sum();
        assert_eq!((all)(&kept), 25_001_usize);
        kept.forget(again);
        assert_eq!(all(&kept), 25_000_usize);
        while kept.take_first(Lsn::new(u64::MAX)).is_some() {}
        assert_eq!((all(&kept), kept.chunks().count()), (0, 1));
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
