//! What a fact does to the state. Cannot fail and decides nothing: recovery is this alone.

use super::{
    DayTotals, Event, Fact, GuaranteeModified, Income, Merchant, MerchantImported, Money, OrderClassified, Pending,
    Policy, ProfitSettled, Release, ReleaseCompleted, event::Cycle,
};

impl Merchant {
    /// Makes a fact part of the state.
    pub fn apply(&mut self, event: &Event) {
        match &event.fact {
            Fact::OrderClassified(fact) => self.apply_order(fact),
            Fact::ProfitSettled(fact) => self.apply_settled(fact),
            Fact::GuaranteeModified(fact) => self.apply_guarantee(fact, event),
            Fact::ReleaseCompleted(fact) => self.apply_released(fact),
            Fact::MerchantImported(fact) => self.apply_imported(fact),
        }
        self.gap_since = if self.gap().is_zero() { None } else { self.gap_since.or(Some(event.effective_at)) };
        self.last_effective_at = Some(event.effective_at);
    }

    fn apply_order(&mut self, fact: &OrderClassified) {
        let totals = self.totals_mut(fact);
        totals.all += fact.price;
        if fact.cycle == Cycle::Quick {
            totals.quick += fact.price;
        }
        self.add_pending(fact);
    }

    /// The totals of the order's day; a new day pushes out those that no order can come late to any more.
    fn totals_mut(&mut self, fact: &OrderClassified) -> &mut DayTotals {
        let at = self.days.partition_point(|totals| totals.day < fact.day);
        if self.days.get(at).is_none_or(|totals| totals.day != fact.day) {
            self.days.insert(at, DayTotals { day: fact.day, ..DayTotals::default() });
            let newest = self.days.last().map_or(fact.day, |totals| totals.day);
            self.days.retain(|totals| totals.day == fact.day || totals.day > newest.minus(Policy::DAYS_KEPT));
        }
        let at = self.days.partition_point(|totals| totals.day < fact.day);
        #[allow(clippy::indexing_slicing, reason = "inserted above if it was missing, and never pushed out")]
        &mut self.days[at]
    }

    fn add_pending(&mut self, fact: &OrderClassified) {
        let key = (fact.settles_at, fact.day, fact.cycle);
        let at = self.pending.partition_point(|pending| pending.key() < key);
        match self.pending.get_mut(at) {
            Some(pending) if pending.key() == key => {
                pending.orders += 1;
                pending.profit += fact.profit;
            }
            _ => {
                let (settles_at, day, cycle) = key;
                self.pending.insert(at, Pending { settles_at, day, cycle, orders: 1, profit: fact.profit });
            }
        }
    }

    fn apply_settled(&mut self, fact: &ProfitSettled) {
        let key = (fact.settles_at, fact.day, fact.cycle);
        self.pending.retain(|pending| pending.key() != key);
        let profit = fact.income.total();
        self.historical_profit += profit;
        self.lifetime.settled += profit;
        self.receive(fact.income);
    }

    fn apply_released(&mut self, fact: &ReleaseCompleted) {
        self.releases.retain(|release| release.number != fact.number);
        self.receive(fact.income);
    }

    fn receive(&mut self, income: Income) {
        self.debt -= income.to_debt;
        self.frozen += income.to_gap;
        self.available += income.to_available;
    }

    fn apply_guarantee(&mut self, fact: &GuaranteeModified, event: &Event) {
        self.take_back(fact.from_releasing);
        self.guarantee = fact.guarantee;
        self.frozen = fact.frozen;
        self.available = fact.available;
        if !fact.released.is_zero() {
            self.releases_ever += 1;
            let release = Release {
                number: self.releases_ever,
                amount: fact.released,
                created_at: event.effective_at,
                due_at: fact.release_due_at,
            };
            let at = self.releases.partition_point(|other| other.due_at <= release.due_at);
            self.releases.insert(at, release);
        }
    }

    /// Takes money from what is releasing: latest due first, then latest created. The others keep their dates.
    fn take_back(&mut self, mut amount: Money) {
        while let Some(latest) = self.releases.last_mut().filter(|_| !amount.is_zero()) {
            let taken = amount.min(latest.amount);
            latest.amount -= taken;
            amount -= taken;
            if latest.amount.is_zero() {
                self.releases.pop();
            }
        }
    }

    fn apply_imported(&mut self, fact: &MerchantImported) {
        self.historical_profit = fact.historical_profit;
        self.available = fact.available;
        self.lifetime.imported += fact.available;
    }
}
