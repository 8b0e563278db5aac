//! Merchants that come from elsewhere.

use std::collections::HashSet;

use super::{Command, Context, Key, above_zero, receipt_with, same};
use crate::domain::{
    Cycle, Fact, ImportedOrder, ImportedRelease, Merchant, MerchantImported, Money, OrderClassified, OrderId,
    OrderImported, Pending, Receipt, Rejection, RequestId, Timestamp,
};

/// What a merchant brings along.
#[derive(Clone, Debug)]
pub struct ImportMerchant {
    /// Makes it known.
    pub request_id: RequestId,
    /// The profit that has settled elsewhere.
    pub historical_profit: Money,
    /// The money it may withdraw.
    pub available: Money,
    /// What it owes.
    pub debt: Money,
    /// What it has opted for; whole dollars.
    pub guarantee: Money,
    /// What of that is set aside.
    pub frozen: Money,
    /// Money on its way back.
    pub releasing: Vec<ImportedRelease>,
    /// Profit that has not settled, of orders that are not listed.
    pub pending: Vec<PendingToImport>,
    /// Orders that were decided elsewhere. One that has not settled adds its profit to what is pending.
    pub orders: Vec<ImportedOrder>,
}

/// Profit that has not settled, of orders that are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingToImport {
    /// When it settles.
    pub settles_at: Timestamp,
    /// The cycle of the orders.
    pub cycle: Cycle,
    /// How many orders.
    pub orders: u64,
    /// Their profit.
    pub profit: Money,
}

impl PendingToImport {
    /// Checks what no state could make acceptable.
    ///
    /// # Errors
    /// Names the field.
    pub fn check(&self) -> Result<(), Rejection> {
        let bounds = 1..=Self::MAX_ORDERS;
        check("orders", bounds.contains(&self.orders), "has to be 1 to 1,000,000,000")
    }

    /// The most orders of one entry: far more than there are, and too few for any sum of them to overflow.
    pub const MAX_ORDERS: u64 = 1_000_000_000;

    fn is(&self, pending: &Pending) -> bool {
        let Pending { settles_at, cycle, orders, profit, .. } = *pending;
        *self == Self { settles_at, cycle, orders, profit }
    }
}

impl ImportMerchant {
    /// The most entries of pending profit. A merchant that trades has one for each settlement date, day and cycle.
    pub const MAX_PENDING: usize = 1_000;

