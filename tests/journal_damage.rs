//! Torn or damaged: every bit, every lost byte and every torn tail of a small journal.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says so by failing")]

mod journal;

use std::fs;
use std::path::{Path, PathBuf};

use journal::{SECTOR, copy_dir, files, flip, frames, options, put, recover_from, start};
use std::sync::Arc;
use tempfile::TempDir;
use tplus::journal::{Batch, Epoch, FileStore, Identity, Lsn, RecoverError, Store, inspect};

/// A directory with several segments of 16 KiB; its last frame has five sectors and one record.
struct Sample {
    dir: TempDir,
    identity: Identity,
    records: Vec<Vec<u8>>,
}

impl Sample {
    fn new() -> Sample {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(FileStore::open(dir.path(), options(16 << 10)).unwrap());
        let identity = store.identity().clone();
        let (journal, _) = start(store);
        let mut records: Vec<Vec<u8>> = (0..36_usize).map(|n| vec![n as u8 + 1; n * 131 % 1500]).collect();
        records.push(vec![0xa5; 5 * 496 - 100]);
        for record in &records {
            let lsn = put(&journal, record);
            journal.wait_durable_blocking(lsn).unwrap();
        }
        journal.close().unwrap();
        Sample { dir, identity, records }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn segments(&self) -> Vec<PathBuf> {
        files(self.path(), "journal", ".seg")
    }

    fn copy(&self) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(self.path(), dir.path());
        dir
    }
}

fn open(dir: &Path) -> FileStore {
    FileStore::open(dir, options(16 << 10)).unwrap()
}

/// Recovers, expecting a refusal that leaves every segment as it was.
fn refused(dir: &Path) -> RecoverError {
    let paths = files(dir, "journal", ".seg");
    let before: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    let error = open(dir).recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).unwrap_err();
    let after: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(before == after, "a refusal changed something");
    assert_eq!(inspect::verify(dir).unwrap_err().to_string(), error.to_string());
    error
}

fn refused_as_damage(dir: &Path) -> tplus::journal::Damage {
    match refused(dir) {
        RecoverError::Damage(damage) => damage,
        error => panic!("{error}"),
    }
}

/// The position a flipped byte is to be reported with: that of the frame it lies in, or the next one.
fn lsn_at(frames: &[(usize, usize, u64)], offset: usize, next: Lsn) -> Lsn {
    let holder = frames.iter().find(|(start, sectors, _)| (*start..start + sectors * SECTOR).contains(&offset));
    holder.map_or(next, |(_, _, lsn)| Lsn::new(*lsn))
}

#[test]
fn every_flipped_bit_is_refused_with_its_position() {
    let sample = Sample::new();
    let segments = sample.segments();
    assert!(segments.len() >= 3);
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (sample, segments) = (&sample, &segments);
            scope.spawn(move || {
                for (place, path) in segments.iter().enumerate() {
                    let is_last = place + 1 == segments.len();
                    flip_half(&sample.identity, path, is_last, half);
                }
            });
        }
    });
}

