//! The store that keeps the journal in files of one directory.
//!
//! ```text
//! DIR/LOCK                          held (flock) by the one process that may write
//! DIR/identity                      written once, at creation
//! DIR/journal/<first lsn>.seg       segments; the last one is written to
//! DIR/journal/spare                 the next segment, zeros, ready to be renamed into place
//! DIR/archive/<first lsn>.seg       segments behind both checkpoints
//! DIR/checkpoints/<start>-<end>.ckpt
//! ```

mod checkpoints;
mod create;
pub(crate) mod layout;
mod reading;
mod recovery;
mod spare;
mod usage;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::disk::{Disk, DiskFile, Open, OsDisk};
use super::error::{FileError, OpenError, RecoverError, StoreError};
use super::faults::{Faults, Half, join, lock};
use super::frame::{self, FrameHead, Point, RECORD_PREFIX, SECTOR, Sectors, Seed};
use super::handle::Workers;
use super::identity::Identity;
use super::position::Lsn;
use super::segment::{LARGEST, SegmentHeader};
use super::store::{
    CheckpointInfo, CheckpointWriter, CommitTimes, Progress, RoomWatcher, Store, Tail, Usage, VisitItem, VisitRecord,
};
use checkpoints::Checkpoints;
pub(crate) use create::read_identity;
use layout::Layout;
pub(crate) use recovery::check_reach;
use spare::Spare;
use usage::Census;

/// The smallest and the largest segment there may be: recovery reads one at a time into memory.
const SEGMENT_SIZES: std::ops::RangeInclusive<u64> = (16 << 10)..=(LARGEST as u64);
/// A longer batch becomes several frames, which bounds the buffer it is encoded into.
const FRAME_LIMIT: usize = 4 << 20;
/// No record is longer than this, however large the segments.
const RECORD_LIMIT: usize = 16 << 20;

/// What a new data directory is to be. The caller draws the random numbers.
#[derive(Clone)]
pub struct NewDirectory {
    /// Random; tells this directory from every other.
    pub id: [u8; 16],
    /// Random; the key of fingerprints.
    pub fingerprint_key: [u8; 16],
    /// Small facts to be remembered with the directory.
    pub attributes: Vec<(String, String)>,
}

/// How a data directory is opened.
#[derive(Clone)]
pub struct FileOptions {
    /// Bytes of each new segment: 16 KiB to 1 GiB, a multiple of 512.
    pub segment_size: u64,
    /// Creates the directory where there is none; an existing one is opened as it is.
    pub create: Option<NewDirectory>,
    /// Who prepares segments. With [`Workers::Caller`] it is who commits or calls [`FileStore::prepare`].
    pub workers: Workers,
    /// How long to wait before trying again to prepare a segment on a full disk.
    pub retry_every: Duration,
    /// Where the directory is.
    pub disk: Arc<dyn Disk>,
    /// For tests: makes commits fail and bounds the space for segments.
    pub faults: Option<Arc<Faults>>,
}

impl Default for FileOptions {
    fn default() -> FileOptions {
        FileOptions {
            segment_size: 64 << 20,
            create: None,
            workers: Workers::Threads,
            retry_every: Duration::from_secs(1),
            disk: Arc::new(OsDisk),
            faults: None,
        }
    }
}

/// Keeps a journal in the files of a directory, which it holds locked.
///
/// A commit writes into space that was reserved and zeroed before, and syncs data only: the file's length and blocks
/// no longer change, so the file system has nothing of its own to write. At the end of a segment the spare takes its
/// place and a thread prepares the next.
pub struct FileStore {
    layout: Layout,
    identity: Identity,
    seed: Seed,
    faults: Option<Arc<Faults>>,
    writer: Mutex<Option<Writer>>,
    /// Bytes for frames in the current segment.
    rest: AtomicU64,
    spare: Arc<Spare>,
    workers: Workers,
    preparer: Mutex<Option<JoinHandle<()>>>,
    checkpoints: Arc<Checkpoints>,
    census: Census,
}

/// Where the next frame goes.
struct Writer {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    size: u64,
    offset: u64,
    end: Point,
    sectors: Sectors,
}

