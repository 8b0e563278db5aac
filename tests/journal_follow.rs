//! Following the journal: exactly what is durable, once, in order, wherever it is taken from.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says so by failing")]

mod journal;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use journal::{Files, Records, Subject, checkpoint_at, put, start_with};
use tplus::journal::{
    Batch, CheckpointInfo, CheckpointWriter, CommitTimes, FollowError, Follower, Half, Journal, JournalFault, Lsn,
    MemoryStore, Observer, Options, Progress, RecoverError, RoomWatcher, Run, Store, StoreError, Tail, VisitError,
    VisitItem, VisitRecord,
};

/// Every function named here is a test with every store.
macro_rules! following {
    ($($name:ident),* $(,)?) => {
        mod files { $(#[test] fn $name() { super::$name::<super::Files>(); })* }
        mod memory { $(#[test] fn $name() { super::$name::<super::MemoryStore>(); })* }
    };
}

following!(
    everything_comes_once_and_in_order_while_threads_append,
    so_it_does_with_a_ring_of_nothing,
    so_it_does_with_a_small_ring,
    followers_do_not_mind_each_other,
    it_begins_where_it_is_told,
    only_what_is_durable_is_handed_over,
    a_run_has_the_size_that_is_asked_for,
    who_fell_behind_catches_up,
    a_poisoned_journal_is_followed_to_what_is_durable,
    a_closed_journal_is_followed_to_its_end,
    dropping_the_journal_ends_the_wait,
    followers_come_and_go_beside_commits,
    what_is_gone_is_missing,
);

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);
const NOW: Duration = Duration::ZERO;
const DEFAULT: usize = 64 << 20;

fn open<S: Subject>(subject: &S, follow_bytes: usize) -> Journal {
    start_with(subject.store(), Options { follow_bytes, ..Options::default() }).0
}

/// Adds a run to what was found, and checks that it goes on there.
fn add(found: &mut Records, run: &Run) {
    let mut expected = found.last().map_or(run.first(), |(lsn, _)| lsn.next());
    assert_eq!(run.first(), expected);
    for (lsn, record) in run.records() {
        assert_eq!(lsn, expected);
        found.push((lsn, record.to_vec()));
        expected = lsn.next();
    }
    assert_eq!(run.next(), expected);
}

/// Follows until `last` was handed over.
fn follow_to(follower: &mut Follower, last: u64, most_bytes: usize) -> Records {
    let mut found = Records::new();
    while follower.position() <= Lsn::new(last) {
        let run = follower.next(most_bytes, LONG).unwrap();
        assert!(!run.is_empty(), "a minute without a record");
        add(&mut found, &run);
    }
    found
}

/// Follows until there is an end.
fn follow_to_end(follower: &mut Follower) -> (Records, JournalFault) {
    let mut found = Records::new();
    loop {
        match follower.next(300, LONG) {
            Ok(run) => add(&mut found, &run),
            Err(FollowError::Ended(fault)) => return (found, fault),
            Err(error) => panic!("{error}"),
        }
    }
}

fn everything_comes_once_and_in_order_while_threads_append<S: Subject>() {
    appended_and_followed::<S>(DEFAULT, 1000);
}

fn so_it_does_with_a_ring_of_nothing<S: Subject>() {
    appended_and_followed::<S>(0, 1000);
}

fn so_it_does_with_a_small_ring<S: Subject>() {
    appended_and_followed::<S>(3000, 150);
}

fn appended_and_followed<S: Subject>(follow_bytes: usize, most_bytes: usize) {
    const THREADS: u8 = 3;
    const EACH: u64 = 400;
    let subject = S::new();
    let journal = open(&subject, follow_bytes);
    let mut follower = journal.follow(Lsn::FIRST);
    let found = thread::scope(|scope| {
        for thread in 0..THREADS {
            let journal = journal.clone();
            scope.spawn(move || {
                for n in 0..EACH {
                    let record = [&[thread], n.to_le_bytes().as_slice(), &vec![thread; n as usize % 300]].concat();
                    let lsn = put(&journal, &record);
                    if n % 16 == 0 {
                        journal.wait_durable_blocking(lsn).unwrap();
                    }
                }
            });
        }
        let last = u64::from(THREADS) * EACH;
        let found = follow_to(&mut follower, last, most_bytes);
        assert_eq!((found[0].0, found.len() as u64), (Lsn::FIRST, last));
        found
    });
    assert!(follower.next(most_bytes, NOW).unwrap().is_empty());
    for thread in 0..THREADS {
        let of_thread = found.iter().filter(|(_, record)| record[0] == thread);
        let order: Vec<u64> = of_thread.map(|(_, r)| u64::from_le_bytes(r[1..9].try_into().unwrap())).collect();
        assert_eq!(order, (0..EACH).collect::<Vec<_>>());
    }
    assert_eq!(found, journal::read_all(&*subject.store(), Lsn::FIRST, journal.durable()));
}

fn followers_do_not_mind_each_other<S: Subject>() {
    let subject = S::new();
    let journal = open(&subject, 5000);
    let followers: Vec<_> = (0..4).map(|_| journal.follow(Lsn::FIRST)).collect();
    let all: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = followers
            .into_iter()
            .zip([1, 100, 1000, 100_000])
            .map(|(mut follower, most_bytes)| scope.spawn(move || follow_to(&mut follower, 500, most_bytes)))
            .collect();
        for n in 0..500_usize {
            put(&journal, &vec![n as u8; n % 200]);
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for found in &all {
        assert_eq!((found.len(), found), (500, &all[0]));
    }
}

fn it_begins_where_it_is_told<S: Subject>() {
    let subject = S::new();
    let journal = open(&subject, DEFAULT);
    for n in 0..100 {
        put(&journal, &[n]);
    }
    journal.wait_durable_blocking(Lsn::new(100)).unwrap();
    for from in [0, 1, 2, 50, 100] {
        let mut follower = journal.follow(Lsn::new(from));
        let found = follow_to(&mut follower, 100, 40);
        assert_eq!(found.iter().map(|(lsn, _)| lsn.get()).collect::<Vec<_>>(), (from.max(1)..=100).collect::<Vec<_>>());
    }
    let mut ahead = journal.follow(Lsn::new(103));
    for n in 101..=105 {
        assert!(ahead.next(100, NOW).unwrap().is_empty());
        let lsn = put(&journal, &[n]);
        journal.wait_durable_blocking(lsn).unwrap();
        if n == 102 {
            assert!(ahead.next(100, Duration::from_millis(5)).unwrap().is_empty());
            assert_eq!(ahead.position(), Lsn::new(103));
        }
        if n >= 103 {
            assert_eq!(follow_to(&mut ahead, lsn.get(), 100), [(lsn, vec![n])]);
        }
    }
}

fn only_what_is_durable_is_handed_over<S: Subject>() {
    let subject = S::new();
    let journal = open(&subject, DEFAULT);
    let mut follower = journal.follow(Lsn::FIRST);
    for half in [Half::Write, Half::Sync] {
        subject.faults().hold(half);
        let lsn = put(&journal, b"on its way");
        subject.faults().wait_held(half);
        let started = Instant::now();
        let run = follower.next(100, Duration::from_millis(20)).unwrap();
        assert!(run.is_empty() && run.first() == lsn && started.elapsed() >= Duration::from_millis(20));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| follower.next(100, LONG).unwrap());
            subject.faults().release(half);
            let run = waiting.join().unwrap();
            assert_eq!((run.first(), run.len(), run.record_bytes()), (lsn, 1, 10));
        });
    }
}

fn a_run_has_the_size_that_is_asked_for<S: Subject>() {
    let subject = S::new();
    let journal = open(&subject, DEFAULT);
    // Together in one batch, behind the first.
    subject.faults().hold(Half::Sync);
    put(&journal, &[0; 6]);
    subject.faults().wait_held(Half::Sync);
    let mut follower = journal.follow(Lsn::FIRST);
    for len in [6, 6, 50, 6, 6, 6] {
        put(&journal, &vec![0; len]);
    }
    subject.faults().release(Half::Sync);
    journal.wait_durable_blocking(Lsn::new(7)).unwrap();
    let mut sizes = Vec::new();
    while follower.position() <= Lsn::new(7) {
        sizes.push(follower.next(25, LONG).unwrap().record_bytes());
    }
    // Runs end where the ring has no more yet, but no run is larger than it may be, except for one record alone.
    assert_eq!(sizes.iter().sum::<usize>(), 86);
    assert!(sizes.contains(&50) && sizes.iter().all(|size| [6, 12, 50].contains(size)), "{sizes:?}");
    let mut again = journal.follow(Lsn::FIRST);
    assert_eq!(follow_to(&mut again, 7, 0).len(), 7, "one at a time");
}

fn who_fell_behind_catches_up<S: Subject>() {
    let subject = S::new();
    let journal = open(&subject, 4000);
    let mut follower = journal.follow(Lsn::FIRST);
    let mut found = Records::new();
    for round in 0..5 {
        for n in 0..100 {
            let lsn = put(&journal, &[n; 700]);
            if n % 3 == round % 3 {
                journal.wait_durable_blocking(lsn).unwrap();
            }
        }
        journal.wait_durable_blocking(journal.last()).unwrap();
        add(&mut found, &follower.next(10_000, LONG).unwrap());
    }
    for (lsn, record) in follow_to(&mut follower, 500, 10_000) {
        assert_eq!(found.last().unwrap().0.next(), lsn);
        found.push((lsn, record));
    }
    assert_eq!(found, journal::read_all(&*subject.store(), Lsn::FIRST, Lsn::new(500)));
}

fn a_poisoned_journal_is_followed_to_what_is_durable<S: Subject>() {
    for follow_bytes in [0, DEFAULT] {
        let subject = S::new();
        let journal = open(&subject, follow_bytes);
        let mut follower = journal.follow(Lsn::FIRST);
        for n in 0..20 {
            put(&journal, &[n; 100]);
        }
        journal.wait_durable_blocking(Lsn::new(20)).unwrap();
        subject.faults().fail(Half::Sync, 1);
        put(&journal, b"lost");
        assert!(journal.wait_durable_blocking(Lsn::new(21)).is_err());
        let mut late = journal.follow(Lsn::new(11));
        let (found, fault) = follow_to_end(&mut follower);
        assert_eq!(found.len(), 20);
        assert!(matches!(fault, JournalFault::Poisoned { durable, .. } if durable == Lsn::new(20)));
        assert!(matches!(follower.next(1, NOW), Err(FollowError::Ended(JournalFault::Poisoned { .. }))), "again");
        assert_eq!(follow_to_end(&mut late).0.len(), 10, "also who comes after the fault");
    }
}

fn a_closed_journal_is_followed_to_its_end<S: Subject>() {
    let subject = S::new();
    let journal = open(&subject, DEFAULT);
    let mut follower = journal.follow(Lsn::FIRST);
    let ended = thread::scope(|scope| {
        let following = scope.spawn(|| follow_to_end(&mut follower));
        for n in 0..200 {
            put(&journal, &[n; 50]);
        }
        journal.close().unwrap();
        following.join().unwrap()
    });
    assert!(ended.0.len() == 200 && matches!(ended.1, JournalFault::Closed));
    let (found, fault) = follow_to_end(&mut journal.follow(Lsn::new(100)));
    assert!(found.len() == 101 && matches!(fault, JournalFault::Closed));
}

fn dropping_the_journal_ends_the_wait<S: Subject>() {
    let subject = S::new();
    let journal = open(&subject, DEFAULT);
    let mut follower = journal.follow(Lsn::FIRST);
    let following = thread::spawn(move || follow_to_end(&mut follower));
    journal.append(b"record").unwrap();
    drop(journal);
    let (found, fault) = following.join().unwrap();
    assert!(found.len() == 1 && matches!(fault, JournalFault::Closed));
}

fn followers_come_and_go_beside_commits<S: Subject>() {
    const LAST: u64 = 2000;
    let subject = S::new();
    let journal = open(&subject, 2000);
    let begin = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                begin.wait();
                let mut next = Lsn::FIRST;
                while next <= Lsn::new(LAST) {
                    // Each enters and leaves the ring: the first and the last follower again and again.
                    let mut follower = journal.follow(next);
                    for _ in 0..3 {
                        let run = follower.next(700, LONG).unwrap();
                        assert_eq!(run.first(), next);
                        for (lsn, record) in run.records() {
                            assert_eq!((lsn, record), (next, next.get().to_le_bytes().as_slice()));
                            next = lsn.next();
                        }
                        if next > Lsn::new(LAST) {
                            break;
                        }
                    }
                }
            });
        }
        begin.wait();
        for n in 1..=LAST {
            let lsn = put(&journal, &n.to_le_bytes());
            if n % 8 == 0 {
                journal.wait_durable_blocking(lsn).unwrap();
            }
        }
    });
}

