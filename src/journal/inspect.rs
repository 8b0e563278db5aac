//! Looking at a data directory without a lock and without changing anything, also while a server uses it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::checkpoint;
use super::disk::{Disk, Open, OsDisk};
use super::error::{Damage, FileError, RecoverError, VisitError};
use super::file::layout::{self, Layout, SegmentFile};
use super::file::{check_reach, read_identity};
use super::frame::{Point, Records, Seed};
use super::identity::Identity;
use super::position::{Epoch, Lsn};
use super::segment::{self, Expect, Scan, damage};
use super::store::{CheckpointInfo, Torn, VisitRecord};

/// How often the last segment is read again before what is found there counts as damage: a frame may be on its way
/// into the page cache while it is read.
const ATTEMPTS: usize = 8;

/// What a data directory holds, all of it verified.
#[derive(Debug, Clone)]
pub struct Report {
    /// What the directory was created as.
    pub identity: Identity,
    /// Segments in the archive.
    pub archived: usize,
    /// Segments in the live journal.
    pub live: usize,
    /// Frames in all segments.
    pub frames: u64,
    /// Records in all segments.
    pub records: u64,
    /// The first record there is; one more than `last` where there is none.
    pub first: Lsn,
    /// The last record.
    pub last: Lsn,
    /// The epochs of the first segment and of the last frame.
    pub epochs: (Epoch, Epoch),
    /// Bytes of all segments.
    pub bytes: u64,
    /// An unfinished frame at the end: a batch on its way, or what a crash left of one.
    pub torn: Option<Torn>,
    /// The checkpoints, newest first, with the number of their items.
    pub checkpoints: Vec<(CheckpointInfo, u64)>,
}

/// Verifies everything: identity, archive, journal and checkpoints.
///
/// # Errors
/// The first thing that is not as it was written, or a failing file system.
pub fn verify(dir: &Path) -> Result<Report, RecoverError> {
    verify_on(Arc::new(OsDisk), dir)
}

/// The same on another disk.
///
/// # Errors
/// As for [`verify`].
pub fn verify_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<Report, RecoverError> {
    let opened = Opened::open(disk, dir)?;
    // The checkpoints first: the journal then reaches at least as far as they do, also while it grows.
    let checkpoints = opened.checkpoints()?;
    let segments = opened.layout.segments()?;
    let live = opened.layout.live()?.len().min(segments.len());
    let mut records = 0;
    let totals = opened.walk(&segments, &mut |_, _| {
        records += 1;
        Ok(())
    })?;
    if let (Some(file), Some(scan)) = (segments.last(), &totals.last) {
        check_reach(checkpoints.iter().map(|(info, _)| info.clone()), &file.path, scan)?;
    }
    Ok(Report {
        archived: segments.len() - live,
        live,
        frames: totals.frames,
        records,
        first: totals.start.next,
        last: totals.end.next.previous(),
        epochs: (totals.start.epoch, totals.end.epoch),
        bytes: totals.bytes,
        torn: totals.last.and_then(|scan| scan.torn),
        checkpoints,
        identity: opened.identity,
    })
}

/// Hands the records from `from` on to `visit`, in order, each verified, archive included. Returns the last position.
///
/// # Errors
/// Damage, missing segments, a failing file system, or a refusal of `visit`.
pub fn read(dir: &Path, from: Lsn, visit: &mut VisitRecord<'_>) -> Result<Lsn, RecoverError> {
    let opened = Opened::open(Arc::new(OsDisk), dir)?;
    let from = from.max(Lsn::FIRST);
    let mut segments = opened.layout.segments()?;
    let segments = segments.split_off(layout::holder(&segments, from)?);
    let totals = opened.walk(&segments, &mut |lsn, record| if lsn < from { Ok(()) } else { visit(lsn, record) })?;
    Ok(totals.end.next.previous())
}

/// What [`follow_chain`] meets, in order.
#[derive(Debug)]
pub enum Met<'a> {
    /// The hash chain up to a position: before the first record, and behind every frame.
    Chain(Lsn, &'a [u8; 32]),
    /// A record.
    Record(Lsn, &'a [u8]),
}

/// Takes what [`follow_chain`] meets. An error ends it with [`RecoverError::Visit`].
pub type VisitMet<'a> = dyn FnMut(Met<'_>) -> Result<(), VisitError> + 'a;

