//! What one proposes and another approves.

use tonic::{Request, Response, Status, async_trait};

use super::{Services, admitted};
use crate::{
    access::{Denied, Permission, Session},
    domain::{Change, Proposal, Proposals, Rejection, RequestId, Timestamp},
    engine::{EngineError, ProposalAnswer, ProposalRequest, VerdictRequest},
    grpc::convert::{self, Cursor, Proposed},
    proto::v1::{
        ApproveProposalRequest, ApproveProposalResponse, GetProposalRequest, GetProposalResponse, ListProposalsRequest,
        ListProposalsResponse, ProposeChangeRequest, ProposeChangeResponse, RejectProposalRequest,
        RejectProposalResponse, WithdrawProposalRequest, WithdrawProposalResponse,
        approval_service_server::ApprovalService, propose_change_request::Change as Asked,
    },
    trace,
};

#[async_trait]
impl ApprovalService for Services {
    async fn propose_change(
        &self,
        request: Request<ProposeChangeRequest>,
    ) -> Result<Response<ProposeChangeResponse>, Status> {
        let (session, request) = admitted(request)?;
        if let Some(asked) = &request.change {
            let (needs, about) = to_ask(asked);
            may(&session, needs, about)?;
        }
        let Proposed { id, change, not_after } = convert::propose(&request)?;
        if let Some(merchant) = change.merchant() {
            trace::about(merchant);
        }
        let (caller, lasts) = (named(&session)?, session.proposals_last());
        let request = ProposalRequest { id, change, caller, lasts, not_after };
        let answer = self.engine()?.propose(&request).await;
        Ok(Response::new(convert::proposal_made(&answer.map_err(|error| failed(&request.change, error))?)))
    }

    async fn approve_proposal(
        &self,
        request: Request<ApproveProposalRequest>,
    ) -> Result<Response<ApproveProposalResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.decide(&session, convert::approve(&request)?).await?;
        Ok(Response::new(convert::proposal_approved(&answer)))
    }

    async fn reject_proposal(
        &self,
        request: Request<RejectProposalRequest>,
    ) -> Result<Response<RejectProposalResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.decide(&session, convert::reject(&request)?).await?;
        Ok(Response::new(convert::proposal_rejected(&answer)))
    }

    async fn withdraw_proposal(
        &self,
        request: Request<WithdrawProposalRequest>,
    ) -> Result<Response<WithdrawProposalResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.decide(&session, convert::withdraw_proposal(&request)?).await?;
        Ok(Response::new(convert::proposal_withdrawn(&answer)))
    }

    async fn get_proposal(
        &self,
        request: Request<GetProposalRequest>,
    ) -> Result<Response<GetProposalResponse>, Status> {
        let (session, request) = admitted(request)?;
        let (proposal, now) = self.proposal(&session, &convert::named_proposal(&request.proposal_id)?).await?;
        Ok(Response::new(GetProposalResponse { proposal: Some(convert::proposal(&proposal, now)) }))
    }

    async fn list_proposals(
        &self,
        request: Request<ListProposalsRequest>,
    ) -> Result<Response<ListProposalsResponse>, Status> {
        let (_, request) = admitted(request)?;
        let page = convert::page(&request)?;
        let (about, state) = convert::proposals_wanted(&page.request)?;
        let seen = page.after.as_ref().map_or(0, |last| last.number);
        let look = |proposals: &Proposals, now: Timestamp| {
            let wanted = |proposal: &&Proposal| {
                proposal.is_kept(now)
                    && about.as_ref().is_none_or(|about| proposal.change.merchant() == Some(about))
                    && state.is_none_or(|state| proposal.state(now) == state)
            };
            let found: Vec<_> = proposals.after(seen).filter(wanted).take(page.size).cloned().collect();
            (found, now)
        };
        let (found, now) = self.engine()?.proposals(look).await.map_err(convert::failed)?;
        let next_page_token = page.next_token(found.len(), found.last().map(|last| Cursor::at(last.number)));
        let proposals = found.iter().map(|proposal| convert::proposal(proposal, now)).collect();
        Ok(Response::new(ListProposalsResponse { proposals, next_page_token }))
    }
}

