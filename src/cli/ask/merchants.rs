//! Merchants: how they stand, holds, categories, closing, what is at risk.

use std::time::Duration;

use super::{
    Ask, Asked,
    args::{Listed, Most, Once, wired_duration},
    out::Out,
    sheet::{self, Cell, Table},
    words::{self, done, word},
};
use crate::{
    cli::{Failure, paint::Tone, target::Server},
    proto::v1::*,
};

/// What `tplus merchants` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    /// Only those that stand so.
    #[arg(long, value_name = "STATE", value_parser = words::parser::<MerchantState>())]
    state: Option<MerchantState>,
    #[command(flatten)]
    most: Most,
}

impl Ask for List {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request =
            ListMerchantsRequest { state: self.state.unwrap_or_default().into(), ..ListMerchantsRequest::default() };
        let mut table = Table::new(&[
            "merchant",
            "state",
            "guarantee",
            "shortfall",
            "historical profit",
            "multiple",
            "holds",
            "appeals",
            "entries",
        ]);
        let show = |out: &mut Out, merchants: &[Merchant]| {
            out.page::<ListMerchantsRequest>(merchants, |sheet| {
                for merchant in merchants {
                    table.row([
                        Cell::text(&merchant.merchant_id),
                        Cell::text(&word::<MerchantState>(merchant.state)),
                        Cell::amount(&merchant.guarantee),
                        Cell::bad_amount(&merchant.shortfall),
                        Cell::amount(&merchant.historical_profit),
                        Cell::number(merchant.multiple),
                        Cell::number(merchant.holds),
                        Cell::number(merchant.open_appeals),
                        Cell::number(merchant.entries),
                    ]);
                }
                sheet.table(&mut table);
            })
        };
        self.most.pages(server, out, request, show).await
    }
}

/// What `tplus merchant show` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Show {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
}

impl Ask for Show {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = GetMerchantRequest { merchant_id: self.merchant.clone() };
        let answer = server.ask(&request).await?;
        out.answer::<GetMerchantRequest>(&answer, |sheet| {
            let merchant = answer.merchant.clone().unwrap_or_default();
            sheet.title(&merchant.merchant_id, &word::<MerchantState>(merchant.state));
            sheet.amount("guarantee", &merchant.guarantee);
            sheet.noted("required", Cell::amount(&merchant.required_guarantee), &merchant.categories.join(", "));
            sheet.row("shortfall", Cell::bad_amount(&merchant.shortfall));
            let multiple = format!("× {}", merchant.multiple);
            sheet.noted("historical profit", Cell::amount(&merchant.historical_profit), &multiple);
            sheet.row("holds", Cell::number(merchant.holds));
            sheet.row("open appeals", Cell::number(merchant.open_appeals));
            sheet.row("entries", Cell::number(merchant.entries));
        })
    }
}

/// What `tplus merchant categories` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Categories {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// All that it trades in; none takes all away.
    #[arg(value_name = "CATEGORY")]
    categories: Vec<String>,
    #[command(flatten)]
    once: Once,
}

impl Ask for Categories {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let terms = self.once.terms(out)?;
        let request = SetCategoriesRequest {
            merchant_id: self.merchant.clone(),
            categories: self.categories.clone(),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<SetCategoriesRequest>(&answer, |sheet| {
            let all = if self.categories.is_empty() { "nothing".to_owned() } else { self.categories.join(", ") };
            let done = done(terms.validate_only, answer.replayed);
            sheet.title(&self.merchant, &format!("trades in {all} {done}"));
            sheet.amount("required guarantee", &answer.required_guarantee);
            sheet.row("shortfall", Cell::bad_amount(&answer.shortfall));
        })
    }
}

/// What is told of a merchant that closes or reopens.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Why {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    once: Once,
}

/// What `tplus merchant close` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Close {
    #[command(flatten)]
    why: Why,
}

impl Ask for Close {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let Why { merchant, reason, once } = &self.why;
        let terms = once.terms(out)?;
        let request = CloseMerchantRequest {
            merchant_id: merchant.clone(),
            reason: reason.clone(),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<CloseMerchantRequest>(&answer, |sheet| {
            sheet.title(merchant, &format!("is closing {}", done(terms.validate_only, answer.replayed)));
            sheet.amount("guarantee before", &answer.previous_guarantee);
            words::release(sheet, answer.release.as_ref());
            sheet.say(Tone::Dim, "closed as soon as nothing is pending, releasing or owed and no appeal is open");
        })
    }
}

/// What `tplus merchant reopen` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Reopen {
    #[command(flatten)]
    why: Why,
}

impl Ask for Reopen {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let Why { merchant, reason, once } = &self.why;
        let terms = once.terms(out)?;
        let request = ReopenMerchantRequest {
            merchant_id: merchant.clone(),
            reason: reason.clone(),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<ReopenMerchantRequest>(&answer, |sheet| {
            let done = done(terms.validate_only, answer.replayed);
            sheet.title(merchant, &format!("is open again, with a guarantee of 0 {done}"));
        })
    }
}

/// What `tplus hold place` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Place {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// Why.
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,
    #[command(flatten)]
    once: Once,
}

