//! Many storms, each of its own seed.

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use crate::{
    model::{strategy::long_trace, trace::Trace},
    storm::Storm,
    tally::Tally,
};

/// How many steps a storm has.
const STEPS: usize = 1_000;
/// How many seeds there are unless `TPLUS_SEEDS` says otherwise.
const SEEDS: u64 = 500;

fn trace(seed: u64) -> Trace {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let dice = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), dice);
    long_trace(STEPS).new_tree(&mut runner).expect("a trace").current()
}

fn storm(seed: u64) -> (Tally, String) {
    let trace = trace(seed);
    let mut storm = Storm::new(seed, &trace);
    storm.run(&trace.steps);
    (storm.tally.clone(), storm.digest())
}

/// `TPLUS_SEEDS`: how many, or which: `7`, `100..200`.
fn seeds() -> Range<u64> {
    let Ok(told) = std::env::var("TPLUS_SEEDS") else { return 0..SEEDS };
    let number = |text: &str| text.parse().expect("TPLUS_SEEDS is a number of seeds, or FIRST..END");
    match told.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => 0..number(&told),
    }
}

#[test]
fn no_storm_takes_anything_back() {
    let (seeds, tally) = (seeds(), Mutex::new(Tally::default()));
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| storm(seed))) {
                Ok((told, _)) => tally.lock().unwrap().add(&told),
                Err(_) => {
                    // At once: many seeds take long.
                    eprintln!("seed {seed}: just sim {seed}..{}", seed + 1);
                    failed.lock().unwrap().push(seed);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let tally = tally.into_inner().unwrap();
    println!("{tally:#?}");
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "seeds {failed:?}; again: just sim {0}..{1}", failed[0], failed[0] + 1);
    if seeds.end - seeds.start >= SEEDS {
        assert_eq!(tally.missing(), Vec::<&str>::new(), "never met in {} storms", seeds.end - seeds.start);
    }
}

#[test]
fn the_same_seed_leaves_the_same_bytes() {
    for seed in [3, 4, 5] {
        assert_eq!(storm(seed), storm(seed), "seed {seed}");
    }
}
