//! What comes due, step by step.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tplus::{
    domain::{ClassifyOrder, Money, OrderId, Timestamp},
    engine::{Observer, Options, Request},
    journal::{Lsn, MemoryStore, Store, Unsynced},
    proto::journal::{CheckpointItem, checkpoint_item::Item, record::Body},
};

use crate::rig::*;

#[derive(Default)]
struct Facts(AtomicUsize);

impl Observer for Facts {
    fn due_recorded(&self, facts: usize) {
        self.0.fetch_add(facts, Ordering::Relaxed);
    }
}

#[test]
fn many_at_the_same_instant_are_done_in_bounded_steps_and_once() {
    const MERCHANTS: usize = 700;
    let facts = Arc::new(Facts::default());
    let rig = Rig::manual(&MemoryStore::new(), Options { observer: Arc::clone(&facts) as Arc<_>, ..quiet() });
    for n in 0..MERCHANTS {
        assert!(rig.engine.submit(&order(&format!("m{n}"), "o", 1_00)).result.is_ok());
    }
    assert_eq!(rig.engine.run_due().unwrap(), 0, "nothing is due");
    rig.advance(NOON.after(DAY * 8));
    assert!(!rig.engine.stats().due_lag.is_zero());
    let before = rig.last();
    let mut steps = Vec::new();
    loop {
        let (durable_before, looked_at) = (rig.last(), rig.engine.run_due().unwrap());
        assert!(looked_at <= 256);
        assert!(rig.last() - durable_before <= looked_at as u64);
        assert_eq!(rig.engine.stats().journal_durable, rig.last(), "a step is durable before the next");
        if looked_at == 0 {
            break;
        }
        steps.push(looked_at);
    }
    assert_eq!(steps.iter().sum::<usize>(), MERCHANTS);
    assert_eq!((rig.last() - before) as usize, MERCHANTS);
    assert_eq!(facts.0.load(Ordering::Relaxed), MERCHANTS);
    assert_eq!(rig.margin("m0").available, Money::from_dollars(1));
    rig.advance(NOON.after(DAY * 40));
    let last = rig.last();
    rig.settle();
    assert_eq!(rig.last(), last, "what is done is not done again");
    assert!(rig.engine.stats().due_lag.is_zero());
}

/// A release, settlements of both cycles, and a command after a long time: one record, in due order.
#[test]
fn what_is_due_comes_before_the_command_in_the_same_record() {
    let rig = Rig::manual(&MemoryStore::new(), quiet());
    rig.execute(import("m", "i", 100)).unwrap();
    rig.execute(guarantee("m", "up", 10)).unwrap();
    rig.execute(order("m", "quick", 10_00)).unwrap();
    rig.execute(order("m", "standard", 10_00)).unwrap();
    rig.execute(guarantee("m", "down", 4)).unwrap();
    rig.advance(NOON.after(DAY * 20));
    let read = rig.margin("m");
    let last = rig.last();
    rig.execute(order("m", "late", 1)).unwrap();
    assert_eq!(rig.last(), last + 1);
    let Some(Body::Merchant(merchant)) = bodies(&rig.store).pop() else { panic!("no facts") };
    let effective: Vec<_> =
        merchant.facts.iter().map(|fact| Timestamp::from_micros(fact.effective_at).to_string()).collect();
    let expected = [
        "2026-03-03T00:00:00Z", // T+2
        "2026-03-08T00:00:00Z", // T+7
        "2026-03-08T12:00:00Z", // the release
        "2026-03-21T12:00:00Z", // the order
    ];
    assert_eq!(effective, expected);
    let after = rig.margin("m");
    assert_eq!((after.available, after.historical_profit), (read.available, read.historical_profit));
}

fn late(merchant: &str, name: &str, completed_at: Timestamp) -> Request<ClassifyOrder> {
    let order_id = OrderId::parse(name).unwrap();
    let command = ClassifyOrder::new(order_id, Money::from_cents(3_00), None, Some(completed_at)).unwrap();
    Request { command, ..order(merchant, name, 1) }
}

/// The days whose totals a checkpoint holds.
fn days_kept(rig: &Rig) -> usize {
    rig.engine.checkpoint().unwrap();
    let store = rig.store.crash(Unsynced::Dropped);
    let newest = store.checkpoints().unwrap().remove(0);
    let mut days = 0;
    let mut visit = |bytes: &[u8]| {
        if let Some(Item::Merchant(merchant)) = <CheckpointItem as prost::Message>::decode(bytes).unwrap().item {
            days += merchant.days.len();
        }
        Ok(())
    };
    store.read_checkpoint(&newest, &mut visit).unwrap();
    days
}

#[test]
fn totals_of_old_days_are_forgotten_and_no_answer_changes() {
    let policy = tplus::domain::Policy { max_lateness: DAY * 7, ..tplus::domain::Policy::default() };
    let options = || Options { policy: Some(policy.clone()), ..quiet() };
    let [swept, unswept] = [0, 1].map(|_| Rig::manual(&MemoryStore::new(), options()));
    for rig in [&swept, &unswept] {
        rig.execute(guarantee("m", "g", 10)).unwrap();
    }
    for day in 0..40_u32 {
        let now = NOON.after(DAY * day);
        let answers = [&swept, &unswept].map(|rig| {
            rig.advance(now);
            let mut answers = vec![rig.execute(order("m", &format!("o{day}"), 4_00))];
            answers.push(rig.execute(late("m", &format!("l{day}"), now.before(DAY * (day % 8)))));
            (answers, rig.margin("m"))
        });
        assert_eq!(answers[0], answers[1], "day {day}");
        swept.settle();
    }
    let last = NOON.after(DAY * 39);
    for day in 1..=30 {
        for rig in [&swept, &unswept] {
            rig.advance(last.after(DAY * day));
        }
        let before = swept.last();
        swept.settle();
        assert_eq!(swept.margin("m"), unswept.margin("m"), "{day} days later");
        if day > 9 {
            assert_eq!(swept.last(), before, "forgetting is no fact");
            assert_eq!(days_kept(&swept), 0, "{day} days later");
        }
    }
    assert!(days_kept(&unswept) <= 9, "without the background task at most those of nine days");
    for rig in [&swept, &unswept] {
        let whole = Rig::manual(&rig.store.crash(Unsynced::Dropped), options());
        assert_eq!(whole.margin("m"), rig.margin("m"));
    }
}

/// What a merchant is to be looked at for is found again after a restart, with and without a checkpoint.
#[test]
fn a_restart_knows_what_is_due() {
    for checkpoint in [false, true] {
        let rig = Rig::manual(&MemoryStore::new(), quiet());
        for n in 0..20 {
            rig.execute(order(&format!("m{n}"), "o", 1_00)).unwrap();
        }
        if checkpoint {
            rig.engine.checkpoint().unwrap();
        }
        let survived = rig.store.crash(Unsynced::Dropped);
        let rig = Rig::manual(&survived, quiet());
        assert_eq!(rig.recovered.checkpoint.is_some(), checkpoint);
        rig.advance(NOON.after(DAY * 8));
        let last = Lsn::new(rig.last());
        rig.settle();
        assert_eq!(rig.last() - last.get(), 20);
    }
}
