//! Calls to a server, made patiently: what cannot be reached or is overloaded is asked again, with the same ids.
//!
//! `tplus::client` repeats calls too, for services, and these commands do not use it. They are patient in another way: a file that is imported or
//! replayed waits for a server that restarts, for a number of tries and not for a deadline of the call, and is not told to give up because
//! many calls have failed before. They hold connections that read a token's file anew, and show what the server said word for word, with its
//! details, where the client keeps what programs match on. And the program is built without the client (feature `server` alone). What both have
//! in common is a loop of ten lines; what each waits for is the rest.

use std::{
    error::Error,
    io::{self, ErrorKind},
    iter,
    time::Duration,
};

use prost_types::Timestamp as Instant;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use super::{
    Exit, Failure,
    target::{Server, TokenError},
};
use crate::{
    domain::Timestamp,
    grpc::convert::code_name,
    proto::v1::{ClockMode, GetClockRequest, clock_service_client::ClockServiceClient},
};

/// How often a call is tried.
pub(super) const TRIES: u32 = 12;
/// How often the first call is tried, which tells whether anybody is there: long enough for a server that is just starting.
const FIRST_TRIES: u32 = 6;
/// How long a single try may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before the second try; doubled from try to try.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait between two tries, whatever the server asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// A no from the server, or none at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// It answered with an error, or could not be reached.
    #[error("{}", told(.0))]
    Status(Status),
    /// It did not answer.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// It answered something that makes no sense.
    #[error("the answer has no usable {0}")]
    Answer(&'static str),
}

impl CallError {
    /// As the end of a command, which was doing this.
    pub(super) fn during(self, doing: &str) -> Failure {
        Failure::new(Exit::Failed, self).during(doing)
    }

    /// As the end of a command that was this call and nothing else.
    pub(super) fn plain(self) -> Failure {
        Failure::new(Exit::Failed, self)
    }

    /// Whether the server answered, be it a refusal.
    pub(super) fn is_an_answer(&self) -> bool {
        match self {
            Self::Status(status) => status.source().is_none(),
            Self::Silent => false,
            Self::Answer(_) => true,
        }
    }

    /// What may help who heard nothing from the server.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Status(status) if causes(status).any(is_broken_tls) => {
                "does the server show a certificate for this address, and is its issuer trusted? (--ca, --cert, --key)"
            }
            _ => "is this the address of a server that runs? (--server, TPLUS_SERVER)",
        }
    }

    /// Whether the same may be asked again.
    pub(super) fn may_be_asked_again(&self) -> bool {
        self.wait(1).is_some()
    }

    /// Whether the server refused the request itself in the state that things are in.
    pub(super) fn is_failed_precondition(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == Code::FailedPrecondition)
    }

    /// How long to wait before the same may be asked again; nothing when that is of no use.
    fn wait(&self, tries: u32) -> Option<Duration> {
        let backoff = FIRST_WAIT.saturating_mul(1 << tries.min(16)).min(LONGEST_WAIT);
        match self {
            Self::Status(status) => match status.get_details_retry_info() {
                Some(info) => Some(info.retry_delay.unwrap_or(backoff).min(LONGEST_WAIT)),
                None if is_in_vain(status) => None,
                // A status with a source was made on this side of the wire: the connection broke.
                None => (status.code() == Code::Unavailable || status.source().is_some()).then_some(backoff),
            },
            Self::Silent => Some(backoff),
            Self::Answer(_) => None,
        }
    }
}

/// Whether another try would end the same way: the other side is not trusted or does not speak TLS, or the token cannot be read.
fn is_in_vain(status: &Status) -> bool {
    causes(status).any(|cause| is_broken_tls(cause) || cause.is::<TokenError>())
}

/// What rustls says is handed on as data that makes no sense.
fn is_broken_tls(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref().is_some_and(|cause: &io::Error| cause.kind() == ErrorKind::InvalidData)
}

fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    iter::successors(status.source(), |cause| (*cause).source())
}

/// `FAILED_PRECONDITION: the message (THE_REASON)`, and for a broken connection what broke it.
fn told(status: &Status) -> String {
    let reason = status.get_details_error_info().map(|info| format!(" ({})", info.reason)).unwrap_or_default();
    let root = causes(status).last().map(ToString::to_string).filter(|root| !status.message().contains(root));
    let root = root.map(|root| format!(": {root}")).unwrap_or_default();
    format!("{}: {}{reason}{root}", code_name(status.code()), status.message())
}

/// The engine's time, and what moves it. To be asked for first, as it tells whether anybody is there.
pub(super) async fn clock(server: &Server) -> Result<(Timestamp, ClockMode), Failure> {
    let asked = async {
        let clock = patiently(FIRST_TRIES, || {
            let mut client = ClockServiceClient::new(server.connection());
            async move { client.get_clock(GetClockRequest {}).await }
        });
        let clock = clock.await?;
        Ok((instant(clock.now, "time")?, clock.mode()))
    };
    asked.await.map_err(|error: CallError| {
        let hint = (!error.is_an_answer()).then(|| error.hint());
        let failure = error.during(&format!("asking {} for its clock", server.address()));
        hint.into_iter().fold(failure, Failure::hint)
    })
}

/// Makes a call until there is an answer or a refusal, or it was tried too often.
pub(super) async fn patiently<T, Call>(most: u32, mut call: impl FnMut() -> Call) -> Result<T, CallError>
where
    Call: Future<Output = Result<Response<T>, Status>>,
{
    let mut tries = 1;
    loop {
        let error = match once(call()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        match error.wait(tries) {
            Some(wait) if tries < most => tokio::time::sleep(wait).await,
            _ => return Err(error),
        }
        tries += 1;
    }
}

async fn once<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, CallError> {
    match tokio::time::timeout(PATIENCE, call).await {
        Ok(answer) => answer.map(Response::into_inner).map_err(CallError::Status),
        Err(_) => Err(CallError::Silent),
    }
}

/// An instant of an answer.
pub(super) fn instant(at: Option<Instant>, of: &'static str) -> Result<Timestamp, CallError> {
    let micros = |at: Instant| at.seconds.checked_mul(1_000_000)?.checked_add(i64::from(at.nanos) / 1_000);
    at.and_then(micros).map(Timestamp::from_micros).ok_or(CallError::Answer(of))
}

/// An instant for a request.
pub(super) fn wire(at: Timestamp) -> Instant {
    let (seconds, micros) = (at.micros().div_euclid(1_000_000), at.micros().rem_euclid(1_000_000));
    Instant { seconds, nanos: i32::try_from(micros * 1_000).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_survive_the_wire() {
        for micros in [0, -1, 1_476_099_802_000_001, Timestamp::MIN.micros(), Timestamp::MAX.micros()] {
            let at = Timestamp::from_micros(micros);
            assert_eq!(instant(Some(wire(at)), "time").unwrap(), at);
        }
    }

    #[test]
    fn waits_grow_and_stay_bounded() {
        assert_eq!(CallError::Silent.wait(1), Some(2 * FIRST_WAIT));
        assert_eq!(CallError::Silent.wait(40), Some(LONGEST_WAIT));
        assert_eq!(CallError::Answer("time").wait(1), None);
    }
}
