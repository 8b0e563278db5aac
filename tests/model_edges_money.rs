//! Corners of the rules about money in and out, deductions, holds, closing and policy, on the model.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::inconsistent_digit_grouping,
    reason = "test code; cents are written 1_000_00"
)]

mod model;

use model::answers::{Classified, Effect, MerchantState, ModelAnswer, ModelMargin};
use model::api::{
    About, Action, Beneficiary, ClassifyRequest, Command, Deduct, Direction, ImportRequest, ImportedOrder,
    ImportedPending, ImportedRelease, ModelRefusal, ModifyRequest, Outcome, PolicyRequest,
};
use model::history::FactClock;
use model::ledger::Kind;
use model::plain::{DAY, HOUR, SECOND, instant};
use model::{Model, ModelPolicy};

fn start_with(policy: ModelPolicy) -> Model {
    Model::new(policy, instant("2025-03-10T12:00:00Z"))
}

/// A merchant with something available.
fn start(available: &str) -> Model {
    let mut model = start_with(ModelPolicy::default());
    model.import(&ImportRequest::new("m", "import", "0", available)).unwrap();
    model
}

fn try_to(model: &mut Model, id: &str, action: Action) -> Result<Effect, ModelRefusal> {
    let answer = model.command(&Command::new("m", id, action))?;
    model.check_invariants();
    let ModelAnswer::Commanded(answer) = answer else { panic!("{answer:?}") };
    Ok(answer.effect)
}

fn guarantee(model: &mut Model, id: &str, dollars: u64) -> Result<(), ModelRefusal> {
    model.modify_guarantee(&ModifyRequest::new("m", id, dollars)).map(drop)
}

fn order(model: &mut Model, id: &str, price: &str) -> Classified {
    let answer = model.classify(&ClassifyRequest::new("m", id, price)).unwrap();
    let ModelAnswer::Classified(answer) = answer else { panic!("{answer:?}") };
    answer
}

fn deduction(amount: &str) -> Action {
    Action::DeductMargin(Deduct {
        amount: amount.into(),
        reason: 1,
        about: Some(About::Dispute("case".into())),
        beneficiary: Some(Beneficiary::Platform),
        note: String::new(),
    })
}

fn appeal(deduction: &str) -> Action {
    Action::OpenAppeal { deduction_id: deduction.into(), statement: String::new() }
}

fn overturn(deduction: &str, amount: Option<&str>) -> Action {
    let (deduction_id, amount) = (deduction.into(), amount.map(str::to_owned));
    Action::ResolveAppeal { deduction_id, outcome: Some(Outcome::Overturned), amount, reason: String::new() }
}

fn hold() -> Action {
    Action::PlaceHold { reason: "why".into() }
}

fn lift(hold: &str) -> Action {
    Action::LiftHold { hold_id: hold.into(), reason: String::new() }
}

fn withdraw(amount: &str) -> Action {
    Action::Withdraw { amount: amount.into(), reference: String::new() }
}

fn close() -> Action {
    Action::CloseMerchant { reason: String::new() }
}

fn debit(amount: &str) -> Action {
    let (amount, reason, reference) = (amount.into(), "why".into(), String::new());
    Action::AdjustBalance { direction: Some(Direction::Debit), amount, reason, reference }
}

fn reverse(order: &str, amount: &str, profit: Option<&str>) -> Action {
    let (order_id, amount, profit) = (order.into(), amount.into(), profit.map(str::to_owned));
    Action::ReverseOrder { order_id, amount, profit, reason: String::new() }
}

fn margin(model: &Model) -> ModelMargin {
    model.check_invariants();
    model.margin("m").unwrap()
}

fn kinds(model: &Model) -> Vec<Kind> {
    model.peek("m").entries.iter().map(|recorded| recorded.entry.kind).collect()
}

#[test]
fn all_that_is_available_can_be_withdrawn_and_not_a_cent_more() {
    let mut model = start("10");
    assert_eq!(try_to(&mut model, "a", withdraw("10.01")), Err(ModelRefusal::NotAvailable));
    assert!(try_to(&mut model, "b", withdraw("10.00")).is_ok());
    let fail = |id: &str| Action::FailWithdrawal { withdrawal_id: id.into(), reason: String::new() };
    assert!(try_to(&mut model, "c", fail("b")).is_ok());
    let field = "withdrawal_id";
    assert_eq!(try_to(&mut model, "d", fail("b")), Err(ModelRefusal::DoneAlready { field }));
    assert_eq!(try_to(&mut model, "d", fail("import")), Err(ModelRefusal::Unknown { field }));
    assert_eq!(margin(&model).available, "10.00");
}

