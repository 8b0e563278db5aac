//! An engine that has as much in flight as it may.

use tplus::{
    engine::{EngineError, Options},
    journal::{Half, MemoryStore},
};

use crate::rig::*;

const MOST: usize = 8;

#[test]
fn what_is_too_much_is_refused_before_it_is_looked_at() {
    let rig = Rig::manual(&MemoryStore::new(), Options { max_in_flight: MOST, ..quiet() });
    rig.faults().hold(Half::Sync);
    let begun: Vec<_> =
        (0..MOST).map(|n| Begun::held("an order", rig.engine.execute(order("m", &format!("o{n}"), 1)))).collect();
    assert_eq!(rig.engine.stats().in_flight, MOST as u64);
    let last = rig.last();
    for refused in [order("m", "late", 1), order("m", "o0", 1), order("m", "o0", 2)] {
        let refused = at_once(rig.engine.execute(refused));
        assert!(matches!(refused, Err(EngineError::Overloaded { .. })), "{refused:?}");
    }
    let refused = at_once(rig.engine.execute(guarantee("other", "g", 1)));
    assert!(matches!(refused, Err(EngineError::Overloaded { .. })), "{refused:?}");
    assert_eq!((rig.last(), rig.engine.stats().merchants), (last, 1), "nothing happened");

    rig.faults().release(Half::Sync);
    for answer in begun {
        assert!(!answer.finish().unwrap().replayed);
    }
    assert_eq!(rig.engine.stats().in_flight, 0);
    assert!(!rig.execute(order("m", "late", 1)).unwrap().replayed, "the refused one was not remembered");
}

#[test]
fn who_stops_waiting_makes_room_and_loses_nothing() {
    let rig = Rig::manual(&MemoryStore::new(), Options { max_in_flight: MOST, ..quiet() });
    rig.faults().hold(Half::Sync);
    for round in 0..3 {
        let name = |n| format!("o{round}-{n}");
        let begun: Vec<_> =
            (0..MOST).map(|n| Begun::held("an order", rig.engine.execute(order("m", &name(n), 1)))).collect();
        drop(begun);
        assert_eq!(rig.engine.stats().in_flight, 0, "round {round}");
    }
    let mut retried = Begun::held("a replay", rig.engine.execute(order("m", "o0-0", 1)));
    assert!(retried.is_held());
    rig.faults().release(Half::Sync);
    assert!(retried.finish().unwrap().replayed);
    for round in 0..3 {
        for n in 0..MOST {
            assert!(rig.execute(order("m", &format!("o{round}-{n}"), 1)).unwrap().replayed);
        }
    }
    assert_eq!(rig.engine.stats().orders_remembered, 3 * MOST as u64);
}
