//! What stands in messages, as exact types, and the other way round.

use std::time::Duration;

use super::Error;
use crate::{
    domain::{Charge, Cycle, DeductionSplit, Income, Money, Receipt, Release, Stage, Timestamp},
    proto::v1,
};

/// An amount of an answer, exactly: US dollars with two decimals, of any size and sign. None if it is none.
pub fn amount(text: &str) -> Option<Money> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (dollars, cents) = digits.split_once('.')?;
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if cents.len() != 2 || !all_digits(dollars) || !all_digits(cents) {
        return None;
    }
    let whole = dollars.parse::<i128>().ok()?.checked_mul(100)?.checked_add(cents.parse().ok()?)?;
    Some(Money::from_cents(if negative { -whole } else { whole }))
}

pub(super) fn money(text: &str, field: &'static str) -> Result<Money, Error> {
    amount(text).ok_or_else(|| Error::malformed(field))
}

pub(super) fn instant(at: Option<prost_types::Timestamp>, field: &'static str) -> Result<Timestamp, Error> {
    maybe(at).ok_or_else(|| Error::malformed(field))
}

/// An instant that may be absent.
pub(super) fn maybe(at: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    let at = at?;
    at.seconds.checked_mul(1_000_000)?.checked_add(i64::from(at.nanos) / 1_000).map(Timestamp::from_micros)
}

pub(super) fn wire(at: Timestamp) -> prost_types::Timestamp {
    let (seconds, micros) = (at.micros().div_euclid(1_000_000), at.micros().rem_euclid(1_000_000));
    prost_types::Timestamp { seconds, nanos: i32::try_from(micros * 1_000).unwrap_or_default() }
}

pub(super) fn span(duration: prost_types::Duration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}

pub(super) fn cycle(cycle: v1::SettlementCycle) -> Result<Cycle, Error> {
    match cycle {
        v1::SettlementCycle::Quick => Ok(Cycle::Quick),
        v1::SettlementCycle::Standard => Ok(Cycle::Standard),
        v1::SettlementCycle::Unspecified => Err(Error::malformed("cycle")),
    }
}

pub(super) fn stage(state: v1::MerchantState) -> Result<Stage, Error> {
    match state {
        v1::MerchantState::Open => Ok(Stage::Open),
        v1::MerchantState::Closing => Ok(Stage::Closing),
        v1::MerchantState::Closed => Ok(Stage::Closed),
        v1::MerchantState::Unspecified => Err(Error::malformed("state")),
    }
}

pub(super) fn receipt(receipt: Option<v1::Receipt>) -> Result<Receipt, Error> {
    let receipt = receipt.ok_or_else(|| Error::malformed("receipt"))?;
    Ok(Receipt {
        policy_version: receipt.policy_version,
        multiple: receipt.multiple,
        quota: money(&receipt.quota, "receipt.quota")?,
        day_total_before: money(&receipt.day_total_before, "receipt.day_total_before")?,
        day_total_after: money(&receipt.day_total_after, "receipt.day_total_after")?,
        resets_at: instant(receipt.resets_at, "receipt.resets_at")?,
    })
}

pub(super) fn income(income: Option<v1::Income>) -> Result<Income, Error> {
    let income = income.ok_or_else(|| Error::malformed("income"))?;
    Ok(Income {
        to_debt: money(&income.to_debt, "income.to_debt")?,
        to_gap: money(&income.to_gap, "income.to_gap")?,
        to_available: money(&income.to_available, "income.to_available")?,
    })
}

pub(super) fn charge(charge: &v1::Charge) -> Result<Charge, Error> {
    Ok(Charge {
        from_available: money(&charge.from_available, "charge.from_available")?,
        to_debt: money(&charge.to_debt, "charge.to_debt")?,
    })
}

pub(super) fn split(split: Option<v1::DeductionSplit>) -> Result<DeductionSplit, Error> {
    let split = split.ok_or_else(|| Error::malformed("split"))?;
    Ok(DeductionSplit {
        from_releasing: money(&split.from_releasing, "split.from_releasing")?,
        from_frozen: money(&split.from_frozen, "split.from_frozen")?,
        from_available: money(&split.from_available, "split.from_available")?,
        to_debt: money(&split.to_debt, "split.to_debt")?,
    })
}

pub(super) fn release(release: &v1::Release) -> Result<Release, Error> {
    Ok(Release {
        number: release.number,
        amount: money(&release.amount, "release.amount")?,
        created_at: instant(release.created_at, "release.created_at")?,
        due_at: instant(release.due_at, "release.due_at")?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn amounts_of_any_size_and_sign_are_read_as_they_are_shown(cents in -(1_i128 << 100)..1_i128 << 100) {
            let money = Money::from_cents(cents);
            prop_assert_eq!(amount(&money.to_string()), Some(money));
        }

        #[test]
        fn instants_survive_the_wire(micros in Timestamp::MIN.micros()..Timestamp::MAX.micros()) {
            let at = Timestamp::from_micros(micros);
            prop_assert_eq!(maybe(Some(wire(at))), Some(at));
        }
    }

    #[test]
    fn anything_else_is_no_amount() {
        let too_long = format!("{}.00", "9".repeat(40));
        for text in
            ["", ".", "1", "1.", "1.0", "1.000", ".00", "-.00", "--1.00", "+1.00", "1.-1", "1,00", "x.00", &too_long]
        {
            assert_eq!(amount(text), None, "{text:?}");
        }
        assert_eq!(amount("-0.05"), Some(Money::from_cents(-5)));
    }
}
