//! The background task beside commands from many threads: it changes no answer and no balance.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tplus::{
    domain::{ClassifyOrder, Money, OrderId, Rejection, Timestamp},
    engine::{EngineError, Request},
    journal::{MemoryStore, Unsynced},
    proto::journal::{Fact, Record, fact::Kind, record::Body},
};

use crate::rig::*;

const MERCHANTS: u64 = 600;
const THREADS: u64 = 3;
/// For each thread and step of the clock.
const COMMANDS: u64 = 400;
const STEPS: u32 = 6;

/// Some command of a thread. Several threads meet at the same merchants, on the same day.
fn submit(rig: &tplus::engine::Engine, thread: u64, n: u64, dice: &mut Dice) {
    let merchant = format!("m{}", dice.below(MERCHANTS));
    let name = format!("{thread}-{n}");
    let submitted = match dice.below(5) {
        0 => rig.submit(&guarantee(&merchant, &name, dice.below(40))).result.err(),
        1 => {
            let order_id = OrderId::parse(&name).unwrap();
            let now = rig.read_margin(&id("m0")).result.map_or(NOON, |margin| margin.as_of);
            let completed_at = Some(now.before(HOUR * u32::try_from(dice.below(20)).unwrap()));
            let price = Money::from_cents(i128::from(1 + dice.below(20_00)));
            let command = ClassifyOrder::new(order_id, price, None, completed_at).unwrap();
            rig.submit(&Request { command, ..order(&merchant, &name, 1) }).result.err()
        }
        _ => rig.submit(&order(&merchant, &name, i128::from(1 + dice.below(20_00)))).result.err(),
    };
    // The clock may have been moved since it was read.
    let too_old = matches!(submitted, Some(EngineError::Rejected(Rejection::OrderTooOld { .. })));
    assert!(submitted.is_none() || too_old, "{merchant} {name}: {submitted:?}");
}

