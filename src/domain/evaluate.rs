//! Another policy over the recorded past.

use std::collections::{BTreeMap, HashMap};

use super::{
    AdjustBalance, ClassifyOrder, CloseMerchant, Command, Context, Cycle, DeductMargin, Event, Fact, FailWithdrawal,
    ImportMerchant, InForce, Key, Known, LiftHold, Limits, Merchant, ModifyGuarantee, Money, OpenAppeal, PayMargin,
    PendingToImport, PlaceHold, Policy, Rejection, ReopenMerchant, ResolveAppeal, ReturnPayment, ReverseOrder,
    SetCategories, Timeline, Timestamp, Withdraw, decide, event::MerchantImported,
};

/// What another policy would have made of the recorded past, added up over merchants.
///
/// Every command of the past is decided again, in its order and at its time, on balances as they would have been by then. One that
/// would have been refused then is left out.
#[derive(Clone, Debug)]
pub struct Evaluation {
    policies: Timeline,
    /// What came of it.
    pub outcome: Outcome,
}

/// What would have been different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Merchants that were run.
    pub merchants: u64,
    /// Orders that were decided.
    pub orders: u64,
    /// Orders on T+2 as recorded.
    pub quick_recorded: u64,
    /// Orders that would have been on T+2.
    pub quick_evaluated: u64,
    /// How many orders would have been on T+2 instead of T+7, and their profit.
    pub became_quick: (u64, Money),
    /// How many orders would have been on T+7 instead of T+2, and their profit.
    pub became_standard: (u64, Money),
    /// Commands other than orders that would have been refused.
    pub refused: u64,
    /// Orders that would have been refused.
    pub orders_refused: u64,
    /// The profit that settles at each instant: as recorded, and as it would have.
    pub settlements: BTreeMap<Timestamp, (Money, Money)>,
}

/// One merchant as it would have been.
struct Shadow<'a> {
    policies: &'a Timeline,
    outcome: &'a mut Outcome,
    merchant: Merchant,
    known: HashMap<(bool, String), Known>,
}

/// No limit stands in the way of what was possible once.
const UNLIMITED: Limits = Limits {
    open_releases: usize::MAX,
    holds: usize::MAX,
    open_appeals: usize::MAX,
    categories: usize::MAX,
    imported_orders: usize::MAX,
};

impl Evaluation {
    /// An evaluation of a policy, as if it had been in force all along.
    pub fn new(policy: Policy) -> Self {
        let policies = Timeline::new(InForce::first(policy, Timestamp::MIN));
        Self { policies, outcome: Outcome::default() }
    }

    /// Runs the facts about one merchant, each with the time at which it was recorded, up to now.
    pub fn run<'a>(&mut self, facts: impl IntoIterator<Item = (Timestamp, &'a Event)>, now: Timestamp) {
        self.outcome.merchants += 1;
        let mut recorded = Merchant::default();
        let (merchant, known) = (Merchant::default(), HashMap::new());
        let mut shadow = Shadow { policies: &self.policies, outcome: &mut self.outcome, merchant, known };
        for (at, event) in facts {
            recorded.apply(event);
            shadow.outcome.settle_recorded(event);
            shadow.again(at, &event.fact);
        }
        shadow.catch_up(now);
        let would_be = shadow.merchant;
        for pending in &recorded.pending {
            self.outcome.settlement(pending.settles_at).0 += pending.profit;
        }
        for pending in &would_be.pending {
            self.outcome.settlement(pending.settles_at).1 += pending.profit;
        }
    }
}

impl Outcome {
    /// The instants of settlement at which other money would have moved: what was recorded, and what would have been.
    pub fn shifts(&self) -> impl Iterator<Item = (Timestamp, Money, Money)> {
        let all = self.settlements.iter().map(|(at, (recorded, evaluated))| (*at, *recorded, *evaluated));
        all.filter(|(_, recorded, evaluated)| recorded != evaluated)
    }

    fn settlement(&mut self, at: Timestamp) -> &mut (Money, Money) {
        self.settlements.entry(at).or_default()
    }

    fn settle_recorded(&mut self, event: &Event) {
        if let Fact::ProfitSettled(fact) = &event.fact {
            self.settlement(fact.settles_at).0 += fact.income.total();
        }
    }

