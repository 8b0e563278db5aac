//! What an answer has to be, by the rules and by what the server tells of itself.

use std::time::Instant;

use rust_decimal::Decimal;

use super::Span;
use crate::{
    cli::bench::{load::guaranteed, options::Merchants},
    proto::v1::{CompletedOrder, OrderResult, Receipt, SettlementCycle},
};

/// Seconds of a settlement day.
const DAY: i64 = 24 * 60 * 60;
/// How far the server's time may be off from what we take it for, in seconds.
const SLACK: i64 = 5;

/// What a server answers with.
#[derive(Debug)]
pub(in crate::cli::bench) struct Expected {
    /// When its days begin, in seconds after midnight.
    pub(in crate::cli::bench) day_start: i64,
    /// Days until orders settle that are within the quota, and that are not.
    pub(in crate::cli::bench) days: (i64, i64),
    /// The server's time in seconds since 1970, and when it was asked for.
    pub(in crate::cli::bench) clock: (i64, Instant),
    /// Whether its time goes by itself.
    pub(in crate::cli::bench) clock_goes: bool,
    /// Who has put up a guarantee; nothing if others have done that.
    pub(in crate::cli::bench) merchants: Option<Merchants>,
    /// Whether answers carry receipts.
    pub(in crate::cli::bench) receipts: bool,
    /// Whether every order counts towards the quota, and quotas rest on the guarantee.
    pub(in crate::cli::bench) published: bool,
    /// Whether some orders are sent again.
    pub(in crate::cli::bench) repeats: bool,
    /// Whether orders were never sent but by this program.
    pub(in crate::cli::bench) ids_are_new: bool,
    /// Whether orders are decided in the order in which they are sent.
    pub(in crate::cli::bench) in_order: bool,
}

impl Expected {
    /// Of a server that keeps to no rules.
    pub(in crate::cli::bench) fn nothing() -> Self {
        Self {
            day_start: 0,
            days: (0, 0),
            clock: (1_800_000_000, Instant::now()),
            clock_goes: false,
            merchants: None,
            receipts: false,
            published: false,
            repeats: false,
            ids_are_new: false,
            in_order: false,
        }
    }

    /// Says what is wrong with an answer.
    pub(super) fn judge(&self, order: &CompletedOrder, result: &OrderResult, span: Span) -> Result<(), String> {
        let quick = match result.cycle() {
            SettlementCycle::Quick => true,
            SettlementCycle::Standard => false,
            SettlementCycle::Unspecified => return Err("no cycle".into()),
        };
        let known = self.merchants.as_ref().and_then(|merchants| guaranteed(&order.merchant_id, merchants));
        if quick && known == Some(false) {
            return Err("T+2, though the merchant has no guarantee".into());
        }
        self.settles(order, result, quick, span)?;
        match &result.receipt {
            Some(receipt) => self.adds_up(order, receipt, quick, known),
            None if self.receipts => Err("no receipt".into()),
            None => Ok(()),
        }
    }

    fn settles(
        &self,
        order: &CompletedOrder,
        result: &OrderResult,
        quick: bool,
        (sent, answered): Span,
    ) -> Result<(), String> {
        let settles_at = result.settles_at.ok_or("no settles_at")?.seconds;
        let days = if quick { self.days.0 } else { self.days.1 };
        let expected = |completed: i64| (self.day_of(completed) + days) * DAY + self.day_start;
        let completed = order.completed_at.or(result.completed_at).map(|at| at.seconds);
        if completed.is_none() && result.replayed && !self.ids_are_new {
            // Somebody sent it first, at some time.
            return Ok(());
        }
        // A repeat was completed when it was sent first; so the days since the program began will do.
        let (earliest, latest) = completed.map_or_else(
            || (self.clock.0.min(self.time(sent)) - SLACK, self.time(answered) + SLACK),
            |completed| (completed, completed),
        );
        if (expected(earliest)..=expected(latest)).contains(&settles_at) {
            return Ok(());
        }
        Err(format!("settles at {settles_at}, which is not {days} days after the day of its completion"))
    }

    fn day_of(&self, at: i64) -> i64 {
        (at - self.day_start).div_euclid(DAY)
    }

    fn time(&self, at: Instant) -> i64 {
        let (then, asked) = self.clock;
        let passed = if self.clock_goes { at.saturating_duration_since(asked).as_secs() } else { 0 };
        then.saturating_add_unsigned(passed)
    }

    fn adds_up(
        &self,
        order: &CompletedOrder,
        receipt: &Receipt,
        quick: bool,
        known: Option<bool>,
    ) -> Result<(), String> {
        let amount = |text: &str| Decimal::from_str_exact(text).map_err(|_| format!("{text:?} is no amount"));
        let (quota, before) = (amount(&receipt.quota)?, amount(&receipt.day_total_before)?);
        let (after, remaining, price) =
            (amount(&receipt.day_total_after)?, amount(&receipt.remaining)?, amount(&order.price)?);
        if (before + price <= quota) != quick {
            return Err(format!(
                "T+{}, though {before} + {price} of a quota of {quota} are used",
                if quick { 2 } else { 7 }
            ));
        }
        if self.published && after != before + price {
            return Err(format!("the day's total goes from {before} to {after} by an order of {price}"));
        }
        if remaining != (quota - after).max(Decimal::ZERO) {
            return Err(format!("{remaining} remains of {quota} less {after}"));
        }
        let guarantee = self.merchants.filter(|_| known == Some(true) && self.published).map(|all| all.guarantee);
        match guarantee {
            Some(guarantee) if quota != Decimal::from(guarantee) * Decimal::from(receipt.multiple) => Err(format!(
                "a quota of {quota} with a guarantee of {guarantee} and a multiple of {}",
                receipt.multiple
            )),
            _ => Ok(()),
        }
    }
}
