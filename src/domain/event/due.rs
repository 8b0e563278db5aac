//! What time alone brings about.

use super::{Cycle, Income};
use crate::domain::{Day, Money, Timestamp};

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

/// Nothing was pending, releasing or owed any more, and no appeal was open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerchantClosed {
    /// The version of the policy in force.
    pub policy_version: u64,
}

/// A limit of policy was crossed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarningRaised {
    /// Which, with the figures.
    pub warning: Warning,
    /// The version of the policy that sets the limit.
    pub policy_version: u64,
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// There has been a gap for as long as policy bears it.
    Gap {
        /// Since when.
        since: Timestamp,
        /// When it was too long.
        due_at: Timestamp,
        /// How much is missing.
        amount: Money,
    },
    /// There has been a debt for as long as policy bears it.
    Debt {
        /// Since when.
        since: Timestamp,
        /// When it was too long.
        due_at: Timestamp,
        /// How much is owed.
        amount: Money,
    },
    /// A share of the day's quota has been used.
    QuotaUse {
        /// The settlement day.
        day: Day,
        /// What counts towards it.
        used: Money,
        /// The quota.
        quota: Money,
    },
}
