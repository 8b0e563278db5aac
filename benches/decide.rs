//! The rules alone: what a decision costs, without engine, journal or wire.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a bench that cannot go on may fail")]

use divan::{Bencher, black_box};
use tplus::domain::{
    ClassifyOrder, Context, Id, ImportMerchant, InForce, Limits, Merchant, ModifyGuarantee, Money, Policy, Timestamp,
    decide,
};

fn main() {
    divan::main();
}

const NOW: Timestamp = Timestamp::from_micros(1_767_258_000_000_000);

fn in_force() -> InForce {
    InForce { version: 1, effective_at: NOW, policy: Policy::default() }
}

fn context(in_force: &InForce) -> Context<'_> {
    Context { now: NOW, in_force, limits: Limits::default() }
}

/// A merchant with a guarantee, orders on two cycles and a release under way.
fn merchant(in_force: &InForce) -> Merchant {
    let mut merchant = Merchant::default();
    let import = ImportMerchant {
        request_id: Id::parse("import").expect("an id"),
        historical_profit: Money::from_dollars(6_000),
        available: Money::from_dollars(5_000),
    };
    let (_, event) = decide(&import, &merchant, &context(in_force)).expect("accepted");
    merchant.apply(&event);
    for dollars in [2_000, 1_000] {
        let command = ModifyGuarantee::new(Id::parse("guarantee").expect("an id"), dollars).expect("valid");
        let (_, event) = decide(&command, &merchant, &context(in_force)).expect("accepted");
        merchant.apply(&event);
    }
    for dollars in [100, 9_000] {
        let (_, event) = decide(&order("o", dollars), &merchant, &context(in_force)).expect("accepted");
        merchant.apply(&event);
    }
    merchant
}

fn order(id: &str, dollars: u64) -> ClassifyOrder {
    ClassifyOrder::new(Id::parse(id).expect("an id"), Money::from_dollars(dollars), None, None).expect("valid")
}

#[divan::bench]
fn decide_an_order(bencher: Bencher<'_, '_>) {
    let in_force = in_force();
    let merchant = merchant(&in_force);
    let order = order("0a0837a5eee9e7a9ce2b1fa831944d27:1", 60);
    bencher.bench_local(|| decide(black_box(&order), black_box(&merchant), &context(&in_force)));
}

#[divan::bench]
fn apply_an_order(bencher: Bencher<'_, '_>) {
    let in_force = in_force();
    let mut merchant = merchant(&in_force);
    let (_, event) = decide(&order("o", 60), &merchant, &context(&in_force)).expect("accepted");
    bencher.bench_local(|| merchant.apply(black_box(&event)));
}

#[divan::bench]
fn parse_an_amount(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| Money::parse(black_box("12345.67")));
}
