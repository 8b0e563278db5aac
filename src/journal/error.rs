//! What can go wrong, sorted by what the caller owes: wait and try again, stop, or call an operator.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::position::Lsn;

/// An operation of the file system that failed, with what was being done to which path.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FileError {
    /// What was attempted: "sync", "rename"…
    pub action: &'static str,
    /// The file or directory it was attempted on.
    pub path: PathBuf,
    /// The operating system's answer.
    pub source: io::Error,
}

impl FileError {
    pub(crate) fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
        move |source| FileError { action, path: path.to_owned(), source }
    }

    /// True where the disk (or the quota) is full: the one failure that time may heal.
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Why a store could not do what the journal asked. On the commit path every one of these poisons the journal.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// More was committed than [`Store::room`](super::Store::room) had promised.
    #[error("no room was prepared for this batch")]
    NoRoom,
    /// The caller broke the store's contract (not recovered, out of order, a second checkpoint at once…).
    #[error("{0}")]
    Misuse(String),
}

impl StoreError {
    /// A checkpoint that holds more than the journal: a crash now would make a start impossible.
    pub(crate) fn ahead(start: Lsn, end: Lsn, durable: Lsn) -> StoreError {
        StoreError::Misuse(format!("a checkpoint from lsn {start} up to lsn {end}, but only lsn {durable} is durable"))
    }
}

/// Why the journal will take nothing more. Given to every waiter whose record did not become durable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalFault {
    /// A write or a sync failed. Nothing was retried; only a restart and its recovery can tell what was kept.
    #[error("the journal failed, durable up to lsn {durable}: {cause}")]
    Poisoned {
        /// The last position known to be durable.
        durable: Lsn,
        /// What failed.
        cause: Arc<StoreError>,
    },
    /// The journal was closed before the position was reached.
    #[error("the journal is closed")]
    Closed,
}

/// Why a record was not appended. Nothing was kept of it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// An earlier write or sync failed; the process should end.
    #[error(transparent)]
    Poisoned(JournalFault),
    /// No space is prepared for it; it may be tried again later.
    #[error("no room in the journal: the disk is full, or space is still being prepared")]
    NoRoom,
    /// It would not fit the store at any time.
    #[error("a record of {len} bytes is larger than the {max} bytes the journal takes")]
    TooLarge {
        /// Bytes of the record.
        len: usize,
        /// The most one record may have.
        max: usize,
    },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

impl From<JournalFault> for AppendError {
    fn from(fault: JournalFault) -> AppendError {
        match fault {
            JournalFault::Poisoned { .. } => AppendError::Poisoned(fault),
            JournalFault::Closed => AppendError::Closed,
        }
    }
}

/// Bytes that are neither what was written nor untouched. Never repaired, always refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: damaged at byte {offset}, at lsn {lsn}: {reason}", file.display())]
pub struct Damage {
    /// The damaged file.
    pub file: PathBuf,
    /// Where in the file, in bytes from its start.
    pub offset: u64,
    /// The first position that cannot be vouched for; [`Lsn::ZERO`] where no record is concerned.
    pub lsn: Lsn,
    /// What was found there.
    pub reason: String,
}

/// Why what is kept could not be taken up again. The engine must not start on any of these.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The file system failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something kept is not as it was written.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// The file belongs to another data directory.
    #[error("{} belongs to another data directory", file.display())]
    Foreign {
        /// The file that does not belong.
        file: PathBuf,
    },
    /// Records that are asked for are no longer (or not) there.
    #[error("records from lsn {wanted} are needed, but {}", oldest_found(*.oldest))]
    Missing {
        /// The first position that was asked for.
        wanted: Lsn,
        /// The oldest position found in journal and archive; [`Lsn::ZERO`] where there is no segment at all.
        oldest: Lsn,
    },
    /// Written by a newer release.
    #[error("{} has format version {found}; this release knows versions up to {known}", file.display())]
    NewerFormat {
        /// The file.
        file: PathBuf,
        /// The version it carries.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The visitor refused a record or an item.
    #[error("lsn {lsn} cannot be taken: {source}")]
    Visit {
        /// The record, or [`Lsn::ZERO`] for an item of a checkpoint.
        lsn: Lsn,
        /// The visitor's reason.
        source: VisitError,
    },
}

fn oldest_found(oldest: Lsn) -> String {
    if oldest == Lsn::ZERO {
        "no segment is there".to_owned()
    } else {
        format!("the oldest segment, archive included, starts at lsn {oldest}")
    }
}

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file system failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process, or another handle of this one, holds the directory.
    #[error("{} is in use: another process holds {}", dir.display(), dir.join("LOCK").display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// There is no data directory here, and none was to be created.
    #[error("{} holds no data directory", dir.display())]
    Absent {
        /// The directory.
        dir: PathBuf,
    },
    /// A journal without its identity file: creating one anew would orphan what is there.
    #[error("{} holds a journal but no identity file; restore the file, do not create it anew", dir.display())]
    IdentityMissing {
        /// The data directory.
        dir: PathBuf,
    },
    /// The identity file cannot be used.
    #[error(transparent)]
    Identity(#[from] RecoverError),
    /// The options make no sense.
    #[error("{0}")]
    Options(String),
}

/// A visitor's refusal of a record: it is intact, but means nothing to the visitor.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct VisitError(Box<dyn std::error::Error + Send + Sync>);

impl VisitError {
    /// Wraps the visitor's own error, or a message.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> VisitError {
        VisitError(cause.into())
    }
}