    fn compare(&mut self, recorded: Cycle, evaluated: Cycle, profit: Money) {
        self.orders += 1;
        self.quick_recorded += u64::from(recorded == Cycle::Quick);
        self.quick_evaluated += u64::from(evaluated == Cycle::Quick);
        let became = match (recorded, evaluated) {
            (Cycle::Standard, Cycle::Quick) => &mut self.became_quick,
            (Cycle::Quick, Cycle::Standard) => &mut self.became_standard,
            _ => return,
        };
        became.0 += 1;
        became.1 += profit;
    }
}

impl Shadow<'_> {
    /// Decides again what was asked for; what time brought about comes by itself.
    fn again(&mut self, now: Timestamp, fact: &Fact) {
        match fact {
            Fact::OrderClassified(order) => {
                let (profit, completed_at) = (Some(order.profit), Some(order.completed_at));
                let command = ClassifyOrder::new(order.order_id.clone(), order.price, profit, completed_at);
                match self.decide(now, command) {
                    Some(evaluated) => self.outcome.compare(order.cycle, evaluated.cycle, order.profit),
                    None => self.outcome.orders_refused += 1,
                }
            }
            Fact::OrderImported(_)
            | Fact::ProfitSettled(_)
            | Fact::ReleaseCompleted(_)
            | Fact::MerchantClosed(_)
            | Fact::WarningRaised(_) => {}
            other => {
                if !self.command_again(now, other) {
                    self.outcome.refused += 1;
                }
            }
        }
    }

    fn command_again(&mut self, now: Timestamp, fact: &Fact) -> bool {
        match fact {
            Fact::OrderReversed(fact) => {
                let (request, order, reason) = (fact.request_id.clone(), fact.order_id.clone(), fact.reason.clone());
                self.decide(now, ReverseOrder::new(request, order, fact.amount, fact.profit_asked, reason)).is_some()
            }
            Fact::GuaranteeModified(fact) => {
                let dollars = fact.change.guarantee.whole_dollars();
                self.decide(now, ModifyGuarantee::new(fact.request_id.clone(), dollars)).is_some()
            }
            Fact::MerchantImported(fact) => self.decide(now, Ok(import_again(fact))).is_some(),
            Fact::MarginPaid(fact) => {
                let command = PayMargin::new(fact.request_id.clone(), fact.income.total(), fact.reference.clone());
                self.decide(now, command).is_some()
            }
            Fact::PaymentReturned(fact) => {
                let (request_id, payment_id) = (fact.request_id.clone(), fact.payment_id.clone());
                let reason = fact.reason.clone();
                self.decide(now, Ok(ReturnPayment { request_id, payment_id, reason })).is_some()
            }
            Fact::Withdrawn(fact) => {
                let command = Withdraw::new(fact.request_id.clone(), fact.amount, fact.reference.clone());
                self.decide(now, command).is_some()
            }
            Fact::WithdrawalFailed(fact) => {
                let (request_id, withdrawal_id) = (fact.request_id.clone(), fact.withdrawal_id.clone());
                let reason = fact.reason.clone();
                self.decide(now, Ok(FailWithdrawal { request_id, withdrawal_id, reason })).is_some()
            }
            Fact::BalanceAdjusted(fact) => {
                let (reason, reference) = (fact.reason.clone(), fact.reference.clone());
                let request = fact.request_id.clone();
                let command = AdjustBalance::new(request, fact.direction, fact.amount(), reason, reference);
                self.decide(now, command).is_some()
            }
            other => self.dispute_again(now, other),
        }
    }

    fn dispute_again(&mut self, now: Timestamp, fact: &Fact) -> bool {
        match fact {
            Fact::MarginDeducted(fact) => {
                let (request_id, amount) = (fact.request_id.clone(), fact.split.total());
                let (disputed, note) = (fact.disputed.clone(), fact.note.clone());
                let command = DeductMargin::new(request_id, amount, fact.reason, disputed, fact.beneficiary, note);
                self.decide(now, command).is_some()
            }
            Fact::AppealOpened(fact) => {
                let (request_id, deduction_id) = (fact.request_id.clone(), fact.deduction_id.clone());
                let statement = fact.statement.clone();
                self.decide(now, Ok(OpenAppeal { request_id, deduction_id, statement })).is_some()
            }
            Fact::AppealResolved(fact) => {
                let (request_id, deduction_id) = (fact.request_id.clone(), fact.deduction_id.clone());
                let (amount, reason) = (fact.amount_asked, fact.reason.clone());
                let command = ResolveAppeal::new(request_id, deduction_id, fact.outcome, amount, reason);
                self.decide(now, command).is_some()
            }
            Fact::HoldPlaced(fact) => {
                self.decide(now, PlaceHold::new(fact.request_id.clone(), fact.reason.clone())).is_some()
            }
            Fact::HoldLifted(fact) => {
                let (request_id, hold_id) = (fact.request_id.clone(), fact.hold_id.clone());
                self.decide(now, Ok(LiftHold { request_id, hold_id, reason: fact.reason.clone() })).is_some()
            }
            Fact::CategoriesSet(fact) => {
                let command = SetCategories::new(fact.request_id.clone(), fact.categories.clone());
                self.decide(now, command).is_some()
            }
            Fact::ClosingStarted(fact) => {
                let (request_id, reason) = (fact.request_id.clone(), fact.reason.clone());
                self.decide(now, Ok(CloseMerchant { request_id, reason })).is_some()
            }
            Fact::MerchantReopened(fact) => {
                let (request_id, reason) = (fact.request_id.clone(), fact.reason.clone());
                self.decide(now, Ok(ReopenMerchant { request_id, reason })).is_some()
            }
            // All that are decided otherwise.
            _ => true,
        }
    }

    fn decide<C: Command>(&mut self, now: Timestamp, command: Result<C, Rejection>) -> Option<C::Fact> {
        let command = command.ok()?;
        let subject = command.subject().and_then(|key| self.known.get(&place(key)));
        let context = Context { now, policies: self.policies, limits: UNLIMITED, subject };
        let decision = decide(&command, &self.merchant, &context).ok()?;
        for event in &decision.changes.events {
            self.note(event);
        }
        decision.changes.apply_to(&mut self.merchant);
        Some(decision.fact)
    }

    fn catch_up(&mut self, now: Timestamp) {
        let changes = super::catch_up(&self.merchant, now, self.policies);
        for event in &changes.events {
            self.note(event);
        }
        changes.apply_to(&mut self.merchant);
    }

    fn note(&mut self, event: &Event) {
        if let Fact::ProfitSettled(fact) = &event.fact {
            self.outcome.settlement(fact.settles_at).1 += fact.income.total();
        }
        if let Some(known) = event.fact.subject().and_then(|key| self.known.get_mut(&place(key))) {
            known.follow(&event.fact);
        }
        if let Some(key) = event.fact.key() {
            self.known.insert(place(key), Known::new(event.clone()));
        }
    }
}

