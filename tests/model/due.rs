//! What falls due for a merchant, and in which order.

use super::answers::{MerchantState, ReleaseState, ShownIncome};
use super::api::Cycle;
use super::ledger::{Counter, Fact, Kind};
use super::merchant::ModelMerchant;
use super::policy::Policies;

/// Something that falls due, ordered as it has to be applied at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Everything of one day and cycle that settles at this instant.
    Settlement {
        day: i64,
        cycle: Cycle,
        settles_at: i64,
    },
    Release {
        number: u64,
    },
    GapWarning,
    DebtWarning,
    Closing,
}

impl ModelMerchant {
    /// Everything that will fall due if nothing else happens, with its instant.
    pub fn outstanding(&self, policies: &Policies) -> Vec<(i64, Due)> {
        let mut all = Vec::new();
        for order in self.orders.iter().filter(|order| !order.settled) {
            let settlement = Due::Settlement { day: order.day, cycle: order.cycle, settles_at: order.settles_at };
            all.push((order.settles_at, settlement));
        }
        for bulk in self.bulks.iter().filter(|bulk| !bulk.settled) {
            let settlement = Due::Settlement { day: bulk.day, cycle: bulk.cycle, settles_at: bulk.settles_at };
            all.push((bulk.settles_at, settlement));
        }
        if !self.is_held() {
            all.extend(self.open_releases().map(|release| (release.due_at, Due::Release { number: release.number })));
        }
        if let Some(since) = self.gap_since.filter(|_| !self.gap_warned) {
            all.extend(policies.warning_due(since, |policy| policy.warn_gap_after).map(|at| (at, Due::GapWarning)));
        }
        if let Some(since) = self.debt_since.filter(|_| !self.debt_warned) {
            all.extend(policies.warning_due(since, |policy| policy.warn_debt_after).map(|at| (at, Due::DebtWarning)));
        }
        if self.state == MerchantState::Closing && self.is_done() {
            all.push((self.last_effective(), Due::Closing));
        }
        all.sort();
        all.dedup();
        all
    }

    /// When something falls due next.
    pub fn next_due(&self, policies: &Policies) -> Option<i64> {
        self.outstanding(policies).first().map(|(at, _)| *at)
    }

    /// Applies everything due by now, one after another.
    pub fn apply_due(&mut self, now: i64, policies: &Policies) {
        while let Some((at, due)) = self.outstanding(policies).first().filter(|(at, _)| *at <= now) {
            self.apply(*at, *due, now);
        }
    }

    /// Applies one thing; what income there was, and how much.
    pub fn apply(&mut self, at: i64, due: Due, now: i64) -> Option<(i128, ShownIncome)> {
        match due {
            Due::Settlement { day, cycle, settles_at } => {
                let (mut profit, mut count) = (0, 0);
                let key = (day, cycle, settles_at);
                for order in self.orders.iter_mut().filter(|order| !order.settled) {
                    if (order.day, order.cycle, order.settles_at) == key {
                        order.settled = true;
                        profit += order.profit - order.profit_reversed;
                        count += 1;
                    }
                }
                for bulk in self.bulks.iter_mut().filter(|bulk| !bulk.settled) {
                    if (bulk.day, bulk.cycle, bulk.settles_at) == key {
                        bulk.settled = true;
                        profit += bulk.profit;
                        count += bulk.orders;
                    }
                }
                let income = self.income(profit);
                let mut fact = Fact::new(Kind::ProfitSettled, profit, at).flow(Counter::Settled, profit);
                fact.settled = Some(((cycle, day, settles_at), count, income.clone()));
                self.record(fact, now);
                Some((profit, income))
            }
            Due::Release { number } => {
                let effective = at.max(self.last_effective());
                let release = &mut self.releases[number as usize - 1];
                release.state = ReleaseState::Completed;
                release.ended_at = Some(effective);
                let amount = release.amount;
                let income = self.income(amount);
                self.record(Fact::new(Kind::ReleaseCompleted, amount, at).about(&number.to_string()), now);
                Some((amount, income))
            }
            Due::GapWarning => {
                self.gap_warned = true;
                self.record(Fact::new(Kind::WarningRaised, self.gap(), at), now);
                None
            }
            Due::DebtWarning => {
                self.debt_warned = true;
                self.record(Fact::new(Kind::WarningRaised, self.debt, at), now);
                None
            }
            Due::Closing => {
                self.state = MerchantState::Closed;
                self.record(Fact::new(Kind::MerchantClosed, 0, at), now);
                None
            }
        }
    }
}
