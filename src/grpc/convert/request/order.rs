//! Orders.

use tonic::Status;

use super::{Fields, any_id};
use crate::{
    domain::{ClassifyOrder, MerchantId, ReverseOrder, Timestamp},
    engine::{self, Manner, Order},
    grpc::wire::Chunk,
    proto::v1::{ClassifyOrderRequest, CompletedOrder, ReverseOrderRequest},
};

/// An order to be classified.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn classify_order(request: &ClassifyOrderRequest) -> Result<engine::Request<ClassifyOrder>, Status> {
    let mut fields = Fields::default();
    let ClassifyOrderRequest { merchant_id, order_id, price, profit, completed_at, .. } = request;
    let (merchant, command) = completed(&mut fields, merchant_id, order_id, (price, profit), completed_at.as_ref());
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    fields.request(merchant, command, request.validate_only, not_after)
}

fn completed(
    fields: &mut Fields,
    merchant_id: &str,
    order_id: &str,
    (price, profit): (&str, &str),
    completed_at: Option<&prost_types::Timestamp>,
) -> (Option<MerchantId>, Option<ClassifyOrder>) {
    let merchant = fields.id("merchant_id", merchant_id);
    let order_id = fields.id("order_id", order_id);
    let price = fields.amount("price", price);
    let profit = fields.optional_amount("profit", profit);
    let completed_at = fields.instant("completed_at", completed_at);
    // The amounts are judged even without an order id, so that the caller hears everything at once.
    let judged = order_id.or_else(any_id).zip(price);
    let command = judged.and_then(|(id, price)| fields.judged(ClassifyOrder::new(id, price, profit, completed_at)));
    (merchant, command)
}

/// One order of many.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn completed_order(order: &CompletedOrder) -> Result<Order, Status> {
    let mut fields = Fields::default();
    let CompletedOrder { merchant_id, order_id, price, profit, completed_at } = order;
    let (merchant, command) = completed(&mut fields, merchant_id, order_id, (price, profit), completed_at.as_ref());
    fields.unless_bad(merchant.zip(command)).map(|(merchant, command)| Order { merchant, command })
}

/// An instant that makes sense.
pub fn instant(instant: &prost_types::Timestamp) -> Option<Timestamp> {
    Fields::default().instant("", Some(instant))
}

/// The most orders of a chunk.
const MOST_ORDERS: usize = 8_192;

/// How to treat the orders of a chunk.
///
/// # Errors
/// `INVALID_FIELD` where none of them can be looked at; what is wrong with one of them is said in its place.
pub fn manner(chunk: &Chunk) -> Result<Manner, Status> {
    let mut fields = Fields::default();
    match chunk.count() {
        0 => fields.blame("orders", "is missing"),
        1..=MOST_ORDERS => {}
        _ => fields.blame("orders", "has to have at most 8,192 entries"),
    }
    let not_after = fields.instant("not_after", chunk.not_after.as_ref());
    fields.unless_bad(Some(Manner { caller: String::new(), validate_only: chunk.validate_only, not_after }))
}

/// An order to be given back, in part or in full.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn reverse_order(request: &ReverseOrderRequest) -> Result<engine::Request<ReverseOrder>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let order_id = fields.id("order_id", &request.order_id);
    let amount = fields.amount("amount", &request.amount);
    let profit = fields.optional_amount("profit", &request.profit);
    let reason = fields.text("reason", &request.reason);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let judged = request_id.or_else(any_id).zip(order_id.or_else(any_id)).zip(amount);
    let command = judged
        .and_then(|((id, order_id), amount)| fields.judged(ReverseOrder::new(id, order_id, amount, profit, reason)));
    fields.request(merchant, command, request.validate_only, not_after)
}
