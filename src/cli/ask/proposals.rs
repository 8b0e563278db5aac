//! What one proposes and another approves.

use super::{
    Ask, Asked,
    args::{Most, time, wired},
    out::Out,
    sheet::{self, Cell, Sheet, Table},
    words::{self, done, word},
};
use crate::{
    cli::{Failure, target::Server},
    domain::Timestamp,
    proto::v1::{proposal::Change, propose_change_request::Change as Asking, *},
};

/// What a change is told that may be proposed.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Safety")]
pub(super) struct Propose {
    /// Propose it instead, for another to approve with `tplus proposal approve`. The proposal is known by the request id.
    #[arg(long, conflicts_with = "dry_run")]
    pub(super) propose: bool,
}

/// Proposes a change under its own request id, until its own latest time.
pub(super) async fn propose(change: Asking, server: &Server, out: &mut Out) -> Result<(), Failure> {
    let (request_id, not_after, change) = match change {
        Asking::DeductMargin(mut change) => {
            (change.request_id.clone(), change.not_after.take(), Asking::DeductMargin(change))
        }
        Asking::AdjustBalance(mut change) => {
            (change.request_id.clone(), change.not_after.take(), Asking::AdjustBalance(change))
        }
        Asking::SetPolicy(mut change) => {
            (change.request_id.clone(), change.not_after.take(), Asking::SetPolicy(change))
        }
    };
    let answer = server.ask(&ProposeChangeRequest { request_id, change: Some(change), not_after }).await?;
    out.answer::<ProposeChangeRequest>(&answer, |sheet| {
        show(sheet, answer.proposal.as_ref(), done(false, answer.replayed));
    })
}

/// What is told of a proposal that somebody names.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Show {
    /// The proposal: the request id with which it was made.
    #[arg(value_name = "PROPOSAL")]
    proposal: String,
}

impl Ask for Show {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let answer = server.ask(&GetProposalRequest { proposal_id: self.proposal.clone() }).await?;
        out.answer::<GetProposalRequest>(&answer, |sheet| show(sheet, answer.proposal.as_ref(), ""))
    }
}

/// What `tplus proposal approve` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Approve {
    /// The proposal: the request id with which it was made.
    #[arg(value_name = "PROPOSAL")]
    proposal: String,
    /// Refuse the command if the engine's time is past this.
    #[arg(long, value_name = "TIME", value_parser = time)]
    not_after: Option<Timestamp>,
}

impl Ask for Approve {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = ApproveProposalRequest { proposal_id: self.proposal.clone(), not_after: wired(self.not_after) };
        let answer = server.ask(&request).await?;
        out.answer::<ApproveProposalRequest>(&answer, |sheet| {
            show(sheet, answer.proposal.as_ref(), done(false, answer.replayed));
            sheet.gap();
            made(sheet, answer.result.as_ref());
        })
    }
}

/// What `tplus proposal reject` and `tplus proposal withdraw` are told.
#[derive(Debug, clap::Args)]
struct End {
    /// The proposal: the request id with which it was made.
    #[arg(value_name = "PROPOSAL")]
    proposal: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    /// Refuse the command if the engine's time is past this.
    #[arg(long, value_name = "TIME", value_parser = time)]
    not_after: Option<Timestamp>,
}

/// What `tplus proposal reject` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Reject {
    #[command(flatten)]
    end: End,
}

impl Ask for Reject {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let End { proposal, reason, not_after } = &self.end;
        let (proposal_id, reason, not_after) = (proposal.clone(), reason.clone(), wired(*not_after));
        let answer = server.ask(&RejectProposalRequest { proposal_id, reason, not_after }).await?;
        out.answer::<RejectProposalRequest>(&answer, |sheet| {
            show(sheet, answer.proposal.as_ref(), done(false, answer.replayed));
        })
    }
}

/// What `tplus proposal withdraw` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Withdraw {
    #[command(flatten)]
    end: End,
}

impl Ask for Withdraw {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let End { proposal, reason, not_after } = &self.end;
        let (proposal_id, reason, not_after) = (proposal.clone(), reason.clone(), wired(*not_after));
        let answer = server.ask(&WithdrawProposalRequest { proposal_id, reason, not_after }).await?;
        out.answer::<WithdrawProposalRequest>(&answer, |sheet| {
            show(sheet, answer.proposal.as_ref(), done(false, answer.replayed));
        })
    }
}

