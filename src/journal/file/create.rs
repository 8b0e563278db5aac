//! The first and the later openings of a data directory.
//!
//! A directory comes into being in one visible step after another: the first segment is prepared aside in
//! `journal.new`, the identity in `identity.tmp`; then `journal.new` becomes `journal`, and last of all `identity.tmp`
//! becomes `identity`. A crash in between leaves `identity.tmp` behind, which is what tells an unfinished creation
//! from a directory whose identity was lost.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::layout::{self, Layout, segment_name};
use super::{FileOptions, NewDirectory};
use crate::journal::error::{FileError, OpenError, RecoverError};
use crate::journal::frame::Seed;
use crate::journal::identity::Identity;
use crate::journal::position::Lsn;
use crate::journal::segment::SegmentHeader;

/// Makes the directory itself.
pub(super) fn make_root(layout: &Layout) -> Result<(), FileError> {
    let missing = layout.root.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.is_dir()).count();
    fs::create_dir_all(&layout.root).map_err(FileError::at("create", &layout.root))?;
    // Every name that is new, and that of the directory itself in any case: an earlier start may have ended before this.
    for path in layout.root.ancestors().take(missing.max(1)) {
        match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => layout::sync_dir(parent)?,
            _ => layout::sync_dir(Path::new("."))?,
        }
    }
    Ok(())
}

/// Locks the directory until the returned file is dropped.
pub(super) fn lock_root(layout: &Layout) -> Result<File, OpenError> {
    let path = &layout.lock;
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = opened.map_err(FileError::at("open", path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(OpenError::Locked { dir: layout.root.clone() }),
        Err(errno) => Err(FileError::at("lock", path)(errno.into()).into()),
    }
}

/// Reads the identity, finishing or doing the creation where there is none.
pub(super) fn open_or_create(layout: &Layout, options: &FileOptions) -> Result<Identity, OpenError> {
    let temporary = layout.root.join("identity.tmp");
    let exists = |path: &Path| path.try_exists().map_err(FileError::at("look at", path));
    if !exists(&layout.identity)? {
        if exists(&layout.journal)? {
            if read_identity(&temporary).is_err() {
                return Err(OpenError::IdentityMissing { dir: layout.root.clone() });
            }
        } else {
            let new = options.create.as_ref().ok_or_else(|| OpenError::Absent { dir: layout.root.clone() })?;
            prepare(layout, &temporary, new, options.segment_size)?;
        }
        layout::rename(&temporary, &layout.identity)?;
        layout::sync_dir(&layout.root)?;
    }
    Ok(read_identity(&layout.identity)?)
}

/// Reads and verifies an identity file.
pub(crate) fn read_identity(path: &Path) -> Result<Identity, RecoverError> {
    let mut bytes = Vec::new();
    layout::read_into(path, &mut bytes)?;
    Identity::decode(path, &bytes)
}

fn prepare(layout: &Layout, temporary: &Path, new: &NewDirectory, segment_size: u64) -> Result<(), OpenError> {
    for (dir, what) in [(&layout.archive, "an archive"), (&layout.checkpoints, "checkpoints")] {
        if !layout::list(dir)?.is_empty() {
            let message = format!("{} holds {what}, but neither identity nor journal", layout.root.display());
            return Err(OpenError::Options(message));
        }
        fs::create_dir_all(dir).map_err(FileError::at("create", dir))?;
    }
    let identity = Identity { id: new.id, fingerprint_key: new.fingerprint_key, attributes: new.attributes.clone() };
    write_new(temporary, &identity.encode())?;
    let staged = layout.root.join("journal.new");
    if staged.exists() {
        fs::remove_dir_all(&staged).map_err(FileError::at("remove", &staged))?;
    }
    fs::create_dir(&staged).map_err(FileError::at("create", &staged))?;
    first_segment(&staged.join(segment_name(Lsn::FIRST)), new.id, segment_size)?;
    layout::sync_dir(&staged)?;
    layout::sync_dir(&layout.root)?;
    layout::rename(&staged, &layout.journal)?;
    layout::sync_dir(&layout.root)?;
    Ok(())
}

fn first_segment(path: &Path, id: [u8; 16], size: u64) -> Result<(), FileError> {
    let header = SegmentHeader { directory: id, size, start: Seed::new(id).genesis() };
    let file = write_new(path, &header.encode())?;
    let zeros = vec![0; 1 << 20];
    let mut at = header.encode().len() as u64;
    while at < size {
        let len = (size - at).min(zeros.len() as u64) as usize;
        let piece = zeros.get(..len).unwrap_or_default();
        file.write_all_at(piece, at).map_err(FileError::at("write", path))?;
        at += len as u64;
    }
    file.sync_all().map_err(FileError::at("sync", path))
}

/// Writes a whole file, replacing what an earlier attempt left, and syncs it.
fn write_new(path: &Path, bytes: &[u8]) -> Result<File, FileError> {
    let opened = OpenOptions::new().create(true).truncate(true).write(true).open(path);
    let mut file = opened.map_err(FileError::at("create", path))?;
    file.write_all(bytes).map_err(FileError::at("write", path))?;
    file.sync_all().map_err(FileError::at("sync", path))?;
    Ok(file)
}
