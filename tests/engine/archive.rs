//! Decided facts that have left memory for the history.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tempfile::TempDir;
use tplus::{
    codec::Fingerprint,
    domain::{Id, Known, ReverseOrder, Text},
    engine::{Archive, ArchiveError, EngineError, Options},
    history::{self, History},
    journal::{Journal, Lsn, MemoryStore, Unsynced},
    server::OnDisk,
};

use crate::rig::*;

/// An engine that keeps nothing in memory that the history knows, and the history.
fn forgetful(store: &MemoryStore, dir: &Path) -> (Rig, History) {
    let options = history::Options {
        dir: dir.to_owned(),
        directory_id: [1; 16],
        fingerprint_key: [7; 16],
        sync_every: MS,
        linger: MS,
        ..history::Options::default()
    };
    let history = History::open(options).unwrap();
    let archive = Arc::new(OnDisk(history.clone()));
    let rig = Rig::manual(store, Options { archive: Some(archive), max_recent: 0, ..quiet() });
    (rig, history)
}

/// Waits until the history has everything for good, and lets memory go of it.
fn forget(rig: &Rig, history: &History) {
    until("the history catches up", || {
        let last = rig.engine.journal().last();
        history.durable() >= last
    });
    rig.engine.let_go();
    let stats = rig.engine.stats();
    assert_eq!((stats.orders_remembered, stats.requests_remembered), (0, 0));
}

fn reversal(merchant: &str, name: &str, order: &str, cents: i128) -> tplus::engine::Request<ReverseOrder> {
    let amount = tplus::domain::Money::from_cents(cents);
    let (name, order) = (Id::parse(name).unwrap(), Id::parse(order).unwrap());
    let command = ReverseOrder::new(name, order, amount, None, Text::default()).unwrap();
    tplus::engine::Request {
        merchant: id(merchant),
        command,
        caller: String::new(),
        validate_only: false,
        not_after: None,
    }
}

/// Knows nothing until it is told to catch up.
#[derive(Default)]
struct Lagging(AtomicU64);

impl Archive for Lagging {
    fn start(&self, _: &Journal, _: Lsn) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn known(&self, _: Fingerprint) -> Result<Option<Known>, ArchiveError> {
        Ok(None)
    }

    fn durable(&self) -> Lsn {
        Lsn::new(self.0.load(Ordering::SeqCst))
    }

    fn fingerprints(&self, _: &mut dyn FnMut(Fingerprint)) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn stop(&self) {}
}

#[test]
fn who_decides_faster_than_the_history_takes_it_down_waits_for_it() {
    let archive = Arc::new(Lagging::default());
    let options = Options { archive: Some(archive.clone()), max_lag: 20, ..quiet() };
    let rig = Rig::manual(&MemoryStore::new(), options);
    let accepted = (0..100).take_while(|n| rig.execute(order("m", &format!("o{n}"), 1)).is_ok()).count();
    let last = rig.last();
    assert!((10..=21).contains(&accepted) && last > 20, "{accepted} orders");
    let known = order("m", "o0", 1);
    assert!(matches!(at_once(rig.engine.execute(known.clone())), Err(EngineError::Overloaded { .. })));
    assert!(matches!(at_once(rig.engine.execute(guarantee("m", "g", 1))), Err(EngineError::Overloaded { .. })));
    assert!(matches!(rig.engine.room_now(1), Err(EngineError::Overloaded { .. })));
    rig.margin("m");

    let waiting = {
        let engine = Arc::clone(&rig.engine);
        std::thread::spawn(move || wait(engine.room_for(1)).is_ok())
    };
    assert_eq!(rig.last(), last, "nothing was recorded meanwhile");
    archive.0.store(last, Ordering::SeqCst);
    assert!(waiting.join().unwrap());
    assert!(rig.execute(known).unwrap().replayed);
}

#[test]
fn a_repeat_gets_the_first_answer_from_the_history() {
    let dir = TempDir::new().unwrap();
    let (rig, history) = forgetful(&MemoryStore::new(), dir.path());
    let first = rig.execute(order("m", "a", 10_00)).unwrap();
    let raised = rig.execute(guarantee("m", "g", 100)).unwrap();
    forget(&rig, &history);

    let again = rig.execute(order("m", "a", 10_00)).unwrap();
    assert!(again.replayed);
    assert_eq!(again.fact, first.fact);
    assert_eq!(rig.execute(guarantee("m", "g", 100)).unwrap().fact, raised.fact);
    assert_eq!(
        rig.execute(order("m", "a", 11_00)),
        Err(EngineError::Rejected(tplus::domain::Rejection::Conflict { field: "price" }))
    );
    assert!(!rig.execute(order("m", "b", 10_00)).unwrap().replayed);
    assert_eq!(rig.margin("m").quota.used.all.to_string(), "20.00");
}

