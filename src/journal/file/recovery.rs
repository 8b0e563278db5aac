//! Taking a data directory up again: verify everything, drop a torn tail, make what is left durable.

use std::path::{Path, PathBuf};

use super::Writer;
use super::layout::{Layout, SegmentFile};
use crate::journal::disk::Open;
use crate::journal::error::{FileError, RecoverError};
use crate::journal::frame::{Point, Sectors, Seed};
use crate::journal::position::Lsn;
use crate::journal::segment::{self, Expect, Scan, damage};
use crate::journal::store::{CheckpointInfo, Progress, Tail, VisitRecord};

/// Verifies the journal, visits the records from `from` on, and leaves it ready to be written to.
pub(super) fn recover(
    layout: &Layout,
    seed: &Seed,
    from: Lsn,
    visit: &mut VisitRecord<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Tail, Writer), RecoverError> {
    tidy(layout)?;
    let segments = segments_from(layout, from)?;
    let mut visited = 0;
    let last = walk(layout, &segments, seed, progress, &mut |lsn, record| {
        if lsn < from {
            return Ok(());
        }
        visited += 1;
        visit(lsn, record)
    })?;
    check_reach(layout.checkpoints()?.into_iter(), &last.path, &last.scan)?;
    if from > last.scan.end.next {
        let reason = format!("the journal ends here, but records from lsn {from} are needed");
        return Err(damage(&last.path, last.scan.end_offset, last.scan.end.next, reason).into());
    }
    let tail = Tail {
        last: last.scan.end.next.previous(),
        epoch: last.scan.end.epoch.next(),
        chain: last.scan.end.chain,
        visited,
        torn: last.scan.torn.clone(),
    };
    let writer = make_durable(layout, last)?;
    Ok((tail, writer))
}

/// The last segment of a walk.
pub(crate) struct Last {
    pub(crate) path: PathBuf,
    pub(crate) scan: Scan,
    pub(crate) bytes: Vec<u8>,
}

/// Verifies segments that follow one another, the last of which may end in a torn frame.
pub(crate) fn walk(
    layout: &Layout,
    segments: &[SegmentFile],
    seed: &Seed,
    progress: &mut dyn FnMut(Progress),
    visit: &mut VisitRecord<'_>,
) -> Result<Last, RecoverError> {
    let mut total = 0;
    for segment in segments {
        total += layout.len(&segment.path)?;
    }
    let mut done = 0;
    let mut before: Option<Point> = None;
    let mut last = None;
    let mut bytes = Vec::new();
    for (place, file) in segments.iter().enumerate() {
        layout.read_into(&file.path, &mut bytes)?;
        let is_last = place + 1 == segments.len();
        let expect = Expect { file: &file.path, seed, before, is_last, most: None };
        let scan = segment::scan(&bytes, &expect, visit)?;
        scan.check_name(&file.path, file.first)?;
        done += bytes.len() as u64;
        progress(Progress { done, total, lsn: scan.end.next.previous() });
        before = Some(scan.end);
        last = Some((file.path.clone(), scan));
    }
    let (path, scan) = last.ok_or(RecoverError::Missing { wanted: Lsn::FIRST, oldest: Lsn::ZERO })?;
    Ok(Last { path, scan, bytes })
}

/// The live segments, and before them as many archived ones as it takes to reach back to `from`.
fn segments_from(layout: &Layout, from: Lsn) -> Result<Vec<SegmentFile>, RecoverError> {
    let from = from.max(Lsn::FIRST);
    let live = layout.live()?;
    let Some(oldest) = live.first().map(|segment| segment.first) else {
        return Err(RecoverError::Missing { wanted: from, oldest: Lsn::ZERO });
    };
    if oldest <= from {
        return Ok(live);
    }
    reach_back(layout.archived()?, live, from)
}

/// Prepends the archived segments from the one that holds `from` on.
pub(crate) fn reach_back(
    mut archived: Vec<SegmentFile>,
    live: Vec<SegmentFile>,
    from: Lsn,
) -> Result<Vec<SegmentFile>, RecoverError> {
    let holder = archived.iter().rposition(|segment| segment.first <= from);
    let Some(holder) = holder else {
        let oldest = archived.first().or(live.first()).map_or(Lsn::ZERO, |segment| segment.first);
        return Err(RecoverError::Missing { wanted: from, oldest });
    };
    let mut segments = archived.split_off(holder);
    segments.extend(live);
    Ok(segments)
}

/// A checkpoint becomes valid only once everything in it is durable. So a journal that ends before the end of a
/// checkpoint has lost records that were acknowledged, even where it looks whole.
pub(crate) fn check_reach(
    checkpoints: impl Iterator<Item = CheckpointInfo>,
    path: &Path,
    scan: &Scan,
) -> Result<(), RecoverError> {
    let end = scan.end.next;
    for info in checkpoints {
        if info.end >= end || info.start > end {
            let reason = format!("the journal ends here, but a checkpoint holds records up to lsn {}", info.end);
            return Err(damage(path, scan.end_offset, end, reason).into());
        }
    }
    Ok(())
}

/// What was read may have come from a page cache whose sync had failed before the crash. Only the last frame can be
/// in that state: it is written once more, a torn one after it is zeroed, and both are synced before anybody relies
/// on either.
fn make_durable(layout: &Layout, last: Last) -> Result<Writer, RecoverError> {
    let Last { path, scan, bytes } = last;
    let mut file = layout.open(&path, Open::ToWrite)?;
    let kept = bytes.get(scan.last_frame..scan.end_offset).unwrap_or_default();
    file.write_at(kept, scan.last_frame as u64).map_err(FileError::at("write", &path))?;
    if scan.torn.is_some() {
        let zeros = vec![0; bytes.len().saturating_sub(scan.end_offset)];
        file.write_at(&zeros, scan.end_offset as u64).map_err(FileError::at("write", &path))?;
    }
    file.sync_all().map_err(FileError::at("sync", &path))?;
    for dir in [&layout.archive, &layout.checkpoints, &layout.journal, &layout.root] {
        layout.sync_dir(dir)?;
    }
    Ok(Writer {
        file: layout.open(&path, Open::ToCommit)?,
        path,
        size: scan.header.size,
        offset: scan.end_offset as u64,
        end: scan.end,
        sectors: Sectors::default(),
    })
}

/// Removes what a crash left half done, and adds what a backup may have left out for being empty.
fn tidy(layout: &Layout) -> Result<(), FileError> {
    for dir in [&layout.archive, &layout.checkpoints] {
        layout.create_dir(dir)?;
    }
    for (name, path) in layout.list(&layout.checkpoints)? {
        if name.ends_with(".tmp") {
            layout.remove(&path)?;
        }
    }
    layout.remove(&layout.journal.join("spare.tmp"))
}
