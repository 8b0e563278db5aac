//! What a look into a map of merchants costs, and reading an order.

use std::{hint::black_box, time::Instant};

use dashmap::DashMap;
use prost::Message as _;

use super::Figure;
use crate::{cli::bench::load::Draws, proto::v1::CompletedOrder};

/// How often each is done.
const TIMES: u32 = 2_000_000;

/// The mean of each.
pub(super) fn measure(merchants: u32) -> Vec<Figure> {
    vec![
        Figure { name: format!("update one of {merchants} in a map by its name"), nanos: map(merchants) },
        Figure { name: "decode an order".into(), nanos: decode() },
    ]
}

/// Of a map like the engine's, one thread.
fn map(merchants: u32) -> f64 {
    let names: Vec<String> = (0..merchants).map(|merchant| format!("m{merchant:07}")).collect();
    let map: DashMap<String, i64, foldhash::fast::RandomState> = DashMap::default();
    for name in &names {
        map.insert(name.clone(), 0);
    }
    let mut draws = Draws::new(1, 1);
    let started = Instant::now();
    for _ in 0..TIMES {
        let drawn = names.get(draws.below(merchants) as usize);
        if let Some(mut total) = drawn.and_then(|name| map.get_mut(name)) {
            *total += 1;
        }
    }
    each(started)
}

/// With the generated code, into strings.
fn decode() -> f64 {
    let order = CompletedOrder {
        merchant_id: "m0012345".into(),
        order_id: "0123456789abcdef".into(),
        price: "123.45".into(),
        profit: "12.34".into(),
        completed_at: None,
    };
    let bytes = order.encode_to_vec();
    let started = Instant::now();
    for _ in 0..TIMES {
        // Told apart only by what becomes of them, which is nothing.
        drop(black_box(CompletedOrder::decode(black_box(bytes.as_slice()))));
    }
    each(started)
}

fn each(started: Instant) -> f64 {
    started.elapsed().as_nanos() as f64 / f64::from(TIMES)
}
