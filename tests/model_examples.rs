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
use model::answers::{Classified, Effect, ModelAnswer, ModelMargin, Modified, ShownSplit};
use model::api::{
    About, Action, Beneficiary, ClassifyRequest, Command, Cycle, Deduct, ImportRequest, ModifyRequest, Outcome,
};
use model::plain::{DAY, instant};
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

/// Runs a command under an id of its own.
fn act(model: &mut Model, action: Action) -> Effect {
    let id = format!("id-{}", model.merchants["m"].kept.len());
    act_as(model, &id, action)
}

fn act_as(model: &mut Model, id: &str, action: Action) -> Effect {
    let answer = model.command(&Command::new("m", id, action)).unwrap();
    model.check_invariants();
    let ModelAnswer::Commanded(answer) = answer else { panic!("{answer:?}") };
    answer.effect
}

fn deduct(model: &mut Model, id: &str, amount: &str) -> Effect {
    let request = Deduct {
        amount: amount.into(),
        reason: 1,
        about: Some(About::Dispute("case".into())),
        beneficiary: Some(Beneficiary::Buyer),
        note: String::new(),
    };
    act_as(model, id, Action::DeductMargin(request))
}

fn reverse(model: &mut Model, order: &str, amount: &str) -> Effect {
    let (order_id, amount) = (order.into(), amount.into());
    act(model, Action::ReverseOrder { order_id, amount, profit: None, reason: String::new() })
}

/// From releasing, from frozen, from available, to debt.
fn split_of(split: &ShownSplit) -> [&str; 4] {
    [&split.from_releasing, &split.from_frozen, &split.from_available, &split.to_debt]
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

/// 1,000 guaranteed and frozen, 100 releasing, 50 available.
fn before_example_8() -> Model {
    let mut model = at_noon(ModelPolicy::default());
    import(&mut model, "0", "1150");
    guarantee(&mut model, 1_100);
    guarantee(&mut model, 1_000);
    assert_eq!(balances(&model), ["1000.00", "0.00", "100.00", "50.00"]);
    model
}

#[test]
fn example_8_a_deduction_takes_releasing_frozen_available_and_then_debt() {
    let mut model = before_example_8();
    let Effect::Deducted { split, refilled, appeal_until } = deduct(&mut model, "first", "900") else { panic!() };
    assert_eq!(split_of(&split), ["100.00", "800.00", "0.00", "0.00"]);
    assert_eq!((refilled.as_str(), appeal_until), ("50.00", model.now + 30 * DAY));
    assert_eq!(balances(&model), ["250.00", "750.00", "0.00", "0.00"]);
    let Effect::Deducted { split, refilled, .. } = deduct(&mut model, "second", "400") else { panic!() };
    assert_eq!(split_of(&split), ["0.00", "250.00", "0.00", "150.00"]);
    assert_eq!(refilled, "0.00");
    assert_eq!(balances(&model), ["0.00", "1000.00", "0.00", "0.00"]);
    assert_eq!((margin(&model).debt, margin(&model).debt_since), ("150.00".into(), Some(model.now)));
    settle(&mut model, "400");
    assert_eq!(balances(&model), ["250.00", "750.00", "0.00", "0.00"]);
    assert_eq!((margin(&model).debt, margin(&model).debt_since), ("0.00".into(), None));
}

#[test]
fn example_9_what_is_overturned_comes_back_as_income() {
    let mut model = before_example_8();
    deduct(&mut model, "first", "900");
    deduct(&mut model, "second", "400");
    act(&mut model, Action::OpenAppeal { deduction_id: "first".into(), statement: String::new() });
    let resolve = Action::ResolveAppeal {
        deduction_id: "first".into(),
        outcome: Some(Outcome::Overturned),
        amount: Some("300".into()),
        reason: String::new(),
    };
    let Effect::AppealResolved { overturned, income } = act(&mut model, resolve) else { panic!() };
    assert_eq!(overturned, "300.00");
    let income = (income.to_debt.as_str(), income.to_gap.as_str(), income.to_available.as_str());
    assert_eq!(income, ("150.00", "150.00", "0.00"));
    assert_eq!(balances(&model), ["150.00", "850.00", "0.00", "0.00"]);
    assert_eq!(margin(&model).debt, "0.00");
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

#[test]
fn example_11_the_profit_falls_with_the_price() {
    let mut model = at_noon(ModelPolicy::default());
    classify(&mut model, ClassifyRequest::new("m", "o", "100.00").profit("10.00"));
    let mut falls = Vec::new();
    for amount in ["33.33", "33.33", "33.34"] {
        let Effect::Reversed { profit, charge, .. } = reverse(&mut model, "o", amount) else { panic!() };
        assert_eq!(charge, None);
        falls.push(profit);
    }
    assert_eq!(falls, ["3.33", "3.33", "3.34"]);
    assert_eq!(margin(&model).pending_total, "0.00");

    let other = classify(&mut model, ClassifyRequest::new("m", "other", "100.00").profit("10.00"));
    model.advance(other.settles_at);
    act(&mut model, Action::Withdraw { amount: "5".into(), reference: String::new() });
    let mut charges = Vec::new();
    for amount in ["33.33", "33.33", "33.34"] {
        let Effect::Reversed { charge, .. } = reverse(&mut model, "other", amount) else { panic!() };
        let charge = charge.unwrap();
        charges.push((charge.from_available, charge.to_debt));
    }
    let expected = [("3.33", "0.00"), ("1.67", "1.66"), ("0.00", "3.34")];
    assert_eq!(charges, expected.map(|(available, debt)| (available.into(), debt.into())));
    assert_eq!((margin(&model).debt.as_str(), margin(&model).historical_profit.as_str()), ("5.00", "0.00"));
}

#[test]
fn example_12_a_day_that_is_over_keeps_its_total() {
    let mut model = Model::new(ModelPolicy::default(), instant("2025-03-10T23:50:00Z"));
    guarantee(&mut model, 100);
    assert_eq!(classify(&mut model, ClassifyRequest::new("m", "o-1", "60")).cycle, Quick);
    model.advance(instant("2025-03-11T00:20:00Z"));
    let Effect::Reversed { uncounted, .. } = reverse(&mut model, "o-1", "60") else { panic!() };
    assert_eq!(uncounted, "0.00");
    model.advance(instant("2025-03-11T00:30:00Z"));
    let late = ClassifyRequest::new("m", "o-2", "50").completed_at(instant("2025-03-10T23:55:00Z"));
    let answer = classify(&mut model, late);
    assert_eq!((answer.cycle, answer.receipt.day_total_before.as_str()), (Standard, "60.00"));
    assert_eq!(answer.receipt.resets_at, instant("2025-03-11T00:00:00Z"));
    assert_eq!(answer.settles_at, instant("2025-03-17T00:00:00Z"));
    assert_eq!(margin(&model).quota.used_all, "0.00");
}