#[test]
fn a_payment_that_is_returned_is_owed_when_it_was_spent() {
    let mut model = start("0");
    let pay = Action::PayMargin { amount: "10".into(), reference: String::new() };
    try_to(&mut model, "pay", pay).unwrap();
    try_to(&mut model, "out", withdraw("4")).unwrap();
    let back = || Action::ReturnPayment { payment_id: "pay".into(), reason: String::new() };
    try_to(&mut model, "back", back()).unwrap();
    assert_eq!((margin(&model).available.as_str(), margin(&model).debt.as_str()), ("0.00", "4.00"));
    let done = ModelRefusal::DoneAlready { field: "payment_id" };
    assert_eq!(try_to(&mut model, "again", back()), Err(done));
}

#[test]
fn the_last_reversal_takes_all_that_is_left_of_the_profit() {
    let mut model = start("0");
    model.classify(&ClassifyRequest::new("m", "o", "10").profit("3")).unwrap();
    let more = |field| Err(ModelRefusal::MoreThanLeft { field });
    assert_eq!(try_to(&mut model, "a", reverse("o", "10.01", None)), more("amount"));
    assert_eq!(try_to(&mut model, "a", reverse("o", "5", Some("3.01"))), more("profit"));
    assert!(try_to(&mut model, "a", reverse("o", "5", Some("0"))).is_ok());
    assert_eq!(try_to(&mut model, "b", reverse("o", "5", Some("2.99"))), more("profit"));
    assert!(try_to(&mut model, "b", reverse("o", "5", None)).is_ok());
    assert_eq!(margin(&model).pending_total, "0.00");
    assert_eq!(try_to(&mut model, "c", reverse("o", "0.01", None)), more("amount"));
}

#[test]
fn a_reversal_leaves_the_total_of_the_day_until_the_day_is_over() {
    let mut model = start("0");
    order(&mut model, "o", "10");
    let midnight = instant("2025-03-11T00:00:00Z");
    model.advance(midnight - 1);
    try_to(&mut model, "a", reverse("o", "1", None)).unwrap();
    assert_eq!(margin(&model).quota.used_all, "9.00");
    model.advance(midnight);
    let Effect::Reversed { uncounted, .. } = try_to(&mut model, "b", reverse("o", "1", None)).unwrap() else {
        panic!()
    };
    assert_eq!(uncounted, "0.00");
}

#[test]
fn an_appeal_may_be_opened_up_to_the_end_of_its_window() {
    let mut model = start("10");
    try_to(&mut model, "a", deduction("3")).unwrap();
    try_to(&mut model, "b", deduction("3")).unwrap();
    model.advance(model.now + 30 * DAY);
    assert!(try_to(&mut model, "c", appeal("a")).is_ok());
    let field = "deduction_id";
    assert_eq!(try_to(&mut model, "d", appeal("a")), Err(ModelRefusal::DoneAlready { field }));
    model.advance(model.now + 1);
    assert_eq!(try_to(&mut model, "d", appeal("b")), Err(ModelRefusal::AppealWindowPassed));
    assert_eq!(try_to(&mut model, "d", overturn("a", Some("3.01"))), Err(ModelRefusal::MoreThanDeducted));
    assert!(try_to(&mut model, "d", overturn("a", None)).is_ok());
    assert_eq!(try_to(&mut model, "e", overturn("a", None)), Err(ModelRefusal::DoneAlready { field }));
    assert_eq!(try_to(&mut model, "e", overturn("b", None)), Err(ModelRefusal::Unknown { field }));
    assert_eq!(margin(&model).available, "7.00");
}

