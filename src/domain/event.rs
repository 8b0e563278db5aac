//! Facts about merchants, with everything an answer needs, so that a repeat can be answered from the fact alone.

use super::{Day, Key, Money, OrderId, RequestId, Timestamp};

/// A fact and the instant from which it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was due or completed; never before the merchant's previous fact, never after it was recorded.
    pub effective_at: Timestamp,
    /// What happened.
    pub fact: Fact,
}

/// What can happen to a merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// An order was classified.
    OrderClassified(OrderClassified),
    /// Pending profit became income.
    ProfitSettled(ProfitSettled),
    /// The guarantee was modified. Boxed, since orders outnumber it by far and are kept in memory.
    GuaranteeModified(Box<GuaranteeModified>),
    /// A release became income.
    ReleaseCompleted(ReleaseCompleted),
    /// The merchant was imported.
    MerchantImported(MerchantImported),
}

impl Fact {
    /// When the fact will bring about another one, if it does.
    pub fn due_at(&self) -> Option<Timestamp> {
        match self {
            Self::OrderClassified(fact) => Some(fact.settles_at),
            Self::GuaranteeModified(fact) => (!fact.released.is_zero()).then_some(fact.release_due_at),
            Self::ProfitSettled(_) | Self::ReleaseCompleted(_) | Self::MerchantImported(_) => None,
        }
    }

    /// What the fact makes known for ever, if it was asked for and not brought about by time.
    pub fn key(&self) -> Option<Key<'_>> {
        match self {
            Self::OrderClassified(fact) => Some(Key::Order(&fact.order_id)),
            Self::GuaranteeModified(fact) => Some(Key::Request(&fact.request_id)),
            Self::MerchantImported(fact) => Some(Key::Request(&fact.request_id)),
            Self::ProfitSettled(_) | Self::ReleaseCompleted(_) => None,
        }
    }
}

/// How long an order's profit is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cycle {
    /// T+2. First, as it settles first where both are due.
    Quick,
    /// T+7.
    Standard,
}

/// What a decision rested on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The version of the policy.
    pub policy_version: u64,
    /// The multiple read from the historical profit.
    pub multiple: u32,
    /// The quick settlement quota of the day.
    pub quota: Money,
    /// What counted towards the day before.
    pub day_total_before: Money,
    /// What counts towards it after.
    pub day_total_after: Money,
    /// When that day ends.
    pub resets_at: Timestamp,
}

impl Receipt {
    /// What is left of the quota.
    pub fn remaining(&self) -> Money {
        self.quota.less_at_most(self.day_total_after)
    }
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

/// Where income went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Income {
    /// Repaid debt.
    pub to_debt: Money,
    /// Frozen, to fill the gap.
    pub to_gap: Money,
    /// Made available.
    pub to_available: Money,
}

impl Income {
    /// The whole income.
    pub fn total(self) -> Money {
        self.to_debt + self.to_gap + self.to_available
    }
}

/// The pending profit of one settlement date, day of completion and cycle became income.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfitSettled {
    /// When it was due.
    pub settles_at: Timestamp,
    /// The settlement day on which the orders were completed.
    pub day: Day,
    /// Their cycle.
    pub cycle: Cycle,
    /// How many orders.
    pub orders: u64,
    /// Where their profit went.
    pub income: Income,
}

/// The guarantee was modified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuaranteeModified {
    /// The request that did it.
    pub request_id: RequestId,
    /// The guarantee before; whole dollars.
    pub previous: Money,
    /// The guarantee now; whole dollars.
    pub guarantee: Money,
    /// Taken back from what was releasing: latest due first, then latest created.
    pub from_releasing: Money,
    /// Taken from available.
    pub from_available: Money,
    /// Set on its way back; zero when nothing was frozen above the new guarantee.
    pub released: Money,
    /// When that comes due.
    pub release_due_at: Timestamp,
    /// What is frozen now.
    pub frozen: Money,
    /// What is available now.
    pub available: Money,
    /// Multiple, quota and day total now.
    pub receipt: Receipt,
}

/// A release came due and became income.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseCompleted {
    /// Its number within the merchant.
    pub number: u64,
    /// When it was due.
    pub due_at: Timestamp,
    /// Where it went.
    pub income: Income,
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
    /// The multiple that follows.
    pub multiple: u32,
    /// The version of the policy that it follows.
    pub policy_version: u64,
}

impl From<OrderClassified> for Fact {
    fn from(fact: OrderClassified) -> Self {
        Self::OrderClassified(fact)
    }
}

impl From<GuaranteeModified> for Fact {
    fn from(fact: GuaranteeModified) -> Self {
        Self::GuaranteeModified(Box::new(fact))
    }
}

impl From<MerchantImported> for Fact {
    fn from(fact: MerchantImported) -> Self {
        Self::MerchantImported(fact)
    }
}
