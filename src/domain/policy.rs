//! The rules as data.

use std::{cmp::Reverse, collections::BTreeMap, fmt, time::Duration};

use super::{Calendar, Category, Cycle, DayTotals, Money, Rejection, RequestId, Text, Timestamp};

/// The rules that a marketplace may set. The published ones are the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The multiple for a historical profit that exceeds no tier.
    pub base_multiple: u32,
    /// Higher multiples, highest first.
    pub tiers: Vec<Tier>,
    /// Which orders count towards the day's quota.
    pub counts: QuotaCounts,
    /// What the quota is based on.
    pub basis: QuotaBasis,
    /// When settlement days start.
    pub calendar: Calendar,
    /// Settlement days from completion to a T+2 settlement.
    pub quick_days: u32,
    /// Settlement days from completion to a T+7 settlement.
    pub standard_days: u32,
    /// How long after a lowering its money is released.
    pub release_after: Duration,
    /// The highest guarantee, if there is a limit.
    pub max_guarantee: Option<Money>,
    /// How long after its completion an order is taken.
    pub max_lateness: Duration,
    /// How far ahead of the engine's time an order's completion may lie.
    pub max_ahead: Duration,
    /// How long after a deduction the merchant may appeal.
    pub appeal_window: Duration,
    /// How long a merchant must have been without a standing deduction before it may lower its guarantee, if policy wants that.
    pub clean_record: Option<Duration>,
    /// The guarantee that a category requires; whole dollars.
    pub category_minimums: BTreeMap<Category, Money>,
    /// How long a gap may last before there is a warning.
    pub warn_gap_after: Option<Duration>,
    /// How long a debt may last before there is a warning.
    pub warn_debt_after: Option<Duration>,
    /// The percentage of the day's quota whose use is warned of.
    pub warn_quota_percent: Option<u32>,
}

/// A multiple for merchants with a record of trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The historical profit that has to be exceeded, strictly.
    pub above: Money,
    /// The multiple.
    pub multiple: u32,
}

/// Which orders count towards the day's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaCounts {
    /// All orders completed that day, the T+7 ones too: the published rule.
    All,
    /// Those that settle on T+2 alone.
    Quick,
}

impl fmt::Display for QuotaCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Quick => "quick",
        })
    }
}

/// What the quota is based on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaBasis {
    /// The guarantee: the published rule.
    Guarantee,
    /// The money really set aside for it.
    Frozen,
}

impl fmt::Display for QuotaBasis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guarantee => "guarantee",
            Self::Frozen => "frozen",
        })
    }
}

/// A policy from the instant on from which it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Its version; the first is 1.
    pub version: u64,
    /// When it comes into force.
    pub effective_at: Timestamp,
    /// The rules.
    pub policy: Policy,
    /// Who wanted it, and when; none for the first one, which seeded the data directory.
    pub announcement: Option<Announcement>,
}

/// How a policy came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The request that did it; unique over all policies.
    pub request_id: RequestId,
    /// When it was announced.
    pub announced_at: Timestamp,
    /// The instant that was asked for; none: as soon as possible.
    pub effective_asked: Option<Timestamp>,
    /// Why; may be empty.
    pub reason: Text,
}

impl InForce {
    /// The first policy, from an instant on.
    pub const fn first(policy: Policy, effective_at: Timestamp) -> Self {
        Self { version: 1, effective_at, policy, announcement: None }
    }
}

/// A policy that contradicts itself or exceeds a bound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct InvalidPolicy {
    /// The key, as the policy file names it.
    pub key: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Default for Policy {
    fn default() -> Self {
        let tier = |above, multiple| Tier { above: Money::from_dollars(above), multiple };
        Self {
            base_multiple: 1,
            tiers: vec![tier(30_000, 10), tier(5_000, 5), tier(1_000, 3)],
            counts: QuotaCounts::All,
            basis: QuotaBasis::Guarantee,
            calendar: Calendar { day_start: Duration::ZERO },
            quick_days: 2,
            standard_days: 7,
            release_after: hours(7 * 24),
            max_guarantee: None,
            max_lateness: hours(24),
            max_ahead: Duration::from_secs(5),
            appeal_window: hours(30 * 24),
            clean_record: None,
            category_minimums: BTreeMap::new(),
            warn_gap_after: None,
            warn_debt_after: None,
            warn_quota_percent: None,
        }
    }
}

impl Policy {
    /// How many days' totals are kept: an order may be 7 days late at most, and 2 days are to look at.
    pub const DAYS_KEPT: u32 = 9;
    /// The most tiers: a policy is looked up for every order, and kept in the journal.
    pub const MAX_TIERS: usize = 32;
    /// The highest multiple.
    pub const MAX_MULTIPLE: u64 = 1_000;
    /// The most categories with a minimum.
    pub const MAX_CATEGORIES: usize = 1_000;
    /// The latest settlement, in days after completion.
    pub const MAX_DAYS: u64 = 30;

