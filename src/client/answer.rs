//! What the server answered, with amounts that can be reckoned with.

use super::{
    Error,
    read::{charge, cycle, income, instant, maybe, money, receipt, release, split, stage},
};
use crate::{
    domain::{Charge, Cycle, DeductionSplit, Income, Money, Receipt, Release, Stage, Timestamp},
    proto::v1,
};

/// What every command that was accepted tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// When it took effect, by the engine's time.
    pub at: Timestamp,
    /// The request was known already: this is the first answer again.
    pub replayed: bool,
    /// What was in force.
    pub receipt: Receipt,
}

/// A command and when, as messages tell it.
macro_rules! done {
    ($answer:ident, $at:ident) => {
        Done {
            at: instant($answer.$at, stringify!($at))?,
            replayed: $answer.replayed,
            receipt: receipt($answer.receipt)?,
        }
    };
}

/// What a change of the guarantee did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuaranteeModified {
    /// The guarantee now in force.
    pub guarantee: Money,
    /// The guarantee before.
    pub previous: Money,
    /// What is really set aside now.
    pub frozen: Money,
    /// What later income has to fill.
    pub gap: Money,
    /// What may be withdrawn now.
    pub available: Money,
    /// What a raise took back from money that was being released.
    pub taken_from_releasing: Money,
    /// What a raise took from the available balance.
    pub taken_from_available: Money,
    /// What a lowering set on its way back.
    pub release: Option<Release>,
    /// When, and whether it was known.
    pub done: Done,
}

impl TryFrom<v1::ModifyGuaranteeResponse> for GuaranteeModified {
    type Error = Error;

    fn try_from(answer: v1::ModifyGuaranteeResponse) -> Result<Self, Error> {
        Ok(Self {
            guarantee: money(&answer.guarantee, "guarantee")?,
            previous: money(&answer.previous_guarantee, "previous_guarantee")?,
            frozen: money(&answer.frozen, "frozen")?,
            gap: money(&answer.gap, "gap")?,
            available: money(&answer.available, "available")?,
            taken_from_releasing: money(&answer.taken_from_releasing, "taken_from_releasing")?,
            taken_from_available: money(&answer.taken_from_available, "taken_from_available")?,
            release: answer.release.as_ref().map(release).transpose()?,
            done: done!(answer, modified_at),
        })
    }
}

/// What a payment did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// Where it went.
    pub income: Income,
    /// When, and whether it was known.
    pub done: Done,
}

impl TryFrom<v1::PayMarginResponse> for Paid {
    type Error = Error;

    fn try_from(answer: v1::PayMarginResponse) -> Result<Self, Error> {
        Ok(Self { income: income(answer.income)?, done: done!(answer, paid_at) })
    }
}

/// What a withdrawal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// What is available after it.
    pub available: Money,
    /// When, and whether it was known.
    pub done: Done,
}

impl TryFrom<v1::WithdrawResponse> for Withdrawn {
    type Error = Error;

    fn try_from(answer: v1::WithdrawResponse) -> Result<Self, Error> {
        Ok(Self { available: money(&answer.available, "available")?, done: done!(answer, withdrawn_at) })
    }
}

/// What a reversal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversed {
    /// What the profit fell by.
    pub profit: Money,
    /// What has gone back of the price by now.
    pub reversed: Money,
    /// What has fallen away of the profit by now.
    pub profit_reversed: Money,
    /// What it took after settlement; none: the order had not settled.
    pub charge: Option<Charge>,
    /// What left the total of the order's settlement day.
    pub uncounted: Money,
    /// When, and whether it was known.
    pub done: Done,
}

impl TryFrom<v1::ReverseOrderResponse> for Reversed {
    type Error = Error;

    fn try_from(answer: v1::ReverseOrderResponse) -> Result<Self, Error> {
        Ok(Self {
            profit: money(&answer.profit, "profit")?,
            reversed: money(&answer.reversed, "reversed")?,
            profit_reversed: money(&answer.profit_reversed, "profit_reversed")?,
            charge: answer.charge.as_ref().map(charge).transpose()?,
            uncounted: money(&answer.uncounted, "uncounted")?,
            done: done!(answer, reversed_at),
        })
    }
}

