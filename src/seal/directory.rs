//! Seals and proofs from the journal of a data directory, which may be in use meanwhile. Reads each record once, and keeps what the
//! logarithm of their number takes.

use std::path::Path;

use prost::Message as _;

use super::{ChainHead, Extension, Hash, Hex, Key, Seal, tree, tree::Tree};
use crate::{
    codec::read_facts,
    domain::Timestamp,
    journal::{
        Lsn, RecoverError, VisitError,
        inspect::{self, Met},
    },
    proto::journal::Record,
};

/// Why a data directory is not sealed, or not what was sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] RecoverError),
    /// The seal is of another data directory.
    #[error("the seal is of the data directory {sealed}, and this is {found}")]
    OtherDirectory {
        /// Which was sealed.
        sealed: Hex<16>,
        /// Which this is.
        found: Hex<16>,
    },
    /// There is no record yet.
    #[error("the journal holds no record yet")]
    Empty,
    /// There are not so many records yet.
    #[error("the journal ends at lsn {last}")]
    NotYet {
        /// The last position there is.
        last: u64,
    },
    /// The position is not among those that are sealed.
    #[error("lsn {lsn} is not sealed: the seal is over lsn 1 to {records}")]
    NotSealed {
        /// The position.
        lsn: u64,
        /// How many records are sealed.
        records: u64,
    },
    /// The earlier seal ends within a batch, and the hash chain does not tell what the records behind the last whole one are.
    #[error(
        "the earlier seal is over lsn 1 to {records} and ends within a batch, whose records begin behind lsn {lsn}: only a seal that ends with a batch can be gone on from"
    )]
    WithinBatch {
        /// How many records the earlier seal is over.
        records: u64,
        /// The end of the last whole batch among them.
        lsn: u64,
    },
    /// What is wanted lies before the seal from which the reading begins.
    #[error("lsn {lsn} lies before what is read: the earlier seal is over lsn 1 to {since}")]
    BeforeOrigin {
        /// The position.
        lsn: u64,
        /// How many records the earlier seal is over.
        since: u64,
    },
    /// There were more records when it was sealed.
    #[error("records were lost: lsn 1 to {records} were sealed, and the journal ends at lsn {last}")]
    Lost {
        /// How many records were sealed.
        records: u64,
        /// The last position there is.
        last: u64,
    },
    /// The records are others.
    #[error("the journal was changed: its records at lsn 1 to {records} are not those that were sealed")]
    Changed {
        /// How many records were sealed.
        records: u64,
    },
    /// The chain is another.
    #[error("the journal was changed: its hash chain up to lsn {lsn} is not the one that was sealed")]
    OtherChain {
        /// Up to where.
        lsn: u64,
    },
}

/// What of a sealed journal is still as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Every record, by the tree.
    Records,
    /// Those from here on, by the hash chain; earlier ones are not in the directory any more.
    From(Lsn),
}

/// Seals the journal up to `to`, or up to its last whole and durable frame. Goes on from an earlier seal, if one is given: only what came since
/// is read then. Signs it, if a key is given.
///
/// # Errors
/// Damage in what is read, a journal that does not reach so far, or an earlier seal that is none of this journal or ends within a batch.
pub fn make(dir: &Path, to: Option<u64>, since: Option<&Seal>, key: Option<&Key>) -> Result<Seal, SealError> {
    if let Some(since) = since.filter(|since| since.chain.lsn != since.records) {
        return Err(SealError::WithinBatch { records: since.records, lsn: since.chain.lsn });
    }
    let grown = Grown::read(dir, since, to, Tree::push, |_| {})?;
    let Some(root) = grown.tree.root() else { return Err(SealError::Empty) };
    if to.is_some_and(|to| grown.tree.size() < to) {
        return Err(SealError::NotYet { last: grown.tree.size() });
    }
    let seal = Seal {
        directory: grown.directory,
        records: grown.tree.size(),
        recorded_at: grown.recorded_at()?,
        root,
        chain: grown.chain,
        peaks: grown.tree.peaks().to_vec(),
        signature: None,
    };
    Ok(match key {
        Some(key) => seal.signed(key),
        None => seal,
    })
}

