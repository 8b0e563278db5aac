//! Deductions and appeals.

use super::{
    Ask, Asked,
    args::{Listed, Once},
    out::Out,
    proposals::{Propose, propose},
    sheet::{self, Cell, Sheet, Table},
    words::{self, Word as _, done, word},
};
use crate::{
    cli::{Failure, target::Server},
    proto::v1::{deduct_margin_request, deduction, propose_change_request::Change, *},
};

/// What `tplus deduct` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Deduct {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// How much, in dollars.
    #[arg(value_name = "AMOUNT")]
    amount: String,
    /// Why.
    #[arg(long, value_name = "REASON", value_parser = words::parser::<DeductionReason>())]
    reason: DeductionReason,
    #[command(flatten)]
    about: About,
    /// Who gets it.
    #[arg(long, value_name = "WHOM", value_parser = words::parser::<Beneficiary>())]
    to: Beneficiary,
    /// More about it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    instead: Propose,
}

/// What a deduction is about.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct About {
    /// The order that it is about.
    #[arg(long, value_name = "ORDER")]
    order: Option<String>,
    /// The dispute that it is about, as it is called elsewhere.
    #[arg(long, value_name = "TEXT")]
    dispute: Option<String>,
}

impl Ask for Deduct {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        use deduct_margin_request::Reference;
        let terms = self.once.terms(out)?;
        let About { order, dispute } = &self.about;
        let request = DeductMarginRequest {
            merchant_id: self.merchant.clone(),
            amount: self.amount.clone(),
            reason: self.reason.into(),
            reference: order.clone().map(Reference::OrderId).or(dispute.clone().map(Reference::Dispute)),
            beneficiary: self.to.into(),
            note: self.note.clone(),
            request_id: terms.request_id.clone(),
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        if self.instead.propose {
            return propose(Change::DeductMargin(request), server, out).await;
        }
        let answer = server.ask(&request).await?;
        out.answer::<DeductMarginRequest>(&answer, |sheet| {
            let (amount, whom) = (sheet::typed(&self.amount), self.to.word());
            let what = format!("{amount} deducted for the {whom} {}", done(terms.validate_only, answer.replayed));
            sheet.title(&self.merchant, &what);
            terms.name(sheet, "deduction");
            sheet.row("appeal until", Cell::time(answer.appeal_until));
            sheet.gap();
            split(sheet, &answer.split.clone().unwrap_or_default(), &answer.refilled);
        })
    }
}

/// Where a deduction came from, in this order.
pub(super) fn split(sheet: &mut Sheet, split: &DeductionSplit, refilled: &str) {
    sheet.amount("from releasing", &split.from_releasing);
    sheet.amount("from frozen", &split.from_frozen);
    sheet.amount("from available", &split.from_available);
    sheet.row("now owed", Cell::bad_amount(&split.to_debt));
    if !sheet::is_nothing(refilled) {
        sheet.noted("refilled", Cell::amount(refilled), "the gap, at once, from what was available");
    }
}

/// What `tplus deductions` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    #[command(flatten)]
    listed: Listed,
}

impl Ask for List {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = ListDeductionsRequest {
            merchant_id: self.merchant.clone(),
            newest_first: self.listed.newest_first,
            ..ListDeductionsRequest::default()
        };
        let mut table = Table::new(&[
            "deduction",
            "amount",
            "overturned",
            "why",
            "for",
            "about",
            "deducted",
            "appeal until",
            "appeal",
        ]);
        let show = |out: &mut Out, deductions: &[Deduction]| {
            out.page::<ListDeductionsRequest>(deductions, |sheet| {
                deductions.iter().for_each(|deduction| table.row(row(deduction)));
                sheet.table(&mut table);
            })
        };
        self.listed.most.pages(server, out, request, show).await
    }
}

fn row(of: &Deduction) -> [Cell; 9] {
    let about = match &of.reference {
        Some(deduction::Reference::OrderId(order)) => format!("order {order}"),
        Some(deduction::Reference::Dispute(dispute)) => dispute.clone(),
        None => String::new(),
    };
    let appeal = if of.appeal() == AppealState::Unspecified { "-".into() } else { word::<AppealState>(of.appeal) };
    [
        Cell::text(&of.deduction_id),
        Cell::amount(&of.amount),
        Cell::amount(&of.overturned),
        Cell::text(&word::<DeductionReason>(of.reason)),
        Cell::text(&word::<Beneficiary>(of.beneficiary)),
        Cell::text(&about),
        Cell::time(of.deducted_at),
        Cell::time(of.appeal_until),
        Cell::text(&appeal),
    ]
}

