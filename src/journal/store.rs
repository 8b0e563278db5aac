//! Where the bytes live: a narrow trait, with one conformance suite that every implementor passes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::batch::Batch;
use super::error::{RecoverError, StoreError, VisitError};
use super::position::{Epoch, Lsn};

/// Takes the records of a recovery or a reading, in order. An error ends it with [`RecoverError::Visit`].
pub type VisitRecord<'a> = dyn FnMut(Lsn, &[u8]) -> Result<(), VisitError> + 'a;

/// Takes the items of a checkpoint, in the order they were put.
pub type VisitItem<'a> = dyn FnMut(&[u8]) -> Result<(), VisitError> + 'a;

/// Called, from any thread, when [`Store::room`] may have grown.
pub type RoomWatcher = Arc<dyn Fn() + Send + Sync>;

/// Where a journal and its checkpoints are kept.
///
/// Contract: `recover` comes first and is what makes `commit` possible. Commits come one at a time, in order of
/// position, and a batch is kept wholly or not at all as far as a later recovery can see, except that a batch split
/// at the end of a segment may be kept up to a record. Once `commit` has returned `Ok`, the batch survives any crash;
/// once it has returned `Err`, nobody calls it again. Checkpoints are written beside commits, from another thread.
pub trait Store: Send + Sync + 'static {
    /// Verifies everything kept in the live journal, hands every record from `from` on to `visit`, in order, drops a
    /// torn tail durably, and returns where the journal ends. Where `from` lies before the live journal, what was
    /// archived is verified and visited first.
    ///
    /// # Errors
    /// Damage anywhere, foreign or missing segments, a failing file system, or a refusal of `visit`.
    fn recover(
        &self,
        from: Lsn,
        visit: &mut VisitRecord<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tail, RecoverError>;

    /// Writes the batch and makes it durable.
    ///
    /// # Errors
    /// Any error leaves open whether the batch was kept. The journal is poisoned by it and never retries.
    fn commit(&self, batch: &Batch) -> Result<CommitTimes, StoreError>;

    /// Hands durable records from `from` on to `visit`, in order, each verified, archive included; none beyond `most`,
    /// and none that is not durable whatever `most` says. Returns the position to go on from: beyond `from` wherever
    /// `from` is durable and not beyond `most`, and as far as the segment of `from` reaches; otherwise `from`, nothing
    /// being there to read. Called from any thread, also while commits go on and segments are archived.
    ///
    /// # Errors
    /// [`RecoverError::Missing`] where `from` lies before what is kept, damage, a failing file system, or a refusal of
    /// `visit`. What was visited before is as good as ever.
    fn read(&self, from: Lsn, most: Lsn, visit: &mut VisitRecord<'_>) -> Result<Lsn, RecoverError>;

    /// How much can surely still be committed, in the bytes that [`Store::cost`] counts, as of the last completed
    /// commit. Cheap: asked on every append.
    fn room(&self) -> u64;

    /// Whether more room is on its way, nothing standing in the way of it so far.
    fn is_preparing(&self) -> bool {
        false
    }

    /// What a batch of `len` bytes, [as it is kept](Batch::bytes), takes at most from [`Store::room`], wherever it is split. A longer one
    /// takes no less.
    fn cost(&self, len: usize) -> u64;

    /// The longest record that can be kept, in bytes.
    fn max_record(&self) -> usize;

    /// How much room the journal takes and has, for whoever watches it. Looks at directories: meant for a scrape.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Asks to be told when room may have grown. The last watcher counts.
    fn watch_room(&self, watcher: RoomWatcher);

    /// Begins a checkpoint of everything before `start`: replay will begin there. One at a time.
    ///
    /// # Errors
    /// A failing file system, or another checkpoint that is being written.
    fn begin_checkpoint(&self, start: Lsn) -> Result<Box<dyn CheckpointWriter>, StoreError>;

    /// The checkpoints kept, newest first. Their content is verified by reading them.
    ///
    /// # Errors
    /// A failing file system.
    fn checkpoints(&self) -> Result<Vec<CheckpointInfo>, StoreError>;

    /// Hands the items of a checkpoint to `visit`. They can be trusted only once this has returned `Ok`: on an error
    /// the caller discards what it has visited and takes an older checkpoint. One that failed here is no longer
    /// counted among the two that are kept.
    ///
    /// # Errors
    /// Damage, a failing file system, or a refusal of `visit`.
    fn read_checkpoint(&self, info: &CheckpointInfo, visit: &mut VisitItem<'_>) -> Result<(), RecoverError>;
}

/// How much room a journal takes, and how much there is where it is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The segments that a start may read, the one that is written to among them.
    pub live: Extent,
    /// Those behind two checkpoints.
    pub archived: Extent,
    /// Bytes that may still be taken.
    pub free: u64,
    /// All bytes there are, taken or not; 0 where that cannot be told.
    pub total: u64,
}

/// Some segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extent {
    /// How many.
    pub segments: u64,
    /// Their size.
    pub bytes: u64,
}

/// A checkpoint that is being written. Dropped without `commit`, nothing remains of it.
pub trait CheckpointWriter: Send {
    /// Adds an item.
    ///
    /// # Errors
    /// A failing file system; the checkpoint is to be dropped then.
    fn put(&mut self, item: &[u8]) -> Result<(), StoreError>;

    /// Makes the checkpoint valid and durable, drops all but the two newest, and archives what lies behind both.
    /// `end` is the highest position its items have seen; the caller has waited until `end` is durable.
    ///
    /// # Errors
    /// A failing file system (the checkpoint may then be valid or not; older ones are untouched), or an `end` that is
    /// not durable: such a checkpoint would make the next start impossible, so it is not made.
    fn commit(self: Box<Self>, end: Lsn) -> Result<CheckpointInfo, StoreError>;
}

/// A checkpoint that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointInfo {
    /// Replay starts with this record.
    pub start: Lsn,
    /// The highest position its items may have seen.
    pub end: Lsn,
    /// Its size, in bytes.
    pub bytes: u64,
}

/// What a recovery found: where the journal ends, and what the next owner goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The last record kept.
    pub last: Lsn,
    /// The epoch of the owner who recovers: one above the highest that was found.
    pub epoch: Epoch,
    /// The hash chain up to `last`.
    pub chain: [u8; 32],
    /// How many records were handed to the visitor.
    pub visited: u64,
    /// An unfinished batch that was dropped. Nobody was told that it had been kept.
    pub torn: Option<Torn>,
}

/// An unfinished frame at the end of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub file: PathBuf,
    /// Where the frame starts, in bytes.
    pub offset: u64,
    /// The position its first record would have had.
    pub lsn: Lsn,
    /// How many of its sectors had reached the disk.
    pub sectors: usize,
}

/// How far a recovery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes verified.
    pub done: u64,
    /// Bytes there are.
    pub total: u64,
    /// The last record verified.
    pub lsn: Lsn,
}

/// How long the two halves of a commit took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommitTimes {
    /// Encoding and writing.
    pub write: Duration,
    /// Waiting for the disk.
    pub sync: Duration,
}
