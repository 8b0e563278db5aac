//! Checkpoints on disk: written aside, renamed when complete, two kept, and the journal behind both archived.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::layout::{self, Layout};
use crate::journal::checkpoint::{self, Encoder};
use crate::journal::disk::{Held, Open, Streamed};
use crate::journal::error::{FileError, RecoverError, StoreError};
use crate::journal::faults::lock;
use crate::journal::frame::Seed;
use crate::journal::position::Lsn;
use crate::journal::store::{CheckpointInfo, CheckpointWriter, VisitItem};

/// How many checkpoints are kept.
pub(crate) const KEPT: usize = 2;
const BUFFER: usize = 1 << 20;

/// The checkpoints of a data directory.
pub(super) struct Checkpoints {
    layout: Layout,
    seed: Seed,
    /// The last record that is known to be durable.
    pub(super) durable: AtomicU64,
    /// Held also by a checkpoint that outlives its store.
    _lock: Box<dyn Held>,
    /// One is being written.
    busy: AtomicBool,
    /// Those that could not be read back: they do not count among the kept.
    bad: Mutex<BTreeSet<(Lsn, Lsn)>>,
}

impl Checkpoints {
    pub(super) fn new(layout: Layout, seed: Seed, lock: Box<dyn Held>) -> Checkpoints {
        Checkpoints {
            layout,
            seed,
            durable: AtomicU64::new(0),
            _lock: lock,
            busy: AtomicBool::new(false),
            bad: Mutex::default(),
        }
    }

    pub(super) fn begin(this: &Arc<Checkpoints>, start: Lsn) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        if this.busy.swap(true, Ordering::AcqRel) {
            return Err(StoreError::Misuse("another checkpoint is being written".to_owned()));
        }
        let unfinished = this.layout.checkpoints.join("unfinished.tmp");
        let guard = Unfinished { owner: Arc::clone(this), path: unfinished.clone() };
        let file = this.layout.disk.open(&unfinished, Open::Anew).map_err(FileError::at("create", &unfinished))?;
        let out = BufWriter::with_capacity(BUFFER, Streamed::new(file));
        let encoder = Encoder::start(out, &this.seed, start).map_err(FileError::at("write", &unfinished))?;
        Ok(Box::new(FileCheckpoint { encoder, start, unsynced: 0, unfinished: guard }))
    }

    pub(super) fn read(&self, info: &CheckpointInfo, visit: &mut VisitItem<'_>) -> Result<(), RecoverError> {
        let path = self.layout.checkpoint(info.start, info.end);
        let outcome = checkpoint::read_file(&*self.layout.disk, &path, &self.seed, info, visit);
        if outcome.is_err() {
            lock(&self.bad).insert((info.start, info.end));
        }
        outcome.map(|_| ())
    }

    /// Keeps the two newest good checkpoints and archives what lies wholly behind both.
    fn prune(&self) -> Result<(), StoreError> {
        let (mut kept, mut obsolete) = (Vec::new(), Vec::new());
        for info in self.layout.checkpoints()? {
            let path = self.layout.checkpoint(info.start, info.end);
            if lock(&self.bad).contains(&(info.start, info.end)) {
                // Kept aside for whoever wants to know what happened to it.
                self.layout.rename(&path, &path.with_extension("damaged"))?;
            } else if kept.len() < KEPT {
                kept.push(info.start);
            } else {
                // Under a name that no start takes for a checkpoint, and durably so: it is removed bit by bit.
                let renamed = path.with_extension("tmp");
                self.layout.rename(&path, &renamed)?;
                obsolete.push(renamed);
            }
        }
        self.layout.sync_dir(&self.layout.checkpoints)?;
        obsolete.iter().try_for_each(|path| self.layout.remove_large(path))?;
        match kept.iter().min() {
            Some(oldest) if kept.len() == KEPT => self.archive_before(*oldest),
            _ => Ok(()),
        }
    }

    /// Moves the segments all of whose records come before `start`. The last segment always stays.
    ///
    /// Not by renaming: of a file that is moved to another directory the disk may know neither name for a while. So it has both first.
    fn archive_before(&self, start: Lsn) -> Result<(), StoreError> {
        let live = self.layout.live().map_err(|error| StoreError::Misuse(error.to_string()))?;
        let behind = live.iter().skip(1).take_while(|next| next.first <= start).count();
        let (behind, _) = live.split_at(behind);
        if behind.is_empty() {
            return Ok(());
        }
        for segment in behind {
            self.layout.link(&segment.path, &self.layout.archive.join(layout::segment_name(segment.first)))?;
        }
        self.layout.sync_dir(&self.layout.archive)?;
        behind.iter().try_for_each(|segment| self.layout.remove(&segment.path))?;
        self.layout.sync_dir(&self.layout.journal)?;
        Ok(())
    }
}

/// How many bytes of a checkpoint are written between two syncs.
const SYNC_EVERY: usize = 4 << 20;

struct FileCheckpoint {
    encoder: Encoder<BufWriter<Streamed>>,
    start: Lsn,
    unsynced: usize,
    unfinished: Unfinished,
}

impl CheckpointWriter for FileCheckpoint {
    fn put(&mut self, item: &[u8]) -> Result<(), StoreError> {
        let path = &self.unfinished.path;
        self.encoder.put(item).map_err(FileError::at("write", path))?;
        self.unsynced += item.len();
        if self.unsynced > SYNC_EVERY {
            // A big sync at the end would hold up the commits beside it.
            self.unsynced = 0;
            self.encoder.get_mut().get_mut().file.sync_data().map_err(FileError::at("sync", path))?;
        }
        Ok(())
    }

    fn commit(self: Box<Self>, end: Lsn) -> Result<CheckpointInfo, StoreError> {
        let FileCheckpoint { encoder, start, unfinished, .. } = *self;
        let durable = Lsn::new(unfinished.owner.durable.load(Ordering::Acquire));
        if end > durable || start > durable.next() {
            return Err(StoreError::ahead(start, end, durable));
        }
        let path = &unfinished.path;
        let (mut out, bytes) = encoder.finish(end).map_err(FileError::at("write", path))?;
        out.flush().map_err(FileError::at("write", path))?;
        out.get_mut().file.sync_all().map_err(FileError::at("sync", path))?;
        let checkpoints = Arc::clone(&unfinished.owner);
        let layout = &checkpoints.layout;
        layout.rename(path, &layout.checkpoint(start, end))?;
        layout.sync_dir(&layout.checkpoints)?;
        // A new file under the name of a bad one is good again.
        lock(&checkpoints.bad).remove(&(start, end));
        checkpoints.prune()?;
        Ok(CheckpointInfo { start, end, bytes })
    }
}

/// Removes the unfinished file, if it still has that name, and lets the next checkpoint begin.
struct Unfinished {
    owner: Arc<Checkpoints>,
    path: PathBuf,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = self.owner.layout.remove(&self.path) {
            tracing::warn!(%error, "an unfinished checkpoint was left behind; the next start removes it");
        }
        self.owner.busy.store(false, Ordering::Release);
    }
}