fn what_is_gone_is_missing<S: Subject>() {
    let subject = S::new();
    let journal = open(&subject, 0);
    for _ in 0..200 {
        let lsn = put(&journal, &[1; 1000]);
        journal.wait_durable_blocking(lsn).unwrap();
    }
    checkpoint_at(&*subject.store(), 151);
    checkpoint_at(&*subject.store(), 201);
    let mut follower = journal.follow(Lsn::FIRST);
    subject.drop_archive();
    let Err(FollowError::Read(RecoverError::Missing { wanted, oldest })) = follower.next(1000, LONG) else { panic!() };
    assert_eq!((wanted, follower.position()), (Lsn::FIRST, Lsn::FIRST));
    assert_eq!(follow_to(&mut journal.follow(oldest), 200, 5000).len() as u64, 201 - oldest.get());
}

/// Counts readings, and makes the next one fail or stop short; everything else is the inner one's.
struct Readings {
    inner: MemoryStore,
    count: AtomicUsize,
    fail: AtomicBool,
    skip: AtomicBool,
}

impl Readings {
    fn new() -> Arc<Readings> {
        let [fail, skip] = [AtomicBool::new(false), AtomicBool::new(false)];
        Arc::new(Readings { inner: MemoryStore::new(), count: AtomicUsize::new(0), fail, skip })
    }
}

