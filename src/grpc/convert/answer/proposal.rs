//! Proposals.

use super::{
    account::balance_adjusted,
    dispute::margin_deducted,
    history::{beneficiary, deduction_reason},
    policy::{policy_announced, rules},
    timestamp,
};
use crate::{
    domain::{
        AdjustBalance, Change, Closing, DeductMargin, Direction, Disputed, MerchantId, Proposal, ProposalState,
        ProposalVerdict, SetPolicy, Timestamp,
    },
    engine::{Made, ProposalAnswer},
    proto::v1::{self, approve_proposal_response, deduct_margin_request, proposal},
};

/// A proposal as it stands at an instant.
pub fn proposal(proposal: &Proposal, now: Timestamp) -> v1::Proposal {
    let closing = proposal.closing.as_ref();
    v1::Proposal {
        proposal_id: proposal.id.to_string(),
        change: Some(change(&proposal.change)),
        proposed_by: (*proposal.proposed_by).into(),
        proposed_at: Some(timestamp(proposal.proposed_at)),
        expires_at: Some(timestamp(proposal.expires_at)),
        state: state(proposal.state(now)).into(),
        closed_by: closing.map(|Closing { by, .. }| (**by).into()).unwrap_or_default(),
        closed_at: closing.map(|closing| timestamp(closing.at)),
        reason: closing.map(|closing| closing.reason.to_string()).unwrap_or_default(),
    }
}

/// A proposal that was made, or was already, as it stands by then.
pub fn proposal_made(answer: &ProposalAnswer) -> v1::ProposeChangeResponse {
    v1::ProposeChangeResponse { proposal: Some(stands(answer)), replayed: answer.replayed }
}

/// What an approval brought about.
pub fn proposal_approved(answer: &ProposalAnswer) -> v1::ApproveProposalResponse {
    use approve_proposal_response::Result::{AdjustBalance, DeductMargin, SetPolicy};
    let result = answer.made.as_ref().map(|made| match made {
        Made::Deduction(answer) => DeductMargin(margin_deducted(answer)),
        Made::Adjustment(answer) => AdjustBalance(balance_adjusted(answer)),
        Made::Policy(announced) => SetPolicy(policy_announced(announced)),
    });
    v1::ApproveProposalResponse { proposal: Some(stands(answer)), result, replayed: answer.replayed }
}

/// A proposal that was rejected.
pub fn proposal_rejected(answer: &ProposalAnswer) -> v1::RejectProposalResponse {
    v1::RejectProposalResponse { proposal: Some(stands(answer)), replayed: answer.replayed }
}

/// A proposal that was withdrawn.
pub fn proposal_withdrawn(answer: &ProposalAnswer) -> v1::WithdrawProposalResponse {
    v1::WithdrawProposalResponse { proposal: Some(stands(answer)), replayed: answer.replayed }
}

fn stands(answer: &ProposalAnswer) -> v1::Proposal {
    proposal(&answer.proposal, answer.now)
}

fn change(change: &Change) -> proposal::Change {
    match change {
        Change::Deduction(merchant, command) => proposal::Change::DeductMargin(deduction(merchant, command)),
        Change::Adjustment(merchant, command) => proposal::Change::AdjustBalance(adjustment(merchant, command)),
        Change::Policy(set) => proposal::Change::SetPolicy(announcement(set)),
    }
}

fn deduction(merchant: &MerchantId, command: &DeductMargin) -> v1::DeductMarginRequest {
    use deduct_margin_request::Reference;
    v1::DeductMarginRequest {
        merchant_id: merchant.to_string(),
        amount: command.amount.to_string(),
        reason: deduction_reason(command.reason).into(),
        reference: Some(match &command.disputed {
            Disputed::Order(id) => Reference::OrderId(id.to_string()),
            Disputed::Dispute(name) => Reference::Dispute(name.to_string()),
        }),
        beneficiary: beneficiary(command.beneficiary).into(),
        note: command.note.to_string(),
        request_id: command.request_id.to_string(),
        validate_only: false,
        not_after: None,
    }
}

fn adjustment(merchant: &MerchantId, command: &AdjustBalance) -> v1::AdjustBalanceRequest {
    let direction = match command.direction {
        Direction::Credit => v1::AdjustmentDirection::Credit,
        Direction::Debit => v1::AdjustmentDirection::Debit,
    };
    v1::AdjustBalanceRequest {
        merchant_id: merchant.to_string(),
        direction: direction.into(),
        amount: command.amount.to_string(),
        reason: command.reason.to_string(),
        reference: command.reference.to_string(),
        request_id: command.request_id.to_string(),
        validate_only: false,
        not_after: None,
    }
}

fn announcement(set: &SetPolicy) -> v1::SetPolicyRequest {
    v1::SetPolicyRequest {
        policy: Some(rules(&set.policy)),
        effective_at: set.effective_at.map(timestamp),
        expected_version: set.expected_version.unwrap_or_default(),
        reason: set.reason.to_string(),
        request_id: set.request_id.to_string(),
        validate_only: false,
        not_after: None,
    }
}

const fn state(state: ProposalState) -> v1::ProposalState {
    match state {
        ProposalState::Open => v1::ProposalState::Open,
        ProposalState::Expired => v1::ProposalState::Expired,
        ProposalState::Closed(ProposalVerdict::Approved) => v1::ProposalState::Approved,
        ProposalState::Closed(ProposalVerdict::Rejected) => v1::ProposalState::Rejected,
        ProposalState::Closed(ProposalVerdict::Withdrawn) => v1::ProposalState::Withdrawn,
    }
}