/// The record at a sealed position, and its path in the tree that was sealed. Goes on from an earlier seal, if one is given, so that what it
/// is over need not be there any more.
///
/// # Errors
/// As [`make`]; a position that is not sealed; and a journal that is not the one that was sealed.
pub fn include(dir: &Path, seal: &Seal, lsn: u64, since: Option<&Seal>) -> Result<(Vec<u8>, Vec<Hash>), SealError> {
    let records = seal.records;
    if lsn == 0 || lsn > records {
        return Err(SealError::NotSealed { lsn, records });
    }
    if let Some(since) = since.filter(|since| lsn <= since.records) {
        return Err(SealError::BeforeOrigin { lsn, since: since.records });
    }
    let mut found = Vec::new();
    let push = |tree: &mut Tree, leaf| if tree.size() + 1 == lsn { tree.push_watched(leaf) } else { tree.push(leaf) };
    let keep = |(at, record): (u64, &[u8])| {
        if at == lsn {
            found.extend_from_slice(record);
        }
    };
    let grown = Grown::read(dir, since, Some(records), push, keep)?;
    grown.compare(dir, seal)?;
    Ok((found, grown.tree.path()))
}

/// Proves that a seal goes on from an earlier one. Reads what came since.
///
/// # Errors
/// As [`make`], a later seal that is over fewer records, and a journal that is not the one that was sealed.
pub fn extend(dir: &Path, since: &Seal, seal: &Seal) -> Result<Extension, SealError> {
    if since.directory != seal.directory {
        return Err(SealError::OtherDirectory { sealed: since.directory, found: seal.directory });
    }
    let grown = Grown::read(dir, Some(since), Some(seal.records), Tree::push, |_| {})?;
    grown.compare(dir, seal)?;
    let path = if seal.records == since.records { vec![] } else { grown.tree.path() };
    Ok(Extension::new(since, seal, path))
}

/// Whether a data directory still holds what was sealed. Records that are no longer there are vouched for by the hash chain of those that are, or by
/// an earlier seal, if one is given.
///
/// # Errors
/// A journal that is not the one that was sealed; damage in what is read.
pub fn check(dir: &Path, seal: &Seal, since: Option<&Seal>) -> Result<Kept, SealError> {
    seal.is_of(dir)?;
    let oldest = inspect::oldest(dir)?;
    if oldest == Lsn::FIRST {
        // Nothing has to stand in for a record.
        Grown::read(dir, None, Some(seal.records), Tree::push, |_| {})?.compare(dir, seal)?;
        return Ok(Kept::Records);
    }
    let kept = follow(dir, seal, oldest)?;
    let Some(since) = since else { return Ok(kept) };
    Grown::read(dir, Some(since), Some(seal.records), Tree::push, |_| {})?.compare(dir, seal)?;
    Ok(Kept::Records)
}

/// Goes through the chain from the oldest record that is there to where it was sealed.
fn follow(dir: &Path, seal: &Seal, oldest: Lsn) -> Result<Kept, SealError> {
    let ChainHead { lsn, hash } = seal.chain;
    let mut is_there = false;
    let from = oldest.min(Lsn::new(lsn).next());
    let reach = inspect::follow_chain(dir, from, Some(Lsn::new(lsn)), &mut |met| {
        is_there |= matches!(met, Met::Chain(at, chain) if (at.get(), *chain) == (lsn, hash.0));
        Ok(())
    })?;
    if is_there { Ok(Kept::From(reach.oldest)) } else { Err(SealError::OtherChain { lsn }) }
}

impl Seal {
    fn is_of(&self, dir: &Path) -> Result<(), SealError> {
        let identity = inspect::identity(dir)?;
        let (sealed, found) = (self.directory, Hex(identity.id));
        // A restored directory has another id and the old one's records: whether they are those that were sealed, root and chain decide.
        if sealed == found || identity.lineage() != identity.id {
            Ok(())
        } else {
            Err(SealError::OtherDirectory { sealed, found })
        }
    }
}

