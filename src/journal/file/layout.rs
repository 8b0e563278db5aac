//! Which file lies where, and the few ways in which directories are changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::journal::disk::{self, Disk, DiskFile, Open};
use crate::journal::error::{FileError, RecoverError};
use crate::journal::position::Lsn;
use crate::journal::segment::damage;
use crate::journal::store::CheckpointInfo;

/// The paths of a data directory, and the disk that they are on.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) root: PathBuf,
    pub(crate) lock: PathBuf,
    pub(crate) identity: PathBuf,
    pub(crate) journal: PathBuf,
    pub(crate) archive: PathBuf,
    pub(crate) checkpoints: PathBuf,
}

/// A segment file, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentFile {
    pub(crate) first: Lsn,
    pub(crate) path: PathBuf,
}

impl Layout {
    pub(crate) fn new(disk: Arc<dyn Disk>, root: &Path) -> Layout {
        Layout {
            disk,
            root: root.to_owned(),
            lock: root.join("LOCK"),
            identity: root.join("identity"),
            journal: root.join("journal"),
            archive: root.join("archive"),
            checkpoints: root.join("checkpoints"),
        }
    }

    pub(crate) fn segment(&self, first: Lsn) -> PathBuf {
        self.journal.join(segment_name(first))
    }

    pub(crate) fn archived_segment(&self, first: Lsn) -> PathBuf {
        self.archive.join(segment_name(first))
    }

    /// A checkpoint's name says what it covers, so that the list of them needs no look inside.
    pub(crate) fn checkpoint(&self, start: Lsn, end: Lsn) -> PathBuf {
        self.checkpoints.join(format!("{:020}-{:020}.ckpt", start.get(), end.get()))
    }

    /// The segments of the live journal, oldest first.
    pub(crate) fn live(&self) -> Result<Vec<SegmentFile>, RecoverError> {
        self.segments_in(&self.journal)
    }

    /// The segments of the archive, oldest first.
    pub(crate) fn archived(&self) -> Result<Vec<SegmentFile>, RecoverError> {
        self.segments_in(&self.archive)
    }

    /// Archive and journal, oldest first; never empty. The journal is listed first: a segment archived in between is
    /// then seen twice rather than not at all.
    pub(crate) fn segments(&self) -> Result<Vec<SegmentFile>, RecoverError> {
        let live = self.live()?;
        let mut segments = self.archived()?;
        segments.extend(live);
        segments.sort_by_key(|segment| segment.first);
        segments.dedup_by_key(|segment| segment.first);
        if segments.is_empty() {
            return Err(RecoverError::Missing { wanted: Lsn::FIRST, oldest: Lsn::ZERO });
        }
        Ok(segments)
    }

