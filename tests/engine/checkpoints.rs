//! Checkpoints that are written while commands go on.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tplus::{
    domain::{GuaranteeModified, Margin, OrderClassified},
    engine::{Engine, Options},
    journal::{CheckpointInfo, FileOptions, FileStore, Half, MemoryStore, NewDirectory, Store, Unsynced},
};

use crate::rig::*;

const MERCHANTS: u64 = 40;
const THREADS: u64 = 3;
const COMMANDS: u64 = 1_500;

fn merchant(n: u64) -> String {
    format!("m{}", n % MERCHANTS)
}

/// Threads at work while the clock moves and checkpoints are written.
fn under_fire(engine: &Arc<Engine>) {
    let stop = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicU64::new(0));
    let (checkpointing, stopped, counted) = (Arc::clone(engine), Arc::clone(&stop), Arc::clone(&written));
    let checkpoints = spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            checkpointing.checkpoint().expect("written");
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let engine = Arc::clone(engine);
            spawn(move || {
                let mut dice = Dice(0x5eed_0003 + thread);
                for n in 0..COMMANDS {
                    let merchant = merchant(dice.below(MERCHANTS));
                    let name = format!("{thread}-{n}");
                    let refused = if dice.below(6) == 0 {
                        engine.submit(&guarantee(&merchant, &name, dice.below(30))).result.err()
                    } else {
                        engine.submit(&order(&merchant, &name, 1_00)).result.err()
                    };
                    assert_eq!(refused, None);
                    if n % 50 == 49 {
                        // As callers do: what is on its way has to fit the segments that are ready.
                        engine.journal().wait_durable_blocking(engine.journal().last()).unwrap();
                    }
                    if thread == 0 && n % 100 == 99 {
                        let now = engine.read_margin(&id(&merchant)).result.unwrap().as_of;
                        wait(engine.advance_clock(now.after(HOUR * 18), "")).unwrap();
                        engine.run_due().unwrap();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(Running::join);
    until("two checkpoints are written", || written.load(Ordering::Relaxed) >= 2);
    stop.store(true, Ordering::Relaxed);
    checkpoints.join();
    engine.journal().wait_durable_blocking(engine.journal().last()).unwrap();
}

/// Everything that an engine answers about what has happened.
#[derive(Debug, PartialEq)]
struct Told {
    margins: Vec<Margin>,
    orders: Vec<OrderClassified>,
    changes: Vec<GuaranteeModified>,
}

fn told(engine: &Engine) -> Told {
    let mut told = Told { margins: Vec::new(), orders: Vec::new(), changes: Vec::new() };
    told.margins.extend((0..MERCHANTS).filter_map(|n| engine.read_margin(&id(&merchant(n))).result.ok()));
    for thread in 0..THREADS {
        let mut dice = Dice(0x5eed_0003 + thread);
        for n in 0..COMMANDS {
            let merchant = merchant(dice.below(MERCHANTS));
            let name = format!("{thread}-{n}");
            let replayed = if dice.below(6) == 0 {
                let answer = engine.submit(&guarantee(&merchant, &name, dice.below(30))).result.unwrap();
                told.changes.push(answer.fact);
                answer.replayed
            } else {
                let answer = engine.submit(&order(&merchant, &name, 1_00)).result.unwrap();
                told.orders.push(answer.fact);
                answer.replayed
            };
            assert!(replayed, "{merchant} {name} was forgotten");
        }
    }
    told
}

fn damage(store: &MemoryStore, checkpoints: &[CheckpointInfo]) {
    checkpoints.iter().for_each(|checkpoint| store.damage_checkpoint(checkpoint));
}

#[test]
fn a_start_from_any_checkpoint_or_none_comes_to_the_same() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    under_fire(&rig.engine);
    let kept = rig.store.checkpoints().unwrap();
    assert_eq!(kept.len(), 2);
    assert!(rig.store.archived() > 0, "what lies behind both is archived, and still replayed if it has to be");
    let expected = told(&rig.engine);
    assert_eq!(expected.margins.len() as u64, MERCHANTS);
    for damaged in 0..=2 {
        let store = rig.store.crash(Unsynced::Dropped);
        damage(&store, &kept[..damaged]);
        let recovered = Rig::manual(&store, quiet());
        assert_eq!(recovered.recovered.checkpoint, kept.get(damaged).map(|checkpoint| checkpoint.start));
        assert_eq!(recovered.recovered.tail.last.get(), rig.last());
        recovered.engine.check().unwrap();
        assert_eq!(told(&recovered.engine), expected, "with {damaged} checkpoints damaged");
        assert_eq!(recovered.now(), rig.now());
        // A damaged one is not counted among those that are kept, and the next start uses the new one.
        recovered.engine.checkpoint().unwrap();
        let again = Rig::manual(&store.crash(Unsynced::Dropped), quiet());
        assert_eq!(again.recovered.tail.visited, 0);
        assert_eq!(told(&again.engine), expected);
    }
}

#[test]
fn a_checkpoint_waits_for_what_it_holds_to_be_durable() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    rig.execute(order("m", "durable", 1)).unwrap();
    rig.faults().hold(Half::Sync);
    let submitted = rig.engine.submit(&order("m", "o", 1));
    rig.faults().wait_held(Half::Sync);
    let engine = Arc::clone(&rig.engine);
    let checkpoint = spawn(move || engine.checkpoint().is_ok());
    for _ in 0..30 {
        std::thread::park_timeout(MS);
        assert!(!checkpoint.ended());
        assert!(rig.store.checkpoints().unwrap().is_empty());
    }
    let without = Rig::manual(&rig.store.crash(Unsynced::Dropped), quiet());
    assert_eq!(without.engine.stats().orders_remembered, 1);
    rig.faults().release(Half::Sync);
    assert!(checkpoint.join());
    let with = Rig::manual(&rig.store.crash(Unsynced::Dropped), quiet());
    assert!(with.recovered.checkpoint.is_some());
    assert_eq!(with.engine.stats().orders_remembered, 2);
    assert!(submitted.result.is_ok());
}

#[test]
fn a_checkpoint_of_what_never_became_durable_is_none() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    rig.faults().fail(Half::Sync, 1);
    assert!(rig.engine.submit(&order("m", "o", 1)).result.is_ok());
    wait(rig.engine.faulted());
    assert!(rig.engine.checkpoint().is_err());
    assert!(rig.engine.checkpoint().is_err(), "a checkpoint that was given up stands in no other's way");
    assert!(rig.store.checkpoints().unwrap().is_empty());
}

