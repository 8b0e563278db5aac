//! Orders.

use tonic::Status;

use super::{Fields, any_id};
use crate::{
    domain::{ClassifyOrder, ReverseOrder},
    engine,
    proto::v1::{ClassifyOrderRequest, ReverseOrderRequest},
};

/// An order to be classified.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn classify_order(request: &ClassifyOrderRequest) -> Result<engine::Request<ClassifyOrder>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let order_id = fields.id("order_id", &request.order_id);
    let price = fields.amount("price", &request.price);
    let profit = fields.optional_amount("profit", &request.profit);
    let completed_at = fields.instant("completed_at", request.completed_at.as_ref());
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    // The amounts are judged even without an order id, so that the caller hears everything at once.
    let judged = order_id.or_else(any_id).zip(price);
    let command = judged.and_then(|(id, price)| fields.judged(ClassifyOrder::new(id, price, profit, completed_at)));
    fields.request(merchant, command, request.validate_only, not_after)
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
