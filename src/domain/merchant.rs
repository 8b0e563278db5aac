//! The state of one merchant.

use super::{Category, Charge, Cycle, Day, Income, Money, RequestId, Timestamp};

/// Where a merchant's money is, and what is still to come.
///
/// ```text
///            ClassifyOrder             settles_at                  waterfall
///   order ──────────────────▶ pending ────────────▶ income ─┬─▶ 1. debt
///                                                     ▲     ├─▶ 2. gap ──▶ frozen ──┐ lowering
///     paid in, overturned, withdrawal failed, credit ─┤     └─▶ 3. available        │ the guarantee
///                                                     └──── due_at, no hold ── releasing ◀┘
///                            raising takes back: releasing, then available ──▶ frozen
///                            a deduction takes: releasing, frozen, available, then debt
///                            a charge (reversal, returned payment, debit) takes: available, then debt
/// ```
///
/// Always: frozen ≤ guarantee; every balance ≥ 0; a gap or a debt means available = 0; a gap means nothing is releasing; and
/// money is conserved: what came in is what is held, less debt, plus what went out ([`Merchant::check`]).
///
/// Changed by [`Merchant::apply`] alone; the default is a merchant that was never opened.
///
/// Laid out as written: what every order needs comes first, and so is in few lines of the processor's cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Merchant {
    /// What the merchant has opted for; whole dollars.
    pub(crate) guarantee: Money,
    /// The part of it that is really set aside.
    pub(crate) frozen: Money,
    /// Decides the multiple.
    pub(crate) historical_profit: Money,
    /// Profit that has not settled, in the order in which it will.
    pub(crate) pending: Vec<Pending>,
    /// The totals of recent days, by day.
    pub(crate) days: Vec<DayTotals>,
    /// How many facts there are about the merchant.
    pub(crate) facts: u64,
    /// Effective time of the last fact; none before the merchant was opened.
    pub(crate) last_effective_at: Option<Timestamp>,
    /// The gap of now.
    pub(crate) gap_standing: Lasting,
    /// The debt of now.
    pub(crate) debt_standing: Lasting,
    /// Money on its way back, by due time, then by number.
    pub(crate) releases: Vec<Release>,
    /// Deductions that an appeal may still change, oldest first.
    pub(crate) deductions: Vec<Deduction>,
    /// Open, or on its way out.
    pub(crate) stage: Stage,
    /// What may be withdrawn.
    pub(crate) available: Money,
    /// What is owed.
    pub(crate) debt: Money,
    /// How many releases there ever were.
    pub(crate) releases_ever: u64,
    /// Holds that stand, oldest first.
    pub(crate) holds: Vec<Hold>,
    /// The latest deduction of which something stands for good.
    pub(crate) last_standing_deduction: Option<Timestamp>,
    /// What the merchant trades in, in order.
    pub(crate) categories: Vec<Category>,
    /// What ever came in and went out. Apart from the rest, which grows by it otherwise.
    pub(crate) lifetime: Box<Lifetime>,
}

/// A state that should not last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lasting {
    /// Since when it has lasted; none: it does not.
    pub since: Option<Timestamp>,
    /// It has been warned of.
    pub warned: bool,
}

/// Whether a merchant trades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// It does.
    #[default]
    Open,
    /// It wants to end, and something is left to be done.
    Closing,
    /// It has ended.
    Closed,
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
    /// The use of the quota has been warned of.
    pub warned: bool,
}

/// A hold that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The request that placed it.
    pub id: RequestId,
    /// When it was placed.
    pub placed_at: Timestamp,
}

/// A deduction that an appeal may still change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deduction {
    /// The request that made it.
    pub id: RequestId,
    /// When it was made.
    pub deducted_at: Timestamp,
    /// Until when there may be an appeal; this instant included.
    pub appeal_until: Timestamp,
    /// An appeal is open.
    pub appealed: bool,
}

