//! Guarantees and what comes back of them.

use super::{
    Ask, Asked,
    args::{Listed, Once},
    out::Out,
    sheet::{self, Cell, Table},
    words::{self, done, word},
};
use crate::{
    cli::{Failure, paint::Tone, target::Server},
    domain::Money,
    proto::v1::*,
};

/// What `tplus guarantee set` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Set {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The guarantee, in whole dollars.
    #[arg(value_name = "DOLLARS", value_parser = clap::value_parser!(u64).range(..=Money::MAX_INPUT_DOLLARS))]
    dollars: u64,
    #[command(flatten)]
    once: Once,
}

impl Ask for Set {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let terms = self.once.terms(out)?;
        let request = ModifyGuaranteeRequest {
            merchant_id: self.merchant.clone(),
            guarantee: Some(self.dollars),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<ModifyGuaranteeRequest>(&answer, |sheet| {
            let (before, now) = (sheet::amount(&answer.previous_guarantee), sheet::amount(&answer.guarantee));
            let what = format!("guarantee {before} → {now} {}", done(terms.validate_only, answer.replayed));
            sheet.title(&self.merchant, &what);
            sheet.amount_if_any("taken from releasing", &answer.taken_from_releasing);
            sheet.amount_if_any("taken from available", &answer.taken_from_available);
            sheet.amount("frozen", &answer.frozen);
            sheet.row("gap", Cell::bad_amount(&answer.gap));
            sheet.amount("available", &answer.available);
            words::release(sheet, answer.release.as_ref());
            words::receipt(sheet, answer.receipt.as_ref());
        })
    }
}

/// What `tplus guarantee show` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Show {
    /// The merchants.
    #[arg(value_name = "MERCHANT", required = true)]
    merchants: Vec<String>,
}

impl Ask for Show {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = BatchGetGuaranteesRequest { merchant_ids: self.merchants.clone() };
        let answer = server.ask(&request).await?;
        out.answer::<BatchGetGuaranteesRequest>(&answer, |sheet| {
            let mut table = Table::new(&["merchant", "guarantee"]);
            for known in &answer.guarantees {
                table.row([Cell::text(&known.merchant_id), Cell::amount(&known.guarantee)]);
            }
            sheet.table(&mut table);
            for unknown in &answer.unknown_merchant_ids {
                sheet.say(Tone::Warn, &format!("{unknown} is not known"));
            }
        })
    }
}

/// What `tplus quote` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Quote {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The prices of the orders, in dollars.
    #[arg(value_name = "PRICE", required = true)]
    prices: Vec<String>,
}

impl Ask for Quote {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = QuoteGuaranteeRequest { merchant_id: self.merchant.clone(), prices: self.prices.clone() };
        let answer = server.ask(&request).await?;
        out.answer::<QuoteGuaranteeRequest>(&answer, |sheet| {
            match answer.guarantee {
                Some(dollars) => {
                    let dollars = sheet::amount(&dollars.to_string());
                    sheet.title(&self.merchant, &format!("a guarantee of {dollars} makes all of it T+2"));
                    sheet.noted("to be raised by", Cell::amount(&answer.raise), "");
                    sheet.noted("of which covered", Cell::amount(&answer.covered), "the rest would be a gap");
                }
                None => sheet.title(&self.merchant, "no guarantee makes all of it T+2"),
            }
            sheet.amount("orders", &answer.orders_total);
            sheet.noted("day total", Cell::amount(&answer.day_total), "so far");
            let note = format!("× {}, until {}", answer.multiple, sheet::time(answer.resets_at));
            sheet.noted("quota", Cell::amount(&answer.quota), &note);
            if !answer.obstacle.is_empty() {
                sheet.say(Tone::Warn, &answer.obstacle);
            }
        })
    }
}

/// What `tplus releases` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Releases {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// Only those that stand so.
    #[arg(long, value_name = "STATE", value_parser = words::parser::<ReleaseState>())]
    state: Option<ReleaseState>,
    #[command(flatten)]
    listed: Listed,
}

impl Ask for Releases {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = ListReleasesRequest {
            merchant_id: self.merchant.clone(),
            state: self.state.unwrap_or_default().into(),
            newest_first: self.listed.newest_first,
            ..ListReleasesRequest::default()
        };
        let mut table = Table::new(&["release", "amount", "of", "state", "due", "created", "ended"]);
        let show = |out: &mut Out, releases: &[ReleaseStatus]| {
            out.page::<ListReleasesRequest>(releases, |sheet| {
                for status in releases {
                    let release = status.release.clone().unwrap_or_default();
                    let held = if status.held { ", held" } else { "" };
                    table.row([
                        Cell::number(release.number),
                        Cell::amount(&release.amount),
                        Cell::amount(&status.original_amount),
                        Cell::text(&format!("{}{held}", word::<ReleaseState>(status.state))),
                        Cell::time(release.due_at),
                        Cell::time(release.created_at),
                        Cell::time(status.ended_at),
                    ]);
                }
                sheet.table(&mut table);
            })
        };
        self.listed.most.pages(server, out, request, show).await
    }
}

/// What can be done with guarantees.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Set the guarantee of a merchant; 0 gives it up.
    Set(Asked<Set>),
    /// Show guarantees as shoppers may see them, and nothing else.
    Show(Asked<Show>),
}

super::dispatch!(Command { Set, Show });

/// What has to do with guarantees.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Others {
    /// Tell the smallest guarantee with which orders of these prices would all be T+2 now.
    Quote(Asked<Quote>),
    /// List the money of a merchant that left its guarantee and is on its way back.
    Releases(Asked<Releases>),
}

super::dispatch!(Others { Quote, Releases });
