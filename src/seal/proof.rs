//! What is handed to an outsider beside a seal: a record with its path, or the path from an earlier seal.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Hash, HexBytes, Seal, tree};

/// The format of a proof that a record is sealed.
const INCLUSION: &str = "tplus inclusion proof v1";
/// The format of a proof that a seal goes on from an earlier one.
const EXTENSION: &str = "tplus extension proof v1";

/// A proof, as it lies in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Proof {
    /// That a record is sealed.
    Inclusion(Inclusion),
    /// That a seal goes on from an earlier one.
    Extension(Extension),
}

/// That a record has a position among those that are sealed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    format: String,
    /// The id of the seal.
    pub seal: Hash,
    /// The position of the record.
    pub lsn: u64,
    /// The record as it lies in the journal: a `tplus.journal.v1.Record`.
    pub record: HexBytes,
    /// What it says, for people. It proves nothing: who checks makes it anew from the record, and compares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readable: Option<Value>,
    path: Vec<Hash>,
}

/// That the records of an earlier seal are those with which a later one begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    format: String,
    /// The id of the earlier seal.
    pub since: Hash,
    /// The id of the later seal.
    pub seal: Hash,
    path: Vec<Hash>,
}

/// Why a text is no proof.
#[derive(Debug, thiserror::Error)]
pub enum InvalidProof {
    /// It is no JSON, or has other fields.
    #[error("it is no proof")]
    Json(#[from] serde_json::Error),
    /// It is of another format.
    #[error("its format is {0}; this release knows {INCLUSION:?} and {EXTENSION:?}")]
    Format(Value),
}

/// Why a proof does not prove anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It belongs to another seal.
    #[error("the proof is for the seal {wanted}, and this one is {given}")]
    OtherSeal {
        /// Which it names.
        wanted: Hash,
        /// Which was given.
        given: Hash,
    },
    /// The position is not sealed.
    #[error("the proof is for lsn {lsn}, and the seal is over lsn 1 to {records}")]
    NotSealed {
        /// The position.
        lsn: u64,
        /// How many records are sealed.
        records: u64,
    },
    /// The path does not lead to the root.
    #[error("this is not the record that was sealed at lsn {lsn}: its path does not lead to the root of the seal")]
    OtherRecord {
        /// The position.
        lsn: u64,
    },
    /// The seals are of two data directories.
    #[error("the two seals are of different data directories")]
    OtherDirectory,
    /// The later one does not begin with the records of the earlier one.
    #[error(
        "the journal of the seal over {records} records is not shown to begin with the {since} records that were sealed before"
    )]
    NoExtension {
        /// How many the later one is over.
        records: u64,
        /// How many the earlier one is over.
        since: u64,
    },
}

impl Inclusion {
    /// The proof for a record, by its path in the tree that was sealed.
    pub fn new(seal: &Seal, lsn: u64, record: Vec<u8>, readable: Value, path: Vec<Hash>) -> Self {
        let record = HexBytes(record);
        Self { format: INCLUSION.to_owned(), seal: seal.id(), lsn, record, readable: Some(readable), path }
    }

    /// Holds it against the seal that it is for.
    ///
    /// # Errors
    /// When the record is not proven to be at its position.
    pub fn verify(&self, seal: &Seal) -> Result<(), Unproven> {
        same_seal(self.seal, seal)?;
        let (lsn, records) = (self.lsn, seal.records);
        let index = lsn.checked_sub(1).filter(|_| lsn <= records).ok_or(Unproven::NotSealed { lsn, records })?;
        let root = tree::root_of_path(tree::leaf(&self.record.0), index, records, &self.path);
        if root == Some(seal.root) { Ok(()) } else { Err(Unproven::OtherRecord { lsn }) }
    }
}

impl Extension {
    /// The proof that one seal goes on from another, by what the tree has left of its growth.
    pub fn new(since: &Seal, seal: &Seal, path: Vec<Hash>) -> Self {
        Self { format: EXTENSION.to_owned(), since: since.id(), seal: seal.id(), path }
    }

    /// Holds it against both seals.
    ///
    /// # Errors
    /// When the later one is not proven to begin with what the earlier one is over.
    pub fn verify(&self, since: &Seal, seal: &Seal) -> Result<(), Unproven> {
        same_seal(self.since, since)?;
        same_seal(self.seal, seal)?;
        if since.directory != seal.directory {
            return Err(Unproven::OtherDirectory);
        }
        let (before, after) = ((since.records, since.root), (seal.records, seal.root));
        if tree::is_growth(before, after, &self.path) {
            Ok(())
        } else {
            Err(Unproven::NoExtension { records: seal.records, since: since.records })
        }
    }
}

fn same_seal(wanted: Hash, seal: &Seal) -> Result<(), Unproven> {
    let given = seal.id();
    if wanted == given { Ok(()) } else { Err(Unproven::OtherSeal { wanted, given }) }
}

impl Proof {
    /// Reads a proof of either kind.
    ///
    /// # Errors
    /// When it is none, or has fields that are not known.
    pub fn parse(text: &str) -> Result<Self, InvalidProof> {
        #[derive(Deserialize)]
        struct Any {
            format: Value,
        }
        match serde_json::from_str::<Any>(text)?.format {
            Value::String(format) if format == INCLUSION => Ok(Self::Inclusion(serde_json::from_str(text)?)),
            Value::String(format) if format == EXTENSION => Ok(Self::Extension(serde_json::from_str(text)?)),
            format => Err(InvalidProof::Format(format)),
        }
    }
}

impl fmt::Display for Proof {
    /// The file, with the line end of the last line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Inclusion(proof) => serde_json::to_string_pretty(proof),
            Self::Extension(proof) => serde_json::to_string_pretty(proof),
        };
        writeln!(f, "{}", text.map_err(|_| fmt::Error)?)
    }
}
