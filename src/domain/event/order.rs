//! Orders.

use super::{Charge, Receipt};
use crate::domain::{Day, Money, OrderId, RequestId, Text, Timestamp};

/// How long an order's profit is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cycle {
    /// T+2. First, as it settles first where both are due.
    Quick,
    /// T+7.
    Standard,
}

/// An order was classified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderClassified {
    /// The order.
    pub order_id: OrderId,
    /// What the buyer paid; above zero.
    pub price: Money,
    /// What the merchant earns; at most the price.
    pub profit: Money,
    /// When it was completed.
    pub completed_at: Timestamp,
    /// The settlement day it counts towards.
    pub day: Day,
    /// The answer.
    pub cycle: Cycle,
    /// When the profit settles.
    pub settles_at: Timestamp,
    /// What the answer rested on.
    pub receipt: Receipt,
}

/// What was decided on an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// When it was completed.
    pub completed_at: Timestamp,
    /// The settlement day it counts towards.
    pub day: Day,
    /// The answer.
    pub cycle: Cycle,
    /// When the profit settles.
    pub settles_at: Timestamp,
    /// What the answer rested on.
    pub receipt: Receipt,
}

impl Verdict {
    /// When the order counts from, before it is held against the merchant's previous fact.
    pub fn effective_at(&self, now: Timestamp) -> Timestamp {
        self.completed_at.min(now)
    }
}

impl OrderClassified {
    /// What was decided.
    pub const fn verdict(&self) -> Verdict {
        let Self { completed_at, day, cycle, settles_at, receipt, .. } = *self;
        Verdict { completed_at, day, cycle, settles_at, receipt }
    }
}

/// An order that was decided elsewhere came with an import. It counts like one that was decided here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderImported {
    /// The order, with the answer that it got elsewhere and what was in force at the import.
    pub order: OrderClassified,
    /// Whether it had settled before the import: its profit is part of the historical profit then.
    pub settled: bool,
}

/// An amount of an order's price went back to the buyer, and the profit with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderReversed {
    /// The request that did it.
    pub request_id: RequestId,
    /// The order.
    pub order_id: OrderId,
    /// What of the price went back.
    pub amount: Money,
    /// What of the profit fell away.
    pub profit: Money,
    /// The profit that was asked for; none: in proportion.
    pub profit_asked: Option<Money>,
    /// Why.
    pub reason: Text,
    /// The order's day, cycle and settlement date.
    pub day: Day,
    /// See `day`.
    pub cycle: Cycle,
    /// See `day`.
    pub settles_at: Timestamp,
    /// What it took after settlement; none: it lowered what was pending.
    pub charge: Option<Charge>,
    /// What left the day's totals, as the day was still open; zero if it was not.
    pub uncounted: Money,
    /// What of the price has gone back by now.
    pub reversed: Money,
    /// What of the profit has fallen away by now.
    pub profit_reversed: Money,
    /// What was in force.
    pub receipt: Receipt,
}