#[test]
fn a_hold_keeps_releases_until_the_last_one_is_lifted() {
    let mut model = start("100");
    guarantee(&mut model, "up", 100).unwrap();
    guarantee(&mut model, "down", 0).unwrap();
    let due = model.now + 7 * DAY;
    try_to(&mut model, "one", hold()).unwrap();
    try_to(&mut model, "two", hold()).unwrap();
    model.advance(due + HOUR);
    assert_eq!(margin(&model).releasing_total, "100.00");
    assert_eq!(try_to(&mut model, "w", withdraw("1")), Err(ModelRefusal::Held));
    try_to(&mut model, "l", lift("one")).unwrap();
    assert_eq!(margin(&model).releasing_total, "100.00");
    try_to(&mut model, "m", lift("two")).unwrap();
    assert_eq!(margin(&model).available, "100.00");
    let last = model.peek("m").entries.last().unwrap().entry.clone();
    assert_eq!((last.kind, last.effective_at), (Kind::ReleaseCompleted, due + HOUR));
}

#[test]
fn a_clean_record_begins_when_the_last_standing_deduction_is_old_enough() {
    let policy = ModelPolicy { clean_record: Some(10 * DAY), ..ModelPolicy::default() };
    let mut model = start_with(policy);
    model.import(&ImportRequest::new("m", "import", "0", "500")).unwrap();
    guarantee(&mut model, "up", 100).unwrap();
    try_to(&mut model, "d", deduction("1")).unwrap();
    let possible = model.now + 10 * DAY;
    assert_eq!(margin(&model).clean_record.unwrap().possible_from, Some(possible));
    model.advance(possible - 1);
    assert_eq!(guarantee(&mut model, "down", 50), Err(ModelRefusal::NoCleanRecord));
    assert_eq!(try_to(&mut model, "close", close()), Err(ModelRefusal::NoCleanRecord));
    assert_eq!(guarantee(&mut model, "same", 100), Ok(()));
    model.advance(possible);
    assert_eq!(margin(&model).clean_record.unwrap().possible_from, None);
    assert_eq!(guarantee(&mut model, "down", 50), Ok(()));
    try_to(&mut model, "e", deduction("1")).unwrap();
    try_to(&mut model, "a", appeal("e")).unwrap();
    model.advance(model.now + 10 * DAY);
    assert_eq!(guarantee(&mut model, "zero", 0), Err(ModelRefusal::NoCleanRecord));
    try_to(&mut model, "o", overturn("e", None)).unwrap();
    assert_eq!(guarantee(&mut model, "zero", 0), Ok(()));
}

#[test]
fn categories_require_the_highest_of_their_minimums() {
    let minimums = [("books".to_owned(), 50), ("jewels".to_owned(), 300)].into();
    let mut model = start_with(ModelPolicy { category_minimums: minimums, ..ModelPolicy::default() });
    let categories = vec!["books".into(), "jewels".into(), "toys".into()];
    try_to(&mut model, "c", Action::SetCategories { categories }).unwrap();
    let shown = margin(&model);
    assert_eq!((shown.required_guarantee.as_str(), shown.shortfall.as_str()), ("300.00", "300.00"));
    assert_eq!(guarantee(&mut model, "a", 200), Ok(()), "a raise that does not reach it");
    assert_eq!(guarantee(&mut model, "b", 199), Err(ModelRefusal::BelowRequired));
    assert_eq!(guarantee(&mut model, "d", 301), Ok(()));
    assert_eq!(guarantee(&mut model, "e", 300), Ok(()));
    assert!(try_to(&mut model, "x", close()).is_ok());
}

#[test]
fn a_merchant_closes_when_nothing_is_left_to_be_done() {
    let mut model = start("100");
    guarantee(&mut model, "g", 60).unwrap();
    let last = order(&mut model, "o", "1000");
    try_to(&mut model, "c", close()).unwrap();
    assert_eq!(guarantee(&mut model, "up", 1), Err(ModelRefusal::ClosingAlready));
    assert_eq!(guarantee(&mut model, "same", 0), Ok(()));
    model.advance(last.settles_at);
    assert_eq!(margin(&model).state, MerchantState::Closing, "a release is still to come");
    let released = margin(&model).releasing[0].due_at;
    model.advance(released);
    assert_eq!(margin(&model).state, MerchantState::Closed);
    let closed = model.peek("m").entries.last().unwrap().entry.clone();
    assert_eq!((closed.kind, closed.effective_at), (Kind::MerchantClosed, released));
    // What is available can still go, and a reversal wakes it for a moment, or until what it owes is paid.
    try_to(&mut model, "w", withdraw("1000")).unwrap();
    assert_eq!(margin(&model).state, MerchantState::Closed);
    try_to(&mut model, "r", reverse("o", "100", None)).unwrap();
    assert_eq!(margin(&model).state, MerchantState::Closed);
    try_to(&mut model, "s", reverse("o", "100", None)).unwrap();
    assert_eq!((margin(&model).state, margin(&model).debt), (MerchantState::Closing, "100.00".into()));
    assert_eq!(try_to(&mut model, "again", close()), Err(ModelRefusal::ClosingAlready));
    try_to(&mut model, "open", Action::ReopenMerchant { reason: String::new() }).unwrap();
    assert_eq!(margin(&model).state, MerchantState::Open);
    let again = try_to(&mut model, "open2", Action::ReopenMerchant { reason: String::new() });
    assert_eq!(again, Err(ModelRefusal::NotClosing));
}

