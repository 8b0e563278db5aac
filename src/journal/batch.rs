//! The unit of commit.

use super::position::{Epoch, Lsn};

/// A buffer that has grown beyond this is given back rather than kept for the next batch.
const KEEP_CAPACITY: usize = 16 << 20;

/// Records with consecutive positions, written and made durable together: one frame on disk (or several, where a
/// segment ends), one message of a broker. Encoded as it is kept: each record is its length (u32, little endian)
/// and its bytes.
#[derive(Debug)]
pub struct Batch {
    first: Lsn,
    epoch: Epoch,
    count: usize,
    bytes: Vec<u8>,
}

impl Batch {
    /// An empty batch whose first record will have the position `first`.
    pub fn new(first: Lsn, epoch: Epoch) -> Batch {
        Batch { first, epoch, count: 0, bytes: Vec::new() }
    }

    /// Adds a record and returns its position. Records are shorter than 4 GiB; stores set a far lower bound.
    pub fn push(&mut self, record: &[u8]) -> Lsn {
        let lsn = self.first.after(self.count as u64);
        super::frame::push_record(&mut self.bytes, record);
        self.count += 1;
        lsn
    }

    /// Empties the batch for reuse; the next record will have the position `first`.
    pub(crate) fn restart(&mut self, first: Lsn) {
        self.first = first;
        self.count = 0;
        self.bytes.clear();
        self.bytes.shrink_to(KEEP_CAPACITY);
    }

    /// The position of the first record.
    pub fn first(&self) -> Lsn {
        self.first
    }

    /// The position of the last record; the one before `first` where the batch is empty.
    pub fn last(&self) -> Lsn {
        Lsn::new(self.first.get().saturating_add(self.count as u64).saturating_sub(1))
    }

    /// The position after the last record.
    pub fn next(&self) -> Lsn {
        self.first.after(self.count as u64)
    }

    /// Under which owner it is written.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True without records.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Lengths and records, as kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The records, in order of position.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        super::frame::Records(&self.bytes)
    }

    /// Bytes of the records alone.
    pub fn record_bytes(&self) -> usize {
        self.bytes.len().saturating_sub(self.count * super::frame::RECORD_PREFIX)
    }
}
