//! The data directory as a whole: who may open it, what it is, and what a crash may leave in it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says so by failing")]

mod journal;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use journal::{copy_dir, files, flip, new_directory, options, put, recover_from, start};
use tplus::journal::{
    Batch, FileOptions, FileStore, Half, Lsn, OpenError, RecoverError, Store, Unsynced, VisitError, inspect,
};

const SEGMENT: u64 = 16 << 10;

fn open(dir: &Path) -> Result<FileStore, OpenError> {
    FileStore::open(dir, FileOptions { create: None, ..options(SEGMENT) })
}

/// A directory with records of 1,000 bytes, each its number's low byte; closed.
fn filled(id: u8, records: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let options = FileOptions { create: Some(new_directory(id)), ..options(SEGMENT) };
    let (journal, _) = start(Arc::new(FileStore::open(dir.path(), options).unwrap()));
    for n in 1..=records {
        put(&journal, &vec![n as u8; 1000]);
    }
    journal.close().unwrap();
    dir
}

/// Writes a checkpoint into a directory that nobody has open.
fn checkpoint_in(dir: &Path, start: u64) {
    let store = open(dir).unwrap();
    recover_from(&store, Lsn::FIRST);
    checkpoint(&store, start);
}

fn checkpoint(store: &FileStore, start: u64) {
    let mut writer = store.begin_checkpoint(Lsn::new(start)).unwrap();
    writer.put(b"item").unwrap();
    writer.commit(Lsn::new(start).previous()).unwrap();
}

#[test]
fn a_second_handle_is_told_that_the_directory_is_in_use() {
    let dir = filled(1, 1);
    let first = open(dir.path()).unwrap();
    let error = open(dir.path()).err().unwrap();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains("is in use"), "{error}");
    drop(first);
    open(dir.path()).unwrap();
}

#[test]
fn the_identity_is_what_was_given_at_creation() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(open(dir.path()).err(), Some(OpenError::Absent { .. })));
    assert!(matches!(open(&dir.path().join("nowhere")).err(), Some(OpenError::Absent { .. })));
    let nested = dir.path().join("a/b");
    let created = FileStore::open(&nested, options(SEGMENT)).unwrap().identity().clone();
    let given = new_directory(1);
    assert_eq!((created.id, created.fingerprint_key), (given.id, given.fingerprint_key));
    assert_eq!(created.attribute("clock"), Some("manual"));
    // Created once: another's options change nothing.
    let again = FileStore::open(&nested, FileOptions { create: Some(new_directory(9)), ..options(SEGMENT) }).unwrap();
    assert_eq!(*again.identity(), created);
}

#[test]
fn every_flipped_bit_of_the_identity_is_refused() {
    let dir = filled(1, 1);
    let path = dir.path().join("identity");
    for bit in 0..fs::metadata(&path).unwrap().len() * 8 {
        flip(&path, bit);
        assert!(matches!(open(dir.path()).err(), Some(OpenError::Identity(RecoverError::Damage(_)))), "bit {bit}");
        flip(&path, bit);
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let dir = filled(1, 1);
    let path = dir.path().join("identity");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8..12].copy_from_slice(&7_u32.to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[8..12]), &bytes[16..]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let error = open(dir.path()).err().unwrap();
    assert!(error.to_string().ends_with("has format version 7; this release knows versions up to 1"), "{error}");
}

#[test]
fn a_lost_identity_is_not_made_anew() {
    let dir = filled(1, 3);
    fs::remove_file(dir.path().join("identity")).unwrap();
    let error = FileStore::open(dir.path(), options(SEGMENT)).err().unwrap();
    assert!(matches!(error, OpenError::IdentityMissing { .. }));
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    fs::write(dir.path().join("archive/00000000000000000001.seg"), b"").unwrap();
    assert!(matches!(FileStore::open(dir.path(), options(SEGMENT)).err(), Some(OpenError::Options(_))));
}

