//! Making a data directory of a backup.
//!
//! The new directory has an identity of its own and the old one's past: frames are as they were, with their epochs and the hashes of the chain, so
//! that whoever has noted a hash can hold the restored journal against it; but their sectors, segments and checkpoints carry the new
//! identity, and no file of the one directory is taken for one of the other. Behind the last record that is kept comes one that says where the
//! clock stands, under an epoch that the old directory will never come to. From there on the two are different lines, whatever is done to them.
//!
//! A cut may fall within a frame. What is kept of that one, and of those behind it, is put into new frames under the new epoch, in its order.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use prost::Message as _;
use rustix::fs::{FlockOperation, flock};

use super::{
    BackupError,
    directory::{make, sync_name},
    hex,
    manifest::{Checkpoint, Manifest, Segment},
    shelf::Shelf,
    stamps::{self, Stamps},
};
use crate::{
    clock::{instant, random_bytes},
    journal::{
        Batch, CheckpointInfo, Identity, Lsn, Point, RecoverError,
        carry::{self, Frame, Rebuild, RebuildError, Rebuilt},
        inspect,
    },
};

/// The attribute of a restored directory that names the backup it was made of.
pub(super) const FROM: &str = "restored.from";
/// The attribute that says up to where.
const UP_TO: &str = "restored.up_to";
/// Marks a directory that is being made.
const MARK: &str = "RESTORING";
/// Records are put behind in batches of so many bytes.
const BATCH: usize = 4 << 20;

/// Up to where a journal is restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// All of the backup.
    #[default]
    End,
    /// Up to this record.
    Lsn(u64),
    /// Every record that was recorded at this time or before, in microseconds. Of each merchant these are its first ones; over several merchants they
    /// need not be, since times are taken before positions. Those behind a record that is left out move up.
    Time(i64),
}

/// What to restore, and where.
pub struct Restore<'a> {
    /// Where the backup lies.
    pub shelf: &'a Shelf,
    /// Its name.
    pub name: &'a str,
    /// What belongs to it.
    pub manifest: &'a Manifest,
    /// Up to where.
    pub cut: Cut,
    /// Whether to bring a checkpoint along, so that a start need not replay everything.
    pub with_checkpoint: bool,
    /// The directory, which is empty or is not there.
    pub target: &'a Path,
}

/// A directory that was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The id of the new directory, in hexadecimal digits.
    pub directory: String,
    /// How many records of the backup are kept.
    pub kept: u64,
    /// When the latest of them was recorded, in microseconds.
    pub recorded_at: Option<i64>,
    /// How many records were read and left out.
    pub left_out: u64,
    /// The first record of the backup that has another position, or is left out: all before are as they were.
    pub same_before: Lsn,
    /// The checkpoint that was brought along.
    pub checkpoint: Option<CheckpointInfo>,
    /// The last record of the new directory, which says where the clock stands; of the backup, where nothing was added.
    pub last: Lsn,
}

/// Makes a data directory, all of it or nothing: aside, verified, and then given its name. `tell` is told of every object that is read.
///
/// # Errors
/// When the target is in use, the backup does not reach so far, anything that is read of it is damaged, or a file system fails.
pub fn restore(what: &Restore<'_>, tell: &mut dyn FnMut(&str, u64)) -> Result<Restored, BackupError> {
    check_reach(what)?;
    let stage = Stage::begin(what.target)?;
    let old = what.shelf.identity(what.manifest)?;
    let new_id = random_bytes().map_err(BackupError::Random)?;
    let random = u32::from_le_bytes(random_bytes().map_err(BackupError::Random)?);
    let up_to = match what.cut {
        Cut::Lsn(lsn) => format!("lsn {lsn}"),
        Cut::End => format!("lsn {}", what.manifest.position),
        Cut::Time(time) => instant(time),
    };
    let attributes = [(FROM, what.name.to_owned()), (UP_TO, up_to)];
    let new = old.descendant(new_id, attributes.map(|(name, value)| (name.to_owned(), value)).to_vec());
    let rebuild = Rebuild::begin(&stage.dir, &new).map_err(RebuildError::from)?;
    let mut copying = Copying {
        rebuild,
        cut: what.cut,
        stamps: Stamps::default(),
        kept: 0,
        left_out: 0,
        parted: None,
        moved: Vec::new(),
    };
    copying.segments(what, &old, tell)?;
    if copying.kept == 0 && what.manifest.position > 0 {
        return Err(BackupError::OutOfReach("no record of the backup was recorded so early".to_owned()));
    }
    let same_before = copying.parted.unwrap_or(copying.rebuild.end().next);
    let checkpoint = if what.with_checkpoint { copying.checkpoint(what, &old, same_before, tell)? } else { None };
    let (kept, left_out, recorded_at) = (copying.kept, copying.left_out, copying.stamps.span.map(|(_, latest)| latest));
    let last = copying.finish(random)?;
    stage.publish(what.target)?;
    Ok(Restored { directory: hex(&new_id), kept, recorded_at, left_out, same_before, checkpoint, last })
}

