//! What was: entries, statements, the trial balance.

use super::{
    Ask, Asked,
    args::{Listed, time, wired},
    out::Out,
    sheet::{self, Cell, Sheet, Table},
    words::{self, cycle, word},
};
use crate::{
    cli::{Failure, paint::Tone, target::Server},
    domain::Timestamp,
    proto::v1::*,
};

/// What `tplus entries` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Entries {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// Only entries of this kind; can be given several times.
    #[arg(long = "kind", value_name = "KIND", value_parser = words::parser::<EntryKind>(), hide_possible_values = true)]
    kinds: Vec<EntryKind>,
    /// Only entries that count from this time or later.
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<Timestamp>,
    /// Only entries that count from before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<Timestamp>,
    #[command(flatten)]
    listed: Listed,
}

impl Ask for Entries {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = ListMarginEntriesRequest {
            merchant_id: self.merchant.clone(),
            kinds: self.kinds.iter().map(|kind| (*kind).into()).collect(),
            from: wired(self.from),
            to: wired(self.to),
            newest_first: self.listed.newest_first,
            ..ListMarginEntriesRequest::default()
        };
        let mut table = Table::new(&[
            "no",
            "counts from",
            "what",
            "amount",
            "guarantee",
            "frozen",
            "releasing",
            "available",
            "pending",
            "debt",
            "about",
        ]);
        let show = |out: &mut Out, entries: &[MarginEntry]| {
            out.page::<ListMarginEntriesRequest>(entries, |sheet| {
                entries.iter().for_each(|entry| table.row(row(entry)));
                sheet.table(&mut table);
            })
        };
        self.listed.most.pages(server, out, request, show).await
    }
}

fn row(entry: &MarginEntry) -> [Cell; 11] {
    let balances = entry.balances.clone().unwrap_or_default();
    [
        Cell::number(entry.number),
        Cell::time(entry.effective_at),
        Cell::text(&what(entry)),
        Cell::amount(&entry.amount),
        Cell::amount(&balances.guarantee),
        Cell::amount(&balances.frozen),
        Cell::amount(&balances.releasing),
        Cell::amount(&balances.available),
        Cell::amount(&balances.pending),
        Cell::bad_amount(&balances.debt),
        Cell::text(if entry.subject_id.is_empty() { &entry.request_id } else { &entry.subject_id }),
    ]
}

/// The kind of an entry, and of a warning what it is about.
pub(super) fn what(entry: &MarginEntry) -> String {
    match entry.warning() {
        WarningKind::Unspecified => word::<EntryKind>(entry.kind),
        warning => format!("{}: {}", word::<EntryKind>(entry.kind), word::<WarningKind>(warning.into())),
    }
}

/// What `tplus entry` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct One {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The number of the entry.
    #[arg(value_name = "NUMBER")]
    number: u64,
}

impl Ask for One {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = GetMarginEntryRequest { merchant_id: self.merchant.clone(), number: self.number };
        let answer = server.ask(&request).await?;
        out.answer::<GetMarginEntryRequest>(&answer, |sheet| entry(sheet, &answer.entry.clone().unwrap_or_default()))
    }
}

fn entry(sheet: &mut Sheet, entry: &MarginEntry) {
    let title = format!("{} {}", what(entry), sheet::amount(&entry.amount));
    sheet.title(&format!("entry {} of {}", entry.number, entry.merchant_id), &title);
    sheet.row("counts from", Cell::time(entry.effective_at));
    sheet.row("recorded", Cell::time(entry.recorded_at));
    sheet.text_if_any("about", &entry.subject_id);
    sheet.text_if_any("request", &entry.request_id);
    sheet.text_if_any("asked for by", &entry.caller);
    sheet.text_if_any("called elsewhere", &entry.reference);
    sheet.text_if_any("text", &entry.text);
    if let Some(split) = &entry.split {
        sheet.gap();
        super::disputes::split(sheet, split, &entry.refilled);
    }
    sheet.gap();
    let balances = entry.balances.clone().unwrap_or_default();
    sheet.noted("guarantee", Cell::amount(&balances.guarantee), "after it");
    sheet.amount("frozen", &balances.frozen);
    sheet.row("gap", Cell::bad_amount(&balances.gap));
    sheet.amount("releasing", &balances.releasing);
    sheet.amount("available", &balances.available);
    sheet.amount("pending", &balances.pending);
    sheet.row("debt", Cell::bad_amount(&balances.debt));
    sheet.amount("historical profit", &balances.historical_profit);
    if entry.receipt.is_some() {
        sheet.gap();
        words::receipt(sheet, entry.receipt.as_ref());
    }
}

/// What `tplus statement` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Statement {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The settlement date, as 2026-01-31.
    #[arg(value_name = "DATE")]
    date: String,
}

impl Ask for Statement {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let mut request = GetSettlementStatementRequest {
            merchant_id: self.merchant.clone(),
            date: self.date.clone(),
            page_size: 1_000,
            ..GetSettlementStatementRequest::default()
        };
        let (mut table, mut first) = (super::orders::table(), true);
        loop {
            let answer = server.ask(&request).await?;
            out.answer::<GetSettlementStatementRequest>(&answer, |sheet| {
                if first {
                    lines(sheet, &answer);
                }
                answer.orders.iter().for_each(|order| table.row(super::orders::row(order)));
                sheet.table(&mut table);
            })?;
            if answer.next_page_token.is_empty() || out.is_unread() {
                return Ok(());
            }
            (request.page_token, first) = (answer.next_page_token, false);
        }
    }
}

