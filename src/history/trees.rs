//! The files: one database with all rows.

use std::{
    fs, io,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use fjall::{
    CompressionType, Database, Iter, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _, Slice, Snapshot,
    compaction::Leveled,
    config::{BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry},
};
use prost::Message as _;

use super::{HistoryError, Options, check, keys, manifest, removal::Removal};
use crate::{journal::Lsn, proto::journal::HistoryLedger};

/// The version of the format of all rows; another one is built anew.
const FORMAT: u64 = 2;
/// The most that the store holds in memory before it is written out, in bytes.
const MEMTABLE: u64 = 32 << 20;
/// How large the store makes the tables that it merges, in bytes: each is synced at once and deleted at once, and a commit of the journal
/// that comes behind waits for it.
const TABLE: u64 = 8 << 20;
/// The most that the store's own journals hold, in bytes.
pub(super) const STORE_JOURNAL: u64 = 64 << 20;

/// Small facts about the history itself.
pub(super) mod meta {
    pub(in crate::history) const FORMAT: &str = "format";
    pub(in crate::history) const DIRECTORY: &str = "directory";
    /// How far it is.
    pub(in crate::history) const LEDGER: &str = "ledger";
    /// What was applied when it was stopped; absent while it runs.
    pub(in crate::history) const CLEAN: &str = "clean";
}

/// The open database: all rows in one tree of the store. What is in which part of it, [`Tree`](super::keys::Tree) says.
pub(super) struct Trees {
    pub(super) rows: Keyspace,
    pub(super) db: Database,
    /// Ends when they are closed.
    _removal: Removal,
}

/// How far the history is.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// The position of the last record that is held.
    pub(super) applied: Lsn,
    /// A hash of that record.
    pub(super) last_record: Vec<u8>,
    /// How many merchants there are.
    pub(super) merchants: u64,
    /// How many facts there are.
    pub(super) facts: u64,
    /// The last record that was written past the store's journal.
    pub(super) past_journal: Lsn,
    /// For each level of ids, the bucket that is looked through next.
    pub(super) cursors: Vec<u32>,
}

impl Ledger {
    /// How many levels of ids there are.
    pub(super) fn levels(&self) -> u8 {
        u8::try_from(self.cursors.len()).unwrap_or(u8::MAX)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let ledger = HistoryLedger {
            applied: self.applied.get(),
            last_record: self.last_record.clone(),
            merchants: self.merchants,
            facts: self.facts,
            past_journal: self.past_journal.get(),
            cursors: self.cursors.clone(),
        };
        ledger.encode_to_vec()
    }

    fn decode(row: &[u8]) -> Result<Self, HistoryError> {
        let ledger = HistoryLedger::decode(row)?;
        Ok(Self {
            applied: Lsn::new(ledger.applied),
            last_record: ledger.last_record,
            merchants: ledger.merchants,
            facts: ledger.facts,
            past_journal: Lsn::new(ledger.past_journal),
            cursors: ledger.cursors,
        })
    }
}

/// The rows as they were at one moment.
pub(super) struct View {
    snapshot: Snapshot,
    rows: Keyspace,
    pub(super) ledger: Ledger,
}

impl View {
    pub(super) fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice>, HistoryError> {
        Ok(self.snapshot.get(&self.rows, key)?)
    }

    /// The rows between two keys, both included.
    pub(super) fn range<K: AsRef<[u8]>>(&self, first: K, last: K) -> Iter {
        self.snapshot.range(&self.rows, first..=last)
    }

    /// The rows behind a key and up to another one.
    pub(super) fn behind(&self, first: &[u8], last: &[u8]) -> Iter {
        self.snapshot.range::<&[u8], _>(&self.rows, (Bound::Excluded(first), Bound::Included(last)))
    }
}

fn options() -> KeyspaceCreateOptions {
    let levels = Leveled::default().with_l0_threshold(8).with_table_target_size(TABLE);
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE)
        .compaction_strategy(Arc::new(levels))
        .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0))))
        .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
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
        manifest::check(&folder(&options.dir))?;
        let db = Database::builder(folder(&options.dir))
            .cache_size(options.cache_bytes)
            .max_journaling_size(STORE_JOURNAL)
            .worker_threads(2)
            .open()
            .map_err(damaged_if_unreadable)?;
        let rows = db.keyspace("rows", self::options).map_err(damaged_if_unreadable)?;
        let removal = Removal::start(&rows, options.dir.join("tables"));
        Ok(Self { rows, db, _removal: removal.map_err(|error| failed(&options.dir, &error))? })
    }

    /// Why this is not the history of this directory in this format, if it is not. An empty one becomes it.
    fn foreign(&self, options: &Options) -> Result<Option<&'static str>, HistoryError> {
        let Some(directory) = self.rows.get(keys::meta(meta::DIRECTORY))? else {
            if self.ledger()?.applied != Lsn::ZERO || self.db.keyspace_count() != 1 {
                return Ok(Some("it does not say whose it is"));
            }
            self.rows.insert(keys::meta(meta::DIRECTORY), options.directory_id.as_slice())?;
            self.rows.insert(keys::meta(meta::FORMAT), FORMAT.to_be_bytes().as_slice())?;
            self.db.persist(PersistMode::SyncAll)?;
            return Ok(None);
        };
        let format = self.rows.get(keys::meta(meta::FORMAT))?;
        Ok(if format.is_none_or(|format| *format != FORMAT.to_be_bytes()) {
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
        self.rows.rotate_memtable_and_wait().unwrap();
    }

    /// How far it is.
    pub(super) fn ledger(&self) -> Result<Ledger, HistoryError> {
        self.rows.get(keys::meta(meta::LEDGER))?.map_or_else(|| Ok(Ledger::default()), |row| Ledger::decode(&row))
    }

    /// The position of the last record that is held.
    pub(super) fn applied(&self) -> Result<Lsn, HistoryError> {
        Ok(self.ledger()?.applied)
    }

    /// The rows as they are now.
    pub(super) fn view(&self) -> Result<View, HistoryError> {
        let (snapshot, rows) = (self.db.snapshot(), self.rows.clone());
        let ledger = snapshot.get(&rows, keys::meta(meta::LEDGER))?;
        let ledger = ledger.map_or_else(|| Ok(Ledger::default()), |row| Ledger::decode(&row))?;
        Ok(View { snapshot, rows, ledger })
    }

    /// Whether everything was synced and marked as whole, and nothing was written since.
    pub(super) fn is_clean(&self) -> Result<bool, HistoryError> {
        let clean = self.rows.get(keys::meta(meta::CLEAN))?;
        Ok(clean.is_some_and(|clean| self.applied().is_ok_and(|applied| *clean == applied.get().to_be_bytes())))
    }

    /// Says that everything is there that was applied.
    pub(super) fn mark_clean(&self, applied: Lsn) -> Result<(), HistoryError> {
        Ok(self.rows.insert(keys::meta(meta::CLEAN), applied.get().to_be_bytes().as_slice())?)
    }

    /// Says so no longer.
    pub(super) fn mark_used(&self) -> Result<(), HistoryError> {
        Ok(self.rows.remove(keys::meta(meta::CLEAN))?)
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

pub(super) fn failed(path: &Path, error: &io::Error) -> HistoryError {
    HistoryError::Store(format!("{}: {error}", path.display()))
}
