//! What the thread that fills the history and those who read it share.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use fjall::PersistMode;
use tokio::sync::watch;

use super::{
    HistoryError, Options, Stats,
    trees::{Ledger, Trees, mark_damaged},
};
use crate::journal::Lsn;

/// The longest that files stay open for whoever reads when they have to be closed.
const READ_AT_MOST: Duration = Duration::from_secs(5);

/// How the thread is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With everything synced, and the mark that it is.
    Whole,
    /// At once.
    AsItIs,
}

/// How far the thread is.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) applied: Lsn,
    pub(super) durable: Lsn,
    pub(super) merchants: u64,
    pub(super) facts: u64,
    pub(super) stuck: Option<String>,
    pub(super) failed: Option<HistoryError>,
}

/// What the thread and the readers share.
pub(super) struct Shared {
    pub(super) options: Options,
    /// None until the files are open, and while they are opened again.
    trees: RwLock<Option<Arc<Trees>>>,
    progress: watch::Sender<Progress>,
    /// The furthest position that anybody ever waited for.
    wanted: AtomicU64,
    end: Mutex<Option<End>>,
    ending: Condvar,
    /// Writes fail, as on a full disk.
    #[cfg(test)]
    no_room: std::sync::atomic::AtomicBool,
    /// What a test does wherever a kill would leave something else in the files.
    #[cfg(test)]
    on_pass: Mutex<Option<Box<dyn FnMut() + Send>>>,
}