fn lines(sheet: &mut Sheet, statement: &GetSettlementStatementResponse) {
    sheet.title(&statement.merchant_id, &format!("settlement date {}", statement.date));
    let settled = sheet::counted(statement.orders_settled, "order");
    sheet.noted("settled", Cell::amount(&statement.profit_settled), &settled);
    sheet.amount_if_any("still to settle", &statement.profit_pending);
    if !statement.lines.is_empty() {
        sheet.gap();
        let mut table = Table::new(&[
            "cycle",
            "completed on",
            "orders",
            "profit",
            "to debt",
            "into the gap",
            "made available",
            "settled",
            "entry",
        ]);
        for line in &statement.lines {
            let income = line.income.clone().unwrap_or_default();
            table.row([
                Cell::text(cycle(line.cycle())),
                Cell::text(&sheet::day(line.completed_day)),
                Cell::number(line.orders),
                Cell::amount(&line.profit),
                Cell::amount(&income.to_debt),
                Cell::amount(&income.to_gap),
                Cell::amount(&income.to_available),
                Cell::time(line.settled_at),
                Cell::number(line.entry),
            ]);
        }
        sheet.table(&mut table);
    }
    if !statement.orders.is_empty() {
        sheet.gap();
    }
}

/// What `tplus trial-balance` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct TrialBalance {
    /// The settlement day, as 2026-01-31; the current one if nothing is said.
    #[arg(value_name = "DAY", default_value = "", hide_default_value = true)]
    day: String,
    /// The clock by which facts belong to days.
    #[arg(long, value_name = "CLOCK", value_parser = words::parser::<FactClock>())]
    clock: Option<FactClock>,
}

impl Ask for TrialBalance {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = GetTrialBalanceRequest { day: self.day.clone(), clock: self.clock.unwrap_or_default().into() };
        let answer = server.ask(&request).await?;
        out.answer::<GetTrialBalanceRequest>(&answer, |sheet| trial_balance(sheet, &answer))
    }
}

fn trial_balance(sheet: &mut Sheet, answer: &GetTrialBalanceResponse) {
    sheet.title(&format!("settlement day {}", answer.day), &sheet::counted(answer.merchants, "merchant"));
    let (opening, closing) = (answer.opening.clone().unwrap_or_default(), answer.closing.clone().unwrap_or_default());
    let mut table = Table::new(&["balance", "opening", "closing"]);
    for (name, of) in balances() {
        table.row([Cell::text(name), Cell::amount(of(&opening)), Cell::amount(of(&closing))]);
    }
    sheet.table(&mut table);
    sheet.gap();
    let (day, ever) = (answer.flows.clone().unwrap_or_default(), answer.flows_to_date.clone().unwrap_or_default());
    let mut table = Table::new(&["flow", "in the day", "up to its end"]);
    for (name, of) in flows() {
        table.row([Cell::text(name), Cell::amount(of(&day)), Cell::amount(of(&ever))]);
    }
    sheet.table(&mut table);
    sheet.gap();
    let tone = if sheet::is_nothing(&answer.difference) { Tone::Good } else { Tone::Bad };
    sheet.noted(
        "difference",
        Cell::amount(&answer.difference).toned(tone),
        "what came in less what went out less what is held",
    );
}

type Of<T> = fn(&T) -> &str;

fn balances() -> [(&'static str, Of<BalanceTotals>); 6] {
    [
        ("frozen", |of| &of.frozen),
        ("releasing", |of| &of.releasing),
        ("available", |of| &of.available),
        ("debt", |of| &of.debt),
        ("held for merchants", |of| &of.held),
        ("pending (nobody's yet)", |of| &of.pending),
    ]
}

fn flows() -> [(&'static str, Of<Lifetime>); 11] {
    [
        ("+ settled", |of| &of.settled),
        ("+ imported", |of| &of.imported),
        ("+ paid in", |of| &of.paid_in),
        ("+ credited", |of| &of.credited),
        ("+ withdrawals that failed", |of| &of.withdrawals_failed),
        ("+ overturned", |of| &of.overturned),
        ("- withdrawn", |of| &of.withdrawn),
        ("- deducted", |of| &of.deducted),
        ("- reversed", |of| &of.reversed),
        ("- payments returned", |of| &of.payments_returned),
        ("- debited", |of| &of.debited),
    ]
}

/// What can be looked up.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// List what happened to a merchant, each with the balances after it.
    Entries(Asked<Entries>),
    /// Show one entry with everything that is recorded about it.
    Entry(Asked<One>),
    /// Show what settled for a merchant on a date, and the orders that did.
    Statement(Asked<Statement>),
    /// Add up all merchants for a settlement day; the difference is always zero.
    TrialBalance(Asked<TrialBalance>),
}

super::dispatch!(Command { Entries, Entry, Statement, TrialBalance });
