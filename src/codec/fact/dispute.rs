//! Deductions and appeals.

use super::{
    Malformed, decode_id, decode_income, decode_receipt, decode_text, encode_income, encode_receipt, optional_input,
};
use crate::{
    codec::{amount, money, required},
    domain::{
        AppealOpened, AppealOutcome, AppealResolved, Beneficiary, DeductionReason, DeductionSplit, Disputed,
        MarginDeducted, Timestamp,
    },
    proto::journal::{self as pb, margin_deducted as deducted},
};

pub(super) fn encode_deducted(fact: &MarginDeducted) -> pb::MarginDeducted {
    let disputed = match &fact.disputed {
        Disputed::Order(order_id) => deducted::Disputed::OrderId(order_id.as_str().into()),
        Disputed::Dispute(dispute) => deducted::Disputed::Dispute(dispute.as_str().into()),
    };
    pb::MarginDeducted {
        request_id: fact.request_id.as_str().into(),
        reason: encode_reason(fact.reason).into(),
        disputed: Some(disputed),
        beneficiary: encode_beneficiary(fact.beneficiary).into(),
        note: fact.note.as_str().into(),
        from_releasing: amount(fact.split.from_releasing),
        from_frozen: amount(fact.split.from_frozen),
        from_available: amount(fact.split.from_available),
        to_debt: amount(fact.split.to_debt),
        refilled: amount(fact.refilled),
        appeal_until: fact.appeal_until.micros(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_deducted(fact: pb::MarginDeducted) -> Result<MarginDeducted, Malformed> {
    let disputed = match required("disputed", fact.disputed)? {
        deducted::Disputed::OrderId(order_id) => Disputed::Order(decode_id(&order_id)?),
        deducted::Disputed::Dispute(dispute) => Disputed::Dispute(decode_text(&dispute)?),
    };
    Ok(MarginDeducted {
        request_id: decode_id(&fact.request_id)?,
        reason: decode_reason(fact.reason)?,
        disputed,
        beneficiary: decode_beneficiary(fact.beneficiary)?,
        note: decode_text(&fact.note)?,
        split: DeductionSplit {
            from_releasing: money(fact.from_releasing),
            from_frozen: money(fact.from_frozen),
            from_available: money(fact.from_available),
            to_debt: money(fact.to_debt),
        },
        refilled: money(fact.refilled),
        appeal_until: Timestamp::from_micros(fact.appeal_until),
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_appealed(fact: &AppealOpened) -> pb::AppealOpened {
    pb::AppealOpened {
        request_id: fact.request_id.as_str().into(),
        deduction_id: fact.deduction_id.as_str().into(),
        statement: fact.statement.as_str().into(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_appealed(fact: pb::AppealOpened) -> Result<AppealOpened, Malformed> {
    Ok(AppealOpened {
        request_id: decode_id(&fact.request_id)?,
        deduction_id: decode_id(&fact.deduction_id)?,
        statement: decode_text(&fact.statement)?,
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(super) fn encode_resolved(fact: &AppealResolved) -> pb::AppealResolved {
    let outcome = match fact.outcome {
        AppealOutcome::Upheld => pb::AppealOutcome::Upheld,
        AppealOutcome::Overturned => pb::AppealOutcome::Overturned,
    };
    pb::AppealResolved {
        request_id: fact.request_id.as_str().into(),
        deduction_id: fact.deduction_id.as_str().into(),
        outcome: outcome.into(),
        amount_asked: fact.amount_asked.map(|amount| amount.input_cents()),
        income: Some(encode_income(fact.income)),
        all_overturned: fact.all_overturned,
        reason: fact.reason.as_str().into(),
        receipt: encode_receipt(&fact.receipt),
    }
}

pub(super) fn decode_resolved(fact: pb::AppealResolved) -> Result<AppealResolved, Malformed> {
    let outcome = match pb::AppealOutcome::try_from(fact.outcome) {
        Ok(pb::AppealOutcome::Upheld) => AppealOutcome::Upheld,
        Ok(pb::AppealOutcome::Overturned) => AppealOutcome::Overturned,
        Ok(pb::AppealOutcome::Unspecified) | Err(_) => return Err(Malformed("outcome is unknown".into())),
    };
    Ok(AppealResolved {
        request_id: decode_id(&fact.request_id)?,
        deduction_id: decode_id(&fact.deduction_id)?,
        outcome,
        amount_asked: optional_input(fact.amount_asked),
        income: decode_income(fact.income)?,
        all_overturned: fact.all_overturned,
        reason: decode_text(&fact.reason)?,
        receipt: decode_receipt(fact.receipt)?,
    })
}

pub(in crate::codec) const fn encode_reason(reason: DeductionReason) -> pb::DeductionReason {
    match reason {
        DeductionReason::Fraud => pb::DeductionReason::Fraud,
        DeductionReason::LateDelivery => pb::DeductionReason::LateDelivery,
        DeductionReason::LowQuality => pb::DeductionReason::LowQuality,
        DeductionReason::IntellectualProperty => pb::DeductionReason::IntellectualProperty,
        DeductionReason::DisputeCompensation => pb::DeductionReason::DisputeCompensation,
        DeductionReason::Other => pb::DeductionReason::Other,
    }
}

pub(in crate::codec) fn decode_reason(reason: i32) -> Result<DeductionReason, Malformed> {
    match pb::DeductionReason::try_from(reason) {
        Ok(pb::DeductionReason::Fraud) => Ok(DeductionReason::Fraud),
        Ok(pb::DeductionReason::LateDelivery) => Ok(DeductionReason::LateDelivery),
        Ok(pb::DeductionReason::LowQuality) => Ok(DeductionReason::LowQuality),
        Ok(pb::DeductionReason::IntellectualProperty) => Ok(DeductionReason::IntellectualProperty),
        Ok(pb::DeductionReason::DisputeCompensation) => Ok(DeductionReason::DisputeCompensation),
        Ok(pb::DeductionReason::Other) => Ok(DeductionReason::Other),
        Ok(pb::DeductionReason::Unspecified) | Err(_) => Err(Malformed("reason is unknown".into())),
    }
}

pub(in crate::codec) const fn encode_beneficiary(beneficiary: Beneficiary) -> pb::Beneficiary {
    match beneficiary {
        Beneficiary::Buyer => pb::Beneficiary::Buyer,
        Beneficiary::Platform => pb::Beneficiary::Platform,
    }
}

pub(in crate::codec) fn decode_beneficiary(beneficiary: i32) -> Result<Beneficiary, Malformed> {
    match pb::Beneficiary::try_from(beneficiary) {
        Ok(pb::Beneficiary::Buyer) => Ok(Beneficiary::Buyer),
        Ok(pb::Beneficiary::Platform) => Ok(Beneficiary::Platform),
        Ok(pb::Beneficiary::Unspecified) | Err(_) => Err(Malformed("beneficiary is unknown".into())),
    }
}
