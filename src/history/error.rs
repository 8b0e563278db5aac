//! What can go wrong with the history. None of it touches what the journal holds.

use crate::{codec::Malformed, journal::Lsn};

/// Why the history does not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// It has not got as far as the answer needs; it may be asked again later.
    #[error("the history has got to position {applied}, and position {wanted} is needed")]
    Behind {
        /// Where it stands.
        applied: Lsn,
        /// What is needed.
        wanted: Lsn,
    },
    /// It goes on no further until the process is started again.
    #[error("the history has failed: {0}")]
    Failed(String),
    /// What is in its files is not what was written. It is built anew at the next start.
    #[error("the history is damaged: {0}")]
    Damaged(String),
    /// Its files cannot be read or written.
    #[error("the files of the history: {0}")]
    Store(String),
    /// The journal cannot be read where the history has to go on.
    #[error("the history cannot follow the journal: {0}")]
    Journal(String),
}

impl HistoryError {
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }
}

impl From<Malformed> for HistoryError {
    fn from(malformed: Malformed) -> Self {
        Self::Damaged(malformed.to_string())
    }
}

impl From<prost::DecodeError> for HistoryError {
    fn from(error: prost::DecodeError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<fjall::Error> for HistoryError {
    fn from(error: fjall::Error) -> Self {
        match &error {
            fjall::Error::Io(_) | fjall::Error::Poisoned | fjall::Error::Locked => Self::Store(error.to_string()),
            fjall::Error::Storage(fjall::LsmError::Io(_)) => Self::Store(error.to_string()),
            _ => Self::Damaged(error.to_string()),
        }
    }
}
