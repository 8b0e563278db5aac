//! Nothing leaves before what it rests on is durable, and nothing of what never became durable leaves at all.

use tplus::{
    domain::{Money, Rejection, Timestamp},
    engine::{EngineError, Request},
    journal::{Half, MemoryStore, Unsynced},
    proto::journal::record::Body,
};

use crate::rig::*;

/// An engine that knows a merchant with a settled order to come, and clocks that go beyond the lease and that settlement.
fn three_days_later() -> (std::sync::Arc<tplus::clock::TestTime>, Rig) {
    let time = noon();
    let rig = Rig::system(&MemoryStore::new(), &time, quiet());
    rig.execute(guarantee("m", "g", 1_000)).unwrap();
    rig.execute(order("m", "old", 10_00)).unwrap();
    rig.execute(guarantee("still", "g", 1)).unwrap();
    time.advance(DAY * 3);
    (time, rig)
}

fn unavailable<T: std::fmt::Debug>(name: &str, outcome: Result<T, EngineError>) {
    assert!(matches!(outcome, Err(EngineError::Unavailable { .. })), "{name}: {outcome:?}");
}

#[test]
fn nothing_leaves_before_what_it_rests_on_is_durable() {
    let (_time, rig) = three_days_later();
    let engine = &rig.engine;
    rig.faults().hold(Half::Sync);

    let order_answer = Begun::held("an order", engine.execute(order("m", "o", 5_00)));
    let replay = Begun::held("a replay", engine.execute(order("m", "o", 5_00)));
    let old_replay = Begun::held("a replay of what is durable", engine.execute(order("m", "old", 10_00)));
    let conflict = Begun::held("a conflict", engine.execute(order("m", "o", 5_01)));
    let refused = Begun::held("a refusal", engine.execute(import("m", "i", 1)));
    let preview = Begun::held("a preview", engine.execute(Request { validate_only: true, ..order("m", "preview", 1) }));
    let margin = Begun::held("a read", rig.read("m"));
    let now = Begun::held("the time", engine.now());
    // The merchant is not there, and that it is not is known as of a time that is not durable.
    let absent = Begun::held("a read of nobody", rig.read("nobody"));
    let changed = Begun::held("a guarantee", engine.execute(guarantee("new", "g", 1)));
    rig.faults().wait_held(Half::Sync);

    rig.faults().release(Half::Sync);
    let order_answer = order_answer.finish().unwrap();
    assert!(!order_answer.replayed);
    assert_eq!(replay.finish().unwrap().fact, order_answer.fact);
    assert!(old_replay.finish().unwrap().replayed);
    assert_eq!(conflict.finish(), Err(Rejection::Conflict { field: "price" }.into()));
    assert_eq!(refused.finish(), Err(Rejection::MerchantOpen.into()));
    assert!(!preview.finish().unwrap().replayed);
    let margin = margin.finish().unwrap();
    assert_eq!(margin.frozen, Money::from_dollars(10), "the old order has settled");
    assert_eq!(now.finish(), Ok(NOON.after(DAY * 3)));
    assert_eq!(absent.finish(), Err(Rejection::MerchantNotFound.into()));
    assert!(!changed.finish().unwrap().replayed);
}

#[test]
fn nobody_waits_for_what_his_answer_does_not_rest_on() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    rig.execute(order("still", "o", 1)).unwrap();
    rig.faults().hold(Half::Sync);
    let held = Begun::held("an order", rig.engine.execute(order("m", "o", 1)));
    rig.faults().wait_held(Half::Sync);
    at_once(rig.read("still")).unwrap();
    assert!(at_once(rig.engine.execute(order("still", "o", 1))).unwrap().replayed);
    assert_eq!(at_once(rig.read("nobody")), Err(Rejection::MerchantNotFound.into()));
    assert_eq!(at_once(rig.engine.now()), Ok(NOON));
    drop(held);
}

