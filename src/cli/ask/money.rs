//! Balances, and money in and out.

use super::{
    Ask, Asked,
    args::{Once, time, wired},
    out::Out,
    proposals::{Propose, propose},
    sheet::{self, Cell, Sheet, Table},
    words::{self, cycle, done, word},
};
use crate::{
    cli::{Failure, paint::Tone, target::Server},
    domain::Timestamp,
    proto::v1::{adjust_balance_response::Effect, propose_change_request::Change, *},
};

/// What `tplus margin` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Margin {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// As it was at this past time, by what had been recorded then.
    #[arg(long, value_name = "TIME", value_parser = time)]
    as_of: Option<Timestamp>,
    /// With --as-of: by what counts up to then, whenever it was recorded.
    #[arg(long, requires = "as_of")]
    effective: bool,
}

impl Ask for Margin {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let clock = wired(self.as_of)
            .map(|at| if self.effective { as_of::Clock::EffectiveAt(at) } else { as_of::Clock::RecordedAt(at) });
        let request = GetMarginRequest {
            merchant_id: self.merchant.clone(),
            as_of: clock.map(|clock| AsOf { clock: Some(clock) }),
        };
        let margin = server.ask(&request).await?;
        out.answer::<GetMarginRequest>(&margin, |sheet| balances(sheet, &margin))
    }
}

fn balances(sheet: &mut Sheet, margin: &GetMarginResponse) {
    let since = |at: Option<prost_types::Timestamp>| {
        if at.is_none() { String::new() } else { format!("since {}", sheet::time(at)) }
    };
    let state = word::<MerchantState>(margin.state);
    sheet.title(&margin.merchant_id, &format!("{state}, as of {}", sheet::time(margin.as_of)));
    sheet.gap();
    let categories = margin.categories.join(", ");
    sheet.noted("guarantee", Cell::amount(&margin.guarantee), &categories);
    sheet.amount("frozen", &margin.frozen);
    sheet.noted("gap", Cell::bad_amount(&margin.gap), &since(margin.gap_since));
    if !sheet::is_nothing(&margin.shortfall) {
        let note = format!("policy wants {}", sheet::amount(&margin.required_guarantee));
        sheet.noted("shortfall", Cell::bad_amount(&margin.shortfall), &note);
    }
    let first = margin.releasing.first().map(|release| next(margin.releasing.len(), release.due_at));
    sheet.noted("releasing", Cell::amount(&margin.releasing_total), &first.unwrap_or_default());
    sheet.amount("available", &margin.available);
    let first = margin.pending.first();
    let first = first.map(|due| format!("{}, {}", next(margin.pending.len(), due.settles_at), cycle(due.cycle())));
    sheet.noted("pending", Cell::amount(&margin.pending_total), &first.unwrap_or_default());
    sheet.noted("debt", Cell::bad_amount(&margin.debt), &since(margin.debt_since));
    sheet.gap();
    let more = margin.next_multiple.as_ref();
    let more = more.map(|next| format!("; {} more for × {}", sheet::amount(&next.missing), next.multiple));
    let note = format!("× {}{}", margin.multiple, more.unwrap_or_default());
    sheet.noted("historical profit", Cell::amount(&margin.historical_profit), &note);
    let quota = margin.quota.clone().unwrap_or_default();
    sheet.noted("quota today", Cell::amount(&quota.limit), &format!("policy {}", quota.policy_version));
    sheet.noted("used", Cell::amount(&quota.used_all), &format!("{} of it T+2", sheet::amount(&quota.used_quick)));
    sheet.noted("left", Cell::amount(&quota.remaining), &format!("until {}", sheet::time(quota.resets_at)));
    for hold in &margin.holds {
        sheet.say(Tone::Warn, &format!("held since {} ({})", sheet::time(hold.placed_at), hold.hold_id));
    }
    if let Some(clean) = &margin.clean_record {
        let from = clean.possible_from.map(|from| format!("from {} on", sheet::time(Some(from))));
        let appeals = if clean.open_appeals > 0 { ", once no appeal is open" } else { "" };
        sheet.say(Tone::Dim, &format!("may be lowered {}{appeals}", from.unwrap_or_else(|| "now".to_owned())));
    }
}