#[test]
fn an_order_that_left_memory_is_reversed_as_often_as_it_may() {
    let dir = TempDir::new().unwrap();
    let (rig, history) = forgetful(&MemoryStore::new(), dir.path());
    rig.execute(order("m", "a", 10_00)).unwrap();
    for (name, cents) in [("r1", 3_00), ("r2", 3_00), ("r3", 4_00)] {
        forget(&rig, &history);
        let reversed = rig.execute(reversal("m", name, "a", cents)).unwrap();
        assert!(!reversed.replayed);
    }
    forget(&rig, &history);
    assert!(rig.execute(reversal("m", "r4", "a", 1)).is_err());
    assert!(rig.execute(reversal("m", "r2", "a", 3_00)).unwrap().replayed);
    assert_eq!(rig.margin("m").quota.used.all.to_string(), "0.00");
}

#[test]
fn what_left_memory_is_known_after_a_crash_also_without_the_history() {
    let dir = TempDir::new().unwrap();
    let store = MemoryStore::new();
    let (rig, history) = forgetful(&store, dir.path());
    let first = rig.execute(order("m", "a", 10_00)).unwrap();
    forget(&rig, &history);
    rig.engine.checkpoint().unwrap();
    rig.execute(reversal("m", "r1", "a", 3_00)).unwrap();
    forget(&rig, &history);
    // The two checkpoints that are kept no longer hold the order.
    rig.engine.checkpoint().unwrap();
    rig.execute(order("m", "b", 1_00)).unwrap();
    let crashed = store.crash(Unsynced::Dropped);
    drop((rig, history));

    for fresh in [false, true] {
        let empty = TempDir::new().unwrap();
        let dir = if fresh { empty.path() } else { dir.path() };
        let (rig, _history) = forgetful(&crashed.crash(Unsynced::Dropped), dir);
        let again = rig.execute(order("m", "a", 10_00)).unwrap();
        assert!(again.replayed, "with a fresh history: {fresh}");
        assert_eq!(again.fact, first.fact);
        assert!(rig.execute(reversal("m", "r1", "a", 3_00)).unwrap().replayed);
        assert!(rig.execute(reversal("m", "r2", "a", 7_01)).is_err());
        assert!(rig.execute(reversal("m", "r2", "a", 7_00)).is_ok());
    }
}

#[test]
fn letting_go_beside_commands_changes_no_answer() {
    const ORDERS: u64 = 300;
    let dir = TempDir::new().unwrap();
    let (rig, history) = forgetful(&MemoryStore::new(), dir.path());
    let engine = Arc::clone(&rig.engine);
    let forgetting = spawn(move || {
        let mut gone = 0;
        until("enough has left memory", || {
            gone += engine.let_go();
            gone >= 2_000
        });
    });
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let engine = Arc::clone(&rig.engine);
            spawn(move || {
                let mut dice = Dice(0x5eed_0011 + thread);
                let mut rounds = 0;
                while rounds < 4_000 {
                    rounds += 1;
                    let name = dice.below(ORDERS);
                    // The price follows from the name, so that a repeat that is decided anew would be seen in the totals.
                    let answer = engine.submit(&order("m", &format!("o{name}"), i128::from(name) + 1));
                    assert_eq!(answer.result.unwrap().fact.price.cents(), i128::from(name) + 1);
                    if rounds % 10 == 0 {
                        engine.journal().wait_durable_blocking(engine.journal().last()).unwrap();
                    }
                    if rounds % 16 == 0 {
                        let fresh = format!("t{thread}-{rounds}");
                        engine.submit(&guarantee("m", &fresh, 0)).result.unwrap();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(Running::join);
    for n in 0..2_000 {
        rig.execute(guarantee("m", &format!("more-{n}"), 0)).unwrap();
        if forgetting.ended() {
            break;
        }
    }
    drop(history);
    let expected: u64 = (1..=ORDERS).sum();
    assert_eq!(rig.margin("m").quota.used.all.cents(), i128::from(expected), "an order was decided twice");
}
