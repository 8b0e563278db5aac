//! The server at the other end.

use rust_decimal::Decimal;

use super::input::Row;
use crate::{
    cli::{
        call::{CallError, TRIES, instant, patiently, wire},
        target::Connection,
    },
    domain::{MerchantId, Money, Timestamp},
    proto::v1::{
        AdvanceClockRequest, ClassifyOrderRequest, ClassifyOrderResponse, GetMarginRequest, GetMarginResponse,
        ModifyGuaranteeRequest, clock_service_client::ClockServiceClient,
        guarantee_service_client::GuaranteeServiceClient, margin_service_client::MarginServiceClient,
        order_service_client::OrderServiceClient,
    },
};

/// A server on the manual clock.
#[derive(Clone, Debug)]
pub(super) struct Server {
    clock: ClockServiceClient<Connection>,
    orders: OrderServiceClient<Connection>,
    guarantees: GuaranteeServiceClient<Connection>,
    margins: MarginServiceClient<Connection>,
}

impl Server {
    /// The server at the other end of a connection.
    pub(super) fn at(connection: Connection) -> Self {
        Self {
            clock: ClockServiceClient::new(connection.clone()),
            orders: OrderServiceClient::new(connection.clone()),
            guarantees: GuaranteeServiceClient::new(connection.clone()),
            margins: MarginServiceClient::new(connection),
        }
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

/// An amount as the server shows it; sums may be larger than what is taken from outside.
pub(super) fn money(text: &str, of: &'static str) -> Result<Money, CallError> {
    let decimal = Decimal::from_str_exact(text).map_err(|_| CallError::Answer(of))?;
    Money::try_from(decimal).map_err(|_| CallError::Answer(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_beyond_a_single_amount_are_read() {
        assert_eq!(money("1234567890123456.78", "debt").unwrap(), Money::from_cents(123_456_789_012_345_678));
        assert!(money("1.234", "debt").is_err() && money("", "debt").is_err());
    }
}
