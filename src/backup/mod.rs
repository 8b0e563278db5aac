//! Copies of a journal in other places, and data directories that are made of them.
//!
//! ```text
//!   identity/<blake3>                     the identity of the data directory, with its key
//!   segments/<first lsn>-<blake3>         segments, without the zeros behind their last frame
//!   checkpoints/<start>-<end>-<blake3>    checkpoints, as they were
//!   manifests/<position>-<blake3>.json    what belongs to one backup: written last
//! ```
//!
//! Objects are named by what they hold, put whole or not at all, and never changed. A backup is its manifest: what was put before a
//! crash, or before a power cut, is taken for nothing until a manifest names it, and is found there by the next attempt. Segments that are full
//! are the same in every backup and lie there once; only the last one, up to its last whole frame, is put anew each time.
//!
//! A destination holds one line of history: a backup of another directory, or of one that went another way, is refused. A restored
//! directory is another one, with the same past ([`restore()`]).
//!
//! This room knows the journal, and of its records only when they were made. It decides nothing, and no server needs it.

mod destination;
mod directory;
mod manifest;
mod prune;
mod restore;
#[cfg(feature = "s3")]
mod s3;
mod shelf;
mod stamps;
mod take;
mod verify;

use std::io;

use crate::journal::{Lsn, RecoverError, carry::RebuildError};

pub use self::{
    destination::{Destination, DestinationError, Object, open},
    manifest::{Checkpoint, Manifest, Part, Segment},
    prune::{Pruned, Rule, prune},
    restore::{Cut, Restore, Restored, restore},
    shelf::{Choice, Entry, Shelf},
    take::{Taken, take},
    verify::{Verified, verify},
};

/// Why a backup was not made, not read or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The data directory cannot be read, or is damaged.
    #[error(transparent)]
    Source(#[from] RecoverError),
    /// The destination failed.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// The destination holds backups of another data directory.
    #[error("{destination} holds backups of data directory {there}; this one is {here}: every directory needs a place of its own{}", restored_from(.from.as_deref()))]
    OtherDirectory {
        /// The destination.
        destination: String,
        /// Whose backups they are.
        there: String,
        /// The directory that was to be backed up.
        here: String,
        /// The backup that this directory was restored from, if it was.
        from: Option<String>,
    },
    /// The data directory has fewer records than were backed up from it.
    #[error(
        "the newest backup in {destination} reaches to lsn {there}, and the data directory only to lsn {here}: it has lost records, or is an old copy"
    )]
    Behind {
        /// The destination.
        destination: String,
        /// Up to where the newest backup reaches.
        there: Lsn,
        /// Up to where the data directory does.
        here: Lsn,
    },
    /// The data directory went another way since the latest backup.
    #[error(
        "the data directory is not what was backed up to {destination}: its history parts from that of backup {backup} at or before lsn {at}"
    )]
    Diverged {
        /// The destination.
        destination: String,
        /// The backup that it was compared with.
        backup: String,
        /// The last position at which both were compared.
        at: Lsn,
    },
    /// The data directory begins too late, and no backup has what is missing.
    #[error(
        "the data directory begins with lsn {oldest}, and no backup holds the records before: a backup would have a hole"
    )]
    Hole {
        /// The first record there is.
        oldest: Lsn,
    },
    /// An object is not as it was written.
    #[error("{object} is damaged: {reason}")]
    Damaged {
        /// Its name.
        object: String,
        /// What was found.
        reason: String,
    },
    /// An object that a manifest names is not there.
    #[error("{object} is missing")]
    Gone {
        /// Its name.
        object: String,
    },
    /// There is no backup.
    #[error("{destination} holds no backup")]
    None {
        /// The destination.
        destination: String,
    },
    /// There is no such backup.
    #[error("{destination} holds no backup named {name}; `tplus backup list` names those there are")]
    Unknown {
        /// The destination.
        destination: String,
        /// The name that was asked for.
        name: String,
    },
    /// The backup does not reach so far, or not so far back.
    #[error("{0}")]
    OutOfReach(String),
    /// The place for the restored directory cannot be used.
    #[error("{0}")]
    Target(String),
    /// The restored directory cannot be written.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// There is no randomness for the new identity.
    #[error("cannot draw a new identity: {0}")]
    Random(io::Error),
}

fn restored_from(backup: Option<&str>) -> String {
    backup.map_or_else(String::new, |backup| format!(" (it was restored from {backup})"))
}

impl BackupError {
    /// Whether something that was kept is not as it was written.
    pub const fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Damaged { .. }
                | Self::Gone { .. }
                | Self::Source(RecoverError::Damage(_) | RecoverError::Foreign { .. } | RecoverError::Visit { .. })
        )
    }
}

/// Bytes in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
