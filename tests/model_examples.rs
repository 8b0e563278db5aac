//! The worked examples of the rules, on the model.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::inconsistent_digit_grouping,
    reason = "test code; cents are written 1_000_00"
)]

mod model;

use Cycle::{Quick, Standard};
use model::api::{
    Classified, ClassifyRequest, Cycle, ImportRequest, ModelAnswer, ModelMargin, Modified, ModifyRequest,
};
use model::plain::{DAY, HOUR, instant};
use model::{Counts, Model, ModelPolicy};

const NOON: &str = "2025-03-10T12:00:00Z";

fn at_noon(policy: ModelPolicy) -> Model {
    Model::new(policy, instant(NOON))
}

fn classify(model: &mut Model, request: ClassifyRequest) -> Classified {
    let answer = model.classify(&request).unwrap();
    model.check_invariants();
    let ModelAnswer::Classified(answer) = answer else { panic!("{answer:?}") };
    answer
}

/// Sets the guarantee; the amount and the instant make the id.
fn guarantee(model: &mut Model, dollars: u64) -> Modified {
    let id = format!("g-{dollars}-{}", model.now);
    let answer = model.modify_guarantee(&ModifyRequest::new("m", &id, dollars)).unwrap();
    model.check_invariants();
    let ModelAnswer::Modified(answer) = answer else { panic!("{answer:?}") };
    answer
}

fn import(model: &mut Model, historical_profit: &str, available: &str) {
    model.import(&ImportRequest::new("m", "import", historical_profit, available)).unwrap();
}

fn margin(model: &Model) -> ModelMargin {
    model.check_invariants();
    model.margin("m").unwrap()
}

fn cycles(model: &mut Model, prices: &[&str]) -> Vec<Cycle> {
    let order = |(index, price): (usize, &&str)| {
        classify(model, ClassifyRequest::new("m", &format!("o-{}-{index}", model.now), price)).cycle
    };
    prices.iter().enumerate().map(order).collect()
}

/// Brings income of an amount: an order from now that settles, whatever the cycle, and nothing else happens.
fn settle(model: &mut Model, amount: &str) {
    let id = format!("settle-{}", model.now);
    let answer = classify(model, ClassifyRequest::new("m", &id, amount));
    model.advance(answer.settles_at);
}

/// Frozen, gap, releasing, available.
fn balances(model: &Model) -> [String; 4] {
    let shown = margin(model);
    [shown.frozen, shown.gap, shown.releasing_total, shown.available]
}

#[test]
fn example_1_without_guarantee_it_is_seven_days() {
    let mut model = at_noon(ModelPolicy::default());
    let answer = classify(&mut model, ClassifyRequest::new("m", "o", "10.00"));
    assert_eq!(answer.cycle, Standard);
    assert_eq!(answer.settles_at, instant("2025-03-17T00:00:00Z"));
    assert_eq!(answer.completed_at, instant(NOON));
}

#[test]
fn example_2_equality_is_inside() {
    let mut model = at_noon(ModelPolicy::default());
    guarantee(&mut model, 100);
    assert_eq!(cycles(&mut model, &["60", "40", "0.01"]), [Quick, Quick, Standard]);
}

#[test]
fn example_3_every_order_counts_unless_policy_says_otherwise() {
    let mut model = at_noon(ModelPolicy::default());
    guarantee(&mut model, 100);
    assert_eq!(cycles(&mut model, &["150", "10"]), [Standard, Standard]);

    let mut model = at_noon(ModelPolicy { counts: Counts::Quick, ..ModelPolicy::default() });
    guarantee(&mut model, 100);
    assert_eq!(cycles(&mut model, &["150", "10"]), [Standard, Quick]);
}

#[test]
fn example_4_multiples_are_strictly_above() {
    for (historical, multiple, quota) in [
        ("0", 1, "1000.00"),
        ("1000.00", 1, "1000.00"),
        ("1000.01", 3, "3000.00"),
        ("5000.00", 3, "3000.00"),
        ("5000.01", 5, "5000.00"),
        ("30000.00", 5, "5000.00"),
        ("30000.01", 10, "10000.00"),
    ] {
        let mut model = at_noon(ModelPolicy::default());
        import(&mut model, historical, "0");
        let receipt = guarantee(&mut model, 1_000).receipt;
        assert_eq!((receipt.multiple, receipt.quota.as_str()), (multiple, quota), "{historical}");
        let shown = margin(&model);
        assert_eq!((shown.multiple, shown.quota.limit.as_str()), (multiple, quota), "{historical}");
    }
}

#[test]
fn example_5_a_raise_beyond_the_available_leaves_a_gap() {
    let mut model = at_noon(ModelPolicy::default());
    import(&mut model, "0", "300");
    let raised = guarantee(&mut model, 1_000);
    assert_eq!(raised.receipt.quota, "1000.00");
    assert_eq!(raised.taken_from_available, "300.00");
    assert_eq!(balances(&model), ["300.00", "700.00", "0.00", "0.00"]);
    assert_eq!(margin(&model).gap_since, Some(instant(NOON)));
    settle(&mut model, "500");
    assert_eq!(balances(&model), ["800.00", "200.00", "0.00", "0.00"]);
    assert_eq!(margin(&model).gap_since, Some(instant(NOON)));
    settle(&mut model, "250");
    assert_eq!(balances(&model), ["1000.00", "0.00", "0.00", "50.00"]);
    assert_eq!(margin(&model).gap_since, None);
}