fn next(count: usize, at: Option<prost_types::Timestamp>) -> String {
    let at = sheet::time(at);
    if count == 1 { format!("on {at}") } else { format!("first of {count} on {at}") }
}

/// What `tplus forecast` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Forecast {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
}

impl Ask for Forecast {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = GetCashForecastRequest { merchant_id: self.merchant.clone() };
        let answer = server.ask(&request).await?;
        out.answer::<GetCashForecastRequest>(&answer, |sheet| {
            let available = sheet::amount(&answer.available);
            sheet.title(&answer.merchant_id, &format!("{available} available at {}", sheet::time(answer.as_of)));
            let mut table = Table::new(&["due", "what", "amount", "to debt", "into the gap", "available then"]);
            for item in &answer.items {
                let income = item.income.clone().unwrap_or_default();
                table.row([
                    Cell::time(item.due_at),
                    Cell::text(&word::<EntryKind>(item.kind)),
                    Cell::amount(&item.amount),
                    Cell::amount(&income.to_debt),
                    Cell::amount(&income.to_gap),
                    Cell::amount(&item.available),
                ]);
            }
            sheet.table(&mut table);
            if !sheet::is_nothing(&answer.held) {
                let held = sheet::amount(&answer.held);
                sheet.say(Tone::Warn, &format!("{held} more come back when the holds are lifted"));
            }
        })
    }
}

/// What a command is told that moves an amount, known elsewhere by another name.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Amount {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// How much, in dollars.
    #[arg(value_name = "AMOUNT")]
    amount: String,
    /// What it is called elsewhere.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reference: String,
    #[command(flatten)]
    once: Once,
}

/// What `tplus pay` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Pay {
    #[command(flatten)]
    payment: Amount,
}

impl Ask for Pay {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let Amount { merchant, amount, reference, once } = &self.payment;
        let terms = once.terms(out)?;
        let request = PayMarginRequest {
            merchant_id: merchant.clone(),
            amount: amount.clone(),
            reference: reference.clone(),
            request_id: terms.request_id.clone(),
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<PayMarginRequest>(&answer, |sheet| {
            let paid = format!("{} paid in {}", sheet::typed(amount), done(terms.validate_only, answer.replayed));
            sheet.title(merchant, &paid);
            terms.name(sheet, "payment");
            words::income(sheet, answer.income.as_ref());
        })
    }
}

/// What `tplus withdraw` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Withdraw {
    #[command(flatten)]
    withdrawal: Amount,
}

impl Ask for Withdraw {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let Amount { merchant, amount, reference, once } = &self.withdrawal;
        let terms = once.terms(out)?;
        let request = WithdrawRequest {
            merchant_id: merchant.clone(),
            amount: amount.clone(),
            reference: reference.clone(),
            request_id: terms.request_id.clone(),
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<WithdrawRequest>(&answer, |sheet| {
            let paid = format!("{} paid out {}", sheet::typed(amount), done(terms.validate_only, answer.replayed));
            sheet.title(merchant, &paid);
            terms.name(sheet, "withdrawal");
            sheet.amount("available", &answer.available);
        })
    }
}

/// What a command is told that takes back what another did.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Back {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The payment or withdrawal: the request id with which it was made.
    #[arg(value_name = "ID")]
    id: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    once: Once,
}

/// What `tplus return-payment` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ReturnPayment {
    #[command(flatten)]
    payment: Back,
}

impl Ask for ReturnPayment {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let Back { merchant, id, reason, once } = &self.payment;
        let terms = once.terms(out)?;
        let request = ReturnPaymentRequest {
            merchant_id: merchant.clone(),
            payment_id: id.clone(),
            reason: reason.clone(),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<ReturnPaymentRequest>(&answer, |sheet| {
            let amount = sheet::amount(&answer.amount);
            let what = format!("payment {id} of {amount} returned {}", done(terms.validate_only, answer.replayed));
            sheet.title(merchant, &what);
            words::charge(sheet, answer.charge.as_ref());
        })
    }
}

