//! Stops, kills, damage, and journals that are not its own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    super::{
        Clock, Entry, History, HistoryError, Options, Order, Position, Wanted, ids,
        keys::{self, Tree},
        manifest,
        trees::Trees,
    },
    append, caught_up, filled, filled_by, journal_of, open_journal, options, wait,
    world::World,
};
use crate::{
    codec::Fingerprint,
    domain::Timestamp,
    journal::{FileOptions, FileStore, Journal, Lsn, MemoryStore, NewDirectory},
};

/// Everything that is known and told, as text.
fn rows(history: &History, world: &World) -> String {
    let reader = history.reader();
    let mut all = vec![format!("{:?}", reader.applied())];
    let merchants = reader.merchants(None, usize::MAX).unwrap();
    for id in &merchants {
        reader
            .facts(id, &mut |entry: &Entry| {
                all.push(format!("{entry:?}"));
                true
            })
            .unwrap();
        all.push(format!("{:?}", reader.releases(id, Order::OldestFirst, None, usize::MAX).unwrap()));
        all.push(format!("{:?}", reader.as_of(id, Clock::Recorded, Timestamp::MAX).unwrap()));
        all.push(format!("{:?}", reader.orders(id, None, None, Order::OldestFirst, None, usize::MAX).unwrap()));
    }
    let day = world.timeline.day_of(world.now);
    all.push(format!("{:?}", reader.day(Clock::Effective, day).unwrap()));
    all.push(format!("{:?}", reader.quick_settled(day.minus(500), None).unwrap()));
    all.push(format!("{:?}", reader.events(Position::START, &Wanted::default(), usize::MAX).unwrap()));
    all.join("\n")
}

fn check(history: &History, world: &World) {
    for (fingerprint, known) in &world.known {
        assert_eq!(history.known(*fingerprint).unwrap().as_ref(), Some(known));
    }
    assert_eq!(history.known(Fingerprint::new(1)).unwrap(), None);
    let mut all = 0;
    history
        .fingerprints(&mut |fingerprint| {
            assert!(world.known.contains_key(&fingerprint));
            all += 1;
        })
        .unwrap();
    assert_eq!(all, world.known.len());
    let stats = history.stats();
    assert_eq!((stats.applied, stats.facts), (world.last(), world.notes.len() as u64));
    assert_eq!((stats.merchants, stats.failed, stats.stuck), (world.merchants.len() as u64, None, None));
}

/// A journal in memory, a world that goes on, and a folder.
fn begin(seed: u64, steps: usize) -> (tempfile::TempDir, World, Journal) {
    let world = World::after(seed, steps);
    let journal = journal_of(&world);
    (tempfile::tempdir().unwrap(), world, journal)
}

fn go_on(world: &mut World, journal: &Journal, steps: usize) {
    let before = world.records.len();
    (0..steps).for_each(|_| world.step());
    append(journal, &world.records[before..]);
}

#[test]
fn it_follows_what_is_recorded_and_makes_it_durable() {
    let (dir, mut world, journal) = begin(31, 300);
    let history = filled(dir.path(), &journal);
    check(&history, &world);
    go_on(&mut world, &journal, 500);
    caught_up(&history, &journal);
    check(&history, &world);
    until(|| history.durable() == world.last());
}

#[test]
fn what_is_not_there_yet_is_waited_for_no_longer_than_patience_lasts() {
    let (dir, world, journal) = begin(33, 50);
    let history = filled(dir.path(), &journal);
    let behind = wait(history.caught_up(world.last().next(), Duration::from_millis(20)));
    assert_eq!(behind, Err(HistoryError::Behind { applied: world.last(), wanted: world.last().next() }));
    let too_far = History::open(options(&dir.path().join("other"))).unwrap().start(&journal, world.last().next());
    assert!(matches!(too_far, Err(HistoryError::Behind { .. })), "{too_far:?}");
}

#[test]
fn a_reader_does_not_see_what_comes_after_it() {
    let (dir, mut world, journal) = begin(35, 200);
    let history = filled(dir.path(), &journal);
    let (reader, before) = (history.reader(), world.last());
    let day = world.timeline.day_of(world.now);
    let sums = reader.day(Clock::Recorded, day).unwrap();
    go_on(&mut world, &journal, 200);
    caught_up(&history, &journal);
    assert_eq!((reader.applied(), reader.day(Clock::Recorded, day).unwrap()), (before, sums));
    assert_eq!(reader.events(Position::end_of(before), &Wanted::default(), 9).unwrap().items, []);
    assert_eq!(history.reader().applied(), world.last());
}

