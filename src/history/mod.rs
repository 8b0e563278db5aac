//! What was: every fact with every balance after it, what became of every order and request, and the state of any merchant at any
//! past instant.
//!
//! A projection of the durable journal in files of its own, filled by one thread behind the journal. It knows no more than the
//! journal, decides nothing, and can be deleted at any time: it is built anew from the journal. It may lag; answers that need it
//! wait with [`History::caught_up`] or say how far it is.

mod check;
mod days;
mod draft;
mod entry;
mod error;
mod filler;
mod ids;
mod keys;
mod manifest;
mod pace;
mod pack;
mod part;
mod position;
mod reader;
mod record;
mod removal;
mod rows;
mod runner;
mod shared;
mod sheet;
mod source;
mod states;
#[cfg(test)]
mod tests;
mod trees;
mod write;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use crate::{
    background::give_way,
    codec::Fingerprint,
    domain::Known,
    journal::{Journal, Lsn},
};
use shared::{End, Shared};

pub use days::{DaySums, Sums};
pub use entry::{Balances, Clock, Entry, Events, Found, Kind, Order, ReleaseEnd, ReleaseRow, Told, ToldPolicy, Wanted};
pub use error::HistoryError;
pub use position::{InvalidPosition, Position};
pub use reader::Reader;

/// How a history is run.
///
/// Memory: the store takes `cache_bytes`, and up to 128 MiB for what it writes out; the filler takes `cached_merchants` states, about
/// 1 KiB each and more where a merchant has many open releases or deductions, and one batch of `batch_bytes` of records, about four
/// times as much as it is worked on.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the history and of nothing else: it is deleted where it cannot be used.
    pub dir: PathBuf,
    /// Tells the data directory from every other.
    pub directory_id: [u8; 16],
    /// The key of the fingerprints of that directory.
    pub fingerprint_key: [u8; 16],
    /// How many bytes of its files are held in memory for reading.
    pub cache_bytes: u64,
    /// How many states of merchants are held in memory between batches.
    pub cached_merchants: usize,
    /// How many bytes of records become one batch at most; a record beyond that is a batch alone.
    pub batch_bytes: usize,
    /// A batch of so many bytes of records goes past the store's own journal, into a table of its own, which costs a fraction for
    /// many records and more for few.
    pub many_bytes: usize,
    /// How long a batch waits for more records while nobody waits for it: up to ten times as long where many come. Larger batches cost less.
    pub linger: Duration,
    /// How often what was written is synced, which is what moves [`History::durable`].
    pub sync_every: Duration,
    /// How long to wait before a failed write, or a failed read of the journal, is tried again.
    pub retry_every: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: PathBuf::new(),
            directory_id: [0; 16],
            fingerprint_key: [0; 16],
            cache_bytes: 256 << 20,
            cached_merchants: 1 << 17,
            batch_bytes: 64 << 20,
            many_bytes: 4 << 20,
            linger: Duration::from_millis(100),
            sync_every: Duration::from_secs(1),
            retry_every: Duration::from_secs(1),
        }
    }
}

/// How far a history is, and how it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Everything up to here can be read.
    pub applied: Lsn,
    /// Everything up to here is there for good.
    pub durable: Lsn,
    /// How many merchants it knows.
    pub merchants: u64,
    /// How many facts it holds.
    pub facts: u64,
    /// How much room its files take, in bytes.
    pub disk_bytes: u64,
    /// Why it cannot go on now; it is tried again. Reads go on.
    pub stuck: Option<String>,
    /// Why it has ended; what it holds can still be read.
    pub failed: Option<String>,
}

/// The history of a data directory. Clones share it; the last one dropped ends its thread.
#[derive(Clone)]
pub struct History {
    owner: Arc<Owner>,
}

struct Owner {
    shared: Arc<Shared>,
    /// The thread that opens the files, until the history is started.
    opening: Mutex<Option<JoinHandle<Result<(), HistoryError>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Owner {
    /// Waits until the files are open, if that goes on.
    fn opened(&self) -> Result<(), HistoryError> {
        let opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner).take();
        let outcome = opening.map(JoinHandle::join).transpose();
        outcome.map_err(|_| HistoryError::Failed("the thread that opens it panicked".to_owned()))?.unwrap_or(Ok(()))
    }

    /// Ends the thread, if there is one.
    fn end(&self, how: End) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            self.shared.ask_to_end(how);
            // A thread that panicked has said so in the progress.
            drop(thread.join());
            if how == End::Whole && self.shared.progress().failed.is_none() {
                self.shared.mark_whole().unwrap_or_else(|error| {
                    tracing::warn!(%error, "the history is not marked as whole; the next start reads its end");
                });
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.end(End::AsItIs);
        // Whoever opens the directory next finds it closed.
        drop(self.opened());
    }
}

