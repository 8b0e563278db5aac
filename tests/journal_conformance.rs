//! One suite, passed by every store: what the journal and the engine rely on, whatever the bytes live in.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says so by failing")]

mod journal;

use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use journal::{Files, Subject, checkpoint_at, put, read_all, read_once, recover_from, start, start_with};
use tplus::journal::{
    AppendError, Batch, CheckpointInfo, CheckpointWriter, CommitTimes, Half, Journal, JournalFault, Lsn, MemoryStore,
    Observer, Options, Progress, RecoverError, RoomWatcher, Store, StoreError, Tail, Unsynced, VisitError, VisitItem,
    VisitRecord,
};

/// Every function named here is a test of every store.
macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod files { $(#[test] fn $name() { super::$name::<super::Files>(); })* }
        mod memory { $(#[test] fn $name() { super::$name::<super::MemoryStore>(); })* }
    };
}

conformance!(
    records_come_back_dense_and_in_order,
    recovery_visits_from_where_it_is_told,
    reopening_raises_the_epoch,
    what_was_acknowledged_survives_a_crash,
    an_unsynced_batch_is_wholly_in_or_out,
    a_failed_write_poisons,
    a_failed_sync_poisons,
    a_poisoned_journal_still_vouches_for_what_was_durable,
    batches_form_while_the_last_one_syncs,
    concurrent_appends_keep_their_order,
    without_room_nothing_is_taken_until_there_is_room,
    a_record_too_large_is_refused,
    a_record_without_bytes_is_kept_like_others,
    closing_drains_and_refuses,
    two_checkpoints_are_kept,
    a_dropped_checkpoint_leaves_nothing,
    one_checkpoint_is_written_at_a_time,
    a_checkpoint_ahead_of_the_journal_is_refused,
    a_damaged_checkpoint_makes_way_for_the_older,
    the_journal_behind_both_checkpoints_is_archived,
    a_visitor_that_refuses_ends_the_recovery,
    commits_out_of_order_are_refused,
    tasks_wait_like_threads_do,
    reading_hands_over_everything_in_order,
    reading_begins_and_ends_where_it_is_told,
    what_is_not_durable_is_not_read,
    reading_goes_on_beside_commits_and_archiving,
    what_was_archived_is_read_and_what_is_gone_is_missing,
    a_visitor_that_refuses_ends_the_reading,
);

fn records_come_back_dense_and_in_order<S: Subject>() {
    let subject = S::new();
    let (journal, found) = start(subject.store());
    assert_eq!(found.len(), 0);
    let records: Vec<Vec<u8>> = (0..300_usize).map(|n| vec![n as u8; n * 37 % 3000]).collect();
    for (place, record) in records.iter().enumerate() {
        assert_eq!(put(&journal, record).get(), place as u64 + 1);
    }
    journal.wait_durable_blocking(Lsn::new(300)).unwrap();
    assert_eq!(journal.durable(), journal.last());
    assert_eq!(journal.queued_bytes(), 0);
    assert_eq!(journal.bytes_appended(), records.iter().map(|record| record.len() as u64).sum::<u64>());
    journal.close().unwrap();
    let (_, found) = start(subject.crash(Unsynced::Dropped).store());
    assert_eq!(found, records);
}

fn recovery_visits_from_where_it_is_told<S: Subject>() {
    let subject = S::new();
    write(&subject, 10);
    let again = subject.crash(Unsynced::Kept);
    let (tail, found) = recover_from(&*again.store(), Lsn::new(8));
    assert_eq!(found.iter().map(|(lsn, _)| lsn.get()).collect::<Vec<_>>(), [8, 9, 10]);
    assert_eq!((tail.last, tail.visited, tail.torn), (Lsn::new(10), 3, None));
    let (_, found) = recover_from(&*again.store(), Lsn::new(11));
    assert_eq!(found, []);
    assert!(again.store().recover(Lsn::new(12), &mut |_, _| Ok(()), &mut |_| {}).is_err());
}

fn reopening_raises_the_epoch<S: Subject>() {
    let subject = S::new();
    let first = write(&subject, 1).epoch();
    let again = subject.crash(Unsynced::Kept);
    let second = write(&again, 1).epoch();
    let (third, _) = start(again.crash(Unsynced::Kept).store());
    assert!(first < second && second < third.epoch());
}

fn what_was_acknowledged_survives_a_crash<S: Subject>() {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    for n in 0..20_u8 {
        let lsn = put(&journal, &[n]);
        journal.wait_durable_blocking(lsn).unwrap();
        let (_, found) = recover_from(&*subject.crash(Unsynced::Dropped).store(), lsn);
        assert_eq!(found, [(lsn, vec![n])]);
    }
}

fn an_unsynced_batch_is_wholly_in_or_out<S: Subject>() {
    let subject = S::new();
    let epoch = write(&subject, 2).epoch();
    let mut batch = Batch::new(Lsn::new(3), epoch);
    for n in 0..5_u8 {
        batch.push(&[n; 600]);
    }
    subject.faults().hold(Half::Sync);
    std::thread::scope(|scope| {
        let store = subject.store();
        scope.spawn(move || store.commit(&batch).unwrap());
        subject.faults().wait_held(Half::Sync);
        assert_eq!(start(subject.crash(Unsynced::Dropped).store()).1.len(), 2);
        assert_eq!(start(subject.crash(Unsynced::Kept).store()).1.len(), 7);
        subject.faults().release(Half::Sync);
    });
    assert_eq!(start(subject.crash(Unsynced::Dropped).store()).1.len(), 7);
}

fn a_failed_write_poisons<S: Subject>() {
    poisons::<S>(Half::Write);
}

fn a_failed_sync_poisons<S: Subject>() {
    poisons::<S>(Half::Sync);
}

fn poisons<S: Subject>(half: Half) {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    subject.faults().hold(half);
    subject.faults().fail(half, 1);
    let first = journal.append(b"in flight").unwrap();
    subject.faults().wait_held(half);
    let second = journal.append(b"filling").unwrap();
    std::thread::scope(|scope| {
        let waits: Vec<_> = [first, first, second]
            .map(|lsn| {
                scope.spawn({
                    let journal = &journal;
                    move || journal.wait_durable_blocking(lsn)
                })
            })
            .into_iter()
            .collect();
        subject.faults().release(half);
        for wait in waits {
            assert!(matches!(wait.join().unwrap(), Err(JournalFault::Poisoned { .. })));
        }
    });
    let attempted = (subject.faults().attempted(Half::Write), subject.faults().attempted(Half::Sync));
    assert!(matches!(journal.append(b"later"), Err(AppendError::Poisoned(_))));
    assert!(matches!(journal.close(), Err(JournalFault::Poisoned { durable: Lsn::ZERO, .. })));
    assert!(journal.fault().is_some());
    let after = (subject.faults().attempted(Half::Write), subject.faults().attempted(Half::Sync));
    assert_eq!(attempted, after, "nothing is tried again");
    assert_eq!(after.0, 1);
}

fn a_poisoned_journal_still_vouches_for_what_was_durable<S: Subject>() {
    let subject = S::new();
    let journal = write(&subject, 1);
    subject.faults().fail(Half::Sync, 1);
    let lost = journal.append(b"lost").unwrap();
    assert!(journal.wait_durable_blocking(lost).is_err());
    journal.wait_durable_blocking(Lsn::new(1)).unwrap();
    assert_eq!(journal.durable(), Lsn::new(1));
}

/// Notes what it is told.
#[derive(Default)]
struct Notes {
    batches: Mutex<Vec<usize>>,
    room: Mutex<Option<mpsc::Sender<bool>>>,
}

impl Observer for Notes {
    fn batch_committed(&self, records: usize, _bytes: usize, _write: Duration, _sync: Duration) {
        self.batches.lock().unwrap().push(records);
    }

    fn room_changed(&self, read_only: bool) {
        if let Some(sender) = &*self.room.lock().unwrap() {
            sender.send(read_only).unwrap();
        }
    }
}

fn batches_form_while_the_last_one_syncs<S: Subject>() {
    let subject = S::new();
    let notes = Arc::new(Notes::default());
    let (journal, _) = start_with(subject.store(), Options { observer: notes.clone(), ..Options::default() });
    subject.faults().hold(Half::Sync);
    journal.append(b"first").unwrap();
    subject.faults().wait_held(Half::Sync);
    for _ in 0..99 {
        journal.append(b"next").unwrap();
    }
    assert_eq!(journal.durable(), Lsn::ZERO);
    assert_eq!(journal.queued_bytes(), 5 + 99 * 4);
    subject.faults().release(Half::Sync);
    journal.close().unwrap();
    assert_eq!(*notes.batches.lock().unwrap(), [1, 99]);
    assert_eq!(subject.faults().attempted(Half::Sync), 2);
}

fn concurrent_appends_keep_their_order<S: Subject>() {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let journal = journal.clone();
            scope.spawn(move || {
                for n in 0..200_u8 {
                    let lsn = put(&journal, &[thread, n]);
                    if n % 8 == thread {
                        journal.wait_durable_blocking(lsn).unwrap();
                    }
                }
            });
        }
    });
    journal.close().unwrap();
    let (_, found) = start(subject.crash(Unsynced::Dropped).store());
    for thread in 0..4_u8 {
        let of_thread: Vec<u8> = found.iter().filter(|record| record[0] == thread).map(|record| record[1]).collect();
        assert_eq!(of_thread, (0..200_u8).collect::<Vec<_>>());
    }
}

