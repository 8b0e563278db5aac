//! A data directory that is made of carried segments.

use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::sync::Arc;

use super::{Frame, check_checkpoint};
use crate::journal::batch::Batch;
use crate::journal::checkpoint::Encoder;
use crate::journal::disk::{Open, OsDisk, Streamed};
use crate::journal::error::{FileError, OpenError, RecoverError, StoreError, VisitError};
use crate::journal::file::layout::Layout;
use crate::journal::file::{FileOptions, FileStore};
use crate::journal::frame::{self, Point, Sectors, Seed};
use crate::journal::handle::Workers;
use crate::journal::identity::Identity;
use crate::journal::segment::SegmentHeader;
use crate::journal::store::{CheckpointInfo, Store as _};

/// Makes a data directory: frames as they were, under another directory's identity, in segments as they were; then what is to follow them.
///
/// All segments but the last go to the archive, where nothing is done to them any more.
pub struct Rebuild {
    layout: Layout,
    seed: Seed,
    segment: Option<Segment>,
    sectors: Sectors,
}

/// The segment that is being put together.
struct Segment {
    header: SegmentHeader,
    bytes: Vec<u8>,
    end: Point,
}

impl Rebuild {
    /// Begins in an empty directory, which is to be of this identity.
    ///
    /// # Errors
    /// A failing file system.
    pub fn begin(dir: &Path, identity: &Identity) -> Result<Rebuild, FileError> {
        let layout = Layout::new(Arc::new(OsDisk), dir);
        for part in [&layout.journal, &layout.archive, &layout.checkpoints] {
            layout.create_dir(part)?;
        }
        write_file(&layout, &layout.identity, &identity.encode())?;
        let seed = Seed::of(identity);
        Ok(Rebuild { layout, seed, segment: None, sectors: Sectors::default() })
    }

    /// Begins a segment, which was a file of so many bytes.
    ///
    /// # Errors
    /// A failing file system.
    pub fn segment(&mut self, start: Point, file_size: u64) -> Result<(), FileError> {
        if let Some(segment) = self.segment.take() {
            let path = self.layout.archived_segment(segment.header.start.next);
            segment.write(&self.layout, &path)?;
        }
        let header = SegmentHeader { directory: self.seed.directory, size: file_size, start };
        self.segment = Some(Segment { header, bytes: header.encode(), end: start });
        Ok(())
    }

    /// Adds a frame to the segment that was begun last, from which it was read.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        if let Some(segment) = &mut self.segment {
            frame::encode(&mut self.sectors, &self.seed, frame.head, frame.payload);
            segment.bytes.extend_from_slice(self.sectors.bytes());
            segment.end = frame.end();
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.layout.root
    }

    /// Where the frames end that were added.
    pub fn end(&self) -> Point {
        self.segment.as_ref().map_or_else(|| self.seed.genesis(), |segment| segment.end)
    }

    /// Adds a checkpoint of another directory of the same journal, which is called `name` in errors.
    ///
    /// # Errors
    /// Where it is damaged, or the file system fails.
    pub fn checkpoint(
        &self,
        of: &Identity,
        name: &Path,
        input: &mut dyn Read,
        info: &CheckpointInfo,
    ) -> Result<(), RecoverError> {
        let path = self.layout.checkpoint(info.start, info.end);
        let failed = |error| RecoverError::File(FileError::at("write", &path)(error));
        let file = self.layout.disk.open(&path, Open::Anew).map_err(FileError::at("create", &path))?;
        let out = BufWriter::with_capacity(1 << 20, Streamed::new(file));
        let mut encoder = Encoder::start(out, &self.seed, info.start).map_err(failed)?;
        let mut put = |item: &[u8]| encoder.put(item).map_err(VisitError::new);
        check_checkpoint(of, name, input, info, &mut put)?;
        let (mut out, _) = encoder.finish(info.end).map_err(failed)?;
        out.flush().map_err(failed)?;
        out.get_mut().file.sync_all().map_err(FileError::at("sync", &path))?;
        Ok(())
    }

    /// Writes the last segment, and opens the directory as a server would, to put more behind.
    ///
    /// # Errors
    /// A failing file system, or no segment to begin with.
    pub fn finish(mut self) -> Result<Rebuilt, RebuildError> {
        let none = || StoreError::Misuse("a journal has a segment at least".to_owned());
        let segment = self.segment.take().ok_or_else(none)?;
        let (end, SegmentHeader { start, size: segment_size, .. }) = (segment.end, segment.header);
        segment.write(&self.layout, &self.layout.segment(start.next))?;
        for dir in [&self.layout.archive, &self.layout.checkpoints, &self.layout.journal, &self.layout.root] {
            self.layout.sync_dir(dir)?;
        }
        let options = FileOptions { segment_size, workers: Workers::Caller, ..FileOptions::default() };
        let store = FileStore::open(&self.layout.root, options)?;
        store.recover(end.next, &mut |_, _| Ok(()), &mut |_| ())?;
        Ok(Rebuilt { store })
    }
}

impl Segment {
    fn write(self, layout: &Layout, path: &Path) -> Result<(), FileError> {
        let mut bytes = self.bytes;
        bytes.resize(usize::try_from(self.header.size).unwrap_or(usize::MAX), 0);
        write_file(layout, path, &bytes)
    }
}

fn write_file(layout: &Layout, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = layout.disk.open(path, Open::New).map_err(FileError::at("create", path))?;
    file.write_at(bytes, 0).map_err(FileError::at("write", path))?;
    file.sync_all().map_err(FileError::at("sync", path))
}

/// A data directory that has its frames.
pub struct Rebuilt {
    store: FileStore,
}

impl Rebuilt {
    /// Puts records behind what there is, durably.
    ///
    /// # Errors
    /// A failing file system, or a batch that does not follow.
    pub fn append(&self, batch: &Batch) -> Result<(), StoreError> {
        self.store.commit(batch).map(drop)
    }
}

/// Why a data directory could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The file system failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// What was written cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was written cannot be taken up.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// What is to follow could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
