//! Between the domain and the durable format `tplus.journal.v1`, which journal, checkpoints and history share.

mod checkpoint;
mod fact;
mod fingerprint;
mod policy;
mod proposal;
mod record;

pub(crate) use checkpoint::{decode_merchant, decode_standing, encode_merchant, encode_standing};
pub(crate) use fact::{decode_event, decode_fact, encode_event, is_order};
pub use fingerprint::Fingerprint;
pub(crate) use policy::{decode_policy, encode_policy};
pub(crate) use proposal::{
    decode_closing, decode_proposal, encode_approval, encode_closing, encode_proposal, keep_proposal, kept_proposal,
};
pub(crate) use record::{OrderRecord, WrittenFacts, WrittenOrder, next_fact, read_facts, read_order};

use crate::{domain::Money, proto::journal as pb};

/// A record that the format does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) String);

impl Malformed {
    pub(crate) fn missing(field: &'static str) -> Self {
        Self(format!("{field} is missing"))
    }
}

/// The value of a field that has to be there.
fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Malformed> {
    value.ok_or_else(|| Malformed::missing(field))
}

/// An amount of any size; absent when it is zero, which costs no byte.
#[inline]
pub(crate) const fn amount(money: Money) -> Option<pb::Amount> {
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
    if money.is_zero() {
        None
    } else {
        Some(pb::Amount { low: money.cents() as u64, high: (money.cents() >> 64) as i64 })
    }
}

pub(crate) fn money(amount: Option<pb::Amount>) -> Money {
    amount.map_or(Money::ZERO, |pb::Amount { low, high }| Money::from_cents(i128::from(high) << 64 | i128::from(low)))
}

/// An amount that came from outside and fits 64 bits.
fn input(cents: u64) -> Money {
    Money::from_cents(i128::from(cents))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn amounts_of_any_size_survive(cents: i128) {
            let before = Money::from_cents(cents);
            prop_assert_eq!(money(amount(before)), before);
        }
    }
}
