//! What the domain refuses.

use tonic::Status;

use super::{About, field_to_blame, info, invalid, nowhere, reason, state_to_blame, status};
use crate::domain::{Rejection, Thing};

/// A refusal by the rules, and what to name where that is what it lacks.
pub(super) fn rejected(rejection: &Rejection, about: &About<'_>) -> Status {
    let message = rejection.to_string();
    match rejection {
        Rejection::Invalid { field, reason } => invalid(vec![((*field).to_owned(), reason.clone())]),
        Rejection::Conflict { field } => {
            field_to_blame(reason::ID_REUSED, field, message, [("field", (*field).into())])
        }
        Rejection::OtherMethod => {
            field_to_blame(reason::ID_REUSED, "request_id", message, [("field", "request_id".into())])
        }
        Rejection::MerchantNotFound => {
            let resource = ("tplus.v1.Merchant", about.merchant, "");
            nowhere(reason::MERCHANT_NOT_FOUND, resource, message)
        }
        Rejection::MerchantOpen => state_to_blame(reason::MERCHANT_OPEN, "merchant_id", message, []),
        Rejection::Expired { not_after, now } => {
            let figures = [("not_after", not_after.to_string()), ("now", now.to_string())];
            field_to_blame(reason::NOT_AFTER_PASSED, "not_after", message, figures)
        }
        Rejection::OrderTooOld { completed_at, oldest } => {
            let figures = [("completed_at", completed_at.to_string()), ("oldest", oldest.to_string())];
            field_to_blame(reason::ORDER_TOO_OLD, "completed_at", message, figures)
        }
        Rejection::OrderAhead { completed_at, latest, listed } => {
            let field = listed.map(|index| format!("orders[{index}].completed_at"));
            let figures = [("completed_at", completed_at.to_string()), ("latest", latest.to_string())];
            field_to_blame(reason::ORDER_AHEAD_OF_TIME, field.as_deref().unwrap_or("completed_at"), message, figures)
        }
        Rejection::GuaranteeAboveMaximum { maximum } => {
            let figures = [("maximum", maximum.to_string())];
            field_to_blame(reason::GUARANTEE_ABOVE_MAXIMUM, "guarantee", message, figures)
        }
        Rejection::TooManyReleases { limit } => {
            state_to_blame(reason::TOO_MANY_RELEASES, "merchant_id", message, [("limit", limit.to_string())])
        }
        Rejection::NotFound(thing) => not_found(*thing, about, message),
        Rejection::ReversalExceedsOrder { field, left } => {
            field_to_blame(reason::REVERSAL_EXCEEDS_ORDER, field, message, [("left", left.to_string())])
        }
        Rejection::InsufficientAvailable { available } => {
            let figures = [("available", available.to_string())];
            field_to_blame(reason::INSUFFICIENT_AVAILABLE, "amount", message, figures)
        }
        Rejection::OverturnExceedsDeduction { deducted } => {
            let figures = [("deducted", deducted.to_string())];
            field_to_blame(reason::OVERTURN_EXCEEDS_DEDUCTION, "amount", message, figures)
        }
        Rejection::BelowCategoryMinimum { required } => {
            let figures = [("required", required.to_string())];
            field_to_blame(reason::BELOW_CATEGORY_MINIMUM, "guarantee", message, figures)
        }
        Rejection::TooManyCategories { limit } => {
            field_to_blame(reason::TOO_MANY_CATEGORIES, "categories", message, [("limit", limit.to_string())])
        }
        Rejection::TooManyOrders { limit } => {
            field_to_blame(reason::TOO_MANY_ORDERS, "orders", message, [("limit", limit.to_string())])
        }
        Rejection::ProposalNotFound => {
            nowhere(reason::PROPOSAL_NOT_FOUND, ("tplus.v1.Proposal", about.thing, ""), message)
        }
        other => policy_rejected(other, message),
    }
}

/// Refusals of another policy.
fn policy_rejected(rejection: &Rejection, message: String) -> Status {
    match rejection {
        Rejection::PolicyTooEarly { asked, earliest } => {
            let figures = [("effective_at", asked.to_string()), ("earliest", earliest.to_string())];
            field_to_blame(reason::POLICY_TOO_EARLY, "effective_at", message, figures)
        }
        Rejection::PolicyNotAtDayBoundary { next } => {
            let figures = [("next", next.to_string())];
            field_to_blame(reason::POLICY_NOT_AT_DAY_BOUNDARY, "effective_at", message, figures)
        }
        Rejection::PolicyChanged { latest } => {
            let figures = [("latest", latest.to_string())];
            field_to_blame(reason::POLICY_CHANGED, "expected_version", message, figures)
        }
        other => proposal_rejected(other, message),
    }
}