/// What `tplus appeal open` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Open {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The deduction: the request id with which it was made.
    #[arg(value_name = "DEDUCTION")]
    deduction: String,
    /// What the merchant says.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    statement: String,
    #[command(flatten)]
    once: Once,
}

impl Ask for Open {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let terms = self.once.terms(out)?;
        let request = OpenAppealRequest {
            merchant_id: self.merchant.clone(),
            deduction_id: self.deduction.clone(),
            statement: self.statement.clone(),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<OpenAppealRequest>(&answer, |sheet| {
            let done = done(terms.validate_only, answer.replayed);
            sheet.title(&self.merchant, &format!("appeal against {} is open {done}", self.deduction));
            sheet.row("opened", Cell::time(answer.opened_at));
        })
    }
}

/// What `tplus appeal resolve` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Resolve {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The deduction: the request id with which it was made.
    #[arg(value_name = "DEDUCTION")]
    deduction: String,
    /// What becomes of it.
    #[arg(value_name = "OUTCOME", value_parser = words::parser::<AppealOutcome>())]
    outcome: AppealOutcome,
    /// What of it is overturned, in dollars; all of it if nothing is said.
    #[arg(long, value_name = "AMOUNT", default_value = "", hide_default_value = true)]
    amount: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    once: Once,
}

impl Ask for Resolve {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let terms = self.once.terms(out)?;
        let request = ResolveAppealRequest {
            merchant_id: self.merchant.clone(),
            deduction_id: self.deduction.clone(),
            outcome: self.outcome.into(),
            amount: self.amount.clone(),
            reason: self.reason.clone(),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<ResolveAppealRequest>(&answer, |sheet| {
            let (outcome, done) = (self.outcome.word(), done(terms.validate_only, answer.replayed));
            sheet.title(&self.merchant, &format!("deduction {} is {outcome} {done}", self.deduction));
            sheet.amount_if_any("overturned", &answer.overturned);
            words::income(sheet, answer.income.as_ref());
            sheet.row("resolved", Cell::time(answer.resolved_at));
        })
    }
}

/// What `tplus appeals` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ListAppeals {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// Only those that stand so.
    #[arg(long, value_name = "STATE", value_parser = words::parser::<AppealState>())]
    state: Option<AppealState>,
    #[command(flatten)]
    listed: Listed,
}

impl Ask for ListAppeals {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = ListAppealsRequest {
            merchant_id: self.merchant.clone(),
            state: self.state.unwrap_or_default().into(),
            newest_first: self.listed.newest_first,
            ..ListAppealsRequest::default()
        };
        let mut table =
            Table::new(&["deduction", "state", "deducted", "overturned", "opened", "resolved", "statement", "why"]);
        let show = |out: &mut Out, appeals: &[Appeal]| {
            out.page::<ListAppealsRequest>(appeals, |sheet| {
                for appeal in appeals {
                    table.row([
                        Cell::text(&appeal.deduction_id),
                        Cell::text(&word::<AppealState>(appeal.state)),
                        Cell::amount(&appeal.deducted),
                        Cell::amount(&appeal.overturned),
                        Cell::time(appeal.opened_at),
                        Cell::time(appeal.resolved_at),
                        Cell::text(&appeal.statement),
                        Cell::text(&appeal.reason),
                    ]);
                }
                sheet.table(&mut table);
            })
        };
        self.listed.most.pages(server, out, request, show).await
    }
}

/// What can be done about violations and disputes.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Take money from a merchant for a violation or a dispute.
    Deduct(Asked<Deduct>),
    /// List the deductions of a merchant and how they stand.
    Deductions(Asked<List>),
    /// List the appeals of a merchant.
    Appeals(Asked<ListAppeals>),
}

super::dispatch!(Command { Deduct, Deductions, Appeals });

/// What can be done with an appeal.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Appeals {
    /// Open an appeal against a deduction: once, within the time that policy gives.
    Open(Asked<Open>),
    /// Resolve an open appeal: the deduction is upheld, or overturned in part or in full.
    Resolve(Asked<Resolve>),
}

super::dispatch!(Appeals { Open, Resolve });
