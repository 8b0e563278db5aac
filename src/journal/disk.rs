//! What the journal asks of a file system, and the operating system's as an answer to it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock, statvfs};

/// A file system. All of the journal's files are reached through one, so that a simulation can put its own in place of [`OsDisk`].
///
/// It keeps what POSIX lets one rely on, and no more: what was written may be lost, sector by sector and in any order, until the file
/// is synced; and a name that was made, changed or removed may be what it was before, until the directory it is in is synced.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Opens a file, or makes one.
    ///
    /// # Errors
    /// As the file system tells it, here and below.
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>>;

    /// The length of a file, in bytes.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// Whether there is a file or a directory.
    ///
    /// # Errors
    /// Where that cannot be told.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// The names in a directory, those that are text, in any order.
    ///
    /// # Errors
    /// `NotFound` where there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes a directory, and those it is to be in; it may be there already.
    ///
    /// # Errors
    /// As the file system tells it.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Removes a directory with all that is in it.
    ///
    /// # Errors
    /// As the file system tells it.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;

    /// Gives a file or a directory another name. A file that has it loses it, at the same moment. Between two directories that is one
    /// moment for who looks, but not for who looks after the power was gone: either name may be there, or both, or none.
    ///
    /// # Errors
    /// As the file system tells it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name.
    ///
    /// # Errors
    /// `AlreadyExists` where there is something of that name.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a name of a file, and with the last one the file.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the file system tells it.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// How much room there is where a directory is.
    ///
    /// # Errors
    /// As the file system tells it; `Unsupported` where there is no such thing.
    fn space(&self, _dir: &Path) -> io::Result<Space> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Makes a file that can be held once, and holds it until what is returned is dropped, or the process ends.
    ///
    /// # Errors
    /// `WouldBlock` where it is held already.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Held>>;
}

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// What this process may still take.
    pub free: u64,
    /// All there is, taken or not.
    pub total: u64,
}

/// A file that is open.
#[allow(clippy::len_without_is_empty, reason = "an empty file is like any other")]
pub trait DiskFile: Send + Sync {
    /// Its length, in bytes.
    ///
    /// # Errors
    /// As the file system tells it, here and below.
    fn len(&self) -> io::Result<u64>;

    /// Reads into `bytes` from `at` on. Answers how many were read: fewer than asked for only at the end of the file.
    ///
    /// # Errors
    /// As the file system tells it.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize>;

    /// Writes all of `bytes` from `at` on.
    ///
    /// # Errors
    /// As the file system tells it; how much of it was written is open then.
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;

    /// Makes it shorter, or longer with zeros.
    ///
    /// # Errors
    /// As the file system tells it.
    fn set_len(&mut self, len: u64) -> io::Result<()>;

    /// Makes what was written durable, as far as it can be read back after that.
    ///
    /// # Errors
    /// As the file system tells it. What is durable is open then, and stays so: nobody tries again.
    fn sync_data(&mut self) -> io::Result<()>;

    /// The same with all that the file system knows about the file.
    ///
    /// # Errors
    /// As for [`DiskFile::sync_data`].
    fn sync_all(&mut self) -> io::Result<()>;
}

/// What is held as long as it is not dropped.
pub trait Held: Send + Sync {}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// One that is there, for reading.
    ToRead,
    /// One that is there, for reading and writing.
    ToWrite,
    /// One that is there, for sectors that are written once and synced at once: past the page cache where that is to be had, which is
    /// half the work for the processor.
    ToCommit,
    /// One that is not there.
    New,
    /// One that may be there: it is empty then.
    Anew,
}

/// The operating system's file systems.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(how != Open::ToRead);
        match how {
            Open::New => options.create_new(true),
            Open::Anew => options.create(true).truncate(true),
            Open::ToRead | Open::ToWrite | Open::ToCommit => &mut options,
        };
        let file = options.open(path)?;
        let direct = if how == Open::ToCommit { open_direct(path) } else { None };
        Ok(Box::new(OsFile { file, direct }))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let disk = statvfs(dir)?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Ok(Space { free: bytes(disk.f_bavail), total: bytes(disk.f_blocks) })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Held>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(OsLock { _file: file }))
    }
}

/// Holds a file by `flock`, which ends with it.
struct OsLock {
    _file: File,
}

impl Held for OsLock {}

struct OsFile {
    file: File,
    /// The same file, written past the page cache. None where the file system will not have it.
    direct: Option<File>,
}

fn open_direct(path: &Path) -> Option<File> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
    OpenOptions::new().write(true).custom_flags(flags).open(path).ok()
}

impl DiskFile for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        if let Some(direct) = &self.direct {
            match direct.write_all_at(bytes, at) {
                // Here sectors are larger, or not to be had this way. What was written of it is written again, the same.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.direct = None,
                written => return written,
            }
        }
        self.file.write_all_at(bytes, at)
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}

/// How many bytes of a large file are given back at once.
const STEP: u64 = 4 << 20;

/// Removes a file from its end on: to give back all of a large one at once may keep the disk busy for tens of milliseconds, where the
/// file system tells it of unused blocks, and commits would wait.
///
/// # Errors
/// As [`Disk::remove`]; a file that cannot be shortened is removed nevertheless.
pub fn remove_large(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let shorten = || {
        let mut file = disk.open(path, Open::ToWrite)?;
        let len = file.len()?;
        (0..len.div_ceil(STEP)).rev().try_for_each(|steps| file.set_len(steps * STEP))
    };
    if let Err(error) = shorten() {
        tracing::debug!(%error, path = %path.display(), "a file that is to go could not be shortened");
    }
    disk.remove(path)
}

/// A file as a stream, from its beginning on.
pub(crate) struct Streamed {
    pub(crate) file: Box<dyn DiskFile>,
    at: u64,
}

impl Streamed {
    pub(crate) fn new(file: Box<dyn DiskFile>) -> Streamed {
        Streamed { file, at: 0 }
    }
}

impl Read for Streamed {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(bytes, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Write for Streamed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
