//! Space before it is needed: the next segment, written with zeros by a thread of its own.

use std::io;
use std::mem;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::layout::Layout;
use crate::journal::disk::{DiskFile, Open};
use crate::journal::error::FileError;
use crate::journal::faults::{Faults, lock};
use crate::journal::frame::{SECTOR, UNTOUCHED};
use crate::journal::store::RoomWatcher;

/// Zeros are written and synced in pieces: a big sync at once would hold up the commits beside it.
const PIECE: usize = 1 << 20;

/// The spare segment, and the thread that keeps it ready.
pub(super) struct Spare {
    layout: Layout,
    path: PathBuf,
    temporary: PathBuf,
    segment_size: u64,
    retry_every: Duration,
    faults: Option<Arc<Faults>>,
    state: Mutex<State>,
    wake: Condvar,
    stop: AtomicBool,
    /// Bytes for frames in the spare; 0 while there is none.
    room: AtomicU64,
    /// There is no spare, and the last try to prepare one has failed.
    failed: AtomicBool,
}

struct State {
    slot: Slot,
    watcher: Option<RoomWatcher>,
}

enum Slot {
    /// To be prepared.
    Wanted,
    /// Complete and durable, under the spare's name.
    Ready(Box<dyn DiskFile>),
    /// On its way to its name as a segment; the spare's own name is not free yet.
    Taken,
}

impl Spare {
    pub(super) fn new(layout: &Layout, segment_size: u64, retry_every: Duration, faults: Option<Arc<Faults>>) -> Spare {
        Spare {
            layout: layout.clone(),
            path: layout.journal.join("spare"),
            temporary: layout.journal.join("spare.tmp"),
            segment_size,
            retry_every,
            faults,
            state: Mutex::new(State { slot: Slot::Wanted, watcher: None }),
            wake: Condvar::new(),
            stop: AtomicBool::new(false),
            room: AtomicU64::new(0),
            failed: AtomicBool::new(false),
        }
    }

    pub(super) fn room(&self) -> u64 {
        self.room.load(Ordering::Acquire)
    }

    /// Whether there is no spare, but one is being prepared.
    pub(super) fn is_on_its_way(&self) -> bool {
        self.room() == 0 && !self.failed.load(Ordering::Acquire)
    }

    pub(super) fn segment_size(&self) -> u64 {
        self.segment_size
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    pub(super) fn watch(&self, watcher: RoomWatcher) {
        lock(&self.state).watcher = Some(watcher);
    }

    /// Takes the spare, if there is one. [`Spare::renew`] is to follow.
    pub(super) fn take(&self) -> Option<Box<dyn DiskFile>> {
        let mut state = lock(&self.state);
        let Slot::Ready(file) = mem::replace(&mut state.slot, Slot::Taken) else {
            state.slot = Slot::Wanted;
            return None;
        };
        self.room.store(0, Ordering::Release);
        Some(file)
    }

    /// The file that was taken has its name as a segment now: the next spare may be prepared.
    pub(super) fn renew(&self) {
        lock(&self.state).slot = Slot::Wanted;
        self.wake.notify_one();
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        // Under the lock, so that the thread is either waiting or yet to look at `stop`.
        drop(lock(&self.state));
        self.wake.notify_one();
    }

    /// Prepares a spare at once, without the thread, which goes on trying where this fails.
    pub(super) fn prepare_now(&self) {
        if !matches!(lock(&self.state).slot, Slot::Wanted) {
            return;
        }
        match self.adopt().map_or_else(|| self.prepare(), Ok) {
            Ok(file) => self.put(file),
            Err(error) => {
                self.failed.store(true, Ordering::Release);
                tracing::warn!(%error, "no spare segment; once this one is full, nothing can be written");
            }
        }
    }

    /// The preparer's thread.
    pub(super) fn run(&self) {
        let mut complained = false;
        while self.wait_wanted() {
            match self.prepare() {
                Ok(file) => {
                    complained = false;
                    self.put(file);
                }
                Err(error) => {
                    self.failed.store(true, Ordering::Release);
                    if !mem::replace(&mut complained, true) {
                        tracing::warn!(%error, full = error.is_full(), "cannot prepare a spare segment; trying again");
                    }
                    let state = lock(&self.state);
                    if !self.stopping() {
                        drop(self.wake.wait_timeout(state, self.retry_every));
                    }
                }
            }
        }
    }

    fn wait_wanted(&self) -> bool {
        let mut state = lock(&self.state);
        while !matches!(state.slot, Slot::Wanted) && !self.stopping() {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !self.stopping()
    }

    /// A spare that an earlier process left complete: on a full disk it may be the last one for a while.
    fn adopt(&self) -> Option<Box<dyn DiskFile>> {
        let mut file = self.layout.open(&self.path, Open::ToWrite).ok()?;
        if file.len().ok()? != self.segment_size {
            return None;
        }
        let mut piece = vec![0; PIECE];
        let mut at = 0;
        while at < self.segment_size {
            let len = self.piece_len(at);
            let read = piece.get_mut(..len)?;
            if file.read_at(read, at).ok()? < len || !read.chunks(SECTOR).all(|sector| UNTOUCHED.starts_with(sector)) {
                return None;
            }
            at += len as u64;
        }
        file.sync_all().ok()?;
        Some(file)
    }

    /// Writes a file of zeros and gives it the spare's name once all of it is durable.
    fn prepare(&self) -> Result<Box<dyn DiskFile>, FileError> {
        self.layout.remove(&self.path)?;
        self.layout.remove(&self.temporary)?;
        if let Some(faults) = &self.faults {
            faults.take_space(self.segment_size).map_err(FileError::at("take space for", &self.temporary))?;
        }
        let written = self.write_zeros();
        if written.is_err() {
            // Gives back what a full disk has let us take; the first error is the one to tell.
            self.layout.remove(&self.temporary).unwrap_or_default();
        }
        let file = written?;
        self.layout.rename(&self.temporary, &self.path)?;
        self.layout.sync_dir(&self.layout.journal)?;
        Ok(file)
    }

    fn write_zeros(&self) -> Result<Box<dyn DiskFile>, FileError> {
        let path = &self.temporary;
        let mut file = self.layout.disk.open(path, Open::New).map_err(FileError::at("create", path))?;
        let zeros = vec![0; PIECE];
        let mut at = 0;
        while at < self.segment_size {
            if self.stopping() {
                return Err(FileError::at("finish", path)(io::ErrorKind::Interrupted.into()));
            }
            let len = self.piece_len(at);
            let piece = zeros.get(..len).unwrap_or_default();
            file.write_at(piece, at).map_err(FileError::at("write", path))?;
            file.sync_data().map_err(FileError::at("sync", path))?;
            at += len as u64;
        }
        file.sync_all().map_err(FileError::at("sync", path))?;
        Ok(file)
    }

    fn piece_len(&self, at: u64) -> usize {
        (self.segment_size - at).min(PIECE as u64) as usize
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn put(&self, file: Box<dyn DiskFile>) {
        let mut state = lock(&self.state);
        state.slot = Slot::Ready(file);
        let watcher = state.watcher.clone();
        self.failed.store(false, Ordering::Release);
        self.room.store(self.segment_size.saturating_sub(SECTOR as u64), Ordering::Release);
        drop(state);
        if let Some(watcher) = watcher {
            watcher();
        }
    }
}
