//! Where a record stands, and under whom it was written.

use std::fmt;

/// The position of a record in the journal: dense, from 1, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(u64);

impl Lsn {
    /// Before every record.
    pub const ZERO: Lsn = Lsn(0);
    /// The first record of a journal.
    pub const FIRST: Lsn = Lsn(1);

    /// The position with this number; 0 is [`Lsn::ZERO`].
    pub const fn new(number: u64) -> Lsn {
        Lsn(number)
    }

    /// The number of the position.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Lsn {
        Lsn(self.0.saturating_add(1))
    }

    /// The position `records` further along.
    #[must_use]
    pub const fn after(self, records: u64) -> Lsn {
        Lsn(self.0.saturating_add(records))
    }

    /// The position before this one; [`Lsn::ZERO`] stays where it is.
    #[must_use]
    pub const fn previous(self) -> Lsn {
        Lsn(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An owner's term. Whoever opens a journal for writing takes the highest epoch found in it plus one,
/// so a frame tells which owner wrote it, and an epoch that falls along the chain is damage. An epoch under which
/// nothing was kept leaves no trace and may be taken again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of a directory that nobody has written to yet.
    pub const ZERO: Epoch = Epoch(0);

    /// The epoch with this number.
    pub const fn new(number: u64) -> Epoch {
        Epoch(number)
    }

    /// The number of the epoch.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The epoch of the next owner.
    #[must_use]
    pub const fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
