//! Time that was told stays told.

use std::sync::{Arc, Barrier};

use tplus::{
    clock::{Clock, ManualClock},
    domain::Rejection,
    journal::{Half, MemoryStore, Unsynced},
};

use crate::{
    rig::*,
    room::{NONE_LEFT, settlements},
};

#[test]
fn a_refused_advance_tells_no_time_that_is_not_durable() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    rig.faults().hold(Half::Sync);
    let to = NOON.after(HOUR);
    let advanced = Begun::held("an advance", rig.engine.advance_clock(to, ""));
    let backwards = Begun::held("a refusal that tells the time", rig.engine.advance_clock(NOON, ""));
    rig.faults().release(Half::Sync);
    assert_eq!(advanced.finish(), Ok(to));
    assert_eq!(backwards.finish(), Err(Rejection::ClockBackwards { now: to }.into()));
}

/// Time that stands still does not reach what the clock says is due: nothing can be done, and nothing may try without end.
#[test]
fn due_work_beyond_the_lease_waits_for_room() {
    let time = noon();
    let rig = Rig::system(&MemoryStore::new(), &time, quiet());
    rig.execute(order("m", "o", 1_00)).unwrap();
    rig.store.set_room(NONE_LEFT);
    time.advance(DAY * 30);
    let mut rounds = 0;
    while rig.engine.run_due().is_ok_and(|looked_at| looked_at > 0) {
        rounds += 1;
        assert!(rounds < 10, "it goes on and on");
    }
    assert_eq!(settlements(&rig.store), 0);
    rig.store.set_room(None);
    rig.settle();
    assert_eq!(settlements(&rig.store), 1);
}

#[test]
fn an_advance_beside_a_checkpoint_survives_a_crash() {
    let mut store = MemoryStore::new();
    let mut to = NOON;
    for _ in 0..300 {
        let rig = Rig::manual(&store, quiet());
        assert_eq!(rig.now(), to, "an advance was acknowledged and then lost");
        to = to.after(HOUR);
        let together = Arc::new(Barrier::new(2));
        let (engine, other) = (Arc::clone(&rig.engine), Arc::clone(&together));
        let checkpoint = spawn(move || {
            other.wait();
            engine.checkpoint().map(drop).unwrap();
        });
        together.wait();
        rig.advance(to);
        checkpoint.join();
        store = rig.store.crash(Unsynced::Dropped);
    }
}

#[test]
fn a_manual_clock_that_starts_later_keeps_that() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    let later = |floor| Ok(Clock::Manual(ManualClock::start(NOON.after(HOUR).micros(), floor)));
    let rig = Rig::try_open(&rig.store.crash(Unsynced::Dropped), later, quiet()).unwrap();
    assert_eq!(rig.now(), NOON.after(HOUR));
    let rig = Rig::manual(&rig.store.crash(Unsynced::Dropped), quiet());
    assert_eq!(rig.now(), NOON.after(HOUR));
}
