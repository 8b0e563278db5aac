//! Orders.

use super::{
    Malformed, decode_charge, decode_id, decode_receipt, decode_text, encode_charge, encode_receipt, optional_input,
};
use crate::{
    codec::{amount, input, money, required},
    domain::{Cycle, Day, OrderClassified, OrderImported, OrderReversed, Pending, Timestamp},
    proto::journal as pb,
};

pub(super) fn encode_classified(fact: &OrderClassified) -> pb::OrderClassified {
    pb::OrderClassified {
        order_id: fact.order_id.as_str().into(),
        price: fact.price.input_cents(),
        profit: fact.profit.input_cents(),
        completed_at: fact.completed_at.micros(),
        day: fact.day.0,
        cycle: encode_cycle(fact.cycle).into(),
        settles_at: fact.settles_at.micros(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_classified(fact: pb::OrderClassified) -> Result<OrderClassified, Malformed> {
    Ok(OrderClassified {
        order_id: decode_id(&fact.order_id)?,
        price: input(fact.price),
        profit: input(fact.profit),
        completed_at: Timestamp::from_micros(fact.completed_at),
        day: Day(fact.day),
        cycle: decode_cycle(fact.cycle)?,
        settles_at: Timestamp::from_micros(fact.settles_at),
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_imported(fact: &OrderImported) -> pb::OrderImported {
    pb::OrderImported { order: Some(encode_classified(&fact.order)), settled: fact.settled }
}

pub(super) fn decode_imported(fact: pb::OrderImported) -> Result<OrderImported, Malformed> {
    Ok(OrderImported { order: decode_classified(required("order", fact.order)?)?, settled: fact.settled })
}

pub(super) fn encode_reversed(fact: &OrderReversed) -> pb::OrderReversed {
    pb::OrderReversed {
        request_id: fact.request_id.as_str().into(),
        order_id: fact.order_id.as_str().into(),
        amount: fact.amount.input_cents(),
        profit: fact.profit.input_cents(),
        profit_asked: fact.profit_asked.map(|profit| profit.input_cents()),
        reason: fact.reason.as_str().into(),
        day: fact.day.0,
        cycle: encode_cycle(fact.cycle).into(),
        settles_at: fact.settles_at.micros(),
        charge: fact.charge.map(encode_charge),
        uncounted: fact.uncounted.input_cents(),
        reversed: fact.reversed.input_cents(),
        profit_reversed: fact.profit_reversed.input_cents(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_reversed(fact: pb::OrderReversed) -> Result<OrderReversed, Malformed> {
    Ok(OrderReversed {
        request_id: decode_id(&fact.request_id)?,
        order_id: decode_id(&fact.order_id)?,
        amount: input(fact.amount),
        profit: input(fact.profit),
        profit_asked: optional_input(fact.profit_asked),
        reason: decode_text(&fact.reason)?,
        day: Day(fact.day),
        cycle: decode_cycle(fact.cycle)?,
        settles_at: Timestamp::from_micros(fact.settles_at),
        charge: fact.charge.map(decode_charge),
        uncounted: input(fact.uncounted),
        reversed: input(fact.reversed),
        profit_reversed: input(fact.profit_reversed),
        receipt: decode_receipt(fact.receipt)?,
    })
}

/// Pending profit as it is written.
pub(in crate::codec) fn encode_pending(pending: &Pending) -> pb::PendingProfit {
    pb::PendingProfit {
        settles_at: pending.settles_at.micros(),
        day: pending.day.0,
        cycle: encode_cycle(pending.cycle).into(),
        orders: pending.orders,
        profit: amount(pending.profit),
    }
}

/// Pending profit as it was written.
pub(in crate::codec) fn decode_pending(pending: pb::PendingProfit) -> Result<Pending, Malformed> {
    Ok(Pending {
        settles_at: Timestamp::from_micros(pending.settles_at),
        day: Day(pending.day),
        cycle: decode_cycle(pending.cycle)?,
        orders: pending.orders,
        profit: money(pending.profit),
    })
}

/// A cycle as it is written.
pub(in crate::codec) const fn encode_cycle(cycle: Cycle) -> pb::Cycle {
    match cycle {
        Cycle::Quick => pb::Cycle::Quick,
        Cycle::Standard => pb::Cycle::Standard,
    }
}

/// A cycle as it was written.
pub(in crate::codec) fn decode_cycle(cycle: i32) -> Result<Cycle, Malformed> {
    match pb::Cycle::try_from(cycle) {
        Ok(pb::Cycle::Quick) => Ok(Cycle::Quick),
        Ok(pb::Cycle::Standard) => Ok(Cycle::Standard),
        Ok(pb::Cycle::Unspecified) | Err(_) => Err(Malformed(format!("cycle {cycle} is unknown"))),
    }
}
