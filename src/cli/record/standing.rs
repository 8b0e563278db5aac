//! Facts about what a merchant has opted for and may do.

use serde_json::{Value, json};

use super::{
    Fields,
    value::{amount, cents, instant, present, receipt},
};
use crate::proto::journal::{
    Amount, CategoriesSet, ClosingStarted, GuaranteeChange, GuaranteeModified, HoldLifted, HoldPlaced, MerchantReopened,
};

pub(super) fn guarantee(modified: &GuaranteeModified) -> Value {
    let mut fields = present(json!({ "request_id": modified.request_id }));
    fields.extend(modified.change.iter().flat_map(change));
    fields.insert("receipt".into(), receipt(modified.receipt.as_ref()));
    fields.into()
}

pub(super) fn closing(closing: &ClosingStarted) -> Value {
    let mut fields = present(json!({ "request_id": closing.request_id, "reason": closing.reason }));
    fields.extend(closing.change.iter().flat_map(change));
    fields.insert("receipt".into(), receipt(closing.receipt.as_ref()));
    fields.into()
}

fn change(change: &GuaranteeChange) -> Fields {
    let releases = change.released.is_some_and(|released| released != Amount::default());
    present(json!({
        "previous": cents(change.previous),
        "guarantee": cents(change.guarantee),
        "from_releasing": amount(change.from_releasing),
        "from_available": amount(change.from_available),
        "released": amount(change.released),
        "release": releases.then_some(change.release_number),
        "release_due_at": releases.then(|| instant(change.release_due_at)),
        "frozen": amount(change.frozen),
        "available": amount(change.available),
    }))
}

pub(super) fn held(held: &HoldPlaced) -> Value {
    json!({ "request_id": held.request_id, "reason": held.reason, "receipt": receipt(held.receipt.as_ref()) })
}

pub(super) fn lifted(lifted: &HoldLifted) -> Value {
    json!({
        "request_id": lifted.request_id,
        "hold_id": lifted.hold_id,
        "reason": lifted.reason,
        "receipt": receipt(lifted.receipt.as_ref()),
    })
}

pub(super) fn categories(set: &CategoriesSet) -> Value {
    json!({
        "request_id": set.request_id,
        "categories": set.categories,
        "required": cents(set.required),
        "shortfall": cents(set.shortfall),
        "receipt": receipt(set.receipt.as_ref()),
    })
}

pub(super) fn reopened(reopened: &MerchantReopened) -> Value {
    json!({
        "request_id": reopened.request_id,
        "reason": reopened.reason,
        "receipt": receipt(reopened.receipt.as_ref()),
    })
}
