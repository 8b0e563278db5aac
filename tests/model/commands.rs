//! Every command about a merchant but orders, guarantees and imports.

use super::answers::{AppealState, Commanded, Effect, MerchantState, ModelAnswer, Receipt};
use super::api::{About, Action, Command, Deduct, Direction, ModelRefusal, Outcome, Request};
use super::ledger::{Counter, Fact, Kind};
use super::merchant::{Appeal, Deduction, Hold, ModelMerchant, Transfer};
use super::plain::{cents, is_id, money};
use super::{Common, Model, check, given, malformed, positive};

/// As long as a text may be, in characters.
pub const LONGEST_TEXT: usize = 500;

impl Model {
    pub fn command(&mut self, command: &Command) -> Result<ModelAnswer, ModelRefusal> {
        command_shape(command)?;
        let opens = matches!(command.action, Action::PayMargin { .. } | Action::SetCategories { .. });
        let common = Common::of(&command.merchant_id, &command.request_id, command.validate_only, command.not_after);
        self.once(common, Request::Command(command.clone()), opens, |model, merchant| {
            // What it is decided on: what it moves itself counts from the next decision on.
            let mut receipt = model.receipt_of_today(merchant);
            let effect = model.act(merchant, &command.request_id, &command.action, &mut receipt)?;
            Ok(ModelAnswer::Commanded(Commanded { effect, at: model.now, replayed: false, receipt }))
        })
    }

