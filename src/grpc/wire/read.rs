//! Requests.

use prost::Message;

use super::Chunk;
use crate::{
    domain::{ClassifyOrder, Id, Money, Timestamp},
    engine::Order,
    grpc::convert,
    proto::{
        fields::{Fields, message, number},
        v1,
    },
};

/// Where a message has which field: its key on the wire, or none.
pub trait Layout: Message + Default {
    /// `sequence`.
    const SEQUENCE: Option<u8> = None;
    /// `orders`.
    const ORDERS: u8;
    /// `with_receipts`.
    const WITH_RECEIPTS: u8;
    /// `validate_only`.
    const VALIDATE_ONLY: Option<u8> = None;
    /// `not_after`.
    const NOT_AFTER: u8;

    /// What the message says, as prost has read it.
    fn into_chunk(self) -> Chunk;
}

impl Layout for v1::ClassifyOrdersRequest {
    const ORDERS: u8 = message(1);
    const WITH_RECEIPTS: u8 = number(2);
    const VALIDATE_ONLY: Option<u8> = Some(number(3));
    const NOT_AFTER: u8 = message(4);

    fn into_chunk(self) -> Chunk {
        let Self { orders, with_receipts, validate_only, not_after } = self;
        Chunk { with_receipts, validate_only, not_after, ..Chunk::default() }.with(&orders)
    }
}

impl Layout for v1::StreamClassifyOrdersRequest {
    const SEQUENCE: Option<u8> = Some(number(1));
    const ORDERS: u8 = message(2);
    const WITH_RECEIPTS: u8 = number(3);
    const NOT_AFTER: u8 = message(4);

    fn into_chunk(self) -> Chunk {
        let Self { sequence, orders, with_receipts, not_after } = self;
        Chunk { sequence, with_receipts, not_after, ..Chunk::default() }.with(&orders)
    }
}

/// How long an order is at least on the wire, roughly: so many are made room for.
const SHORT_ORDER: usize = 32;

/// Reads a request, if there is nothing unusual in it.
pub(super) fn chunk<M: Layout>(message: &[u8]) -> Option<Chunk> {
    let mut chunk = Chunk { orders: Vec::with_capacity(message.len() / SHORT_ORDER), ..Chunk::default() };
    let mut fields = Fields(message);
    while let Some(key) = fields.key() {
        if key == M::ORDERS {
            chunk.add(order_or_why_not(fields.bytes()?)?);
        } else if Some(key) == M::SEQUENCE {
            chunk.sequence = fields.varint()?;
        } else if key == M::WITH_RECEIPTS {
            chunk.with_receipts = fields.varint()? != 0;
        } else if Some(key) == M::VALIDATE_ONLY {
            chunk.validate_only = fields.varint()? != 0;
        } else if key == M::NOT_AFTER && chunk.not_after.is_none() {
            chunk.not_after = Some(prost_types::Timestamp::decode(fields.bytes()?).ok()?);
        } else {
            return None;
        }
    }
    Some(chunk)
}

fn order_or_why_not(message: &[u8]) -> Option<Result<Order, tonic::Status>> {
    match order(message) {
        Some(order) => Some(Ok(order)),
        None => v1::CompletedOrder::decode(message).ok().map(|message| convert::completed_order(&message)),
    }
}

/// Reads an order, if there is nothing unusual in it and nothing wrong with it.
fn order(message: &[u8]) -> Option<Order> {
    let (mut merchant, mut order_id, mut price, mut profit, mut completed_at) = (None, None, None, None, None);
    let mut fields = Fields(message);
    while let Some(key) = fields.key() {
        match key {
            MERCHANT_ID if merchant.is_none() => merchant = Some(Id::parse_bytes(fields.bytes()?).ok()?),
            ORDER_ID if order_id.is_none() => order_id = Some(Id::parse_bytes(fields.bytes()?).ok()?),
            PRICE if price.is_none() => price = Some(Money::parse_bytes(fields.bytes()?).ok()?),
            PROFIT if profit.is_none() => profit = Some(Money::parse_bytes(fields.bytes()?).ok()?),
            COMPLETED_AT if completed_at.is_none() => completed_at = Some(instant(fields.bytes()?)?),
            _ => return None,
        }
    }
    let command = ClassifyOrder::new(order_id?, price?, profit, completed_at).ok()?;
    Some(Order { merchant: merchant?, command })
}

const MERCHANT_ID: u8 = message(1);
const ORDER_ID: u8 = message(2);
const PRICE: u8 = message(3);
const PROFIT: u8 = message(4);
const COMPLETED_AT: u8 = message(5);

fn instant(message: &[u8]) -> Option<Timestamp> {
    convert::instant(&prost_types::Timestamp::decode(message).ok()?)
}
