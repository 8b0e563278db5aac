//! The batches that became durable last, kept in memory for those who follow the journal.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::batch::Batch;
use super::error::JournalFault;
use super::faults::lock;
use super::position::Lsn;

/// What a batch takes beside its bytes, roughly: small ones are to count as well.
const BATCH_COST: usize = 128;

/// A dense stretch of recent batches, shared by all followers; empty while there are none.
///
/// Everything before its end is durable, and everything from there on will come through it: a follower at the end
/// waits, one within the stretch takes from it, and one before the stretch reads the store.
pub(crate) struct Ring {
    limit: usize,
    /// Somebody follows. Set under the journal's lock, where the committer reads it.
    followed: AtomicBool,
    recent: Mutex<Recent>,
    changed: Condvar,
}

struct Recent {
    batches: VecDeque<Kept>,
    /// What the batches take.
    cost: usize,
    /// The position after the last batch, kept or not.
    end: Lsn,
    followers: usize,
    /// Why nothing comes after `end`.
    fault: Option<JournalFault>,
}

/// One batch, encoded as it was committed.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) first: Lsn,
    /// The position after its last record.
    pub(crate) next: Lsn,
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// What there is for a follower at its position.
pub(crate) enum Found {
    /// The batch that holds it.
    Recent(Kept),
    /// The ring no longer has it; the store does, with everything up to `most`.
    Stored { most: Lsn },
    /// Nothing yet.
    Nothing,
    /// Nothing, nor will there be.
    Ended(JournalFault),
}

/// How long to wait for a record.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    /// Up to this moment; `None` is without end.
    Until(Option<Instant>),
}

