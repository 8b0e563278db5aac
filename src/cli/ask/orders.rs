//! Orders: classified, given back, shown.

use super::{
    Ask, Asked,
    args::{Listed, Maybe, Once},
    out::Out,
    sheet::{self, Cell, Sheet, Table},
    words::{self, cycle, done, word},
};
use crate::{
    cli::{Exit, Failure, paint::Tone, target::Server},
    domain::Timestamp,
    proto::v1::*,
};

/// What `tplus classify` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Classify {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The orders, one after the other: id, price, and the profit if it is less than that, as o1=25.00 or o2=100/12.50.
    #[arg(value_name = "ORDER=PRICE[/PROFIT]", required = true, value_parser = order)]
    orders: Vec<CompletedOrder>,
    /// When they were completed; now if nothing is said.
    #[arg(long, value_name = "TIME", value_parser = super::args::time)]
    completed_at: Option<Timestamp>,
    #[command(flatten)]
    maybe: Maybe,
}

fn order(text: &str) -> Result<CompletedOrder, String> {
    let (order_id, amounts) = text.split_once('=').ok_or("is no order like o1=25.00 or o2=100/12.50")?;
    let (price, profit) = amounts.split_once('/').unwrap_or((amounts, ""));
    let [order_id, price, profit] = [order_id, price, profit].map(str::to_owned);
    Ok(CompletedOrder { order_id, price, profit, ..CompletedOrder::default() })
}

impl Ask for Classify {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let completed_at = super::args::wired(self.completed_at);
        let of_merchant = |order: &CompletedOrder| CompletedOrder {
            merchant_id: self.merchant.clone(),
            completed_at,
            ..order.clone()
        };
        let request = ClassifyOrdersRequest {
            orders: self.orders.iter().map(of_merchant).collect(),
            with_receipts: true,
            validate_only: self.maybe.dry_run,
            not_after: self.maybe.not_after(),
        };
        let answer = server.ask(&request).await?;
        out.answer::<ClassifyOrdersRequest>(&answer, |sheet| self.show(sheet, &answer.results))?;
        let refused = self.orders.iter().zip(&answer.results);
        let refused: Vec<_> = refused.filter_map(|(order, result)| Some((order, result.refusal.as_ref()?))).collect();
        match refused.first() {
            Some((order, refusal)) => {
                let (count, all) = (refused.len(), self.orders.len());
                let sentence = format!("{} ({})", sheet::harmless(&refusal.message), refusal.reason);
                let which = format!("{count} of {all} orders refused; {}", sheet::harmless(&order.order_id));
                Err(Failure::new(Exit::Failed, sentence).during(which))
            }
            None => Ok(()),
        }
    }
}

impl Classify {
    fn show(&self, sheet: &mut Sheet, results: &[OrderResult]) {
        sheet.title(&self.merchant, done(self.maybe.dry_run, false));
        let mut table = Table::new(&["order", "price", "cycle", "settles", "quota", "day total", ""]);
        for (order, result) in self.orders.iter().zip(results) {
            let receipt = result.receipt.clone().unwrap_or_default();
            let note = match &result.refusal {
                Some(refusal) => refusal.message.as_str(),
                None if result.replayed => "known already",
                None => "",
            };
            table.row([
                Cell::text(&order.order_id),
                Cell::typed(&order.price),
                toned_cycle(result.cycle(), result.refusal.is_some()),
                Cell::time(result.settles_at),
                Cell::amount(&receipt.quota),
                Cell::amount(&receipt.day_total_after),
                Cell::text(note).toned(if result.refusal.is_some() { Tone::Bad } else { Tone::Dim }),
            ]);
        }
        sheet.table(&mut table);
    }
}

fn toned_cycle(of: SettlementCycle, refused: bool) -> Cell {
    match of {
        _ if refused => Cell::text("refused").toned(Tone::Bad),
        SettlementCycle::Quick => Cell::text(cycle(of)).toned(Tone::Good),
        _ => Cell::text(cycle(of)).toned(Tone::Warn),
    }
}

/// What `tplus reverse` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Reverse {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The order.
    #[arg(value_name = "ORDER")]
    order: String,
    /// What of its price goes back, in dollars.
    #[arg(value_name = "AMOUNT")]
    amount: String,
    /// What the profit falls by; in proportion if nothing is said.
    #[arg(long, value_name = "AMOUNT", default_value = "", hide_default_value = true)]
    profit: String,
    /// Why.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    once: Once,
}