#[test]
fn example_6_a_lowering_releases_what_is_frozen_above() {
    let mut model = at_noon(ModelPolicy::default());
    import(&mut model, "0", "300");
    guarantee(&mut model, 1_000);
    let lowered = guarantee(&mut model, 500);
    assert_eq!(lowered.release, None);
    assert_eq!(balances(&model), ["300.00", "200.00", "0.00", "0.00"]);
    let lowered = guarantee(&mut model, 100);
    let release = lowered.release.unwrap();
    assert_eq!((release.amount.as_str(), release.due_at), ("200.00", model.now + 7 * DAY));
    assert_eq!(lowered.receipt.quota, "100.00");
    assert_eq!(balances(&model), ["100.00", "0.00", "200.00", "0.00"]);
    assert_eq!(cycles(&mut model, &["100", "0.01"]), [Quick, Standard]);
}

#[test]
fn example_7_a_raise_takes_back_the_latest_due_first() {
    let mut model = at_noon(ModelPolicy::default());
    import(&mut model, "0", "1000");
    guarantee(&mut model, 1_000);
    let start = model.now;
    guarantee(&mut model, 400);
    model.advance(start + 2 * DAY);
    guarantee(&mut model, 0);
    model.advance(start + 3 * DAY);
    let raised = guarantee(&mut model, 500);
    assert_eq!((raised.taken_from_releasing.as_str(), raised.taken_from_available.as_str()), ("500.00", "0.00"));
    let left = margin(&model).releasing;
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].amount.as_str(), left[0].created_at, left[0].due_at), ("500.00", start, start + 7 * DAY));
    model.advance(start + 7 * DAY - 1);
    assert_eq!(balances(&model), ["500.00", "0.00", "500.00", "0.00"]);
    model.advance(start + 7 * DAY);
    assert_eq!(balances(&model), ["500.00", "0.00", "0.00", "500.00"]);
}

/// The last sentence of example 8: the part of it that needs no deduction to be told.
#[test]
fn example_8_income_repays_debt_before_it_fills_the_gap() {
    let mut merchant = model::merchant::ModelMerchant { guarantee: 1_000_00, debt: 150_00, ..Default::default() };
    merchant.gap_since = Some(0);
    merchant.income(400_00);
    assert_eq!((merchant.debt, merchant.frozen, merchant.gap(), merchant.available), (0, 250_00, 750_00, 0));
}

#[test]
fn example_10_five_days_of_downtime_settle_and_release_in_due_order() {
    let mut model = at_noon(ModelPolicy::default());
    import(&mut model, "0", "300");
    guarantee(&mut model, 300);
    model.advance(model.now + 4 * DAY);
    guarantee(&mut model, 100); // 200 due in seven days
    model.advance(model.now + 4 * DAY);
    assert_eq!(cycles(&mut model, &["60", "80"]), [Quick, Standard]);
    let before = margin(&model);
    assert_eq!((before.quota.used_all.as_str(), before.pending_total.as_str()), ("140.00", "140.00"));

    model.advance(model.now + 5 * DAY);
    let after = margin(&model);
    assert_eq!((after.quota.used_all.as_str(), after.quota.used_quick.as_str()), ("0.00", "0.00"));
    assert_eq!(after.pending_total, "80.00"); // T+7 of it is still to come
    assert_eq!((after.releasing_total.as_str(), after.available.as_str()), ("0.00", "260.00"));
    assert_eq!(after.historical_profit, "60.00");
    let answer = classify(&mut model, ClassifyRequest::new("m", "o", "100"));
    assert_eq!((answer.receipt.day_total_before.as_str(), answer.cycle), ("0.00", Quick));
}

/// The part of example 12 that needs no reversal: a late order counts towards the day that was closed.
#[test]
fn example_12_a_late_order_is_charged_to_its_own_day() {
    let mut model = Model::new(ModelPolicy::default(), instant("2025-03-10T23:50:00Z"));
    guarantee(&mut model, 100);
    classify(&mut model, ClassifyRequest::new("m", "o-1", "60"));
    model.advance(model.now + HOUR * 2 / 3);
    let late = ClassifyRequest::new("m", "o-2", "50").completed_at(instant("2025-03-10T23:55:00Z"));
    let answer = classify(&mut model, late);
    assert_eq!((answer.cycle, answer.receipt.day_total_before.as_str()), (Standard, "60.00"));
    assert_eq!(answer.receipt.resets_at, instant("2025-03-11T00:00:00Z"));
    assert_eq!(answer.settles_at, instant("2025-03-17T00:00:00Z"));
    assert_eq!(margin(&model).quota.used_all, "0.00");
}
