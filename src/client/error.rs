//! Why there is no answer.

use std::{collections::HashMap, error::Error as _, fmt, io, iter, time::Duration};

use tonic::{Code, ConnectError, Status, TimeoutExpired};
use tonic_types::StatusExt as _;

use super::amount;
use crate::{
    domain::Money,
    reasons::{DOMAIN, Reason, code_name, reason},
};

/// Why there is no answer: the server's no, or no word from it.
///
/// ```no_run
/// # async fn pay_out(merchant: &tplus::client::Merchant, amount: tplus::domain::Money) -> Result<(), tplus::client::Error> {
/// use tplus::reasons::reason;
///
/// match merchant.withdraw(amount, "bank run 17", "out-1").await {
///     Ok(done) => println!("paid out, {} are left", done.available),
///     Err(error) if error.is(reason::INSUFFICIENT_AVAILABLE) => println!("only {:?}", error.money("available")),
///     Err(error) if error.is_unclear() => println!("ask again with out-1: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Error(Box<Told>);

#[derive(Clone, Debug)]
struct Told {
    kind: Kind,
    code: Code,
    message: String,
    reason: Option<String>,
    figures: HashMap<String, String>,
    fields: Vec<FieldViolation>,
    retry_after: Option<Duration>,
    cause: Option<String>,
    tries: u32,
    unclear: bool,
}

/// What sort of error it is: what its caller owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The server looked at the request and refused it. It changed nothing, and the same again will be refused again while nothing
    /// else changes.
    Refused,
    /// The server does not know the caller, or does not allow it this.
    Denied,
    /// The server could not be reached, is starting, stopping or overloaded, or did not answer in time. The same call, with the
    /// same id, is worth making again.
    Unavailable,
    /// An answer or an error that this client does not understand.
    Broken,
    /// Nothing was sent: the request cannot be sent in this form, or must not be on this connection, or the server's certificate is
    /// not to be trusted.
    Unsent,
}

/// A field of the request that is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field, as the API names it: `price`, or `orders[3].price`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl Error {
    /// What sort of error it is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The status code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What happened, for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Why, for programs: a name of [`crate::reasons`]. None where the server did not say, or did not get to say anything.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// Whether this is why.
    pub fn is(&self, reason: Reason) -> bool {
        self.reason() == Some(reason.name)
    }

    /// A figure that comes with the reason, such as `available` with `INSUFFICIENT_AVAILABLE`.
    pub fn figure(&self, name: &str) -> Option<&str> {
        self.0.figures.get(name).map(String::as_str)
    }

    /// The same as an amount, where it is one.
    pub fn money(&self, name: &str) -> Option<Money> {
        amount(self.figure(name)?)
    }

    /// The fields that are to blame.
    pub fn fields(&self) -> &[FieldViolation] {
        &self.0.fields
    }

    /// How long the server asks to wait before the same is asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Whether the same call, with the same id, is worth making again. The client has done so already, as often as it may.
    pub fn is_retryable(&self) -> bool {
        self.kind() == Kind::Unavailable
    }

    /// Whether a command may have happened all the same: a try of it ended without a word on that. Asked again with the same id, it
    /// happens once or gets its first answer; with `not_after`, whoever gives up knows when it cannot happen any more.
    pub fn is_unclear(&self) -> bool {
        self.0.unclear
    }

    /// How often the call was made.
    pub fn tries(&self) -> u32 {
        self.0.tries
    }

    /// What a try ended with.
    pub(super) fn from_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        // A status with a cause was made on this side of the wire.
        let cause = iter::successors(status.source(), |cause| (*cause).source()).last();
        let reason = info.map(|info| info.reason.clone());
        let figures = info.map(|info| info.metadata.clone()).unwrap_or_default();
        let timed_out = caused_by::<TimeoutExpired>(status);
        let violation = |violation: &tonic_types::FieldViolation| FieldViolation {
            field: violation.field.clone(),
            description: violation.description.clone(),
        };
        Self(Box::new(Told {
            kind: match cause {
                Some(_) if is_handshake_refused(status) => Kind::Unsent,
                Some(_) => Kind::Unavailable,
                None => kind(status.code()),
            },
            code: if timed_out { Code::DeadlineExceeded } else { status.code() },
            message: status.message().to_owned(),
            fields: details
                .bad_request()
                .map(|bad| bad.field_violations.iter().map(violation).collect())
                .unwrap_or_default(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            unclear: is_unclear(status, reason.as_deref(), &figures),
            cause: cause.map(ToString::to_string),
            reason,
            figures,
            tries: 1,
        }))
    }

    /// No answer within the time of a try.
    pub(super) fn silent(time: Duration) -> Self {
        let message = format!("no answer within {} ms", time.as_millis());
        Self(Box::new(Told { unclear: true, ..told(Kind::Unavailable, Code::DeadlineExceeded, message) }))
    }

    /// The server had no room for some of many orders, and asks to wait.
    pub(super) fn no_room(retry_after: Duration) -> Self {
        let message = "there was no room for all orders".to_owned();
        let retry_after = Some(retry_after);
        Self(Box::new(Told { retry_after, ..told(Kind::Unavailable, Code::ResourceExhausted, message) }))
    }

    /// A stream that ended before everything was answered.
    pub(super) fn ended() -> Self {
        let message = "the stream ended before everything was answered".to_owned();
        Self(Box::new(Told { unclear: true, ..told(Kind::Unavailable, Code::Unavailable, message) }))
    }

    /// An answer without what it has to have.
    pub(super) fn malformed(field: &'static str) -> Self {
        Self(Box::new(told(Kind::Broken, Code::Internal, format!("the answer has no usable {field}"))))
    }

    /// A request that was not sent.
    pub(super) fn unsent(message: &str) -> Self {
        Self(Box::new(Told { tries: 0, ..told(Kind::Unsent, Code::InvalidArgument, message.to_owned()) }))
    }

    /// As the end of a call that was made so often.
    pub(super) fn in_all(mut self, tries: u32, unclear: bool) -> Self {
        self.0.tries = tries;
        self.0.unclear = unclear;
        self
    }
}