/// What a deduction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deducted {
    /// Where it came from.
    pub split: DeductionSplit,
    /// What of the available money was frozen at once to fill the gap that it left.
    pub refilled: Money,
    /// Until when the merchant may appeal, this instant included.
    pub appeal_until: Timestamp,
    /// When, and whether it was known.
    pub done: Done,
}

impl TryFrom<v1::DeductMarginResponse> for Deducted {
    type Error = Error;

    fn try_from(answer: v1::DeductMarginResponse) -> Result<Self, Error> {
        Ok(Self {
            split: split(answer.split)?,
            refilled: money(&answer.refilled, "refilled")?,
            appeal_until: instant(answer.appeal_until, "appeal_until")?,
            done: done!(answer, deducted_at),
        })
    }
}

/// What opening an appeal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppealOpened {
    /// When, and whether it was known.
    pub done: Done,
}

impl TryFrom<v1::OpenAppealResponse> for AppealOpened {
    type Error = Error;

    fn try_from(answer: v1::OpenAppealResponse) -> Result<Self, Error> {
        Ok(Self { done: done!(answer, opened_at) })
    }
}

/// What resolving an appeal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppealResolved {
    /// What was overturned.
    pub overturned: Money,
    /// Where that went.
    pub income: Income,
    /// When, and whether it was known.
    pub done: Done,
}

impl TryFrom<v1::ResolveAppealResponse> for AppealResolved {
    type Error = Error;

    fn try_from(answer: v1::ResolveAppealResponse) -> Result<Self, Error> {
        Ok(Self {
            overturned: money(&answer.overturned, "overturned")?,
            income: income(answer.income)?,
            done: done!(answer, resolved_at),
        })
    }
}

/// All balances of a merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Margin {
    /// The instant they hold for.
    pub as_of: Timestamp,
    /// What the merchant has opted for.
    pub guarantee: Money,
    /// What of that is really set aside.
    pub frozen: Money,
    /// What is missing.
    pub gap: Money,
    /// Since when something is missing.
    pub gap_since: Option<Timestamp>,
    /// Money on its way back, first due first.
    pub releasing: Vec<Release>,
    /// What may be withdrawn.
    pub available: Money,
    /// Profit that has not settled, first due first.
    pub pending: Vec<PendingProfit>,
    /// What is owed.
    pub debt: Money,
    /// Since when something is owed.
    pub debt_since: Option<Timestamp>,
    /// What decides the multiple.
    pub historical_profit: Money,
    /// The multiple of the guarantee that may settle quickly each day.
    pub multiple: u32,
    /// What is missing to the next higher multiple; none: this is the highest.
    pub next_multiple: Option<NextMultiple>,
    /// The quota of the current settlement day.
    pub quota: Quota,
    /// What the merchant trades in.
    pub categories: Vec<String>,
    /// The guarantee that its categories require.
    pub required_guarantee: Money,
    /// What the guarantee lacks to that.
    pub shortfall: Money,
    /// The holds that stand, by the ids of the requests that placed them.
    pub holds: Vec<String>,
    /// Whether the merchant trades.
    pub stage: Stage,
    /// The number of its last margin entry.
    pub entries: u64,
}

/// Profit that settles together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingProfit {
    /// When it settles.
    pub settles_at: Timestamp,
    /// On which cycle.
    pub cycle: Cycle,
    /// The start of the settlement day on which the orders were completed.
    pub completed_day: Timestamp,
    /// How many orders.
    pub orders: u64,
    /// Their profit.
    pub profit: Money,
}

/// What is missing to the next higher multiple.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextMultiple {
    /// The multiple that comes next.
    pub multiple: u32,
    /// The historical profit that has to be exceeded for it.
    pub above: Money,
    /// The least that still has to settle for it.
    pub missing: Money,
}

/// The quota of a settlement day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The quota.
    pub limit: Money,
    /// The price of all orders completed on this day.
    pub used_all: Money,
    /// The price of those of them that settle on T+2.
    pub used_quick: Money,
    /// What is left, by the use that policy counts.
    pub remaining: Money,
    /// When the day ends.
    pub resets_at: Timestamp,
    /// The version of the policy that these figures follow.
    pub policy_version: u64,
}

