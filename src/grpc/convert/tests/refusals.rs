//! Every refusal by the rules.

use tonic::Code;

use super::*;
use crate::domain::Thing;

/// Refusals that blame a field.
fn of_fields() -> Vec<(Rejection, &'static str, &'static str)> {
    let (at, amount) = (Timestamp::from_micros(0), Money::CENT);
    let ahead = |listed| Rejection::OrderAhead { completed_at: at, latest: at, listed };
    vec![
        (Rejection::Invalid { field: "price", reason: "is odd".into() }, "INVALID_FIELD", "price"),
        (Rejection::Conflict { field: "price" }, "ID_REUSED", "price"),
        (Rejection::OtherMethod, "ID_REUSED", "request_id"),
        (Rejection::Expired { not_after: at, now: at }, "NOT_AFTER_PASSED", "not_after"),
        (Rejection::OrderTooOld { completed_at: at, oldest: at }, "ORDER_TOO_OLD", "completed_at"),
        (ahead(None), "ORDER_AHEAD_OF_TIME", "completed_at"),
        (ahead(Some(3)), "ORDER_AHEAD_OF_TIME", "orders[3].completed_at"),
        (Rejection::GuaranteeAboveMaximum { maximum: amount }, "GUARANTEE_ABOVE_MAXIMUM", "guarantee"),
        (Rejection::ReversalExceedsOrder { field: "profit", left: amount }, "REVERSAL_EXCEEDS_ORDER", "profit"),
        (Rejection::InsufficientAvailable { available: amount }, "INSUFFICIENT_AVAILABLE", "amount"),
        (Rejection::OverturnExceedsDeduction { deducted: amount }, "OVERTURN_EXCEEDS_DEDUCTION", "amount"),
        (Rejection::BelowCategoryMinimum { required: amount }, "BELOW_CATEGORY_MINIMUM", "guarantee"),
        (Rejection::TooManyCategories { limit: 64 }, "TOO_MANY_CATEGORIES", "categories"),
        (Rejection::TooManyOrders { limit: 10 }, "TOO_MANY_ORDERS", "orders"),
        (Rejection::PolicyTooEarly { asked: at, earliest: at }, "POLICY_TOO_EARLY", "effective_at"),
        (Rejection::PolicyNotAtDayBoundary { next: at }, "POLICY_NOT_AT_DAY_BOUNDARY", "effective_at"),
        (Rejection::PolicyChanged { latest: 2 }, "POLICY_CHANGED", "expected_version"),
        (Rejection::ClockBackwards { now: at }, "CLOCK_BACKWARDS", "to"),
    ]
}

/// Refusals for which how things stand is to blame.
fn of_states() -> Vec<(Rejection, &'static str, &'static str)> {
    let at = Timestamp::from_micros(0);
    vec![
        (Rejection::MerchantOpen, "MERCHANT_OPEN", "merchant_id"),
        (Rejection::TooManyReleases { limit: 1_000 }, "TOO_MANY_RELEASES", "merchant_id"),
        (Rejection::MerchantHeld { holds: 2 }, "MERCHANT_HELD", "merchant_id"),
        (Rejection::PaymentReturned, "PAYMENT_RETURNED", "payment_id"),
        (Rejection::WithdrawalFailed, "WITHDRAWAL_FAILED", "withdrawal_id"),
        (Rejection::AppealedAlready, "APPEALED_ALREADY", "deduction_id"),
        (Rejection::AppealTooLate { until: at }, "APPEAL_TOO_LATE", "deduction_id"),
        (Rejection::AppealResolved, "APPEAL_RESOLVED", "deduction_id"),
        (Rejection::HoldLifted, "HOLD_LIFTED", "hold_id"),
        (Rejection::NoCleanRecord { from: at, open_appeals: 1 }, "NO_CLEAN_RECORD", "merchant_id"),
        (Rejection::MerchantClosing, "MERCHANT_CLOSING", "merchant_id"),
        (Rejection::MerchantNotClosing, "MERCHANT_NOT_CLOSING", "merchant_id"),
        (Rejection::TooManyHolds { limit: 64 }, "TOO_MANY_HOLDS", "merchant_id"),
        (Rejection::TooManyAppeals { limit: 1 }, "TOO_MANY_APPEALS", "merchant_id"),
        (Rejection::ClockNotManual, "CLOCK_NOT_MANUAL", "clock"),
    ]
}

fn told(rejection: Rejection, reason: &str) -> ErrorDetails {
    let message = rejection.to_string();
    let status = failed(EngineError::Rejected(rejection));
    let details = status.get_error_details();
    assert_eq!((&*reason_of(&details), status.message()), (reason, &*message));
    let listed = REASONS.iter().find(|listed| listed.name == reason).expect("the reason is listed");
    assert_eq!(status.code(), listed.code, "{reason}");
    details
}

#[test]
fn every_refusal_has_its_code_and_reason() {
    for (rejection, reason, field) in of_fields() {
        let details = told(rejection, reason);
        assert_eq!(bad_fields(&details), [field], "{reason}");
        assert!(details.precondition_failure().is_none(), "{reason}");
    }
    for (rejection, reason, subject) in of_states() {
        let details = told(rejection, reason);
        let violations = &details.precondition_failure().expect("a state is named").violations;
        assert_eq!((&*violations[0].r#type, &*violations[0].subject), (reason, subject));
        assert!(details.bad_request().is_none(), "{reason}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let merchant = MerchantId::parse("m").unwrap();
    let things = [
        (Thing::Order, "Order", "ORDER_NOT_FOUND"),
        (Thing::Payment, "Payment", "PAYMENT_NOT_FOUND"),
        (Thing::Withdrawal, "Withdrawal", "WITHDRAWAL_NOT_FOUND"),
        (Thing::Deduction, "Deduction", "DEDUCTION_NOT_FOUND"),
        (Thing::Appeal, "Appeal", "APPEAL_NOT_FOUND"),
        (Thing::Hold, "Hold", "HOLD_NOT_FOUND"),
        (Thing::Release, "Release", "RELEASE_NOT_FOUND"),
        (Thing::Entry, "MarginEntry", "ENTRY_NOT_FOUND"),
    ];
    for (thing, kind, reason) in things {
        let rejection = EngineError::Rejected(Rejection::NotFound(thing));
        let status = failed_about_thing(&merchant, "t", rejection);
        let details = status.get_error_details();
        assert_eq!((status.code(), &*reason_of(&details)), (Code::NotFound, reason));
        let resource = details.resource_info().expect("it is named");
        let named = (&*resource.resource_type, &*resource.resource_name, &*resource.owner);
        assert_eq!(named, (&*format!("tplus.v1.{kind}"), "t", "m"));
    }
    let status = policy_not_found(7);
    let details = status.get_error_details();
    assert_eq!((status.code(), &*reason_of(&details)), (Code::NotFound, "POLICY_NOT_FOUND"));
    assert_eq!(details.resource_info().map(|resource| &*resource.resource_name), Some("7"));
}