impl Ring {
    /// Keeps up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Ring {
        let recent = Recent { batches: VecDeque::new(), cost: 0, end: Lsn::ZERO, followers: 0, fault: None };
        Ring { limit, followed: AtomicBool::new(false), recent: Mutex::new(recent), changed: Condvar::new() }
    }

    /// Whether batches are to be put. To be asked under the journal's lock, once the batch counts as durable.
    pub(crate) fn is_followed(&self) -> bool {
        self.followed.load(Ordering::Relaxed)
    }

    /// One more follower. To be called under the journal's lock, with the position after the last durable record.
    pub(crate) fn enter(&self, next: Lsn) {
        let mut recent = lock(&self.recent);
        if recent.followers == 0 {
            recent.end = next;
        }
        recent.followers += 1;
        self.followed.store(true, Ordering::Relaxed);
    }

    /// One follower less; with the last one everything goes.
    pub(crate) fn leave(&self) {
        let mut recent = lock(&self.recent);
        recent.followers = recent.followers.saturating_sub(1);
        if recent.followers == 0 {
            self.followed.store(false, Ordering::Relaxed);
            let dropped = recent.clear();
            drop(recent);
            drop(dropped);
        }
    }

    /// Keeps a copy of a batch that has become durable, lets go of the oldest ones beyond the limit, and wakes.
    pub(crate) fn put(&self, batch: &Batch) {
        let cost = batch.bytes().len().saturating_add(BATCH_COST);
        let fits = cost <= self.limit;
        // Copied, and what is let go freed, outside of the lock: followers are not in the committer's way.
        let bytes = if fits { Arc::new(batch.bytes().to_vec()) } else { Arc::default() };
        let mut dropped = VecDeque::new();
        let mut recent = lock(&self.recent);
        if recent.followers == 0 {
            return;
        }
        if !fits || recent.end != batch.first() {
            // Too large to be kept, or already behind the end when the first follower came: no stretch has a hole.
            dropped = recent.clear();
        }
        recent.end = batch.next();
        if fits {
            while recent.cost.saturating_add(cost) > self.limit {
                let Some(oldest) = recent.batches.pop_front() else { break };
                recent.cost = recent.cost.saturating_sub(oldest.cost());
                dropped.push_back(oldest);
            }
            recent.cost += cost;
            recent.batches.push_back(Kept { first: batch.first(), next: batch.next(), bytes });
        }
        drop(recent);
        self.changed.notify_all();
        drop(dropped);
    }

    /// Nothing comes after `next` any more.
    pub(crate) fn end(&self, next: Lsn, fault: JournalFault) {
        let mut recent = lock(&self.recent);
        if recent.end < next {
            // A committer that panicked may have left out its last batch; the store has it.
            drop(recent.clear());
            recent.end = next;
        }
        recent.fault = Some(fault);
        drop(recent);
        self.changed.notify_all();
    }

    /// What there is at `position`; waits for it as long as there is patience.
    pub(crate) fn find(&self, position: Lsn, patience: Patience) -> Found {
        let mut recent = lock(&self.recent);
        loop {
            if position < recent.end {
                return recent.find(position);
            }
            if let Some(fault) = &recent.fault {
                return Found::Ended(fault.clone());
            }
            recent = match patience {
                Patience::None => return Found::Nothing,
                Patience::Until(None) => self.changed.wait(recent).unwrap_or_else(PoisonError::into_inner),
                Patience::Until(Some(deadline)) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Found::Nothing;
                    }
                    self.changed.wait_timeout(recent, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl Recent {
    fn find(&self, position: Lsn) -> Found {
        let place = self.batches.partition_point(|kept| kept.next <= position);
        match self.batches.get(place) {
            Some(kept) if kept.first <= position => Found::Recent(kept.clone()),
            _ => Found::Stored { most: self.end.previous() },
        }
    }

    /// Lets go of every batch, and gives them to the caller to be freed.
    fn clear(&mut self) -> VecDeque<Kept> {
        self.cost = 0;
        mem::take(&mut self.batches)
    }
}

impl Kept {
    fn cost(&self) -> usize {
        self.bytes.len().saturating_add(BATCH_COST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::position::Epoch;

    fn batch(first: u64, records: u64) -> Batch {
        let mut batch = Batch::new(Lsn::new(first), Epoch::new(1));
        for _ in 0..records {
            batch.push(&[7; 96]);
        }
        batch
    }

    /// Room for two batches of one record.
    fn ring() -> Ring {
        Ring::new(2 * (BATCH_COST + 100))
    }

    fn first_at(ring: &Ring, position: u64) -> Option<u64> {
        match ring.find(Lsn::new(position), Patience::None) {
            Found::Recent(kept) => Some(kept.first.get()),
            _ => None,
        }
    }

    #[test]
    fn nothing_is_kept_for_nobody() {
        let ring = ring();
        ring.put(&batch(1, 1));
        assert!(!ring.is_followed() && lock(&ring.recent).batches.is_empty());
        ring.enter(Lsn::new(2));
        ring.put(&batch(2, 1));
        assert!(ring.is_followed() && first_at(&ring, 2) == Some(2));
        ring.leave();
        // As a committer does that has asked just before.
        ring.put(&batch(3, 1));
        assert!(!ring.is_followed() && lock(&ring.recent).batches.is_empty() && lock(&ring.recent).cost == 0);
    }

    #[test]
    fn the_oldest_go_first_and_are_then_in_the_store() {
        let ring = ring();
        ring.enter(Lsn::new(1));
        for first in 1..=3 {
            ring.put(&batch(first, 1));
        }
        assert!(matches!(ring.find(Lsn::new(1), Patience::None), Found::Stored { most } if most.get() == 3));
        assert_eq!([2, 3].map(|position| first_at(&ring, position)), [Some(2), Some(3)]);
        assert!(matches!(ring.find(Lsn::new(4), Patience::None), Found::Nothing));
        // Larger than all there may be: not even copied.
        ring.put(&batch(4, 5));
        assert!(matches!(ring.find(Lsn::new(3), Patience::None), Found::Stored { most } if most.get() == 8));
        assert!(matches!(ring.find(Lsn::new(8), Patience::None), Found::Stored { most } if most.get() == 8));
        ring.put(&batch(9, 1));
        assert_eq!(first_at(&ring, 9), Some(9));
    }

    #[test]
    fn a_batch_that_was_durable_before_the_follower_came_may_be_put_after() {
        let ring = ring();
        ring.enter(Lsn::new(3));
        assert!(matches!(ring.find(Lsn::new(2), Patience::None), Found::Stored { most } if most.get() == 2));
        ring.put(&batch(2, 1));
        assert_eq!([1, 2, 3].map(|position| first_at(&ring, position)), [None, Some(2), None]);
        ring.put(&batch(3, 1));
        assert_eq!([2, 3].map(|position| first_at(&ring, position)), [Some(2), Some(3)]);
    }

    #[test]
    fn the_end_comes_after_everything_durable() {
        let ring = ring();
        ring.enter(Lsn::new(1));
        ring.put(&batch(1, 1));
        ring.end(Lsn::new(3), JournalFault::Closed);
        assert!(matches!(ring.find(Lsn::new(1), Patience::None), Found::Stored { most } if most.get() == 2));
        assert!(matches!(ring.find(Lsn::new(3), Patience::Until(None)), Found::Ended(JournalFault::Closed)));
    }
}
