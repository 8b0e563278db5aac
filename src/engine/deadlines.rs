//! Which merchants have something due, and when.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    hash::BuildHasher,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::domain::{MerchantId, Timestamp};

/// An index of deadlines: for each merchant one planned look, the earliest. An entry is never moved or removed when the deadline
/// changes: the merchant knows which look is the planned one, and others are passed over when their time comes. So an entry
/// costs a push when it becomes earlier and a pop when it is due, and nothing in between.
pub(super) struct Deadlines {
    shards: Box<[Mutex<Heap>]>,
    hasher: super::IdHasher,
    /// Where the next taking begins, so that every shard gets its turn.
    turn: AtomicUsize,
}

type Heap = BinaryHeap<Reverse<Look>>;

/// That a merchant has to be looked at, and when.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Look {
    pub(super) at: Timestamp,
    pub(super) merchant: MerchantId,
}

impl Deadlines {
    pub(super) fn new(shards: usize, hasher: super::IdHasher) -> Self {
        Self { shards: (0..shards.max(1)).map(|_| Mutex::default()).collect(), hasher, turn: AtomicUsize::new(0) }
    }

    /// Notes that a merchant has to be looked at.
    pub(super) fn push(&self, look: Look) {
        #[allow(clippy::cast_possible_truncation, reason = "any bits of the hash do")]
        let shard = self.hasher.hash_one(&look.merchant) as usize % self.shards.len();
        if let Some(shard) = self.shards.get(shard) {
            lock(shard).push(Reverse(look));
        }
    }

    /// Takes up to `most` looks that are due by now.
    pub(super) fn take_due(&self, now: Timestamp, most: usize) -> Vec<Look> {
        let mut due = Vec::new();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        let (before, after) = self.shards.split_at(turn);
        for shard in after.iter().chain(before) {
            let mut heap = lock(shard);
            while due.len() < most && heap.peek().is_some_and(|Reverse(look)| look.at <= now) {
                due.extend(heap.pop().map(|Reverse(look)| look));
            }
        }
        due
    }

    /// When the next merchant has to be looked at.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.shards.iter().filter_map(|shard| lock(shard).peek().map(|Reverse(look)| look.at)).min()
    }
}

fn lock(shard: &Mutex<Heap>) -> MutexGuard<'_, Heap> {
    // A heap is whole between any two of its operations, so a panic elsewhere leaves nothing half done.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_taken_in_pieces_and_once() {
        let deadlines = Deadlines::new(4, super::super::id_hasher([7; 16]));
        let at = Timestamp::from_micros;
        for n in 0..10 {
            deadlines.push(Look { at: at(n), merchant: MerchantId::parse(&format!("m{n}")).unwrap() });
        }
        assert_eq!(deadlines.next(), Some(at(0)));
        let taken: Vec<_> =
            std::iter::repeat_with(|| deadlines.take_due(at(6), 3)).take(4).map(|due| due.len()).collect();
        assert_eq!(taken, [3, 3, 1, 0]);
        assert_eq!(deadlines.next(), Some(at(7)));
    }
}
