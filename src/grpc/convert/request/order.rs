//! Orders.

use tonic::Status;

use super::{Fields, any_id};
use crate::{
    domain::{ClassifyOrder, MerchantId, ReverseOrder},
    engine,
    proto::v1::{
        ClassifyOrderRequest, ClassifyOrdersRequest, CompletedOrder, ReverseOrderRequest, StreamClassifyOrdersRequest,
    },
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

/// Orders to be classified, each by itself.
pub struct OrderChunk {
    /// The orders in the order of the request, or why one makes no sense.
    pub orders: Vec<Result<engine::Request<ClassifyOrder>, Status>>,
    /// Answers have receipts.
    pub with_receipts: bool,
}

/// The most orders of a chunk.
const MOST_ORDERS: usize = 8_192;

/// Orders to be classified.
///
/// # Errors
/// `INVALID_FIELD` where none of them can be looked at; what is wrong with one of them is said in its place.
pub fn classify_orders(request: &ClassifyOrdersRequest) -> Result<OrderChunk, Status> {
    let ClassifyOrdersRequest { orders, with_receipts, validate_only, not_after } = request;
    chunk(orders, *with_receipts, *validate_only, not_after.as_ref())
}

/// Orders to be classified, a chunk of many.
///
/// # Errors
/// See [`classify_orders`].
pub fn stream_classify_orders(request: &StreamClassifyOrdersRequest) -> Result<OrderChunk, Status> {
    let StreamClassifyOrdersRequest { orders, with_receipts, not_after, .. } = request;
    chunk(orders, *with_receipts, false, not_after.as_ref())
}

fn chunk(
    orders: &[CompletedOrder],
    with_receipts: bool,
    validate_only: bool,
    not_after: Option<&prost_types::Timestamp>,
) -> Result<OrderChunk, Status> {
    let mut fields = Fields::default();
    match orders.len() {
        0 => fields.blame("orders", "is missing"),
        1..=MOST_ORDERS => {}
        _ => fields.blame("orders", "has to have at most 8,192 entries"),
    }
    let not_after = fields.instant("not_after", not_after);
    fields.unless_bad(Some(()))?;
    let order = |order: &CompletedOrder| {
        let mut fields = Fields::default();
        let CompletedOrder { merchant_id, order_id, price, profit, completed_at } = order;
        let (merchant, command) = completed(&mut fields, merchant_id, order_id, (price, profit), completed_at.as_ref());
        fields.request(merchant, command, validate_only, not_after)
    };
    Ok(OrderChunk { orders: orders.iter().map(order).collect(), with_receipts })
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
