//! Proposals, asked for by callers whom rules of access name.

use std::sync::{Arc, OnceLock};

use tonic::{Request, Status};
use tplus::{
    access::{Access, AuditLog, Credentials, Identity, Peer},
    grpc::Services,
    proto::v1::{self, approval_service_server::ApprovalService as _},
};

use crate::{
    model::{
        answers::{Commanded, Effect, ModelAnswer},
        api::PolicyRequest,
        api::{About, Action, Beneficiary, Caller, Change, Command, Decide, Deduct, Direction, Propose, Verdict},
        proposals::{ProposalState, ShownProposal},
    },
    send::{self, admitted},
    wire::{self, instant, timestamp},
};

/// Nobody is kept from doing anything alone.
const RULES: &str = r#"
[[callers]]
dns = "ann"
roles = ["admin"]

[[callers]]
dns = "ben"
roles = ["admin"]

[[callers]]
dns = "cleo"
roles = ["admin"]
"#;

/// A call as the gate lets it through.
fn admitted_as<M>(caller: Option<Caller>, method: &str, message: M) -> Request<M> {
    let Some(caller) = caller else { return admitted(message) };
    let name = caller.name().strip_prefix("dns:").expect("a DNS name");
    let peer = Peer { identities: vec![Identity::Dns(name.into())], ..Peer::default() };
    let credentials = Credentials { peer: &peer, authorization: None };
    let (session, _) = gate().admit(&format!("/tplus.v1.ApprovalService/{method}"), credentials).expect("admitted");
    let mut request = Request::new(message);
    request.extensions_mut().insert(session);
    request
}

fn gate() -> &'static Arc<Access> {
    static GATE: OnceLock<Arc<Access>> = OnceLock::new();
    GATE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("access.toml");
        std::fs::write(&file, RULES).expect("written");
        Arc::new(Access::open(file, AuditLog::default()).expect("rules"))
    })
}

pub(crate) async fn propose(services: &Services, request: &Propose) -> Result<ModelAnswer, Status> {
    use v1::propose_change_request::Change as Asked;
    let change = request.change.as_ref().map(|change| match change {
        Change::Policy(policy) => Asked::SetPolicy(send::set_policy(policy)),
        Change::Command(command) => match &command.action {
            Action::DeductMargin(deduct) => Asked::DeductMargin(send::deduct(command, deduct)),
            Action::AdjustBalance { .. } => Asked::AdjustBalance(send::adjust(command)),
            other => panic!("nobody can propose {other:?}"),
        },
    });
    let (request_id, not_after) = (request.request_id.clone(), request.not_after.map(timestamp));
    let message = v1::ProposeChangeRequest { request_id, change, not_after };
    let answer = services.propose_change(admitted_as(request.caller, "ProposeChange", message)).await?.into_inner();
    Ok(ModelAnswer::Proposed { proposal: proposal(answer.proposal), replayed: answer.replayed })
}

pub(crate) async fn decide(services: &Services, request: &Decide) -> Result<ModelAnswer, Status> {
    let (caller, proposal_id, reason) = (request.caller, request.proposal_id.clone(), request.reason.clone());
    let not_after = request.not_after.map(timestamp);
    Ok(match request.verdict {
        Verdict::Approve => {
            let message = v1::ApproveProposalRequest { proposal_id, not_after };
            let answer = services.approve_proposal(admitted_as(caller, "ApproveProposal", message)).await?.into_inner();
            let result = Some(Box::new(result(answer.result.expect("a result"))));
            ModelAnswer::Decided { proposal: proposal(answer.proposal), result, replayed: answer.replayed }
        }
        Verdict::Reject => {
            let message = v1::RejectProposalRequest { proposal_id, reason, not_after };
            let answer = services.reject_proposal(admitted_as(caller, "RejectProposal", message)).await?.into_inner();
            ModelAnswer::Decided { proposal: proposal(answer.proposal), result: None, replayed: answer.replayed }
        }
        Verdict::Withdraw => {
            let message = v1::WithdrawProposalRequest { proposal_id, reason, not_after };
            let answer =
                services.withdraw_proposal(admitted_as(caller, "WithdrawProposal", message)).await?.into_inner();
            ModelAnswer::Decided { proposal: proposal(answer.proposal), result: None, replayed: answer.replayed }
        }
    })
}

pub(crate) async fn one(services: &Services, proposal_id: String) -> Result<ShownProposal, Status> {
    let answer = services.get_proposal(admitted(v1::GetProposalRequest { proposal_id })).await?;
    Ok(proposal(answer.into_inner().proposal))
}