impl Services {
    /// Ends a proposal in the name of who is asking, who could have made its change himself.
    async fn decide(&self, session: &Session, request: VerdictRequest) -> Result<ProposalAnswer, Status> {
        let caller = named(session)?;
        let (proposal, _) = self.proposal(session, &request.id).await?;
        let request = VerdictRequest { caller, number: proposal.number, ..request };
        let about = proposal.change.merchant().map_or("", |merchant| merchant.as_str());
        may(session, to_make(&proposal.change), about)?;
        let refused = |why: fn(String) -> Denied| convert::denied(&session.refuse(about, why));
        let answer = self.engine()?.decide_proposal(&request).await;
        answer.map_err(|error| match error {
            EngineError::Rejected(Rejection::OwnProposal) => refused(|caller| Denied::OwnProposal { caller }),
            EngineError::Rejected(Rejection::NotYourProposal) => refused(|caller| Denied::OthersProposal { caller }),
            error => failed(&proposal.change, error),
        })
    }

    /// A proposal that the call may be about, and the time by then.
    async fn proposal(&self, session: &Session, id: &RequestId) -> Result<(Proposal, Timestamp), Status> {
        let found = self.engine()?.proposals(|all, now| all.get(id, now).cloned().map(|found| (found, now))).await;
        let found = found.and_then(|found| found.map_err(EngineError::from));
        let (proposal, now) = found.map_err(|error| convert::failed_about_proposal(id, error))?;
        // That there is one about others is nothing that he has to know.
        match touches(session, proposal.change.merchant().map_or("", |merchant| merchant.as_str())) {
            Ok(()) => Ok((proposal, now)),
            Err(_) => Err(convert::failed_about_proposal(id, Rejection::ProposalNotFound.into())),
        }
    }
}

/// Who is asking. Where nobody is asked who he is, that is said before anything is looked for: also what is known, and what there is not.
fn named(session: &Session) -> Result<String, Status> {
    match session.caller() {
        "" => Err(convert::failed(Rejection::IdentityRequired.into())),
        caller => Ok(caller.to_owned()),
    }
}

/// Whether the call may be about a merchant; empty: about all.
fn touches(session: &Session, merchant: &str) -> Result<(), Status> {
    let allowed = if merchant.is_empty() { session.may_touch_all() } else { session.may_touch(merchant) };
    allowed.map_err(|denied| convert::denied(&denied))
}

/// What it takes to make a change, and so to propose it, and to approve or reject it.
const fn to_make(change: &Change) -> Permission {
    match change {
        Change::Deduction(..) => Permission::Deduct,
        Change::Adjustment(..) => Permission::AdjustBalance,
        Change::Policy(_) => Permission::WritePolicy,
    }
}

/// The same for one that was asked for, before it is looked at, and the merchant that it names.
fn to_ask(change: &Asked) -> (Permission, &str) {
    match change {
        Asked::DeductMargin(asked) => (Permission::Deduct, &asked.merchant_id),
        Asked::AdjustBalance(asked) => (Permission::AdjustBalance, &asked.merchant_id),
        Asked::SetPolicy(_) => (Permission::WritePolicy, ""),
    }
}

fn may(session: &Session, needs: Permission, about: &str) -> Result<(), Status> {
    session.may(needs, about).map_err(|denied| convert::denied(&denied))
}

/// What is wrong with the change itself is told by the names that it has within the request for it.
fn failed(change: &Change, error: EngineError) -> Status {
    let of_proposal = matches!(error, EngineError::Rejected(Rejection::Conflict { field: "change" | "proposed_by" }))
        || matches!(error, EngineError::Rejected(Rejection::Expired { .. }));
    let status = match change.merchant() {
        Some(merchant) => convert::failed_about(merchant, error),
        None => convert::failed(error),
    };
    let message = match change {
        Change::Deduction(..) => "deduct_margin",
        Change::Adjustment(..) => "adjust_balance",
        Change::Policy(_) => "set_policy",
    };
    if of_proposal { status } else { convert::within(&status, message) }
}