#[test]
fn a_creation_that_was_cut_short_is_finished() {
    // After the journal got its name, and before: the identity is still aside.
    let dir = filled(1, 0);
    fs::rename(dir.path().join("identity"), dir.path().join("identity.tmp")).unwrap();
    assert_eq!(open(dir.path()).unwrap().identity().id, [1; 16]);
    fs::rename(dir.path().join("identity"), dir.path().join("identity.tmp")).unwrap();
    fs::rename(dir.path().join("journal"), dir.path().join("journal.new")).unwrap();
    assert!(matches!(open(dir.path()).err(), Some(OpenError::Absent { .. })));
    let options = FileOptions { create: Some(new_directory(2)), ..options(SEGMENT) };
    let store = Arc::new(FileStore::open(dir.path(), options).unwrap());
    assert_eq!(store.identity().id, [2; 16]);
    assert_eq!(start(store).1.len(), 0);
}

#[test]
fn segments_and_checkpoints_of_another_directory_are_refused() {
    let (ours, theirs) = (filled(1, 3), filled(2, 3));
    let name = "journal/00000000000000000001.seg";
    let own = fs::read(ours.path().join(name)).unwrap();
    fs::copy(theirs.path().join(name), ours.path().join(name)).unwrap();
    let error = open(ours.path()).unwrap().recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).unwrap_err();
    assert!(matches!(error, RecoverError::Foreign { .. }), "{error}");
    fs::write(ours.path().join(name), own).unwrap();
    checkpoint_in(theirs.path(), 3);
    copy_dir(&theirs.path().join("checkpoints"), &ours.path().join("checkpoints"));
    let store = open(ours.path()).unwrap();
    let info = store.checkpoints().unwrap().remove(0);
    let error = store.read_checkpoint(&info, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(error, RecoverError::Foreign { .. }), "{error}");
}

#[test]
fn a_journal_that_ends_before_its_checkpoint_is_refused() {
    let dir = filled(1, 40);
    checkpoint_in(dir.path(), 41);
    fs::remove_file(files(dir.path(), "journal", ".seg").pop().unwrap()).unwrap();
    let error = open(dir.path()).unwrap().recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("a checkpoint holds records up to lsn 40"), "{error}");
    assert_eq!(inspect::verify(dir.path()).unwrap_err().to_string(), error.to_string());
}

#[test]
fn a_flipped_bit_anywhere_in_a_checkpoint_is_seen_by_verify() {
    let dir = filled(1, 5);
    checkpoint_in(dir.path(), 4);
    let path = files(dir.path(), "checkpoints", ".ckpt").remove(0);
    for bit in 0..fs::metadata(&path).unwrap().len() * 8 {
        flip(&path, bit);
        let error = inspect::verify(dir.path()).unwrap_err();
        assert!(matches!(&error, RecoverError::Damage(damage) if damage.file == path), "bit {bit}: {error}");
        flip(&path, bit);
    }
    assert_eq!(inspect::verify(dir.path()).unwrap().checkpoints.len(), 1);
}

#[test]
fn damage_in_the_archive_is_found_when_it_is_needed() {
    let dir = filled(1, 60);
    let store = open(dir.path()).unwrap();
    recover_from(&store, Lsn::FIRST);
    checkpoint(&store, 50);
    checkpoint(&store, 60);
    drop(store);
    let archived = files(dir.path(), "archive", ".seg");
    assert!(archived.len() >= 2);
    flip(&archived[1], 3000 * 8);
    // Behind both checkpoints it is in nobody's way; without them it is.
    recover_from(&open(dir.path()).unwrap(), Lsn::new(50));
    let error = open(dir.path()).unwrap().recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).unwrap_err();
    assert!(matches!(&error, RecoverError::Damage(damage) if damage.file == archived[1]), "{error}");
    assert_eq!(inspect::verify(dir.path()).unwrap_err().to_string(), error.to_string());
    fs::remove_file(&archived[0]).unwrap();
    let error = open(dir.path()).unwrap().recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).unwrap_err();
    assert!(error.to_string().starts_with("records from lsn 1 are needed, but the oldest segment"), "{error}");
}

