//! Facts.

mod account;
mod dispute;
mod due;
mod order;
mod standing;

pub(super) use self::dispute::{decode_beneficiary, decode_reason, encode_beneficiary, encode_reason};
pub(super) use self::order::{decode_cycle, decode_pending, encode_cycle, encode_pending};
use prost::Message as _;

use super::{Malformed, amount, money, record::read_classified, required};
use crate::{
    domain::{Charge, Event, Fact, Id, Income, Money, Receipt, Text, Timestamp},
    proto::journal::{self as pb, fact::Kind},
};

/// A fact as it is written.
pub(crate) fn encode_event(event: &Event) -> pb::Fact {
    let kind = match &event.fact {
        Fact::OrderClassified(fact) => Kind::OrderClassified(order::encode_classified(fact)),
        Fact::OrderImported(fact) => Kind::OrderImported(order::encode_imported(fact)),
        Fact::OrderReversed(fact) => Kind::OrderReversed(order::encode_reversed(fact)),
        Fact::ProfitSettled(fact) => Kind::ProfitSettled(due::encode_settled(fact)),
        Fact::GuaranteeModified(fact) => Kind::GuaranteeModified(standing::encode_guarantee(fact)),
        Fact::ReleaseCompleted(fact) => Kind::ReleaseCompleted(due::encode_released(fact)),
        Fact::MerchantImported(fact) => Kind::MerchantImported(account::encode_import(fact)),
        Fact::MarginPaid(fact) => Kind::MarginPaid(account::encode_paid(fact)),
        Fact::PaymentReturned(fact) => Kind::PaymentReturned(account::encode_returned(fact)),
        Fact::Withdrawn(fact) => Kind::Withdrawn(account::encode_withdrawn(fact)),
        Fact::WithdrawalFailed(fact) => Kind::WithdrawalFailed(account::encode_failed(fact)),
        Fact::BalanceAdjusted(fact) => Kind::BalanceAdjusted(account::encode_adjusted(fact)),
        Fact::MarginDeducted(fact) => Kind::MarginDeducted(dispute::encode_deducted(fact)),
        Fact::AppealOpened(fact) => Kind::AppealOpened(dispute::encode_appealed(fact)),
        Fact::AppealResolved(fact) => Kind::AppealResolved(dispute::encode_resolved(fact)),
        Fact::HoldPlaced(fact) => Kind::HoldPlaced(standing::encode_placed(fact)),
        Fact::HoldLifted(fact) => Kind::HoldLifted(standing::encode_lifted(fact)),
        Fact::CategoriesSet(fact) => Kind::CategoriesSet(standing::encode_categories(fact)),
        Fact::ClosingStarted(fact) => Kind::ClosingStarted(standing::encode_closing(fact)),
        Fact::MerchantClosed(fact) => Kind::MerchantClosed(pb::MerchantClosed { policy_version: fact.policy_version }),
        Fact::MerchantReopened(fact) => Kind::MerchantReopened(standing::encode_reopened(fact)),
        Fact::WarningRaised(fact) => Kind::WarningRaised(due::encode_warning(fact)),
    };
    pb::Fact { effective_at: event.effective_at.micros(), kind: Some(kind) }
}

/// A fact as it was written, still in bytes.
///
/// # Errors
/// When it is no message, or a field is missing or out of bounds.
pub(crate) fn decode_fact(fact: &[u8]) -> Result<Event, Malformed> {
    match read_classified(fact) {
        Some((effective_at, order)) => Ok(Event { effective_at, fact: order.into() }),
        None => decode_event(pb::Fact::decode(fact).map_err(|error| Malformed(error.to_string()))?),
    }
}

/// Whether a fact, still in bytes, decides an order: by the key of its kind, without looking further.
pub(crate) fn is_order(fact: &[u8]) -> bool {
    let kind = match fact.split_first() {
        // The time comes first, unless it is that of the epoch.
        Some((&EFFECTIVE_AT, rest)) => rest.iter().position(|byte| byte & 0x80 == 0).and_then(|end| rest.get(end + 1)),
        first => first.map(|(key, _)| key),
    };
    matches!(kind, Some(&(ORDER_CLASSIFIED | ORDER_IMPORTED)))
}

/// The keys of fields of `Fact`.
const EFFECTIVE_AT: u8 = 1 << 3;
const ORDER_CLASSIFIED: u8 = 2 << 3 | 2;
const ORDER_IMPORTED: u8 = 7 << 3 | 2;