fn without_room_nothing_is_taken_until_there_is_room<S: Subject>() {
    let subject = S::new();
    let notes = Arc::new(Notes::default());
    let (journal, _) = start_with(subject.store(), Options { observer: notes.clone(), ..Options::default() });
    subject.fill_disk();
    let mut accepted = 0;
    while subject.store().room() >= subject.store().cost(1004) {
        match journal.append(&[7; 1000]) {
            Ok(_) => accepted += 1,
            Err(AppendError::NoRoom) => journal.wait_durable_blocking(journal.last()).unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(matches!(journal.append(&[7; 1000]), Err(AppendError::NoRoom)));
    assert!(accepted > 0 && journal.read_only() && journal.fault().is_none());
    let (sender, receiver) = mpsc::channel();
    *notes.room.lock().unwrap() = Some(sender);
    subject.empty_disk();
    assert!(!receiver.recv().unwrap());
    assert!(!journal.read_only());
    put(&journal, b"again");
    journal.close().unwrap();
    assert_eq!(start(subject.crash(Unsynced::Dropped).store()).1.len(), accepted + 1);
}

fn a_record_without_bytes_is_kept_like_others<S: Subject>() {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    let (sender, done) = mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..50 {
            // Nothing else wakes the committer.
            let lsn = journal.append(b"").unwrap();
            journal.wait_durable_blocking(lsn).unwrap();
        }
        journal.close().unwrap();
        sender.send(()).unwrap();
    });
    done.recv_timeout(Duration::from_secs(60)).unwrap();
    let (_, records) = recover_from(&*subject.store(), Lsn::FIRST);
    assert_eq!(records.len(), 50);
}