impl Store for Readings {
    fn recover(
        &self,
        from: Lsn,
        visit: &mut VisitRecord<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Tail, RecoverError> {
        self.inner.recover(from, visit, progress)
    }
    fn commit(&self, batch: &Batch) -> Result<CommitTimes, StoreError> {
        self.inner.commit(batch)
    }
    fn read(&self, from: Lsn, most: Lsn, visit: &mut VisitRecord<'_>) -> Result<Lsn, RecoverError> {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.fail.swap(false, Ordering::Relaxed) {
            return Err(RecoverError::Visit { lsn: from, source: VisitError::new("as the test wants it") });
        }
        let skip = u64::from(self.skip.swap(false, Ordering::Relaxed));
        self.inner.read(from.after(skip), most, visit)
    }
    fn room(&self) -> u64 {
        self.inner.room()
    }
    fn cost(&self, len: usize) -> u64 {
        self.inner.cost(len)
    }
    fn max_record(&self) -> usize {
        self.inner.max_record()
    }
    fn watch_room(&self, watcher: RoomWatcher) {
        self.inner.watch_room(watcher);
    }
    fn begin_checkpoint(&self, start: Lsn) -> Result<Box<dyn CheckpointWriter>, StoreError> {
        self.inner.begin_checkpoint(start)
    }
    fn checkpoints(&self) -> Result<Vec<CheckpointInfo>, StoreError> {
        self.inner.checkpoints()
    }
    fn read_checkpoint(&self, info: &CheckpointInfo, visit: &mut VisitItem<'_>) -> Result<(), RecoverError> {
        self.inner.read_checkpoint(info, visit)
    }
}

