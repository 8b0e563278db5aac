//! A store in memory that keeps written and synced apart, fails on demand, and can be crashed.

use std::collections::BTreeSet;
use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::batch::Batch;
use super::checkpoint::{self, Encoder};
use super::error::{FileError, RecoverError, StoreError, VisitError};
use super::faults::{Faults, Half, lock};
use super::frame::{self, Point, Records, Seed};
use super::position::Lsn;
use super::store::{
    CheckpointInfo, CheckpointWriter, CommitTimes, Progress, RoomWatcher, Store, Tail, VisitItem, VisitRecord,
};

/// There is no file; the name stands where one is asked for.
const NAME: &str = "memory";
const KEPT: usize = 2;
const RECORD_LIMIT: usize = 16 << 20;

/// What a crash does to a batch that was written and not yet synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// It had reached the disk after all.
    Kept,
    /// It is gone.
    Dropped,
}

/// Keeps a journal in memory, for tests and simulations. Clones share it.
#[derive(Clone)]
pub struct MemoryStore {
    seed: Seed,
    faults: Arc<Faults>,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    archived: Vec<Kept>,
    live: Vec<Kept>,
    written: Option<Kept>,
    end: Option<Point>,
    checkpoints: Vec<(CheckpointInfo, Vec<u8>)>,
    bad: BTreeSet<(Lsn, Lsn)>,
    busy: bool,
    watcher: Option<RoomWatcher>,
}

#[derive(Clone)]
struct Kept {
    first: Lsn,
    end: Point,
    payload: Vec<u8>,
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore::new()
    }
}

impl MemoryStore {
    /// An empty journal with all the room there is.
    pub fn new() -> MemoryStore {
        MemoryStore { seed: Seed::new([0; 16]), faults: Arc::default(), memory: Arc::default() }
    }

    /// The handle by which commits are held back or made to fail.
    pub fn faults(&self) -> &Arc<Faults> {
        &self.faults
    }

    /// Sets the room there is, in bytes of records and 4 for each; `None` for no bound.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.faults.set_space(bytes);
        let watcher = lock(&self.memory).watcher.clone();
        if let Some(watcher) = watcher {
            watcher();
        }
    }

    /// What another process would find after a crash at this moment. This store goes on undisturbed.
    pub fn crash(&self, unsynced: Unsynced) -> MemoryStore {
        let memory = lock(&self.memory);
        let mut live = memory.live.clone();
        if unsynced == Unsynced::Kept {
            live.extend(memory.written.clone());
        }
        let archived = memory.archived.clone();
        let checkpoints = memory.checkpoints.clone();
        let survived = Memory { archived, live, checkpoints, ..Memory::default() };
        MemoryStore { seed: self.seed, faults: Arc::default(), memory: Arc::new(Mutex::new(survived)) }
    }

    /// Flips a bit in the middle of a checkpoint.
    pub fn damage_checkpoint(&self, info: &CheckpointInfo) {
        for (found, bytes) in &mut lock(&self.memory).checkpoints {
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle).filter(|_| found == info) {
                *byte ^= 1;
            }
        }
    }

    /// Drops what was archived, as an operator may with the files of an archive.
    pub fn drop_archive(&self) {
        lock(&self.memory).archived.clear();
    }

    /// The batches that were archived.
    pub fn archived(&self) -> usize {
        lock(&self.memory).archived.len()
    }
}

impl Memory {
    /// The batches from the live ones on, or from the archived one that holds `from`.
    fn batches_from(&self, from: Lsn) -> Vec<Kept> {
        match self.live.first() {
            Some(oldest) if oldest.first <= from => self.live.clone(),
            _ => self.archived.iter().chain(&self.live).cloned().collect(),
        }
    }

    /// The batch that holds `from`, and the oldest position kept.
    fn holder(&self, from: Lsn) -> (Option<Kept>, Lsn) {
        let oldest = self.archived.first().or(self.live.first()).map_or(Lsn::ZERO, |kept| kept.first);
        let part = if self.live.first().is_some_and(|kept| kept.first <= from) { &self.live } else { &self.archived };
        let place = part.partition_point(|kept| kept.end.next <= from);
        (part.get(place).filter(|kept| kept.first <= from).cloned(), oldest)
    }

    fn prune(&mut self) {
        let bad = mem::take(&mut self.bad);
        self.checkpoints.retain(|(info, _)| !bad.contains(&(info.start, info.end)));
        self.checkpoints.truncate(KEPT);
        let oldest = self.checkpoints.iter().map(|(info, _)| info.start).min();
        if let Some(oldest) = oldest.filter(|_| self.checkpoints.len() == KEPT) {
            // The last batch stays, as the last segment of a directory does.
            let behind = self.live.iter().take_while(|kept| kept.end.next <= oldest).count();
            let behind = behind.min(self.live.len().saturating_sub(1));
            self.archived.extend(self.live.drain(..behind));
        }
    }
}