#[test]
fn what_a_crash_leaves_beside_the_journal_is_cleared_away() {
    let dir = filled(1, 3);
    fs::write(dir.path().join("journal/spare.tmp"), b"half").unwrap();
    fs::write(dir.path().join("checkpoints/unfinished.tmp"), b"half").unwrap();
    // A spare that had its header written and was not renamed any more.
    let spare = dir.path().join("journal/spare");
    flip(&spare, 77);
    let store = Arc::new(open(dir.path()).unwrap());
    let (journal, _) = start(store.clone());
    for _ in 0..40 {
        put(&journal, &[1; 1000]);
    }
    journal.close().unwrap();
    assert!(!dir.path().join("checkpoints/unfinished.tmp").exists());
    drop((journal, store));
    assert_eq!(start(Arc::new(open(dir.path()).unwrap())).1.len(), 43);
}

#[test]
fn a_spare_outlives_a_restart_on_a_full_disk() {
    let dir = filled(1, 14);
    let faults = Arc::<tplus::journal::Faults>::default();
    faults.set_space(Some(0));
    let options = FileOptions { create: None, faults: Some(faults), ..options(SEGMENT) };
    let store = FileStore::open(dir.path(), options).unwrap();
    recover_from(&store, Lsn::FIRST);
    assert_eq!(store.room(), SEGMENT - 512);
}

#[test]
fn segments_may_change_their_size_between_openings() {
    let dir = filled(1, 20);
    let store = Arc::new(FileStore::open(dir.path(), options(64 << 10)).unwrap());
    let (journal, found) = start(store.clone());
    assert_eq!(found.len(), 20);
    let lsn = put(&journal, &vec![5; 60_000]);
    journal.wait_durable_blocking(lsn).unwrap();
    journal.close().unwrap();
    drop((journal, store));
    assert_eq!(start(Arc::new(open(dir.path()).unwrap())).1.len(), 21);
}

#[test]
fn senseless_sizes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for size in [0, 512, (16 << 10) - 512, (16 << 10) + 1, (1 << 30) + 512] {
        assert!(matches!(FileStore::open(dir.path(), options(size)).err(), Some(OpenError::Options(_))), "{size}");
    }
}

#[test]
fn a_batch_larger_than_a_segment_is_split_between_records() {
    let dir = filled(1, 0);
    let store = open(dir.path()).unwrap();
    let (tail, _) = recover_from(&store, Lsn::FIRST);
    let mut batch = Batch::new(Lsn::FIRST, tail.epoch);
    for n in 0..25_u8 {
        batch.push(&[n; 1000]);
    }
    store.commit(&batch).unwrap();
    drop(store);
    let (_, records) = recover_from(&open(dir.path()).unwrap(), Lsn::FIRST);
    assert_eq!(records.len(), 25);
    assert!(records.iter().all(|(lsn, record)| record.len() == 1000 && u64::from(record[0]) + 1 == lsn.get()));
    assert_eq!(inspect::verify(dir.path()).unwrap().frames, 2);
}

#[test]
fn what_fits_by_its_cost_is_taken_however_it_is_split() {
    // Small segments with a few small records each; and frames that are split because they get too long.
    takes_what_fits(SEGMENT, &[900, 7, 450, 31, 3_000, 1], 60);
    takes_what_fits(16 << 20, &[2_200_000, 1, 2_000_000, 4_500_000], 3);
}

/// Commits batches, each of as many records as there is room for.
fn takes_what_fits(segment: u64, lens: &[usize], batches: usize) {
    let dir = tempfile::tempdir().unwrap();
    let store = FileStore::open(dir.path(), options(segment)).unwrap();
    let (tail, _) = recover_from(&store, Lsn::FIRST);
    let mut next = tail.last.next();
    for turn in 0..batches {
        let mut batch = Batch::new(next, tail.epoch);
        let mut records = lens.iter().cycle().skip(turn).map(|len| vec![turn as u8; *len]).peekable();
        let mut fits = |batch: &Batch| {
            records.next_if(|record| store.cost(batch.bytes().len() + 4 + record.len()) <= store.room())
        };
        // At least one, for which the spare has to be there.
        while batch.is_empty() {
            while let Some(record) = fits(&batch) {
                batch.push(&record);
            }
        }
        store.commit(&batch).unwrap();
        next = batch.next();
    }
    assert!(next > Lsn::new(10));
    drop(store);
    assert_eq!(inspect::verify(dir.path()).unwrap().records, next.get() - 1);
}

