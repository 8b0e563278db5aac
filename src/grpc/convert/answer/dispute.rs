//! Deductions and appeals.

use super::{income, receipt, timestamp};
use crate::{
    domain::{AppealOpened, AppealResolved, DeductionSplit, MarginDeducted},
    engine::Answer,
    proto::v1,
};

/// What a deduction did.
pub fn margin_deducted(answer: &Answer<MarginDeducted>) -> v1::DeductMarginResponse {
    let fact = &answer.fact;
    v1::DeductMarginResponse {
        split: Some(split(fact.split)),
        refilled: fact.refilled.to_string(),
        appeal_until: Some(timestamp(fact.appeal_until)),
        deducted_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
    }
}

pub(super) fn split(split: DeductionSplit) -> v1::DeductionSplit {
    v1::DeductionSplit {
        from_releasing: split.from_releasing.to_string(),
        from_frozen: split.from_frozen.to_string(),
        from_available: split.from_available.to_string(),
        to_debt: split.to_debt.to_string(),
    }
}

/// What opening an appeal did.
pub fn appeal_opened(answer: &Answer<AppealOpened>) -> v1::OpenAppealResponse {
    v1::OpenAppealResponse {
        opened_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&answer.fact.receipt)),
    }
}

/// What the resolution of an appeal did.
pub fn appeal_resolved(answer: &Answer<AppealResolved>) -> v1::ResolveAppealResponse {
    let fact = &answer.fact;
    v1::ResolveAppealResponse {
        overturned: fact.income.total().to_string(),
        income: Some(income(fact.income)),
        resolved_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
    }
}
