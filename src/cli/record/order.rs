//! Facts about orders.

use serde_json::{Value, json};

use super::value::{cents, charge, cycle, instant, present, receipt};
use crate::proto::journal::{OrderClassified, OrderImported, OrderReversed};

pub(super) fn classified(order: &OrderClassified) -> Value {
    json!({
        "order_id": order.order_id,
        "price": cents(order.price),
        "profit": cents(order.profit),
        "completed_at": instant(order.completed_at),
        "day": order.day,
        "cycle": cycle(order.cycle()),
        "settles_at": instant(order.settles_at),
        "receipt": receipt(order.receipt.as_ref()),
    })
}

pub(super) fn imported(imported: &OrderImported) -> Value {
    let mut fields = present(json!({ "settled": imported.settled }));
    fields.extend(imported.order.iter().map(classified).flat_map(present));
    fields.into()
}

pub(super) fn reversed(reversed: &OrderReversed) -> Value {
    json!({
        "request_id": reversed.request_id,
        "order_id": reversed.order_id,
        "amount": cents(reversed.amount),
        "profit": cents(reversed.profit),
        "profit_asked": reversed.profit_asked.map(cents),
        "reason": reversed.reason,
        "day": reversed.day,
        "cycle": cycle(reversed.cycle()),
        "settles_at": instant(reversed.settles_at),
        "charge": charge(reversed.charge.as_ref()),
        "uncounted": cents(reversed.uncounted),
        "reversed": cents(reversed.reversed),
        "profit_reversed": cents(reversed.profit_reversed),
        "receipt": receipt(reversed.receipt.as_ref()),
    })
}
