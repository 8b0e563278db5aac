//! Money in and out.

use tonic::Status;

use super::{Fields, any_id};
use crate::{
    domain::{AdjustBalance, Direction, FailWithdrawal, MerchantId, PayMargin, ReturnPayment, Withdraw},
    engine,
    proto::v1::{
        AdjustBalanceRequest, AdjustmentDirection, FailWithdrawalRequest, PayMarginRequest, ReturnPaymentRequest,
        WithdrawRequest,
    },
};

/// A payment.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn pay_margin(request: &PayMarginRequest) -> Result<engine::Request<PayMargin>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let amount = fields.amount("amount", &request.amount);
    let reference = fields.text("reference", &request.reference);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let judged = request_id.or_else(any_id).zip(amount);
    let command = judged.and_then(|(id, amount)| fields.judged(PayMargin::new(id, amount, reference)));
    fields.request(merchant, command, request.validate_only, not_after)
}

/// A payment that did not hold.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn return_payment(request: &ReturnPaymentRequest) -> Result<engine::Request<ReturnPayment>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let payment_id = fields.id("payment_id", &request.payment_id);
    let reason = fields.text("reason", &request.reason);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let ids = request_id.zip(payment_id);
    let command = ids.map(|(request_id, payment_id)| ReturnPayment { request_id, payment_id, reason });
    fields.request(merchant, command, request.validate_only, not_after)
}

/// A withdrawal.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn withdraw(request: &WithdrawRequest) -> Result<engine::Request<Withdraw>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let amount = fields.amount("amount", &request.amount);
    let reference = fields.text("reference", &request.reference);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let judged = request_id.or_else(any_id).zip(amount);
    let command = judged.and_then(|(id, amount)| fields.judged(Withdraw::new(id, amount, reference)));
    fields.request(merchant, command, request.validate_only, not_after)
}

/// A withdrawal that did not arrive.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn fail_withdrawal(request: &FailWithdrawalRequest) -> Result<engine::Request<FailWithdrawal>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let withdrawal_id = fields.id("withdrawal_id", &request.withdrawal_id);
    let reason = fields.text("reason", &request.reason);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let ids = request_id.zip(withdrawal_id);
    let command = ids.map(|(request_id, withdrawal_id)| FailWithdrawal { request_id, withdrawal_id, reason });
    fields.request(merchant, command, request.validate_only, not_after)
}

/// An adjustment by an operator.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn adjust_balance(request: &AdjustBalanceRequest) -> Result<engine::Request<AdjustBalance>, Status> {
    let mut fields = Fields::default();
    let (merchant, command) = adjustment(&mut fields, request);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    fields.request(merchant, command, request.validate_only, not_after)
}

/// The adjustment itself, and whose balance.
pub(super) fn adjustment(
    fields: &mut Fields,
    request: &AdjustBalanceRequest,
) -> (Option<MerchantId>, Option<AdjustBalance>) {
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let direction = fields.choice("direction", request.direction, |direction| match direction {
        AdjustmentDirection::Unspecified => None,
        AdjustmentDirection::Credit => Some(Direction::Credit),
        AdjustmentDirection::Debit => Some(Direction::Debit),
    });
    let amount = fields.amount("amount", &request.amount);
    let reason = fields.written("reason", &request.reason);
    let reference = fields.text("reference", &request.reference);
    let request_id = fields.id("request_id", &request.request_id);
    // A direction that is bad has been blamed; any stands in for it while the rest is judged.
    let direction = direction.unwrap_or(Direction::Credit);
    let judged = request_id.or_else(any_id).zip(amount);
    let command =
        judged.and_then(|(id, amount)| fields.judged(AdjustBalance::new(id, direction, amount, reason, reference)));
    (merchant, command)
}