impl FileStore {
    /// Opens, and with `options.create` first creates, a data directory, and locks it for as long as the store lives.
    ///
    /// # Errors
    /// Where the directory is locked, absent, damaged or newer than this release; see [`OpenError`].
    pub fn open(dir: &Path, options: FileOptions) -> Result<FileStore, OpenError> {
        if !SEGMENT_SIZES.contains(&options.segment_size) || !options.segment_size.is_multiple_of(SECTOR as u64) {
            let message = format!("a segment cannot have {} bytes: 16 KiB to 1 GiB, in sectors", options.segment_size);
            return Err(OpenError::Options(message));
        }
        let layout = Layout::new(Arc::clone(&options.disk), dir);
        if options.create.is_some() {
            create::make_root(&layout)?;
        } else if !layout.exists(&layout.root)? {
            return Err(OpenError::Absent { dir: dir.to_owned() });
        }
        let lock = create::lock_root(&layout)?;
        let identity = create::open_or_create(&layout, &options)?;
        let seed = Seed::of(&identity);
        let spare = Arc::new(Spare::new(&layout, options.segment_size, options.retry_every, options.faults.clone()));
        let checkpoints = Arc::new(Checkpoints::new(layout.clone(), seed, lock));
        Ok(FileStore {
            layout,
            identity,
            seed,
            faults: options.faults,
            writer: Mutex::new(None),
            rest: AtomicU64::new(0),
            spare,
            workers: options.workers,
            preparer: Mutex::new(None),
            checkpoints,
            census: Census::default(),
        })
    }

    /// What the directory was created as.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.layout.root
    }

    /// Prepares the next segment at once, if it is wanted.
    pub fn prepare(&self) {
        self.spare.prepare_now();
    }

    fn start_preparer(&self) -> Result<(), FileError> {
        let mut preparer = lock(&self.preparer);
        if preparer.is_none() {
            self.prepare();
            if self.workers == Workers::Caller {
                return Ok(());
            }
            let spare = Arc::clone(&self.spare);
            let thread = std::thread::Builder::new().name("journal-spare".to_owned()).spawn(move || spare.run());
            *preparer = Some(thread.map_err(FileError::at("start the thread for", &self.layout.journal))?);
        }
        Ok(())
    }

    fn before(&self, half: Half, path: &Path) -> Result<(), StoreError> {
        let Some(faults) = &self.faults else { return Ok(()) };
        let action = if half == Half::Write { "write" } else { "sync" };
        faults.before(half).map_err(|source| FileError::at(action, path)(source).into())
    }

    /// Writes and syncs one frame.
    fn commit_frame(&self, writer: &mut Writer, head: &FrameHead, payload: &[u8]) -> Result<CommitTimes, StoreError> {
        let started = Instant::now();
        frame::encode(&mut writer.sectors, &self.seed, head, payload);
        self.before(Half::Write, &writer.path)?;
        writer.file.write_at(writer.sectors.bytes(), writer.offset).map_err(FileError::at("write", &writer.path))?;
        let written = Instant::now();
        self.before(Half::Sync, &writer.path)?;
        writer.file.sync_data().map_err(FileError::at("sync", &writer.path))?;
        writer.offset += writer.sectors.bytes().len() as u64;
        writer.end = head.end();
        self.settle(writer);
        Ok(CommitTimes { write: written.duration_since(started), sync: written.elapsed() })
    }

    /// Says how far the writer is, to those who do not hold it.
    fn settle(&self, writer: &Writer) {
        self.rest.store(writer.rest() as u64 * SECTOR as u64, Ordering::Release);
        self.checkpoints.durable.store(writer.end.next.previous().get(), Ordering::Release);
    }

    /// Puts the spare behind the current segment, all of which is durable by now.
    fn roll(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let size = self.spare.segment_size();
        // Room is handed over before it is taken away, so that it never seems to be less than it is.
        self.rest.store(size.saturating_sub(SECTOR as u64), Ordering::Release);
        let mut spare = self.spare.take().ok_or(StoreError::NoRoom)?;
        let path = self.layout.segment(writer.end.next);
        let header = SegmentHeader { directory: self.seed.directory, size, start: writer.end };
        spare.write_at(&header.encode(), 0).map_err(FileError::at("write", self.spare.path()))?;
        spare.sync_data().map_err(FileError::at("sync", self.spare.path()))?;
        self.layout.rename(self.spare.path(), &path)?;
        self.layout.sync_dir(&self.layout.journal)?;
        self.spare.renew();
        if self.workers == Workers::Caller {
            self.prepare();
        }
        *writer = Writer {
            // Where no more files can be opened, the one that is open will do.
            file: self.layout.open(&path, Open::ToCommit).unwrap_or(spare),
            path,
            size,
            offset: SECTOR as u64,
            end: writer.end,
            sectors: std::mem::take(&mut writer.sectors),
        };
        Ok(())
    }
}