    /// Reads a segment, which may have been archived since it was listed.
    pub(crate) fn load(&self, file: &SegmentFile, bytes: &mut Vec<u8>) -> Result<(), FileError> {
        match self.read_into(&file.path, bytes) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                self.read_into(&self.archived_segment(file.first), bytes)
            }
            other => other,
        }
    }

    /// The checkpoints, newest first.
    pub(crate) fn checkpoints(&self) -> Result<Vec<CheckpointInfo>, FileError> {
        let mut found = Vec::new();
        for (name, path) in self.list(&self.checkpoints)? {
            let Some((start, end)) = covers(&name) else { continue };
            match self.disk.len(&path) {
                Ok(bytes) => found.push(CheckpointInfo { start, end, bytes }),
                // A newer one has replaced it since the directory was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(FileError::at("look at", &path)(error)),
            }
        }
        found.sort_by_key(|info| std::cmp::Reverse((info.end, info.start)));
        Ok(found)
    }

    /// The entries of a directory whose names are text; others are not ours. None where there is no directory.
    pub(crate) fn list(&self, dir: &Path) -> Result<Vec<(String, PathBuf)>, FileError> {
        let names = match self.disk.list(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(FileError::at("list", dir))?,
        };
        let placed = names.into_iter().map(|name| {
            let path = dir.join(&name);
            (name, path)
        });
        Ok(placed.collect())
    }

    fn segments_in(&self, dir: &Path) -> Result<Vec<SegmentFile>, RecoverError> {
        let mut found = Vec::new();
        for (name, path) in self.list(dir)? {
            let Some(stem) = name.strip_suffix(".seg") else { continue };
            match number(stem) {
                Some(first) => found.push(SegmentFile { first, path }),
                None => {
                    return Err(damage(&path, 0, Lsn::ZERO, "a segment's name is its first lsn in 20 digits").into());
                }
            }
        }
        found.sort_by_key(|segment| segment.first);
        Ok(found)
    }

    /// Opens a file that is there.
    pub(crate) fn open(&self, path: &Path, how: Open) -> Result<Box<dyn DiskFile>, FileError> {
        self.disk.open(path, how).map_err(FileError::at("open", path))
    }

    /// Reads a whole file into `out`, replacing what it held.
    pub(crate) fn read_into(&self, path: &Path, out: &mut Vec<u8>) -> Result<(), FileError> {
        let file = self.open(path, Open::ToRead)?;
        let len = file.len().map_err(FileError::at("look at", path))?;
        out.resize(usize::try_from(len).unwrap_or(usize::MAX), 0);
        let read = file.read_at(out, 0).map_err(FileError::at("read", path))?;
        out.truncate(read);
        Ok(())
    }

    /// The length of a file.
    pub(crate) fn len(&self, path: &Path) -> Result<u64, FileError> {
        self.disk.len(path).map_err(FileError::at("look at", path))
    }

    /// Whether there is something of that name.
    pub(crate) fn exists(&self, path: &Path) -> Result<bool, FileError> {
        self.disk.exists(path).map_err(FileError::at("look at", path))
    }

    /// Makes the names in a directory durable.
    pub(crate) fn sync_dir(&self, dir: &Path) -> Result<(), FileError> {
        self.disk.sync_dir(dir).map_err(FileError::at("sync the directory", dir))
    }

    pub(crate) fn create_dir(&self, dir: &Path) -> Result<(), FileError> {
        self.disk.create_dir(dir).map_err(FileError::at("create", dir))
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        self.disk.rename(from, to).map_err(FileError::at("rename", from))
    }

    /// Gives a file a second name; it may have it already. Where files have one name only, it has that one then.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        use io::ErrorKind::{AlreadyExists, PermissionDenied, Unsupported};
        match self.disk.link(from, to) {
            Err(error) if error.kind() == AlreadyExists => Ok(()),
            Err(error) if matches!(error.kind(), PermissionDenied | Unsupported) => self.rename(from, to),
            other => other.map_err(FileError::at("link", from)),
        }
    }

    /// Removes a file; it may be gone already.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), FileError> {
        gone(self.disk.remove(path), path)
    }

    /// The same for a large file, bit by bit.
    pub(crate) fn remove_large(&self, path: &Path) -> Result<(), FileError> {
        gone(disk::remove_large(&*self.disk, path), path)
    }
}

fn gone(removed: io::Result<()>, path: &Path) -> Result<(), FileError> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(FileError::at("remove", path)),
    }
}

/// The place of the segment that holds `from`, if any does, among segments in order.
pub(crate) fn holder(segments: &[SegmentFile], from: Lsn) -> Result<usize, RecoverError> {
    let oldest = segments.first().map_or(Lsn::ZERO, |segment| segment.first);
    let holder = segments.iter().rposition(|segment| segment.first <= from);
    holder.ok_or(RecoverError::Missing { wanted: from, oldest })
}

pub(crate) fn segment_name(first: Lsn) -> String {
    format!("{:020}.seg", first.get())
}

/// Where the replay behind a checkpoint of this name starts, and what it has seen at most.
pub(crate) fn covers(checkpoint: &str) -> Option<(Lsn, Lsn)> {
    let (start, end) = checkpoint.strip_suffix(".ckpt")?.split_once('-')?;
    Some((number(start)?, number(end)?))
}

fn number(digits: &str) -> Option<Lsn> {
    if digits.len() == 20 { digits.parse().ok().map(Lsn::new) } else { None }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::journal::disk::OsDisk;

    #[test]
    fn a_segment_archived_since_it_was_listed_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(Arc::new(OsDisk), dir.path());
        for part in [&layout.journal, &layout.archive] {
            fs::create_dir(part).unwrap();
        }
        for first in [Lsn::new(1), Lsn::new(5)] {
            fs::write(layout.segment(first), first.to_string()).unwrap();
        }
        let listed = layout.segments().unwrap();
        layout.rename(&listed[0].path, &layout.archive.join(segment_name(Lsn::new(1)))).unwrap();
        let mut bytes = Vec::new();
        layout.load(&listed[0], &mut bytes).unwrap();
        assert_eq!(bytes, b"1");
        let firsts: Vec<u64> = layout.segments().unwrap().iter().map(|segment| segment.first.get()).collect();
        assert_eq!(firsts, [1, 5]);
        assert_eq!([4, 5, 9].map(|from| holder(&listed, Lsn::new(from)).unwrap()), [0, 1, 1]);
        assert!(matches!(
            holder(&listed[1..], Lsn::new(4)),
            Err(RecoverError::Missing { oldest, .. }) if oldest == Lsn::new(5)
        ));
    }
}
