//! Money in and out.

use super::{charge, income, receipt, timestamp};
use crate::{
    domain::{BalanceAdjusted, Direction, MarginPaid, PaymentReturned, WithdrawalFailed, Withdrawn},
    engine::Answer,
    proto::v1::{self, adjust_balance_response::Effect},
};

/// What a payment did.
pub fn margin_paid(answer: &Answer<MarginPaid>) -> v1::PayMarginResponse {
    let fact = &answer.fact;
    v1::PayMarginResponse {
        income: Some(income(fact.income)),
        paid_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
    }
}

/// What the return of a payment did.
pub fn payment_returned(answer: &Answer<PaymentReturned>) -> v1::ReturnPaymentResponse {
    let fact = &answer.fact;
    v1::ReturnPaymentResponse {
        amount: fact.charge.total().to_string(),
        charge: Some(charge(fact.charge)),
        returned_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
    }
}

/// What a withdrawal did.
pub fn withdrawn(answer: &Answer<Withdrawn>) -> v1::WithdrawResponse {
    let fact = &answer.fact;
    v1::WithdrawResponse {
        available: fact.available.to_string(),
        withdrawn_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
    }
}

/// What the failure of a withdrawal did.
pub fn withdrawal_failed(answer: &Answer<WithdrawalFailed>) -> v1::FailWithdrawalResponse {
    let fact = &answer.fact;
    v1::FailWithdrawalResponse {
        amount: fact.income.total().to_string(),
        income: Some(income(fact.income)),
        failed_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
    }
}

/// What an adjustment did.
pub fn balance_adjusted(answer: &Answer<BalanceAdjusted>) -> v1::AdjustBalanceResponse {
    let fact = &answer.fact;
    let effect = match fact.direction {
        Direction::Credit => Effect::Income(income(fact.income)),
        Direction::Debit => Effect::Charge(charge(fact.charge)),
    };
    v1::AdjustBalanceResponse {
        adjusted_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
        effect: Some(effect),
    }
}