#[test]
fn it_goes_on_after_a_stop_and_after_a_kill() {
    let (dir, mut world, journal) = begin(37, 300);
    for round in 0..4 {
        let history = filled(dir.path(), &journal);
        check(&history, &world);
        if round % 2 == 0 {
            history.stop();
            assert_eq!(history.durable(), world.last());
        }
        drop(history);
        go_on(&mut world, &journal, 300);
    }
    assert_eq!(rows(&filled(dir.path(), &journal), &world), rows(&filled(&dir.path().join("new"), &journal), &world));
}

#[test]
fn it_ends_with_the_journal_and_can_still_be_read() {
    let (dir, world, journal) = begin(39, 100);
    let history = filled(dir.path(), &journal);
    journal.close().unwrap();
    history.stop();
    history.stop();
    check(&history, &world);
}

#[test]
fn batches_of_any_size_make_the_same_rows() {
    let (dir, world, journal) = begin(41, 800);
    let sizes = [1, 900, 60_000, 4 << 20].map(|batch_bytes| {
        let place = dir.path().join(batch_bytes.to_string());
        let history = History::open(Options { batch_bytes, cached_merchants: 1, ..options(&place) }).unwrap();
        history.start(&journal, journal.durable()).unwrap();
        rows(&history, &world)
    });
    assert!(sizes.iter().all(|rows| *rows == sizes[0]));
}

#[test]
fn the_history_of_another_directory_is_built_anew() {
    let (dir, world, journal) = begin(43, 200);
    filled(dir.path(), &journal).stop();
    let other = World::after(44, 100);
    let history = History::open(Options { directory_id: [2; 16], ..options(dir.path()) }).unwrap();
    assert_eq!(history.applied(), Lsn::ZERO);
    let journal = journal_of(&other);
    history.start(&journal, journal.durable()).unwrap();
    check(&history, &other);
    assert_ne!(world.last(), other.last());
}

