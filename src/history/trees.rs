//! The files: one database with a tree for each way of looking.

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use fjall::{
    CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode,
    config::{BlockSizePolicy, CompressionPolicy, FilterPolicy},
};

use super::{HistoryError, Options, check, rows::decode_number};
use crate::journal::Lsn;

/// The version of the format of all rows; another one is built anew.
const FORMAT: u64 = 1;
/// The most that one tree holds in memory before it is written out, in bytes.
const MEMTABLE: u64 = 16 << 20;
/// The most that the store's own journals hold, in bytes.
pub(super) const STORE_JOURNAL: u64 = 128 << 20;

/// Small facts about the history itself.
pub(super) mod meta {
    pub(in crate::history) const FORMAT: &str = "format";
    pub(in crate::history) const DIRECTORY: &str = "directory";
    /// The position of the last record that is held.
    pub(in crate::history) const APPLIED: &str = "applied";
    /// A hash of that record.
    pub(in crate::history) const LAST_RECORD: &str = "last record";
    /// What was applied when it was stopped; absent while it runs.
    pub(in crate::history) const CLEAN: &str = "clean";
    pub(in crate::history) const MERCHANTS: &str = "merchants";
    pub(in crate::history) const FACTS: &str = "facts";
}

/// The open database. What is in which tree, the room's comment says.
pub(super) struct Trees {
    pub(super) merchants: Keyspace,
    pub(super) heads: Keyspace,
    pub(super) entries: Keyspace,
    pub(super) snapshots: Keyspace,
    pub(super) ids: Keyspace,
    pub(super) later: Keyspace,
    pub(super) dates: Keyspace,
    pub(super) kinds: Keyspace,
    pub(super) releases: Keyspace,
    pub(super) events: Keyspace,
    pub(super) policies: Keyspace,
    pub(super) days: Keyspace,
    pub(super) quick: Keyspace,
    pub(super) meta: Keyspace,
    pub(super) db: Database,
}

/// How a tree is used.
#[derive(Clone, Copy)]
enum Use {
    /// Read by key, and what is asked for is there.
    Hits,
    /// The same, with keys and values that no compression makes smaller.
    RandomHits,
    /// Read by key, often in vain.
    Gets,
    /// Read by ranges alone.
    Scans,
}

impl Use {
    fn options(self) -> KeyspaceCreateOptions {
        let small = |options: KeyspaceCreateOptions| {
            options.data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
        };
        let options = KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE);
        match self {
            Self::Hits => small(options).expect_point_read_hits(true),
            Self::RandomHits => options
                .expect_point_read_hits(true)
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::None)),
            Self::Gets => small(options),
            Self::Scans => small(options)
                .filter_policy(FilterPolicy::disabled())
                .data_block_size_policy(BlockSizePolicy::all(4096)),
        }
    }
}

/// Where the database lies.
fn folder(dir: &Path) -> PathBuf {
    dir.join("db")
}

/// Says that the database is to be built anew at the next start.
fn mark(dir: &Path) -> PathBuf {
    dir.join("damaged")
}

impl Trees {
    /// Opens the database, or begins a new one where it is damaged, of another directory, or of another format.
    pub(super) fn open(options: &Options) -> Result<Self, HistoryError> {
        match Self::open_as_it_is(options) {
            Err(HistoryError::Damaged(why)) => Self::anew(options, &why),
            outcome => outcome,
        }
    }

    /// Opens the database, if nothing is the matter with it.
    pub(super) fn open_as_it_is(options: &Options) -> Result<Self, HistoryError> {
        if mark(&options.dir).exists() {
            return Err(HistoryError::damaged("damage was found while it was in use"));
        }
        let trees = Self::try_open(options)?;
        if let Some(why) = trees.foreign(options)? {
            return Err(HistoryError::damaged(why));
        }
        check::end(&trees, options.fingerprint_key)?;
        Ok(trees)
    }

    /// Deletes what there is and begins anew.
    pub(super) fn anew(options: &Options, why: &str) -> Result<Self, HistoryError> {
        tracing::warn!(dir = %options.dir.display(), why, "the history is built anew from the journal");
        remove(&options.dir)?;
        let trees = Self::try_open(options)?;
        match trees.foreign(options)? {
            None => Ok(trees),
            Some(why) => Err(HistoryError::damaged(why)),
        }
    }