fn a_record_too_large_is_refused<S: Subject>() {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    let max = subject.store().max_record();
    let refused = journal.append(&vec![0; max + 1]);
    assert!(matches!(refused, Err(AppendError::TooLarge { len, max: told }) if len == max + 1 && told == max));
    put(&journal, b"so that it has to find its place");
    let lsn = put(&journal, &vec![1; max]);
    journal.wait_durable_blocking(lsn).unwrap();
    journal.close().unwrap();
    assert_eq!(start(subject.crash(Unsynced::Dropped).store()).1[1].len(), max);
}

fn closing_drains_and_refuses<S: Subject>() {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    for _ in 0..50 {
        journal.append(b"record").unwrap();
    }
    journal.close().unwrap();
    journal.close().unwrap();
    assert_eq!(journal.durable(), Lsn::new(50));
    assert!(matches!(journal.append(b"late"), Err(AppendError::Closed)));
    assert!(matches!(journal.wait_durable_blocking(Lsn::new(51)), Err(JournalFault::Closed)));
    assert!(journal.fault().is_none());
}

fn two_checkpoints_are_kept<S: Subject>() {
    let subject = S::new();
    write(&subject, 30);
    for at in [5, 15, 25] {
        checkpoint(&subject, at, &[b"state"]);
    }
    let kept = subject.store().checkpoints().unwrap();
    assert_eq!(kept.iter().map(|info| info.start.get()).collect::<Vec<_>>(), [25, 15]);
    for info in &kept {
        assert_eq!(read_items(&subject, info).unwrap(), [b"state"]);
    }
    // A restart finds the same.
    assert_eq!(subject.crash(Unsynced::Dropped).store().checkpoints().unwrap(), kept);
}