#[test]
fn warnings_come_once_and_when_their_time_has_come() {
    let policy = ModelPolicy {
        warn_gap_after: Some(HOUR),
        warn_debt_after: Some(2 * HOUR),
        warn_quota_percent: Some(50),
        ..ModelPolicy::default()
    };
    let mut model = start_with(policy);
    guarantee(&mut model, "g", 100).unwrap();
    let begin = model.now;
    try_to(&mut model, "d", debit("5")).unwrap();
    order(&mut model, "a", "49.99");
    assert!(!kinds(&model).contains(&Kind::WarningRaised));
    order(&mut model, "b", "0.01");
    order(&mut model, "c", "10");
    let warnings = |model: &Model| -> Vec<(String, i64)> {
        let entries = model.peek("m").entries;
        let warnings = entries.iter().filter(|recorded| recorded.entry.kind == Kind::WarningRaised);
        warnings.map(|recorded| (recorded.entry.amount.clone(), recorded.entry.effective_at - begin)).collect()
    };
    assert_eq!(warnings(&model), [("50.00".to_owned(), 0)]);
    model.advance(begin + HOUR - 1);
    assert_eq!(warnings(&model).len(), 1);
    model.advance(begin + 3 * HOUR);
    let expected = [("50.00", 0), ("100.00", HOUR), ("5.00", 2 * HOUR)];
    assert_eq!(warnings(&model), expected.map(|(amount, after)| (amount.to_owned(), after)));
}

#[test]
fn a_shorter_deadline_is_due_when_it_comes_into_force() {
    let mut model = start_with(ModelPolicy::default());
    guarantee(&mut model, "g", 100).unwrap();
    model.advance(model.now + DAY);
    let policy = ModelPolicy { warn_gap_after: Some(HOUR), ..ModelPolicy::default() };
    model.set_policy(&PolicyRequest::new("p", policy)).unwrap();
    let in_force = model.now + SECOND;
    model.advance(in_force + DAY);
    let last = model.peek("m").entries.last().unwrap().entry.clone();
    assert_eq!((last.kind, last.effective_at), (Kind::WarningRaised, in_force));
}

#[test]
fn a_calendar_changes_between_two_days_and_keeps_their_totals() {
    let mut model = start("0");
    let shifted = ModelPolicy { day_start: 8 * HOUR, ..ModelPolicy::default() };
    let mut request = PolicyRequest::new("p", shifted);
    request.effective_at = Some(model.now + DAY);
    assert_eq!(model.set_policy(&request), Err(ModelRefusal::NotBetweenDays));
    request.effective_at = None;
    let Ok(ModelAnswer::PolicySet { policy, .. }) = model.set_policy(&request) else { panic!() };
    let midnight = instant("2025-03-11T00:00:00Z");
    assert_eq!(policy.effective_at, midnight);
    assert_eq!(order(&mut model, "a", "10").receipt.resets_at, midnight + 8 * HOUR);
    model.advance(midnight + 8 * HOUR - 1);
    assert_eq!(margin(&model).quota.used_all, "10.00", "the day goes on");
    let late = order(&mut model, "b", "1");
    assert_eq!((late.receipt.day_total_before.as_str(), late.settles_at), ("10.00", midnight + 6 * DAY + 8 * HOUR));
    model.advance(midnight + 8 * HOUR);
    assert_eq!(margin(&model).quota.used_all, "0.00");
}