/// Where a look at a journal began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The first record there is, archive included.
    pub oldest: Lsn,
    /// The last record that was handed over; [`Lsn::ZERO`] where there is none.
    pub last: Lsn,
}

/// What a data directory was created as.
///
/// # Errors
/// Where the identity file is missing, damaged or of a newer release.
pub fn identity(dir: &Path) -> Result<Identity, RecoverError> {
    Ok(Opened::open(Arc::new(OsDisk), dir)?.identity)
}

/// The first record that a data directory holds, archive included.
///
/// # Errors
/// Where there is no segment, or a failing file system.
pub fn oldest(dir: &Path) -> Result<Lsn, RecoverError> {
    let segments = Opened::open(Arc::new(OsDisk), dir)?.layout.segments()?;
    Ok(segments.first().map_or(Lsn::FIRST, |segment| segment.first))
}

/// Hands over the records from `from` to `to`, or to the last whole frame, in order, each verified, archive included; and the hash chain up
/// to every end of a frame before and between them, from the beginning of the segment that holds `from` on. All of it is durable once this
/// returns `Ok`, also where a server that has just written it still waits for the disk.
///
/// # Errors
/// Damage, missing segments, a failing file system, or a refusal of `visit`.
pub fn follow_chain(dir: &Path, from: Lsn, to: Option<Lsn>, visit: &mut VisitMet<'_>) -> Result<Reach, RecoverError> {
    let opened = Opened::open(Arc::new(OsDisk), dir)?;
    let from = from.max(Lsn::FIRST);
    let mut segments = opened.layout.segments()?;
    let oldest = segments.first().map_or(Lsn::FIRST, |segment| segment.first);
    let mut segments = segments.split_off(layout::holder(&segments, from)?);
    let newest = segments.last().map(|segment| segment.first);
    if let Some(to) = to {
        let needed = segments.partition_point(|segment| segment.first <= to).max(1);
        segments.truncate(needed);
    }
    let reach = opened.chained(&segments, newest, (from, to), visit)?;
    if let Some(last) = segments.last().filter(|last| Some(last.first) == newest) {
        opened.make_durable(last)?;
    }
    Ok(Reach { oldest, last: reach })
}

/// Verifies the bytes of one segment by themselves, as if they were the file `name`: for tools that hold a copy.
/// Returns the position after its last record, and what is torn at its end if `is_last` allows for that.
///
/// # Errors
/// Damage, or a segment of another directory.
pub fn check_segment(
    identity: &Identity,
    name: &Path,
    bytes: &[u8],
    is_last: bool,
) -> Result<(Lsn, Option<Torn>), RecoverError> {
    let seed = Seed::of(identity);
    let expect = Expect { file: name, seed: &seed, before: None, is_last, most: None };
    let scan = segment::scan(bytes, &expect, &mut |_, _| Ok(()))?;
    Ok((scan.end.next, scan.torn))
}

/// Verifies the bytes of one checkpoint by themselves, as if they were the file `name`: for tools that hold a copy. Returns how many items
/// it has.
///
/// # Errors
/// Damage, a checkpoint of another directory, or a name that is none of a checkpoint.
pub fn check_checkpoint(identity: &Identity, name: &Path, bytes: &[u8]) -> Result<u64, RecoverError> {
    let said = name.file_name().and_then(|name| layout::covers(name.to_str()?));
    let Some((start, end)) = said else {
        return Err(damage(name, 0, Lsn::ZERO, "a checkpoint's name says what it covers").into());
    };
    let (size, seed) = (bytes.len() as u64, Seed::of(identity));
    let info = CheckpointInfo { start, end, bytes: size };
    checkpoint::read(name, &mut &*bytes, size, &seed, &info, &mut |_| Ok(()))
}

struct Opened {
    layout: Layout,
    identity: Identity,
    seed: Seed,
}

struct Totals {
    start: Point,
    end: Point,
    frames: u64,
    bytes: u64,
    /// The last segment.
    last: Option<Scan>,
}

impl Opened {
    fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Opened, RecoverError> {
        let layout = Layout::new(disk, dir);
        let identity = read_identity(&layout, &layout.identity)?;
        let seed = Seed::of(&identity);
        Ok(Opened { layout, identity, seed })
    }

