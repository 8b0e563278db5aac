//! What remembers decided facts once memory has let go of them.

use crate::{
    codec::Fingerprint,
    domain::Known,
    journal::{Journal, Lsn},
};

/// A projection of the journal that knows every fact that was ever asked for, up to a position.
///
/// Contract: what is known up to [`Archive::durable`] is never lost, and [`Archive::known`] tells at least that. Everything can be
/// rebuilt from the journal, so one that is behind only has to catch up.
pub trait Archive: Send + Sync {
    /// Catches up with the journal to at least this position, and goes on from there by itself.
    ///
    /// # Errors
    /// When the journal or the archive's own files cannot be read.
    fn start(&self, journal: &Journal, at_least: Lsn) -> Result<(), ArchiveError>;

    /// What is known under a fingerprint; none if nothing is. Answers at least what was durable when it was called.
    ///
    /// # Errors
    /// When the archive's files cannot be read.
    fn known(&self, fingerprint: Fingerprint) -> Result<Option<Known>, ArchiveError>;

    /// Up to where everything is known for good.
    fn durable(&self) -> Lsn;

    /// Hands over every fingerprint that is known.
    ///
    /// # Errors
    /// When the archive's files cannot be read.
    fn fingerprints(&self, visit: &mut dyn FnMut(Fingerprint)) -> Result<(), ArchiveError>;

    /// Ends what [`Archive::start`] began, once the journal is closed.
    fn stop(&self);
}

/// The archive cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history cannot be read: {0}")]
pub struct ArchiveError(pub String);
