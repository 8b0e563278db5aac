//! A file that is written aside, and has its name once it is whole.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

use super::{ExportError, Summary};

/// What anybody may do with a new file that the user's mask does not forbid.
const ANYBODY: u32 = 0o666;

/// A file without its name yet. Dropped, it is gone.
pub(super) struct Aside {
    target: PathBuf,
    file: NamedTempFile,
    overwrite: bool,
}

impl Aside {
    pub(super) fn create(target: &Path, overwrite: bool) -> Result<Self, ExportError> {
        if !overwrite && target.exists() {
            return Err(ExportError::Exists(target.to_owned()));
        }
        let file = temporary(target).map_err(failed(target))?;
        Ok(Self { target: target.to_owned(), file, overwrite })
    }

    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Where the rows go.
    pub(super) fn counted(&self) -> Counted<&File> {
        Counted { inner: self.file.as_file(), bytes: 0, hasher: blake3::Hasher::new() }
    }

    /// Gives the file its name, durably, and after that the one beside it.
    pub(super) fn publish(self, beside: &Path, summary: &Summary) -> Result<(), ExportError> {
        let Self { target, file, overwrite } = self;
        if !overwrite && target.exists() {
            return Err(ExportError::Exists(target));
        }
        // One that is there says nothing of the new file, also where the file it was beside is gone.
        match fs::remove_file(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(beside)(error)),
            _ => sync_folder(beside).map_err(failed(beside))?,
        }
        persist(file, &target, overwrite)?;
        let told = temporary(beside).and_then(|mut told| {
            let text = serde_json::to_string_pretty(summary)?;
            writeln!(told, "{text}")?;
            Ok(told)
        });
        persist(told.map_err(failed(beside))?, beside, true)
    }
}

fn temporary(target: &Path) -> io::Result<NamedTempFile> {
    let name = target.file_name().ok_or_else(|| io::Error::other("it is no name of a file"))?;
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(name);
    let permissions = Permissions::from_mode(ANYBODY);
    Builder::new().prefix(&prefix).suffix(".partial").permissions(permissions).tempfile_in(folder(target))
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn persist(file: NamedTempFile, target: &Path, overwrite: bool) -> Result<(), ExportError> {
    file.as_file().sync_all().map_err(failed(target))?;
    let persisted = if overwrite { file.persist(target) } else { file.persist_noclobber(target) };
    match persisted {
        Ok(_) => sync_folder(target).map_err(failed(target)),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(ExportError::Exists(target.to_owned())),
        Err(error) => Err(failed(target)(error.error)),
    }
}

fn sync_folder(file: &Path) -> io::Result<()> {
    File::open(folder(file))?.sync_all()
}

pub(super) fn failed(file: &Path) -> impl FnOnce(io::Error) -> ExportError + '_ {
    |source| ExportError::Write { file: file.to_owned(), source }
}

/// Counts and hashes what is written.
pub(super) struct Counted<W> {
    inner: W,
    bytes: u64,
    hasher: blake3::Hasher,
}

impl<W> Counted<W> {
    /// How many bytes were written, and their hash.
    pub(super) fn told(&self) -> (u64, String) {
        (self.bytes, self.hasher.finalize().to_hex().to_string())
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
