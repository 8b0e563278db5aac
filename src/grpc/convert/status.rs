//! Refusals and faults to statuses: the only place that makes a [`Status`].
//!
//! Every error carries an `ErrorInfo` of google.rpc, whose reason a program can match on. Where a field is to blame, a
//! `BadRequest` names it; where waiting helps, a `RetryInfo` says how long; where a state forbids it, a `PreconditionFailure`
//! says which; where something is not there, a `ResourceInfo` says what.

use std::{collections::HashMap, time::Duration};

use http::HeaderMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::{
    domain::{MerchantId, Rejection, Thing},
    engine::EngineError,
    grpc::NotReady,
};

/// The domain of every `ErrorInfo`.
pub const DOMAIN: &str = "tplus.v1";

/// How long to wait for an engine that is not there, when nobody knows.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a program can match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The reason of the `ErrorInfo`.
    pub name: &'static str,
    /// The code of the status.
    pub code: Code,
    /// What it means, in a line.
    pub meaning: &'static str,
}

macro_rules! reasons {
    ($(#[doc = $meaning:literal] $name:ident: $code:ident,)*) => {
        /// The reasons by name.
        pub mod reason {
            use super::{Code, Reason};
            $(#[doc = $meaning] pub const $name: Reason =
                Reason { name: stringify!($name), code: Code::$code, meaning: $meaning.trim_ascii() };)*
        }

        /// All reasons that this version gives.
        pub const REASONS: &[Reason] = &[$(reason::$name),*];
    };
}

reasons! {
    /// A field is missing, malformed or out of bounds; every bad field is named.
    INVALID_FIELD: InvalidArgument,
    /// The id is known with other content, or from another method; the field that differs is named.
    ID_REUSED: AlreadyExists,
    /// The merchant was never opened.
    MERCHANT_NOT_FOUND: NotFound,
    /// The merchant has no such order.
    ORDER_NOT_FOUND: NotFound,
    /// The merchant has made no such payment.
    PAYMENT_NOT_FOUND: NotFound,
    /// The merchant has made no such withdrawal.
    WITHDRAWAL_NOT_FOUND: NotFound,
    /// There was no such deduction.
    DEDUCTION_NOT_FOUND: NotFound,
    /// There was no appeal against this deduction.
    APPEAL_NOT_FOUND: NotFound,
    /// There was no such hold.
    HOLD_NOT_FOUND: NotFound,
    /// The merchant has no such release.
    RELEASE_NOT_FOUND: NotFound,
    /// The merchant has no such margin entry.
    ENTRY_NOT_FOUND: NotFound,
    /// There is no such version of the policy.
    POLICY_NOT_FOUND: NotFound,
    /// The merchant is open already, and can no longer be imported.
    MERCHANT_OPEN: FailedPrecondition,
    /// The engine's time is past the request's not_after.
    NOT_AFTER_PASSED: FailedPrecondition,
    /// The order was completed longer ago than policy takes orders.
    ORDER_TOO_OLD: FailedPrecondition,
    /// The order was completed too far in the future.
    ORDER_AHEAD_OF_TIME: FailedPrecondition,
    /// The guarantee is above the maximum of policy.
    GUARANTEE_ABOVE_MAXIMUM: FailedPrecondition,
    /// The merchant has as many open releases as it may; one has to come due first.
    TOO_MANY_RELEASES: FailedPrecondition,
    /// More of an order is to be reversed than is left of it, or the last of its price without all of its profit.
    REVERSAL_EXCEEDS_ORDER: FailedPrecondition,
    /// More is to be withdrawn than is available.
    INSUFFICIENT_AVAILABLE: FailedPrecondition,
    /// The merchant is held: nothing is withdrawn until the last hold is lifted.
    MERCHANT_HELD: FailedPrecondition,
    /// The payment was returned already.
    PAYMENT_RETURNED: FailedPrecondition,
    /// The withdrawal has failed already.
    WITHDRAWAL_FAILED: FailedPrecondition,
    /// There was an appeal against this deduction already.
    APPEALED_ALREADY: FailedPrecondition,
    /// The window for an appeal has passed.
    APPEAL_TOO_LATE: FailedPrecondition,
    /// The appeal is resolved already.
    APPEAL_RESOLVED: FailedPrecondition,
    /// More is to be overturned than was deducted.
    OVERTURN_EXCEEDS_DEDUCTION: FailedPrecondition,
    /// The hold was lifted already.
    HOLD_LIFTED: FailedPrecondition,
    /// Policy wants a clean record before a guarantee is lowered, and there is none.
    NO_CLEAN_RECORD: FailedPrecondition,
    /// The merchant's categories require a higher guarantee.
    BELOW_CATEGORY_MINIMUM: FailedPrecondition,
    /// The merchant is closing or closed.
    MERCHANT_CLOSING: FailedPrecondition,
    /// The merchant is neither closing nor closed.
    MERCHANT_NOT_CLOSING: FailedPrecondition,
    /// The merchant has as many holds as it may.
    TOO_MANY_HOLDS: FailedPrecondition,
    /// The merchant has as many open appeals as it may; one has to be resolved first.
    TOO_MANY_APPEALS: FailedPrecondition,
    /// More categories than a merchant may have.
    TOO_MANY_CATEGORIES: FailedPrecondition,
    /// More orders than an import may bring.
    TOO_MANY_ORDERS: FailedPrecondition,
    /// A policy cannot come into force so early, or before one that is announced.
    POLICY_TOO_EARLY: FailedPrecondition,
    /// A change of the calendar has to come into force between two settlement days.
    POLICY_NOT_AT_DAY_BOUNDARY: FailedPrecondition,
    /// Another version of the policy was announced meanwhile.
    POLICY_CHANGED: Aborted,
    /// The data directory was not created with the manual clock.
    CLOCK_NOT_MANUAL: FailedPrecondition,
    /// The manual clock stands at a later time already.
    CLOCK_BACKWARDS: FailedPrecondition,
    /// The engine has as much in flight as it takes; wait as long as RetryInfo says.
    OVERLOADED: ResourceExhausted,
    /// The disk is full, or space is still being prepared: reads are answered, commands are not; wait as long as RetryInfo says.
    STORAGE_FULL: ResourceExhausted,
    /// The engine is starting, stopping or has failed; a repeat with the same id is safe.
    UNAVAILABLE: Unavailable,
    /// There is no such method.
    UNIMPLEMENTED: Unimplemented,
    /// The bytes are no message of this method.
    MALFORMED_MESSAGE: Internal,
    /// The message is larger than the server takes.
    MESSAGE_TOO_LARGE: OutOfRange,
}

/// Bad fields, each with what is wrong with it, to be read after the field's name.
pub(super) fn invalid(bad: Vec<(&'static str, String)>) -> Status {
    let message = bad.iter().map(|(field, reason)| format!("{field} {reason}")).collect::<Vec<_>>().join("; ");
    let mut details = info(reason::INVALID_FIELD, []);
    for (field, reason) in bad {
        details.add_bad_request_violation(field, reason);
    }
    status(reason::INVALID_FIELD, message, details)
}

/// There is no engine to ask.
pub fn not_ready(why: NotReady) -> Status {
    let state = match why {
        NotReady::Starting => "starting",
        NotReady::Stopping => "stopping",
    };
    unavailable(info(reason::UNAVAILABLE, [("state", state.into())]), why.to_string())
}

/// No answer about a merchant: like [`failed`], and one that is not there is named.
pub fn failed_about(merchant: &MerchantId, error: EngineError) -> Status {
    match error {
        EngineError::Rejected(Rejection::MerchantNotFound) => {
            let message = Rejection::MerchantNotFound.to_string();
            let mut details = info(reason::MERCHANT_NOT_FOUND, []);
            details.set_resource_info("tplus.v1.Merchant", merchant.as_str(), "", &*message);
            status(reason::MERCHANT_NOT_FOUND, message, details)
        }
        other => failed(other),
    }
}

/// The engine said no, or could not say anything.
pub fn failed(error: EngineError) -> Status {
    match error {
        EngineError::Rejected(rejection) => rejected(&rejection),
        EngineError::Overloaded { retry_after } => {
            exhausted(reason::OVERLOADED, "the engine is overloaded", retry_after)
        }
        EngineError::ReadOnly { retry_after } => {
            exhausted(reason::STORAGE_FULL, "there is no room in the journal", retry_after)
        }
        EngineError::Unavailable { reason } => unavailable(info(reason::UNAVAILABLE, []), reason),
    }
}

fn rejected(rejection: &Rejection) -> Status {
    let message = rejection.to_string();
    match rejection {
        Rejection::Invalid { field, reason } => invalid(vec![(*field, reason.clone())]),
        Rejection::Conflict { field } => {
            field_to_blame(reason::ID_REUSED, field, message, [("field", (*field).into())])
        }
        Rejection::OtherMethod => {
            field_to_blame(reason::ID_REUSED, "request_id", message, [("field", "request_id".into())])
        }
        Rejection::MerchantNotFound => {
            status(reason::MERCHANT_NOT_FOUND, message, info(reason::MERCHANT_NOT_FOUND, []))
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
        Rejection::OrderAhead { completed_at, latest } => {
            let figures = [("completed_at", completed_at.to_string()), ("latest", latest.to_string())];
            field_to_blame(reason::ORDER_AHEAD_OF_TIME, "completed_at", message, figures)
        }
        Rejection::GuaranteeAboveMaximum { maximum } => {
            let figures = [("maximum", maximum.to_string())];
            field_to_blame(reason::GUARANTEE_ABOVE_MAXIMUM, "guarantee", message, figures)
        }
        Rejection::TooManyReleases { limit } => {
            state_to_blame(reason::TOO_MANY_RELEASES, "merchant_id", message, [("limit", limit.to_string())])
        }
        Rejection::NotFound(thing) => not_found(*thing, message),
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

fn not_found(thing: Thing, message: String) -> Status {
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
    let mut details = info(reason, []);
    details.set_resource_info(resource, "", "", &*message);
    status(reason, message, details)
}

fn field_to_blame<const N: usize>(
    reason: Reason,
    field: &str,
    message: String,
    figures: [(&str, String); N],
) -> Status {
    let mut details = info(reason, figures);
    details.add_bad_request_violation(field, &*message);
    status(reason, message, details)
}

fn state_to_blame<const N: usize>(
    reason: Reason,
    subject: &str,
    message: String,
    figures: [(&str, String); N],
) -> Status {
    let mut details = info(reason, figures);
    details.add_precondition_failure_violation(reason.name, subject, &*message);
    status(reason, message, details)
}

fn exhausted(reason: Reason, message: &str, retry_after: Duration) -> Status {
    let mut details = info(reason, []);
    details.set_retry_info(Some(retry_after));
    status(reason, message.into(), details)
}

fn unavailable(mut details: ErrorDetails, message: String) -> Status {
    details.set_retry_info(Some(RETRY_AFTER));
    status(reason::UNAVAILABLE, message, details)
}

fn info<const N: usize>(reason: Reason, figures: [(&str, String); N]) -> ErrorDetails {
    let metadata: HashMap<String, String> = figures.into_iter().map(|(key, value)| (key.into(), value)).collect();
    ErrorDetails::with_error_info(reason.name, DOMAIN, metadata)
}

fn status(reason: Reason, message: String, details: ErrorDetails) -> Status {
    Status::with_error_details(reason.code, message, details)
}

/// Gives an error that was made below the services, by the transport or by health, the reason that it has not.
pub fn explain<B>(mut response: http::Response<B>) -> http::Response<B> {
    if let Some(status) = unexplained(response.headers()) {
        let name = REASONS
            .iter()
            .find(|reason| reason.code == status.code() && NOT_OURS.contains(reason))
            .map_or(code_name(status.code()), |reason| reason.name);
        let details = ErrorDetails::with_error_info(name, DOMAIN, HashMap::new());
        let explained = Status::with_error_details(status.code(), status.message(), details);
        // It was a header before, so it is one now; if not, the error goes out as it came.
        explained.add_header(response.headers_mut()).unwrap_or_default();
    }
    response
}

/// Reasons that the services never give themselves.
const NOT_OURS: &[Reason] = &[reason::UNIMPLEMENTED, reason::MALFORMED_MESSAGE, reason::MESSAGE_TOO_LARGE];

fn unexplained(headers: &HeaderMap) -> Option<Status> {
    let code = headers.get("grpc-status")?;
    if code == "0" || headers.contains_key("grpc-status-details-bin") {
        return None;
    }
    Status::from_header_map(headers)
}

/// A code as the specification of gRPC writes it.
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
