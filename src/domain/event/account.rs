//! Money in and out, and what a merchant brings along.

use super::{Charge, Cycle, Income, Receipt};
use crate::domain::{Money, OrderId, Pending, RequestId, Text, Timestamp};

/// The merchant paid in; income, but no profit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarginPaid {
    /// The request that did it, and the payment's id.
    pub request_id: RequestId,
    /// Where the money went; its total is the amount.
    pub income: Income,
    /// What the payment is called elsewhere; may be empty.
    pub reference: Text,
    /// What was in force.
    pub receipt: Receipt,
}

/// A payment was returned in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentReturned {
    /// The request that did it.
    pub request_id: RequestId,
    /// The payment.
    pub payment_id: RequestId,
    /// What it took; its total is the amount of the payment.
    pub charge: Charge,
    /// Why; may be empty.
    pub reason: Text,
    /// What was in force.
    pub receipt: Receipt,
}

/// The merchant withdrew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// The request that did it, and the withdrawal's id.
    pub request_id: RequestId,
    /// How much.
    pub amount: Money,
    /// What the withdrawal is called elsewhere; may be empty.
    pub reference: Text,
    /// What is available now.
    pub available: Money,
    /// What was in force.
    pub receipt: Receipt,
}

/// A withdrawal came back in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawalFailed {
    /// The request that did it.
    pub request_id: RequestId,
    /// The withdrawal.
    pub withdrawal_id: RequestId,
    /// Where the money went; its total is the amount of the withdrawal.
    pub income: Income,
    /// Why; may be empty.
    pub reason: Text,
    /// What was in force.
    pub receipt: Receipt,
}

/// Which way an adjustment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The merchant gets it: income.
    Credit,
    /// The merchant gives it: available, then debt.
    Debit,
}

/// An operator credited or debited the merchant. One of income and charge is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceAdjusted {
    /// The request that did it.
    pub request_id: RequestId,
    /// Which way.
    pub direction: Direction,
    /// Where a credit went.
    pub income: Income,
    /// What a debit took.
    pub charge: Charge,
    /// Why.
    pub reason: Text,
    /// What it is called elsewhere; may be empty.
    pub reference: Text,
    /// What was in force.
    pub receipt: Receipt,
}

impl BalanceAdjusted {
    /// How much.
    pub fn amount(&self) -> Money {
        self.income.total() + self.charge.total()
    }
}

/// A merchant was opened with what it brought along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerchantImported {
    /// The request that did it.
    pub request_id: RequestId,
    /// The profit that has settled elsewhere.
    pub historical_profit: Money,
    /// The money it may withdraw.
    pub available: Money,
    /// What it owes.
    pub debt: Money,
    /// What it has opted for; whole dollars.
    pub guarantee: Money,
    /// What of that is set aside.
    pub frozen: Money,
    /// Money on its way back.
    pub releasing: Vec<ImportedRelease>,
    /// Profit that has not settled, of orders that are not listed.
    pub pending: Vec<Pending>,
    /// Orders that were decided elsewhere; each is a fact of its own behind this one.
    pub orders: Vec<ImportedOrder>,
    /// What was in force.
    pub receipt: Receipt,
}

/// A release that began elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedRelease {
    /// How much.
    pub amount: Money,
    /// When it becomes income.
    pub due_at: Timestamp,
}

/// An order that was decided elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedOrder {
    /// The order.
    pub order_id: OrderId,
    /// What the buyer paid; above zero.
    pub price: Money,
    /// What the merchant earns; at most the price.
    pub profit: Money,
    /// When it was completed.
    pub completed_at: Timestamp,
    /// The answer it got.
    pub cycle: Cycle,
    /// When the profit settles, or has settled.
    pub settles_at: Timestamp,
}
