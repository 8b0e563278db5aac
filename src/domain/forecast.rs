//! What is to come if nothing else happens.

use super::{Cycle, Fact, Income, Merchant, Money, Timeline, Timestamp};

/// Everything that comes due, in due order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// What is available now.
    pub available: Money,
    /// What comes due.
    pub items: Vec<Foreseen>,
    /// Releases that wait for holds to be lifted, so that nobody can tell when they come.
    pub held: Money,
}

/// Something that comes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreseen {
    /// When.
    pub due_at: Timestamp,
    /// What it is.
    pub kind: Foreseeable,
    /// Where it goes.
    pub income: Income,
    /// What is available then.
    pub available: Money,
}

/// What time alone makes income.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreseeable {
    /// Profit settles, of orders of this cycle.
    Settlement(Cycle),
    /// The release of this number is completed.
    Release(u64),
}

impl Merchant {
    /// What comes due one after the other if nothing else happens, for a merchant for whom nothing is due.
    pub fn forecast(&self, policies: &Timeline) -> Forecast {
        let mut copy = self.clone();
        let mut items = Vec::with_capacity(self.pending.len() + self.releases.len());
        // Every settlement and release comes once, so do a warning of a gap, one of a debt, and closing: it ends before this many.
        for _ in 0..self.pending.len() + self.releases.len() + 3 {
            let Some(due_at) = copy.next_due_at(policies) else { break };
            let Some(event) = copy.next_due(due_at, policies) else { break };
            copy.apply(&event);
            let (kind, income) = match &event.fact {
                Fact::ProfitSettled(fact) => (Foreseeable::Settlement(fact.cycle), fact.income),
                Fact::ReleaseCompleted(fact) => (Foreseeable::Release(fact.number), fact.income),
                _ => continue,
            };
            items.push(Foreseen { due_at, kind, income, available: copy.available });
        }
        let held = if self.holds.is_empty() { Money::ZERO } else { self.releasing() };
        Forecast { available: self.available, items, held }
    }
}

#[cfg(test)]
mod tests;
