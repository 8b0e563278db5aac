//! What a fact does to the state. Cannot fail and decides nothing: recovery is this alone.

use super::{
    AppealOpened, AppealResolved, BalanceAdjusted, Charge, ClosingStarted, Cycle, Day, DayTotals, Deduction, Direction,
    Event, Fact, GuaranteeChange, Hold, Income, Lasting, MarginDeducted, Merchant, MerchantImported, Money,
    OrderReversed, Pending, Policy, ProfitSettled, Release, ReleaseCompleted, Stage, Timestamp, Warning,
    known::OrderTerms,
};

impl Merchant {
    /// Makes a fact part of the state.
    pub fn apply(&mut self, event: &Event) {
        let at = event.effective_at;
        if let Fact::OrderClassified(order) = &event.fact {
            return self.apply_order(&order.terms(false), at);
        }
        self.settle_deductions(at);
        match &event.fact {
            Fact::OrderClassified(_) => {}
            Fact::OrderImported(_) => event.fact.order().iter().for_each(|order| self.take(order)),
            Fact::OrderReversed(fact) => self.apply_reversed(fact),
            Fact::ProfitSettled(fact) => self.apply_settled(fact),
            Fact::GuaranteeModified(fact) => self.apply_guarantee(&fact.change, at),
            Fact::ReleaseCompleted(fact) => self.apply_released(fact),
            Fact::MerchantImported(fact) => self.apply_imported(fact, at),
            Fact::MarginPaid(fact) => {
                let amount = self.receive(fact.income);
                self.lifetime.paid_in += amount;
            }
            Fact::PaymentReturned(fact) => {
                let amount = self.give(fact.charge);
                self.lifetime.payments_returned += amount;
            }
            Fact::Withdrawn(fact) => {
                self.available -= fact.amount;
                self.lifetime.withdrawn += fact.amount;
            }
            Fact::WithdrawalFailed(fact) => {
                let amount = self.receive(fact.income);
                self.lifetime.withdrawals_failed += amount;
            }
            Fact::BalanceAdjusted(fact) => self.apply_adjusted(fact),
            Fact::MarginDeducted(fact) => self.apply_deducted(fact, at),
            Fact::AppealOpened(fact) => self.apply_appealed(fact),
            Fact::AppealResolved(fact) => self.apply_resolved(fact),
            Fact::HoldPlaced(fact) => self.holds.push(Hold { id: fact.request_id.clone(), placed_at: at }),
            Fact::HoldLifted(fact) => self.holds.retain(|hold| hold.id != fact.hold_id),
            Fact::CategoriesSet(fact) => self.categories.clone_from(&fact.categories),
            Fact::ClosingStarted(fact) => self.apply_closing(fact, at),
            Fact::MerchantClosed(_) => self.stage = Stage::Closed,
            Fact::MerchantReopened(_) => self.stage = Stage::Open,
            Fact::WarningRaised(fact) => self.apply_warning(&fact.warning),
        }
        self.come_back(&event.fact);
        self.gap_standing = lasting(self.gap_standing, self.gap(), at);
        self.debt_standing = lasting(self.debt_standing, self.debt, at);
        self.last_effective_at = Some(at);
        self.facts += 1;
    }

    /// The same for an order, which changes neither gap nor debt.
    pub(crate) fn apply_order(&mut self, order: &OrderTerms, at: Timestamp) {
        self.settle_deductions(at);
        self.take(order);
        if self.stage == Stage::Closed {
            self.stage = Stage::Closing;
        }
        self.last_effective_at = Some(at);
        self.facts += 1;
    }

    fn take(&mut self, order: &OrderTerms) {
        let totals = self.totals_mut(order.day);
        totals.all += order.price;
        if order.cycle == Cycle::Quick {
            totals.quick += order.price;
        }
        if !order.settled_elsewhere {
            let OrderTerms { settles_at, day, cycle, profit, .. } = *order;
            self.add_pending(Pending { settles_at, day, cycle, orders: 1, profit });
        }
    }

    /// The totals of a day; a new day pushes out those that no order can come late to any more.
    fn totals_mut(&mut self, day: Day) -> &mut DayTotals {
        let at = self.days.partition_point(|totals| totals.day < day);
        if self.days.get(at).is_none_or(|totals| totals.day != day) {
            self.days.insert(at, DayTotals { day, ..DayTotals::default() });
            let newest = self.days.last().map_or(day, |totals| totals.day);
            self.days.retain(|totals| totals.day == day || totals.day > newest.minus(Policy::DAYS_KEPT));
        }
        let at = self.days.partition_point(|totals| totals.day < day);
        #[allow(clippy::indexing_slicing, reason = "inserted above if it was missing, and never pushed out")]
        &mut self.days[at]
    }

    fn add_pending(&mut self, more: Pending) {
        let key = more.key();
        let at = self.pending.partition_point(|pending| pending.key() < key);
        match self.pending.get_mut(at) {
            Some(pending) if pending.key() == key => {
                pending.orders += more.orders;
                pending.profit += more.profit;
            }
            _ => self.pending.insert(at, more),
        }
    }

    fn apply_reversed(&mut self, fact: &OrderReversed) {
        match fact.charge {
            Some(charge) => {
                let amount = self.give(charge);
                self.lifetime.reversed += amount;
                self.historical_profit -= fact.profit;
            }
            None => {
                let key = (fact.settles_at, fact.day, fact.cycle);
                if let Some(pending) = self.pending.iter_mut().find(|pending| pending.key() == key) {
                    pending.profit -= fact.profit;
                }
            }
        }
        if let Some(totals) = self.days.iter_mut().find(|totals| totals.day == fact.day) {
            totals.all -= fact.uncounted;
            if fact.cycle == Cycle::Quick {
                totals.quick -= fact.uncounted;
            }
        }
    }