fn a_dropped_checkpoint_leaves_nothing<S: Subject>() {
    let subject = S::new();
    write(&subject, 3);
    let mut writer = subject.store().begin_checkpoint(Lsn::new(2)).unwrap();
    writer.put(&[1; 10_000]).unwrap();
    drop(writer);
    assert_eq!(subject.store().checkpoints().unwrap(), []);
    checkpoint(&subject, 2, &[]);
    assert_eq!(subject.store().checkpoints().unwrap().len(), 1);
}

fn one_checkpoint_is_written_at_a_time<S: Subject>() {
    let subject = S::new();
    write(&subject, 3);
    let writer = subject.store().begin_checkpoint(Lsn::new(2)).unwrap();
    assert!(matches!(subject.store().begin_checkpoint(Lsn::new(3)), Err(StoreError::Misuse(_))));
    writer.commit(Lsn::new(2)).unwrap();
    checkpoint(&subject, 3, &[]);
}

fn a_checkpoint_ahead_of_the_journal_is_refused<S: Subject>() {
    let subject = S::new();
    write(&subject, 3);
    for (start, end) in [(2, 4), (5, 3)] {
        let writer = subject.store().begin_checkpoint(Lsn::new(start)).unwrap();
        assert!(matches!(writer.commit(Lsn::new(end)), Err(StoreError::Misuse(_))));
        assert_eq!(subject.store().checkpoints().unwrap(), []);
    }
    checkpoint(&subject, 4, &[]);
}

fn a_damaged_checkpoint_makes_way_for_the_older<S: Subject>() {
    let subject = S::new();
    write(&subject, 30);
    checkpoint(&subject, 5, &[b"older"]);
    checkpoint(&subject, 15, &[&[9; 1000]]);
    subject.damage_newest_checkpoint();
    let kept = subject.store().checkpoints().unwrap();
    assert!(matches!(read_items(&subject, &kept[0]), Err(RecoverError::Damage(_))));
    assert_eq!(read_items(&subject, &kept[1]).unwrap(), [b"older"]);
    // The next one pushes out the damaged one, not the good one.
    checkpoint(&subject, 25, &[b"newest"]);
    let kept = subject.store().checkpoints().unwrap();
    assert_eq!(kept.iter().map(|info| info.start.get()).collect::<Vec<_>>(), [25, 5]);
}

fn the_journal_behind_both_checkpoints_is_archived<S: Subject>() {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    for n in 0..400_usize {
        let lsn = put(&journal, &vec![n as u8; 1000]);
        journal.wait_durable_blocking(lsn).unwrap();
    }
    checkpoint(&subject, 301, &[]);
    assert_eq!(subject.archived(), 0, "one checkpoint alone may turn out to be damaged");
    checkpoint(&subject, 401, &[]);
    assert!(subject.archived() > 0);
    journal.append(b"after").unwrap();
    journal.close().unwrap();
    let again = subject.crash(Unsynced::Dropped);
    for from in [401, 301, 1] {
        let (tail, found) = recover_from(&*again.store(), Lsn::new(from));
        assert_eq!(tail.last, Lsn::new(401));
        assert_eq!(found.first().map(|(lsn, _)| lsn.get()), Some(from));
        assert_eq!(found.len() as u64, 402 - from);
    }
}