impl Writer {
    /// Sectors left in the segment.
    fn rest(&self) -> usize {
        (self.size.saturating_sub(self.offset) / SECTOR as u64) as usize
    }
}

impl Store for FileStore {
    fn recover(
        &self,
        from: Lsn,
        visit: &mut VisitRecord<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tail, RecoverError> {
        let mut current = lock(&self.writer);
        let (tail, writer) = recovery::recover(&self.layout, &self.seed, from, visit, progress)?;
        self.settle(&writer);
        *current = Some(writer);
        self.start_preparer()?;
        Ok(tail)
    }

    fn commit(&self, batch: &Batch) -> Result<CommitTimes, StoreError> {
        let mut writer = lock(&self.writer);
        let writer = writer.as_mut().ok_or_else(|| StoreError::Misuse("commit before recovery".to_owned()))?;
        if batch.first() != writer.end.next || batch.epoch() < writer.end.epoch {
            let message = format!("a batch from lsn {} was committed after lsn {}", batch.first(), writer.end.next);
            return Err(StoreError::Misuse(message));
        }
        let mut times = CommitTimes::default();
        let (mut payload, mut records) = (batch.bytes(), batch.len());
        while records > 0 {
            let capacity = frame::payload_for(writer.rest());
            let (mut count, mut len) = frame::fitting(payload, records, capacity.min(FRAME_LIMIT));
            if count == 0 {
                // One record beyond the limit of a frame is a frame of its own.
                (count, len) = frame::first_fitting(payload, capacity);
            }
            if count == 0 {
                self.roll(writer)?;
                continue;
            }
            let (now, later) = payload.split_at(len);
            let head = FrameHead::seal(&writer.end, batch.epoch(), count, now);
            let spent = self.commit_frame(writer, &head, now)?;
            times.write += spent.write;
            times.sync += spent.sync;
            payload = later;
            records -= count;
        }
        Ok(times)
    }

    fn read(&self, from: Lsn, most: Lsn, visit: &mut VisitRecord<'_>) -> Result<Lsn, RecoverError> {
        let durable = Lsn::new(self.checkpoints.durable.load(Ordering::Acquire));
        reading::read(&self.layout, &self.seed, from, most.min(durable), visit)
    }

    /// The larger of what the current segment and the spare still take: whatever fits one of them alone fits both
    /// together, wherever the boundary falls.
    fn room(&self) -> u64 {
        self.rest.load(Ordering::Acquire).max(self.spare.room())
    }

    fn is_preparing(&self) -> bool {
        self.spare.is_on_its_way()
    }

    /// Any two frames in a row are together longer than the limit of one, or they would be one; so there are at most so many. Each ends
    /// within a sector.
    fn cost(&self, len: usize) -> u64 {
        let frames = 1 + 2 * (len / FRAME_LIMIT);
        ((frame::sectors_for(len) + 2 * (frames - 1)) * SECTOR) as u64
    }

    fn max_record(&self) -> usize {
        let sectors = (self.spare.segment_size() / SECTOR as u64).saturating_sub(1) as usize;
        frame::payload_for(sectors).saturating_sub(RECORD_PREFIX).min(RECORD_LIMIT)
    }

    fn usage(&self) -> Usage {
        self.census.take(&self.layout)
    }

    fn watch_room(&self, watcher: RoomWatcher) {
        self.spare.watch(watcher);
    }

    fn begin_checkpoint(&self, start: Lsn) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        Checkpoints::begin(&self.checkpoints, start)
    }

    fn checkpoints(&self) -> Result<Vec<CheckpointInfo>, StoreError> {
        Ok(self.layout.checkpoints()?)
    }

    fn read_checkpoint(&self, info: &CheckpointInfo, visit: &mut VisitItem<'_>) -> Result<(), RecoverError> {
        self.checkpoints.read(info, visit)
    }
}

impl Drop for FileStore {
    fn drop(&mut self) {
        self.spare.stop();
        if let Some(thread) = lock(&self.preparer).take() {
            join(thread);
        }
    }
}
