//! The guarantee, holds, categories, closing.

use super::{Malformed, decode_id, decode_receipt, decode_text, encode_receipt};
use crate::{
    codec::{amount, input, money, required},
    domain::{
        CategoriesSet, ClosingStarted, GuaranteeChange, GuaranteeModified, HoldLifted, HoldPlaced, MerchantReopened,
        Timestamp,
    },
    proto::journal as pb,
};

#[allow(clippy::unnecessary_wraps, reason = "fields of messages are optional in proto3")]
fn encode_change(change: &GuaranteeChange) -> Option<pb::GuaranteeChange> {
    Some(pb::GuaranteeChange {
        previous: change.previous.input_cents(),
        guarantee: change.guarantee.input_cents(),
        from_releasing: amount(change.from_releasing),
        from_available: amount(change.from_available),
        released: amount(change.released),
        release_due_at: change.release_due_at.micros(),
        release_number: change.release_number,
        frozen: amount(change.frozen),
        available: amount(change.available),
    })
}

fn decode_change(change: Option<pb::GuaranteeChange>) -> Result<GuaranteeChange, Malformed> {
    let change = required("change", change)?;
    Ok(GuaranteeChange {
        previous: input(change.previous),
        guarantee: input(change.guarantee),
        from_releasing: money(change.from_releasing),
        from_available: money(change.from_available),
        released: money(change.released),
        release_due_at: Timestamp::from_micros(change.release_due_at),
        release_number: change.release_number,
        frozen: money(change.frozen),
        available: money(change.available),
    })
}

pub(super) fn encode_guarantee(fact: &GuaranteeModified) -> pb::GuaranteeModified {
    pb::GuaranteeModified {
        request_id: fact.request_id.as_str().into(),
        change: encode_change(&fact.change),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_guarantee(fact: pb::GuaranteeModified) -> Result<GuaranteeModified, Malformed> {
    Ok(GuaranteeModified {
        request_id: decode_id(&fact.request_id)?,
        change: decode_change(fact.change)?,
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_placed(fact: &HoldPlaced) -> pb::HoldPlaced {
    pb::HoldPlaced {
        request_id: fact.request_id.as_str().into(),
        reason: fact.reason.as_str().into(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_placed(fact: pb::HoldPlaced) -> Result<HoldPlaced, Malformed> {
    Ok(HoldPlaced {
        request_id: decode_id(&fact.request_id)?,
        reason: decode_text(&fact.reason)?,
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_lifted(fact: &HoldLifted) -> pb::HoldLifted {
    pb::HoldLifted {
        request_id: fact.request_id.as_str().into(),
        hold_id: fact.hold_id.as_str().into(),
        reason: fact.reason.as_str().into(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_lifted(fact: pb::HoldLifted) -> Result<HoldLifted, Malformed> {
    Ok(HoldLifted {
        request_id: decode_id(&fact.request_id)?,
        hold_id: decode_id(&fact.hold_id)?,
        reason: decode_text(&fact.reason)?,
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_categories(fact: &CategoriesSet) -> pb::CategoriesSet {
    pb::CategoriesSet {
        request_id: fact.request_id.as_str().into(),
        categories: fact.categories.iter().map(|category| category.as_str().into()).collect(),
        required: fact.required.input_cents(),
        shortfall: fact.shortfall.input_cents(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_categories(fact: pb::CategoriesSet) -> Result<CategoriesSet, Malformed> {
    Ok(CategoriesSet {
        request_id: decode_id(&fact.request_id)?,
        categories: fact.categories.iter().map(|category| decode_id(category)).collect::<Result<_, _>>()?,
        required: input(fact.required),
        shortfall: input(fact.shortfall),
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_closing(fact: &ClosingStarted) -> pb::ClosingStarted {
    pb::ClosingStarted {
        request_id: fact.request_id.as_str().into(),
        change: encode_change(&fact.change),
        reason: fact.reason.as_str().into(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_closing(fact: pb::ClosingStarted) -> Result<ClosingStarted, Malformed> {
    Ok(ClosingStarted {
        request_id: decode_id(&fact.request_id)?,
        change: decode_change(fact.change)?,
        reason: decode_text(&fact.reason)?,
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_reopened(fact: &MerchantReopened) -> pb::MerchantReopened {
    pb::MerchantReopened {
        request_id: fact.request_id.as_str().into(),
        reason: fact.reason.as_str().into(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_reopened(fact: pb::MerchantReopened) -> Result<MerchantReopened, Malformed> {
    Ok(MerchantReopened {
        request_id: decode_id(&fact.request_id)?,
        reason: decode_text(&fact.reason)?,
        receipt: decode_receipt(fact.receipt)?,
    })
}
