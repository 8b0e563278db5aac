//! What a merchant's balances look like to the outside.

use super::{DayTotals, InForce, Merchant, Money, Pending, Release, Tier, Timestamp};

/// All balances of a merchant at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Margin {
    /// The instant.
    pub as_of: Timestamp,
    /// What the merchant has opted for.
    pub guarantee: Money,
    /// What is really set aside.
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
    pub pending: Vec<PendingOfDay>,
    /// What is owed.
    pub debt: Money,
    /// Decides the multiple.
    pub historical_profit: Money,
    /// The multiple.
    pub multiple: u32,
    /// The next higher multiple, unless this is the highest.
    pub next_multiple: Option<NextMultiple>,
    /// The quota of the current settlement day.
    pub quota: DayQuota,
}

/// Profit that settles together, and when its day of completion began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingOfDay {
    /// The profit.
    pub pending: Pending,
    /// The start of the settlement day on which the orders were completed.
    pub completed_day: Timestamp,
}

/// What is missing to the next higher multiple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextMultiple {
    /// The tier.
    pub tier: Tier,
    /// The least that still has to settle.
    pub missing: Money,
}

/// The quota of a settlement day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayQuota {
    /// The quota that decides.
    pub limit: Money,
    /// What it would be, based on the guarantee.
    pub limit_by_guarantee: Money,
    /// What it would be, based on what is frozen.
    pub limit_by_frozen: Money,
    /// What was used of it, by both counts.
    pub used: DayTotals,
    /// What is left by the count that decides.
    pub remaining: Money,
    /// When the day ends.
    pub resets_at: Timestamp,
    /// The version of the policy that decides.
    pub policy_version: u64,
}

impl Merchant {
    /// The balances at an instant by which nothing is due any more.
    pub fn margin(&self, now: Timestamp, in_force: &InForce) -> Margin {
        let policy = &in_force.policy;
        let next = policy.next_tier(self.historical_profit);
        let completed_day = |pending: &Pending| policy.calendar.start_of(pending.day);
        Margin {
            as_of: now,
            guarantee: self.guarantee,
            frozen: self.frozen,
            gap: self.gap(),
            gap_since: self.gap_since,
            releasing: self.releases.clone(),
            available: self.available,
            pending: self
                .pending
                .iter()
                .map(|pending| PendingOfDay { pending: pending.clone(), completed_day: completed_day(pending) })
                .collect(),
            debt: self.debt,
            historical_profit: self.historical_profit,
            multiple: policy.multiple(self.historical_profit),
            // Strictly above the tier: a cent more than what reaches it.
            next_multiple: next
                .map(|tier| NextMultiple { tier, missing: tier.above - self.historical_profit + Money::CENT }),
            quota: self.quota(now, in_force),
        }
    }

    fn quota(&self, now: Timestamp, in_force: &InForce) -> DayQuota {
        let policy = &in_force.policy;
        let day = policy.calendar.day_of(now);
        let (multiple, limit) = policy.quota(self.guarantee, self.frozen, self.historical_profit);
        let used = self.totals(day);
        DayQuota {
            limit,
            limit_by_guarantee: self.guarantee.times(multiple),
            limit_by_frozen: self.frozen.times(multiple),
            used,
            remaining: limit.less_at_most(policy.counted(used)),
            resets_at: policy.calendar.end_of(day),
            policy_version: in_force.version,
        }
    }
}