/// Several threads at work while the clock goes on from one moment at which all is due to the next.
fn run() -> Rig {
    let rig = Rig::manual(&MemoryStore::new(), busy());
    for n in 0..MERCHANTS {
        assert!(rig.engine.submit(&order(&format!("m{n}"), "first", 5_00)).result.is_ok());
    }
    // How far the threads have come: the clock moves while they are at it, a few times for all.
    let done = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (1..=THREADS)
        .map(|thread| {
            let (engine, done) = (Arc::clone(&rig.engine), Arc::clone(&done));
            spawn(move || {
                let mut dice = Dice(0x5eed_0002 * thread);
                for n in 0..COMMANDS * u64::from(STEPS) {
                    submit(&engine, thread, n, &mut dice);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for step in 1..=STEPS {
        let far = (COMMANDS * THREADS * u64::from(step - 1)) as usize + 50;
        until("the threads go on", || done.load(Ordering::Relaxed) >= far);
        rig.advance(NOON.after(DAY * 3 * step - HOUR * 12));
    }
    threads.into_iter().for_each(Running::join);
    // A last time everybody is due at once, and nobody asks.
    rig.advance(NOON.after(DAY * 60));
    until("all that is due is done", || rig.engine.stats().due_lag.is_zero());
    rig.engine.close().unwrap();
    rig
}

fn merchants_of(store: &MemoryStore) -> BTreeMap<String, Vec<(i64, Fact)>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for Record { recorded_at, body, .. } in records(store) {
        if let Some(Body::Merchant(merchant)) = body {
            assert!(!merchant.facts.is_empty());
            let facts = merchant.facts.into_iter().map(|fact| (recorded_at, fact));
            all.entry(merchant.merchant_id).or_default().extend(facts);
        }
    }
    all
}

/// What was due and by when, or `None` for what was asked for.
fn due_at(fact: &Fact) -> Option<(i64, String)> {
    match fact.kind.as_ref().unwrap() {
        Kind::ProfitSettled(settled) => {
            Some((settled.settles_at, format!("{} {} {}", settled.settles_at, settled.day, settled.cycle)))
        }
        Kind::ReleaseCompleted(completed) => Some((completed.due_at, format!("release {}", completed.release))),
        _ => None,
    }
}

fn check_order(merchant: &str, facts: &[(i64, Fact)]) {
    let (mut effective_at, mut recorded) = (Timestamp::MIN.micros(), Timestamp::MIN.micros());
    let mut done = HashSet::new();
    let mut latest_due = Timestamp::MIN.micros();
    for (recorded_at, fact) in facts {
        assert!(fact.effective_at >= effective_at, "{merchant}: effective time falls at {fact:?}");
        assert!(fact.effective_at <= *recorded_at, "{merchant}: effective before it was recorded: {fact:?}");
        assert!(*recorded_at >= recorded, "{merchant}: recorded time falls at {fact:?}");
        (effective_at, recorded) = (fact.effective_at, *recorded_at);
        if let Some((due_at, what)) = due_at(fact) {
            assert!(due_at >= latest_due, "{merchant}: not in due order: {fact:?}");
            assert!(due_at <= *recorded_at, "{merchant}: recorded before it was due: {fact:?}");
            assert!(done.insert(what), "{merchant}: done twice: {fact:?}");
            latest_due = due_at;
        } else {
            assert!(latest_due <= *recorded_at);
        }
    }
}

/// The commands of a journal, in its order and at their times, to an engine that has no background task.
fn repeat(store: &MemoryStore) -> Rig {
    let again = Rig::manual(&MemoryStore::new(), quiet());
    for record in records(store) {
        match record.body.unwrap() {
            Body::ClockAdvanced(advanced) => again.advance(Timestamp::from_micros(advanced.to)),
            Body::Merchant(merchant) => {
                let asked = merchant.facts.iter().find_map(|fact| match fact.kind.as_ref().unwrap() {
                    Kind::OrderClassified(fact) => {
                        let order_id = OrderId::parse(&fact.order_id).unwrap();
                        let price = Money::from_cents(fact.price.into());
                        let completed_at = Some(Timestamp::from_micros(fact.completed_at));
                        let command = ClassifyOrder::new(order_id, price, None, completed_at).unwrap();
                        let request = Request { command, ..order(&merchant.merchant_id, &fact.order_id, 1) };
                        Some(again.engine.submit(&request).result.err())
                    }
                    Kind::GuaranteeModified(fact) => {
                        let request =
                            guarantee(&merchant.merchant_id, &fact.request_id, fact.change.unwrap().guarantee / 100);
                        Some(again.engine.submit(&request).result.err())
                    }
                    _ => None,
                });
                assert!(matches!(asked, None | Some(None)), "{asked:?}");
            }
            Body::PolicySet(_) | Body::ClockLease(_) | Body::ProposalMade(_) | Body::ProposalClosed(_) => {}
        }
    }
    again
}

#[test]
fn a_background_task_and_many_threads_come_to_what_one_thread_without_it_does() {
    let rig = run();
    let facts = merchants_of(&rig.store);
    assert_eq!(facts.len() as u64, MERCHANTS);
    facts.iter().for_each(|(merchant, facts)| check_order(merchant, facts));
    let by_itself = bodies(&rig.store).into_iter().filter(|body| match body {
        Body::Merchant(merchant) => merchant.facts.iter().all(|fact| due_at(fact).is_some()),
        _ => false,
    });
    assert!(by_itself.count() as u64 >= MERCHANTS, "the background task has done its part");

    let again = repeat(&rig.store);
    let recovered = Rig::manual(&rig.store.crash(Unsynced::Dropped), quiet());
    for merchant in facts.keys() {
        let margin = again.margin(merchant);
        assert_eq!(rig.margin(merchant), margin, "{merchant}");
        assert_eq!(recovered.margin(merchant), margin, "{merchant}, recovered");
    }
    again.settle();
    again.engine.check().unwrap();
    rig.engine.check().unwrap();
    for (merchant, facts_again) in merchants_of(&again.store) {
        // The times at which what was due was recorded may differ, and nothing else.
        let facts = facts[&merchant].iter().map(|(_, fact)| fact);
        assert!(facts.eq(facts_again.iter().map(|(_, fact)| fact)), "{merchant}");
    }
}