/// What `tplus proposal list` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    /// Only what is about this merchant.
    #[arg(value_name = "MERCHANT", default_value = "", hide_default_value = true)]
    merchant: String,
    /// Only proposals that stand like this.
    #[arg(long, value_name = "STATE", value_parser = words::parser::<ProposalState>())]
    state: Option<ProposalState>,
    #[command(flatten)]
    most: Most,
}

impl Ask for List {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = ListProposalsRequest {
            merchant_id: self.merchant.clone(),
            state: self.state.map_or(0, Into::into),
            ..ListProposalsRequest::default()
        };
        let mut table = Table::new(&["proposal", "state", "what", "proposed by", "expires", "ended by"]);
        let show = |out: &mut Out, proposals: &[Proposal]| {
            out.page::<ListProposalsRequest>(proposals, |sheet| {
                for proposal in proposals {
                    table.row([
                        Cell::text(&proposal.proposal_id),
                        Cell::text(&word::<ProposalState>(proposal.state)),
                        Cell::text(&what(proposal)),
                        Cell::text(&proposal.proposed_by),
                        Cell::time(proposal.expires_at),
                        Cell::text(if proposal.closed_by.is_empty() { "-" } else { &proposal.closed_by }),
                    ]);
                }
                sheet.table(&mut table);
            })
        };
        self.most.pages(server, out, request, show).await
    }
}

/// A change in some words.
fn what(proposal: &Proposal) -> String {
    match &proposal.change {
        Some(Change::DeductMargin(change)) => {
            format!("deduct {} from {}", sheet::amount(&change.amount), change.merchant_id)
        }
        Some(Change::AdjustBalance(change)) => {
            let way = if change.direction() == AdjustmentDirection::Debit { "debit" } else { "credit" };
            format!("{way} {} to {}", change.merchant_id, sheet::amount(&change.amount))
        }
        Some(Change::SetPolicy(change)) => {
            let from = change.effective_at.map_or("as soon as possible".to_owned(), |at| sheet::time(Some(at)));
            format!("another policy, {from}")
        }
        None => "something that this release does not know".to_owned(),
    }
}

/// Why the change is wanted.
fn why(proposal: &Proposal) -> String {
    match &proposal.change {
        Some(Change::DeductMargin(change)) if change.note.is_empty() => word::<DeductionReason>(change.reason),
        Some(Change::DeductMargin(change)) => {
            format!("{}: {}", word::<DeductionReason>(change.reason), change.note)
        }
        Some(Change::AdjustBalance(change)) => change.reason.clone(),
        Some(Change::SetPolicy(change)) => change.reason.clone(),
        None => String::new(),
    }
}

fn show(sheet: &mut Sheet, proposal: Option<&Proposal>, done: &str) {
    let Some(proposal) = proposal else { return };
    let state = word::<ProposalState>(proposal.state);
    sheet.title(&format!("proposal {}", proposal.proposal_id), &format!("{state} {done}"));
    sheet.row("what", what(proposal).as_str());
    sheet.row("why", why(proposal).as_str());
    sheet.row("proposed by", proposal.proposed_by.as_str());
    sheet.row("proposed", Cell::time(proposal.proposed_at));
    sheet.row("expires", Cell::time(proposal.expires_at));
    if !proposal.closed_by.is_empty() {
        sheet.row(&format!("{state} by"), proposal.closed_by.as_str());
        sheet.row(&state, Cell::time(proposal.closed_at));
    }
    if !proposal.reason.is_empty() {
        sheet.row("because", proposal.reason.as_str());
    }
}

/// What the change came to.
fn made(sheet: &mut Sheet, result: Option<&approve_proposal_response::Result>) {
    use approve_proposal_response::Result;
    match result {
        Some(Result::DeductMargin(answer)) => {
            super::disputes::split(sheet, &answer.split.clone().unwrap_or_default(), &answer.refilled);
        }
        Some(Result::AdjustBalance(answer)) => super::money::effect(sheet, answer.effect.as_ref()),
        Some(Result::SetPolicy(answer)) => {
            let version = answer.policy.clone().unwrap_or_default();
            sheet.row("version", Cell::number(version.version));
            sheet.row("in force from", Cell::time(version.effective_at));
        }
        None => {}
    }
}

/// What can be done with proposals.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// List proposals.
    List(Asked<List>),
    /// Show a proposal.
    Show(Asked<Show>),
    /// Approve what another has proposed: it is done at once.
    Approve(Asked<Approve>),
    /// Reject a proposal: nobody can approve it any more.
    Reject(Asked<Reject>),
    /// Withdraw a proposal of your own.
    Withdraw(Asked<Withdraw>),
}

super::dispatch!(Command { List, Show, Approve, Reject, Withdraw });