/// Reads the list to its end: the pages after the first are asked for with their token alone.
pub(crate) async fn list(
    services: &Services,
    merchant_id: String,
    state: Option<ProposalState>,
    page_size: i32,
) -> Result<Vec<ShownProposal>, Status> {
    let state = state.map_or(0, |state| match state {
        ProposalState::Open => v1::ProposalState::Open.into(),
        ProposalState::Approved => v1::ProposalState::Approved.into(),
        ProposalState::Rejected => v1::ProposalState::Rejected.into(),
        ProposalState::Withdrawn => v1::ProposalState::Withdrawn.into(),
        ProposalState::Expired => v1::ProposalState::Expired.into(),
    });
    let mut request = v1::ListProposalsRequest { merchant_id, state, page_size, page_token: String::new() };
    let mut all = Vec::new();
    loop {
        let page = services.list_proposals(admitted(request)).await?.into_inner();
        let most = if page_size == 0 { 50 } else { page_size as usize };
        assert!(page.proposals.len() <= most, "more than was asked for");
        all.extend(page.proposals.into_iter().map(|one| proposal(Some(one))));
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request = v1::ListProposalsRequest { page_size, page_token: page.next_page_token, ..Default::default() };
    }
}

fn result(result: v1::approve_proposal_response::Result) -> ModelAnswer {
    use v1::{adjust_balance_response::Effect as Adjusted, approve_proposal_response::Result};
    match result {
        Result::DeductMargin(answer) => ModelAnswer::Commanded(Commanded {
            at: instant(answer.deducted_at),
            replayed: answer.replayed,
            receipt: wire::receipt(answer.receipt),
            effect: Effect::Deducted {
                split: wire::split(answer.split),
                refilled: answer.refilled,
                appeal_until: instant(answer.appeal_until),
            },
        }),
        Result::AdjustBalance(answer) => ModelAnswer::Commanded(Commanded {
            at: instant(answer.adjusted_at),
            replayed: answer.replayed,
            receipt: wire::receipt(answer.receipt),
            effect: match answer.effect.expect("an effect") {
                Adjusted::Income(income) => Effect::Credited(wire::income(Some(income))),
                Adjusted::Charge(charge) => Effect::Debited(wire::charge(charge)),
            },
        }),
        Result::SetPolicy(answer) => {
            ModelAnswer::PolicySet { policy: wire::version(answer.policy), replayed: answer.replayed }
        }
    }
}

fn proposal(proposal: Option<v1::Proposal>) -> ShownProposal {
    let proposal = proposal.expect("a proposal");
    ShownProposal {
        state: match proposal.state() {
            v1::ProposalState::Open => ProposalState::Open,
            v1::ProposalState::Approved => ProposalState::Approved,
            v1::ProposalState::Rejected => ProposalState::Rejected,
            v1::ProposalState::Withdrawn => ProposalState::Withdrawn,
            v1::ProposalState::Expired => ProposalState::Expired,
            v1::ProposalState::Unspecified => panic!("no state"),
        },
        proposal_id: proposal.proposal_id,
        change: change(proposal.change.expect("a change")),
        proposed_by: proposal.proposed_by,
        proposed_at: instant(proposal.proposed_at),
        expires_at: instant(proposal.expires_at),
        closed_by: proposal.closed_by,
        closed_at: proposal.closed_at.map(|at| instant(Some(at))),
        reason: proposal.reason,
    }
}

fn change(change: v1::proposal::Change) -> Change {
    use v1::{deduct_margin_request::Reference, proposal::Change as Told};
    let told = |at: prost_types::Timestamp| instant(Some(at));
    match change {
        Told::DeductMargin(asked) => {
            let beneficiary = match asked.beneficiary() {
                v1::Beneficiary::Unspecified => None,
                v1::Beneficiary::Buyer => Some(Beneficiary::Buyer),
                v1::Beneficiary::Platform => Some(Beneficiary::Platform),
            };
            let about = asked.reference.map(|reference| match reference {
                Reference::OrderId(order) => About::Order(order),
                Reference::Dispute(dispute) => About::Dispute(dispute),
            });
            let v1::DeductMarginRequest { merchant_id, amount, reason, note, request_id, .. } = asked;
            let action = Action::DeductMargin(Deduct { amount, reason, about, beneficiary, note });
            let (validate_only, not_after) = (asked.validate_only, asked.not_after.map(told));
            Change::Command(Command { merchant_id, request_id, action, validate_only, not_after })
        }
        Told::AdjustBalance(asked) => {
            let direction = match asked.direction() {
                v1::AdjustmentDirection::Unspecified => None,
                v1::AdjustmentDirection::Credit => Some(Direction::Credit),
                v1::AdjustmentDirection::Debit => Some(Direction::Debit),
            };
            let v1::AdjustBalanceRequest { merchant_id, amount, reason, reference, request_id, .. } = asked;
            let action = Action::AdjustBalance { direction, amount, reason, reference };
            let (validate_only, not_after) = (asked.validate_only, asked.not_after.map(told));
            Change::Command(Command { merchant_id, request_id, action, validate_only, not_after })
        }
        Told::SetPolicy(asked) => Change::Policy(PolicyRequest {
            policy: wire::policy(asked.policy.expect("a policy")),
            effective_at: asked.effective_at.map(told),
            expected_version: asked.expected_version,
            reason: asked.reason,
            request_id: asked.request_id,
            validate_only: asked.validate_only,
            not_after: asked.not_after.map(told),
        }),
    }
}