impl Shared {
    /// Nothing is open yet.
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            trees: RwLock::default(),
            progress: watch::Sender::default(),
            wanted: AtomicU64::new(0),
            end: Mutex::default(),
            ending: Condvar::new(),
            #[cfg(test)]
            no_room: false.into(),
            #[cfg(test)]
            on_pass: Mutex::default(),
        }
    }

    /// Opens the files.
    pub(super) fn open(&self) -> Result<(), HistoryError> {
        self.put(Trees::open(&self.options)?)
    }

    /// The open files.
    pub(super) fn trees(&self) -> Result<Arc<Trees>, HistoryError> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        trees.clone().ok_or_else(|| HistoryError::Store("they are being opened".to_owned()))
    }

    /// Lets go of the files and opens them again. Whoever reads meanwhile is told so. Nothing that was durable may be missing then,
    /// as whoever remembers by this history would take it for never decided: if anything is, the files stay closed.
    pub(super) fn reopen(&self) -> Result<(), HistoryError> {
        let durable = self.progress().durable;
        self.replace(|options| {
            let trees = Trees::open_as_it_is(options)?;
            let applied = trees.applied()?;
            if applied < durable {
                return Err(HistoryError::damaged(format!("it was durable up to {durable} and now ends at {applied}")));
            }
            Ok(trees)
        })
    }

    /// Deletes the files and begins anew.
    pub(super) fn begin_anew(&self, why: &str) -> Result<(), HistoryError> {
        self.replace(|options| Trees::anew(options, why))
    }

    fn replace(&self, open: impl FnOnce(&Options) -> Result<Trees, HistoryError>) -> Result<(), HistoryError> {
        let held = self.trees.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Err(in_use) = held.map(|trees| self.let_go(trees)).transpose() {
            *self.trees.write().unwrap_or_else(PoisonError::into_inner) = Some(in_use);
            return Err(HistoryError::Store("they are being read".to_owned()));
        }
        self.put(open(&self.options)?)
    }

    /// Takes files into use that were just opened. What was read from them may not have been synced before they were closed.
    fn put(&self, trees: Trees) -> Result<(), HistoryError> {
        trees.db.persist(PersistMode::SyncAll)?;
        let Ledger { applied, merchants, facts, .. } = trees.ledger()?;
        *self.trees.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(trees));
        let progress = Progress { applied, durable: applied, merchants, facts, stuck: None, failed: None };
        self.progress.send_replace(progress);
        Ok(())
    }

    /// Waits until nobody reads, and closes the files; hands them back if that takes too long.
    fn let_go(&self, mut trees: Arc<Trees>) -> Result<(), Arc<Trees>> {
        let began = Instant::now();
        loop {
            match Arc::try_unwrap(trees) {
                Ok(trees) => {
                    drop(trees);
                    return Ok(());
                }
                Err(in_use) if began.elapsed() >= READ_AT_MOST => return Err(in_use),
                Err(in_use) => trees = in_use,
            }
            // Nobody reads for long, and this is no time to be quick.
            let _: Option<End> = self.asked_to_end(Duration::from_millis(10));
        }
    }

    /// Syncs everything and marks the files as whole.
    pub(super) fn mark_whole(&self) -> Result<(), HistoryError> {
        let trees = self.trees()?;
        let applied = trees.applied()?;
        trees.db.persist(PersistMode::SyncAll)?;
        trees.mark_clean(applied)?;
        trees.db.persist(PersistMode::SyncAll)?;
        self.set_progress(|progress| progress.durable = applied);
        Ok(())
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    pub(super) fn set_progress(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    pub(super) fn stats(&self) -> Stats {
        let Progress { applied, durable, merchants, facts, stuck, failed } = self.progress();
        let disk_bytes = self.trees().ok().and_then(|trees| trees.db.disk_space().ok()).unwrap_or(0);
        Stats { applied, durable, merchants, facts, disk_bytes, stuck, failed: failed.map(|error| error.to_string()) }
    }

    pub(super) async fn caught_up(&self, to: Lsn, patience: Duration) -> Result<(), HistoryError> {
        self.wanted.fetch_max(to.get(), Ordering::Relaxed);
        let mut progress = self.progress.subscribe();
        let there = progress.wait_for(|progress| progress.applied >= to || progress.failed.is_some());
        let outcome = tokio::time::timeout(patience, there).await.map(|there| there.map(|progress| progress.clone()));
        let progress = match outcome {
            Ok(Ok(progress)) => progress,
            // The sender lives as long as `self`; and whoever has no patience left is told where it stands.
            Ok(Err(_)) | Err(_) => self.progress(),
        };
        match progress {
            Progress { applied, .. } if applied >= to => Ok(()),
            Progress { failed: Some(error), .. } => Err(HistoryError::Failed(error.to_string())),
            Progress { applied, .. } => Err(HistoryError::Behind { applied, wanted: to }),
        }
    }

    /// Has writes fail from now on, or no longer.
    #[cfg(test)]
    pub(super) fn fail_writes(&self, fail: bool) {
        self.no_room.store(fail, Ordering::SeqCst);
    }

    /// Does something at each place of a write from now on.
    #[cfg(test)]
    pub(super) fn on_pass(&self, act: impl FnMut() + Send + 'static) {
        *self.on_pass.lock().unwrap() = Some(Box::new(act));
    }

    /// A place within a write at which a test looks.
    #[allow(clippy::unused_self, reason = "only tests look")]
    pub(super) fn pass(&self) {
        #[cfg(test)]
        if let Some(act) = &mut *self.on_pass.lock().unwrap() {
            act();
        }
    }

    /// A write that a test has fail.
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "only tests have writes fail")]
    pub(super) fn before_write(&self) -> Result<(), HistoryError> {
        #[cfg(test)]
        if self.no_room.load(Ordering::SeqCst) {
            return Err(HistoryError::Store("a test fills the disk".to_owned()));
        }
        Ok(())
    }

    /// Whether somebody waits for more than this.
    pub(super) fn is_awaited(&self, applied: Lsn) -> bool {
        self.wanted.load(Ordering::Relaxed) > applied.get()
    }

    pub(super) fn ask_to_end(&self, how: End) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(how);
        self.ending.notify_all();
    }

    /// Another thread may begin.
    pub(super) fn begin(&self) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How the thread is to end, if it is, after waiting at most so long for it.
    pub(super) fn asked_to_end(&self, wait: Duration) -> Option<End> {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if wait.is_zero() {
            return *end;
        }
        let waited = self.ending.wait_timeout_while(end, wait, |end| end.is_none());
        let (end, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *end
    }

    /// Runs a read; damage that it meets has the history built anew at the next start.
    pub(super) fn note_damage<T>(&self, read: impl FnOnce() -> Result<T, HistoryError>) -> Result<T, HistoryError> {
        let outcome = read();
        if let Err(error @ HistoryError::Damaged(_)) = &outcome {
            tracing::error!(%error, "met while reading; the history is built anew at the next start");
            mark_damaged(&self.options.dir);
        }
        outcome
    }
}
