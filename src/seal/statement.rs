//! The seal: what is said of a journal up to a position, and by whom.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Hash, Hex, Key, PublicKey, tree::Tree};
use crate::domain::Timestamp;

/// The first line of a statement, and the format of the file.
const FORMAT: &str = "tplus seal v1";

/// What a journal holds up to a position. Whoever has it can tell whether a record is one of those, and whether the journal still begins
/// with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The data directory that the journal belongs to.
    pub directory: Hex<16>,
    /// How many records are sealed: those at the positions from 1 to this one.
    pub records: u64,
    /// When the last of them was recorded, in engine time.
    pub recorded_at: Timestamp,
    /// The root of the tree over them.
    pub root: Hash,
    /// The hash chain of the journal behind the last whole frame among them.
    pub chain: ChainHead,
    /// The whole parts of the tree, of which the root is made: a later seal can go on from them without the records.
    pub peaks: Vec<Hash>,
    /// Who stands for it.
    pub signature: Option<Signature>,
}

/// The hash chain of a journal up to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainHead {
    /// The position; 0 before the first record.
    pub lsn: u64,
    /// The hash.
    pub hash: Hash,
}

/// A signature over the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Whose.
    pub public_key: PublicKey,
    /// Ed25519, over the bytes of the statement.
    pub ed25519: Hex<64>,
}

/// A seal as it lies in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    directory: Hex<16>,
    records: u64,
    recorded_at: String,
    root: Hash,
    chain: ChainHead,
    peaks: Vec<Hash>,
    id: Hash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<Signature>,
}

/// Why a text is no seal.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSeal {
    /// It is no JSON, or has other fields.
    #[error("it is no seal")]
    Json(#[from] serde_json::Error),
    /// It is of another format.
    #[error("its format is {0:?}; this release knows {FORMAT:?}")]
    Format(String),
    /// A field cannot be what it says.
    #[error("{0}")]
    Field(&'static str),
    /// Its id is not that of what it says.
    #[error("it was changed: its id is {found}, that of what it says is {computed}")]
    Id {
        /// What stands there.
        found: Hash,
        /// What should.
        computed: Hash,
    },
    /// The signature does not fit.
    #[error("its signature is not one of the key {0} over what it says")]
    Signature(PublicKey),
}

impl Seal {
    /// Reads a seal, and holds it against itself: the root against its parts, the id against what it says, the signature against its key.
    ///
    /// # Errors
    /// Whatever is not as it was written, down to a bit, and fields that are not known.
    pub fn parse(text: &str) -> Result<Self, InvalidSeal> {
        let file: File = serde_json::from_str(text)?;
        if file.format != FORMAT {
            return Err(InvalidSeal::Format(file.format));
        }
        let recorded_at = Timestamp::parse(&file.recorded_at).ok().filter(|at| at.to_string() == file.recorded_at);
        let File { directory, records, root, chain, peaks, id, signature, .. } = file;
        let recorded_at =
            recorded_at.ok_or(InvalidSeal::Field("recorded_at is not an instant in UTC as it is written"))?;
        let tree = Tree::of_peaks(records, peaks);
        let tree = tree.ok_or(InvalidSeal::Field("peaks are as many as the bits that are set in records"))?;
        if tree.root() != Some(root) {
            return Err(InvalidSeal::Field("peaks do not make the root"));
        }
        if chain.lsn > records {
            return Err(InvalidSeal::Field("chain reaches beyond records"));
        }
        let seal = Self { directory, records, recorded_at, root, chain, peaks: tree.peaks().to_vec(), signature };
        let computed = seal.id();
        if computed != id {
            return Err(InvalidSeal::Id { found: id, computed });
        }
        match seal.signature {
            Some(by) if !by.public_key.has_signed(seal.statement().as_bytes(), &by.ed25519) => {
                Err(InvalidSeal::Signature(by.public_key))
            }
            _ => Ok(seal),
        }
    }

    /// What is said, as text: what the id is the hash of, and what is signed.
    pub fn statement(&self) -> String {
        let Self { directory, records, recorded_at, root, chain: ChainHead { lsn, hash }, .. } = self;
        format!(
            "{FORMAT}\ndirectory {directory}\nrecords {records}\nrecorded_at {recorded_at}\nroot {root}\nchain {lsn} {hash}\n"
        )
    }

    /// The hash of what is said: who knows it knows which seal is meant.
    pub fn id(&self) -> Hash {
        Hex(*blake3::hash(self.statement().as_bytes()).as_bytes())
    }

    /// The tree over the records, to which later ones can be added.
    pub fn tree(&self) -> Tree {
        Tree::of_peaks(self.records, self.peaks.clone()).unwrap_or_default()
    }

    /// Signs it.
    #[must_use]
    pub fn signed(self, key: &Key) -> Self {
        let ed25519 = key.sign(self.statement().as_bytes());
        Self { signature: Some(Signature { public_key: key.public(), ed25519 }), ..self }
    }
}

impl fmt::Display for Seal {
    /// The file, with the line end of the last line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = File {
            format: FORMAT.to_owned(),
            directory: self.directory,
            records: self.records,
            recorded_at: self.recorded_at.to_string(),
            root: self.root,
            chain: self.chain,
            peaks: self.peaks.clone(),
            id: self.id(),
            signature: self.signature,
        };
        writeln!(f, "{}", serde_json::to_string_pretty(&file).map_err(|_| fmt::Error)?)
    }
}