impl Ask for Place {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let terms = self.once.terms(out)?;
        let request = PlaceHoldRequest {
            merchant_id: self.merchant.clone(),
            reason: self.reason.clone(),
            request_id: terms.request_id.clone(),
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<PlaceHoldRequest>(&answer, |sheet| {
            sheet.title(&self.merchant, &format!("is held {}", done(terms.validate_only, answer.replayed)));
            terms.name(sheet, "hold");
            sheet.row("since", Cell::time(answer.placed_at));
        })
    }
}

/// What `tplus hold lift` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Lift {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The hold: the request id with which it was placed.
    #[arg(value_name = "HOLD")]
    hold: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    once: Once,
}

impl Ask for Lift {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let terms = self.once.terms(out)?;
        let request = LiftHoldRequest {
            merchant_id: self.merchant.clone(),
            hold_id: self.hold.clone(),
            reason: self.reason.clone(),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<LiftHoldRequest>(&answer, |sheet| {
            let done = done(terms.validate_only, answer.replayed);
            sheet.title(&self.merchant, &format!("hold {} is lifted {done}", self.hold));
            sheet.row("lifted", Cell::time(answer.lifted_at));
        })
    }
}

/// What `tplus holds` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ListHolds {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// Only those that stand.
    #[arg(long)]
    standing: bool,
    #[command(flatten)]
    listed: Listed,
}

impl Ask for ListHolds {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = ListHoldsRequest {
            merchant_id: self.merchant.clone(),
            standing_only: self.standing,
            newest_first: self.listed.newest_first,
            ..ListHoldsRequest::default()
        };
        let mut table = Table::new(&["hold", "placed", "lifted", "why", "why lifted"]);
        let show = |out: &mut Out, holds: &[Hold]| {
            out.page::<ListHoldsRequest>(holds, |sheet| {
                for hold in holds {
                    table.row([
                        Cell::text(&hold.hold_id),
                        Cell::time(hold.placed_at),
                        Cell::time(hold.lifted_at),
                        Cell::text(&hold.reason),
                        Cell::text(&hold.lift_reason),
                    ]);
                }
                sheet.table(&mut table);
            })
        };
        self.listed.most.pages(server, out, request, show).await
    }
}

/// What `tplus exposure` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Exposures {
    /// Only this merchant.
    #[arg(value_name = "MERCHANT", default_value = "", hide_default_value = true)]
    merchant: String,
    /// How long after its completion an order may be disputed; 30 days if nothing is said.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    window: Option<Duration>,
    /// How many of the worst merchants to name, up to 1,000; 20 if nothing is said.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    worst: u16,
}

impl Ask for Exposures {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = GetExposureRequest {
            dispute_window: self.window.map(wired_duration),
            worst: self.worst.into(),
            merchant_id: self.merchant.clone(),
        };
        let answer = server.ask(&request).await?;
        out.answer::<GetExposureRequest>(&answer, |sheet| {
            let what = format!("orders completed from {} on, settled on T+2", answer.from_day);
            sheet.title(&format!("as of {}", sheet::time(answer.as_of)), &what);
            let total = answer.total.clone().unwrap_or_default();
            sheet.noted(
                "settled on T+2",
                Cell::amount(&total.quick_settled),
                &sheet::counted(answer.merchants, "merchant"),
            );
            sheet.noted("covered by", Cell::amount(&total.covered_by), "what is frozen and releasing of them");
            sheet.row("uncovered", Cell::bad_amount(&total.uncovered));
            if !answer.worst.is_empty() {
                sheet.gap();
                let mut table = Table::new(&["merchant", "settled on T+2", "covered by", "uncovered"]);
                for merchant in &answer.worst {
                    let exposure = merchant.exposure.clone().unwrap_or_default();
                    table.row([
                        Cell::text(&merchant.merchant_id),
                        Cell::amount(&exposure.quick_settled),
                        Cell::amount(&exposure.covered_by),
                        Cell::bad_amount(&exposure.uncovered),
                    ]);
                }
                sheet.table(&mut table);
            }
        })
    }
}

/// What can be asked of all merchants.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// List merchants, each as it stands now.
    Merchants(Asked<List>),
    /// List the holds of a merchant.
    Holds(Asked<ListHolds>),
    /// Show money settled on T+2 that may still be disputed, against what stands behind it.
    Exposure(Asked<Exposures>),
}

super::dispatch!(Command { Merchants, Holds, Exposure });

/// What can be done with a merchant.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum One {
    /// Show how a merchant stands.
    Show(Asked<Show>),
    /// Set all categories that a merchant trades in.
    Categories(Asked<Categories>),
    /// Let a merchant go, as soon as nothing is open.
    Close(Asked<Close>),
    /// Take back a merchant that is closing or closed.
    Reopen(Asked<Reopen>),
}

super::dispatch!(One { Show, Categories, Close, Reopen });

/// What can be done with holds.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Holds {
    /// Hold a merchant: releases wait and withdrawals are refused.
    Place(Asked<Place>),
    /// Lift a hold; lifting the last completes the releases that waited.
    Lift(Asked<Lift>),
}

super::dispatch!(Holds { Place, Lift });