/// Refusals of proposals, and of what shall become of them.
fn proposal_rejected(rejection: &Rejection, message: String) -> Status {
    match rejection {
        Rejection::IdentityRequired => state_to_blame(reason::IDENTITY_REQUIRED, "access", message, []),
        Rejection::OwnProposal => status(reason::APPROVER_IS_PROPOSER, message, info(reason::APPROVER_IS_PROPOSER, [])),
        Rejection::NotYourProposal => status(reason::NOT_THE_PROPOSER, message, info(reason::NOT_THE_PROPOSER, [])),
        Rejection::ProposalExpired { expired_at } => {
            let figures = [("expired_at", expired_at.to_string())];
            state_to_blame(reason::PROPOSAL_EXPIRED, "proposal_id", message, figures)
        }
        Rejection::ProposalClosed { state } => {
            state_to_blame(reason::PROPOSAL_CLOSED, "proposal_id", message, [("state", state.to_string())])
        }
        Rejection::TooManyProposals { limit, .. } => {
            state_to_blame(reason::TOO_MANY_PROPOSALS, "change", message, [("limit", limit.to_string())])
        }
        Rejection::DecidedAlready => state_to_blame(reason::DECIDED_ALREADY, "change", message, []),
        other => state_rejected(other, message),
    }
}

/// Refusals for which no field of the request is to blame, but how things stand.
fn state_rejected(rejection: &Rejection, message: String) -> Status {
    match rejection {
        Rejection::MerchantHeld { holds } => {
            state_to_blame(reason::MERCHANT_HELD, "merchant_id", message, [("holds", holds.to_string())])
        }
        Rejection::PaymentReturned => state_to_blame(reason::PAYMENT_RETURNED, "payment_id", message, []),
        Rejection::WithdrawalFailed => state_to_blame(reason::WITHDRAWAL_FAILED, "withdrawal_id", message, []),
        Rejection::AppealedAlready => state_to_blame(reason::APPEALED_ALREADY, "deduction_id", message, []),
        Rejection::AppealTooLate { until } => {
            state_to_blame(reason::APPEAL_TOO_LATE, "deduction_id", message, [("until", until.to_string())])
        }
        Rejection::AppealResolved => state_to_blame(reason::APPEAL_RESOLVED, "deduction_id", message, []),
        Rejection::HoldLifted => state_to_blame(reason::HOLD_LIFTED, "hold_id", message, []),
        Rejection::NoCleanRecord { from, open_appeals } => {
            let figures = [("possible_from", from.to_string()), ("open_appeals", open_appeals.to_string())];
            state_to_blame(reason::NO_CLEAN_RECORD, "merchant_id", message, figures)
        }
        Rejection::MerchantClosing => state_to_blame(reason::MERCHANT_CLOSING, "merchant_id", message, []),
        Rejection::MerchantNotClosing => state_to_blame(reason::MERCHANT_NOT_CLOSING, "merchant_id", message, []),
        Rejection::TooManyHolds { limit } => {
            state_to_blame(reason::TOO_MANY_HOLDS, "merchant_id", message, [("limit", limit.to_string())])
        }
        Rejection::TooManyAppeals { limit } => {
            state_to_blame(reason::TOO_MANY_APPEALS, "merchant_id", message, [("limit", limit.to_string())])
        }
        Rejection::ClockNotManual => state_to_blame(reason::CLOCK_NOT_MANUAL, "clock", message, []),
        Rejection::ClockBackwards { now } => {
            field_to_blame(reason::CLOCK_BACKWARDS, "to", message, [("now", now.to_string())])
        }
        // All others blame a field.
        _ => status(reason::INVALID_FIELD, message, info(reason::INVALID_FIELD, [])),
    }
}

fn not_found(thing: Thing, about: &About<'_>, message: String) -> Status {
    let (reason, resource) = match thing {
        Thing::Order => (reason::ORDER_NOT_FOUND, "tplus.v1.Order"),
        Thing::Payment => (reason::PAYMENT_NOT_FOUND, "tplus.v1.Payment"),
        Thing::Withdrawal => (reason::WITHDRAWAL_NOT_FOUND, "tplus.v1.Withdrawal"),
        Thing::Deduction => (reason::DEDUCTION_NOT_FOUND, "tplus.v1.Deduction"),
        Thing::Appeal => (reason::APPEAL_NOT_FOUND, "tplus.v1.Appeal"),
        Thing::Hold => (reason::HOLD_NOT_FOUND, "tplus.v1.Hold"),
        Thing::Release => (reason::RELEASE_NOT_FOUND, "tplus.v1.Release"),
        Thing::Entry => (reason::ENTRY_NOT_FOUND, "tplus.v1.MarginEntry"),
    };
    nowhere(reason, (resource, about.thing, about.merchant), message)
}
