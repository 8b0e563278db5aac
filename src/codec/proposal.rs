//! Proposals and their ends.

use std::sync::Arc;

use super::{
    Malformed,
    fact::{decode_beneficiary, decode_id, decode_reason, decode_text, encode_beneficiary, encode_reason},
    input,
    policy::{decode_rules, encode_rules},
    required,
};
use crate::{
    domain::{
        AdjustBalance, Change, Closing, DeductMargin, Direction, Disputed, MerchantId, Proposal, ProposalVerdict,
        Rejection, RequestId, SetPolicy, Timestamp,
    },
    proto::journal::{self as pb, deduction_asked, proposal_made},
};

/// What was proposed, as the record of it says.
pub(crate) fn encode_proposal(proposal: &Proposal) -> pb::ProposalMade {
    let change = match &proposal.change {
        Change::Deduction(merchant, command) => proposal_made::Change::Deduction(encode_deduction(merchant, command)),
        Change::Adjustment(merchant, command) => {
            proposal_made::Change::Adjustment(encode_adjustment(merchant, command))
        }
        Change::Policy(set) => proposal_made::Change::Policy(encode_set(set)),
    };
    pb::ProposalMade {
        number: proposal.number,
        proposal_id: proposal.id.as_str().into(),
        expires_at: proposal.expires_at.micros(),
        change: Some(change),
    }
}

/// A proposal, as the record of it says, with its time and caller.
///
/// # Errors
/// When a field is missing or out of bounds.
pub(crate) fn decode_proposal(
    made: pb::ProposalMade,
    proposed_at: Timestamp,
    proposed_by: &str,
) -> Result<Proposal, Malformed> {
    let change = match required("change", made.change)? {
        proposal_made::Change::Deduction(asked) => {
            Change::Deduction(decode_id(&asked.merchant_id)?, decode_deduction(asked)?)
        }
        proposal_made::Change::Adjustment(asked) => {
            Change::Adjustment(decode_id(&asked.merchant_id)?, decode_adjustment(&asked)?)
        }
        proposal_made::Change::Policy(asked) => Change::Policy(decode_set(asked)?),
    };
    Ok(Proposal {
        number: made.number,
        id: decode_id(&made.proposal_id)?,
        change,
        proposed_by: proposed_by.into(),
        proposed_at,
        expires_at: Timestamp::from_micros(made.expires_at),
        closing: None,
    })
}

fn encode_deduction(merchant: &MerchantId, command: &DeductMargin) -> pb::DeductionAsked {
    let disputed = match &command.disputed {
        Disputed::Order(order_id) => deduction_asked::Disputed::OrderId(order_id.as_str().into()),
        Disputed::Dispute(dispute) => deduction_asked::Disputed::Dispute(dispute.as_str().into()),
    };
    pb::DeductionAsked {
        merchant_id: merchant.as_str().into(),
        request_id: command.request_id.as_str().into(),
        amount: command.amount.input_cents(),
        reason: encode_reason(command.reason).into(),
        disputed: Some(disputed),
        beneficiary: encode_beneficiary(command.beneficiary).into(),
        note: command.note.as_str().into(),
    }
}

fn decode_deduction(asked: pb::DeductionAsked) -> Result<DeductMargin, Malformed> {
    let disputed = match required("disputed", asked.disputed)? {
        deduction_asked::Disputed::OrderId(order_id) => Disputed::Order(decode_id(&order_id)?),
        deduction_asked::Disputed::Dispute(dispute) => Disputed::Dispute(decode_text(&dispute)?),
    };
    let command = DeductMargin::new(
        decode_id(&asked.request_id)?,
        input(asked.amount),
        decode_reason(asked.reason)?,
        disputed,
        decode_beneficiary(asked.beneficiary)?,
        decode_text(&asked.note)?,
    );
    command.map_err(refused)
}

fn encode_adjustment(merchant: &MerchantId, command: &AdjustBalance) -> pb::AdjustmentAsked {
    pb::AdjustmentAsked {
        merchant_id: merchant.as_str().into(),
        request_id: command.request_id.as_str().into(),
        debit: command.direction == Direction::Debit,
        amount: command.amount.input_cents(),
        reason: command.reason.as_str().into(),
        reference: command.reference.as_str().into(),
    }
}

fn decode_adjustment(asked: &pb::AdjustmentAsked) -> Result<AdjustBalance, Malformed> {
    let command = AdjustBalance::new(
        decode_id(&asked.request_id)?,
        if asked.debit { Direction::Debit } else { Direction::Credit },
        input(asked.amount),
        decode_text(&asked.reason)?,
        decode_text(&asked.reference)?,
    );
    command.map_err(refused)
}

fn encode_set(set: &SetPolicy) -> pb::PolicyAsked {
    pb::PolicyAsked {
        request_id: set.request_id.as_str().into(),
        policy: Some(encode_rules(&set.policy)),
        effective_asked: set.effective_at.map(Timestamp::micros),
        expected_version: set.expected_version,
        reason: set.reason.as_str().into(),
    }
}

fn decode_set(asked: pb::PolicyAsked) -> Result<SetPolicy, Malformed> {
    Ok(SetPolicy {
        request_id: decode_id(&asked.request_id)?,
        policy: decode_rules(required("policy", asked.policy)?)?,
        effective_at: asked.effective_asked.map(Timestamp::from_micros),
        expected_version: asked.expected_version,
        reason: decode_text(&asked.reason)?,
    })
}

/// What no command is made of is in no record.
fn refused(rejection: Rejection) -> Malformed {
    Malformed(rejection.to_string())
}

