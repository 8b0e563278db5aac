//! What goes over the wire is what was meant, lap after lap.

use std::{collections::HashMap, time::Duration};

use prost::Message as _;

use super::*;
use crate::{
    cli::bench::options::{Client, Mode},
    proto::v1::{ClassifyOrdersRequest, CompletedOrder, StreamClassifyOrdersRequest},
};

const NOW: i64 = 1_800_000_000;

fn plan(mode: Mode, chunk: u32) -> Plan {
    Plan {
        mode,
        client: Client::Light,
        chunk,
        connections: 2,
        in_flight: 4,
        threads: 1,
        rate: None,
        duration: Duration::from_secs(1),
        warmup: Duration::ZERO,
        orders: None,
        merchants: Merchants { count: 50, zipf: Some(1.0), without_guarantee: 0.1, guarantee: 100 },
        repeats: 0.2,
        late: 0.1,
        receipts: mode == Mode::Chunk,
        seed: 5,
        pool: 8_192,
        check_every: 3,
    }
}

fn source(plan: &Plan, connection: u32) -> Source {
    Load::new(&plan.merchants, NOW).source(plan, 0, connection)
}

/// The messages of a batch.
fn cut(batch: &Batch) -> Vec<Bytes> {
    let (mut rest, mut messages) = (batch.bytes.clone(), vec![]);
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[1..PREFIX].try_into().unwrap()) as usize;
        assert_eq!(rest[0], 0, "nothing is compressed");
        messages.push(rest.split_to(PREFIX + length).slice(PREFIX..));
    }
    assert_eq!(messages.len(), batch.messages as usize);
    messages
}

fn orders(mode: Mode, message: &Bytes) -> Vec<CompletedOrder> {
    let message = message.as_ref();
    match mode {
        Mode::Unary => vec![CompletedOrder::decode(message).unwrap()],
        Mode::Chunk => {
            let request = ClassifyOrdersRequest::decode(message).unwrap();
            assert!(request.with_receipts);
            request.orders
        }
        Mode::Stream => StreamClassifyOrdersRequest::decode(message).unwrap().orders,
    }
}

#[test]
fn ids_are_new_in_each_lap_but_those_of_repeats() {
    for (mode, chunk) in [(Mode::Unary, 1), (Mode::Chunk, 100), (Mode::Stream, 7), (Mode::Stream, 2_000)] {
        let plan = plan(mode, chunk);
        let mut source = source(&plan, 0);
        let pool = source.prepared().0 as usize;
        let (mut known, mut sent, mut again): (HashMap<String, CompletedOrder>, _, _) = (HashMap::new(), 0, 0);
        while sent < 3 * pool {
            for message in cut(&source.take(5)) {
                for order in orders(mode, &message) {
                    sent += 1;
                    if let Some(first) = known.insert(order.order_id.clone(), order.clone()) {
                        assert_eq!(first, order, "a repeat is as it was");
                        again += 1;
                    }
                }
            }
        }
        let share = f64::from(again) / sent as f64;
        assert!((0.1..0.25).contains(&share), "{mode:?}: {share} are repeats");
    }
}

#[test]
fn samples_know_their_message_and_its_repeats() {
    let plan = plan(Mode::Stream, 10);
    let mut source = source(&plan, 1);
    let (mut ids, mut samples) = (std::collections::HashSet::new(), 0);
    for _ in 0..700 {
        let batch = source.take(100);
        for message in cut(&batch) {
            let known: Vec<bool> =
                orders(plan.mode, &message).into_iter().map(|order| !ids.insert(order.order_id)).collect();
            let Some(sample) = &batch.sample else { continue };
            samples += 1;
            assert_eq!(sample.request, message);
            assert_eq!((0..known.len()).map(|at| sample.is_repeat(at)).collect::<Vec<_>>(), known);
        }
    }
    assert!(samples > 100, "{samples} samples");
}

#[test]
fn what_is_still_held_is_not_written_over() {
    let plan = Plan { pool: 2, ..plan(Mode::Stream, 1_024) };
    let mut source = source(&plan, 0);
    let (first, second) = (source.take(1), source.take(1));
    assert_ne!(first.bytes, second.bytes);
    assert_eq!(first.bytes.len(), second.bytes.len());
}

#[test]
fn connections_send_orders_of_their_own_and_a_seed_the_same_again() {
    let plan = plan(Mode::Unary, 1);
    let first = |connection| source(&plan, connection).take(1).bytes;
    assert_eq!(first(0), first(0));
    assert_ne!(first(0), first(1));
}

#[test]
fn the_generated_client_is_given_orders_with_ids_too() {
    let plan = plan(Mode::Unary, 1);
    let mut requests = Load::new(&plan.merchants, NOW).requests(&plan, 0, 0);
    let (mut ids, mut repeats) = (std::collections::HashSet::new(), 0);
    for _ in 0..requests.prepared() * 2 {
        let (request, repeat) = requests.take();
        assert_eq!(ids.insert(request.order_id), !repeat);
        repeats += u64::from(repeat);
    }
    assert!(repeats > 0);
}

#[test]
fn late_orders_are_late_and_cost_what_they_should() {
    let plan = plan(Mode::Stream, 1_000);
    let mut late = 0;
    for message in cut(&source(&plan, 0).take(1)) {
        for order in orders(plan.mode, &message) {
            let price: f64 = order.price.parse().unwrap();
            assert!((1.0..=200.0).contains(&price) && order.profit.parse::<f64>().unwrap() <= price);
            if let Some(at) = order.completed_at {
                assert!((3_600..=20 * 3_600).contains(&(NOW - at.seconds)));
                late += 1;
            }
        }
    }
    assert!((50..200).contains(&late), "{late} of 1,000 are late");
}