/// What `tplus fail-withdrawal` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct FailWithdrawal {
    #[command(flatten)]
    withdrawal: Back,
}

impl Ask for FailWithdrawal {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let Back { merchant, id, reason, once } = &self.withdrawal;
        let terms = once.terms(out)?;
        let request = FailWithdrawalRequest {
            merchant_id: merchant.clone(),
            withdrawal_id: id.clone(),
            reason: reason.clone(),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<FailWithdrawalRequest>(&answer, |sheet| {
            let amount = sheet::amount(&answer.amount);
            let what = format!("withdrawal {id} of {amount} came back {}", done(terms.validate_only, answer.replayed));
            sheet.title(merchant, &what);
            words::income(sheet, answer.income.as_ref());
        })
    }
}

/// What `tplus credit` and `tplus debit` are told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Adjustment {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// How much, in dollars.
    #[arg(value_name = "AMOUNT")]
    amount: String,
    /// Why.
    #[arg(long, value_name = "TEXT", required = true)]
    reason: String,
    /// What it is called elsewhere.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reference: String,
    #[command(flatten)]
    once: Once,
    #[command(flatten)]
    instead: Propose,
}

impl Adjustment {
    async fn adjust(&self, way: AdjustmentDirection, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let terms = self.once.terms(out)?;
        let request = AdjustBalanceRequest {
            merchant_id: self.merchant.clone(),
            direction: way.into(),
            amount: self.amount.clone(),
            reason: self.reason.clone(),
            reference: self.reference.clone(),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        if self.instead.propose {
            return propose(Change::AdjustBalance(request), server, out).await;
        }
        let answer = server.ask(&request).await?;
        out.answer::<AdjustBalanceRequest>(&answer, |sheet| {
            let way = if way == AdjustmentDirection::Credit { "credited" } else { "debited" };
            let amount = sheet::typed(&self.amount);
            sheet.title(&self.merchant, &format!("{amount} {way} {}", done(terms.validate_only, answer.replayed)));
            effect(sheet, answer.effect.as_ref());
        })
    }
}

/// Where a credit went, or a debit came from.
pub(super) fn effect(sheet: &mut Sheet, effect: Option<&Effect>) {
    match effect {
        Some(Effect::Income(income)) => words::income(sheet, Some(income)),
        Some(Effect::Charge(charge)) => words::charge(sheet, Some(charge)),
        None => {}
    }
}

/// What `tplus credit` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Credit {
    #[command(flatten)]
    adjustment: Adjustment,
}

impl Ask for Credit {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        self.adjustment.adjust(AdjustmentDirection::Credit, server, out).await
    }
}

/// What `tplus debit` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Debit {
    #[command(flatten)]
    adjustment: Adjustment,
}

impl Ask for Debit {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        self.adjustment.adjust(AdjustmentDirection::Debit, server, out).await
    }
}

/// What can be done with money.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Show all balances of a merchant and the quota of the day, now or as of a past time.
    Margin(Asked<Margin>),
    /// Tell what becomes available when, if nothing else happens.
    Forecast(Asked<Forecast>),
    /// Take a payment of a merchant in: debt first, then the gap, then available.
    Pay(Asked<Pay>),
    /// Take back a payment that did not hold, once and in full.
    ReturnPayment(Asked<ReturnPayment>),
    /// Pay out what is available.
    Withdraw(Asked<Withdraw>),
    /// Bring back a withdrawal that did not arrive, once and in full.
    FailWithdrawal(Asked<FailWithdrawal>),
    /// Give money to a merchant, as an operator with a reason; writes off debts.
    Credit(Asked<Credit>),
    /// Take money from a merchant, as an operator with a reason.
    Debit(Asked<Debit>),
}

super::dispatch!(Command { Margin, Forecast, Pay, ReturnPayment, Withdraw, FailWithdrawal, Credit, Debit });
