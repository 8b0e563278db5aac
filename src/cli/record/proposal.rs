//! Proposals, and what became of them.

use serde_json::{Value, json};

use super::{
    dispute::{beneficiary, reason},
    policy::rules,
    value::{cents, instant, present},
};
use crate::proto::journal::{
    AdjustmentAsked, Approval, DeductionAsked, PolicyAsked, ProposalClosed, ProposalMade, ProposalVerdict,
    deduction_asked::Disputed, proposal_made::Change,
};

/// A proposal that was made.
pub(super) fn made(made: &ProposalMade) -> Value {
    let (deduction, adjustment, policy) = match &made.change {
        Some(Change::Deduction(asked)) => (Some(deduction(asked)), None, None),
        Some(Change::Adjustment(asked)) => (None, Some(adjustment(asked)), None),
        Some(Change::Policy(asked)) => (None, None, Some(policy_asked(asked))),
        None => (None, None, None),
    };
    json!({
        "number": made.number,
        "proposal_id": made.proposal_id,
        "expires_at": instant(made.expires_at),
        "deduct_margin": deduction,
        "adjust_balance": adjustment,
        "set_policy": policy,
    })
}

fn deduction(asked: &DeductionAsked) -> Value {
    let (order_id, dispute) = match &asked.disputed {
        Some(Disputed::OrderId(order_id)) => (Some(order_id), None),
        Some(Disputed::Dispute(dispute)) => (None, Some(dispute)),
        None => (None, None),
    };
    let fields = json!({
        "merchant_id": asked.merchant_id,
        "request_id": asked.request_id,
        "amount": cents(asked.amount),
        "reason": reason(asked.reason()),
        "order_id": order_id,
        "dispute": dispute,
        "beneficiary": beneficiary(asked.beneficiary()),
        "note": asked.note,
    });
    present(fields).into()
}

fn adjustment(asked: &AdjustmentAsked) -> Value {
    json!({
        "merchant_id": asked.merchant_id,
        "request_id": asked.request_id,
        "direction": if asked.debit { "debit" } else { "credit" },
        "amount": cents(asked.amount),
        "reason": asked.reason,
        "reference": asked.reference,
    })
}

fn policy_asked(asked: &PolicyAsked) -> Value {
    let fields = json!({
        "request_id": asked.request_id,
        "effective_asked": asked.effective_asked.map(instant),
        "expected_version": asked.expected_version,
        "reason": asked.reason,
        "policy": asked.policy.as_ref().map(rules),
    });
    present(fields).into()
}

/// A proposal that ended without its change.
pub(super) fn closed(closed: &ProposalClosed) -> Value {
    let verdict = match closed.verdict() {
        ProposalVerdict::Approved => "approved",
        ProposalVerdict::Rejected => "rejected",
        ProposalVerdict::Withdrawn => "withdrawn",
        ProposalVerdict::Unspecified => "unknown",
    };
    json!({ "proposal_id": closed.proposal_id, "verdict": verdict, "reason": closed.reason })
}

/// What the caller of a record has approved.
pub(super) fn approval(approval: &Approval) -> Value {
    json!({
        "proposal_id": approval.proposal_id,
        "proposed_by": approval.proposed_by,
        "approved_at": instant(approval.approved_at),
    })
}
