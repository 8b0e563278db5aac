//! A million merchants have a release due in the same instant: how long does a classification wait meanwhile?
//!
//! `cargo bench --bench stall`, or with another number of merchants: `cargo bench --bench stall -- 100000`.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a bench that cannot go on may fail")]

#[path = "support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use support::{START, directory, engine, file_store, guarantee, order, request, submit};
use tplus::domain::{Id, ImportMerchant, Money};

fn main() {
    let merchants = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(1_000_000);
    let dir = directory();
    let engine = engine(file_store(&dir));

    let began = Instant::now();
    for merchant in 0..merchants {
        let import = ImportMerchant {
            available: Money::from_dollars(100),
            ..ImportMerchant::empty(Id::parse("import").expect("an id"))
        };
        submit(&engine, &request(merchant, import));
        submit(&engine, &guarantee(merchant, "raise", 100));
        submit(&engine, &guarantee(merchant, "lower", 0));
    }
    println!("{merchants} merchants with a release each, prepared in {:.1?}", began.elapsed());

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let mut quiet: Vec<_> = (0..2_000).map(|n| timed(&runtime, &engine, merchants + n)).collect();
    // A second past the instant, so that what is still to be done shows as a lag.
    let due = START.after(Duration::from_secs(7 * 24 * 3600 + 1));
    let began = Instant::now();
    let before = engine.journal().last().get();
    runtime.block_on(engine.advance_clock(due, "")).expect("advanced");
    let mut busy = Vec::new();
    while engine.stats().due_lag > Duration::ZERO {
        busy.push(timed(&runtime, &engine, merchants + 10_000 + busy.len() as u64));
    }
    let took = began.elapsed();
    println!("all released in {took:.1?}, while {} orders were classified one after another", busy.len());
    // An order takes its merchant's release into its own record; the last step may still be on its way.
    let records = engine.journal().last().get() - before;
    assert!(records + 256 >= merchants, "{records} records cannot hold {merchants} releases");
    report("nothing due", &mut quiet);
    report("releases due", &mut busy);
    engine.close().expect("closed");
}

fn timed(runtime: &tokio::runtime::Runtime, engine: &tplus::engine::Engine, number: u64) -> Duration {
    let request = order(number % 1_000, number);
    let began = Instant::now();
    runtime.block_on(engine.execute(request)).expect("classified");
    began.elapsed()
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{what}: {} orders, p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}",
        times.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}