/// What a journal comes to.
struct Grown {
    directory: Hex<16>,
    tree: Tree,
    chain: ChainHead,
    /// The last record that was read.
    last: Vec<u8>,
    /// When the last record before it was recorded.
    before: Timestamp,
}

impl Grown {
    /// Reads the records behind an earlier seal, or all, up to `to`.
    fn read(
        dir: &Path,
        since: Option<&Seal>,
        to: Option<u64>,
        push: impl Fn(&mut Tree, Hash),
        mut keep: impl FnMut((u64, &[u8])),
    ) -> Result<Self, SealError> {
        if let Some(since) = since {
            since.is_of(dir)?;
            if let Some(lsn) = to.filter(|to| *to < since.records) {
                return Err(SealError::BeforeOrigin { lsn, since: since.records });
            }
        }
        let mut grown = Self::behind(Hex(inspect::identity(dir)?.id), since);
        let origin = since.map(|since| since.chain);
        let mut goes_on = origin.is_none();
        let from = Lsn::new(origin.map_or(0, |chain| chain.lsn)).next();
        let read = inspect::follow_chain(dir, from, to.map(Lsn::new), &mut |met| {
            match met {
                Met::Chain(lsn, hash) => {
                    let head = ChainHead { lsn: lsn.get(), hash: Hex(*hash) };
                    goes_on |= origin == Some(head);
                    grown.chain = head;
                }
                Met::Record(..) if !goes_on => return Err(VisitError::new("it does not follow what was sealed")),
                // Sealed before, behind the last whole frame.
                Met::Record(lsn, _) if lsn.get() <= grown.tree.size() => {}
                Met::Record(lsn, record) => {
                    push(&mut grown.tree, tree::leaf(record));
                    keep((lsn.get(), record));
                    grown.last.clear();
                    grown.last.extend_from_slice(record);
                }
            }
            Ok(())
        });
        match (read, origin) {
            (Ok(_) | Err(RecoverError::Visit { .. }), Some(ChainHead { lsn, .. })) if !goes_on => {
                Err(SealError::OtherChain { lsn })
            }
            (read, _) => {
                let last = read?.last.get();
                match since {
                    Some(Seal { records, .. }) if last < *records => Err(SealError::Lost { records: *records, last }),
                    _ => Ok(grown),
                }
            }
        }
    }

    fn behind(directory: Hex<16>, since: Option<&Seal>) -> Self {
        let mut tree = since.map_or_else(Tree::default, Seal::tree);
        tree.watch_growth();
        let chain = since.map_or(ChainHead { lsn: 0, hash: Hex([0; 32]) }, |since| since.chain);
        let before = since.map_or(Timestamp::default(), |since| since.recorded_at);
        Self { directory, tree, chain, last: Vec::new(), before }
    }

    fn recorded_at(&self) -> Result<Timestamp, SealError> {
        if self.last.is_empty() {
            return Ok(self.before);
        }
        if let Some(facts) = read_facts(&self.last) {
            return Ok(facts.recorded_at);
        }
        let lsn = Lsn::new(self.tree.size());
        let refuse = |error| RecoverError::Visit { lsn, source: VisitError::new(error) };
        let record = Record::decode(&*self.last).map_err(refuse)?;
        Ok(Timestamp::from_micros(record.recorded_at))
    }

    /// Whether this is what was sealed.
    fn compare(&self, dir: &Path, seal: &Seal) -> Result<(), SealError> {
        seal.is_of(dir)?;
        let records = seal.records;
        if self.tree.size() < records {
            return Err(SealError::Lost { records, last: self.tree.size() });
        }
        if self.tree.root() != Some(seal.root) {
            return Err(SealError::Changed { records });
        }
        if self.chain != seal.chain {
            return Err(SealError::OtherChain { lsn: seal.chain.lsn });
        }
        Ok(())
    }
}
