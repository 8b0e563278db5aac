//! Facts about money that comes and goes.

use serde_json::{Value, json};

use super::value::{amount, cents, charge, cycle, income, instant, receipt};
use crate::proto::journal::{
    BalanceAdjusted, MarginPaid, MerchantImported, PaymentReturned, PendingProfit, WithdrawalFailed, Withdrawn,
    balance_adjusted::Direction,
    merchant_imported::{ImportedOrder, ImportedRelease},
};

pub(super) fn imported(imported: &MerchantImported) -> Value {
    json!({
        "request_id": imported.request_id,
        "historical_profit": cents(imported.historical_profit),
        "available": cents(imported.available),
        "debt": cents(imported.debt),
        "guarantee": cents(imported.guarantee),
        "frozen": cents(imported.frozen),
        "releasing": imported.releasing.iter().map(release).collect::<Value>(),
        "pending": imported.pending.iter().map(pending).collect::<Value>(),
        "orders": imported.orders.iter().map(order).collect::<Value>(),
        "receipt": receipt(imported.receipt.as_ref()),
    })
}

fn release(release: &ImportedRelease) -> Value {
    json!({ "amount": cents(release.amount), "due_at": instant(release.due_at) })
}

fn pending(pending: &PendingProfit) -> Value {
    json!({
        "settles_at": instant(pending.settles_at),
        "day": pending.day,
        "cycle": cycle(pending.cycle()),
        "orders": pending.orders,
        "profit": amount(pending.profit),
    })
}

fn order(order: &ImportedOrder) -> Value {
    json!({
        "order_id": order.order_id,
        "price": cents(order.price),
        "profit": cents(order.profit),
        "completed_at": instant(order.completed_at),
        "cycle": cycle(order.cycle()),
        "settles_at": instant(order.settles_at),
    })
}

pub(super) fn paid(paid: &MarginPaid) -> Value {
    json!({
        "request_id": paid.request_id,
        "income": income(paid.income.as_ref()),
        "reference": paid.reference,
        "receipt": receipt(paid.receipt.as_ref()),
    })
}

pub(super) fn returned(returned: &PaymentReturned) -> Value {
    json!({
        "request_id": returned.request_id,
        "payment_id": returned.payment_id,
        "charge": charge(returned.charge.as_ref()),
        "reason": returned.reason,
        "receipt": receipt(returned.receipt.as_ref()),
    })
}

pub(super) fn withdrawn(withdrawn: &Withdrawn) -> Value {
    json!({
        "request_id": withdrawn.request_id,
        "amount": cents(withdrawn.amount),
        "reference": withdrawn.reference,
        "available": amount(withdrawn.available),
        "receipt": receipt(withdrawn.receipt.as_ref()),
    })
}

pub(super) fn withdrawal_failed(failed: &WithdrawalFailed) -> Value {
    json!({
        "request_id": failed.request_id,
        "withdrawal_id": failed.withdrawal_id,
        "income": income(failed.income.as_ref()),
        "reason": failed.reason,
        "receipt": receipt(failed.receipt.as_ref()),
    })
}

pub(super) fn adjusted(adjusted: &BalanceAdjusted) -> Value {
    let (credit, debit) = match &adjusted.direction {
        Some(Direction::Credit(credit)) => (income(Some(credit)), Value::Null),
        Some(Direction::Debit(debit)) => (Value::Null, charge(Some(debit))),
        None => (Value::Null, Value::Null),
    };
    json!({
        "request_id": adjusted.request_id,
        "credit": credit,
        "debit": debit,
        "reason": adjusted.reason,
        "reference": adjusted.reference,
        "receipt": receipt(adjusted.receipt.as_ref()),
    })
}