impl History {
    /// Opens the history of a directory. What is damaged, of another data directory or of another format is deleted and begun
    /// anew, which a warning in the log says. After a stop that was none it reads the end of what was written, to see whether all
    /// of it is there.
    ///
    /// # Errors
    /// [`HistoryError::Store`] when the files cannot be read or written, or another process has them open.
    pub fn open(options: Options) -> Result<Self, HistoryError> {
        let history = Self::new(options);
        history.owner.shared.open()?;
        Ok(history)
    }

    /// The same in a thread, beside whatever else a start has to do: what is read meanwhile fails, and [`History::start`] waits
    /// for it.
    ///
    /// # Errors
    /// [`HistoryError::Failed`] when there is no thread to be had.
    pub fn open_meanwhile(options: Options) -> Result<Self, HistoryError> {
        let history = Self::new(options);
        let shared = Arc::clone(&history.owner.shared);
        let thread = std::thread::Builder::new().name("tplus-history".to_owned());
        let opening = thread.spawn(move || {
            give_way();
            shared.open()
        });
        let opening = opening.map_err(|error| HistoryError::Failed(format!("no thread to open it: {error}")))?;
        *history.owner.opening.lock().unwrap_or_else(PoisonError::into_inner) = Some(opening);
        Ok(history)
    }

    fn new(options: Options) -> Self {
        let shared = Arc::new(Shared::new(options));
        Self { owner: Arc::new(Owner { shared, opening: Mutex::default(), thread: Mutex::default() }) }
    }

    /// Catches up with the journal to at least this position, which has to be durable, and goes on from there in a thread. A
    /// history that the journal does not lead to, as after the journal was restored, is built anew.
    ///
    /// # Errors
    /// When the journal cannot be read where the history has to go on, or contradicts it; when the files cannot be written; and
    /// [`HistoryError::Behind`] when the journal ends before that position. Also what [`History::open`] fails with, if that was
    /// done [meanwhile](History::open_meanwhile).
    pub fn start(&self, journal: &Journal, at_least: Lsn) -> Result<(), HistoryError> {
        self.owner.opened()?;
        self.owner.end(End::AsItIs);
        let thread = runner::start(&self.owner.shared, journal, at_least)?;
        *self.owner.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    /// Ends the thread, and marks the files as whole. May be called again; the history can still be read.
    pub fn stop(&self) {
        self.owner.end(End::Whole);
    }

    /// Everything up to here can be read.
    pub fn applied(&self) -> Lsn {
        self.owner.shared.progress().applied
    }

    /// Everything up to here is there for good.
    pub fn durable(&self) -> Lsn {
        self.owner.shared.progress().durable
    }

    /// How far it is, and how it is.
    pub fn stats(&self) -> Stats {
        self.owner.shared.stats()
    }

    /// Waits until everything up to a position can be read. Whoever waits has batches not wait for more.
    ///
    /// # Errors
    /// [`HistoryError::Behind`] when that takes longer than `patience`, [`HistoryError::Failed`] when it will not happen.
    pub async fn caught_up(&self, to: Lsn, patience: Duration) -> Result<(), HistoryError> {
        self.owner.shared.caught_up(to, patience).await
    }

    /// What is known under a fingerprint; none if nothing is.
    ///
    /// # Errors
    /// When the files cannot be read, or are damaged.
    pub fn known(&self, fingerprint: Fingerprint) -> Result<Option<Known>, HistoryError> {
        self.owner.shared.note_damage(|| {
            let view = self.owner.shared.trees()?.view()?;
            let Some(id) = ids::find(&view, fingerprint)? else { return Ok(None) };
            let first = reader::fact(&view, id.merchant, id.number)?;
            let standing = reader::standing(&view, fingerprint)?;
            Ok(Some(Known { first, standing }))
        })
    }

    /// Hands over every fingerprint that is known.
    ///
    /// # Errors
    /// When the files cannot be read, or are damaged.
    pub fn fingerprints(&self, visit: &mut dyn FnMut(Fingerprint)) -> Result<(), HistoryError> {
        self.owner.shared.note_damage(|| ids::all(&self.owner.shared.trees()?.view()?, visit))
    }

    /// A view that does not change: everything up to one position of the journal and nothing beyond. To be used and let go of, as the
    /// store keeps what it shows.
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.owner.shared))
    }
}