#[test]
fn an_advance_of_the_clock_waits_and_so_does_everything_after_it() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    rig.execute(order("m", "o", 1)).unwrap();
    let engine = &rig.engine;
    rig.faults().hold(Half::Sync);
    let to = NOON.after(HOUR);
    let advanced = Begun::held("an advance", engine.advance_clock(to, ""));
    let again = Begun::held("an advance to the same time", engine.advance_clock(to, ""));
    let now = Begun::held("the time", engine.now());
    let margin = Begun::held("a read", rig.read("m"));
    let replay = Begun::held("a replay", engine.execute(order("m", "o", 1)));
    rig.faults().release(Half::Sync);
    assert_eq!((advanced.finish(), again.finish(), now.finish()), (Ok(to), Ok(to), Ok(to)));
    assert_eq!(margin.finish().unwrap().as_of, to);
    assert!(replay.finish().unwrap().replayed);
}

#[test]
fn after_a_failed_commit_nothing_leaves_that_rests_on_it() {
    for half in [Half::Write, Half::Sync] {
        let (_time, rig) = three_days_later();
        let engine = &rig.engine;
        let durable = engine.stats().journal_durable;
        rig.faults().hold(half);
        rig.faults().fail(half, 1);
        let new = Begun::held("an order", engine.execute(order("m", "o", 5_00)));
        let replay = Begun::held("a replay", engine.execute(order("m", "o", 5_00)));
        let conflict = Begun::held("a conflict", engine.execute(order("m", "o", 5_01)));
        let margin = Begun::held("a read", rig.read("m"));
        let now = Begun::held("the time", engine.now());
        rig.faults().release(half);

        unavailable("an order", new.finish());
        unavailable("a replay", replay.finish());
        unavailable("a conflict", conflict.finish());
        unavailable("a read", margin.finish());
        unavailable("the time", now.finish());
        wait(engine.faulted());
        for attempt in ["at once", "again"] {
            unavailable(attempt, rig.execute(order("m", "o", 5_00)));
            unavailable(attempt, rig.execute(order("m", "o", 5_01)));
            unavailable(attempt, rig.execute(order("other", "o", 1)));
            unavailable(attempt, wait(rig.read("m")));
            unavailable(attempt, wait(rig.read("still")));
            unavailable(attempt, wait(rig.read("nobody")));
            unavailable(attempt, wait(engine.now()));
            assert!(engine.run_due().is_err() || engine.stats().due_lag.is_zero());
            assert!(engine.checkpoint().is_err());
        }
        assert_eq!(engine.stats().journal_durable, durable);
        assert!(engine.close().is_err());
    }
}

#[test]
fn an_advance_that_failed_is_not_told_either() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    rig.execute(order("m", "o", 1)).unwrap();
    rig.faults().fail(Half::Sync, 1);
    unavailable("an advance", wait(rig.engine.advance_clock(NOON.after(HOUR), "")));
    unavailable("the time", wait(rig.engine.now()));
    unavailable("the same advance", wait(rig.engine.advance_clock(NOON.after(HOUR), "")));
    unavailable("a read", wait(rig.read("m")));
    unavailable("a replay", rig.execute(order("m", "o", 1)));
}

/// What was not answered may be there or not; if it is, then with what came due before it, and with its id.
#[test]
fn after_a_crash_an_unanswered_command_is_there_wholly_or_not_at_all() {
    for unsynced in [Unsynced::Dropped, Unsynced::Kept] {
        let (time, rig) = three_days_later();
        rig.now();
        let before = records(&rig.store).len();
        rig.faults().hold(Half::Sync);
        let held = Begun::held("an order", rig.engine.execute(order("m", "o", 5_00)));
        rig.faults().wait_held(Half::Sync);
        let survived = rig.store.crash(unsynced);
        drop(held);

        let known = Rig::system(&survived, &time, quiet());
        let kept = bodies(&survived);
        let facts = kept[before..].iter().map(|body| match body {
            Body::Merchant(merchant) => merchant.facts.len(),
            _ => 0,
        });
        let expected = if unsynced == Unsynced::Kept { vec![2] } else { vec![] };
        assert_eq!(facts.collect::<Vec<_>>(), expected, "the settlement and the order are one record");
        let answer = known.execute(order("m", "o", 5_00)).unwrap();
        assert_eq!(answer.replayed, unsynced == Unsynced::Kept);
        assert_eq!(known.margin("m").frozen, Money::from_dollars(10), "the settlement happened once");
        known.engine.check().unwrap();
    }
}

