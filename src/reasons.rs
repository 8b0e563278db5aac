//! What a program can match on when a call is refused: for the server, which gives them, and for clients.

use tonic::Code;

/// The domain of every `google.rpc.ErrorInfo` that the server gives.
pub const DOMAIN: &str = "tplus.v1";

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
    /// A field is missing, malformed or out of bounds; every bad field is named, as far as they fit into an answer.
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
    /// The instant or day that is asked for has not come.
    IN_THE_FUTURE: OutOfRange,
    /// There is no such proposal that the caller may see, or it has ended more than 30 days ago.
    PROPOSAL_NOT_FOUND: NotFound,
    /// Nobody approved the proposal in time.
    PROPOSAL_EXPIRED: FailedPrecondition,
    /// The proposal was approved, rejected or withdrawn already.
    PROPOSAL_CLOSED: FailedPrecondition,
    /// As many proposals are open or kept as may be, of this caller or of all; some have to end, or to be 30 days past.
    TOO_MANY_PROPOSALS: FailedPrecondition,
    /// What is proposed, or was, has been decided already, under its own request_id.
    DECIDED_ALREADY: FailedPrecondition,
    /// Nobody is asked who he is here, so nobody can tell a proposer from an approver.
    IDENTITY_REQUIRED: FailedPrecondition,
    /// The position to watch from is no longer kept, or nothing has it yet.
    POSITION_NOT_KEPT: OutOfRange,
    /// The watcher took nothing for 30 seconds; it may go on from the position that is told.
    SLOW_WATCHER: Aborted,
    /// The history has not caught up within 5 seconds; how far it is is told. Wait as long as RetryInfo says.
    HISTORY_BEHIND: Unavailable,
    /// The engine has as much in flight as it takes, the connection has its share of it, or decides faster than the history can take it down; wait as long as RetryInfo says.
    OVERLOADED: ResourceExhausted,
    /// The deadline of the call had passed before it was looked at: nothing was decided.
    DEADLINE_PASSED: DeadlineExceeded,
    /// The disk is full, or space is still being prepared: reads are answered, commands are not; wait as long as RetryInfo says.
    STORAGE_FULL: ResourceExhausted,
    /// Nothing tells who is asking: neither a client certificate with a name nor a token.
    CREDENTIALS_MISSING: Unauthenticated,
    /// The token is not believed; the message says why.
    TOKEN_INVALID: Unauthenticated,
    /// The token has expired; get a new one.
    TOKEN_EXPIRED: Unauthenticated,
    /// Who is asking is not named in the rules of access.
    CALLER_UNKNOWN: PermissionDenied,
    /// The caller has not the permission that the method needs.
    PERMISSION_MISSING: PermissionDenied,
    /// The caller may not touch this merchant, or not all of them.
    MERCHANT_OUT_OF_SCOPE: PermissionDenied,
    /// Nobody may make this change alone: it has to be proposed, and approved by another.
    APPROVAL_REQUIRED: PermissionDenied,
    /// The caller has made this proposal, and it takes another one to approve it.
    APPROVER_IS_PROPOSER: PermissionDenied,
    /// The caller has not made this proposal, and cannot withdraw it.
    NOT_THE_PROPOSER: PermissionDenied,
    /// The caller asks for more in a second than it may; wait as long as RetryInfo says.
    RATE_EXCEEDED: ResourceExhausted,
    /// The caller has as many calls under way as it may; wait as long as RetryInfo says.
    CONCURRENCY_EXCEEDED: ResourceExhausted,
    /// The engine is starting, stopping or has failed; a repeat with the same id is safe.
    UNAVAILABLE: Unavailable,
    /// There is no such method.
    UNIMPLEMENTED: Unimplemented,
    /// The bytes are no message of this method.
    MALFORMED_MESSAGE: Internal,
    /// The server is at fault, and has done nothing; its log says more.
    INTERNAL: Internal,
    /// The message is larger than the server takes.
    MESSAGE_TOO_LARGE: OutOfRange,
    /// A message has begun, and its end did not come within 30 seconds.
    MESSAGE_INCOMPLETE: DeadlineExceeded,
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
