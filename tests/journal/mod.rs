//! What the tests of the journal share: the two stores behind one face.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tplus::journal::{
    AppendError, Faults, FileOptions, FileStore, Half, Journal, Lsn, MemoryStore, NewDirectory, Options, RecoverError,
    Store, Tail, Unsynced,
};

pub(crate) const SECTOR: usize = 512;

/// Records with their positions.
pub(crate) type Records = Vec<(Lsn, Vec<u8>)>;

/// A store under test, with the hands on it that a test needs.
pub(crate) trait Subject: Sized {
    fn new() -> Self;
    fn store(&self) -> Arc<dyn Store>;
    fn faults(&self) -> Arc<Faults>;
    /// What another process finds if this one dies now.
    fn crash(&self, unsynced: Unsynced) -> Self;
    fn fill_disk(&self);
    fn empty_disk(&self);
    fn damage_newest_checkpoint(&self);
    fn archived(&self) -> usize;
    fn drop_archive(&self);
}

pub(crate) struct Files {
    pub(crate) dir: Arc<TempDir>,
    pub(crate) store: Arc<FileStore>,
    faults: Arc<Faults>,
}

pub(crate) fn new_directory(id: u8) -> NewDirectory {
    let attributes = vec![("clock".to_owned(), "manual".to_owned())];
    NewDirectory { id: [id; 16], fingerprint_key: [id.wrapping_add(1); 16], attributes }
}

pub(crate) fn options(segment_size: u64) -> FileOptions {
    let retry_every = Duration::from_millis(5);
    FileOptions { segment_size, create: Some(new_directory(1)), retry_every, ..FileOptions::default() }
}

impl Files {
    fn open(dir: Arc<TempDir>) -> Files {
        let faults = Arc::<Faults>::default();
        let options = FileOptions { faults: Some(Arc::clone(&faults)), ..options(64 << 10) };
        let store = Arc::new(FileStore::open(dir.path(), options).unwrap());
        Files { dir, store, faults }
    }
}

impl Subject for Files {
    fn new() -> Files {
        Files::open(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.faults)
    }

    fn crash(&self, unsynced: Unsynced) -> Files {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(self.dir.path(), dir.path());
        if unsynced == Unsynced::Dropped && self.faults.is_held(Half::Sync) {
            zero_last_frame(dir.path());
        }
        Files::open(Arc::new(dir))
    }

    fn fill_disk(&self) {
        self.faults.set_space(Some(0));
    }

    fn empty_disk(&self) {
        self.faults.set_space(None);
    }

    fn damage_newest_checkpoint(&self) {
        let info = self.store.checkpoints().unwrap().remove(0);
        let name = format!("{:020}-{:020}.ckpt", info.start.get(), info.end.get());
        flip(&self.dir.path().join("checkpoints").join(name), info.bytes * 4);
    }

    fn archived(&self) -> usize {
        fs::read_dir(self.dir.path().join("archive")).unwrap().count()
    }

    fn drop_archive(&self) {
        for path in files(self.dir.path(), "archive", ".seg") {
            fs::remove_file(path).unwrap();
        }
    }
}

impl Subject for MemoryStore {
    fn new() -> MemoryStore {
        MemoryStore::new()
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn faults(&self) -> Arc<Faults> {
        Arc::clone(self.faults())
    }

    fn crash(&self, unsynced: Unsynced) -> MemoryStore {
        self.crash(unsynced)
    }

    fn fill_disk(&self) {
        self.set_room(Some(5000));
    }

    fn empty_disk(&self) {
        self.set_room(None);
    }

    fn damage_newest_checkpoint(&self) {
        let info = self.checkpoints().unwrap().remove(0);
        self.damage_checkpoint(&info);
    }

    fn archived(&self) -> usize {
        self.archived()
    }

    fn drop_archive(&self) {
        self.drop_archive();
    }
}

/// Copies a directory that may be in use: a file that is renamed or removed meanwhile is as if the crash came later.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else if let Err(error) = fs::copy(entry.path(), target) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        }
    }
}

