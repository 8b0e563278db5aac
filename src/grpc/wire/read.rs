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
            let message = fields.bytes()?;
            match order(message) {
                Some(order) => chunk.orders.push(order),
                None => chunk.add(convert::completed_order(&v1::CompletedOrder::decode(message).ok()?)),
            }
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

/// Reads an order, if there is nothing unusual in it and nothing wrong with it.
#[inline]
fn order(message: &[u8]) -> Option<Order> {
    let mut fields = Fields(message);
    let merchant = Id::parse_bytes(fields.bytes_of(1)?).ok()?;
    let order_id = Id::parse_bytes(fields.bytes_of(2)?).ok()?;
    let price = Money::parse_bytes(fields.bytes_of(3)?).ok()?;
    let profit = optional(&mut fields, 4, |amount| Money::parse_bytes(amount).ok())?;
    let completed_at = optional(&mut fields, 5, instant)?;
    let command = ClassifyOrder::new(order_id, price, profit, completed_at).ok()?;
    fields.0.is_empty().then_some(Order { merchant, command })
}

/// What there is in a field, if it is there and the next one.
#[inline]
fn optional<T>(fields: &mut Fields<'_>, field: u8, read: impl FnOnce(&[u8]) -> Option<T>) -> Option<Option<T>> {
    if fields.key_if(message(field)) { read(fields.bytes()?).map(Some) } else { Some(None) }
}

fn instant(message: &[u8]) -> Option<Timestamp> {
    let mut fields = Fields(message);
    let (seconds, nanos) = (fields.number_or_0(1)?.cast_signed(), fields.number_or_0(2)?);
    let instant = prost_types::Timestamp { seconds, nanos: i32::try_from(nanos).ok()? };
    if fields.0.is_empty() { convert::instant(&instant) } else { None }
}
