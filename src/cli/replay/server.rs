//! The server at the other end, asked patiently: what cannot be reached or is overloaded is asked again, with the same ids.

use std::{error::Error as _, iter, time::Duration};

use prost_types::Timestamp as Instant;
use rust_decimal::Decimal;
use tonic::{
    Code, Response, Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use super::input::Row;
use crate::{
    domain::{MerchantId, Money, Timestamp},
    grpc::convert::code_name,
    proto::v1::{
        AdvanceClockRequest, ClassifyOrderRequest, ClassifyOrderResponse, ClockMode, GetClockRequest, GetMarginRequest,
        GetMarginResponse, ModifyGuaranteeRequest, clock_service_client::ClockServiceClient,
        guarantee_service_client::GuaranteeServiceClient, margin_service_client::MarginServiceClient,
        order_service_client::OrderServiceClient,
    },
};

/// How often a call is tried.
const TRIES: u32 = 12;
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
                // A status with a source was made on this side of the wire: the connection broke.
                None => (status.code() == Code::Unavailable || status.source().is_some()).then_some(backoff),
            },
            Self::Silent => Some(backoff),
            Self::Answer(_) => None,
        }
    }
}

/// `FAILED_PRECONDITION: the message (THE_REASON)`, and for a broken connection what broke it.
fn told(status: &Status) -> String {
    let reason = status.get_details_error_info().map(|info| format!(" ({})", info.reason)).unwrap_or_default();
    let root = iter::successors(status.source(), |cause| (*cause).source()).last();
    let root = root.map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{}: {}{reason}{root}", code_name(status.code()), status.message())
}

/// A server on the manual clock.
#[derive(Clone, Debug)]
pub(super) struct Server {
    clock: ClockServiceClient<Channel>,
    orders: OrderServiceClient<Channel>,
    guarantees: GuaranteeServiceClient<Channel>,
    margins: MarginServiceClient<Channel>,
}

impl Server {
    /// The server at an address; nothing is sent yet.
    pub(super) fn at(endpoint: &Endpoint) -> Self {
        let channel = endpoint.connect_lazy();
        Self {
            clock: ClockServiceClient::new(channel.clone()),
            orders: OrderServiceClient::new(channel.clone()),
            guarantees: GuaranteeServiceClient::new(channel.clone()),
            margins: MarginServiceClient::new(channel),
        }
    }

    /// The engine's time, and what moves it. To be asked for first.
    pub(super) async fn clock(&self) -> Result<(Timestamp, ClockMode), CallError> {
        let clock = patiently(FIRST_TRIES, || {
            let mut client = self.clock.clone();
            async move { client.get_clock(GetClockRequest {}).await }
        });
        let clock = clock.await?;
        Ok((instant(clock.now, "time")?, clock.mode()))
    }

    /// Moves the clock, and tells where it stands.
    pub(super) async fn advance(&self, to: Timestamp) -> Result<Timestamp, CallError> {
        let request = AdvanceClockRequest { to: Some(wire(to)) };
        let clock = patiently(TRIES, || {
            let mut client = self.clock.clone();
            async move { client.advance_clock(request).await }
        });
        instant(clock.await?.now, "time")
    }

    /// Sends an order.
    pub(super) async fn classify(&self, row: &Row) -> Result<ClassifyOrderResponse, CallError> {
        let request = ClassifyOrderRequest {
            merchant_id: row.seller.to_string(),
            order_id: row.order.to_string(),
            price: row.price.to_string(),
            completed_at: Some(wire(row.completed_at)),
            ..ClassifyOrderRequest::default()
        };
        patiently(TRIES, || {
            let (mut client, request) = (self.orders.clone(), request.clone());
            async move { client.classify_order(request).await }
        })
        .await
    }

    /// Sets a guarantee, and tells whether it was set before. The request id follows from the amount.
    pub(super) async fn set_guarantee(&self, seller: &MerchantId, dollars: u64) -> Result<bool, CallError> {
        let request = ModifyGuaranteeRequest {
            merchant_id: seller.to_string(),
            guarantee: Some(dollars),
            request_id: format!("replay-guarantee-{dollars}"),
            ..ModifyGuaranteeRequest::default()
        };
        let modified = patiently(TRIES, || {
            let (mut client, request) = (self.guarantees.clone(), request.clone());
            async move { client.modify_guarantee(request).await }
        });
        Ok(modified.await?.replayed)
    }

    /// All balances of a merchant.
    pub(super) async fn margin(&self, seller: &MerchantId) -> Result<GetMarginResponse, CallError> {
        let request = GetMarginRequest { as_of: None, merchant_id: seller.to_string() };
        patiently(TRIES, || {
            let (mut client, request) = (self.margins.clone(), request.clone());
            async move { client.get_margin(request).await }
        })
        .await
    }
}

async fn patiently<T, Call>(most: u32, mut call: impl FnMut() -> Call) -> Result<T, CallError>
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

/// An amount as the server shows it; sums may be larger than what is taken from outside.
pub(super) fn money(text: &str, of: &'static str) -> Result<Money, CallError> {
    let decimal = Decimal::from_str_exact(text).map_err(|_| CallError::Answer(of))?;
    Money::try_from(decimal).map_err(|_| CallError::Answer(of))
}

fn instant(at: Option<Instant>, of: &'static str) -> Result<Timestamp, CallError> {
    let micros = |at: Instant| at.seconds.checked_mul(1_000_000)?.checked_add(i64::from(at.nanos) / 1_000);
    at.and_then(micros).map(Timestamp::from_micros).ok_or(CallError::Answer(of))
}

fn wire(at: Timestamp) -> Instant {
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
    fn sums_beyond_a_single_amount_are_read() {
        assert_eq!(money("1234567890123456.78", "debt").unwrap(), Money::from_cents(123_456_789_012_345_678));
        assert!(money("1.234", "debt").is_err() && money("", "debt").is_err());
    }

    #[test]
    fn waits_grow_and_stay_bounded() {
        assert_eq!(CallError::Silent.wait(1), Some(2 * FIRST_WAIT));
        assert_eq!(CallError::Silent.wait(40), Some(LONGEST_WAIT));
        assert_eq!(CallError::Answer("time").wait(1), None);
    }
}