    /// A merchant with nothing.
    pub const fn empty(request_id: RequestId) -> Self {
        Self {
            request_id,
            historical_profit: Money::ZERO,
            available: Money::ZERO,
            debt: Money::ZERO,
            guarantee: Money::ZERO,
            frozen: Money::ZERO,
            releasing: Vec::new(),
            pending: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// Checks what holds for every merchant, and what no state could make acceptable.
    ///
    /// # Errors
    /// Names the first field that does not fit the others.
    pub fn validated(self) -> Result<Self, Rejection> {
        let misfit = self.misfits().next();
        misfit.map_or(Ok(self), |(field, reason)| Err(Rejection::Invalid { field, reason }))
    }

    /// Every field that no state could make acceptable, with what is wrong with it.
    pub fn misfits(&self) -> impl Iterator<Item = (&'static str, String)> + use<> {
        let gap = self.guarantee > self.frozen;
        let twice = self.named_twice();
        let guarantee = self.guarantee.is_whole_dollars() && self.guarantee <= Money::MAX_INPUT;
        let [releasing, pending, orders] = [
            first_fault(&self.releasing, ImportedRelease::check),
            first_fault(&self.pending, PendingToImport::check),
            first_fault(&self.orders, ImportedOrder::check),
        ];
        let say = |field, wrong: bool, reason: &str| wrong.then(|| (field, reason.to_owned()));
        [
            say("guarantee", !guarantee, "has to be whole dollars of at most 12 digits"),
            say("frozen", self.frozen > self.guarantee, "has to be at most the guarantee"),
            say("available", gap && !self.available.is_zero(), "has to be 0 beside a gap"),
            say("available", !self.debt.is_zero() && !self.available.is_zero(), "has to be 0 beside a debt"),
            say("releasing", gap && !self.releasing.is_empty(), "has to be empty beside a gap"),
            say("pending", self.pending.len() > Self::MAX_PENDING, "has to have at most 1,000 entries"),
            twice.map(|id| ("orders", format!("names {id} twice"))),
            releasing.map(|reason| ("releasing", reason)),
            pending.map(|reason| ("pending", reason)),
            orders.map(|reason| ("orders", reason)),
        ]
        .into_iter()
        .flatten()
    }

    fn named_twice(&self) -> Option<&OrderId> {
        let mut ids = HashSet::new();
        self.orders.iter().map(|order| &order.order_id).find(|id| !ids.insert(*id))
    }

    fn is_settled(order: &ImportedOrder, now: Timestamp) -> bool {
        order.settles_at <= now
    }

    fn check_limits(&self, context: &Context<'_>) -> Result<(), Rejection> {
        let policy = &context.in_force().policy;
        if let Some(maximum) = policy.max_guarantee.filter(|maximum| self.guarantee > *maximum) {
            return Err(Rejection::GuaranteeAboveMaximum { maximum });
        }
        if self.releasing.len() > context.limits.open_releases {
            return Err(Rejection::TooManyReleases { limit: context.limits.open_releases });
        }
        if self.orders.len() > context.limits.imported_orders {
            return Err(Rejection::TooManyOrders { limit: context.limits.imported_orders });
        }
        let latest = context.now.after(policy.max_ahead);
        if let Some(listed) = self.orders.iter().position(|order| order.completed_at > latest) {
            let completed_at = self.orders.get(listed).map_or(latest, |order| order.completed_at);
            return Err(Rejection::OrderAhead { completed_at, latest, listed: Some(listed) });
        }
        let settled = self.orders.iter().filter(|order| Self::is_settled(order, context.now));
        let settled: Money = settled.map(|order| order.profit).sum();
        check(
            "historical_profit",
            settled <= self.historical_profit,
            "has to include the profit of the listed orders that have settled",
        )
    }

    /// Nobody says when their orders were completed: as many settlement days before as the cycle takes now, by the calendar of now, since dates
    /// follow the calendar of the completion and not one that is in force by then.
    fn pending_on_days(&self, context: &Context<'_>) -> Vec<Pending> {
        let policy = &context.in_force().policy;
        let day =
            |pending: &PendingToImport| policy.calendar.day_of(pending.settles_at).minus(policy.days(pending.cycle));
        let on_day = |pending: &PendingToImport| {
            let PendingToImport { settles_at, cycle, orders, profit } = *pending;
            Pending { settles_at, day: day(pending), cycle, orders, profit }
        };
        self.pending.iter().map(on_day).collect()
    }
}

impl ImportedRelease {
    /// Checks what no state could make acceptable.
    ///
    /// # Errors
    /// Names the field.
    pub fn check(&self) -> Result<(), Rejection> {
        above_zero("amount", self.amount)
    }
}

impl ImportedOrder {
    /// Checks what no state could make acceptable.
    ///
    /// # Errors
    /// Names the first field that does not fit the others.
    pub fn check(&self) -> Result<(), Rejection> {
        above_zero("price", self.price)?;
        check("profit", self.profit <= self.price, "has to be at most the price")?;
        check("settles_at", self.completed_at < self.settles_at, "has to be after completed_at")
    }
}

fn check(field: &'static str, holds: bool, reason: &str) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(Rejection::Invalid { field, reason: reason.into() }) }
}

/// What is wrong with the first item of a list that has anything wrong with it.
fn first_fault<T>(items: &[T], check: impl Fn(&T) -> Result<(), Rejection>) -> Option<String> {
    items.iter().find_map(|item| check(item).err()).map(|rejection| format!("has an item whose {rejection}"))
}

impl Command for ImportMerchant {
    type Fact = MerchantImported;

    const OPENS: bool = true;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a MerchantImported, Rejection> {
        let Fact::MerchantImported(first) = known else { return Err(Rejection::OtherMethod) };
        same("historical_profit", self.historical_profit == first.historical_profit)?;
        same("available", self.available == first.available)?;
        same("debt", self.debt == first.debt)?;
        same("guarantee", self.guarantee == first.guarantee)?;
        same("frozen", self.frozen == first.frozen)?;
        same("releasing", self.releasing == first.releasing)?;
        let pending = self.pending.len() == first.pending.len();
        same("pending", pending && self.pending.iter().zip(&first.pending).all(|(a, b)| a.is(b)))?;
        same("orders", self.orders == first.orders)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<MerchantImported, Rejection> {
        if merchant.is_open() {
            return Err(Rejection::MerchantOpen);
        }
        self.check_limits(context)?;
        let with_profit = Merchant { historical_profit: self.historical_profit, ..Merchant::default() };
        Ok(MerchantImported {
            request_id: self.request_id.clone(),
            historical_profit: self.historical_profit,
            available: self.available,
            debt: self.debt,
            guarantee: self.guarantee,
            frozen: self.frozen,
            releasing: self.releasing.clone(),
            pending: self.pending_on_days(context),
            orders: self.orders.clone(),
            receipt: receipt_with(&with_profit, self.guarantee, self.frozen, context),
        })
    }

    fn follow_ups(&self, fact: &MerchantImported, context: &Context<'_>) -> Vec<Fact> {
        let order = |order: &ImportedOrder| {
            let order = order.clone();
            let settled = Self::is_settled(&order, context.now);
            OrderImported { order: classified(order, &fact.receipt, context), settled }.into()
        };
        self.orders.iter().map(order).collect()
    }
}

/// The order as if it had been decided here, on what was in force at the import.
fn classified(order: ImportedOrder, receipt: &Receipt, context: &Context<'_>) -> OrderClassified {
    let ImportedOrder { order_id, price, profit, completed_at, cycle, settles_at } = order;
    let day = context.policies.day_of(completed_at);
    OrderClassified { order_id, price, profit, completed_at, day, cycle, settles_at, receipt: *receipt }
}