fn told(kind: Kind, code: Code, message: String) -> Told {
    Told {
        kind,
        code,
        message,
        reason: None,
        figures: HashMap::new(),
        fields: Vec::new(),
        retry_after: None,
        cause: None,
        tries: 1,
        unclear: false,
    }
}

const fn kind(code: Code) -> Kind {
    match code {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange => Kind::Refused,
        Code::Unauthenticated | Code::PermissionDenied => Kind::Denied,
        Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded | Code::Cancelled => Kind::Unavailable,
        _ => Kind::Broken,
    }
}

/// Whether the server may have acted: only a word of its own, or that nobody was reached, rules it out.
fn is_unclear(status: &Status, why: Option<&str>, figures: &HashMap<String, String>) -> bool {
    match why {
        // An engine that starts or stops has not looked at it; one that failed may have.
        Some(name) if name == reason::UNAVAILABLE.name => !figures.contains_key("state"),
        Some(_) => false,
        None => {
            let answered = status.source().is_none() && matches!(kind(status.code()), Kind::Refused | Kind::Denied);
            !answered && !caused_by::<ConnectError>(status)
        }
    }
}

/// Whether no connection was made since this side does not trust the other: rustls says so with an I/O error of its own kind.
fn is_handshake_refused(status: &Status) -> bool {
    let refused = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
    };
    caused_by::<ConnectError>(status) && iter::successors(status.source(), |cause| (*cause).source()).any(refused)
}

fn caused_by<T: std::error::Error + 'static>(status: &Status) -> bool {
    iter::successors(status.source(), |cause| (*cause).source()).any(|cause| cause.is::<T>())
}

impl fmt::Display for Error {
    /// `FAILED_PRECONDITION: the message (THE_REASON)`, and for a broken connection what broke it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told { code, message, reason, cause, tries, .. } = &*self.0;
        write!(f, "{}: {message}", code_name(*code))?;
        if let Some(reason) = reason {
            write!(f, " ({reason})")?;
        }
        if let Some(cause) = cause.as_ref().filter(|cause| *cause != message) {
            write!(f, ": {cause}")?;
        }
        if *tries > 1 {
            write!(f, ", tried {tries} times")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