    fn apply_settled(&mut self, fact: &ProfitSettled) {
        let key = (fact.settles_at, fact.day, fact.cycle);
        self.pending.retain(|pending| pending.key() != key);
        let profit = self.receive(fact.income);
        self.historical_profit += profit;
        self.lifetime.settled += profit;
    }

    fn apply_released(&mut self, fact: &ReleaseCompleted) {
        self.releases.retain(|release| release.number != fact.number);
        self.receive(fact.income);
    }

    /// Takes an income in, and answers how much it was.
    fn receive(&mut self, income: Income) -> Money {
        self.debt -= income.to_debt;
        self.frozen += income.to_gap;
        self.available += income.to_available;
        income.total()
    }

    /// Gives a charge away, and answers how much it was.
    fn give(&mut self, charge: Charge) -> Money {
        self.available -= charge.from_available;
        self.debt += charge.to_debt;
        charge.total()
    }

    fn apply_guarantee(&mut self, change: &GuaranteeChange, at: Timestamp) {
        self.take_back(change.from_releasing);
        self.guarantee = change.guarantee;
        self.frozen = change.frozen;
        self.available = change.available;
        if !change.released.is_zero() {
            self.add_release(change.released, at, change.release_due_at);
        }
    }

    fn add_release(&mut self, amount: Money, created_at: Timestamp, due_at: Timestamp) {
        self.releases_ever += 1;
        let release = Release { number: self.releases_ever, amount, created_at, due_at };
        let at = self.releases.partition_point(|other| other.due_at <= due_at);
        self.releases.insert(at, release);
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

    fn apply_imported(&mut self, fact: &MerchantImported, at: Timestamp) {
        self.historical_profit = fact.historical_profit;
        self.available = fact.available;
        self.debt = fact.debt;
        self.guarantee = fact.guarantee;
        self.frozen = fact.frozen;
        for release in &fact.releasing {
            self.add_release(release.amount, at, release.due_at);
        }
        fact.pending.iter().for_each(|pending| self.add_pending(pending.clone()));
        self.lifetime.imported += self.frozen + self.releasing() + self.available - self.debt;
    }

    fn apply_adjusted(&mut self, fact: &BalanceAdjusted) {
        match fact.direction {
            Direction::Credit => {
                let amount = self.receive(fact.income);
                self.lifetime.credited += amount;
            }
            Direction::Debit => {
                let amount = self.give(fact.charge);
                self.lifetime.debited += amount;
            }
        }
    }

    fn apply_deducted(&mut self, fact: &MarginDeducted, at: Timestamp) {
        self.take_back(fact.split.from_releasing);
        self.frozen = self.frozen - fact.split.from_frozen + fact.refilled;
        self.available = self.available - fact.split.from_available - fact.refilled;
        self.debt += fact.split.to_debt;
        self.lifetime.deducted += fact.split.total();
        let (id, appeal_until) = (fact.request_id.clone(), fact.appeal_until);
        self.deductions.push(Deduction { id, deducted_at: at, appeal_until, appealed: false });
    }

    fn apply_appealed(&mut self, fact: &AppealOpened) {
        if let Some(deduction) = self.deductions.iter_mut().find(|deduction| deduction.id == fact.deduction_id) {
            deduction.appealed = true;
        }
    }

    fn apply_resolved(&mut self, fact: &AppealResolved) {
        let amount = self.receive(fact.income);
        self.lifetime.overturned += amount;
        if let Some(at) = self.deductions.iter().position(|deduction| deduction.id == fact.deduction_id) {
            let deduction = self.deductions.remove(at);
            if !fact.all_overturned {
                self.last_standing_deduction = self.last_standing_deduction.max(Some(deduction.deducted_at));
            }
        }
    }

    /// Deductions that no appeal can change any more are no longer told apart.
    fn settle_deductions(&mut self, at: Timestamp) {
        if self.deductions.is_empty() {
            return;
        }
        let last = &mut self.last_standing_deduction;
        self.deductions.retain(|deduction| {
            let open = deduction.appealed || at <= deduction.appeal_until;
            if !open {
                *last = (*last).max(Some(deduction.deducted_at));
            }
            open
        });
    }

    fn apply_closing(&mut self, fact: &ClosingStarted, at: Timestamp) {
        self.apply_guarantee(&fact.change, at);
        self.stage = Stage::Closing;
    }

    /// A closed merchant to whom something happens is closing again.
    fn come_back(&mut self, fact: &Fact) {
        let disturbs = matches!(fact, Fact::OrderReversed(_) | Fact::MarginDeducted(_) | Fact::AppealOpened(_));
        if self.stage == Stage::Closed && (disturbs || !self.is_settled_up()) {
            self.stage = Stage::Closing;
        }
    }

    /// Whether nothing is pending, releasing or owed, and no appeal is open.
    pub(super) fn is_settled_up(&self) -> bool {
        self.pending.is_empty() && self.releases.is_empty() && self.debt.is_zero() && self.open_appeals() == 0
    }

    fn apply_warning(&mut self, warning: &Warning) {
        match warning {
            Warning::Gap { .. } => self.gap_standing.warned = true,
            Warning::Debt { .. } => self.debt_standing.warned = true,
            Warning::QuotaUse { day, .. } => self.totals_mut(*day).warned = true,
        }
    }
}

/// Something lasts from the first fact on that leaves an amount of it, to the first that leaves none.
fn lasting(before: Lasting, amount: Money, at: Timestamp) -> Lasting {
    if amount.is_zero() {
        Lasting::default()
    } else {
        Lasting { since: before.since.or(Some(at)), warned: before.warned }
    }
}
