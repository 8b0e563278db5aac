//! Orders.

use super::{Command, Context, Key, above_zero, receipt, same, subject};
use crate::domain::{
    Cycle, Dates, Fact, Merchant, Money, OrderClassified, OrderId, OrderReversed, Policy, QuotaCounts, Receipt,
    Rejection, RequestId, Text, Thing, Timestamp, Verdict, known::OrderTerms,
};

/// An order that was completed.
#[derive(Clone, Debug)]
pub struct ClassifyOrder {
    order_id: OrderId,
    price: Money,
    profit: Money,
    completed_at: Option<Timestamp>,
}

impl ClassifyOrder {
    /// An order; without a profit it is the price, without a completion time it is now.
    ///
    /// # Errors
    /// When the price is zero or the profit exceeds it.
    pub fn new(
        order_id: OrderId,
        price: Money,
        profit: Option<Money>,
        completed_at: Option<Timestamp>,
    ) -> Result<Self, Rejection> {
        let profit = profit.unwrap_or(price);
        above_zero("price", price)?;
        if profit > price {
            return Err(Rejection::Invalid {
                field: "profit",
                reason: format!("has to be at most the price, {price}"),
            });
        }
        Ok(Self { order_id, price, profit, completed_at })
    }

    /// Decides on the order. `dates` are those of an order before it, and of this one afterwards: most orders share them with the one
    /// before, and need not work them out.
    pub(in crate::domain) fn classify(
        &self,
        merchant: &Merchant,
        context: &Context<'_>,
        dates: &mut Option<Dates>,
    ) -> Result<Verdict, Rejection> {
        let in_force = context.in_force();
        let completed_at = self.check_age(&in_force.policy, context.now)?;
        let dates = match dates {
            Some(dates) if dates.are_of(completed_at, in_force) => dates,
            others => others.insert(context.policies.dates(completed_at, in_force)),
        };
        let policy = &in_force.policy;
        let (multiple, quota) = policy.quota(merchant.guarantee, merchant.frozen, merchant.historical_profit);
        let before = policy.counted(merchant.totals(dates.day));
        let cycle = if before + self.price <= quota { Cycle::Quick } else { Cycle::Standard };
        let counts = policy.counts == QuotaCounts::All || cycle == Cycle::Quick;
        Ok(Verdict {
            completed_at,
            day: dates.day,
            cycle,
            settles_at: dates.settles_at(cycle),
            receipt: Receipt {
                policy_version: in_force.version,
                multiple,
                quota,
                day_total_before: before,
                day_total_after: if counts { before + self.price } else { before },
                resets_at: dates.resets_at,
            },
        })
    }

    /// The fact that an answer leaves.
    fn fact(&self, verdict: &Verdict) -> OrderClassified {
        let Verdict { completed_at, day, cycle, settles_at, receipt } = *verdict;
        let (order_id, price, profit) = (self.order_id.clone(), self.price, self.profit);
        OrderClassified { order_id, price, profit, completed_at, day, cycle, settles_at, receipt }
    }

    /// What the order comes to with an answer.
    pub const fn terms(&self, verdict: &Verdict) -> OrderTerms {
        let Verdict { day, cycle, settles_at, .. } = *verdict;
        OrderTerms { price: self.price, profit: self.profit, day, cycle, settles_at, settled_elsewhere: false }
    }

    /// The order.
    pub const fn order_id(&self) -> &OrderId {
        &self.order_id
    }

    fn check_age(&self, policy: &Policy, now: Timestamp) -> Result<Timestamp, Rejection> {
        let Some(completed_at) = self.completed_at else { return Ok(now) };
        let (oldest, latest) = (now.before(policy.max_lateness), now.after(policy.max_ahead));
        if completed_at < oldest {
            Err(Rejection::OrderTooOld { completed_at, oldest })
        } else if completed_at > latest {
            Err(Rejection::OrderAhead { completed_at, latest, listed: None })
        } else {
            Ok(completed_at)
        }
    }
}

impl Command for ClassifyOrder {
    type Fact = OrderClassified;

    const OPENS: bool = true;

