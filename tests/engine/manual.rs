//! The manual clock.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
    mpsc,
};

use tplus::{
    clock::Mode,
    domain::{Cycle, Rejection, Timestamp},
    engine::{EngineError, Observer, Options},
    journal::{Half, MemoryStore, Unsynced},
    proto::journal::record::Body,
};

use crate::rig::*;

#[test]
fn it_goes_forward_alone_and_not_beyond_the_last_year() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    assert_eq!(rig.engine.clock_mode(), Mode::Manual);
    let noon = rig.last();
    rig.advance(NOON);
    assert_eq!(rig.last(), noon, "standing still is no fact");
    rig.advance(NOON.after(DAY));
    let back = wait(rig.engine.advance_clock(NOON.after(DAY - MS), ""));
    assert_eq!(back, Err(Rejection::ClockBackwards { now: NOON.after(DAY) }.into()));
    let beyond = wait(rig.engine.advance_clock(Timestamp::MAX.after(MS), ""));
    assert!(matches!(beyond, Err(EngineError::Rejected(Rejection::Invalid { field: "to", .. }))), "{beyond:?}");
    assert_eq!(rig.now(), NOON.after(DAY), "a refusal moves nothing");
    rig.advance(Timestamp::MAX);
    assert!(!rig.execute(order("m", "o", 1)).unwrap().replayed, "the last moment is one like any other");
    let rig = Rig::manual(&rig.store.crash(Unsynced::Dropped), quiet());
    assert_eq!(rig.now(), Timestamp::MAX);
}

#[test]
fn a_clock_that_goes_by_itself_cannot_be_moved() {
    let rig = Rig::system(&MemoryStore::new(), &noon(), quiet());
    assert_eq!(rig.engine.clock_mode(), Mode::System);
    assert_eq!(wait(rig.engine.advance_clock(NOON.after(DAY), "")), Err(Rejection::ClockNotManual.into()));
    assert_eq!(rig.now(), NOON);
}

#[test]
fn a_crash_right_after_an_advance_takes_nothing_back() {
    let mut store = MemoryStore::new();
    let mut to = NOON;
    for n in 0..12 {
        let rig = Rig::manual(&store, quiet());
        assert_eq!(rig.now(), to);
        to = to.after(HOUR * 7);
        rig.advance(to);
        if n % 3 == 0 {
            rig.engine.checkpoint().unwrap();
        }
        store = rig.store.crash(Unsynced::Dropped);
    }
}

/// Holds the first order it hears of where it is decided and recorded and not yet part of the state.
struct Stop {
    heard: Mutex<Option<mpsc::Sender<()>>>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Observer for Stop {
    fn classified(&self, _cycle: Cycle, _replayed: bool, _orders: u64) {
        let heard = self.heard.lock().unwrap().take();
        if let Some(heard) = heard {
            heard.send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
        }
    }
}

#[test]
fn an_advance_waits_for_a_command_in_flight() {
    let (heard, is_heard) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel();
    let observer = Arc::new(Stop { heard: Mutex::new(Some(heard)), go_on: Mutex::new(goes_on) });
    let rig = Rig::manual(&MemoryStore::new(), Options { observer, ..quiet() });
    let (in_flight, advancing) = (Arc::clone(&rig.engine), Arc::clone(&rig.engine));
    let command = spawn(move || in_flight.submit(&order("m", "o", 1)).result.map(|answer| answer.fact.completed_at));
    is_heard.recv().unwrap();
    let advance = spawn(move || wait(advancing.advance_clock(NOON.after(DAY), "")));
    for _ in 0..50 {
        std::thread::park_timeout(MS);
        assert!(!advance.ended(), "the advance overtook a command in flight");
    }
    go_on.send(()).unwrap();
    assert_eq!(command.join(), Ok(NOON));
    assert_eq!(advance.join(), Ok(NOON.after(DAY)));
    let order_of =
        bodies(&rig.store).iter().rev().map(|body| matches!(body, Body::ClockAdvanced(_))).take(2).collect::<Vec<_>>();
    assert_eq!(order_of, [true, false], "the command, and then the advance");
}

#[test]
fn advances_and_commands_do_not_interleave() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..3)
        .map(|caller| {
            let (engine, stop) = (Arc::clone(&rig.engine), Arc::clone(&stop));
            spawn(move || {
                let mut last = NOON;
                for n in 0.. {
                    let answer = engine.submit(&order(&format!("m{}", n % 3), &format!("o{caller}-{n}"), 1)).result;
                    let told = answer.expect("accepted").fact.completed_at;
                    let read = engine.read_margin(&id("m0")).result.map_or(told, |margin| margin.as_of);
                    assert!(last <= told && told <= read, "{last}, {told}, {read}");
                    last = read;
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            })
        })
        .collect();
    for n in 1..=100 {
        rig.advance(NOON.after(HOUR * n));
    }
    stop.store(true, Ordering::Relaxed);
    callers.into_iter().for_each(Running::join);
    rig.engine.close().unwrap();
    let mut now = Timestamp::MIN.micros();
    for (n, record) in records(&rig.store).iter().enumerate() {
        match &record.body {
            Some(Body::ClockAdvanced(advanced)) => {
                assert!(advanced.to > now);
                now = advanced.to;
            }
            _ => assert_eq!(record.recorded_at, now, "record {}", n + 1),
        }
    }
}

/// The sync of an advance is cut off; nobody was told, and both ends are right.
#[test]
fn an_advance_that_was_not_acknowledged_may_be_there_or_not() {
    for (unsynced, expected) in [(Unsynced::Dropped, NOON), (Unsynced::Kept, NOON.after(DAY))] {
        let rig = Rig::manual(&MemoryStore::new(), quiet());
        rig.faults().hold(Half::Sync);
        let held = Begun::held("an advance", rig.engine.advance_clock(NOON.after(DAY), ""));
        rig.faults().wait_held(Half::Sync);
        assert_eq!(Rig::manual(&rig.store.crash(unsynced), quiet()).now(), expected);
        drop(held);
    }
}
