//! The first and the later openings of a data directory.
//!
//! A directory comes into being in one visible step after another: the first segment is prepared aside in
//! `journal.new`, the identity in `identity.tmp`; then `journal.new` becomes `journal`, and last of all `identity.tmp`
//! becomes `identity`. A crash in between leaves `identity.tmp` behind, which is what tells an unfinished creation
//! from a directory whose identity was lost.

use std::io;
use std::path::Path;

use super::layout::{Layout, segment_name};
use super::{FileOptions, NewDirectory};
use crate::journal::disk::{DiskFile, Held, Open};
use crate::journal::error::{FileError, OpenError, RecoverError};
use crate::journal::frame::Seed;
use crate::journal::identity::Identity;
use crate::journal::position::Lsn;
use crate::journal::segment::SegmentHeader;

/// Makes the directory itself.
pub(super) fn make_root(layout: &Layout) -> Result<(), FileError> {
    let mut missing = 0;
    for path in layout.root.ancestors().take_while(|path| !path.as_os_str().is_empty()) {
        if layout.exists(path)? {
            break;
        }
        missing += 1;
    }
    layout.create_dir(&layout.root)?;
    // Every name that is new, and that of the directory itself in any case: an earlier start may have ended before this.
    for path in layout.root.ancestors().take(missing.max(1)) {
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => layout.sync_dir(parent)?,
            _ => layout.sync_dir(Path::new("."))?,
        }
    }
    Ok(())
}

/// Locks the directory until what is returned is dropped.
pub(super) fn lock_root(layout: &Layout) -> Result<Box<dyn Held>, OpenError> {
    layout.disk.lock(&layout.lock).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { dir: layout.root.clone() },
        _ => FileError::at("lock", &layout.lock)(error).into(),
    })
}

/// Reads the identity, finishing or doing the creation where there is none.
pub(super) fn open_or_create(layout: &Layout, options: &FileOptions) -> Result<Identity, OpenError> {
    let temporary = layout.root.join("identity.tmp");
    if !layout.exists(&layout.identity)? {
        if layout.exists(&layout.journal)? {
            if read_identity(layout, &temporary).is_err() {
                return Err(OpenError::IdentityMissing { dir: layout.root.clone() });
            }
        } else {
            let new = options.create.as_ref().ok_or_else(|| OpenError::Absent { dir: layout.root.clone() })?;
            prepare(layout, &temporary, new, options.segment_size)?;
        }
        layout.rename(&temporary, &layout.identity)?;
        layout.sync_dir(&layout.root)?;
    }
    Ok(read_identity(layout, &layout.identity)?)
}

/// Reads and verifies an identity file.
pub(crate) fn read_identity(layout: &Layout, path: &Path) -> Result<Identity, RecoverError> {
    let mut bytes = Vec::new();
    layout.read_into(path, &mut bytes)?;
    Identity::decode(path, &bytes)
}

fn prepare(layout: &Layout, temporary: &Path, new: &NewDirectory, segment_size: u64) -> Result<(), OpenError> {
    for (dir, what) in [(&layout.archive, "an archive"), (&layout.checkpoints, "checkpoints")] {
        if !layout.list(dir)?.is_empty() {
            let message = format!("{} holds {what}, but neither identity nor journal", layout.root.display());
            return Err(OpenError::Options(message));
        }
        layout.create_dir(dir)?;
    }
    let identity = Identity { id: new.id, fingerprint_key: new.fingerprint_key, attributes: new.attributes.clone() };
    write_new(layout, temporary, &identity.encode())?;
    let staged = layout.root.join("journal.new");
    if layout.exists(&staged)? {
        layout.disk.remove_dir(&staged).map_err(FileError::at("remove", &staged))?;
    }
    layout.create_dir(&staged)?;
    first_segment(layout, &staged.join(segment_name(Lsn::FIRST)), new.id, segment_size)?;
    layout.sync_dir(&staged)?;
    layout.sync_dir(&layout.root)?;
    layout.rename(&staged, &layout.journal)?;
    layout.sync_dir(&layout.root)?;
    Ok(())
}

fn first_segment(layout: &Layout, path: &Path, id: [u8; 16], size: u64) -> Result<(), FileError> {
    let header = SegmentHeader { directory: id, size, start: Seed::new(id).genesis() };
    let mut file = write_new(layout, path, &header.encode())?;
    let zeros = vec![0; 1 << 20];
    let mut at = header.encode().len() as u64;
    while at < size {
        let len = (size - at).min(zeros.len() as u64) as usize;
        let piece = zeros.get(..len).unwrap_or_default();
        file.write_at(piece, at).map_err(FileError::at("write", path))?;
        at += len as u64;
    }
    file.sync_all().map_err(FileError::at("sync", path))
}

/// Writes a whole file, replacing what an earlier attempt left, and syncs it.
fn write_new(layout: &Layout, path: &Path, bytes: &[u8]) -> Result<Box<dyn DiskFile>, FileError> {
    let mut file = layout.disk.open(path, Open::Anew).map_err(FileError::at("create", path))?;
    file.write_at(bytes, 0).map_err(FileError::at("write", path))?;
    file.sync_all().map_err(FileError::at("sync", path))?;
    Ok(file)
}
