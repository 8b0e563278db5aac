//! Facts.

use super::{Malformed, amount, input, money, required};
use crate::{
    domain::{
        Cycle, Day, Event, Fact, GuaranteeModified, Id, Income, MerchantImported, OrderClassified, ProfitSettled,
        Receipt, ReleaseCompleted, Timestamp,
    },
    proto::journal::{self as pb, fact::Kind},
};

/// A fact as it is written.
pub(crate) fn encode_event(event: &Event) -> pb::Fact {
    let kind = match &event.fact {
        Fact::OrderClassified(fact) => Kind::OrderClassified(encode_order(fact)),
        Fact::ProfitSettled(fact) => Kind::ProfitSettled(pb::ProfitSettled {
            settles_at: fact.settles_at.micros(),
            day: fact.day.0,
            cycle: encode_cycle(fact.cycle).into(),
            orders: fact.orders,
            income: Some(encode_income(fact.income)),
        }),
        Fact::GuaranteeModified(fact) => Kind::GuaranteeModified(encode_guarantee(fact)),
        Fact::ReleaseCompleted(fact) => Kind::ReleaseCompleted(pb::ReleaseCompleted {
            release: fact.number,
            due_at: fact.due_at.micros(),
            income: Some(encode_income(fact.income)),
        }),
        Fact::MerchantImported(fact) => Kind::MerchantImported(pb::MerchantImported {
            request_id: fact.request_id.as_str().into(),
            historical_profit: fact.historical_profit.input_cents(),
            available: fact.available.input_cents(),
            multiple: fact.multiple,
            policy_version: fact.policy_version,
        }),
    };
    pb::Fact { effective_at: event.effective_at.micros(), kind: Some(kind) }
}

/// A fact as it was written.
///
/// # Errors
/// When a field is missing or out of bounds.
pub(crate) fn decode_event(fact: pb::Fact) -> Result<Event, Malformed> {
    let effective_at = Timestamp::from_micros(fact.effective_at);
    let fact = match required("kind of fact", fact.kind)? {
        Kind::OrderClassified(fact) => Fact::OrderClassified(decode_order(fact)?),
        Kind::ProfitSettled(fact) => Fact::ProfitSettled(ProfitSettled {
            settles_at: Timestamp::from_micros(fact.settles_at),
            day: Day(fact.day),
            cycle: decode_cycle(fact.cycle)?,
            orders: fact.orders,
            income: decode_income(required("income", fact.income)?),
        }),
        Kind::GuaranteeModified(fact) => Fact::GuaranteeModified(Box::new(decode_guarantee(fact)?)),
        Kind::ReleaseCompleted(fact) => Fact::ReleaseCompleted(ReleaseCompleted {
            number: fact.release,
            due_at: Timestamp::from_micros(fact.due_at),
            income: decode_income(required("income", fact.income)?),
        }),
        Kind::MerchantImported(fact) => Fact::MerchantImported(MerchantImported {
            request_id: decode_id(&fact.request_id)?,
            historical_profit: input(fact.historical_profit),
            available: input(fact.available),
            multiple: fact.multiple,
            policy_version: fact.policy_version,
        }),
    };
    Ok(Event { effective_at, fact })
}

/// An id as it was written.
///
/// # Errors
/// When it is no id.
pub(super) fn decode_id<Kind>(text: &str) -> Result<Id<Kind>, Malformed> {
    Id::parse(text).map_err(|invalid| Malformed(format!("{text:?} {invalid}")))
}

fn encode_order(fact: &OrderClassified) -> pb::OrderClassified {
    pb::OrderClassified {
        order_id: fact.order_id.as_str().into(),
        price: fact.price.input_cents(),
        profit: fact.profit.input_cents(),
        completed_at: fact.completed_at.micros(),
        day: fact.day.0,
        cycle: encode_cycle(fact.cycle).into(),
        settles_at: fact.settles_at.micros(),
        receipt: Some(encode_receipt(&fact.receipt)),
    }
}

fn decode_order(fact: pb::OrderClassified) -> Result<OrderClassified, Malformed> {
    Ok(OrderClassified {
        order_id: decode_id(&fact.order_id)?,
        price: input(fact.price),
        profit: input(fact.profit),
        completed_at: Timestamp::from_micros(fact.completed_at),
        day: Day(fact.day),
        cycle: decode_cycle(fact.cycle)?,
        settles_at: Timestamp::from_micros(fact.settles_at),
        receipt: decode_receipt(required("receipt", fact.receipt)?),
    })
}

fn encode_guarantee(fact: &GuaranteeModified) -> pb::GuaranteeModified {
    pb::GuaranteeModified {
        request_id: fact.request_id.as_str().into(),
        previous: fact.previous.input_cents(),
        guarantee: fact.guarantee.input_cents(),
        from_releasing: amount(fact.from_releasing),
        from_available: amount(fact.from_available),
        released: amount(fact.released),
        release_due_at: fact.release_due_at.micros(),
        frozen: amount(fact.frozen),
        available: amount(fact.available),
        receipt: Some(encode_receipt(&fact.receipt)),
    }
}

fn decode_guarantee(fact: pb::GuaranteeModified) -> Result<GuaranteeModified, Malformed> {
    Ok(GuaranteeModified {
        request_id: decode_id(&fact.request_id)?,
        previous: input(fact.previous),
        guarantee: input(fact.guarantee),
        from_releasing: money(fact.from_releasing),
        from_available: money(fact.from_available),
        released: money(fact.released),
        release_due_at: Timestamp::from_micros(fact.release_due_at),
        frozen: money(fact.frozen),
        available: money(fact.available),
        receipt: decode_receipt(required("receipt", fact.receipt)?),
    })
}

fn encode_receipt(receipt: &Receipt) -> pb::Receipt {
    pb::Receipt {
        policy_version: receipt.policy_version,
        multiple: receipt.multiple,
        quota: amount(receipt.quota),
        day_total_before: amount(receipt.day_total_before),
        day_total_after: amount(receipt.day_total_after),
        resets_at: receipt.resets_at.micros(),
    }
}

fn decode_receipt(receipt: pb::Receipt) -> Receipt {
    Receipt {
        policy_version: receipt.policy_version,
        multiple: receipt.multiple,
        quota: money(receipt.quota),
        day_total_before: money(receipt.day_total_before),
        day_total_after: money(receipt.day_total_after),
        resets_at: Timestamp::from_micros(receipt.resets_at),
    }
}

fn encode_income(income: Income) -> pb::Income {
    pb::Income {
        to_debt: amount(income.to_debt),
        to_gap: amount(income.to_gap),
        to_available: amount(income.to_available),
    }
}

fn decode_income(income: pb::Income) -> Income {
    Income { to_debt: money(income.to_debt), to_gap: money(income.to_gap), to_available: money(income.to_available) }
}

pub(super) const fn encode_cycle(cycle: Cycle) -> pb::Cycle {
    match cycle {
        Cycle::Quick => pb::Cycle::Quick,
        Cycle::Standard => pb::Cycle::Standard,
    }
}

pub(super) fn decode_cycle(cycle: i32) -> Result<Cycle, Malformed> {
    match pb::Cycle::try_from(cycle) {
        Ok(pb::Cycle::Quick) => Ok(Cycle::Quick),
        Ok(pb::Cycle::Standard) => Ok(Cycle::Standard),
        Ok(pb::Cycle::Unspecified) | Err(_) => Err(Malformed(format!("cycle {cycle} is unknown"))),
    }
}
