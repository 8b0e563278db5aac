//! How many bytes of memory a merchant and a remembered order take, as the operating system counts them.
//!
//! `cargo bench --bench memory`
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a bench that cannot go on may fail")]

#[path = "support/mod.rs"]
mod support;

use support::{directory, engine, file_store, guarantee, order, submit};

const MERCHANTS: u64 = 1_000_000;
const ORDERS: u64 = 4_000_000;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let dir = directory();
    let engine = engine(file_store(&dir));
    let empty = resident();
    for merchant in 0..MERCHANTS {
        submit(&engine, &guarantee(merchant, "guarantee", 100));
    }
    let merchants = resident();
    for number in 0..ORDERS {
        submit(&engine, &order(number % MERCHANTS, number));
    }
    let orders = resident();
    let bytes = engine.journal().bytes_appended();
    engine.close().expect("closed");
    println!("empty: {} MiB", empty >> 20);
    println!("a merchant with a guarantee and its request: {} bytes", (merchants - empty) / MERCHANTS);
    println!("an order, remembered and pending: {} bytes", (orders - merchants) / ORDERS);
    println!("a record in the journal: {} bytes on average", bytes / (MERCHANTS + ORDERS));
}

/// The resident set, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident set");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
}
