//! A full disk: nothing is recorded, and everything that needs no record goes on.

use tplus::{
    domain::{Money, Rejection},
    engine::{EngineError, Request},
    journal::{AppendError, MemoryStore, Unsynced},
    proto::journal::{fact::Kind, record::Body},
};

use crate::rig::*;

/// Less than any record takes.
pub(crate) const NONE_LEFT: Option<u64> = Some(3);

fn read_only<T: std::fmt::Debug>(outcome: Result<T, EngineError>) {
    assert!(matches!(outcome, Err(EngineError::ReadOnly { .. })), "{outcome:?}");
}

pub(crate) fn settlements(store: &MemoryStore) -> usize {
    let facts = bodies(store).into_iter().filter_map(|body| match body {
        Body::Merchant(merchant) => Some(merchant.facts),
        _ => None,
    });
    facts.flatten().filter(|fact| matches!(fact.kind, Some(Kind::ProfitSettled(_)))).count()
}

#[test]
fn commands_are_refused_and_leave_no_trace() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    rig.execute(guarantee("m", "g", 10)).unwrap();
    let first = rig.execute(order("m", "o", 1_00)).unwrap();
    let before = (rig.margin("m"), rig.last(), rig.engine.stats().merchants);

    rig.store.set_room(NONE_LEFT);
    for _ in 0..2 {
        read_only(rig.execute(order("m", "p", 1_00)));
        read_only(rig.execute(guarantee("m", "h", 5)));
        read_only(rig.execute(import("new", "i", 5)));
        read_only(wait(rig.engine.advance_clock(NOON.after(HOUR), "")));
        assert!(rig.engine.stats().read_only);
    }
    assert_eq!((rig.margin("m"), rig.last(), rig.engine.stats().merchants), before);
    let replay = rig.execute(order("m", "o", 1_00)).unwrap();
    assert_eq!((replay.fact, replay.replayed), (first.fact, true));
    assert_eq!(rig.execute(order("m", "o", 2_00)), Err(Rejection::Conflict { field: "price" }.into()));
    assert_eq!(rig.execute(import("m", "i", 5)), Err(Rejection::MerchantOpen.into()));
    assert!(!rig.execute(Request { validate_only: true, ..order("m", "p", 1_00) }).unwrap().replayed);
    assert_eq!(wait(rig.engine.margin(&id("new"))), Err(Rejection::MerchantNotFound.into()));
    assert_eq!(rig.now(), NOON, "the clock was not moved");

    rig.store.set_room(None);
    assert!(!rig.engine.stats().read_only);
    rig.advance(NOON.after(HOUR));
    assert!(!rig.execute(order("m", "p", 9_99)).unwrap().replayed, "the id was not used up");
    assert!(!rig.execute(guarantee("m", "h", 7)).unwrap().replayed);
    assert!(!rig.execute(import("new", "i", 6)).unwrap().replayed);
}

#[test]
fn beyond_the_lease_time_stands_still() {
    let time = noon();
    let rig = Rig::system(&MemoryStore::new(), &time, quiet());
    let first = rig.execute(order("m", "o", 1_00)).unwrap();
    rig.store.set_room(NONE_LEFT);
    time.advance(SECOND / 2);
    assert_eq!(rig.now(), NOON.after(SECOND / 2), "the lease goes on");
    time.advance(SECOND / 2);
    let end = rig.now();
    assert_eq!(end, NOON.after(SECOND));
    for later in [SECOND / 10, SECOND, HOUR, DAY * 30] {
        time.advance(later);
        assert_eq!(rig.now(), end);
        assert_eq!(rig.margin("m").as_of, end);
        let replay = rig.execute(order("m", "o", 1_00)).unwrap();
        assert_eq!((replay.fact, replay.replayed), (first.fact.clone(), true));
        read_only(rig.execute(order("m", "p", 1_00)));
    }
    // A restart on the full disk can read too, and a crash takes nothing of the time back.
    let crashed = rig.store.crash(Unsynced::Dropped);
    crashed.set_room(NONE_LEFT);
    let restarted = Rig::try_open(&crashed, system(&time, true), quiet()).expect("reading needs no room");
    assert_eq!(restarted.now(), end);
    assert_eq!(restarted.margin("m").as_of, end);
    assert!(restarted.execute(order("m", "o", 1_00)).unwrap().replayed);
    read_only(restarted.execute(order("m", "p", 1_00)));

    rig.store.set_room(None);
    assert!(rig.now() > end.after(DAY * 30));
    assert!(rig.margin("m").pending.is_empty(), "it has settled meanwhile");
}

#[test]
fn due_work_waits_for_room() {
    let time = noon();
    let rig = Rig::system(&MemoryStore::new(), &time, quiet());
    let settles_at = rig.execute(order("m", "o", 1_00)).unwrap().fact.settles_at;
    time.advance(settles_at.since(NOON) - SECOND / 2);
    rig.now();
    rig.store.set_room(NONE_LEFT);
    time.advance(SECOND * 3 / 4);
    for _ in 0..3 {
        assert!(matches!(rig.engine.run_due(), Err(AppendError::NoRoom)));
        assert_eq!(settlements(&rig.store), 0);
        assert_eq!(rig.margin("m").available, Money::from_dollars(1), "a read shows it as settled all the same");
    }
    rig.store.set_room(None);
    rig.settle();
    assert_eq!(settlements(&rig.store), 1);
}

#[test]
fn the_background_task_goes_on_when_there_is_room() {
    let time = noon();
    let rig = Rig::system(&MemoryStore::new(), &time, busy());
    rig.execute(order("m", "o", 1_00)).unwrap();
    rig.store.set_room(NONE_LEFT);
    time.advance(DAY * 8);
    rig.now();
    read_only(rig.execute(order("m", "p", 1_00)));
    assert_eq!(settlements(&rig.store), 0);
    rig.store.set_room(None);
    until("the settlement is recorded", || settlements(&rig.store) == 1);
    assert!(!rig.engine.stats().read_only);
}

#[test]
fn some_room_is_used_and_not_overdrawn() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    rig.store.set_room(Some(2_000));
    let mut answered = Vec::new();
    for n in 0..100 {
        match rig.execute(order("m", &format!("o{n}"), 1)) {
            Ok(answer) => answered.push(answer.fact),
            refused => read_only(refused),
        }
    }
    assert!((5..100).contains(&answered.len()), "{} orders", answered.len());
    assert!(rig.engine.journal().fault().is_none(), "a full disk is no fault");
    let recovered = Rig::manual(&rig.store.crash(Unsynced::Dropped), quiet());
    assert_eq!(recovered.recovered.orders, answered.len() as u64);
    for fact in answered {
        assert_eq!(recovered.execute(order("m", fact.order_id.as_str(), 1)).unwrap().fact, fact);
    }
}