#[test]
fn inspection_reads_a_directory_in_use_and_changes_nothing() {
    let dir = filled(1, 10);
    let store = Arc::new(open(dir.path()).unwrap());
    let (journal, _) = start(store.clone());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                put(&journal, &[3; 1700]);
                if journal.last().get() % 50 == 0 {
                    journal.wait_durable_blocking(journal.last()).unwrap();
                    checkpoint(&store, journal.last().get());
                }
            }
        });
        // Also when an assertion fails: the writer must not go on for ever.
        let _stopper = Stopper(&stop);
        let mut last = Lsn::ZERO;
        for _ in 0..60 {
            let report = inspect::verify(dir.path()).unwrap();
            assert!(report.last >= last && report.first == Lsn::FIRST);
            assert_eq!(report.last.get(), report.records);
            last = report.last;
            let mut next = last;
            let read = inspect::read(dir.path(), last, &mut |lsn, _| {
                assert_eq!(lsn, next);
                next = next.next();
                Ok(())
            });
            assert_eq!(read.unwrap().next(), next);
        }
    });
    let refusal = inspect::read(dir.path(), Lsn::FIRST, &mut |_, _| Err(VisitError::new("enough")));
    assert_eq!(refusal.unwrap_err().to_string(), "lsn 1 cannot be taken: enough");
}

struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_batch_on_its_way_looks_torn_from_outside_and_is_not_touched() {
    use journal::Subject;
    let subject = journal::Files::new();
    let (journal, _) = start(subject.store());
    subject.faults().hold(Half::Sync);
    journal.append(&[1; 3000]).unwrap();
    subject.faults().wait_held(Half::Sync);
    let crashed = subject.crash(Unsynced::Dropped);
    assert_eq!(inspect::verify(crashed.dir.path()).unwrap().last, Lsn::ZERO);
    assert_eq!(inspect::verify(subject.dir.path()).unwrap().last, Lsn::FIRST);
    subject.faults().release(Half::Sync);
    journal.close().unwrap();
}

/// Not a simulation: `TPLUS_SMALL_DISK` names a directory on a file system of a few hundred KiB, for instance
/// `unshare -m sh -c 'mount -t tmpfs -o size=200k tmpfs DIR && TPLUS_SMALL_DISK=DIR cargo test … -- --ignored'`.
#[test]
#[ignore = "needs a small file system"]
fn a_disk_that_is_really_full_makes_read_only_and_resumes() {
    let small = std::path::PathBuf::from(std::env::var_os("TPLUS_SMALL_DISK").unwrap());
    let filler = small.join("filler");
    fs::write(&filler, vec![1; 64 << 10]).unwrap();
    let store = Arc::new(FileStore::open(&small.join("data"), options(SEGMENT)).unwrap());
    let (journal, _) = start(store.clone());
    while store.room() >= store.cost(1004) {
        match journal.append(&[1; 1000]) {
            Ok(lsn) => journal.wait_durable_blocking(lsn).unwrap(),
            Err(error) => assert!(matches!(error, tplus::journal::AppendError::NoRoom)),
        }
        assert!(journal.last().get() < 1000, "the disk is not small");
        // The spare may be just about to be ready: full is when it is not, although the thread has had its turn.
        std::thread::yield_now();
    }
    assert!(journal.append(&[1; 1000]).is_err() && journal.fault().is_none());
    let full = journal.last();
    fs::remove_file(&filler).unwrap();
    assert_eq!(put(&journal, &[2; 1000]), full.next());
    journal.close().unwrap();
    drop((journal, store));
    assert_eq!(start(Arc::new(open(&small.join("data")).unwrap())).1.len() as u64, full.get() + 1);
}
