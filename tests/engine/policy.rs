//! Which policy an engine follows.

use tplus::{
    domain::{Money, Policy, Timestamp},
    engine::{OpenError, Options},
    journal::{MemoryStore, Unsynced},
    proto::journal::record::Body,
};

use crate::rig::*;

fn strict() -> Policy {
    Policy { max_guarantee: Some(Money::from_dollars(100)), ..Policy::default() }
}

fn with(policy: Option<Policy>) -> Options {
    Options { policy, ..quiet() }
}

fn versions(store: &MemoryStore) -> Vec<u64> {
    let versions = bodies(store).into_iter().filter_map(|body| match body {
        Body::PolicySet(set) => Some(set.version),
        _ => None,
    });
    versions.collect()
}

#[test]
fn the_first_start_records_the_policy_and_later_ones_follow_it() {
    for first in [None, Some(strict())] {
        let rig = Rig::manual(&MemoryStore::new(), with(first.clone()));
        rig.execute(guarantee("m", "g", 50)).unwrap();
        let before = rig.margin("m");
        assert_eq!(before.quota.policy_version, 1);
        rig.engine.close().unwrap();
        for again in [None, Some(first.clone().unwrap_or_default())] {
            let store = rig.store.crash(Unsynced::Dropped);
            let rig = Rig::manual(&store, with(again));
            assert_eq!(rig.margin("m"), before);
            let above = rig.execute(guarantee("m", "h", 101));
            assert_eq!(above.is_err(), first.is_some(), "the policy of the journal decides");
            assert_eq!(versions(&store), [1]);
        }
    }
}

#[test]
fn another_policy_is_refused_and_changes_nothing() {
    for first in [None, Some(strict())] {
        let rig = Rig::manual(&MemoryStore::new(), with(first.clone()));
        rig.engine.close().unwrap();
        let other = if first.is_some() { Policy::default() } else { strict() };
        let store = rig.store.crash(Unsynced::Dropped);
        let refused = Rig::try_open(&store, manual, with(Some(other))).err().expect("refused");
        assert!(matches!(refused, OpenError::OtherPolicy { version: 1 }), "{refused}");
        assert_eq!(records(&store), records(&rig.store));
    }
}

/// The first records may reach the disk one by one.
#[test]
fn a_first_start_that_was_cut_short_is_a_first_start_again() {
    for system_clock in [true, false] {
        let store = MemoryStore::new();
        // Room for the clock's record, and not for the policy's.
        store.set_room(Some(40));
        let time = noon();
        let open = |store: &MemoryStore| {
            if system_clock {
                Rig::try_open(store, system(&time, false), with(Some(strict())))
            } else {
                Rig::try_open(store, manual, with(Some(strict())))
            }
        };
        let cut = open(&store).err().expect("there is no room");
        assert!(matches!(cut, OpenError::Append(_)), "{cut}");
        let survived = store.crash(Unsynced::Kept);
        assert!(versions(&survived).is_empty());
        assert_eq!(records(&survived).len(), 1, "the clock's record is there");
        let rig = open(&survived).expect("opened");
        assert_eq!(versions(&survived), [1]);
        assert!(rig.now() >= Timestamp::from_micros(NOON.micros()));
        assert!(rig.execute(guarantee("m", "g", 101)).is_err(), "its policy is in force");
    }
}