impl Store for MemoryStore {
    fn recover(
        &self,
        from: Lsn,
        visit: &mut VisitRecord<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tail, RecoverError> {
        let batches = lock(&self.memory).batches_from(from.max(Lsn::FIRST));
        let total = batches.iter().map(|kept| kept.payload.len() as u64).sum();
        let (mut done, mut visited) = (0, 0);
        let mut end = self.seed.genesis();
        for kept in &batches {
            for (place, record) in Records(&kept.payload).enumerate() {
                let lsn = kept.first.after(place as u64);
                if lsn >= from {
                    visit(lsn, record).map_err(|source| RecoverError::Visit { lsn, source })?;
                    visited += 1;
                }
            }
            end = kept.end;
            done += kept.payload.len() as u64;
            progress(Progress { done, total, lsn: end.next.previous() });
        }
        if from > end.next {
            return Err(RecoverError::Missing { wanted: from, oldest: Lsn::FIRST });
        }
        let mut memory = lock(&self.memory);
        memory.written = None;
        memory.end = Some(end);
        Ok(Tail { last: end.next.previous(), epoch: end.epoch.next(), chain: end.chain, visited, torn: None })
    }

    fn commit(&self, batch: &Batch) -> Result<CommitTimes, StoreError> {
        let failed = |action| FileError::at(action, Path::new(NAME));
        let started = Instant::now();
        let before = lock(&self.memory).end.filter(|end| end.next == batch.first() && end.epoch <= batch.epoch());
        let before = before.ok_or_else(|| StoreError::Misuse("commit out of order, or before recovery".to_owned()))?;
        self.faults.take_space(batch.bytes().len() as u64).map_err(|_| StoreError::NoRoom)?;
        self.faults.before(Half::Write).map_err(failed("write"))?;
        let end = frame::advance(&before, batch);
        let kept = Kept { first: batch.first(), end, payload: batch.bytes().to_vec() };
        lock(&self.memory).written = Some(kept);
        let written = Instant::now();
        self.faults.before(Half::Sync).map_err(failed("sync"))?;
        let mut memory = lock(&self.memory);
        memory.end = Some(end);
        let synced = memory.written.take();
        memory.live.extend(synced);
        Ok(CommitTimes { write: written.duration_since(started), sync: written.elapsed() })
    }

    /// Reads one batch: what is a segment for files.
    fn read(&self, from: Lsn, most: Lsn, visit: &mut VisitRecord<'_>) -> Result<Lsn, RecoverError> {
        let from = from.max(Lsn::FIRST);
        let memory = lock(&self.memory);
        let most = most.min(memory.end.map_or(Lsn::ZERO, |end| end.next.previous()));
        if from > most {
            return Ok(from);
        }
        let (holder, oldest) = memory.holder(from);
        drop(memory);
        let kept = holder.ok_or(RecoverError::Missing { wanted: from, oldest })?;
        for (place, record) in Records(&kept.payload).enumerate() {
            let lsn = kept.first.after(place as u64);
            if from <= lsn && lsn <= most {
                visit(lsn, record).map_err(|source| RecoverError::Visit { lsn, source })?;
            }
        }
        Ok(kept.end.next.min(most.next()))
    }

    fn room(&self) -> u64 {
        self.faults.space().unwrap_or(u64::MAX)
    }

    fn cost(&self, len: usize) -> u64 {
        len as u64
    }

    fn max_record(&self) -> usize {
        RECORD_LIMIT
    }

    fn watch_room(&self, watcher: RoomWatcher) {
        lock(&self.memory).watcher = Some(watcher);
    }

    fn begin_checkpoint(&self, start: Lsn) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        if mem::replace(&mut lock(&self.memory).busy, true) {
            return Err(StoreError::Misuse("another checkpoint is being written".to_owned()));
        }
        let busy = Busy(Arc::clone(&self.memory));
        let encoder = Encoder::start(Vec::new(), &self.seed, start);
        let encoder = encoder.map_err(FileError::at("write", Path::new(NAME)))?;
        Ok(Box::new(MemoryCheckpoint { encoder, start, busy }))
    }

    fn checkpoints(&self) -> Result<Vec<CheckpointInfo>, StoreError> {
        Ok(lock(&self.memory).checkpoints.iter().map(|(info, _)| info.clone()).collect())
    }

    fn read_checkpoint(&self, info: &CheckpointInfo, visit: &mut VisitItem<'_>) -> Result<(), RecoverError> {
        let mut bytes = Vec::new();
        for (found, kept) in &lock(&self.memory).checkpoints {
            if found == info {
                bytes.clone_from(kept);
            }
        }
        let visit: &mut dyn FnMut(&[u8]) -> Result<(), VisitError> = visit;
        let size = bytes.len() as u64;
        let outcome = checkpoint::read(Path::new(NAME), &mut bytes.as_slice(), size, &self.seed, info, visit);
        if outcome.is_err() {
            lock(&self.memory).bad.insert((info.start, info.end));
        }
        outcome.map(|_| ())
    }
}

struct MemoryCheckpoint {
    encoder: Encoder<Vec<u8>>,
    start: Lsn,
    busy: Busy,
}

impl CheckpointWriter for MemoryCheckpoint {
    fn put(&mut self, item: &[u8]) -> Result<(), StoreError> {
        self.encoder.put(item).map_err(FileError::at("write", Path::new(NAME)))?;
        Ok(())
    }

    fn commit(self: Box<Self>, end: Lsn) -> Result<CheckpointInfo, StoreError> {
        let MemoryCheckpoint { encoder, start, busy } = *self;
        let durable = lock(&busy.0).end.map_or(Lsn::ZERO, |end| end.next.previous());
        if end > durable || start > durable.next() {
            return Err(StoreError::ahead(start, end, durable));
        }
        let (content, bytes) = encoder.finish(end).map_err(FileError::at("write", Path::new(NAME)))?;
        let info = CheckpointInfo { start, end, bytes };
        let mut memory = lock(&busy.0);
        memory.bad.remove(&(start, end));
        memory.checkpoints.retain(|(old, _)| (old.start, old.end) != (start, end));
        memory.checkpoints.push((info.clone(), content));
        memory.checkpoints.sort_by_key(|(info, _)| std::cmp::Reverse((info.end, info.start)));
        memory.prune();
        drop(memory);
        Ok(info)
    }
}

/// Lets the next checkpoint begin once this one is written or dropped.
struct Busy(Arc<Mutex<Memory>>);

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.0).busy = false;
    }
}