    /// Opens the database as it is.
    fn try_open(options: &Options) -> Result<Self, HistoryError> {
        fs::create_dir_all(&options.dir).map_err(|error| failed(&options.dir, &error))?;
        // Files that are not what was written may be met by an assertion of the store.
        catch_unwind(AssertUnwindSafe(|| Self::open_all(options)))
            .unwrap_or_else(|_| Err(HistoryError::damaged("the store cannot make sense of its files")))
    }

    fn open_all(options: &Options) -> Result<Self, HistoryError> {
        let db = Database::builder(folder(&options.dir))
            .cache_size(options.cache_bytes)
            .max_journaling_size(STORE_JOURNAL)
            .worker_threads(2)
            .open()
            .map_err(damaged_if_unreadable)?;
        let tree = |name: &str, how: Use| db.keyspace(name, || how.options()).map_err(damaged_if_unreadable);
        Ok(Self {
            merchants: tree("merchants", Use::Gets)?,
            heads: tree("heads", Use::Hits)?,
            entries: tree("entries", Use::Hits)?,
            snapshots: tree("snapshots", Use::Hits)?,
            ids: tree("ids", Use::RandomHits)?,
            later: tree("later", Use::Scans)?,
            dates: tree("dates", Use::Scans)?,
            kinds: tree("kinds", Use::Scans)?,
            releases: tree("releases", Use::Hits)?,
            events: tree("events", Use::Scans)?,
            policies: tree("policies", Use::Scans)?,
            days: tree("days", Use::Scans)?,
            quick: tree("quick", Use::Gets)?,
            meta: tree("meta", Use::Hits)?,
            db,
        })
    }

    /// Why this is not the history of this directory in this format, if it is not. An empty one becomes it.
    fn foreign(&self, options: &Options) -> Result<Option<&'static str>, HistoryError> {
        let Some(directory) = self.meta.get(meta::DIRECTORY)? else {
            if self.number(meta::APPLIED)? != 0 {
                return Ok(Some("it does not say whose it is"));
            }
            self.meta.insert(meta::DIRECTORY, options.directory_id.as_slice())?;
            self.meta.insert(meta::FORMAT, FORMAT.to_be_bytes().as_slice())?;
            self.db.persist(PersistMode::SyncAll)?;
            return Ok(None);
        };
        Ok(if self.number(meta::FORMAT)? != FORMAT {
            Some("it has another format")
        } else if *directory != *options.directory_id.as_slice() {
            Some("it belongs to another data directory")
        } else {
            None
        })
    }

    /// Has everything leave memory for files with blocks and checks.
    #[cfg(test)]
    pub(super) fn write_out(&self) {
        for tree in [&self.merchants, &self.heads, &self.entries, &self.ids, &self.events, &self.meta] {
            tree.rotate_memtable_and_wait().unwrap();
        }
    }

    /// A number among the small facts; 0 if it is not there.
    pub(super) fn number(&self, name: &str) -> Result<u64, HistoryError> {
        self.meta.get(name)?.map_or(Ok(0), |row| decode_number(&row))
    }

    /// The position of the last record that is held.
    pub(super) fn applied(&self) -> Result<Lsn, HistoryError> {
        self.number(meta::APPLIED).map(Lsn::new)
    }
}

/// Has the database built anew at the next start.
pub(super) fn mark_damaged(dir: &Path) {
    if let Err(error) = fs::write(mark(dir), "") {
        tracing::error!(%error, "cannot have the damaged history built anew: delete {} before the next start", dir.display());
    }
}

fn remove(dir: &Path) -> Result<(), HistoryError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(dir, &error)),
        _ => Ok(()),
    }
}

/// Files that cannot be read at all while opening may be missing or cut short: damage, unless something else is the matter.
fn damaged_if_unreadable(error: fjall::Error) -> HistoryError {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, UnexpectedEof};
    match &error {
        fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source))
            if matches!(source.kind(), InvalidData | InvalidInput | NotFound | UnexpectedEof) =>
        {
            HistoryError::Damaged(error.to_string())
        }
        _ => error.into(),
    }
}

fn failed(path: &Path, error: &io::Error) -> HistoryError {
    HistoryError::Store(format!("{}: {error}", path.display()))
}