fn a_visitor_that_refuses_ends_the_recovery<S: Subject>() {
    let subject = S::new();
    write(&subject, 5);
    let again = subject.crash(Unsynced::Kept);
    let refuse = &mut |lsn: Lsn, _: &[u8]| if lsn.get() == 3 { Err(VisitError::new("not an event")) } else { Ok(()) };
    let error = again.store().recover(Lsn::FIRST, refuse, &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "lsn 3 cannot be taken: not an event");
}

fn commits_out_of_order_are_refused<S: Subject>() {
    let subject = S::new();
    let mut batch = Batch::new(Lsn::FIRST, tplus::journal::Epoch::new(1));
    batch.push(b"record");
    assert!(matches!(subject.store().commit(&batch), Err(StoreError::Misuse(_))), "before recovery");
    recover_from(&*subject.store(), Lsn::FIRST);
    subject.store().commit(&batch).unwrap();
    assert!(matches!(subject.store().commit(&batch), Err(StoreError::Misuse(_))), "twice");
}

fn tasks_wait_like_threads_do<S: Subject>() {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let waits: Vec<_> = (0..50).map(|_| wait_task(&journal, journal.append(b"record").unwrap())).collect();
        for wait in waits {
            wait.await.unwrap().unwrap();
        }
        subject.faults().fail(Half::Sync, 1);
        let wait = wait_task(&journal, journal.append(b"lost").unwrap());
        assert!(matches!(journal.faulted().await, JournalFault::Poisoned { durable, .. } if durable.get() == 50));
        assert!(wait.await.unwrap().is_err());
    });
}

fn wait_task(journal: &Journal, lsn: Lsn) -> tokio::task::JoinHandle<Result<(), JournalFault>> {
    let journal = journal.clone();
    tokio::spawn(async move { journal.wait_durable(lsn).await })
}

/// Appends records of a thousand bytes, which fill several segments, with a wait after every tenth.
fn fill(journal: &Journal, records: u64) {
    for n in 1..=records {
        let lsn = put(journal, &content(n));
        if n % 10 == 0 {
            journal.wait_durable_blocking(lsn).unwrap();
        }
    }
    journal.wait_durable_blocking(journal.last()).unwrap();
}

fn content(lsn: u64) -> Vec<u8> {
    [lsn.to_le_bytes().as_slice(), &[7; 1000]].concat()
}

fn contents(range: std::ops::RangeInclusive<u64>) -> Vec<(Lsn, Vec<u8>)> {
    range.map(|lsn| (Lsn::new(lsn), content(lsn))).collect()
}

const ALL: Lsn = Lsn::new(u64::MAX);

fn reading_hands_over_everything_in_order<S: Subject>() {
    let subject = S::new();
    let store = subject.store();
    assert_eq!(read_all(&*store, Lsn::FIRST, ALL), [], "before recovery");
    let (journal, _) = start(subject.store());
    assert_eq!(read_all(&*store, Lsn::FIRST, ALL), []);
    fill(&journal, 300);
    assert!(read_once(&*store, Lsn::FIRST, ALL).unwrap().0.len() < 300, "more than one segment");
    assert_eq!(read_all(&*store, Lsn::FIRST, ALL), contents(1..=300));
    assert_eq!(read_all(&*store, Lsn::ZERO, journal.durable()), contents(1..=300));
    journal.close().unwrap();
    let again = subject.crash(Unsynced::Dropped);
    let (journal, _) = start(again.store());
    assert_eq!(read_all(&*again.store(), Lsn::FIRST, journal.durable()), contents(1..=300));
}

fn reading_begins_and_ends_where_it_is_told<S: Subject>() {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    fill(&journal, 200);
    let store = subject.store();
    for from in [1, 2, 61, 64, 65, 66, 130, 199, 200] {
        for most in [1, 2, 63, 64, 65, 66, 131, 199, 200] {
            assert_eq!(read_all(&*store, Lsn::new(from), Lsn::new(most)), contents(from..=most), "{from} to {most}");
        }
    }
    for (from, most) in [(201, 200), (500, 200), (201, 600), (3, 2)] {
        assert_eq!(read_once(&*store, Lsn::new(from), Lsn::new(most)).unwrap(), (vec![], Lsn::new(from)));
    }
}

