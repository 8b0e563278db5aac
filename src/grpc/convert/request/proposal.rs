//! Proposals, and what shall become of them.

use tonic::Status;

use super::{Fields, account::adjustment, dispute::deduction, policy::announcement};
use crate::{
    domain::{Change, MerchantId, ProposalState, ProposalVerdict, RequestId, Text, Timestamp},
    engine::VerdictRequest,
    proto::v1::{
        self, ApproveProposalRequest, ProposeChangeRequest, RejectProposalRequest, WithdrawProposalRequest,
        propose_change_request::Change as Asked,
    },
};

/// What shall be proposed.
#[derive(Debug)]
pub struct Proposed {
    /// Makes it known.
    pub id: RequestId,
    /// The change.
    pub change: Change,
    /// Refuse what is not known when this has passed.
    pub not_after: Option<Timestamp>,
}

/// A change to be proposed.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn propose(request: &ProposeChangeRequest) -> Result<Proposed, Status> {
    let mut fields = Fields::default();
    let id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let change = fields.present("change", request.change.as_ref()).and_then(|asked| change(&mut fields, asked));
    let read = id.zip(change).map(|(id, change)| Proposed { id, change, not_after });
    fields.unless_bad(read)
}

fn change(fields: &mut Fields, asked: &Asked) -> Option<Change> {
    match asked {
        Asked::DeductMargin(asked) => {
            fields.within("deduct_margin");
            proposable(fields, asked.validate_only, asked.not_after.as_ref());
            let (merchant, command) = deduction(fields, asked);
            merchant.zip(command).map(|(merchant, command)| Change::Deduction(merchant, command))
        }
        Asked::AdjustBalance(asked) => {
            fields.within("adjust_balance");
            proposable(fields, asked.validate_only, asked.not_after.as_ref());
            let (merchant, command) = adjustment(fields, asked);
            merchant.zip(command).map(|(merchant, command)| Change::Adjustment(merchant, command))
        }
        Asked::SetPolicy(asked) => {
            fields.within("set_policy");
            proposable(fields, asked.validate_only, asked.not_after.as_ref());
            announcement(fields, asked).map(Change::Policy)
        }
    }
}

/// A proposal has neither: it is looked at anyhow, and expires.
fn proposable(fields: &mut Fields, validate_only: bool, not_after: Option<&prost_types::Timestamp>) {
    if validate_only {
        fields.blame("validate_only", "cannot be proposed");
    }
    if not_after.is_some() {
        fields.blame("not_after", "cannot be proposed: a proposal expires");
    }
}

/// An approval.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn approve(request: &ApproveProposalRequest) -> Result<VerdictRequest, Status> {
    let ApproveProposalRequest { proposal_id, not_after } = request;
    verdict(ProposalVerdict::Approved, proposal_id, "", not_after.as_ref())
}

/// A rejection.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn reject(request: &RejectProposalRequest) -> Result<VerdictRequest, Status> {
    let RejectProposalRequest { proposal_id, reason, not_after } = request;
    verdict(ProposalVerdict::Rejected, proposal_id, reason, not_after.as_ref())
}

/// A withdrawal of a proposal.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn withdraw_proposal(request: &WithdrawProposalRequest) -> Result<VerdictRequest, Status> {
    let WithdrawProposalRequest { proposal_id, reason, not_after } = request;
    verdict(ProposalVerdict::Withdrawn, proposal_id, reason, not_after.as_ref())
}

fn verdict(
    verdict: ProposalVerdict,
    id: &str,
    reason: &str,
    not_after: Option<&prost_types::Timestamp>,
) -> Result<VerdictRequest, Status> {
    let mut fields = Fields::default();
    let id = fields.id("proposal_id", id);
    let reason: Text = fields.text("reason", reason);
    let not_after = fields.instant("not_after", not_after);
    // Who asks, and which one has this id, is known to the service.
    let read = id.map(|id| VerdictRequest { id, number: 0, verdict, caller: String::new(), reason, not_after });
    fields.unless_bad(read)
}

/// The proposal that is named.
///
/// # Errors
/// `INVALID_FIELD`.
pub fn named_proposal(id: &str) -> Result<RequestId, Status> {
    let mut fields = Fields::default();
    let id = fields.id("proposal_id", id);
    fields.unless_bad(id)
}

/// About whom proposals have to be and how they have to stand to be listed; none: it does not matter.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn proposals_wanted(
    request: &v1::ListProposalsRequest,
) -> Result<(Option<MerchantId>, Option<ProposalState>), Status> {
    let mut fields = Fields::default();
    let about = Some(&request.merchant_id).filter(|id| !id.is_empty());
    let about = about.and_then(|id| fields.id("merchant_id", id));
    let state = match v1::ProposalState::try_from(request.state) {
        Ok(v1::ProposalState::Unspecified) => None,
        Ok(v1::ProposalState::Open) => Some(ProposalState::Open),
        Ok(v1::ProposalState::Approved) => Some(ProposalState::Closed(ProposalVerdict::Approved)),
        Ok(v1::ProposalState::Rejected) => Some(ProposalState::Closed(ProposalVerdict::Rejected)),
        Ok(v1::ProposalState::Withdrawn) => Some(ProposalState::Closed(ProposalVerdict::Withdrawn)),
        Ok(v1::ProposalState::Expired) => Some(ProposalState::Expired),
        Err(_) => {
            fields.blame("state", "has a value that is not known");
            None
        }
    };
    fields.unless_bad(Some((about, state)))
}
