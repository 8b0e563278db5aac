//! How fast it is. Not run by itself: `cargo test --release --lib history::tests::speed -- --ignored --nocapture`.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use prost::Message as _;

use super::{
    super::{Clock, History, Options, Order},
    KEY, append, open_journal,
    world::{Dice, NOON},
};
use crate::{
    codec::{Fingerprint, encode_event, encode_policy},
    domain::{
        ClassifyOrder, Context, InForce, Key, Limits, Merchant, MerchantId, Money, OrderId, Policy, Timeline, decide,
    },
    journal::MemoryStore,
    proto::journal::{MerchantFacts, Record, record::Body},
};

const ORDERS: u64 = 600_000;
const MERCHANTS: u64 = 50_000;

/// Records of orders over many merchants, some of which have far more than others.
fn records() -> Vec<Vec<u8>> {
    let policies = Timeline::new(InForce::first(Policy::default(), NOON));
    let body = Body::PolicySet(encode_policy(policies.latest()));
    let first = Record { recorded_at: NOON.micros(), caller: String::new(), body: Some(body), approval: None };
    let (mut records, mut merchants) = (vec![first.encode_to_vec()], HashMap::<u64, Merchant>::new());
    let (mut dice, mut now) = (Dice(1), NOON);
    for number in 0..ORDERS {
        now = now.after(Duration::from_millis(1_500));
        let of = dice.below(1 + dice.0 % MERCHANTS);
        let merchant = merchants.entry(of).or_default();
        let order = OrderId::parse(&format!("order-{number:09}")).unwrap();
        let price = Money::from_cents(i128::from(1 + dice.below(100_000)));
        let context = Context { now, policies: &policies, limits: Limits::default(), subject: None };
        let command = ClassifyOrder::new(order, price, None, None).unwrap();
        let events = decide(&command, merchant, &context).unwrap().changes.events;
        events.iter().for_each(|event| merchant.apply(event));
        let facts = events.iter().map(encode_event).collect();
        let facts = MerchantFacts { merchant_id: format!("merchant-{of:06}"), facts };
        let record = Record {
            recorded_at: now.micros(),
            caller: String::new(),
            body: Some(Body::Merchant(facts)),
            approval: None,
        };
        records.push(record.encode_to_vec());
    }
    records
}

fn reads(name: &str, mut read: impl FnMut(u64)) {
    let mut took = Vec::new();
    for number in 0..20_000 {
        let began = Instant::now();
        read(number);
        took.push(began.elapsed());
    }
    took.sort();
    println!("{name}: p50 {:?}, p99 {:?}", took[took.len() / 2], took[took.len() * 99 / 100]);
}

#[test]
#[ignore = "measures"]
fn filling_and_reading() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options {
        dir: dir.path().join("history"),
        directory_id: [1; 16],
        fingerprint_key: KEY,
        ..Options::default()
    };
    let (records, journal) = (records(), open_journal(MemoryStore::new()));
    append(&journal, &records);
    let history = History::open(options()).unwrap();
    let began = Instant::now();
    history.start(&journal, journal.durable()).unwrap();
    let (took, stats) = (began.elapsed(), history.stats());
    let rate = stats.facts as f64 / took.as_secs_f64();
    println!(
        "{} facts of {} merchants in {took:?}: {rate:.0}/s, {} MiB",
        stats.facts,
        stats.merchants,
        stats.disk_bytes >> 20
    );
    drop(history);
    let began = Instant::now();
    let history = History::open(options()).unwrap();
    println!("opened and checked after a kill in {:?}", began.elapsed());
    history.start(&journal, journal.durable()).unwrap();
    let mut dice = Dice(9);
    let mut merchant = || MerchantId::parse(&format!("merchant-{:06}", dice.below(2_000))).unwrap();
    let ids: Vec<_> = records[1..]
        .iter()
        .step_by(29)
        .map(|record| {
            let Some(Body::Merchant(facts)) = Record::decode(&**record).unwrap().body else { panic!("no facts") };
            let event = crate::codec::decode_event(facts.facts.last().unwrap().clone()).unwrap();
            let Some(Key::Order(order)) = event.fact.key() else { panic!("no order") };
            Fingerprint::of(KEY, &MerchantId::parse(&facts.merchant_id).unwrap(), Key::Order(order))
        })
        .collect();
    reads("known", |number| assert!(history.known(ids[number as usize * 7 % ids.len()]).unwrap().is_some()));
    reads("not known", |number| assert!(history.known(Fingerprint::new(u128::from(number) << 90)).unwrap().is_none()));
    reads("50 newest entries", |_| {
        let id = merchant();
        drop(history.reader().entries(&id, &[], None, None, Order::NewestFirst, None, 50).unwrap());
    });
    reads("50 newest orders by date", |_| {
        let id = merchant();
        drop(history.reader().orders(&id, None, None, Order::NewestFirst, None, 50).unwrap());
    });
    let middle = NOON.after(Duration::from_secs(ORDERS * 3 / 4));
    reads("as of an instant", |_| {
        let id = merchant();
        drop(history.reader().as_of(&id, Clock::Recorded, middle).unwrap());
    });
}
