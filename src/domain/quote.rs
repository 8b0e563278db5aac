//! What guarantee it would take.

use std::fmt;

use super::{Merchant, Money, QuotaBasis, Stage, Timeline, Timestamp};

/// The smallest guarantee with which orders would settle on T+2, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The guarantee, in whole dollars; none: no guarantee would do.
    pub guarantee: Option<Money>,
    /// What that is more than the present guarantee.
    pub raise: Money,
    /// What of the raise could be frozen at once.
    pub covered: Money,
    /// The multiple read from the historical profit.
    pub multiple: u32,
    /// The quota of the day with that guarantee; with the present one where there is none.
    pub quota: Money,
    /// What counts towards the day already.
    pub day_total: Money,
    /// The sum of the prices.
    pub orders_total: Money,
    /// When the day ends.
    pub resets_at: Timestamp,
    /// The version of the policy.
    pub policy_version: u64,
    /// Why there is none, or why it could not be set now.
    pub obstacle: Option<Obstacle>,
}

/// What is in the way of a guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// It would have more than 12 digits.
    AboveEveryGuarantee,
    /// Policy bases the quota on what is frozen, and there is too little money to freeze.
    TooLittleToFreeze {
        /// What could be frozen at most.
        most: Money,
        /// What would have to be.
        needed: Money,
    },
    /// It is above the maximum of policy.
    AboveMaximum {
        /// The maximum.
        maximum: Money,
    },
    /// A merchant that is closing cannot raise its guarantee.
    Closing,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AboveEveryGuarantee => {
                write!(f, "a guarantee is at most {} dollars", Money::MAX_INPUT_DOLLARS)
            }
            Self::TooLittleToFreeze { most, needed } => {
                write!(f, "the quota rests on what is frozen: {needed} would have to be, and at most {most} can be")
            }
            Self::AboveMaximum { maximum } => write!(f, "it is above the maximum of {maximum}"),
            Self::Closing => f.write_str("the merchant is closing or closed"),
        }
    }
}

impl Merchant {
    /// The smallest guarantee with which orders of these prices, completed now one after the other, would all be T+2; for a
    /// merchant for whom nothing is due.
    pub fn quote(&self, prices: &[Money], now: Timestamp, policies: &Timeline) -> Quote {
        let in_force = policies.at(now);
        let policy = &in_force.policy;
        let multiple = policy.multiple(self.historical_profit);
        let day_total = policy.counted(self.totals(policies.day_of(now)));
        let orders_total: Money = prices.iter().copied().sum();
        // If all are T+2, the last one finds all others counted, and no earlier one finds more.
        let base = per_multiple(day_total + orders_total, multiple);
        let smallest = whole_dollars(base);
        // What is frozen never exceeds the guarantee, nor all there is to freeze; raising freezes up to both.
        let most = self.frozen + self.releasing() + self.available;
        let none = if smallest > Money::from_dollars(Money::MAX_INPUT_DOLLARS) {
            Some(Obstacle::AboveEveryGuarantee)
        } else if policy.basis == QuotaBasis::Frozen && most < base {
            Some(Obstacle::TooLittleToFreeze { most, needed: base })
        } else {
            None
        };
        let guarantee = Some(smallest).filter(|_| none.is_none());
        let raise = guarantee.map_or(Money::ZERO, |guarantee| guarantee.less_at_most(self.guarantee));
        let frozen = guarantee.map_or(self.frozen, |guarantee| guarantee.min(most));
        let (_, quota) = policy.quota(guarantee.unwrap_or(self.guarantee), frozen, self.historical_profit);
        let above = policy.max_guarantee.filter(|maximum| smallest > *maximum);
        let refused = above.map(|maximum| Obstacle::AboveMaximum { maximum });
        let refused = refused.or_else(|| (self.stage != Stage::Open).then_some(Obstacle::Closing));
        Quote {
            guarantee,
            raise,
            covered: raise.min(self.releasing() + self.available),
            multiple,
            quota,
            day_total,
            orders_total,
            resets_at: policies.end_of_day(now),
            policy_version: in_force.version,
            obstacle: none.or_else(|| refused.filter(|_| !raise.is_zero())),
        }
    }
}

/// The least that times the multiple is at least this.
fn per_multiple(amount: Money, multiple: u32) -> Money {
    let multiple = i128::from(multiple.max(1));
    Money::from_cents((amount.cents() + multiple - 1) / multiple)
}

fn whole_dollars(amount: Money) -> Money {
    Money::from_cents((amount.cents() + 99) / 100 * 100)
}

#[cfg(test)]
mod tests;
