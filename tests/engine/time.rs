//! Engine time under wall clocks that are stepped, machines that sleep, and restarts.

use std::sync::Arc;

use tplus::{
    clock::{ClockError, TestTime},
    domain::{Money, Timestamp},
    engine::OpenError,
    journal::{Half, MemoryStore, Unsynced},
    proto::journal::record::Body,
};

use crate::rig::*;

fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap()
}

/// Also says that an engine to which nothing happens writes nothing: the background task compared the clocks twice.
#[test]
fn a_step_of_the_wall_clock_moves_no_answer() {
    let steps = [micros(HOUR), -micros(HOUR), micros(DAY) * 8, -micros(YEAR)];
    let running = steps.map(|step| {
        let time = noon();
        let rig = Rig::system(&MemoryStore::new(), &time, busy());
        rig.execute(order("m", "o", 1_00)).unwrap();
        time.advance(SECOND / 2);
        let before = (rig.now(), rig.margin("m"), rig.last());
        time.step_wall(step);
        (time, rig, before, step)
    });
    for alarm in [true, false] {
        for (time, rig, before, step) in &running {
            until("the step is noticed", || rig.engine.stats().clock.alarm == alarm);
            assert_eq!((rig.now(), rig.margin("m"), rig.last()), *before, "after a step of {step} µs");
            time.step_wall(-step);
        }
    }
    for (_, rig, before, step) in &running {
        let answer = rig.execute(order("m", "p", 1_00)).unwrap();
        assert_eq!(answer.fact.completed_at, before.0, "after a step of {step} µs and back");
    }
}

#[test]
fn time_goes_on_while_the_machine_is_suspended() {
    let [by_both_clocks, by_the_boot_clock] = [0, 1].map(|which| {
        let time = noon();
        let rig = Rig::system(&MemoryStore::new(), &time, quiet());
        rig.execute(guarantee("m", "g", 10)).unwrap();
        rig.execute(order("m", "o", 1_00)).unwrap();
        if which == 0 {
            time.advance(DAY * 2)
        } else {
            time.advance_boot(DAY * 2)
        }
        rig.margin("m")
    });
    assert_eq!(by_both_clocks.as_of, NOON.after(DAY * 2));
    assert_eq!(by_both_clocks.frozen, Money::from_dollars(1), "the order settled, into the gap");
    assert_eq!(by_both_clocks, by_the_boot_clock);
}

/// Everything that tells the time, the latest of it.
fn latest_given(rig: &Rig, round: u64, dice: &mut Dice) -> Timestamp {
    let name = format!("o{round}-{}", dice.0);
    match dice.below(4) {
        0 => rig.now(),
        1 => rig.execute(order("m", &name, 1)).unwrap().fact.completed_at,
        2 => {
            let expired = rig.execute(tplus::engine::Request { not_after: Some(NOON), ..order("m", &name, 1) });
            match expired.unwrap_err() {
                tplus::engine::EngineError::Rejected(tplus::domain::Rejection::Expired { now, .. }) => now,
                other => panic!("{other}"),
            }
        }
        _ => rig.margin("m").as_of,
    }
}

#[test]
fn a_restart_gives_out_no_time_below_any_it_gave_before() {
    let mut dice = Dice(0x5eed_0001);
    let mut store = MemoryStore::new();
    let mut given = NOON;
    for round in 0..60 {
        let back = [0, micros(HOUR), micros(YEAR)][dice.below(3) as usize];
        let time = Arc::new(TestTime::new(given.micros() - back));
        let rig = Rig::system(&store, &time, quiet());
        let now = rig.now();
        assert!(now >= given, "{now} after {given}");
        assert!(now <= given.after(SECOND), "{now} runs more than the lease ahead of {given}");
        given = now;
        time.advance(MS);
        rig.execute(order("m", &format!("first-{round}"), 1)).unwrap();
        for _ in 0..dice.below(12) {
            time.advance(MS * u32::try_from(dice.below(400)).unwrap());
            let time = latest_given(&rig, round, &mut dice);
            assert!(time >= given, "{time} after {given}");
            given = time;
            if dice.below(8) == 0 {
                rig.engine.checkpoint().unwrap();
            }
        }
        given = rig.now();
        if dice.below(3) == 0 {
            // A lease that never became durable was never used.
            rig.faults().hold(Half::Sync);
            time.advance(SECOND * 5);
            let held = Begun::held("a time beyond the lease", rig.engine.now());
            let survived = rig.store.crash(Unsynced::Dropped);
            drop(held);
            store = survived;
        } else {
            store = rig.store.crash(if dice.below(2) == 0 { Unsynced::Kept } else { Unsynced::Dropped });
        }
    }
}

#[test]
fn a_clean_end_ends_the_lease() {
    let mut store = MemoryStore::new();
    let mut end = NOON;
    for (n, back) in [0, micros(HOUR), micros(YEAR)].into_iter().enumerate() {
        let time = Arc::new(TestTime::new(end.micros() - back));
        let rig = Rig::system(&store, &time, quiet());
        assert_eq!(rig.now(), end, "it goes on where it ended");
        time.advance(MS * 10);
        rig.execute(order("m", &format!("o{n}"), 1)).unwrap();
        time.advance(MS * 10);
        end = end.after(MS * 20);
        rig.engine.close().unwrap();
        store = rig.store.crash(Unsynced::Dropped);
    }
}

#[test]
fn a_wall_clock_far_ahead_at_a_restart_needs_consent() {
    let rig = Rig::system(&MemoryStore::new(), &noon(), quiet());
    rig.execute(order("m", "o", 1)).unwrap();
    rig.engine.close().unwrap();
    let kept = records(&rig.store).len();
    let ahead = Arc::new(TestTime::new(NOON.after(DAY * 8).micros()));
    let refused = Rig::try_open(&rig.store, system(&ahead, false), quiet()).err().expect("refused");
    assert!(matches!(refused, OpenError::Clock(ClockError::Gap { .. })), "{refused}");
    assert_eq!(records(&rig.store).len(), kept, "a refused start writes nothing");
    let agreed = Rig::try_open(&rig.store, system(&ahead, true), quiet()).expect("a person has agreed");
    assert_eq!(agreed.now(), NOON.after(DAY * 8));
    assert!(agreed.margin("m").pending.is_empty(), "it has settled by then");
}

#[test]
fn an_idle_engine_writes_nothing() {
    let time = noon();
    let rig = Rig::system(&MemoryStore::new(), &time, quiet());
    rig.execute(order("m", "o", 1)).unwrap();
    time.advance(DAY * 20);
    rig.settle();
    let last = rig.last();
    for _ in 0..1_000 {
        time.advance(HOUR);
        rig.settle();
        rig.engine.stats();
        rig.engine.check().unwrap();
    }
    assert_eq!(rig.last(), last);
}

#[test]
fn the_lease_is_renewed_once_a_second_and_not_by_every_command() {
    let time = noon();
    let rig = Rig::system(&MemoryStore::new(), &time, quiet());
    for n in 0..2_000 {
        time.advance(MS * 10);
        assert!(rig.engine.submit(&order("m", &format!("o{n}"), 1)).result.is_ok());
    }
    rig.engine.close().unwrap();
    let leases = bodies(&rig.store).iter().filter(|body| matches!(body, Body::ClockLease(_))).count();
    assert!((18..=22).contains(&leases), "{leases} leases in 20 s");
}
