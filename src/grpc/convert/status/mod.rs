//! Refusals and faults to statuses: the only place that makes a [`Status`].
//!
//! Every error carries an `ErrorInfo` of google.rpc, whose reason a program can match on. Where a field is to blame, a
//! `BadRequest` names it; where waiting helps, a `RetryInfo` says how long; where a state forbids it, a `PreconditionFailure`
//! says which; where something is not there, a `ResourceInfo` says what.

mod denied;
mod past;
mod rejected;

use std::{collections::HashMap, time::Duration};

use http::HeaderMap;
use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

pub use self::denied::denied;
pub use self::past::{
    busy, history_failed, in_the_future, merchant_not_found, not_there, position_ahead, slow_watcher,
};
use self::rejected::rejected;
pub use crate::reasons::{DOMAIN, REASONS, Reason, code_name, reason};
use crate::{
    domain::{MerchantId, RequestId},
    engine::EngineError,
    grpc::NotReady,
};

/// What says the same as `RetryInfo` to clients that repeat calls by themselves as a service config tells them: milliseconds.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// How long to wait for an engine that is not there, when nobody knows.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bad fields, each with what is wrong with it, to be read after the field's name. Names as many as fit into what clients take,
/// and says how many there are beyond.
pub(super) fn invalid(bad: Vec<(String, String)>) -> Status {
    const FITS: usize = 1_200;
    let all = bad.len();
    let mut room = FITS;
    let fits = |(field, reason): &(String, String)| {
        let size = field.len() + reason.len();
        let fits = size <= room || room == FITS;
        room = room.saturating_sub(size);
        fits
    };
    let named: Vec<_> = bad.into_iter().take_while(fits).collect();
    let mut said: Vec<_> = named.iter().map(|(field, reason)| format!("{field} {reason}")).collect();
    let beyond = all - named.len();
    let mut details = info(reason::INVALID_FIELD, []);
    if beyond > 0 {
        said.push(format!("and {beyond} more"));
        details = info(reason::INVALID_FIELD, [("more", beyond.to_string())]);
    }
    for (field, reason) in named {
        details.add_bad_request_violation(field, reason);
    }
    status(reason::INVALID_FIELD, said.join("; "), details)
}

/// There is no engine to ask.
pub fn not_ready(why: NotReady) -> Status {
    let state = match why {
        NotReady::Starting => "starting",
        NotReady::Stopping => "stopping",
    };
    unavailable(info(reason::UNAVAILABLE, [("state", state.into())]), why.to_string())
}

/// A call that reached a service and that nobody has admitted: the server is put together wrongly, and does nothing for it.
pub fn not_admitted() -> Status {
    tracing::error!(
        "a call has reached a service past the gate, and is refused: the server's layers are not as they should be"
    );
    let message = "the server has not found out who is asking, by a fault of its own";
    status(reason::INTERNAL, message.to_owned(), info(reason::INTERNAL, []))
}

/// A message of which too little has come in a time that is long enough for any.
pub fn incomplete_message(within: Duration) -> Status {
    let message = format!("the message was not complete within {} seconds of its beginning", within.as_secs());
    status(reason::MESSAGE_INCOMPLETE, message, info(reason::MESSAGE_INCOMPLETE, []))
}

/// The call's own deadline had passed before it was its turn.
pub fn too_late() -> Status {
    let message = "the deadline of the call had passed before it was looked at";
    status(reason::DEADLINE_PASSED, message.to_owned(), info(reason::DEADLINE_PASSED, []))
}

/// What the trailers of a call say; one without a status is unknown.
pub fn status_in(trailers: &http::HeaderMap) -> Status {
    Status::from_header_map(trailers).unwrap_or_else(|| Status::unknown("no status"))
}

/// What a request is about, to be named where it is not there.
#[derive(Clone, Copy, Default)]
struct About<'a> {
    /// The merchant.
    merchant: &'a str,
    /// What of the merchant; empty: the merchant itself.
    thing: &'a str,
}

/// The engine said no, or could not say anything.
pub fn failed(error: EngineError) -> Status {
    explained(error, About::default())
}

/// No answer about a merchant: like [`failed`], and one that is not there is named.
pub fn failed_about(merchant: &MerchantId, error: EngineError) -> Status {
    failed_about_thing(merchant, "", error)
}

/// No answer about something that a merchant has, by its id or number: like [`failed`], and what is not there is named.
pub fn failed_about_thing(merchant: &MerchantId, thing: &str, error: EngineError) -> Status {
    explained(error, About { merchant: merchant.as_str(), thing })
}

fn explained(error: EngineError, about: About<'_>) -> Status {
    match error {
        EngineError::Rejected(rejection) => rejected(&rejection, &about),
        EngineError::Overloaded { retry_after } => {
            exhausted(reason::OVERLOADED, "the engine is overloaded", retry_after)
        }
        EngineError::ReadOnly { retry_after } => {
            exhausted(reason::STORAGE_FULL, "there is no room in the journal", retry_after)
        }
        EngineError::Unavailable { reason } => unavailable(info(reason::UNAVAILABLE, []), reason),
    }
}

/// No answer about a proposal: like [`failed`], and one that is not there is named.
pub fn failed_about_proposal(proposal: &RequestId, error: EngineError) -> Status {
    explained(error, About { merchant: "", thing: proposal.as_str() })
}

/// An error about a message within the request: the fields to blame are those of that message.
pub fn within(status: &Status, message: &str) -> Status {
    let mut details = status.get_error_details();
    let Some(bad) = details.bad_request() else { return status.clone() };
    let named = |bad: &FieldViolation| FieldViolation::new(format!("{message}.{}", bad.field), &*bad.description);
    let bad: Vec<_> = bad.field_violations.iter().map(named).collect();
    details.set_bad_request(bad);
    Status::with_error_details(status.code(), status.message(), details)
}

/// There is no such version of the policy.
pub fn policy_not_found(version: u64) -> Status {
    let message = format!("there is no version {version} of the policy");
    nowhere(reason::POLICY_NOT_FOUND, ("tplus.v1.PolicyVersion", &version.to_string(), ""), message)
}

/// Something is not there: its type, its name, and whose it is.
fn nowhere(reason: Reason, (kind, name, owner): (&str, &str, &str), message: String) -> Status {
    let mut details = info(reason, []);
    details.set_resource_info(kind, name, owner, &*message);
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
    let wait = details.retry_info().and_then(|info| info.retry_delay);
    let mut status = Status::with_error_details(reason.code, message, details);
    if let Some(wait) = wait {
        status.metadata_mut().insert(PUSHBACK, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).into());
    }
    status
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