/// How a proposal ended without its change being made, as the record of it says.
pub(crate) fn encode_closing(id: &RequestId, closing: &Closing) -> pb::ProposalClosed {
    let verdict = match closing.verdict {
        ProposalVerdict::Approved => pb::ProposalVerdict::Approved,
        ProposalVerdict::Rejected => pb::ProposalVerdict::Rejected,
        ProposalVerdict::Withdrawn => pb::ProposalVerdict::Withdrawn,
    };
    pb::ProposalClosed {
        proposal_id: id.as_str().into(),
        verdict: verdict.into(),
        reason: closing.reason.as_str().into(),
    }
}

/// Which proposal ended and how, as the record of it says, with its time and caller.
///
/// # Errors
/// When a field is missing or out of bounds.
pub(crate) fn decode_closing(
    closed: &pb::ProposalClosed,
    at: Timestamp,
    by: &str,
) -> Result<(RequestId, Closing), Malformed> {
    let verdict = match pb::ProposalVerdict::try_from(closed.verdict) {
        Ok(pb::ProposalVerdict::Approved) => ProposalVerdict::Approved,
        Ok(pb::ProposalVerdict::Rejected) => ProposalVerdict::Rejected,
        Ok(pb::ProposalVerdict::Withdrawn) => ProposalVerdict::Withdrawn,
        Ok(pb::ProposalVerdict::Unspecified) | Err(_) => return Err(Malformed("verdict is unknown".into())),
    };
    let closing = Closing { at, by: Arc::from(by), verdict, reason: decode_text(&closed.reason)? };
    Ok((decode_id(&closed.proposal_id)?, closing))
}

/// What a record says of the proposal that its caller has approved.
pub(crate) fn encode_approval(proposal: &Proposal, approved_at: Timestamp) -> pb::Approval {
    pb::Approval {
        proposal_id: proposal.id.as_str().into(),
        proposed_by: (*proposal.proposed_by).into(),
        approved_at: approved_at.micros(),
    }
}

/// A proposal as a checkpoint keeps it.
pub(crate) fn keep_proposal(proposal: &Proposal) -> pb::CheckpointProposal {
    let closing = proposal.closing.as_ref();
    pb::CheckpointProposal {
        made: Some(encode_proposal(proposal)),
        proposed_at: proposal.proposed_at.micros(),
        proposed_by: (*proposal.proposed_by).into(),
        closed: closing.map(|closing| encode_closing(&proposal.id, closing)),
        closed_at: closing.map_or(0, |closing| closing.at.micros()),
        closed_by: closing.map(|closing| (*closing.by).into()).unwrap_or_default(),
    }
}

/// A proposal as a checkpoint has kept it.
///
/// # Errors
/// When a field is missing or out of bounds.
pub(crate) fn kept_proposal(kept: pb::CheckpointProposal) -> Result<Proposal, Malformed> {
    let made = required("made", kept.made)?;
    let proposal = decode_proposal(made, Timestamp::from_micros(kept.proposed_at), &kept.proposed_by)?;
    let closed_at = Timestamp::from_micros(kept.closed_at);
    let closing = kept.closed.map(|closed| decode_closing(&closed, closed_at, &kept.closed_by));
    Ok(Proposal { closing: closing.transpose()?.map(|(_, closing)| closing), ..proposal })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{Beneficiary, DeductionReason, Id, Money, Policy, Proposals, Text};

    fn changes() -> Vec<Change> {
        let text = |text| Text::parse(text).unwrap();
        let (amount, merchant) = (Money::from_dollars(700), || Id::parse("m-1").unwrap());
        let deduct = |disputed| {
            let (reason, whom) = (DeductionReason::LateDelivery, Beneficiary::Platform);
            DeductMargin::new(Id::parse("r").unwrap(), amount, reason, disputed, whom, text("twice")).unwrap()
        };
        let adjust = |direction| {
            AdjustBalance::new(Id::parse("r").unwrap(), direction, amount, text("slip"), text("t-1")).unwrap()
        };
        let set = |effective_at, expected_version| SetPolicy {
            request_id: Id::parse("r").unwrap(),
            policy: Policy { max_guarantee: Some(amount), ..Policy::default() },
            effective_at,
            expected_version,
            reason: text("spring"),
        };
        vec![
            Change::Deduction(merchant(), deduct(Disputed::Order(Id::parse("o").unwrap()))),
            Change::Deduction(merchant(), deduct(Disputed::Dispute(text("d 7")))),
            Change::Adjustment(merchant(), adjust(Direction::Credit)),
            Change::Adjustment(merchant(), adjust(Direction::Debit)),
            Change::Policy(set(None, None)),
            Change::Policy(set(Some(Timestamp::from_micros(0)), Some(0))),
        ]
    }

    #[test]
    fn proposals_survive_in_records_and_in_checkpoints() {
        let now = Timestamp::from_micros(1_000_000);
        for change in changes() {
            let made = Proposals::default().propose((&Id::parse("p").unwrap(), &change), "sub:a", now, Duration::MAX);
            let made = made.unwrap();
            assert_eq!(decode_proposal(encode_proposal(&made), now, "sub:a"), Ok(made.clone()));
            for verdict in [ProposalVerdict::Approved, ProposalVerdict::Rejected, ProposalVerdict::Withdrawn] {
                let reason = Text::parse("no").unwrap();
                let closing = Closing { at: Timestamp::from_micros(7), by: "dns:b".into(), verdict, reason };
                let written = encode_closing(&made.id, &closing);
                assert_eq!(decode_closing(&written, closing.at, "dns:b"), Ok((made.id.clone(), closing.clone())));
                let ended = Proposal { closing: Some(closing), ..made.clone() };
                assert_eq!(kept_proposal(keep_proposal(&ended)), Ok(ended));
            }
            assert_eq!(kept_proposal(keep_proposal(&made)), Ok(made));
        }
    }
}