#[test]
fn the_background_task_writes_them_by_itself() {
    let rig = Rig::manual(&MemoryStore::new(), Options { checkpoint_every: 1_000, ..busy() });
    for n in 0..100 {
        assert!(rig.engine.submit(&order("m", &format!("o{n}"), 1)).result.is_ok());
    }
    until("a checkpoint is written", || !rig.store.checkpoints().unwrap().is_empty());
    let recovered = Rig::manual(&rig.store.crash(Unsynced::Dropped), quiet());
    assert!(recovered.recovered.checkpoint.is_some());
    assert_eq!(recovered.margin("m"), rig.margin("m"));
}

fn files(directory: &Path, create: bool) -> Arc<FileStore> {
    let create = create.then(|| NewDirectory { id: [1; 16], fingerprint_key: [7; 16], attributes: Vec::new() });
    let options = FileOptions { segment_size: 512 << 10, create, ..FileOptions::default() };
    Arc::new(FileStore::open(directory, options).expect("opened"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn files_hold_it_as_memory_does() {
    let directory = tempfile::tempdir().unwrap();
    let (live, crashed, bare) =
        (directory.path().join("live"), directory.path().join("crashed"), directory.path().join("bare"));
    let (engine, _) = Engine::open(files(&live, true), [7; 16], manual, quiet()).unwrap();
    under_fire(&engine);
    let expected = told(&engine);
    // The copies are what a crash leaves: nothing is closed, and nothing is on its way.
    copy(&live, &crashed);
    copy(&live, &bare);
    engine.close().unwrap();
    for entry in fs::read_dir(bare.join("checkpoints")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for (path, with_checkpoint) in [(&crashed, true), (&bare, false)] {
        let (engine, recovered) = Engine::open(files(path, false), [7; 16], manual, quiet()).unwrap();
        assert_eq!(recovered.checkpoint.is_some(), with_checkpoint);
        assert_eq!(told(&engine), expected);
        engine.check().unwrap();
        engine.close().unwrap();
    }
}