fn check_reach(what: &Restore<'_>) -> Result<(), BackupError> {
    let Manifest { position, recorded_at, .. } = what.manifest;
    match what.cut {
        Cut::Lsn(lsn) if lsn > *position => {
            Err(BackupError::OutOfReach(format!("backup {} reaches to lsn {position}, not to lsn {lsn}", what.name)))
        }
        Cut::Time(time) if recorded_at.is_none_or(|latest| time > latest) => {
            let reaches = recorded_at.map_or_else(
                || "holds no record".to_owned(),
                |latest| format!("reaches to {}, not to {}", instant(latest), instant(time)),
            );
            Err(BackupError::OutOfReach(format!("backup {} {reaches}", what.name)))
        }
        _ => Ok(()),
    }
}

/// A journal that is being copied.
struct Copying {
    rebuild: Rebuild,
    cut: Cut,
    /// Of the records that are kept.
    stamps: Stamps,
    kept: u64,
    left_out: u64,
    /// The first record that is left out, where there is one.
    parted: Option<Lsn>,
    /// Records that are kept although their frame is not: those of one frame, for a cut at a position; for one at a time, those that were
    /// recorded by then but got their position later than one that was not. Times and positions are moments apart.
    moved: Vec<Vec<u8>>,
}

impl Copying {
    fn segments(
        &mut self,
        what: &Restore<'_>,
        old: &Identity,
        tell: &mut dyn FnMut(&str, u64),
    ) -> Result<(), BackupError> {
        let (mut before, mut bytes) = (carry::genesis(old), Vec::new());
        for segment in &what.manifest.segments {
            if self.leave_out(segment, what) {
                before = segment.end().unwrap_or(before);
                continue;
            }
            tell(&segment.part.object, segment.part.size);
            // Verified as a whole before any of it is used.
            let read = what.shelf.segment(old, segment, &before, &mut bytes, &mut |_| Ok(()))?;
            if self.parted.is_none() {
                self.rebuild.segment(read.start, read.file_size).map_err(RebuildError::from)?;
            }
            bytes.truncate(usize::try_from(segment.part.size).unwrap_or(usize::MAX));
            carry::check(old, &what.shelf.called(&segment.part), &mut bytes, &before, &mut |frame| self.frame(frame))?;
            before = read.end;
        }
        Ok(())
    }