impl Ask for Reverse {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let terms = self.once.terms(out)?;
        let request = ReverseOrderRequest {
            merchant_id: self.merchant.clone(),
            order_id: self.order.clone(),
            amount: self.amount.clone(),
            profit: self.profit.clone(),
            reason: self.reason.clone(),
            request_id: terms.request_id,
            validate_only: terms.validate_only,
            not_after: terms.not_after,
        };
        let answer = server.ask(&request).await?;
        out.answer::<ReverseOrderRequest>(&answer, |sheet| {
            let subject = format!("{} of {}", self.order, self.merchant);
            sheet.title(
                &subject,
                &format!("{} given back {}", sheet::typed(&self.amount), done(terms.validate_only, answer.replayed)),
            );
            sheet.amount("profit falls by", &answer.profit);
            words::charge(sheet, answer.charge.as_ref());
            sheet.amount("given back by now", &answer.reversed);
            sheet.amount_if_any("leaves the day", &answer.uncounted);
            words::receipt(sheet, answer.receipt.as_ref());
        })
    }
}

/// What `tplus order` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct One {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The order.
    #[arg(value_name = "ORDER")]
    order: String,
}

impl Ask for One {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = GetOrderRequest { merchant_id: self.merchant.clone(), order_id: self.order.clone() };
        let answer = server.ask(&request).await?;
        out.answer::<GetOrderRequest>(&answer, |sheet| {
            let order = answer.order.clone().unwrap_or_default();
            let imported = if order.imported { ", imported" } else { "" };
            let state = format!("{} {}{imported}", cycle(order.cycle()), word::<OrderState>(order.state));
            sheet.title(&format!("{} of {}", order.order_id, order.merchant_id), &state);
            sheet.row("completed", Cell::time(order.completed_at));
            sheet.row("settles", Cell::time(order.settles_at));
            sheet.gap();
            sheet.amount("price", &order.price);
            sheet.noted("profit", Cell::amount(&order.profit), "as it was decided");
            sheet.amount_if_any("given back", &order.reversed);
            sheet.amount_if_any("profit less", &order.profit_reversed);
            words::receipt(sheet, order.receipt.as_ref());
            if !answer.reversals.is_empty() {
                sheet.gap();
                let mut table = Table::new(&["given back", "profit", "request", "why"]);
                for entry in &answer.reversals {
                    table.row([
                        Cell::time(entry.recorded_at),
                        Cell::amount(&entry.amount),
                        Cell::text(&entry.request_id),
                        Cell::text(&entry.text),
                    ]);
                }
                sheet.table(&mut table);
            }
        })
    }
}

/// What `tplus orders` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    /// The merchant.
    #[arg(value_name = "MERCHANT")]
    merchant: String,
    /// The first settlement date, as 2026-01-31.
    #[arg(long, value_name = "DATE", default_value = "", hide_default_value = true)]
    from: String,
    /// The last settlement date, included.
    #[arg(long, value_name = "DATE", default_value = "", hide_default_value = true)]
    to: String,
    #[command(flatten)]
    listed: Listed,
}

impl Ask for List {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let request = ListOrdersRequest {
            merchant_id: self.merchant.clone(),
            settles_from: self.from.clone(),
            settles_to: self.to.clone(),
            newest_first: self.listed.newest_first,
            ..ListOrdersRequest::default()
        };
        let mut table = table();
        let show = |out: &mut Out, orders: &[Order]| {
            out.page::<ListOrdersRequest>(orders, |sheet| {
                orders.iter().for_each(|order| table.row(row(order)));
                sheet.table(&mut table);
            })
        };
        self.listed.most.pages(server, out, request, show).await
    }
}

/// A table of orders.
pub(super) fn table() -> Table {
    Table::new(&["order", "price", "profit", "cycle", "settles", "state", "given back", "completed"])
}

/// An order in such a table.
pub(super) fn row(order: &Order) -> [Cell; 8] {
    [
        Cell::text(&order.order_id),
        Cell::amount(&order.price),
        Cell::amount(&order.profit),
        toned_cycle(order.cycle(), false),
        Cell::time(order.settles_at),
        Cell::text(&word::<OrderState>(order.state)),
        Cell::amount(&order.reversed),
        Cell::time(order.completed_at),
    ]
}

/// What can be done with orders.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Ask whether orders settle on T+2 or T+7; the answer is remembered for ever.
    Classify(Asked<Classify>),
    /// Give an order back, in part or in full: a refund or a cancellation.
    Reverse(Asked<Reverse>),
    /// Show an order: how it was decided, what became of it, its reversals.
    Order(Asked<One>),
    /// List the orders of a merchant by settlement date.
    Orders(Asked<List>),
}

super::dispatch!(Command { Classify, Reverse, Order, Orders });