fn what_is_not_durable_is_not_read<S: Subject>() {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    fill(&journal, 5);
    for half in [Half::Write, Half::Sync] {
        let before = journal.durable().get();
        subject.faults().hold(half);
        let lsn = put(&journal, &content(before + 1));
        subject.faults().wait_held(half);
        assert_eq!(read_all(&*subject.store(), Lsn::new(2), ALL), contents(2..=before));
        assert_eq!(read_once(&*subject.store(), lsn, ALL).unwrap(), (vec![], lsn));
        subject.faults().release(half);
        journal.wait_durable_blocking(lsn).unwrap();
        assert_eq!(read_all(&*subject.store(), Lsn::new(2), ALL), contents(2..=lsn.get()));
    }
    subject.faults().fail(Half::Sync, 1);
    let lost = put(&journal, b"lost");
    assert!(journal.wait_durable_blocking(lost).is_err());
    assert_eq!(read_all(&*subject.store(), Lsn::FIRST, ALL), contents(1..=7), "also where it is poisoned");
}

fn reading_goes_on_beside_commits_and_archiving<S: Subject>() {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    let store = subject.store();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            fill(&journal, 1500);
            journal.close().unwrap();
        });
        scope.spawn(|| {
            let mut start = 1;
            while start <= 1400 {
                let durable = journal.durable().get();
                if durable < start + 100 {
                    journal.wait_durable_blocking(Lsn::new(start + 100)).unwrap();
                    continue;
                }
                start = durable;
                checkpoint_at(&*store, start);
            }
        });
        for _ in 0..2 {
            let mut found = Vec::new();
            while found.len() < 1500 {
                let from = Lsn::new(found.len() as u64 + 1);
                let most = journal.durable();
                journal.wait_durable_blocking(from).unwrap();
                let records = read_all(&*store, from, most);
                assert!(records.iter().all(|(lsn, _)| *lsn <= most));
                found.extend(records);
            }
            assert_eq!(found, contents(1..=1500));
        }
    });
    assert!(subject.archived() > 0);
}

fn what_was_archived_is_read_and_what_is_gone_is_missing<S: Subject>() {
    let subject = S::new();
    let (journal, _) = start(subject.store());
    fill(&journal, 400);
    let store = subject.store();
    checkpoint_at(&*store, 301);
    checkpoint_at(&*store, 401);
    assert!(subject.archived() > 0);
    assert_eq!(read_all(&*store, Lsn::FIRST, ALL), contents(1..=400));
    subject.drop_archive();
    let Err(RecoverError::Missing { wanted, oldest }) = read_once(&*store, Lsn::new(17), ALL) else { panic!() };
    assert!(wanted == Lsn::new(17) && wanted < oldest && oldest <= Lsn::new(301));
    assert_eq!(read_all(&*store, oldest, ALL), contents(oldest.get()..=400));
    assert!(matches!(read_once(&*store, oldest.previous(), ALL), Err(RecoverError::Missing { .. })));
}

fn a_visitor_that_refuses_ends_the_reading<S: Subject>() {
    let subject = S::new();
    write(&subject, 5);
    let refuse = &mut |lsn: Lsn, _: &[u8]| if lsn.get() == 3 { Err(VisitError::new("not an event")) } else { Ok(()) };
    let mut from = Lsn::FIRST;
    let error = loop {
        match subject.store().read(from, Lsn::new(5), refuse) {
            Ok(next) => from = next,
            Err(error) => break error,
        }
    };
    assert_eq!(error.to_string(), "lsn 3 cannot be taken: not an event");
}

/// Recovers and appends records until as many are durable.
fn write<S: Subject>(subject: &S, records: u8) -> Journal {
    let (journal, _) = start(subject.store());
    for n in 0..records {
        put(&journal, &[n]);
    }
    journal.wait_durable_blocking(journal.last()).unwrap();
    journal
}