/// What ever came in and went out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// Profit that settled.
    pub settled: Money,
    /// Money that was imported: balances less debt, so it may be below zero.
    pub imported: Money,
    /// Payments.
    pub paid_in: Money,
    /// Adjustments in the merchant's favour.
    pub credited: Money,
    /// Withdrawals that came back.
    pub withdrawals_failed: Money,
    /// Deductions that were overturned.
    pub overturned: Money,
    /// Withdrawals.
    pub withdrawn: Money,
    /// Deductions.
    pub deducted: Money,
    /// Profit that was reversed after it had settled.
    pub reversed: Money,
    /// Payments that were returned.
    pub payments_returned: Money,
    /// Adjustments against the merchant.
    pub debited: Money,
}

impl Lifetime {
    /// All that came in.
    pub fn came_in(&self) -> Money {
        self.settled + self.imported + self.paid_in + self.credited + self.withdrawals_failed + self.overturned
    }

    /// All that went out.
    pub fn went_out(&self) -> Money {
        self.withdrawn + self.deducted + self.reversed + self.payments_returned + self.debited
    }
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

    /// How many facts there are about the merchant: the number of its last entry.
    pub const fn facts(&self) -> u64 {
        self.facts
    }

    /// Whether it trades.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// What of the guarantee is missing.
    pub fn gap(&self) -> Money {
        self.guarantee.less_at_most(self.frozen)
    }

    /// What of the guarantee is really set aside.
    pub const fn frozen(&self) -> Money {
        self.frozen
    }

    /// All money on its way back.
    pub fn releasing(&self) -> Money {
        self.releases.iter().map(|release| release.amount).sum()
    }

    /// The open releases, first due first.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// All profit that has not settled.
    pub fn pending(&self) -> Money {
        self.pending.iter().map(|pending| pending.profit).sum()
    }

    /// The profit that settles in a span of time, its end excluded.
    pub fn pending_between(&self, from: Timestamp, to: Timestamp) -> Money {
        let within = self.pending.iter().filter(|pending| (from..to).contains(&pending.settles_at));
        within.map(|pending| pending.profit).sum()
    }

    /// Appeals that are open.
    pub fn open_appeals(&self) -> usize {
        self.deductions.iter().filter(|deduction| deduction.appealed).count()
    }

    /// What ever came in and went out.
    pub const fn lifetime(&self) -> &Lifetime {
        &self.lifetime
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

    /// When the latest deduction was made of which anything stands.
    pub fn last_deduction(&self) -> Option<Timestamp> {
        self.deductions.last().map(|deduction| deduction.deducted_at).max(self.last_standing_deduction)
    }

    /// Where an income would go: debt, then the gap, then available.
    pub(super) fn waterfall(&self, amount: Money) -> Income {
        let to_debt = amount.min(self.debt);
        let to_gap = (amount - to_debt).min(self.gap());
        Income { to_debt, to_gap, to_available: amount - to_debt - to_gap }
    }

    /// Where a charge would come from: available, then debt.
    pub(super) fn charge(&self, amount: Money) -> Charge {
        let from_available = amount.min(self.available);
        Charge { from_available, to_debt: amount - from_available }
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
        let held = self.frozen + self.releasing() + self.available - self.debt;
        let broken = if self.lifetime.came_in() != held + self.lifetime.went_out() {
            "money is not conserved"
        } else if balances.into_iter().chain(parts).any(|amount| amount < Money::ZERO) {
            "a balance is below zero"
        } else if self.frozen > self.guarantee {
            "more is frozen than the guarantee"
        } else if !self.available.is_zero() && (!self.gap().is_zero() || !self.debt.is_zero()) {
            "money is available beside a gap or a debt"
        } else if !self.gap().is_zero() && !self.releases.is_empty() {
            "money is releasing beside a gap"
        } else if self.gap().is_zero() != self.gap_standing.since.is_none() {
            "the gap has no beginning, or a beginning without a gap"
        } else if self.debt.is_zero() != self.debt_standing.since.is_none() {
            "the debt has no beginning, or a beginning without a debt"
        } else if self.stage != Stage::Open && !self.guarantee.is_zero() {
            "there is a guarantee although the merchant is closing"
        } else {
            return Ok(());
        };
        Err(Imbalance(format!(
            "{broken}: came in {}, went out {}, against frozen {} + releasing {} + available {} - debt {}, guarantee {}",
            self.lifetime.came_in(),
            self.lifetime.went_out(),
            self.frozen,
            self.releasing(),
            self.available,
            self.debt,
            self.guarantee
        )))
    }
}
