//! Sums over all merchants, by settlement day.

use super::{Balances, HistoryError};
use crate::{
    codec::{amount, money},
    domain::{Lifetime, Merchant, Money},
    proto::journal::HistoryDay,
};

/// Balances and flows added up over merchants, or what changed in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// The balances.
    pub balances: Balances,
    /// All that ever came in and went out.
    pub lifetime: Lifetime,
    /// How many merchants are open: were ever opened.
    pub merchants: i64,
}

/// A settlement day over all merchants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DaySums {
    /// When it began.
    pub opening: Sums,
    /// What it changed.
    pub change: Sums,
    /// When it ended, or as far as it has got.
    pub closing: Sums,
}

/// How many amounts there are in [`Sums`].
const AMOUNTS: usize = 19;

impl Sums {
    /// What one merchant adds.
    pub fn of(merchant: &Merchant) -> Self {
        Self {
            balances: Balances::of(merchant),
            lifetime: merchant.lifetime().clone(),
            merchants: i64::from(merchant.is_open()),
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.amounts_mut().into_iter().zip(other.amounts()).for_each(|(sum, more)| *sum += more);
        self.merchants += other.merchants;
    }

    /// Takes others away.
    pub fn subtract(&mut self, other: &Self) {
        self.amounts_mut().into_iter().zip(other.amounts()).for_each(|(sum, less)| *sum -= less);
        self.merchants -= other.merchants;
    }

    /// All amounts; their order is part of the durable format.
    fn amounts(&self) -> [Money; AMOUNTS] {
        let mut copy = self.clone();
        copy.amounts_mut().map(|amount| *amount)
    }

    fn amounts_mut(&mut self) -> [&mut Money; AMOUNTS] {
        let (balances, lifetime) = (&mut self.balances, &mut self.lifetime);
        [
            &mut balances.guarantee,
            &mut balances.frozen,
            &mut balances.gap,
            &mut balances.releasing,
            &mut balances.available,
            &mut balances.pending,
            &mut balances.debt,
            &mut balances.historical_profit,
            &mut lifetime.settled,
            &mut lifetime.imported,
            &mut lifetime.paid_in,
            &mut lifetime.credited,
            &mut lifetime.withdrawals_failed,
            &mut lifetime.overturned,
            &mut lifetime.withdrawn,
            &mut lifetime.deducted,
            &mut lifetime.reversed,
            &mut lifetime.payments_returned,
            &mut lifetime.debited,
        ]
    }

    pub(super) fn encode(&self) -> HistoryDay {
        let changes = self.amounts().into_iter().map(|sum| amount(sum).unwrap_or_default()).collect();
        HistoryDay { opened: self.merchants, changes }
    }

    pub(super) fn decode(day: HistoryDay) -> Result<Self, HistoryError> {
        let mut sums = Self { merchants: day.opened, ..Self::default() };
        let changes: [_; AMOUNTS] =
            day.changes.try_into().map_err(|_| HistoryError::damaged("a day with other sums than these"))?;
        sums.amounts_mut().into_iter().zip(changes).for_each(|(sum, change)| *sum = money(Some(change)));
        Ok(sums)
    }
}