fn flip_half(identity: &Identity, path: &Path, is_last: bool, half: usize) {
    let mut bytes = fs::read(path).unwrap();
    let (next, _) = inspect::check_segment(identity, path, &bytes, is_last).unwrap();
    let frames = frames(&bytes);
    for bit in (half..bytes.len() * 8).step_by(2) {
        let at = bit / 8;
        bytes[at] ^= 1 << (bit % 8);
        let Err(RecoverError::Damage(damage)) = inspect::check_segment(identity, path, &bytes, is_last) else {
            panic!("bit {bit} of {} was taken", path.display());
        };
        assert_eq!(damage.file, path);
        assert_eq!(damage.offset as usize, at / SECTOR * SECTOR, "bit {bit}: {damage}");
        assert!(at < SECTOR || damage.lsn == lsn_at(&frames, at, next), "bit {bit}: {damage}");
        bytes[at] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_flipped_bit_in_any_sector_stops_the_recovery_of_the_directory() {
    let sample = Sample::new();
    for path in sample.segments() {
        for sector in 0..fs::metadata(&path).unwrap().len() / SECTOR as u64 {
            let bit = sector * SECTOR as u64 * 8 + sector * 1031 % (SECTOR as u64 * 8);
            flip(&path, bit);
            let damage = refused_as_damage(sample.path());
            assert_eq!((damage.file.as_path(), damage.offset), (path.as_path(), sector * SECTOR as u64));
            flip(&path, bit);
        }
    }
    let (_, records) = recover_from(&open(sample.path()), Lsn::FIRST);
    assert_eq!(records.len(), sample.records.len());
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let sample = Sample::new();
    for path in sample.segments() {
        let bytes = fs::read(&path).unwrap();
        for len in 0..bytes.len() {
            let outcome = inspect::check_segment(&sample.identity, &path, &bytes[..len], true);
            assert!(matches!(outcome, Err(RecoverError::Damage(_))), "{len} bytes of {}", path.display());
        }
        for len in [0, 100, 512, 5000, bytes.len() - 1] {
            fs::write(&path, &bytes[..len]).unwrap();
            assert_eq!(refused_as_damage(sample.path()).file, path);
        }
        fs::write(&path, [bytes.as_slice(), &[0]].concat()).unwrap();
        assert_eq!(refused_as_damage(sample.path()).file, path);
        fs::write(&path, &bytes).unwrap();
    }
}

/// Zeroes those sectors of a frame whose bit is set.
fn tear(path: &Path, frame: (usize, usize, u64), subset: u32) {
    let mut bytes = fs::read(path).unwrap();
    for sector in (0..frame.1).filter(|sector| subset & (1 << sector) != 0) {
        let at = frame.0 + sector * SECTOR;
        bytes[at..at + SECTOR].fill(0);
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_torn_tail_is_dropped_whichever_of_its_sectors_are_missing() {
    let sample = Sample::new();
    let last = *frames(&fs::read(sample.segments().last().unwrap()).unwrap()).last().unwrap();
    assert_eq!(last.1, 5);
    let all = (1 << last.1) - 1;
    for subset in 1..=all {
        let dir = sample.copy();
        let path = files(dir.path(), "journal", ".seg").pop().unwrap();
        tear(&path, last, subset);
        let missing = subset.count_ones() as usize;
        let torn = inspect::verify(dir.path()).unwrap().torn;
        assert_eq!(torn.map(|torn| torn.sectors), (subset != all).then_some(5 - missing), "seen from outside");
        let (tail, records) = recover_from(&open(dir.path()), Lsn::FIRST);
        assert_eq!(tail.torn.is_some(), subset != all);
        if let Some(torn) = &tail.torn {
            assert_eq!((torn.offset as usize, torn.lsn.get(), torn.sectors), (last.0, last.2, 5 - missing));
        }
        assert_eq!(records.len(), sample.records.len() - 1);
        // The second recovery meets a clean end, and the journal goes on from there.
        let store = Arc::new(open(dir.path()));
        let (again, records_again) = recover_from(&*store, Lsn::FIRST);
        assert_eq!((again.last, again.chain, again.torn), (tail.last, tail.chain, None));
        assert_eq!(records, records_again);
        let (journal, _) = start(store.clone());
        assert_eq!(put(&journal, b"goes on"), tail.last.next());
        journal.close().unwrap();
        drop((journal, store));
        assert_eq!(recover_from(&open(dir.path()), Lsn::FIRST).1.len(), sample.records.len());
    }
}

#[test]
fn an_earlier_frame_with_missing_sectors_is_damage() {
    let sample = Sample::new();
    for path in sample.segments() {
        let whole = fs::read(&path).unwrap();
        let all = frames(&whole);
        let is_last_segment = sample.segments().last() == Some(&path);
        let earlier = all.len() - usize::from(is_last_segment);
        for frame in &all[..earlier] {
            for subset in 1..(1 << frame.1) {
                tear(&path, *frame, subset);
                refused_as_damage(sample.path());
                fs::write(&path, &whole).unwrap();
            }
        }
    }
}

#[test]
fn a_torn_tail_with_anything_else_behind_it_is_damage() {
    let sample = Sample::new();
    let path = sample.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let last = *frames(&whole).last().unwrap();
    for subset in [0b1, 0b10, 0b1_0000, 0b1_1111] {
        tear(&path, last, subset);
        flip(&path, (whole.len() as u64 - 1) * 8);
        assert_eq!(refused_as_damage(sample.path()).offset as usize, whole.len() - SECTOR);
        // One bit of what is left of the frame.
        fs::write(&path, &whole).unwrap();
        tear(&path, last, subset);
        flip(&path, (last.0 + 2 * SECTOR) as u64 * 8);
        assert_eq!(refused_as_damage(sample.path()).offset as usize, last.0 + 2 * SECTOR);
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn intact_sectors_in_the_wrong_place_are_damage() {
    let sample = Sample::new();
    let path = sample.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let all = frames(&whole);
    let last = *all.last().unwrap();
    let end = last.0 + last.1 * SECTOR;
    // An old frame again behind the last one, and the last one again behind itself.
    for frame in [all[0], last] {
        let mut bytes = whole.clone();
        bytes.copy_within(frame.0..frame.0 + SECTOR, end);
        fs::write(&path, bytes).unwrap();
        assert_eq!(refused_as_damage(sample.path()).offset as usize, end);
    }
    // Two sectors of one frame exchanged.
    let mut bytes = whole.clone();
    let (one, two) = bytes[last.0 + SECTOR..last.0 + 3 * SECTOR].split_at_mut(SECTOR);
    one.swap_with_slice(two);
    fs::write(&path, bytes).unwrap();
    assert_eq!(refused_as_damage(sample.path()).offset as usize, last.0 + SECTOR);
}

#[test]
fn a_frame_from_another_history_breaks_the_chain() {
    // The same directory goes on in two different ways; a frame of one does not fit the other.
    let sample = Sample::new();
    let fork = sample.copy();
    for (dir, records) in [(sample.path(), [b"a", b"b"]), (fork.path(), [b"x", b"b"])] {
        let (journal, _) = start(Arc::new(open(dir)));
        for record in records {
            let lsn = put(&journal, record);
            journal.wait_durable_blocking(lsn).unwrap();
        }
        journal.close().unwrap();
    }
    let path = sample.segments().pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let other = fs::read(files(fork.path(), "journal", ".seg").pop().unwrap()).unwrap();
    let last = *frames(&bytes).last().unwrap();
    bytes[last.0..last.0 + SECTOR].copy_from_slice(&other[last.0..last.0 + SECTOR]);
    fs::write(&path, bytes).unwrap();
    let damage = refused_as_damage(sample.path());
    assert_eq!((damage.offset as usize, damage.lsn.get()), (last.0, last.2));
    assert_eq!(damage.reason, "the frame does not continue the hash chain");
}

#[test]
fn missing_and_misnamed_segments_are_refused() {
    let sample = Sample::new();
    let count = sample.segments().len();
    for place in 0..count - 1 {
        let dir = sample.copy();
        let mut paths = files(dir.path(), "journal", ".seg");
        fs::remove_file(paths.remove(place)).unwrap();
        match open(dir.path()).recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).unwrap_err() {
            RecoverError::Missing { wanted, oldest } => {
                assert_eq!((place, wanted, oldest > Lsn::FIRST), (0, Lsn::FIRST, true));
            }
            RecoverError::Damage(damage) => assert_eq!(damage.file, paths[place]),
            error => panic!("{error}"),
        }
    }
    let dir = sample.copy();
    let paths = files(dir.path(), "journal", ".seg");
    fs::rename(&paths[1], dir.path().join("journal/00000000000000000002.seg")).unwrap();
    refused_as_damage(dir.path());
    fs::rename(dir.path().join("journal/00000000000000000002.seg"), dir.path().join("journal/2.seg")).unwrap();
    refused_as_damage(dir.path());
    for path in files(dir.path(), "journal", ".seg") {
        fs::remove_file(path).unwrap();
    }
    assert!(matches!(refused(dir.path()), RecoverError::Missing { oldest: Lsn::ZERO, .. }));
}

#[test]
fn a_segment_cleared_before_its_first_frame_is_a_crash_after_rolling() {
    let sample = Sample::new();
    let path = sample.segments().pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let first = frames(&bytes)[0].2;
    bytes[SECTOR..].fill(0);
    fs::write(&path, bytes).unwrap();
    let (tail, _) = recover_from(&open(sample.path()), Lsn::FIRST);
    assert_eq!((tail.last.next(), tail.torn), (Lsn::new(first), None));
    let (journal, _) = start(Arc::new(open(sample.path())));
    assert_eq!(put(&journal, b"goes on"), Lsn::new(first));
}

/// A generator that gives the same numbers everywhere.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Round after round: some batches are acknowledged, one more is written, and of its last frame any sectors reach the
/// disk. What was acknowledged is there, in order, and of the rest either nothing or what was appended.
#[test]
fn whatever_a_crash_leaves_of_the_last_batch_the_acknowledged_ones_stay() {
    for seed in 0..24 {
        let mut numbers = Numbers(seed);
        let dir = tempfile::tempdir().unwrap();
        let mut kept: Vec<Vec<u8>> = Vec::new();
        let mut epoch = 0;
        for round in 0..8 {
            let store = open(dir.path());
            let (tail, found) = recover_from(&store, Lsn::FIRST);
            let found: Vec<_> = found.into_iter().map(|(_, record)| record).collect();
            assert!(found.len() <= kept.len() && kept.starts_with(&found), "seed {seed} round {round}");
            kept = found;
            // An epoch of which nothing was kept may come again.
            assert!(tail.epoch.get() >= epoch);
            epoch = tail.epoch.get();
            for _ in 0..numbers.below(6) {
                commit_random(&store, &mut numbers, &mut kept, epoch);
            }
            let acknowledged = kept.len();
            commit_random(&store, &mut numbers, &mut kept, epoch);
            drop(store);
            let path = files(dir.path(), "journal", ".seg").pop().unwrap();
            let last = *frames(&fs::read(&path).unwrap()).last().unwrap();
            tear(&path, last, numbers.below(1 << last.1.min(31)) as u32);
            let (tail, _) = recover_from(&open(dir.path()), Lsn::FIRST);
            assert!(tail.last.get() >= acknowledged as u64, "seed {seed} round {round}");
        }
    }
}

fn commit_random(store: &FileStore, numbers: &mut Numbers, kept: &mut Vec<Vec<u8>>, epoch: u64) {
    let mut batch = Batch::new(Lsn::new(kept.len() as u64 + 1), Epoch::new(epoch));
    for _ in 0..=numbers.below(4) {
        let record = vec![numbers.below(256) as u8; numbers.below(900) as usize];
        batch.push(&record);
        kept.push(record);
    }
    // The spare is prepared by a thread; the journal would ask for room in the same way.
    while store.room() < store.cost(batch.bytes().len()) {
        std::thread::yield_now();
    }
    store.commit(&batch).unwrap();
}