/// Flips one bit of a file.
pub(crate) fn flip(path: &Path, bit: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, bit / 8).unwrap();
}

/// The files with an ending in a part of a data directory, sorted.
pub(crate) fn files(dir: &Path, part: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join(part)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    found.sort();
    found
}

/// The frames of a segment: (byte offset, sectors, first lsn).
pub(crate) fn frames(segment: &[u8]) -> Vec<(usize, usize, u64)> {
    let mut found: Vec<(usize, usize, u64)> = Vec::new();
    for (place, sector) in segment.chunks(SECTOR).enumerate().skip(1) {
        let first = u64::from_le_bytes(sector[8..16].try_into().unwrap());
        match found.last_mut() {
            _ if first == 0 => break,
            Some((_, sectors, lsn)) if *lsn == first => *sectors += 1,
            _ => found.push((place * SECTOR, 1, first)),
        }
    }
    found
}

/// Puts the sectors of the last frame back to what they were before it was written.
fn zero_last_frame(dir: &Path) {
    let path = files(dir, "journal", ".seg").pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let (offset, sectors, _) = *frames(&bytes).last().unwrap();
    bytes[offset..offset + sectors * SECTOR].fill(0);
    fs::write(path, bytes).unwrap();
}

/// Recovers everything from a position on.
pub(crate) fn recover_from(store: &dyn Store, from: Lsn) -> (Tail, Vec<(Lsn, Vec<u8>)>) {
    let mut records = Vec::new();
    let tail = store
        .recover(
            from,
            &mut |lsn, record| {
                records.push((lsn, record.to_vec()));
                Ok(())
            },
            &mut |_| {},
        )
        .unwrap();
    (tail, records)
}

/// Recovers and starts; the records come back without their positions, which are checked to be dense.
pub(crate) fn start(store: Arc<dyn Store>) -> (Journal, Vec<Vec<u8>>) {
    start_with(store, Options::default())
}

pub(crate) fn start_with(store: Arc<dyn Store>, options: Options) -> (Journal, Vec<Vec<u8>>) {
    let (tail, records) = recover_from(&*store, Lsn::FIRST);
    for (place, (lsn, _)) in records.iter().enumerate() {
        assert_eq!(lsn.get(), place as u64 + 1);
    }
    assert_eq!(tail.last.get(), records.len() as u64);
    let journal = Journal::start(store, tail, options).unwrap();
    (journal, records.into_iter().map(|(_, record)| record).collect())
}

/// Reads once: the records, each with its position, and the position to go on from.
pub(crate) fn read_once(store: &dyn Store, from: Lsn, most: Lsn) -> Result<(Records, Lsn), RecoverError> {
    let mut records = Records::new();
    let next = store.read(from, most, &mut |lsn, record| {
        records.push((lsn, record.to_vec()));
        Ok(())
    })?;
    Ok((records, next))
}

/// Reads on until there is nothing more.
pub(crate) fn read_all(store: &dyn Store, from: Lsn, most: Lsn) -> Records {
    let (mut all, mut from) = (Records::new(), from);
    loop {
        let (records, next) = read_once(store, from, most).unwrap();
        assert_eq!(next, records.last().map_or(from, |(lsn, _)| lsn.next()));
        if records.is_empty() {
            return all;
        }
        all.extend(records);
        from = next;
    }
}

/// Makes a checkpoint without items, which archives what lies behind it and the one before.
pub(crate) fn checkpoint_at(store: &dyn Store, start: u64) {
    store.begin_checkpoint(Lsn::new(start)).unwrap().commit(Lsn::new(start).previous()).unwrap();
}

/// Appends; where the queue has no room, waits for it to drain and tries again.
pub(crate) fn put(journal: &Journal, record: &[u8]) -> Lsn {
    loop {
        match journal.append(record) {
            Ok(lsn) => return lsn,
            Err(AppendError::NoRoom) => {
                journal.wait_durable_blocking(journal.last()).unwrap();
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
}
