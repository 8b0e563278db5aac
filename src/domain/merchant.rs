//! The state of one merchant.

use super::{Cycle, Day, Income, Money, Timestamp};

/// Where a merchant's money is, and what is still to come.
///
/// ```text
///            ClassifyOrder             settles_at                  waterfall
///   order ──────────────────▶ pending ────────────▶ income ─┬─▶ 1. debt
///                                                     ▲     ├─▶ 2. gap ──▶ frozen ──┐ lowering
///                                              due_at │     └─▶ 3. available        │ the guarantee
///                                                     └──────────── releasing ◀─────┘
///                            raising takes back: releasing, then available ──▶ frozen
/// ```
///
/// Always: frozen ≤ guarantee; every balance ≥ 0; a gap or a debt means available = 0; a gap means nothing is releasing; and
/// money is conserved: settled + imported = frozen + releasing + available − debt ([`Merchant::check`]).
///
/// Changed by [`Merchant::apply`] alone; the default is a merchant that was never opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merchant {
    /// What the merchant has opted for; whole dollars.
    pub(crate) guarantee: Money,
    /// The part of it that is really set aside.
    pub(crate) frozen: Money,
    /// Since when there has been a gap.
    pub(crate) gap_since: Option<Timestamp>,
    /// What may be withdrawn.
    pub(crate) available: Money,
    /// What is owed.
    pub(crate) debt: Money,
    /// Decides the multiple.
    pub(crate) historical_profit: Money,
    /// Money on its way back, by due time, then by number.
    pub(crate) releases: Vec<Release>,
    /// How many releases there ever were.
    pub(crate) releases_ever: u64,
    /// Profit that has not settled, in the order in which it will.
    pub(crate) pending: Vec<Pending>,
    /// The totals of recent days, by day.
    pub(crate) days: Vec<DayTotals>,
    /// What ever came in.
    pub(crate) lifetime: Lifetime,
    /// Effective time of the last fact; none before the merchant was opened.
    pub(crate) last_effective_at: Option<Timestamp>,
}

/// Money that has left the guarantee and is on its way back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its number within the merchant, from 1, in the order of creation.
    pub number: u64,
    /// What is left of it.
    pub amount: Money,
    /// When the guarantee was lowered.
    pub created_at: Timestamp,
    /// When it becomes income.
    pub due_at: Timestamp,
}

/// Profit that settles together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// When it settles.
    pub settles_at: Timestamp,
    /// The settlement day on which the orders were completed.
    pub day: Day,
    /// Their cycle.
    pub cycle: Cycle,
    /// How many orders.
    pub orders: u64,
    /// Their profit.
    pub profit: Money,
}

impl Pending {
    /// The order in which profit settles: first due first; at the same instant the older day first, then T+2 first.
    pub(super) fn key(&self) -> (Timestamp, Day, Cycle) {
        (self.settles_at, self.day, self.cycle)
    }
}

/// The price of the orders completed on a settlement day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayTotals {
    /// The day.
    pub day: Day,
    /// All orders.
    pub all: Money,
    /// Those that settle on T+2.
    pub quick: Money,
}

/// What ever came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// Profit that settled.
    pub settled: Money,
    /// Money that was imported.
    pub imported: Money,
}

/// A state in which money was made or lost, or which no rule leads to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Imbalance(pub String);

impl Merchant {
    /// Whether anything ever happened to the merchant.
    pub const fn is_open(&self) -> bool {
        self.last_effective_at.is_some()
    }

    /// What of the guarantee is missing.
    pub fn gap(&self) -> Money {
        self.guarantee.less_at_most(self.frozen)
    }

    /// All money on its way back.
    pub fn releasing(&self) -> Money {
        self.releases.iter().map(|release| release.amount).sum()
    }

    /// All profit that has not settled.
    pub fn pending(&self) -> Money {
        self.pending.iter().map(|pending| pending.profit).sum()
    }

    /// The totals of a settlement day.
    pub fn totals(&self, day: Day) -> DayTotals {
        self.days
            .iter()
            .rev()
            .find(|totals| totals.day == day)
            .copied()
            .unwrap_or(DayTotals { day, ..Default::default() })
    }

    /// Where an income would go: debt, then the gap, then available.
    pub(super) fn waterfall(&self, amount: Money) -> Income {
        let to_debt = amount.min(self.debt);
        let to_gap = (amount - to_debt).min(self.gap());
        Income { to_debt, to_gap, to_available: amount - to_debt - to_gap }
    }

    /// Drops the totals of days before this one, which no order can come late to any more. Not a fact: no answer rests on them.
    pub fn forget_days_before(&mut self, day: Day) {
        self.days.retain(|totals| totals.day >= day);
    }

    /// The oldest day whose totals are kept.
    pub fn oldest_day(&self) -> Option<Day> {
        self.days.first().map(|totals| totals.day)
    }

    /// Checks what always holds.
    ///
    /// # Errors
    /// Says which invariant is broken, with the figures.
    pub fn check(&self) -> Result<(), Imbalance> {
        let balances = [self.guarantee, self.frozen, self.available, self.debt];
        let parts = self.releases.iter().map(|r| r.amount).chain(self.pending.iter().map(|p| p.profit));
        let into = self.lifetime.settled + self.lifetime.imported;
        let held = self.frozen + self.releasing() + self.available - self.debt;
        let broken = if into != held {
            "money is not conserved"
        } else if balances.into_iter().chain(parts).any(|amount| amount < Money::ZERO) {
            "a balance is below zero"
        } else if self.frozen > self.guarantee {
            "more is frozen than the guarantee"
        } else if !self.available.is_zero() && (!self.gap().is_zero() || !self.debt.is_zero()) {
            "money is available beside a gap or a debt"
        } else if !self.gap().is_zero() && !self.releases.is_empty() {
            "money is releasing beside a gap"
        } else if self.gap().is_zero() != self.gap_since.is_none() {
            "the gap has no beginning, or a beginning without a gap"
        } else {
            return Ok(());
        };
        Err(Imbalance(format!(
            "{broken}: settled {} + imported {} against frozen {} + releasing {} + available {} - debt {}, guarantee {}",
            self.lifetime.settled,
            self.lifetime.imported,
            self.frozen,
            self.releasing(),
            self.available,
            self.debt,
            self.guarantee
        )))
    }
}
