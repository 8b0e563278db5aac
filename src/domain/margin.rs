//! What a merchant's balances look like to the outside.

use super::{
    Category, DayTotals, Hold, Lifetime, Merchant, Money, Pending, Policy, Release, Stage, Tier, Timeline, Timestamp,
};

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
    /// Since when something is owed.
    pub debt_since: Option<Timestamp>,
    /// Decides the multiple.
    pub historical_profit: Money,
    /// The multiple.
    pub multiple: u32,
    /// The next higher multiple, unless this is the highest.
    pub next_multiple: Option<NextMultiple>,
    /// The quota of the current settlement day.
    pub quota: DayQuota,
    /// What the merchant trades in.
    pub categories: Vec<Category>,
    /// The guarantee that its categories require.
    pub required: Money,
    /// What the guarantee lacks to that.
    pub shortfall: Money,
    /// Holds that stand.
    pub holds: Vec<Hold>,
    /// Whether the guarantee may be lowered; none: policy does not ask for a clean record.
    pub clean_record: Option<CleanRecord>,
    /// Whether the merchant trades.
    pub stage: Stage,
    /// What ever came in and went out.
    pub lifetime: Lifetime,
    /// How many facts there are about the merchant: the number of its last entry.
    pub entries: u64,
}

/// When a guarantee may be lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanRecord {
    /// From when on, unless there are open appeals.
    pub from: Timestamp,
    /// Appeals that are open.
    pub open_appeals: usize,
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
    pub fn margin(&self, now: Timestamp, policies: &Timeline) -> Margin {
        let policy = &policies.at(now).policy;
        let next = policy.next_tier(self.historical_profit);
        let completed_day = |pending: &Pending| policies.start_of(pending.day);
        let required = policy.required(&self.categories);
        Margin {
            as_of: now,
            guarantee: self.guarantee,
            frozen: self.frozen,
            gap: self.gap(),
            gap_since: self.gap_standing.since,
            releasing: self.releases.clone(),
            available: self.available,
            pending: self
                .pending
                .iter()
                .map(|pending| PendingOfDay { pending: pending.clone(), completed_day: completed_day(pending) })
                .collect(),
            debt: self.debt,
            debt_since: self.debt_standing.since,
            historical_profit: self.historical_profit,
            multiple: policy.multiple(self.historical_profit),
            // Strictly above the tier: a cent more than what reaches it.
            next_multiple: next
                .map(|tier| NextMultiple { tier, missing: tier.above - self.historical_profit + Money::CENT }),
            quota: self.quota(now, policies),
            categories: self.categories.clone(),
            required,
            shortfall: required.less_at_most(self.guarantee),
            holds: self.holds.clone(),
            clean_record: self.clean_record(policy),
            stage: self.stage,
            lifetime: (*self.lifetime).clone(),
            entries: self.facts,
        }
    }

    /// When the guarantee may be lowered; none: policy does not ask for a clean record.
    pub(super) fn clean_record(&self, policy: &Policy) -> Option<CleanRecord> {
        let days = policy.clean_record?;
        let from = self.last_deduction().map_or(Timestamp::MIN, |last| last.after(days));
        Some(CleanRecord { from, open_appeals: self.open_appeals() })
    }

    fn quota(&self, now: Timestamp, policies: &Timeline) -> DayQuota {
        let in_force = policies.at(now);
        let policy = &in_force.policy;
        let (multiple, limit) = policy.quota(self.guarantee, self.frozen, self.historical_profit);
        let used = self.totals(policies.day_of(now));
        DayQuota {
            limit,
            limit_by_guarantee: self.guarantee.times(multiple),
            limit_by_frozen: self.frozen.times(multiple),
            used,
            remaining: limit.less_at_most(policy.counted(used)),
            resets_at: policies.end_of_day(now),
            policy_version: in_force.version,
        }
    }
}