    /// Whether a segment holds nothing that is to be kept. The first is needed in any case.
    fn leave_out(&mut self, segment: &Segment, what: &Restore<'_>) -> bool {
        let beyond = match self.cut {
            Cut::End => false,
            Cut::Lsn(lsn) => segment.first > lsn,
            Cut::Time(time) => segment.recorded.is_some_and(|(earliest, _)| earliest > time),
        };
        let first = what.manifest.segments.first().is_some_and(|first| first.first == segment.first);
        if !beyond || first {
            return false;
        }
        self.left_out += segment.next.saturating_sub(segment.first);
        self.parted = self.parted.or(Some(Lsn::new(segment.first)).filter(|_| segment.next > segment.first));
        true
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<(), RecoverError> {
        let mut keep = Vec::new();
        for (lsn, bytes) in frame.records() {
            let record = stamps::read(bytes).map_err(|source| RecoverError::Visit { lsn, source })?;
            let kept = match self.cut {
                Cut::End => true,
                Cut::Lsn(last) => lsn.get() <= last,
                Cut::Time(time) => record.recorded_at <= time,
            };
            if kept {
                self.stamps.note(&record);
                keep.push(bytes);
            } else {
                self.left_out += 1;
                self.parted = self.parted.or(Some(lsn));
            }
        }
        self.kept += keep.len() as u64;
        if self.parted.is_none() {
            self.rebuild.frame(frame);
        } else {
            self.moved.extend(keep.into_iter().map(<[u8]>::to_vec));
        }
        Ok(())
    }

    /// Brings along the newest checkpoint that has seen nothing but what is kept, of this backup or of another.
    fn checkpoint(
        &self,
        what: &Restore<'_>,
        old: &Identity,
        same_before: Lsn,
        tell: &mut dyn FnMut(&str, u64),
    ) -> Result<Option<CheckpointInfo>, BackupError> {
        let mut found: Vec<Checkpoint> = what.manifest.checkpoints.clone();
        for entry in what.shelf.entries()? {
            match what.shelf.manifest(&entry) {
                Ok(manifest) if manifest.directory == what.manifest.directory => found.extend(manifest.checkpoints),
                Err(error) if !error.is_damage() => return Err(error),
                // Another backup that is damaged is not needed.
                _ => {}
            }
        }
        found.retain(|checkpoint| checkpoint.end < same_before.get());
        let Some(Checkpoint { start, end, part }) = found.into_iter().max_by_key(|found| (found.end, found.start))
        else {
            return Ok(None);
        };
        tell(&part.object, part.size);
        let info = CheckpointInfo { start: Lsn::new(start), end: Lsn::new(end), bytes: part.size };
        let name = what.shelf.called(&part);
        what.shelf.stream(&part, |content| Ok(self.rebuild.checkpoint(old, &name, content, &info)?))?;
        Ok(Some(info))
    }

    /// Puts behind what is to follow, and reads all of it back. Answers the last position.
    fn finish(self, random: u32) -> Result<Lsn, BackupError> {
        let Self { rebuild, stamps, moved, .. } = self;
        let (end, dir) = (rebuild.end(), rebuild.dir().to_owned());
        let closing = stamps.closing().map(|record| record.encode_to_vec());
        let rebuilt = rebuild.finish()?;
        append(&rebuilt, &end, random, moved.into_iter().chain(closing))?;
        drop(rebuilt);
        Ok(inspect::verify(&dir)?.last)
    }
}

fn append(
    rebuilt: &Rebuilt,
    end: &Point,
    random: u32,
    records: impl Iterator<Item = Vec<u8>>,
) -> Result<(), BackupError> {
    let epoch = carry::epoch_elsewhere(end, random);
    let mut batch = Batch::new(end.next, epoch);
    for record in records {
        batch.push(&record);
        if batch.bytes().len() > BATCH {
            rebuilt.append(&batch).map_err(RebuildError::from)?;
            batch = Batch::new(batch.next(), epoch);
        }
    }
    if batch.is_empty() { Ok(()) } else { Ok(rebuilt.append(&batch).map_err(RebuildError::from)?) }
}

/// A directory beside the target, in which that is made.
struct Stage {
    dir: PathBuf,
    /// Held as long as it is being made.
    _lock: File,
    published: bool,
}

impl Stage {
    fn begin(target: &Path) -> Result<Self, BackupError> {
        let refused = |reason: &str| BackupError::Target(format!("{} {reason}", target.display()));
        let failed = |error: io::Error| BackupError::Target(format!("cannot restore to {}: {error}", target.display()));
        match fs::read_dir(target) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(refused("is not empty; a directory is restored to a place of its own"));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let name = target.file_name().and_then(|name| name.to_str()).ok_or_else(|| refused("has no name"))?;
        let dir = target.with_file_name(format!("{name}.restoring"));
        let mark = dir.join(MARK);
        if dir.exists() {
            let half_done =
                File::open(&mark).map_err(|_| BackupError::Target(format!("{} is in the way", dir.display())))?;
            let busy = |_| BackupError::Target(format!("{} is being restored by another process", target.display()));
            flock(&half_done, FlockOperation::NonBlockingLockExclusive).map_err(busy)?;
            fs::remove_dir_all(&dir).map_err(failed)?;
        }
        make(&dir).map_err(failed)?;
        let lock = File::create_new(&mark).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| failed(error.into()))?;
        Ok(Self { dir, _lock: lock, published: false })
    }

    /// Gives the directory its name.
    fn publish(mut self, target: &Path) -> Result<(), BackupError> {
        let publish = || {
            File::open(&self.dir)?.sync_all()?;
            // In the place of an empty directory, if there is one.
            fs::rename(&self.dir, target)
        };
        let refused = |error: io::Error| {
            let target = target.display();
            BackupError::Target(format!(
                "cannot give the restored directory the name {target}: {error}; the top directory of a file system cannot be replaced: restore to \
                 one in it"
            ))
        };
        publish().map_err(refused)?;
        self.published = true;
        let tidy = || fs::remove_file(target.join(MARK)).and_then(|()| sync_name(target));
        tidy().map_err(|error| BackupError::Target(format!("{} is restored, but: {error}", target.display())))
    }
}

/// Nothing is left of what did not come to an end.
impl Drop for Stage {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is removed by the next attempt.
            fs::remove_dir_all(&self.dir).unwrap_or_default();
        }
    }
}
