//! Facts about deductions and appeals.

use serde_json::{Value, json};

use super::value::{amount, cents, income, instant, receipt};
use crate::proto::journal::{
    AppealOpened, AppealOutcome, AppealResolved, Beneficiary, DeductionReason, MarginDeducted,
    margin_deducted::Disputed,
};

pub(super) fn deducted(deducted: &MarginDeducted) -> Value {
    let (order_id, dispute) = match &deducted.disputed {
        Some(Disputed::OrderId(order_id)) => (Some(order_id), None),
        Some(Disputed::Dispute(dispute)) => (None, Some(dispute)),
        None => (None, None),
    };
    json!({
        "request_id": deducted.request_id,
        "reason": reason(deducted.reason()),
        "order_id": order_id,
        "dispute": dispute,
        "beneficiary": beneficiary(deducted.beneficiary()),
        "note": deducted.note,
        "from_releasing": amount(deducted.from_releasing),
        "from_frozen": amount(deducted.from_frozen),
        "from_available": amount(deducted.from_available),
        "to_debt": amount(deducted.to_debt),
        "refilled": amount(deducted.refilled),
        "appeal_until": instant(deducted.appeal_until),
        "receipt": receipt(deducted.receipt.as_ref()),
    })
}

pub(super) const fn reason(reason: DeductionReason) -> &'static str {
    match reason {
        DeductionReason::Fraud => "fraud",
        DeductionReason::LateDelivery => "late_delivery",
        DeductionReason::LowQuality => "low_quality",
        DeductionReason::IntellectualProperty => "intellectual_property",
        DeductionReason::DisputeCompensation => "dispute_compensation",
        DeductionReason::Other => "other",
        DeductionReason::Unspecified => "unknown",
    }
}

pub(super) const fn beneficiary(beneficiary: Beneficiary) -> &'static str {
    match beneficiary {
        Beneficiary::Buyer => "buyer",
        Beneficiary::Platform => "platform",
        Beneficiary::Unspecified => "unknown",
    }
}

pub(super) fn appealed(appealed: &AppealOpened) -> Value {
    json!({
        "request_id": appealed.request_id,
        "deduction_id": appealed.deduction_id,
        "statement": appealed.statement,
        "receipt": receipt(appealed.receipt.as_ref()),
    })
}

pub(super) fn resolved(resolved: &AppealResolved) -> Value {
    let outcome = match resolved.outcome() {
        AppealOutcome::Upheld => "upheld",
        AppealOutcome::Overturned => "overturned",
        AppealOutcome::Unspecified => "unknown",
    };
    json!({
        "request_id": resolved.request_id,
        "deduction_id": resolved.deduction_id,
        "outcome": outcome,
        "amount_asked": resolved.amount_asked.map(cents),
        "income": income(resolved.income.as_ref()),
        "all_overturned": resolved.all_overturned,
        "reason": resolved.reason,
        "receipt": receipt(resolved.receipt.as_ref()),
    })
}
