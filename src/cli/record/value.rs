//! What facts are made of.

use std::time::Duration;

use serde_json::{Value, json};

use super::Fields;
use crate::{
    domain::{Money, Timestamp},
    proto::journal::{Amount, Charge, Cycle, Income, Receipt},
};

/// The fields of an object that are there.
pub(super) fn present(object: Value) -> Fields {
    let Value::Object(mut fields) = object else { return Fields::new() };
    fields.retain(|_, value| !value.is_null());
    fields
}

/// An instant of RFC 3339.
pub(super) fn instant(micros: i64) -> String {
    Timestamp::from_micros(micros).to_string()
}

/// `24h`, `5s`; whole microseconds, so nothing is rounded.
pub(super) fn duration(micros: i64) -> String {
    let length = humantime::format_duration(Duration::from_micros(micros.unsigned_abs()));
    format!("{}{length}", if micros < 0 { "-" } else { "" }).replace(' ', "")
}

/// An amount that came from outside.
pub(super) fn cents(cents: u64) -> String {
    Money::from_cents(cents.into()).to_string()
}

/// An amount of 128 bits; absent is 0.
pub(super) fn amount(amount: Option<Amount>) -> String {
    let cents = amount.map_or(0, |amount| i128::from(amount.high) << 64 | i128::from(amount.low));
    Money::from_cents(cents).to_string()
}

/// A settlement cycle.
pub(super) const fn cycle(cycle: Cycle) -> &'static str {
    match cycle {
        Cycle::Quick => "T+2",
        Cycle::Standard => "T+7",
        Cycle::Unspecified => "unknown",
    }
}

/// Where income went.
pub(super) fn income(income: Option<&Income>) -> Value {
    let part = |of: fn(&Income) -> Option<Amount>| amount(income.and_then(of));
    json!({
        "to_debt": part(|income| income.to_debt),
        "to_gap": part(|income| income.to_gap),
        "to_available": part(|income| income.to_available),
    })
}

/// What a charge took; nothing where there was none.
pub(super) fn charge(charge: Option<&Charge>) -> Value {
    let of =
        |charge: &Charge| json!({ "from_available": amount(charge.from_available), "to_debt": amount(charge.to_debt) });
    charge.map_or(Value::Null, of)
}

/// What a decision rested on.
pub(super) fn receipt(receipt: Option<&Receipt>) -> Value {
    let of = |receipt: &Receipt| {
        json!({
            "policy_version": receipt.policy_version,
            "multiple": receipt.multiple,
            "quota": amount(receipt.quota),
            "day_total_before": amount(receipt.day_total_before),
            "day_total_after": amount(receipt.day_total_after),
            "resets_at": instant(receipt.resets_at),
        })
    };
    receipt.map_or(Value::Null, of)
}