#[test]
fn who_keeps_up_never_reads_the_store() {
    let store = Readings::new();
    let (journal, _) = start_with(store.clone(), Options::default());
    let mut follower = journal.follow(Lsn::FIRST);
    for n in 1..=100 {
        put(&journal, &[n]);
        if n % 10 == 0 {
            follow_to(&mut follower, n.into(), 100);
        }
    }
    assert_eq!(store.count.load(Ordering::Relaxed), 0);
    // And who comes late reads what went before, no more.
    let mut late = journal.follow(Lsn::FIRST);
    follow_to(&mut late, 100, 1000);
    assert_eq!(store.count.load(Ordering::Relaxed), 0, "the other one has kept it in the ring");
    drop((follower, late));
    follow_to(&mut journal.follow(Lsn::FIRST), 100, 1000);
    assert!(store.count.load(Ordering::Relaxed) > 0, "the last one has left, and the ring with it");
}

#[test]
fn a_failed_reading_loses_nothing() {
    let store = Readings::new();
    let (journal, _) = start_with(store.clone(), Options { follow_bytes: 0, ..Options::default() });
    for n in 0..50 {
        let lsn = put(&journal, &[n]);
        journal.wait_durable_blocking(lsn).unwrap();
    }
    let mut follower = journal.follow(Lsn::FIRST);
    let mut found = Records::new();
    while follower.position() <= Lsn::new(50) {
        let place = found.len();
        store.fail.store(place % 4 == 1, Ordering::Relaxed);
        store.skip.store(place % 4 == 2, Ordering::Relaxed);
        match follower.next(100, LONG) {
            Ok(run) => add(&mut found, &run),
            Err(error) => assert!(matches!(error, FollowError::Read(_)), "{error}"),
        }
        // What was to go wrong has gone wrong; now it goes on.
        add(&mut found, &follower.next(100, NOW).unwrap());
    }
    assert_eq!(found.len(), 50);
}

/// Panics once a batch is durable.
struct PanicsLater;

impl Observer for PanicsLater {
    fn batch_committed(&self, _records: usize, _bytes: usize, _write: Duration, _sync: Duration) {
        panic!("as the test wants it");
    }
}

#[test]
fn a_committer_that_panics_is_followed_to_what_is_durable() {
    let options = Options { observer: Arc::new(PanicsLater), ..Options::default() };
    let (journal, _) = start_with(Arc::new(MemoryStore::new()), options);
    let mut follower = journal.follow(Lsn::FIRST);
    journal.append(b"record").unwrap();
    let (found, fault) = follow_to_end(&mut follower);
    assert!(found.len() == 1 && matches!(fault, JournalFault::Poisoned { .. }));
}