#[test]
fn a_history_that_is_ahead_of_its_journal_is_built_anew() {
    let (dir, mut world, journal) = begin(45, 200);
    let (earlier, restored) = (world.records.clone(), open_journal(MemoryStore::new()));
    append(&restored, &earlier[..earlier.len() / 2]);
    filled(dir.path(), &journal).stop();
    let history = filled(dir.path(), &restored);
    assert_eq!(history.applied(), restored.durable());
    history.stop();
    // The journal went another way since, and is as long as it was.
    drop(history);
    go_on(&mut world, &journal, 50);
    filled(dir.path(), &journal).stop();
    let other = World::after(46, 800);
    assert!(other.last() > world.last());
    let journal = journal_of(&other);
    check(&filled(dir.path(), &journal), &other);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![dir.to_owned()], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// Whether everything can be read, and is as it was. Damage may be met, and nothing else.
fn is_whole(history: &History, world: &World) -> bool {
    let mut whole = true;
    let mut read = |outcome: Result<bool, HistoryError>| match outcome {
        Ok(same) => assert!(same, "a read answers something else"),
        Err(HistoryError::Damaged(_)) => whole = false,
        Err(error) => panic!("{error}"),
    };
    for (fingerprint, known) in &world.known {
        read(history.known(*fingerprint).map(|found| found.as_ref() == Some(known)));
    }
    let reader = history.reader();
    for noted in &world.notes {
        let (id, number) = (&noted.entry.merchant, noted.entry.number);
        read(reader.entry(id, number).map(|entry| entry.as_ref() == Some(&noted.entry)));
    }
    whole
}

#[test]
fn damage_in_any_file_is_noticed_or_does_no_harm() {
    let (dir, world, journal) = begin(47, 300);
    let history = filled(dir.path(), &journal);
    history.owner.shared.trees().unwrap().write_out();
    history.stop();
    drop(history);
    let whole = dir.path().join("whole");
    fs::rename(dir.path().join("history"), &whole).unwrap();
    let mut noticed = 0;
    for (at, file) in files(&whole).into_iter().enumerate() {
        // Rows lie in tables; of the other files every third will do.
        let rows = file.components().any(|part| part.as_os_str() == "tables");
        if !rows && at % 3 != 0 {
            continue;
        }
        let place = dir.path().join(at.to_string());
        copy(&whole, &place.join("history"));
        let target = place.join("history").join(file.strip_prefix(&whole).unwrap());
        let mut bytes = fs::read(&target).unwrap();
        let place_of_damage = bytes.len() / 8;
        if at % 2 == 0 && !rows {
            bytes.truncate(place_of_damage);
        } else {
            bytes.iter_mut().skip(place_of_damage).take(1).for_each(|byte| *byte ^= 0x55);
        }
        fs::write(&target, bytes).unwrap();
        let opened = History::open(options(&place)).and_then(|history| {
            history.start(&journal, journal.durable())?;
            Ok(history)
        });
        if !opened.is_ok_and(|history| is_whole(&history, &world)) {
            noticed += 1;
            check(&filled(&place, &journal), &world);
        }
        fs::remove_dir_all(&place).unwrap();
    }
    assert!(noticed > 0, "no file with rows was damaged");
}

/// The store would end the process over it.
#[test]
fn a_manifest_that_is_not_as_it_was_written_costs_the_history_only() {
    let (dir, world, journal) = begin(48, 50);
    filled(dir.path(), &journal).stop();
    let database = dir.path().join("history/db");
    manifest::check(&database).unwrap();
    let tree = database.join("keyspaces/1");
    let current = tree.join("current");
    let manifest = tree.join(format!("v{}", fs::read(&current).unwrap()[0]));
    for file in [current, manifest] {
        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x20;
            fs::write(&file, bytes).unwrap();
            assert!(matches!(manifest::check(&database), Err(HistoryError::Damaged(_))), "{at} of {}", file.display());
        }
        for len in 0..whole.len() {
            fs::write(&file, &whole[..len]).unwrap();
            assert!(matches!(manifest::check(&database), Err(HistoryError::Damaged(_))), "{len} of {}", file.display());
        }
    }
    check(&filled(dir.path(), &journal), &world);
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

/// Options with which everything goes through the store's journal, of which holes are to be feared.
fn journaled(dir: &Path) -> Options {
    Options { many_bytes: usize::MAX, ..options(dir) }
}

/// Takes away the last row between two keys.
fn remove_last(trees: &Trees, first: &[u8], last: &[u8]) {
    let key = trees.rows.range(first..=last).next_back().unwrap().key().unwrap();
    trees.rows.remove(key).unwrap();
}

/// Takes away the row in which an id lies.
fn remove_id(trees: &Trees, fingerprint: Fingerprint) {
    for row in trees.rows.range([Tree::Ids as u8]..=[Tree::Ids as u8 + 1]) {
        let (key, row) = row.into_inner().unwrap();
        if ids::read(&row).unwrap().iter().any(|id| ids::fingerprint(id) == fingerprint) {
            trees.rows.remove(key).unwrap();
        }
    }
}

#[test]
fn a_hole_at_the_end_is_noticed() {
    let (dir, world, journal) = begin(49, 300);
    for hole in 0..4 {
        let history = filled_by(journaled(dir.path()), &journal);
        let trees = history.owner.shared.trees().unwrap();
        let noted = &world.notes[world.notes.len() - 20].entry;
        let of = trees.rows.get(keys::merchant(noted.merchant.as_str())).unwrap().unwrap();
        let of = u32::from_be_bytes((*of).try_into().unwrap());
        match hole {
            0 => remove_last(&trees, &keys::events(Lsn::ZERO), &keys::events(noted.lsn)),
            1 => remove_last(&trees, &keys::entries(of, 1), &keys::entries(of, noted.number)),
            2 => trees.rows.remove(keys::name(of)).unwrap(),
            _ => {
                let key = noted.event.fact.key().map(|key| Fingerprint::of(super::KEY, &noted.merchant, key));
                let any = world.known.keys().next().copied().unwrap();
                remove_id(&trees, key.unwrap_or(any));
            }
        }
        drop((trees, history));
        let history = History::open(journaled(dir.path())).unwrap();
        assert_eq!(history.applied(), Lsn::ZERO, "hole {hole} is not noticed");
        drop(history);
    }
    check(&filled(dir.path(), &journal), &world);
}

/// Kills it at every place of some writes, of both kinds: whatever the files hold then has to lead to the same history.
#[test]
fn a_kill_between_any_two_trees_does_no_harm() {
    let (dir, mut world, journal) = begin(61, 150);
    let history = filled(dir.path(), &journal);
    let (place, kept) = (dir.path().to_owned(), std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    let count = std::sync::Arc::clone(&kept);
    history.owner.shared.on_pass(move || {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        copy(&place.join("history"), &place.join(format!("kill-{number}/history")));
    });
    for _ in 0..6 {
        go_on(&mut world, &journal, 30);
        caught_up(&history, &journal);
    }
    history.owner.shared.on_pass(|| ());
    let whole = rows(&history, &world);
    let kills = kept.load(std::sync::atomic::Ordering::SeqCst);
    let mut as_it_was = 0;
    for number in 0..kills {
        let place = dir.path().join(format!("kill-{number}"));
        let history = History::open(options(&place)).unwrap();
        as_it_was += usize::from(history.applied() > Lsn::ZERO);
        history.start(&journal, journal.durable()).unwrap();
        assert_eq!(rows(&history, &world), whole, "kill {number}");
        check(&history, &world);
    }
    // A copy is not made at once, so tables may be gone that were merged meanwhile: such a history is built anew.
    assert!(kills > 40 && as_it_was > kills / 2, "{as_it_was} of {kills} went on from where they were");
}

/// A history whose writes fail, and everything that its journal holds beyond.
fn stuck(dir: &Path, world: &mut World, journal: &Journal) -> History {
    let history = filled_by(journaled(dir), journal);
    until(|| history.durable() == world.last());
    history.owner.shared.fail_writes(true);
    go_on(world, journal, 100);
    until(|| history.stats().stuck.is_some());
    assert!(history.reader().merchants(None, 9).is_ok(), "it can be read");
    history
}

fn until(holds: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not happen");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_write_that_fails_is_tried_again_once_there_is_room() {
    let (dir, mut world, journal) = begin(51, 100);
    let history = stuck(dir.path(), &mut world, &journal);
    history.owner.shared.fail_writes(false);
    caught_up(&history, &journal);
    check(&history, &world);
}

#[test]
fn what_was_durable_is_never_taken_for_unknown() {
    let (dir, mut world, journal) = begin(57, 100);
    let fingerprint = *world.known.keys().next().unwrap();
    let history = stuck(dir.path(), &mut world, &journal);
    let trees = history.owner.shared.trees().unwrap();
    let noted = &world.notes[10].entry;
    remove_last(&trees, &keys::events(Lsn::ZERO), &keys::events(noted.lsn));
    drop(trees);
    history.owner.shared.fail_writes(false);
    until(|| history.stats().failed.is_some());
    assert!(history.known(fingerprint).is_err() && history.reader().entry(&noted.merchant, 1).is_err());
    drop(history);
    check(&filled(dir.path(), &journal), &world);
}

#[test]
fn it_follows_a_journal_in_files() {
    let (dir, world) = (tempfile::tempdir().unwrap(), World::after(53, 400));
    let new = NewDirectory { id: [1; 16], fingerprint_key: super::KEY, attributes: vec![] };
    let file_options = FileOptions { create: Some(new), segment_size: 64 << 10, ..FileOptions::default() };
    let journal = open_journal(FileStore::open(&dir.path().join("data"), file_options).unwrap());
    let history = filled(dir.path(), &journal);
    append(&journal, &world.records);
    caught_up(&history, &journal);
    check(&history, &world);
}

#[test]
fn what_contradicts_itself_ends_it() {
    let (dir, mut world, journal) = begin(55, 100);
    let history = filled(dir.path(), &journal);
    journal.append(b"no record").unwrap();
    journal.wait_durable_blocking(journal.last()).unwrap();
    let outcome = wait(history.caught_up(journal.durable(), Duration::from_secs(30)));
    assert!(matches!(outcome, Err(HistoryError::Failed(_))), "{outcome:?}");
    assert!(history.stats().failed.is_some());
    world.step();
    assert_eq!(history.reader().applied(), Lsn::new(journal.durable().get() - 1));
}