    fn walk(&self, segments: &[SegmentFile], visit: &mut VisitRecord<'_>) -> Result<Totals, RecoverError> {
        let genesis = self.seed.genesis();
        let mut totals = Totals { start: genesis, end: genesis, frames: 0, bytes: 0, last: None };
        let mut before = None;
        let mut bytes = Vec::new();
        for (place, file) in segments.iter().enumerate() {
            let is_last = place + 1 == segments.len();
            let expect = Expect { file: &file.path, seed: &self.seed, before, is_last, most: None };
            self.settle(file, &expect, &mut bytes)?;
            let scan = segment::scan(&bytes, &expect, visit)?;
            scan.check_name(&file.path, file.first)?;
            if before.is_none() {
                totals.start = scan.header.start;
            }
            before = Some(scan.end);
            totals.end = scan.end;
            totals.frames += scan.frames;
            totals.bytes += bytes.len() as u64;
            totals.last = Some(scan);
        }
        Ok(totals)
    }

    /// Goes through segments as [`follow_chain`] says; answers the last record that was handed over.
    fn chained(
        &self,
        segments: &[SegmentFile],
        newest: Option<Lsn>,
        (from, to): (Lsn, Option<Lsn>),
        visit: &mut VisitMet<'_>,
    ) -> Result<Lsn, RecoverError> {
        let mut last = from.previous();
        let mut bytes = Vec::new();
        let mut before: Option<Point> = None;
        for file in segments {
            let is_last = newest == Some(file.first);
            let expect = Expect { file: &file.path, seed: &self.seed, before, is_last, most: to };
            self.settle(file, &expect, &mut bytes)?;
            let mut hand_over = |lsn, met: Met<'_>| visit(met).map_err(|source| RecoverError::Visit { lsn, source });
            if before.is_none() {
                let Point { next, chain, .. } = segment::start(&bytes, &expect)?;
                hand_over(next.previous(), Met::Chain(next.previous(), &chain))?;
            }
            let scan = segment::scan_frames(&bytes, &expect, &mut |head, payload| {
                for (place, record) in Records(payload).enumerate() {
                    let lsn = head.first.after(place as u64);
                    if lsn >= from && to.is_none_or(|to| lsn <= to) {
                        last = lsn;
                        hand_over(lsn, Met::Record(lsn, record))?;
                    }
                }
                let Point { next, chain, .. } = head.end();
                let end = next.previous();
                if to.is_none_or(|to| end <= to) { hand_over(end, Met::Chain(end, &chain)) } else { Ok(()) }
            })?;
            scan.check_name(&file.path, file.first)?;
            before = Some(scan.end);
        }
        Ok(last)
    }

    /// Reads one segment. Damage in the last one counts once it is found twice in the same place: whoever goes on meets it.
    fn settle(&self, file: &SegmentFile, expect: &Expect<'_>, bytes: &mut Vec<u8>) -> Result<(), RecoverError> {
        self.layout.load(file, bytes)?;
        if !expect.is_last {
            return Ok(());
        }
        let mut seen: Option<Damage> = None;
        for _ in 1..ATTEMPTS {
            match segment::scan(bytes, expect, &mut |_, _| Ok(())) {
                Err(RecoverError::Damage(damage)) if seen.as_ref() != Some(&damage) => seen = Some(damage),
                _ => break,
            }
            self.layout.load(file, bytes)?;
        }
        Ok(())
    }

    /// Has the disk keep what was read of the last segment: it may have come from the page cache alone. What a server has written there before
    /// it becomes durable by that too, which takes nothing from it.
    fn make_durable(&self, file: &SegmentFile) -> Result<(), RecoverError> {
        let Layout { disk, archive, .. } = &self.layout;
        let opened = match disk.open(&file.path, Open::ToRead) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                disk.open(&archive.join(layout::segment_name(file.first)), Open::ToRead)
            }
            opened => opened,
        };
        let synced = opened.and_then(|mut file| file.sync_data());
        Ok(synced.map_err(FileError::at("sync", &file.path))?)
    }

    /// Verifies the checkpoints; one that a newer one has replaced meanwhile is passed over.
    fn checkpoints(&self) -> Result<Vec<(CheckpointInfo, u64)>, RecoverError> {
        let mut found = Vec::new();
        for info in self.layout.checkpoints()? {
            let path = self.layout.checkpoint(info.start, info.end);
            match checkpoint::read_file(&*self.layout.disk, &path, &self.seed, &info, &mut |_| Ok(())) {
                Ok(items) => found.push((info, items)),
                // It was removed before it was read, or meanwhile, from its end on.
                Err(_) if !self.layout.exists(&path)? => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}