/// Every batch of a run is cut off in turn, in both ways a crash can do it.
#[test]
fn wherever_it_crashes_what_was_answered_stands() {
    for cut in 1..=12 {
        for (half, unsynced) in
            [(Half::Write, Unsynced::Dropped), (Half::Sync, Unsynced::Dropped), (Half::Sync, Unsynced::Kept)]
        {
            let rig = Rig::manual(&MemoryStore::new(), quiet());
            rig.faults().fail(half, cut);
            let mut answered = Vec::new();
            let mut latest: Option<Timestamp> = None;
            for n in 0..8_u32 {
                let answer = rig.execute(order("m", &format!("o{n}"), 1_00));
                answered.extend(answer.ok().map(|answer| answer.fact));
                let advanced = wait(rig.engine.advance_clock(NOON.after(DAY * (n + 1)), ""));
                latest = advanced.ok().or(latest);
            }
            let recovered = Rig::manual(&rig.store.crash(unsynced), quiet());
            for fact in &answered {
                let again = recovered.execute(order("m", fact.order_id.as_str(), 1_00)).unwrap();
                assert_eq!((&again.fact, again.replayed), (fact, true), "cut {cut} at {half:?}, {unsynced:?}");
            }
            assert!(Some(recovered.now()) >= latest, "cut {cut} at {half:?}, {unsynced:?}");
            let orders = recovered.engine.stats().orders_remembered;
            let unanswered = orders - answered.len() as u64;
            assert!(unanswered <= 1, "{unanswered} orders that nobody was told of");
            recovered.engine.check().unwrap();
        }
    }
}

/// With the manual clock nothing but the merchant's own last record is held.
#[test]
fn all_that_is_told_of_a_merchant_waits_for_its_last_record() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    let engine = &rig.engine;
    rig.execute(order("m", "durable", 1)).unwrap();
    rig.faults().hold(Half::Sync);
    let new = Begun::held("an order", engine.execute(order("m", "o", 1)));
    let replay = Begun::held("a replay", engine.execute(order("m", "durable", 1)));
    let conflict = Begun::held("a conflict", engine.execute(order("m", "durable", 2)));
    let refused = Begun::held("a refusal", engine.execute(import("m", "i", 1)));
    let read = Begun::held("a read", rig.read("m"));
    rig.faults().release(Half::Sync);
    assert!(!new.finish().unwrap().replayed);
    assert!(replay.finish().unwrap().replayed);
    assert_eq!(conflict.finish(), Err(Rejection::Conflict { field: "price" }.into()));
    assert_eq!(refused.finish(), Err(Rejection::MerchantOpen.into()));
    assert_eq!(read.finish().unwrap().quota.used.all, Money::from_cents(2));
}

#[test]
fn an_engine_that_is_closed_takes_nothing_and_has_kept_everything() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    let submitted = rig.engine.submit(&order("m", "o", 1));
    rig.engine.close().unwrap();
    assert!(rig.engine.stats().journal_durable >= submitted.rests_on.get());
    unavailable("an order", rig.execute(order("m", "p", 1)));
    unavailable("an advance", wait(rig.engine.advance_clock(NOON.after(HOUR), "")));
    rig.engine.close().expect("a second time is one too many, and does no harm");
}
