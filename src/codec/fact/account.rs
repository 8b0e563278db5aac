//! Money in and out, and what a merchant brings along.

use super::{
    Malformed, decode_charge, decode_cycle, decode_id, decode_income, decode_pending, decode_receipt, decode_text,
    encode_charge, encode_cycle, encode_income, encode_pending, encode_receipt,
};
use crate::{
    codec::{amount, input, money, required},
    domain::{
        BalanceAdjusted, Charge, Direction, ImportedOrder, ImportedRelease, Income, MarginPaid, MerchantImported,
        PaymentReturned, Timestamp, WithdrawalFailed, Withdrawn,
    },
    proto::journal::{self as pb, balance_adjusted as adjusted, merchant_imported as imported},
};

pub(super) fn encode_import(fact: &MerchantImported) -> pb::MerchantImported {
    let release = |release: &ImportedRelease| imported::ImportedRelease {
        amount: release.amount.input_cents(),
        due_at: release.due_at.micros(),
    };
    pb::MerchantImported {
        request_id: fact.request_id.as_str().into(),
        historical_profit: fact.historical_profit.input_cents(),
        available: fact.available.input_cents(),
        debt: fact.debt.input_cents(),
        guarantee: fact.guarantee.input_cents(),
        frozen: fact.frozen.input_cents(),
        releasing: fact.releasing.iter().map(release).collect(),
        pending: fact.pending.iter().map(encode_pending).collect(),
        orders: fact.orders.iter().map(encode_order).collect(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_import(fact: pb::MerchantImported) -> Result<MerchantImported, Malformed> {
    let release = |release: imported::ImportedRelease| ImportedRelease {
        amount: input(release.amount),
        due_at: Timestamp::from_micros(release.due_at),
    };
    Ok(MerchantImported {
        request_id: decode_id(&fact.request_id)?,
        historical_profit: input(fact.historical_profit),
        available: input(fact.available),
        debt: input(fact.debt),
        guarantee: input(fact.guarantee),
        frozen: input(fact.frozen),
        releasing: fact.releasing.into_iter().map(release).collect(),
        pending: fact.pending.into_iter().map(decode_pending).collect::<Result<_, _>>()?,
        orders: fact.orders.into_iter().map(decode_order).collect::<Result<_, _>>()?,
        receipt: decode_receipt(fact.receipt)?,
    })
}

fn encode_order(order: &ImportedOrder) -> imported::ImportedOrder {
    imported::ImportedOrder {
        order_id: order.order_id.as_str().into(),
        price: order.price.input_cents(),
        profit: order.profit.input_cents(),
        completed_at: order.completed_at.micros(),
        cycle: encode_cycle(order.cycle).into(),
        settles_at: order.settles_at.micros(),
    }
}

fn decode_order(order: imported::ImportedOrder) -> Result<ImportedOrder, Malformed> {
    Ok(ImportedOrder {
        order_id: decode_id(&order.order_id)?,
        price: input(order.price),
        profit: input(order.profit),
        completed_at: Timestamp::from_micros(order.completed_at),
        cycle: decode_cycle(order.cycle)?,
        settles_at: Timestamp::from_micros(order.settles_at),
    })
}

pub(super) fn encode_paid(fact: &MarginPaid) -> pb::MarginPaid {
    pb::MarginPaid {
        request_id: fact.request_id.as_str().into(),
        income: Some(encode_income(fact.income)),
        reference: fact.reference.as_str().into(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_paid(fact: pb::MarginPaid) -> Result<MarginPaid, Malformed> {
    Ok(MarginPaid {
        request_id: decode_id(&fact.request_id)?,
        income: decode_income(fact.income)?,
        reference: decode_text(&fact.reference)?,
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_returned(fact: &PaymentReturned) -> pb::PaymentReturned {
    pb::PaymentReturned {
        request_id: fact.request_id.as_str().into(),
        payment_id: fact.payment_id.as_str().into(),
        charge: Some(encode_charge(fact.charge)),
        reason: fact.reason.as_str().into(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_returned(fact: pb::PaymentReturned) -> Result<PaymentReturned, Malformed> {
    Ok(PaymentReturned {
        request_id: decode_id(&fact.request_id)?,
        payment_id: decode_id(&fact.payment_id)?,
        charge: decode_charge(required("charge", fact.charge)?),
        reason: decode_text(&fact.reason)?,
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_withdrawn(fact: &Withdrawn) -> pb::Withdrawn {
    pb::Withdrawn {
        request_id: fact.request_id.as_str().into(),
        amount: fact.amount.input_cents(),
        reference: fact.reference.as_str().into(),
        available: amount(fact.available),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_withdrawn(fact: pb::Withdrawn) -> Result<Withdrawn, Malformed> {
    Ok(Withdrawn {
        request_id: decode_id(&fact.request_id)?,
        amount: input(fact.amount),
        reference: decode_text(&fact.reference)?,
        available: money(fact.available),
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_failed(fact: &WithdrawalFailed) -> pb::WithdrawalFailed {
    pb::WithdrawalFailed {
        request_id: fact.request_id.as_str().into(),
        withdrawal_id: fact.withdrawal_id.as_str().into(),
        income: Some(encode_income(fact.income)),
        reason: fact.reason.as_str().into(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_failed(fact: pb::WithdrawalFailed) -> Result<WithdrawalFailed, Malformed> {
    Ok(WithdrawalFailed {
        request_id: decode_id(&fact.request_id)?,
        withdrawal_id: decode_id(&fact.withdrawal_id)?,
        income: decode_income(fact.income)?,
        reason: decode_text(&fact.reason)?,
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_adjusted(fact: &BalanceAdjusted) -> pb::BalanceAdjusted {
    let direction = match fact.direction {
        Direction::Credit => adjusted::Direction::Credit(encode_income(fact.income)),
        Direction::Debit => adjusted::Direction::Debit(encode_charge(fact.charge)),
    };
    pb::BalanceAdjusted {
        request_id: fact.request_id.as_str().into(),
        direction: Some(direction),
        reason: fact.reason.as_str().into(),
        reference: fact.reference.as_str().into(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_adjusted(fact: pb::BalanceAdjusted) -> Result<BalanceAdjusted, Malformed> {
    let (direction, income, charge) = match required("direction", fact.direction)? {
        adjusted::Direction::Credit(income) => (Direction::Credit, decode_income(Some(income))?, Charge::default()),
        adjusted::Direction::Debit(charge) => (Direction::Debit, Income::default(), decode_charge(charge)),
    };
    Ok(BalanceAdjusted {
        request_id: decode_id(&fact.request_id)?,
        direction,
        income,
        charge,
        reason: decode_text(&fact.reason)?,
        reference: decode_text(&fact.reference)?,
        receipt: decode_receipt(fact.receipt)?,
    })
}