/// A fact as it was written.
///
/// # Errors
/// When a field is missing or out of bounds.
pub(crate) fn decode_event(fact: pb::Fact) -> Result<Event, Malformed> {
    let effective_at = Timestamp::from_micros(fact.effective_at);
    let fact = match required("kind of fact", fact.kind)? {
        Kind::OrderClassified(fact) => order::decode_classified(fact)?.into(),
        Kind::OrderImported(fact) => order::decode_imported(fact)?.into(),
        Kind::OrderReversed(fact) => order::decode_reversed(fact)?.into(),
        Kind::ProfitSettled(fact) => due::decode_settled(fact)?.into(),
        Kind::GuaranteeModified(fact) => standing::decode_guarantee(fact)?.into(),
        Kind::ReleaseCompleted(fact) => due::decode_released(fact)?.into(),
        Kind::MerchantImported(fact) => account::decode_import(fact)?.into(),
        Kind::MarginPaid(fact) => account::decode_paid(fact)?.into(),
        Kind::PaymentReturned(fact) => account::decode_returned(fact)?.into(),
        Kind::Withdrawn(fact) => account::decode_withdrawn(fact)?.into(),
        Kind::WithdrawalFailed(fact) => account::decode_failed(fact)?.into(),
        Kind::BalanceAdjusted(fact) => account::decode_adjusted(fact)?.into(),
        Kind::MarginDeducted(fact) => dispute::decode_deducted(fact)?.into(),
        Kind::AppealOpened(fact) => dispute::decode_appealed(fact)?.into(),
        Kind::AppealResolved(fact) => dispute::decode_resolved(fact)?.into(),
        Kind::HoldPlaced(fact) => standing::decode_placed(fact)?.into(),
        Kind::HoldLifted(fact) => standing::decode_lifted(fact)?.into(),
        Kind::CategoriesSet(fact) => standing::decode_categories(fact)?.into(),
        Kind::ClosingStarted(fact) => standing::decode_closing(fact)?.into(),
        Kind::MerchantClosed(fact) => crate::domain::MerchantClosed { policy_version: fact.policy_version }.into(),
        Kind::MerchantReopened(fact) => standing::decode_reopened(fact)?.into(),
        Kind::WarningRaised(fact) => due::decode_warning(fact)?.into(),
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

/// A text as it was written.
///
/// # Errors
/// When it is too long or not one line.
pub(super) fn decode_text(text: &str) -> Result<Text, Malformed> {
    Text::parse(text).map_err(|invalid| Malformed(format!("a text {invalid}")))
}

#[allow(clippy::unnecessary_wraps, reason = "fields of messages are optional in proto3")]
fn encode_receipt(receipt: &Receipt) -> Option<pb::Receipt> {
    Some(pb::Receipt {
        policy_version: receipt.policy_version,
        multiple: receipt.multiple,
        quota: amount(receipt.quota),
        day_total_before: amount(receipt.day_total_before),
        day_total_after: amount(receipt.day_total_after),
        resets_at: receipt.resets_at.micros(),
    })
}

fn decode_receipt(receipt: Option<pb::Receipt>) -> Result<Receipt, Malformed> {
    let receipt = required("receipt", receipt)?;
    Ok(Receipt {
        policy_version: receipt.policy_version,
        multiple: receipt.multiple,
        quota: money(receipt.quota),
        day_total_before: money(receipt.day_total_before),
        day_total_after: money(receipt.day_total_after),
        resets_at: Timestamp::from_micros(receipt.resets_at),
    })
}

const fn encode_income(income: Income) -> pb::Income {
    pb::Income {
        to_debt: amount(income.to_debt),
        to_gap: amount(income.to_gap),
        to_available: amount(income.to_available),
    }
}

fn decode_income(income: Option<pb::Income>) -> Result<Income, Malformed> {
    let income = required("income", income)?;
    Ok(Income {
        to_debt: money(income.to_debt),
        to_gap: money(income.to_gap),
        to_available: money(income.to_available),
    })
}

const fn encode_charge(charge: Charge) -> pb::Charge {
    pb::Charge { from_available: amount(charge.from_available), to_debt: amount(charge.to_debt) }
}

fn decode_charge(charge: pb::Charge) -> Charge {
    Charge { from_available: money(charge.from_available), to_debt: money(charge.to_debt) }
}

fn optional_input(cents: Option<u64>) -> Option<Money> {
    cents.map(super::input)
}