    fn act(
        &self,
        merchant: &mut ModelMerchant,
        id: &str,
        action: &Action,
        receipt: &mut Receipt,
    ) -> Result<Effect, ModelRefusal> {
        match action {
            Action::ReverseOrder { order_id, amount, profit, reason } => self.reverse(
                merchant,
                id,
                order_id,
                cents(amount).unwrap(),
                given(profit).and_then(cents),
                reason,
                receipt,
            ),
            Action::PayMargin { amount, reference } => {
                let amount = cents(amount).unwrap();
                merchant.payments.insert(id.into(), Transfer { amount, undone: false });
                let income = merchant.income(amount);
                let fact = Fact::new(Kind::MarginPaid, amount, self.now).flow(Counter::PaidIn, amount).text(reference);
                self.write(merchant, id, fact, false, receipt);
                Ok(Effect::Paid { income })
            }
            Action::ReturnPayment { payment_id, reason } => {
                let field = "payment_id";
                let payment = merchant.payments.get_mut(payment_id).ok_or(ModelRefusal::Unknown { field })?;
                check(!payment.undone, ModelRefusal::DoneAlready { field })?;
                payment.undone = true;
                let amount = payment.amount;
                let charge = merchant.charge(amount);
                let fact = Fact::new(Kind::PaymentReturned, amount, self.now).about(payment_id).text(reason);
                let fact = fact.flow(Counter::PaymentsReturned, amount);
                let effect = Effect::Returned { amount: money(amount), charge };
                self.write(merchant, id, fact, false, receipt);
                Ok(effect)
            }
            Action::Withdraw { amount, reference } => {
                let amount = cents(amount).unwrap();
                check(!merchant.is_held(), ModelRefusal::Held)?;
                check(amount <= merchant.available, ModelRefusal::NotAvailable)?;
                merchant.available -= amount;
                merchant.withdrawals.insert(id.into(), Transfer { amount, undone: false });
                let fact = Fact::new(Kind::Withdrawn, amount, self.now).flow(Counter::Withdrawn, amount);
                let effect = Effect::Withdrawn { available: money(merchant.available) };
                self.write(merchant, id, fact.text(reference), false, receipt);
                Ok(effect)
            }
            Action::FailWithdrawal { withdrawal_id, reason } => {
                let field = "withdrawal_id";
                let withdrawal = merchant.withdrawals.get_mut(withdrawal_id).ok_or(ModelRefusal::Unknown { field })?;
                check(!withdrawal.undone, ModelRefusal::DoneAlready { field })?;
                withdrawal.undone = true;
                let amount = withdrawal.amount;
                let income = merchant.income(amount);
                let fact = Fact::new(Kind::WithdrawalFailed, amount, self.now).about(withdrawal_id).text(reason);
                let fact = fact.flow(Counter::WithdrawalsFailed, amount);
                let effect = Effect::Failed { amount: money(amount), income };
                self.write(merchant, id, fact, false, receipt);
                Ok(effect)
            }
            Action::AdjustBalance { direction, amount, reason, .. } => {
                let amount = cents(amount).unwrap();
                let (effect, kind, counter) = match direction.unwrap() {
                    Direction::Credit => (Effect::Credited(merchant.income(amount)), Kind::Credited, Counter::Credited),
                    Direction::Debit => (Effect::Debited(merchant.charge(amount)), Kind::Debited, Counter::Debited),
                };
                let fact = Fact::new(kind, amount, self.now).flow(counter, amount).text(reason);
                self.write(merchant, id, fact, false, receipt);
                Ok(effect)
            }
            Action::DeductMargin(request) => Ok(self.deduct(merchant, id, request, receipt)),
            Action::OpenAppeal { deduction_id, statement } => {
                self.open_appeal(merchant, id, deduction_id, statement, receipt)
            }
            Action::ResolveAppeal { deduction_id, outcome, amount, reason } => {
                let amount = given(amount).and_then(cents);
                self.resolve_appeal(merchant, id, deduction_id, outcome.unwrap(), amount, reason, receipt)
            }
            Action::PlaceHold { reason } => {
                let room = merchant.standing_holds().count() < self.limits.holds;
                check(room, ModelRefusal::TooManyHolds)?;
                let hold = Hold { id: id.into(), reason: reason.clone(), placed_at: self.now, lifted: None };
                merchant.holds.push(hold);
                let fact = Fact::new(Kind::HoldPlaced, 0, self.now).text(reason);
                self.write(merchant, id, fact, false, receipt);
                Ok(Effect::HoldPlaced)
            }
            Action::LiftHold { hold_id, reason } => {
                let field = "hold_id";
                let mut holds = merchant.holds.iter_mut();
                let hold = holds.find(|hold| hold.id == *hold_id).ok_or(ModelRefusal::Unknown { field })?;
                check(hold.lifted.is_none(), ModelRefusal::DoneAlready { field })?;
                hold.lifted = Some((self.now, reason.clone()));
                let fact = Fact::new(Kind::HoldLifted, 0, self.now).about(hold_id).text(reason);
                self.write(merchant, id, fact, false, receipt);
                Ok(Effect::HoldLifted)
            }
            Action::SetCategories { categories } => {
                check(categories.len() <= self.limits.categories, ModelRefusal::TooManyCategories)?;
                merchant.categories = categories.clone();
                merchant.categories.sort();
                let required = self.policy().required(categories);
                let shortfall = (required - merchant.guarantee).max(0);
                let fact = Fact::new(Kind::CategoriesSet, 0, self.now);
                let effect = Effect::CategoriesSet { required_guarantee: money(required), shortfall: money(shortfall) };
                self.write(merchant, id, fact, false, receipt);
                Ok(effect)
            }
            Action::CloseMerchant { reason } => {
                check(merchant.state == MerchantState::Open, ModelRefusal::ClosingAlready)?;
                let policy = self.policy();
                let clean = merchant.guarantee == 0 || merchant.has_clean_record(policy, self.now);
                check(clean, ModelRefusal::NoCleanRecord)?;
                let previous = merchant.guarantee;
                let release = merchant.set_guarantee(0, self.now, policy.release_after).release;
                let room = release.is_none() || merchant.open_releases().count() <= self.limits.releases;
                check(room, ModelRefusal::TooManyReleases)?;
                merchant.state = MerchantState::Closing;
                *receipt = self.receipt_of_today(merchant); // as for any change of the guarantee: from now on
                let fact = Fact::new(Kind::ClosingStarted, previous, self.now).text(reason);
                let release = release.map(|release| release.shown());
                let effect = Effect::Closing { previous_guarantee: money(previous), release };
                self.write(merchant, id, fact, false, receipt);
                Ok(effect)
            }
            Action::ReopenMerchant { reason } => {
                check(merchant.state != MerchantState::Open, ModelRefusal::NotClosing)?;
                merchant.state = MerchantState::Open;
                let fact = Fact::new(Kind::MerchantReopened, 0, self.now).text(reason);
                self.write(merchant, id, fact, false, receipt);
                Ok(Effect::Reopened)
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of the request")]
    fn reverse(
        &self,
        merchant: &mut ModelMerchant,
        id: &str,
        order_id: &str,
        amount: i128,
        profit: Option<i128>,
        reason: &str,
        receipt: &mut Receipt,
    ) -> Result<Effect, ModelRefusal> {
        let (version, today) = (self.version(), self.today());
        let mut orders = merchant.orders.iter();
        let field = "order_id";
        let index = orders.position(|order| order.id == order_id).ok_or(ModelRefusal::Unknown { field })?;
        let order = &merchant.orders[index];
        // The day that is told is the order's while that lasts, and today's after that.
        let day = order.day.max(today);
        let quota = merchant.quota(&version.policy);
        let before = merchant.day_total(day, version.policy.counts);

        let left = order.profit - order.profit_reversed;
        check(amount <= order.price - order.reversed, ModelRefusal::MoreThanLeft { field: "amount" })?;
        let completes = amount == order.price - order.reversed;
        let fall = match profit {
            Some(given) => given,
            None if completes => left,
            None => (order.profit * amount / order.price).min(left),
        };
        check(fall <= left && (!completes || fall == left), ModelRefusal::MoreThanLeft { field: "profit" })?;
        let uncounted = if today <= order.day { amount } else { 0 };
        let settled = order.settled;
        let order = &mut merchant.orders[index];
        order.reversed += amount;
        order.profit_reversed += fall;
        order.uncounted += uncounted;
        let (reversed, profit_reversed) = (money(order.reversed), money(order.profit_reversed));
        let charge = settled.then(|| merchant.charge(fall));

        let mut fact = Fact::new(Kind::OrderReversed, fall, self.now).about(order_id).text(reason);
        if settled {
            fact = fact.flow(Counter::Reversed, fall);
        }
        receipt.day_total_before = money(before);
        let after = merchant.day_total(day, version.policy.counts);
        receipt.day_total_after = money(after);
        receipt.remaining = money((quota - after).max(0));
        receipt.resets_at = self.policies.start_of(day + 1);
        self.write(merchant, id, fact, true, receipt);
        let effect =
            Effect::Reversed { profit: money(fall), reversed, profit_reversed, charge, uncounted: money(uncounted) };
        Ok(effect)
    }

    fn deduct(&self, merchant: &mut ModelMerchant, id: &str, request: &Deduct, receipt: &Receipt) -> Effect {
        let amount = cents(&request.amount).unwrap();
        let (split, refilled) = merchant.deduct(amount, self.now);
        let appeal_until = self.now + self.policy().appeal_window;
        merchant.deductions.push(Deduction {
            id: id.into(),
            amount,
            request: request.clone(),
            split: split.clone(),
            refilled,
            at: self.now,
            appeal_until,
            entry: merchant.next_entry(),
            overturned: 0,
            appeal: None,
        });
        let fact = Fact::new(Kind::MarginDeducted, amount, self.now).flow(Counter::Deducted, amount);
        let effect = Effect::Deducted { split, refilled: money(refilled), appeal_until };
        self.write(merchant, id, fact.text(&request.note), true, receipt);
        effect
    }

    fn open_appeal(
        &self,
        merchant: &mut ModelMerchant,
        id: &str,
        deduction_id: &str,
        statement: &str,
        receipt: &Receipt,
    ) -> Result<Effect, ModelRefusal> {
        let field = "deduction_id";
        let number = merchant.deductions.iter().filter(|deduction| deduction.appeal.is_some()).count() + 1;
        let room = merchant.open_appeals() < self.limits.appeals;
        let deduction = merchant.deductions.iter_mut().find(|deduction| deduction.id == deduction_id);
        let deduction = deduction.ok_or(ModelRefusal::Unknown { field })?;
        check(deduction.appeal.is_none(), ModelRefusal::DoneAlready { field })?;
        check(self.now <= deduction.appeal_until, ModelRefusal::AppealWindowPassed)?;
        check(room, ModelRefusal::TooManyAppeals)?;
        deduction.appeal = Some(Appeal {
            number,
            state: AppealState::Open,
            statement: statement.into(),
            opened_at: self.now,
            resolved: None,
        });
        let fact = Fact::new(Kind::AppealOpened, 0, self.now).about(deduction_id).text(statement);
        self.write(merchant, id, fact, true, receipt);
        Ok(Effect::AppealOpened)
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of the request")]
    fn resolve_appeal(
        &self,
        merchant: &mut ModelMerchant,
        id: &str,
        deduction_id: &str,
        outcome: Outcome,
        amount: Option<i128>,
        reason: &str,
        receipt: &Receipt,
    ) -> Result<Effect, ModelRefusal> {
        let field = "deduction_id";
        let deduction = merchant.deductions.iter_mut().find(|deduction| deduction.id == deduction_id);
        let deduction = deduction.ok_or(ModelRefusal::Unknown { field })?;
        let appeal = deduction.appeal.as_mut().ok_or(ModelRefusal::Unknown { field })?;
        check(appeal.state == AppealState::Open, ModelRefusal::DoneAlready { field })?;
        let (state, overturned) = match outcome {
            Outcome::Upheld => (AppealState::Upheld, 0),
            Outcome::Overturned => (AppealState::Overturned, amount.unwrap_or(deduction.amount)),
        };
        check(overturned <= deduction.amount, ModelRefusal::MoreThanDeducted)?;
        appeal.state = state;
        appeal.resolved = Some((self.now, reason.into()));
        deduction.overturned = overturned;
        let income = merchant.income(overturned);
        let fact = Fact::new(Kind::AppealResolved, overturned, self.now).about(deduction_id).text(reason);
        let fact = fact.flow(Counter::Overturned, overturned);
        let effect = Effect::AppealResolved { overturned: money(overturned), income };
        self.write(merchant, id, fact, false, receipt);
        Ok(effect)
    }

    /// Writes down what a command did.
    fn write(&self, merchant: &mut ModelMerchant, request_id: &str, fact: Fact, wakes: bool, receipt: &Receipt) {
        merchant.wake(wakes);
        merchant.record(fact.asked(request_id, receipt), self.now);
    }
}

impl ModelMerchant {
    /// A closed merchant is closing again when something comes that says so, and when there is something left to be done.
    pub fn wake(&mut self, always: bool) {
        if self.state == MerchantState::Closed && (always || !self.is_done()) {
            self.state = MerchantState::Closing;
        }
    }
}

/// What can be said without knowing the merchant.
pub fn command_shape(command: &Command) -> Result<(), ModelRefusal> {
    check(is_id(&command.merchant_id), malformed("merchant_id"))?;
    check_shape(&command.action)?;
    check(is_id(&command.request_id), malformed("request_id"))
}

fn check_shape(action: &Action) -> Result<(), ModelRefusal> {
    let text = |text: &str, field| check(text.chars().count() <= LONGEST_TEXT, malformed(field));
    let needed = |given: &str, field| check(!given.is_empty(), malformed(field)).and_then(|()| text(given, field));
    let id = |id: &str, field| check(is_id(id), malformed(field));
    let amount = |text: &str| positive(text, "amount").map(drop);
    match action {
        Action::ReverseOrder { order_id, amount: price, profit, reason } => {
            id(order_id, "order_id")?;
            amount(price)?;
            let read = given(profit).is_none_or(|profit| cents(profit).is_some());
            check(read, malformed("profit"))?;
            text(reason, "reason")
        }
        Action::PayMargin { amount: paid, reference } | Action::Withdraw { amount: paid, reference } => {
            amount(paid)?;
            text(reference, "reference")
        }
        Action::ReturnPayment { payment_id, reason } => {
            id(payment_id, "payment_id")?;
            text(reason, "reason")
        }
        Action::FailWithdrawal { withdrawal_id, reason } => {
            id(withdrawal_id, "withdrawal_id")?;
            text(reason, "reason")
        }
        Action::AdjustBalance { direction, amount: by, reason, reference } => {
            check(direction.is_some(), malformed("direction"))?;
            amount(by)?;
            needed(reason, "reason")?;
            text(reference, "reference")
        }
        Action::DeductMargin(request) => {
            amount(&request.amount)?;
            check((1..=6).contains(&request.reason), malformed("reason"))?;
            match &request.about {
                None => return Err(malformed("reference")),
                Some(About::Order(order)) => id(order, "order_id")?,
                Some(About::Dispute(dispute)) => needed(dispute, "dispute")?,
            }
            check(request.beneficiary.is_some(), malformed("beneficiary"))?;
            text(&request.note, "note")
        }
        Action::OpenAppeal { deduction_id, statement } => {
            id(deduction_id, "deduction_id")?;
            text(statement, "statement")
        }
        Action::ResolveAppeal { deduction_id, outcome, amount: overturned, reason } => {
            id(deduction_id, "deduction_id")?;
            let outcome = outcome.ok_or(malformed("outcome"))?;
            if let Some(overturned) = given(overturned) {
                amount(overturned)?;
                check(outcome == Outcome::Overturned, malformed("amount"))?;
            }
            text(reason, "reason")
        }
        Action::PlaceHold { reason } => needed(reason, "reason"),
        Action::LiftHold { hold_id, reason } => {
            id(hold_id, "hold_id")?;
            text(reason, "reason")
        }
        Action::SetCategories { categories } => {
            let mut sorted = categories.clone();
            sorted.sort();
            sorted.dedup();
            let good = categories.iter().all(|category| is_id(category)) && sorted.len() == categories.len();
            check(good, malformed("categories"))
        }
        Action::CloseMerchant { reason } | Action::ReopenMerchant { reason } => text(reason, "reason"),
    }
}