fn place(key: Key<'_>) -> (bool, String) {
    match key {
        Key::Order(id) => (true, id.to_string()),
        Key::Request(id) => (false, id.to_string()),
    }
}

fn import_again(fact: &MerchantImported) -> ImportMerchant {
    let pending = fact.pending.iter().map(|pending| PendingToImport {
        settles_at: pending.settles_at,
        cycle: pending.cycle,
        orders: pending.orders,
        profit: pending.profit,
    });
    ImportMerchant {
        request_id: fact.request_id.clone(),
        historical_profit: fact.historical_profit,
        available: fact.available,
        debt: fact.debt,
        guarantee: fact.guarantee,
        frozen: fact.frozen,
        releasing: fact.releasing.clone(),
        pending: pending.collect(),
        orders: fact.orders.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{AppealOutcome, Beneficiary, DeductionReason, Disputed, Id, QuotaBasis, QuotaCounts, Text};

    fn at(hours: u64) -> Timestamp {
        let start = Timestamp::parse("2026-01-01T09:00:00Z").unwrap();
        start.after(Duration::from_secs(hours * 3_600))
    }

    fn money(dollars: u64) -> Money {
        Money::from_dollars(dollars)
    }

    /// A merchant's past under the published rules.
    #[derive(Default)]
    struct Past {
        merchant: Merchant,
        facts: Vec<(Timestamp, Event)>,
    }

    impl Past {
        fn then<C: Command>(mut self, now: Timestamp, command: Result<C, Rejection>) -> Self {
            let (command, policies) = (command.unwrap(), Timeline::new(InForce::first(Policy::default(), at(0))));
            let subject = command.subject().and_then(|key| self.known(key));
            let context = Context { now, policies: &policies, limits: Limits::default(), subject: subject.as_ref() };
            let decision = decide(&command, &self.merchant, &context).unwrap();
            self.facts.extend(decision.changes.events.iter().map(|event| (now, event.clone())));
            decision.changes.apply_to(&mut self.merchant);
            self
        }

        fn known(&self, key: Key<'_>) -> Option<Known> {
            let mut facts = self.facts.iter().map(|(_, event)| event).skip_while(|event| event.fact.key() != Some(key));
            let mut known = Known::new(facts.next()?.clone());
            facts.filter(|event| event.fact.subject() == Some(key)).for_each(|event| known.follow(&event.fact));
            Some(known)
        }

        fn order(self, now: Timestamp, id: &str, price: u64) -> Self {
            self.then(now, ClassifyOrder::new(Id::parse(id).unwrap(), money(price), None, None))
        }

        fn evaluated(&self, policy: Policy, now: Timestamp) -> Outcome {
            let mut evaluation = Evaluation::new(policy);
            evaluation.run(self.facts.iter().map(|(at, event)| (*at, event)), now);
            evaluation.outcome
        }
    }

    fn past() -> Past {
        Past::default()
            .then(at(0), ModifyGuarantee::new(Id::parse("g").unwrap(), 100))
            .order(at(1), "a", 150)
            .order(at(2), "b", 60)
            .order(at(3), "c", 40)
            .then(at(200), Withdraw::new(Id::parse("w").unwrap(), money(150), Text::default()))
    }

    #[test]
    fn the_same_policy_changes_nothing() {
        let outcome = past().evaluated(Policy::default(), at(240));
        assert_eq!((outcome.merchants, outcome.orders, outcome.quick_recorded), (1, 3, 0));
        assert_eq!((outcome.became_quick.0, outcome.became_standard.0, outcome.refused), (0, 0, 0));
        assert_eq!(outcome.shifts().next(), None);
    }

    #[test]
    fn another_count_moves_orders_and_their_money() {
        let policy = Policy { counts: QuotaCounts::Quick, ..Policy::default() };
        let outcome = past().evaluated(policy, at(240));
        assert_eq!((outcome.quick_recorded, outcome.quick_evaluated), (0, 2));
        assert_eq!(outcome.became_quick, (2, money(100)));
        assert_eq!(outcome.became_standard, (0, Money::ZERO));
        let shifts: Vec<_> = outcome.shifts().collect();
        let day = |text| Timestamp::parse(text).unwrap();
        assert_eq!(
            shifts,
            [
                (day("2026-01-03T00:00:00Z"), Money::ZERO, money(100)),
                (day("2026-01-08T00:00:00Z"), money(250), money(150)),
            ]
        );
    }

    #[test]
    fn what_would_have_been_refused_is_counted_and_left_out() {
        let policy = Policy { standard_days: 20, ..Policy::default() };
        let outcome = past().evaluated(policy, at(240));
        assert_eq!((outcome.refused, outcome.orders_refused), (1, 0));
        assert_eq!(outcome.shifts().count(), 2);
    }
    #[test]
    fn disputes_and_closing_are_decided_again() {
        let id = |id: &str| Id::parse(id).unwrap();
        let none = || Text::parse("").unwrap();
        let disputed = Disputed::Order(Id::parse("a").unwrap());
        let deduct = |request, dollars| {
            let (reason, to) = (DeductionReason::Fraud, Beneficiary::Platform);
            DeductMargin::new(id(request), money(dollars), reason, disputed.clone(), to, none())
        };
        let past = past()
            .then(at(201), deduct("d", 10))
            .then(at(202), ModifyGuarantee::new(id("lower"), 50))
            .then(at(203), Ok(CloseMerchant { request_id: id("close"), reason: none() }));
        assert_eq!(past.evaluated(Policy::default(), at(240)).refused, 0);
        // While a deduction stands the guarantee is neither lowered nor given up.
        let policy = Policy { clean_record: Some(Duration::from_secs(86_400)), ..Policy::default() };
        assert_eq!(past.evaluated(policy, at(240)).refused, 2);
    }

    #[test]
    fn appeals_holds_and_categories_are_decided_again() {
        let id = |id: &str| Id::parse(id).unwrap();
        let text = |text| Text::parse(text).unwrap();
        let disputed = Disputed::Order(Id::parse("a").unwrap());
        let (reason, to) = (DeductionReason::Fraud, Beneficiary::Platform);
        let appeal = OpenAppeal { request_id: id("appeal"), deduction_id: id("d"), statement: text("no") };
        let past = past()
            .then(at(201), DeductMargin::new(id("d"), money(10), reason, disputed, to, text("")))
            .then(at(202), Ok(appeal))
            .then(at(203), ResolveAppeal::new(id("r"), id("d"), AppealOutcome::Overturned, None, text("yes")))
            .then(at(204), PayMargin::new(id("p"), money(20), text("")))
            .then(at(204), PlaceHold::new(id("h"), text("why")))
            .then(at(205), Ok(LiftHold { request_id: id("l"), hold_id: id("h"), reason: text("") }))
            .then(at(206), Withdraw::new(id("w2"), money(1), text("")))
            .then(at(207), SetCategories::new(id("c"), vec![Id::parse("toys").unwrap()]))
            .then(at(208), ModifyGuarantee::new(id("lower"), 50))
            .then(at(209), Ok(CloseMerchant { request_id: id("close"), reason: text("") }))
            .then(at(210), Ok(ReopenMerchant { request_id: id("open"), reason: text("") }))
            .then(at(211), ModifyGuarantee::new(id("raise"), 60));
        // What was overturned in full stands in nobody's way.
        let clean = Policy { clean_record: Some(Duration::from_secs(86_400)), ..Policy::default() };
        assert_eq!(past.evaluated(clean, at(240)).refused, 0);
        // Lowering and raising stay below it.
        let minimums = [(Id::parse("toys").unwrap(), money(80))].into();
        let policy = Policy { category_minimums: minimums, ..Policy::default() };
        assert_eq!(past.evaluated(policy, at(240)).refused, 1);
    }

    #[test]
    fn what_has_not_settled_yet_is_compared_too() {
        let past = Past::default()
            .then(at(0), ModifyGuarantee::new(Id::parse("g").unwrap(), 100))
            .order(at(1), "a", 60)
            .order(at(2), "b", 150);
        let policy = Policy { standard_days: 8, ..Policy::default() };
        let outcome = past.evaluated(policy, at(3));
        assert_eq!((outcome.quick_recorded, outcome.quick_evaluated), (1, 1));
        let day = |text| Timestamp::parse(text).unwrap();
        let (recorded, evaluated) = (day("2026-01-08T00:00:00Z"), day("2026-01-09T00:00:00Z"));
        let shifts: Vec<_> = outcome.shifts().collect();
        assert_eq!(shifts, [(recorded, money(150), Money::ZERO), (evaluated, Money::ZERO, money(150))]);
        // Nothing is frozen yet.
        let policy = Policy { basis: QuotaBasis::Frozen, ..Policy::default() };
        assert_eq!(past.evaluated(policy, at(3)).became_standard, (1, money(60)));
    }

    #[test]
    fn an_order_is_reversed_as_itself() {
        let reverse = |request, order, dollars| {
            let (request, order) = (Id::parse(request).unwrap(), Id::parse(order).unwrap());
            ReverseOrder::new(request, order, money(dollars), None, Text::parse("").unwrap())
        };
        let past = past().then(at(201), reverse("r1", "a", 100)).then(at(202), reverse("r2", "a", 50));
        let past = past.then(at(203), reverse("r3", "b", 60));
        let outcome = past.evaluated(Policy::default(), at(240));
        assert_eq!((outcome.orders, outcome.refused), (3, 0));
    }

    #[test]
    fn orders_that_would_have_been_too_late_are_counted() {
        let late = |id| ClassifyOrder::new(Id::parse(id).unwrap(), money(1), None, Some(at(10)));
        let past = past().then(at(15), late("d")).then(at(16), late("e"));
        let policy = Policy { max_lateness: Duration::from_secs(3_600), ..Policy::default() };
        assert_eq!(past.evaluated(policy, at(240)).orders_refused, 2);
    }
}
