//! A data directory that is read while a server may use it.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::{Carried, Frame, VisitFrame};
use crate::journal::checkpoint;
use crate::journal::disk::{DiskFile, Open, OsDisk, Streamed};
use crate::journal::error::{FileError, RecoverError};
use crate::journal::file::layout::{Layout, SegmentFile};
use crate::journal::file::read_identity;
use crate::journal::frame::{FrameHead, Point, SECTOR, Seed};
use crate::journal::identity::Identity;
use crate::journal::segment::{self, Expect, Scan, SegmentHeader, damage};
use crate::journal::store::CheckpointInfo;

/// How often the last segment is read again before what is found there counts as damage.
const ATTEMPTS: usize = 16;

/// A data directory, without a lock on it.
///
/// What a server does to it meanwhile:
/// - It writes into the last segment. That is read again where it looks damaged; what is behind its last whole frame is left out. Before that frame
///   is relied on, the file is synced: it may be read before the server has synced it, and a power cut could take it back.
/// - It puts a new segment behind. The list that was made before does not know it; what was answered before that list was made is in segments
///   on it.
/// - It moves segments to the archive: under both names first, and then under the new one. The journal is listed first and the archive
///   second, and a file that is gone from the one is looked for in the other.
/// - It replaces checkpoints. One that is gone, or is being removed, is passed over.
pub struct Source {
    layout: Layout,
    identity: Identity,
    seed: Seed,
}

/// A segment of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    file: SegmentFile,
    /// Where it begins, as its header says.
    pub start: Point,
    /// Where it ends, if another one follows: then it does not change any more.
    pub sealed: Option<Point>,
}

impl Source {
    /// Opens a data directory for reading.
    ///
    /// # Errors
    /// Where its identity is missing or damaged.
    pub fn open(dir: &Path) -> Result<Source, RecoverError> {
        let layout = Layout::new(Arc::new(OsDisk), dir);
        let identity = read_identity(&layout, &layout.identity)?;
        let seed = Seed::of(&identity);
        Ok(Source { layout, identity, seed })
    }

    /// What the directory was created as.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// All segments, archive included, oldest first; never none. Of each the header is read.
    ///
    /// # Errors
    /// Where there is none, a header is damaged, or the file system fails.
    pub fn segments(&self) -> Result<Vec<Listed>, RecoverError> {
        let mut listed: Vec<Listed> = Vec::new();
        for file in self.layout.segments()? {
            let start = self.header(&file)?.start;
            if start.next != file.first {
                return Err(damage(&file.path, 0, file.first, "the file's name does not say its first lsn").into());
            }
            if let Some(before) = listed.last_mut() {
                before.sealed = Some(start);
            }
            listed.push(Listed { file, start, sealed: None });
        }
        Ok(listed)
    }

    /// Reads a segment into `bytes`, as it is carried, verifies it, and hands its frames over.
    ///
    /// # Errors
    /// Damage, a segment that does not continue `before` or, being sealed, does not end where the next one begins, a failing file system, or an
    /// error of `visit`.
    pub fn read(
        &self,
        listed: &Listed,
        before: &Point,
        bytes: &mut Vec<u8>,
        visit: &mut VisitFrame<'_>,
    ) -> Result<Carried, RecoverError> {
        let file = &listed.file;
        let visit = &mut |head: &FrameHead, payload: &[u8]| visit(&Frame { head, payload });
        let scan = match &listed.sealed {
            Some(end) => {
                self.layout.load(file, bytes)?;
                let scan = segment::scan_frames(bytes, &self.expect(file, before, false), visit)?;
                check_end(file, &scan, end)?;
                scan
            }
            None => {
                self.settle(file, before, bytes)?;
                segment::scan_frames(bytes, &self.expect(file, before, true), visit)?
            }
        };
        bytes.truncate(scan.end_offset);
        Ok(Carried { start: scan.header.start, end: scan.end, file_size: scan.header.size })
    }

    /// Reads a segment that may be written to. Damage counts once it was found as often as it was looked for.
    fn settle(&self, file: &SegmentFile, before: &Point, bytes: &mut Vec<u8>) -> Result<(), RecoverError> {
        let expect = self.expect(file, before, true);
        let mut attempt = 1;
        loop {
            self.layout.load(file, bytes)?;
            match segment::scan(bytes, &expect, &mut |_, _| Ok(())) {
                Err(RecoverError::Damage(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
                Ok(_) => break,
            }
        }
        let synced = self.open_segment(file)?.sync_data();
        Ok(synced.map_err(FileError::at("sync", &file.path))?)
    }

    fn expect<'a>(&'a self, file: &'a SegmentFile, before: &Point, is_last: bool) -> Expect<'a> {
        Expect { file: &file.path, seed: &self.seed, before: Some(*before), is_last, most: None }
    }

    fn header(&self, file: &SegmentFile) -> Result<SegmentHeader, RecoverError> {
        let mut sector = [0; SECTOR];
        let read = self.open_segment(file)?.read_at(&mut sector, 0).map_err(FileError::at("read", &file.path))?;
        SegmentHeader::decode(&file.path, sector.get(..read).unwrap_or_default(), &self.seed)
    }

    fn open_segment(&self, file: &SegmentFile) -> Result<Box<dyn DiskFile>, FileError> {
        match self.layout.open(&file.path, Open::ToRead) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                self.layout.open(&self.layout.archived_segment(file.first), Open::ToRead)
            }
            other => other,
        }
    }

    /// The checkpoints, newest first, as their names tell them.
    ///
    /// # Errors
    /// A failing file system.
    pub fn checkpoints(&self) -> Result<Vec<CheckpointInfo>, FileError> {
        self.layout.checkpoints()
    }

    /// Verifies a checkpoint. False where it is gone by now, or about to go, a newer one having taken its place.
    ///
    /// # Errors
    /// Damage, or a failing file system.
    pub fn verify_checkpoint(&self, info: &CheckpointInfo) -> Result<bool, RecoverError> {
        let path = self.layout.checkpoint(info.start, info.end);
        match checkpoint::read_file(&*self.layout.disk, &path, &self.seed, info, &mut |_| Ok(())) {
            Err(_) if !self.layout.exists(&path)? => Ok(false),
            read => read.map(|_| true),
        }
    }

    /// Opens a checkpoint at its beginning. What is read from it may end early, if a newer one takes its place meanwhile.
    ///
    /// # Errors
    /// Where it is gone by now, or the file system fails.
    pub fn open_checkpoint(&self, info: &CheckpointInfo) -> Result<impl Read, FileError> {
        let path = self.layout.checkpoint(info.start, info.end);
        self.layout.open(&path, Open::ToRead).map(Streamed::new)
    }
}

fn check_end(file: &SegmentFile, scan: &Scan, end: &Point) -> Result<(), RecoverError> {
    if (scan.end.next, scan.end.chain) == (end.next, end.chain) {
        return Ok(());
    }
    let reason = format!("the segment ends here; the one that follows it begins at lsn {}", end.next);
    Err(damage(&file.path, scan.end_offset, scan.end.next, reason).into())
}