    fn key(&self) -> Key<'_> {
        Key::Order(&self.order_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a OrderClassified, Rejection> {
        let first = match known {
            Fact::OrderClassified(first) => first,
            Fact::OrderImported(import) => &import.order,
            _ => return Err(Rejection::OtherMethod),
        };
        same("price", self.price == first.price)?;
        same("profit", self.profit == first.profit)?;
        same("completed_at", self.completed_at.is_none_or(|at| at == first.completed_at))?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<OrderClassified, Rejection> {
        self.classify(merchant, context, &mut None).map(|verdict| self.fact(&verdict))
    }

    fn effective_at(fact: &OrderClassified, now: Timestamp) -> Timestamp {
        fact.verdict().effective_at(now)
    }
}

/// A refund or a cancellation.
#[derive(Clone, Debug)]
pub struct ReverseOrder {
    request_id: RequestId,
    order_id: OrderId,
    amount: Money,
    profit: Option<Money>,
    reason: Text,
}

impl ReverseOrder {
    /// An amount of the price that goes back to the buyer; without a profit, the profit falls in proportion.
    ///
    /// # Errors
    /// When the amount is zero.
    pub fn new(
        request_id: RequestId,
        order_id: OrderId,
        amount: Money,
        profit: Option<Money>,
        reason: Text,
    ) -> Result<Self, Rejection> {
        above_zero("amount", amount)?;
        Ok(Self { request_id, order_id, amount, profit, reason })
    }

    /// What of the profit falls away: in proportion and rounded down, unless the caller says how much; all that is left with
    /// the reversal that completes the price.
    fn profit(&self, order: &OrderTerms, price_left: Money, profit_left: Money) -> Result<Money, Rejection> {
        let completes = self.amount == price_left;
        match self.profit {
            Some(profit) if profit > profit_left || (completes && profit != profit_left) => {
                Err(Rejection::ReversalExceedsOrder { field: "profit", left: profit_left })
            }
            Some(profit) => Ok(profit),
            None if completes => Ok(profit_left),
            None => Ok(order.profit.share(self.amount, order.price).min(profit_left)),
        }
    }

    /// The receipt of the day that is charged: the order's while it is open, today otherwise.
    fn receipt(&self, merchant: &Merchant, order: &OrderTerms, open: bool, context: &Context<'_>) -> Receipt {
        let policy = &context.in_force().policy;
        let mut receipt = receipt(merchant, context);
        if open {
            let counts = policy.counts == QuotaCounts::All || order.cycle == Cycle::Quick;
            receipt.day_total_before = policy.counted(merchant.totals(order.day));
            let lowered = receipt.day_total_before.less_at_most(self.amount);
            receipt.day_total_after = if counts { lowered } else { receipt.day_total_before };
            receipt.resets_at = context.policies.end_of_day(context.policies.start_of(order.day));
        }
        receipt
    }
}

impl Command for ReverseOrder {
    type Fact = OrderReversed;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn subject(&self) -> Option<Key<'_>> {
        Some(Key::Order(&self.order_id))
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a OrderReversed, Rejection> {
        let Fact::OrderReversed(first) = known else { return Err(Rejection::OtherMethod) };
        same("order_id", self.order_id == first.order_id)?;
        same("amount", self.amount == first.amount)?;
        same("profit", self.profit == first.profit_asked)?;
        same("reason", self.reason == first.reason)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<OrderReversed, Rejection> {
        let known = subject(context, Thing::Order)?;
        let order = known.order().ok_or(Rejection::NotFound(Thing::Order))?;
        let (reversed, profit_reversed) = known.reversed();
        let (price_left, profit_left) = (order.price - reversed, order.profit - profit_reversed);
        if self.amount > price_left {
            return Err(Rejection::ReversalExceedsOrder { field: "amount", left: price_left });
        }
        let profit = self.profit(&order, price_left, profit_left)?;
        let settled = order.settled_elsewhere || order.settles_at <= context.now;
        let open = context.policies.day_of(context.now) <= order.day;
        Ok(OrderReversed {
            request_id: self.request_id.clone(),
            order_id: self.order_id.clone(),
            amount: self.amount,
            profit,
            profit_asked: self.profit,
            reason: self.reason.clone(),
            day: order.day,
            cycle: order.cycle,
            settles_at: order.settles_at,
            charge: settled.then(|| merchant.charge(profit)),
            uncounted: if open { self.amount } else { Money::ZERO },
            reversed: reversed + self.amount,
            profit_reversed: profit_reversed + profit,
            receipt: self.receipt(merchant, &order, open, context),
        })
    }
}