impl TryFrom<v1::GetMarginResponse> for Margin {
    type Error = Error;

    fn try_from(answer: v1::GetMarginResponse) -> Result<Self, Error> {
        let stage = stage(answer.state())?;
        Ok(Self {
            as_of: instant(answer.as_of, "as_of")?,
            guarantee: money(&answer.guarantee, "guarantee")?,
            frozen: money(&answer.frozen, "frozen")?,
            gap: money(&answer.gap, "gap")?,
            gap_since: maybe(answer.gap_since),
            releasing: answer.releasing.iter().map(release).collect::<Result<_, _>>()?,
            available: money(&answer.available, "available")?,
            pending: answer.pending.iter().map(pending).collect::<Result<_, _>>()?,
            debt: money(&answer.debt, "debt")?,
            debt_since: maybe(answer.debt_since),
            historical_profit: money(&answer.historical_profit, "historical_profit")?,
            multiple: answer.multiple,
            next_multiple: answer.next_multiple.as_ref().map(next_multiple).transpose()?,
            quota: quota(answer.quota.as_ref().ok_or_else(|| Error::malformed("quota"))?)?,
            categories: answer.categories,
            required_guarantee: money(&answer.required_guarantee, "required_guarantee")?,
            shortfall: money(&answer.shortfall, "shortfall")?,
            holds: answer.holds.into_iter().map(|hold| hold.hold_id).collect(),
            stage,
            entries: answer.entries,
        })
    }
}

fn pending(pending: &v1::PendingSettlement) -> Result<PendingProfit, Error> {
    Ok(PendingProfit {
        settles_at: instant(pending.settles_at, "pending.settles_at")?,
        cycle: cycle(pending.cycle())?,
        completed_day: instant(pending.completed_day, "pending.completed_day")?,
        orders: pending.orders,
        profit: money(&pending.profit, "pending.profit")?,
    })
}

fn next_multiple(next: &v1::NextMultiple) -> Result<NextMultiple, Error> {
    Ok(NextMultiple {
        multiple: next.multiple,
        above: money(&next.above, "next_multiple.above")?,
        missing: money(&next.missing, "next_multiple.missing")?,
    })
}

fn quota(quota: &v1::DayQuota) -> Result<Quota, Error> {
    Ok(Quota {
        limit: money(&quota.limit, "quota.limit")?,
        used_all: money(&quota.used_all, "quota.used_all")?,
        used_quick: money(&quota.used_quick, "quota.used_quick")?,
        remaining: money(&quota.remaining, "quota.remaining")?,
        resets_at: instant(quota.resets_at, "quota.resets_at")?,
        policy_version: quota.policy_version,
    })
}

/// An order, how it was decided and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderStatus {
    /// What the buyer paid.
    pub price: Money,
    /// What the merchant earns, as it was decided.
    pub profit: Money,
    /// When it was completed.
    pub completed_at: Timestamp,
    /// T+2 or T+7.
    pub cycle: Cycle,
    /// When the profit settles or has settled.
    pub settles_at: Timestamp,
    /// The profit has settled.
    pub settled: bool,
    /// What has gone back of the price.
    pub reversed: Money,
    /// What has fallen away of the profit.
    pub profit_reversed: Money,
    /// What the answer rested on.
    pub receipt: Receipt,
    /// The number of its margin entry.
    pub entry: u64,
}

impl TryFrom<v1::GetOrderResponse> for OrderStatus {
    type Error = Error;

    fn try_from(answer: v1::GetOrderResponse) -> Result<Self, Error> {
        let order = answer.order.ok_or_else(|| Error::malformed("order"))?;
        Ok(Self {
            price: money(&order.price, "order.price")?,
            profit: money(&order.profit, "order.profit")?,
            completed_at: instant(order.completed_at, "order.completed_at")?,
            cycle: cycle(order.cycle())?,
            settles_at: instant(order.settles_at, "order.settles_at")?,
            settled: order.state() == v1::OrderState::Settled,
            reversed: money(&order.reversed, "order.reversed")?,
            profit_reversed: money(&order.profit_reversed, "order.profit_reversed")?,
            receipt: receipt(order.receipt)?,
            entry: order.entry,
        })
    }
}
