//! What a durable record costs, by how many are made durable at once, beside what the disk alone costs.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use tempfile::TempDir;
use tplus::journal::{AppendError, FileOptions, FileStore, Journal, Lsn, NewDirectory, Options, Store};

const RECORD: [u8; 100] = [7; 100];

fn main() {
    divan::main();
}

/// A directory on a real disk: the system's temporary one may be memory.
fn directory() -> TempDir {
    let target = option_env!("CARGO_TARGET_TMPDIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    tempfile::tempdir_in(target).unwrap()
}

fn journal() -> (TempDir, Journal) {
    let dir = directory();
    let create = Some(NewDirectory { id: [1; 16], fingerprint_key: [2; 16], attributes: Vec::new() });
    let store = Arc::new(FileStore::open(dir.path(), FileOptions { create, ..FileOptions::default() }).unwrap());
    let tail = store.recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).unwrap();
    (dir, Journal::start(store, tail, Options::default()).unwrap())
}

/// Appends as many records and waits once, for the last.
#[divan::bench(args = [1, 10, 100, 1000, 10_000], min_time = 1)]
fn append_and_wait(bencher: Bencher<'_, '_>, records: usize) {
    let (_dir, journal) = journal();
    bencher.counter(ItemsCount::new(records)).bench_local(|| {
        for _ in 0..records {
            journal.append(&RECORD).unwrap();
        }
        journal.wait_durable_blocking(journal.last()).unwrap();
    });
}

/// Appends without waiting, as far as the queue goes: encoding overlaps with the disk.
#[divan::bench(min_time = 1)]
fn append_100_000_streaming(bencher: Bencher<'_, '_>) {
    let (_dir, journal) = journal();
    bencher.counter(ItemsCount::new(100_000_usize)).bench_local(|| {
        for _ in 0..100_000 {
            while let Err(AppendError::NoRoom) = journal.append(&RECORD) {
                journal.wait_durable_blocking(journal.last()).unwrap();
            }
        }
        journal.wait_durable_blocking(journal.last()).unwrap();
    });
}

/// Opening and recovering a journal: everything verified, every record visited.
#[divan::bench(sample_count = 10)]
fn recover_400_000(bencher: Bencher<'_, '_>) {
    let (dir, journal) = journal();
    for _ in 0..400_000 {
        while let Err(AppendError::NoRoom) = journal.append(&RECORD) {
            journal.wait_durable_blocking(journal.last()).unwrap();
        }
    }
    journal.close().unwrap();
    drop(journal);
    bencher.counter(ItemsCount::new(400_000_usize)).bench_local(|| {
        let store = FileStore::open(dir.path(), FileOptions::default()).unwrap();
        let mut bytes = 0;
        let visit = &mut |_: Lsn, record: &[u8]| {
            bytes += record.len();
            Ok(())
        };
        store.recover(Lsn::FIRST, visit, &mut |_| {}).unwrap();
        bytes
    });
}

/// The floor: the same bytes into a file written before, and a sync.
#[divan::bench(args = [1, 10, 100, 1000, 10_000], min_time = 1)]
fn disk_alone(bencher: Bencher<'_, '_>, records: usize) {
    let dir = directory();
    let file = prewritten(&dir);
    let bytes = vec![7; (records * (RECORD.len() + 4)).div_ceil(512) * 512];
    let mut at = 0;
    bencher.counter(ItemsCount::new(records)).bench_local(|| {
        if at + bytes.len() as u64 > 64 << 20 {
            at = 0;
        }
        file.write_all_at(&bytes, at).unwrap();
        file.sync_data().unwrap();
        at += bytes.len() as u64;
    });
}

fn prewritten(dir: &TempDir) -> File {
    let path = dir.path().join("prewritten");
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(path).unwrap();
    file.write_all_at(&vec![0; 64 << 20], 0).unwrap();
    file.sync_all().unwrap();
    file
}