    /// The multiple for a historical profit.
    pub fn multiple(&self, historical_profit: Money) -> u32 {
        self.tiers.iter().find(|tier| historical_profit > tier.above).map_or(self.base_multiple, |tier| tier.multiple)
    }

    /// The lowest tier that a historical profit does not reach yet.
    pub fn next_tier(&self, historical_profit: Money) -> Option<Tier> {
        self.tiers.iter().rev().find(|tier| historical_profit <= tier.above).copied()
    }

    /// What of a day's totals counts towards its quota.
    pub const fn counted(&self, totals: DayTotals) -> Money {
        match self.counts {
            QuotaCounts::All => totals.all,
            QuotaCounts::Quick => totals.quick,
        }
    }

    /// The multiple of a merchant, and its quick settlement quota of a day.
    pub fn quota(&self, guarantee: Money, frozen: Money, historical_profit: Money) -> (u32, Money) {
        let multiple = self.multiple(historical_profit);
        let base = match self.basis {
            QuotaBasis::Guarantee => guarantee,
            QuotaBasis::Frozen => frozen,
        };
        (multiple, base.times(multiple))
    }

    /// Settlement days from completion to settlement.
    pub const fn days(&self, cycle: Cycle) -> u32 {
        match cycle {
            Cycle::Quick => self.quick_days,
            Cycle::Standard => self.standard_days,
        }
    }

    /// The guarantee that categories require: that of the most demanding one, they do not add up.
    pub fn required(&self, categories: &[Category]) -> Money {
        let minimums = categories.iter().filter_map(|category| self.category_minimums.get(category));
        minimums.copied().max().unwrap_or_default()
    }

    /// Checks all bounds, and brings the tiers into order.
    ///
    /// # Errors
    /// Names the first key that is wrong.
    pub fn validated(mut self) -> Result<Self, InvalidPolicy> {
        self.tiers.sort_by_key(|tier| Reverse(tier.above));
        self.misfits().into_iter().next().map_or(Ok(self), Err)
    }

    /// Everything that is wrong, each key once. Tiers may be in any order, and are named by the one they have.
    pub fn misfits(&self) -> Vec<InvalidPolicy> {
        let mut judge = Judge::default();
        self.judge_multiples(&mut judge);
        judge.check("calendar.day_start", self.calendar.day_start < hours(24), "has to be below 24:00");
        judge.check("settlement.quick_days", self.quick_days >= 1, "has to be at least 1");
        judge.check("settlement.quick_days", self.quick_days < self.standard_days, "has to be below standard_days");
        judge.check(
            "settlement.standard_days",
            u64::from(self.standard_days) <= Self::MAX_DAYS,
            "has to be at most 30",
        );
        judge.check("guarantee.release_after", self.release_after <= YEAR, "has to be at most 365 days");
        let whole = |amount: Money| amount.is_whole_dollars() && amount <= Money::MAX_INPUT;
        let maximum = self.max_guarantee.is_none_or(whole);
        judge.check("guarantee.maximum", maximum, "has to be whole dollars of at most 12 digits");
        judge.check("orders.max_lateness", self.max_lateness <= hours(7 * 24), "has to be at most 7 days");
        judge.check("orders.max_ahead", self.max_ahead <= Duration::from_secs(60), "has to be at most 1 minute");
        self.judge_disputes_and_warnings(&mut judge);
        judge.wrong
    }

    fn judge_disputes_and_warnings(&self, judge: &mut Judge) {
        let up_to_a_year = |limit: Option<Duration>| limit.is_none_or(|limit| !limit.is_zero() && limit <= YEAR);
        let minimum =
            |amount: &Money| amount.is_whole_dollars() && *amount > Money::ZERO && *amount <= Money::MAX_INPUT;
        let (minimums, bounds) = (&self.category_minimums, "has to be above 0 and at most 365 days");
        judge.check("appeals.window", self.appeal_window <= YEAR, "has to be at most 365 days");
        judge.check("guarantee.clean_record", up_to_a_year(self.clean_record), bounds);
        let few = minimums.len() <= Self::MAX_CATEGORIES;
        judge.check("categories", few, "has to have at most 1,000 entries");
        let amounts = "has to have whole dollars above 0, of at most 12 digits";
        judge.check("categories", minimums.values().all(minimum), amounts);
        judge.check("warnings.gap_after", up_to_a_year(self.warn_gap_after), bounds);
        judge.check("warnings.debt_after", up_to_a_year(self.warn_debt_after), bounds);
        let percent = self.warn_quota_percent.is_none_or(|percent| (1..=100).contains(&percent));
        judge.check("warnings.quota_percent", percent, "has to be 1 to 100");
    }

