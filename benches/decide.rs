//! The rules alone: what a decision costs, without engine, journal or wire.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a bench that cannot go on may fail")]

use divan::{Bencher, black_box};
use tplus::domain::{
    ClassifyOrder, Context, Id, ImportMerchant, InForce, Limits, Merchant, ModifyGuarantee, Money, Policy, Timeline,
    Timestamp, decide,
};

fn main() {
    divan::main();
}

const NOW: Timestamp = Timestamp::from_micros(1_767_258_000_000_000);

fn policies() -> Timeline {
    Timeline::new(InForce::first(Policy::default(), NOW))
}

fn context(policies: &Timeline) -> Context<'_> {
    Context { now: NOW, policies, limits: Limits::default(), subject: None }
}

/// A merchant with a guarantee, orders on two cycles and a release under way.
fn merchant(policies: &Timeline) -> Merchant {
    let mut merchant = Merchant::default();
    let import = ImportMerchant {
        historical_profit: Money::from_dollars(6_000),
        available: Money::from_dollars(5_000),
        ..ImportMerchant::empty(Id::parse("import").expect("an id"))
    };
    let decided = decide(&import, &merchant, &context(policies)).expect("accepted");
    merchant.apply(&decided.event);
    for dollars in [2_000, 1_000] {
        let command = ModifyGuarantee::new(Id::parse("guarantee").expect("an id"), dollars).expect("valid");
        let decided = decide(&command, &merchant, &context(policies)).expect("accepted");
        merchant.apply(&decided.event);
    }
    for dollars in [100, 9_000] {
        let decided = decide(&order("o", dollars), &merchant, &context(policies)).expect("accepted");
        merchant.apply(&decided.event);
    }
    merchant
}

fn order(id: &str, dollars: u64) -> ClassifyOrder {
    ClassifyOrder::new(Id::parse(id).expect("an id"), Money::from_dollars(dollars), None, None).expect("valid")
}

#[divan::bench]
fn decide_an_order(bencher: Bencher<'_, '_>) {
    let policies = policies();
    let merchant = merchant(&policies);
    let order = order("0a0837a5eee9e7a9ce2b1fa831944d27:1", 60);
    bencher.bench_local(|| decide(black_box(&order), black_box(&merchant), &context(&policies)));
}

#[divan::bench]
fn apply_an_order(bencher: Bencher<'_, '_>) {
    let policies = policies();
    let mut merchant = merchant(&policies);
    let decided = decide(&order("o", 60), &merchant, &context(&policies)).expect("accepted");
    bencher.bench_local(|| merchant.apply(black_box(&decided.event)));
}

#[divan::bench]
fn parse_an_amount(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| Money::parse(black_box("12345.67")));
}
