//! Corners of the rules, on the model: limits to the microsecond and the cent, what is known and what is not.

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
use model::answers::{Classified, ModelAnswer, ModelMargin, Modified};
use model::api::{ClassifyRequest, Cycle, ImportRequest, ModelRefusal, ModifyRequest};
use model::plain::{DAY, HOUR, SECOND, cents, instant, is_id, money};
use model::replay::written;
use model::{Basis, Counts, Model, ModelPolicy};

fn start() -> Model {
    start_with(ModelPolicy::default())
}

fn start_with(policy: ModelPolicy) -> Model {
    Model::new(policy, instant("2025-03-10T12:00:00Z"))
}

fn order(id: &str, price: &str) -> ClassifyRequest {
    ClassifyRequest::new("m", id, price)
}

fn classify(model: &mut Model, request: ClassifyRequest) -> Classified {
    let answer = model.classify(&request).unwrap();
    model.check_invariants();
    let ModelAnswer::Classified(answer) = answer else { panic!("{answer:?}") };
    answer
}

fn guarantee(model: &mut Model, id: &str, dollars: u64) -> Modified {
    let answer = model.modify_guarantee(&ModifyRequest::new("m", id, dollars)).unwrap();
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

fn refused(answer: Result<ModelAnswer, ModelRefusal>) -> ModelRefusal {
    answer.unwrap_err()
}

#[test]
fn amounts_and_ids_are_read_strictly() {
    for (text, expected) in [
        ("0", Some(0)),
        ("1", Some(100)),
        ("1.2", Some(120)),
        ("1.02", Some(102)),
        ("000000000010.00", Some(1_000)),
        ("999999999999.99", Some(99_999_999_999_999)),
        ("", None),
        (".", None),
        ("1.", None),
        (".5", None),
        ("1.234", None),
        ("1000000000000", None),
        ("-1", None),
        ("+1", None),
        ("1e2", None),
        (" 1", None),
        ("1.+1", None),
        ("1.2.3", None),
        ("٣", None),
    ] {
        assert_eq!(cents(text), expected, "{text:?}");
    }
    assert_eq!((money(0), money(5), money(120)), ("0.00".into(), "0.05".into(), "1.20".into()));
    assert!(is_id("AZaz09._:-") && is_id(&"x".repeat(64)));
    assert!(!is_id("") && !is_id(&"x".repeat(65)) && !is_id("a b") && !is_id("ä"));
}

#[test]
fn the_calendar_is_right() {
    assert_eq!(instant("1970-01-01T00:00:00Z"), 0);
    assert_eq!(instant("2000-03-01T00:00:00Z"), 951_868_800 * SECOND);
    assert_eq!(instant("2016-10-10T11:43:22Z"), 1_476_099_802 * SECOND);
    for text in ["2024-02-29T23:59:59Z", "2024-12-31T00:00:00Z", "2025-03-01T10:11:12Z"] {
        assert_eq!(written(instant(text)), text);
    }
}

#[test]
fn the_age_of_an_order_is_limited_to_the_microsecond() {
    let mut model = start();
    let now = model.now;
    let mut at = |id: &str, instant| model.classify(&order(id, "1").completed_at(instant));
    assert_eq!(refused(at("a", now - DAY - 1)), ModelRefusal::TooOld);
    assert_eq!(refused(at("a", now + 5 * SECOND + 1)), ModelRefusal::TooFarAhead);
    assert!(at("a", now - DAY).is_ok());
    assert!(at("b", now + 5 * SECOND).is_ok());
}

#[test]
fn an_order_ahead_across_midnight_is_charged_to_tomorrow() {
    let mut model = Model::new(ModelPolicy::default(), instant("2025-03-10T23:59:58Z"));
    guarantee(&mut model, "g", 100);
    assert_eq!(classify(&mut model, order("today", "100")).cycle, Quick);
    let midnight = instant("2025-03-11T00:00:00Z");
    let answer = classify(&mut model, order("ahead", "40").completed_at(midnight));
    assert_eq!((answer.cycle, answer.settles_at), (Quick, midnight + 2 * DAY));
    assert_eq!(answer.receipt.resets_at, midnight + DAY);
    let late = classify(&mut model, order("last", "0.01").completed_at(midnight - 1));
    assert_eq!((late.cycle, late.settles_at), (Standard, midnight + 6 * DAY));
    model.advance(midnight);
    let quota = margin(&model).quota;
    assert_eq!((quota.used_all.as_str(), quota.remaining.as_str()), ("40.00", "60.00"));
}

#[test]
fn a_shifted_day_starts_when_policy_says() {
    let shift = 5 * HOUR + HOUR / 2;
    let mut model = start_with(ModelPolicy { day_start: shift, ..ModelPolicy::default() });
    let border = instant("2025-03-10T00:00:00Z") + shift;
    let before = classify(&mut model, order("a", "1").completed_at(border - 1));
    assert_eq!((before.settles_at, before.receipt.resets_at), (border + 6 * DAY, border));
    let after = classify(&mut model, order("b", "1").completed_at(border));
    assert_eq!((after.settles_at, after.receipt.resets_at), (border + 7 * DAY, border + DAY));
    assert_eq!(after.receipt.day_total_before, "0.00");
    assert_eq!(margin(&model).pending[0].completed_day, border - DAY);
}

#[test]
fn an_order_that_comes_too_late_settles_at_once() {
    let mut model = start_with(ModelPolicy { max_lateness: 7 * DAY, ..ModelPolicy::default() });
    guarantee(&mut model, "g", 2_000);
    let late = model.now - 6 * DAY;
    let first = classify(&mut model, order("quick", "1500").completed_at(late));
    assert_eq!((first.cycle, first.receipt.multiple), (Quick, 1));
    assert!(first.settles_at < model.now);
    let shown = margin(&model);
    assert_eq!((shown.frozen.as_str(), shown.gap.as_str(), shown.pending.len()), ("1500.00", "500.00", 0));
    // Its profit counts from the next decision on: 1,500 is above 1,000.
    let second = classify(&mut model, order("next", "4500").completed_at(late));
    assert_eq!((second.cycle, second.receipt.multiple), (Quick, 3));
    assert_eq!(second.receipt.day_total_after, "6000.00");
    assert_eq!((margin(&model).gap, margin(&model).available), ("0.00".into(), "4000.00".into()));
    // T+7 settles at once only when it is seven days late.
    let third = classify(&mut model, order("standard", "99999").completed_at(late));
    assert_eq!(third.cycle, Standard);
    assert_eq!(margin(&model).pending_total, "99999.00");
    model.advance(instant("2025-03-11T00:00:00Z") - 1);
    assert_eq!(margin(&model).pending_total, "99999.00");
    model.advance(third.settles_at);
    assert_eq!(margin(&model).pending_total, "0.00");
}

#[test]
fn what_settles_exactly_now_counts_before_the_decision() {
    let mut model = start();
    guarantee(&mut model, "g", 100);
    let first = classify(&mut model, order("a", "1000.01"));
    assert_eq!(first.cycle, Standard);
    model.advance(first.settles_at - 1);
    assert_eq!(classify(&mut model, order("b", "0.01")).receipt.multiple, 1);
    model.advance(first.settles_at);
    let after = classify(&mut model, order("c", "300"));
    assert_eq!((after.cycle, after.receipt.multiple, after.receipt.remaining.as_str()), (Quick, 3, "0.00"));
}

#[test]
fn a_jump_of_years_applies_everything() {
    let mut model = start();
    import(&mut model, "0", "100");
    guarantee(&mut model, "up", 100);
    classify(&mut model, order("a", "100"));
    classify(&mut model, order("b", "70").profit("0"));
    guarantee(&mut model, "down", 30);
    model.advance(model.now + 4_000 * DAY);
    let shown = margin(&model);
    assert_eq!((shown.frozen.as_str(), shown.available.as_str()), ("30.00", "170.00"));
    assert_eq!((shown.pending.len(), shown.releasing.len()), (0, 0));
    assert_eq!(shown.quota.used_all, "0.00");
    let again = classify(&mut model, order("a", "100"));
    assert!(again.replayed && again.cycle == Quick && again.settles_at < model.now);
}

#[test]
fn a_known_order_is_answered_before_anything_else() {
    let mut model = start();
    let first = classify(&mut model, order("a", "10").profit("7.5"));
    model.advance(model.now + 100 * DAY);
    guarantee(&mut model, "g", 1_000);
    let mut again = order("a", "10.00").profit("07.50");
    again.not_after = Some(0);
    assert_eq!(classify(&mut model, again), Classified { replayed: true, ..first.clone() });
    let at = first.completed_at;
    assert!(classify(&mut model, order("a", "10").profit("7.50").completed_at(at)).replayed);
    let conflict = |field| ModelRefusal::Conflict { field };
    assert_eq!(refused(model.classify(&order("a", "10.01").profit("7.5"))), conflict("price"));
    assert_eq!(refused(model.classify(&order("a", "10"))), conflict("profit"));
    assert_eq!(refused(model.classify(&order("a", "10").profit("7.5").completed_at(at + 1))), conflict("completed_at"));
    assert_eq!(refused(model.classify(&order("a", "10.001"))), ModelRefusal::Malformed { field: "price" });
    assert!(!classify(&mut model, order("g", "1")).replayed, "order ids and request ids are apart");
    assert!(model.classify(&ClassifyRequest::new("n", "a", "3")).is_ok(), "ids are a merchant's own");
}

#[test]
fn a_known_request_is_answered_before_anything_else() {
    let mut model = start();
    import(&mut model, "5", "7");
    guarantee(&mut model, "g", 5);
    model.advance(model.now + 10 * DAY);
    let again = model.import(&ImportRequest::new("m", "import", "5.00", "7.0"));
    assert!(matches!(again, Ok(ModelAnswer::Imported(answer)) if answer.replayed && answer.imported_at < model.now));
    let conflict = |field| ModelRefusal::Conflict { field };
    assert_eq!(refused(model.import(&ImportRequest::new("m", "import", "5", "7.01"))), conflict("available"));
    assert_eq!(refused(model.import(&ImportRequest::new("m", "import", "5.01", "0"))), conflict("historical_profit"));
    assert_eq!(refused(model.import(&ImportRequest::new("m", "g", "5", "7"))), conflict("request_id"));
    assert_eq!(refused(model.import(&ImportRequest::new("m", "other", "5", "7"))), ModelRefusal::MerchantExists);
    assert_eq!(refused(model.modify_guarantee(&ModifyRequest::new("m", "import", 5))), conflict("request_id"));
    assert_eq!(refused(model.modify_guarantee(&ModifyRequest::new("m", "g", 6))), conflict("guarantee"));
    assert!(guarantee(&mut model, "g", 5).replayed);
}

#[test]
fn previews_and_refusals_leave_no_trace() {
    let mut model = start();
    let untouched = model.clone();
    let preview = ClassifyRequest { validate_only: true, ..order("a", "10") };
    let answer = model.classify(&preview).unwrap();
    model.modify_guarantee(&ModifyRequest { validate_only: true, ..ModifyRequest::new("m", "g", 10) }).unwrap();
    model.import(&ImportRequest { validate_only: true, ..ImportRequest::new("m", "i", "1", "1") }).unwrap();
    let late = ClassifyRequest { not_after: Some(model.now - 1), ..order("a", "10") };
    assert_eq!(refused(model.classify(&late)), ModelRefusal::NotAfterPassed);
    assert_eq!(refused(model.classify(&order("a", "0"))), ModelRefusal::Malformed { field: "price" });
    assert_eq!(model, untouched);
    assert_eq!(refused(model.margin("m").map(ModelAnswer::Margin)), ModelRefusal::NotFound);
    let in_time = ClassifyRequest { not_after: Some(model.now), ..order("a", "10") };
    assert_eq!(model.classify(&in_time).unwrap(), answer);
}

#[test]
fn policy_can_base_the_quota_on_what_is_frozen() {
    let mut model = start_with(ModelPolicy { basis: Basis::Frozen, ..ModelPolicy::default() });
    import(&mut model, "1000.01", "40");
    assert_eq!(guarantee(&mut model, "g", 100).receipt.quota, "120.00");
    let quota = margin(&model).quota;
    assert_eq!((quota.limit.as_str(), quota.limit_by_guarantee.as_str()), ("120.00", "300.00"));
    assert_eq!(classify(&mut model, order("a", "120.01")).cycle, Standard);
}

#[test]
fn policy_can_count_quick_orders_alone() {
    let mut model = start_with(ModelPolicy { counts: Counts::Quick, ..ModelPolicy::default() });
    guarantee(&mut model, "g", 100);
    let standard = classify(&mut model, order("a", "100.01"));
    assert_eq!((standard.receipt.day_total_after.as_str(), standard.receipt.remaining.as_str()), ("0.00", "100.00"));
    assert_eq!(classify(&mut model, order("b", "100")).receipt.day_total_after, "100.00");
    let quota = margin(&model).quota;
    assert_eq!((quota.used_all.as_str(), quota.used_quick.as_str()), ("200.01", "100.00"));
    assert_eq!(quota.remaining, "0.00");
}

#[test]
fn policy_can_limit_the_guarantee() {
    let mut model = start_with(ModelPolicy { max_guarantee: Some(300), ..ModelPolicy::default() });
    assert_eq!(
        refused(model.modify_guarantee(&ModifyRequest::new("m", "g", 301))),
        ModelRefusal::GuaranteeAboveMaximum
    );
    assert!(model.merchants.is_empty());
    guarantee(&mut model, "g", 300);
}

#[test]
fn releases_of_one_instant_are_taken_back_latest_created_first() {
    let mut model = start();
    import(&mut model, "0", "100");
    for (id, dollars) in [("a", 100), ("b", 70), ("c", 60)] {
        guarantee(&mut model, id, dollars);
    }
    assert_eq!(guarantee(&mut model, "d", 75).taken_from_releasing, "15.00");
    let amounts: Vec<String> = margin(&model).releasing.into_iter().map(|release| release.amount).collect();
    assert_eq!(amounts, ["25.00"]);
}

#[test]
fn a_gap_keeps_its_beginning_until_it_is_closed() {
    let mut model = start();
    let opened = model.now;
    guarantee(&mut model, "a", 100);
    model.advance(opened + HOUR);
    guarantee(&mut model, "b", 200);
    assert_eq!(margin(&model).gap_since, Some(opened));
    guarantee(&mut model, "c", 50);
    assert_eq!(margin(&model).gap_since, Some(opened));
    guarantee(&mut model, "d", 0);
    assert_eq!(margin(&model).gap_since, None);
    guarantee(&mut model, "e", 10);
    assert_eq!(margin(&model).gap_since, Some(opened + HOUR));
}

#[test]
fn the_missing_to_the_next_multiple_is_a_cent_more_than_the_distance() {
    for (historical, expected) in [
        ("0", Some((3, "1000.00", "1000.01"))),
        ("1000", Some((3, "1000.00", "0.01"))),
        ("1000.01", Some((5, "5000.00", "4000.00"))),
        ("30000", Some((10, "30000.00", "0.01"))),
        ("30000.01", None),
    ] {
        let mut model = start();
        import(&mut model, historical, "0");
        let next = margin(&model).next_multiple;
        let next = next.as_ref().map(|next| (next.multiple, next.above.as_str(), next.missing.as_str()));
        assert_eq!(next, expected, "{historical}");
    }
}