#[test]
fn a_policy_needs_a_second_and_comes_after_all_others() {
    let mut model = start("0");
    let at = |id: &str, at| PolicyRequest { effective_at: Some(at), ..PolicyRequest::new(id, ModelPolicy::default()) };
    let early = model.set_policy(&at("a", model.now + SECOND - 1));
    assert_eq!(early, Err(ModelRefusal::PolicyTooEarly));
    assert!(model.set_policy(&at("a", model.now + HOUR)).is_ok());
    assert_eq!(model.set_policy(&at("b", model.now + HOUR)), Err(ModelRefusal::PolicyTooEarly));
    let expecting = PolicyRequest { expected_version: 1, ..at("b", model.now + DAY) };
    assert_eq!(model.set_policy(&expecting), Err(ModelRefusal::OtherVersion));
    assert_eq!(model.version().version, 1);
    model.advance(model.now + HOUR);
    assert_eq!(model.version().version, 2);
}

#[test]
fn an_import_brings_everything() {
    let mut model = start_with(ModelPolicy::default());
    let now = model.now;
    let listed = |id: &str, completed: i64, settles: i64| ImportedOrder {
        order_id: id.into(),
        price: "10".into(),
        profit: Some("4".into()),
        completed_at: Some(now + completed),
        cycle: Some(model::api::Cycle::Quick),
        settles_at: Some(now + settles),
    };
    let request = ImportRequest {
        guarantee: 100,
        frozen: Some("100".into()),
        releasing: vec![ImportedRelease { amount: "5".into(), due_at: Some(now) }],
        pending: vec![ImportedPending {
            settles_at: Some(now - 1),
            cycle: Some(model::api::Cycle::Standard),
            orders: 3,
            profit: "7".into(),
        }],
        orders: vec![listed("old", -3 * DAY, -DAY), listed("new", 0, 2 * DAY)],
        ..ImportRequest::new("m", "i", "4", "1")
    };
    let gap = ImportRequest { frozen: Some("99.99".into()), ..request.clone() };
    assert_eq!(model.import(&gap), Err(ModelRefusal::Malformed { field: "available" }));
    let little = ImportRequest { historical_profit: Some("3.99".into()), ..request.clone() };
    assert_eq!(model.import(&little), Err(ModelRefusal::Malformed { field: "historical_profit" }));
    model.import(&request).unwrap();
    let shown = margin(&model);
    assert_eq!((shown.available.as_str(), shown.pending_total.as_str()), ("13.00", "4.00"));
    assert_eq!((shown.historical_profit.as_str(), shown.quota.used_all.as_str()), ("11.00", "10.00"));
    let expected =
        [Kind::MerchantImported, Kind::OrderImported, Kind::OrderImported, Kind::ProfitSettled, Kind::ReleaseCompleted];
    assert_eq!(kinds(&model), expected);
    // The listed orders are known as if they had been decided here.
    let again = ClassifyRequest::new("m", "old", "10").profit("4");
    let Ok(ModelAnswer::Classified(answer)) = model.classify(&again) else { panic!() };
    assert!(answer.replayed && answer.settles_at == now - DAY);
    try_to(&mut model, "r", reverse("old", "10", None)).unwrap();
    assert_eq!((margin(&model).available.as_str(), margin(&model).historical_profit.as_str()), ("9.00", "7.00"));
}

#[test]
fn the_past_is_told_by_both_clocks() {
    let mut model = start("0");
    let (begin, late) = (model.now, model.now + 10 * HOUR);
    model.advance(late);
    model.classify(&ClassifyRequest::new("m", "o", "5").completed_at(begin + HOUR)).unwrap();
    let pending = |at: i64, clock| {
        let then = model.peek("m").as_of(at, clock, &model.policies);
        then.map(|then| then.shown("m", &model.policies, at).pending_total)
    };
    assert_eq!(pending(begin - 1, FactClock::Effective), None);
    assert_eq!(pending(begin + HOUR - 1, FactClock::Effective).as_deref(), Some("0.00"));
    assert_eq!(pending(begin + HOUR, FactClock::Effective).as_deref(), Some("5.00"));
    assert_eq!(pending(late - 1, FactClock::Recorded).as_deref(), Some("0.00"));
    assert_eq!(pending(late, FactClock::Recorded).as_deref(), Some("5.00"));
}