    fn judge_multiples(&self, judge: &mut Judge) {
        judge.check("quota.base_multiple", is_multiple(self.base_multiple), MULTIPLE_BOUNDS);
        for (index, tier) in self.tiers.iter().enumerate().filter(|(_, tier)| !is_multiple(tier.multiple)) {
            judge.check(&format!("quota.tiers[{index}].multiple"), is_multiple(tier.multiple), MULTIPLE_BOUNDS);
        }
        judge.check("quota.tiers", self.tiers.len() <= Self::MAX_TIERS, "has to have at most 32 tiers");
        let mut falling = self.tiers.clone();
        falling.sort_by_key(|tier| Reverse(tier.above));
        let mut pairs = falling.iter().zip(falling.iter().skip(1));
        let rising = pairs.all(|(tier, lower)| tier.above > lower.above && tier.multiple > lower.multiple);
        judge.check("quota.tiers", rising, "has to give a higher amount a higher multiple");
        let lowest = falling.last().is_none_or(|lowest| lowest.multiple >= self.base_multiple);
        judge.check("quota.base_multiple", lowest, "has to be at most the multiple of the lowest tier");
    }
}

impl Tier {
    /// Checks the bounds of the multiple.
    ///
    /// # Errors
    /// When it is out of bounds.
    pub fn check(&self) -> Result<(), Rejection> {
        if is_multiple(self.multiple) {
            Ok(())
        } else {
            Err(Rejection::Invalid { field: "multiple", reason: MULTIPLE_BOUNDS.into() })
        }
    }
}

const MULTIPLE_BOUNDS: &str = "has to be 1 to 1,000";
const YEAR: Duration = hours(365 * 24);

fn is_multiple(multiple: u32) -> bool {
    (1..=Policy::MAX_MULTIPLE).contains(&u64::from(multiple))
}

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// Collects what is wrong, each key once.
#[derive(Default)]
struct Judge {
    wrong: Vec<InvalidPolicy>,
}

impl Judge {
    fn check(&mut self, key: &str, holds: bool, reason: &str) {
        if !holds && self.wrong.iter().all(|wrong| wrong.key != key) {
            self.wrong.push(InvalidPolicy { key: key.into(), reason: reason.into() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_has_to_be_exceeded() {
        let policy = Policy::default();
        let thresholds = [(1_000, 1, 3), (5_000, 3, 5), (30_000, 5, 10)];
        for (dollars, at, above) in thresholds {
            let amount = Money::from_dollars(dollars);
            assert_eq!(policy.multiple(amount), at);
            assert_eq!(policy.multiple(amount + Money::CENT), above);
            assert_eq!(policy.next_tier(amount).map(|tier| tier.multiple), Some(above));
        }
        assert_eq!(policy.next_tier(Money::from_dollars(30_001)), None);
    }

    #[test]
    fn the_published_rules_are_valid() {
        assert_eq!(Policy::default().validated(), Ok(Policy::default()));
    }

    #[test]
    fn a_policy_that_contradicts_itself_is_refused_by_key() {
        type Break = fn(&mut Policy);
        let broken: [(&str, Break); 9] = [
            ("quota.tiers[0].multiple", |p| p.tiers[0].multiple = 1_001),
            ("categories", |p| p.category_minimums = [(Category::parse("toys").unwrap(), Money::ZERO)].into()),
            ("quota.base_multiple", |p| p.base_multiple = 0),
            ("quota.base_multiple", |p| p.base_multiple = 4),
            ("quota.tiers", |p| p.tiers.push(Tier { above: Money::from_dollars(1_000), multiple: 4 })),
            ("settlement.quick_days", |p| p.quick_days = 7),
            ("settlement.standard_days", |p| p.standard_days = 31),
            ("guarantee.maximum", |p| p.max_guarantee = Some(Money::CENT)),
            ("orders.max_lateness", |p| p.max_lateness = hours(169)),
        ];
        for (key, breaks) in broken {
            let mut policy = Policy::default();
            breaks(&mut policy);
            assert_eq!(policy.validated().map_err(|invalid| invalid.key), Err(key.to_owned()));
        }
    }

    #[test]
    fn the_bounds_of_a_policy_are_within_it() {
        let mut policy = Policy::default();
        policy.tiers[0].multiple = 1_000;
        policy.category_minimums.insert(Category::parse("toys").unwrap(), Money::from_dollars(1));
        policy.max_lateness = hours(7 * 24);
        policy.max_ahead = Duration::from_secs(60);
        policy.appeal_window = YEAR;
        (policy.clean_record, policy.warn_gap_after, policy.warn_debt_after) = (Some(YEAR), Some(YEAR), Some(YEAR));
        policy.warn_quota_percent = Some(100);
        assert_eq!(policy.clone().validated(), Ok(policy));
    }
}
