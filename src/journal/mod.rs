//! What is kept: opaque records in order, durable before anybody is told of them.
//!
//! Knows nothing of the domain. [`Journal`] numbers records, commits them in groups and wakes who waits;
//! [`Store`] is where the bytes live: [`FileStore`] in a directory, [`MemoryStore`] in memory for tests and
//! simulations.
//!
//! # Torn or damaged
//!
//! One frame is in flight at a time and is synced before the next is written, into sectors that held zeros. So a crash
//! can leave one frame, the last, of which some sectors are as written and the others still zero. Exactly that is a
//! *torn tail*: nobody was told that it had been kept, and recovery zeroes it. Everything else that is not as it was
//! written is *damage*: a sector that is neither intact nor zero, an incomplete frame with anything behind it, a frame
//! that does not continue the chain, a byte in the zeros after the tail. Damage is never repaired: recovery refuses and
//! says where. What remains: a disk that forgets whole sectors of the very last frame, back to the zeros of before, is
//! not to be told from one that never wrote them.
//!
//! # Before a recovered tail is relied on
//!
//! After a failed sync the page cache may show bytes that the disk does not have. Recovery therefore writes the last
//! frame again, zeroes what was torn after it, and syncs both before it returns.
//!
//! # Room
//!
//! Space is reserved before it is promised: a thread writes the next segment with zeros and syncs it while the current
//! one is being filled. `append` takes a record only if everything queued fits either the current segment or the spare,
//! in as many frames as it may come to be split into: what fits one of them alone also fits both together. So what was
//! taken always finds its place, and a full disk is met only by that thread, which tries again about once a second
//! while the journal refuses appends with [`AppendError::NoRoom`].
//!
//! # Following
//!
//! A follower is a position and nothing else: it moves only past records that were handed over, and the next one is
//! taken from wherever it is to be had. So there is no gap and no repeat, however often it changes between the two
//! places where records are:
//!
//! ```text
//!   lsn   1 ………………………… │ ring ………… end │ not durable, or not yet put
//!         Store::read   │ in memory    │ the follower waits
//! ```
//!
//! While there are followers, the committer puts a copy of each batch into the ring once the batch is durable, and the
//! ring, over its limit, lets go of the oldest. It is dense, everything before its end is durable, and everything from
//! there on comes through it. That holds from the first follower on, because the first one and the committer meet in the
//! journal's mutex: a batch whose commit passed there before is below `durable`, which is what the end begins as; one
//! that passes later finds the ring followed and is put. A follower asks the ring alone how far it may go, under the
//! ring's own mutex, so it neither sees what is not durable nor misses a wake-up. The store is read up to the end of the
//! ring, one segment at a time; whoever has caught up finds the next position in the ring again. When the journal is
//! poisoned or closed the end is what is durable, and only a follower that has reached it is told.

mod appender;
mod batch;
pub mod carry;
mod checkpoint;
mod committer;
mod disk;
mod error;
mod faults;
mod file;
mod follower;
mod frame;
mod handle;
mod identity;
pub mod inspect;
mod memory;
mod position;
mod ring;
mod segment;
mod store;
mod wire;

pub use appender::Appender;
pub use batch::Batch;
pub use disk::{Disk, DiskFile, Held, Open, OsDisk, Space, remove_large};
pub use error::{AppendError, Damage, FileError, JournalFault, OpenError, RecoverError, StoreError, VisitError};
pub use faults::{Faults, Half};
pub use file::{FileOptions, FileStore, NewDirectory};
pub use follower::{FollowError, Follower, Run};
pub use frame::Point;
pub use handle::{Journal, Observer, Options, Unobserved, Workers};
pub use identity::Identity;
pub use memory::{MemoryStore, Unsynced};
pub use position::{Epoch, Lsn};
pub use store::{
    CheckpointInfo, CheckpointWriter, CommitTimes, Extent, Progress, RoomWatcher, Store, Tail, Torn, Usage, VisitItem,
    VisitRecord,
};
