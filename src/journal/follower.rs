//! A cursor behind the durable journal.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::{JournalFault, RecoverError, VisitError};
use super::frame::{self, RECORD_PREFIX, Records};
use super::position::Lsn;
use super::ring::{Found, Kept, Patience, Ring};
use super::store::Store;

/// Hands over durable records, each once, in order, from where it was told to begin: see
/// [`Journal::follow`](super::Journal::follow).
///
/// It does not keep the journal open, but its store. It costs the journal one copy of each batch, shared with all other
/// followers, until it is dropped.
pub struct Follower {
    store: Arc<dyn Store>,
    ring: Arc<Ring>,
    /// The next record to hand over.
    position: Lsn,
    /// Where it is taken from: `bytes` from `offset` on begin with it, and end before `next`.
    source: Kept,
    offset: usize,
}

/// Why a follower has nothing to hand over.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The journal is poisoned or closed, and everything that had become durable was handed over.
    #[error(transparent)]
    Ended(#[from] JournalFault),
    /// The store could not be read. The follower stands where it stood: another call tries again.
    #[error(transparent)]
    Read(#[from] RecoverError),
}

/// Durable records with consecutive positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    first: Lsn,
    count: usize,
    bytes: Vec<u8>,
}

impl Run {
    /// The position of the first record; of the one that is waited for, where the run is empty.
    pub fn first(&self) -> Lsn {
        self.first
    }

    /// The position after the last record.
    pub fn next(&self) -> Lsn {
        self.first.after(self.count as u64)
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True without records.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The records with their positions, in order.
    pub fn records(&self) -> impl Iterator<Item = (Lsn, &[u8])> {
        Records(&self.bytes).enumerate().map(|(place, record)| (self.first.after(place as u64), record))
    }

    /// Bytes of the records alone.
    pub fn record_bytes(&self) -> usize {
        self.bytes.len().saturating_sub(self.count * RECORD_PREFIX)
    }
}

impl Follower {
    /// A follower for whom the ring has been entered.
    pub(crate) fn new(store: Arc<dyn Store>, ring: Arc<Ring>, from: Lsn) -> Follower {
        let position = from.max(Lsn::FIRST);
        let source = Kept { first: position, next: position, bytes: Arc::default() };
        Follower { store, ring, position, source, offset: 0 }
    }

    /// The position of the next record it will hand over.
    pub fn position(&self) -> Lsn {
        self.position
    }

    /// The next durable records: at least one, and as many as are at hand without exceeding `most_bytes`, counted with
    /// four bytes for each record. Waits up to `timeout` for the first one, and returns an empty run if there is none
    /// then; reading the store, where it has fallen behind, takes as long as it takes. What has just become durable may
    /// come a moment after its waiters were woken. Blocks its thread: not to be called from async code.
    ///
    /// # Errors
    /// [`FollowError::Ended`] where the journal is poisoned or closed and everything durable was handed over, and
    /// [`FollowError::Read`] where the store failed. No record is lost by either.
    pub fn next(&mut self, most_bytes: usize, timeout: Duration) -> Result<Run, FollowError> {
        let patience = Patience::Until(Instant::now().checked_add(timeout));
        let mut run = Run { first: self.position, count: 0, bytes: Vec::new() };
        loop {
            self.take(&mut run, most_bytes);
            if self.position < self.source.next {
                return Ok(run);
            }
            self.release();
            // What was taken is handed over at once: no waiting, and no error, stands behind it.
            let patience = if run.is_empty() { patience } else { Patience::None };
            match self.ring.find(self.position, patience) {
                Found::Recent(kept) => self.go_on_with(kept),
                Found::Stored { most } if run.is_empty() => self.read(most)?,
                Found::Ended(fault) if run.is_empty() => return Err(fault.into()),
                Found::Stored { .. } | Found::Ended(_) | Found::Nothing => return Ok(run),
            }
        }
    }

    /// Moves to the run what fits.
    fn take(&mut self, run: &mut Run, most_bytes: usize) {
        let rest = self.source.bytes.get(self.offset..).unwrap_or_default();
        let left = self.source.next.get().saturating_sub(self.position.get()) as usize;
        let (mut count, mut len) = frame::fitting(rest, left, most_bytes.saturating_sub(run.bytes.len()));
        if count == 0 && left > 0 && run.is_empty() {
            // A record beyond the limit comes alone.
            (count, len) = frame::first_fitting(rest, rest.len());
        }
        run.bytes.extend_from_slice(rest.get(..len).unwrap_or_default());
        run.count += count;
        self.offset += len;
        self.position = self.position.after(count as u64);
    }

    /// Lets go of what has been handed over: the ring may have done so already.
    fn release(&mut self) {
        drop(mem::take(&mut self.source.bytes));
        self.offset = 0;
    }

    /// Goes on within a batch that holds the position, perhaps not as its first.
    fn go_on_with(&mut self, kept: Kept) {
        let before = self.position.get().saturating_sub(kept.first.get()) as usize;
        let mut rest = Records(&kept.bytes);
        rest.by_ref().take(before).for_each(drop);
        self.offset = kept.bytes.len().saturating_sub(rest.0.len());
        self.source = kept;
    }

    /// Goes on with what the store has next. That nothing is left out is not left to the store.
    fn read(&mut self, most: Lsn) -> Result<(), RecoverError> {
        let (first, mut next, mut bytes) = (self.position, self.position, Vec::new());
        self.store.read(first, most, &mut |lsn, record| {
            if lsn != next {
                return Err(VisitError::new(format!("lsn {next} should come first")));
            }
            frame::push_record(&mut bytes, record);
            next = next.next();
            Ok(())
        })?;
        if next == first {
            let source = VisitError::new("it is durable, but the store does not hand it over");
            return Err(RecoverError::Visit { lsn: first, source });
        }
        self.source = Kept { first, next, bytes: Arc::new(bytes) };
        Ok(())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.ring.leave();
    }
}