fn checkpoint<S: Subject>(subject: &S, start: u64, items: &[&[u8]]) {
    let mut writer = subject.store().begin_checkpoint(Lsn::new(start)).unwrap();
    for item in items {
        writer.put(item).unwrap();
    }
    writer.commit(Lsn::new(start).previous()).unwrap();
}

fn read_items<S: Subject>(subject: &S, info: &CheckpointInfo) -> Result<Vec<Vec<u8>>, RecoverError> {
    let mut items = Vec::new();
    subject.store().read_checkpoint(info, &mut |item| {
        items.push(item.to_vec());
        Ok(())
    })?;
    Ok(items)
}

#[test]
fn a_frame_on_its_way_into_the_file_does_not_disturb_a_reading() {
    let subject = Files::new();
    let (journal, _) = start(subject.store());
    fill(&journal, 100);
    // Half a sector, where the next frame goes.
    let path = journal::files(subject.dir.path(), "journal", ".seg").pop().unwrap();
    let (offset, sectors, _) = *journal::frames(&std::fs::read(&path).unwrap()).last().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[1; journal::SECTOR / 2], (offset + sectors * journal::SECTOR) as u64).unwrap();
    assert_eq!(read_all(&*subject.store(), Lsn::FIRST, journal.durable()), contents(1..=100));
}

/// A store whose commits panic; everything else is the inner one's.
struct Panics(MemoryStore);

impl Store for Panics {
    fn recover(
        &self,
        from: Lsn,
        visit: &mut VisitRecord<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tail, RecoverError> {
        self.0.recover(from, visit, progress)
    }
    fn commit(&self, _: &Batch) -> Result<CommitTimes, StoreError> {
        panic!("as the test wants it");
    }
    fn read(&self, from: Lsn, most: Lsn, visit: &mut VisitRecord<'_>) -> Result<Lsn, RecoverError> {
        self.0.read(from, most, visit)
    }
    fn room(&self) -> u64 {
        self.0.room()
    }
    fn cost(&self, len: usize) -> u64 {
        self.0.cost(len)
    }
    fn max_record(&self) -> usize {
        self.0.max_record()
    }
    fn watch_room(&self, watcher: RoomWatcher) {
        self.0.watch_room(watcher);
    }
    fn begin_checkpoint(&self, start: Lsn) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        self.0.begin_checkpoint(start)
    }
    fn checkpoints(&self) -> Result<Vec<CheckpointInfo>, StoreError> {
        self.0.checkpoints()
    }
    fn read_checkpoint(&self, info: &CheckpointInfo, visit: &mut VisitItem<'_>) -> Result<(), RecoverError> {
        self.0.read_checkpoint(info, visit)
    }
}

#[test]
fn a_batch_on_its_way_takes_its_room_once() {
    let store = MemoryStore::new();
    let (journal, _) = start(Arc::new(store.clone()));
    store.set_room(Some(1_000));
    store.faults().hold(Half::Sync);
    journal.append(&[1; 400]).unwrap();
    // The store has taken it from its room by now.
    store.faults().wait_held(Half::Sync);
    assert!(store.room() < 600);
    let second = journal.append(&[2; 400]).unwrap();
    assert!(matches!(journal.append(&[3; 400]), Err(AppendError::NoRoom)));
    store.faults().release(Half::Sync);
    journal.wait_durable_blocking(second).unwrap();
}

#[test]
fn a_store_that_panics_poisons_and_leaves_nobody_waiting() {
    let (journal, _) = start(Arc::new(Panics(MemoryStore::new())));
    let lsn = journal.append(b"record").unwrap();
    assert!(matches!(journal.wait_durable_blocking(lsn), Err(JournalFault::Poisoned { .. })));
    assert!(journal.close().is_err());
}

#[test]
fn dropping_the_last_handle_drains_and_frees_the_store() {
    let subject = Files::new();
    let (journal, _) = start(subject.store());
    let other = journal.clone();
    drop(journal);
    other.append(b"record").unwrap();
    drop(other);
    assert_eq!(Arc::strong_count(&subject.store), 1);
    assert_eq!(start(subject.crash(Unsynced::Dropped).store()).1.len(), 1);
}
