//! What can be asked for, and how it is decided.

use super::{
    Cycle, Event, Fact, GuaranteeModified, InForce, Merchant, MerchantImported, Money, OrderClassified, OrderId,
    QuotaCounts, Receipt, Rejection, RequestId, Timestamp,
};

/// What a decision may look at besides the merchant.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Engine time.
    pub now: Timestamp,
    /// The policy in force.
    pub in_force: &'a InForce,
    /// Configured limits.
    pub limits: Limits,
}

/// How much of a kind a merchant may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open releases of a merchant.
    pub open_releases: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { open_releases: 1_000 }
    }
}

/// What makes a command known, for ever.
#[derive(Clone, Copy, Debug)]
pub enum Key<'a> {
    /// An order of the merchant.
    Order(&'a OrderId),
    /// A request about the merchant, over all methods.
    Request(&'a RequestId),
}

/// Something that can be asked for about one merchant.
pub trait Command {
    /// What it leaves when it is accepted.
    type Fact: Clone + Into<Fact>;

    /// What makes it known.
    fn key(&self) -> Key<'_>;

    /// The first answer again, when the command's key is known.
    ///
    /// # Errors
    /// [`Rejection::Conflict`] when the first command had other content, [`Rejection::OtherMethod`] when it was another one.
    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a Self::Fact, Rejection>;

    /// Decides on a command that is not known, for a merchant for whom nothing is due.
    ///
    /// # Errors
    /// When the rules forbid it.
    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<Self::Fact, Rejection>;

    /// When the fact counts from, before it is held against the merchant's previous one.
    fn effective_at(_fact: &Self::Fact, now: Timestamp) -> Timestamp {
        now
    }
}

/// Decides on a command that is not known: the event to be recorded.
///
/// # Errors
/// When the rules forbid it.
pub fn decide<C: Command>(
    command: &C,
    merchant: &Merchant,
    context: &Context<'_>,
) -> Result<(C::Fact, Event), Rejection> {
    let fact = command.decide(merchant, context)?;
    let at = C::effective_at(&fact, context.now);
    Ok((fact.clone(), merchant.event(at, fact.into())))
}

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
        if price <= Money::ZERO {
            return Err(Rejection::Invalid { field: "price", reason: "has to be above 0".into() });
        }
        if profit > price {
            return Err(Rejection::Invalid {
                field: "profit",
                reason: format!("has to be at most the price, {price}"),
            });
        }
        Ok(Self { order_id, price, profit, completed_at })
    }

    fn check_age(&self, context: &Context<'_>) -> Result<Timestamp, Rejection> {
        let policy = &context.in_force.policy;
        let completed_at = self.completed_at.unwrap_or(context.now);
        let (oldest, latest) = (context.now.before(policy.max_lateness), context.now.after(policy.max_ahead));
        if completed_at < oldest {
            Err(Rejection::OrderTooOld { completed_at, oldest })
        } else if completed_at > latest {
            Err(Rejection::OrderAhead { completed_at, latest })
        } else {
            Ok(completed_at)
        }
    }
}

impl Command for ClassifyOrder {
    type Fact = OrderClassified;

    fn key(&self) -> Key<'_> {
        Key::Order(&self.order_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a OrderClassified, Rejection> {
        let Fact::OrderClassified(first) = known else { return Err(Rejection::OtherMethod) };
        same("price", self.price == first.price)?;
        same("profit", self.profit == first.profit)?;
        same("completed_at", self.completed_at.is_none_or(|at| at == first.completed_at))?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<OrderClassified, Rejection> {
        let completed_at = self.check_age(context)?;
        let policy = &context.in_force.policy;
        let day = policy.calendar.day_of(completed_at);
        let (multiple, quota) = policy.quota(merchant.guarantee, merchant.frozen, merchant.historical_profit);
        let before = policy.counted(merchant.totals(day));
        let cycle = if before + self.price <= quota { Cycle::Quick } else { Cycle::Standard };
        let counts = policy.counts == QuotaCounts::All || cycle == Cycle::Quick;
        Ok(OrderClassified {
            order_id: self.order_id.clone(),
            price: self.price,
            profit: self.profit,
            completed_at,
            day,
            cycle,
            settles_at: policy.calendar.start_of(day.plus(policy.days(cycle))),
            receipt: Receipt {
                policy_version: context.in_force.version,
                multiple,
                quota,
                day_total_before: before,
                day_total_after: if counts { before + self.price } else { before },
                resets_at: policy.calendar.end_of(day),
            },
        })
    }

    fn effective_at(fact: &OrderClassified, now: Timestamp) -> Timestamp {
        fact.completed_at.min(now)
    }
}

/// A new guarantee.
#[derive(Clone, Debug)]
pub struct ModifyGuarantee {
    request_id: RequestId,
    guarantee: Money,
}

impl ModifyGuarantee {
    /// A guarantee in whole dollars.
    ///
    /// # Errors
    /// When it has more than 12 digits.
    pub fn new(request_id: RequestId, dollars: u64) -> Result<Self, Rejection> {
        if dollars > Money::MAX_INPUT_DOLLARS {
            let reason = format!("has to be at most {} dollars", Money::MAX_INPUT_DOLLARS);
            return Err(Rejection::Invalid { field: "guarantee", reason });
        }
        Ok(Self { request_id, guarantee: Money::from_dollars(dollars) })
    }
}

impl Command for ModifyGuarantee {
    type Fact = GuaranteeModified;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a GuaranteeModified, Rejection> {
        let Fact::GuaranteeModified(first) = known else { return Err(Rejection::OtherMethod) };
        same("guarantee", self.guarantee == first.guarantee)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<GuaranteeModified, Rejection> {
        let policy = &context.in_force.policy;
        if let Some(maximum) = policy.max_guarantee.filter(|maximum| self.guarantee > *maximum) {
            return Err(Rejection::GuaranteeAboveMaximum { maximum });
        }
        let released = merchant.frozen.less_at_most(self.guarantee);
        if !released.is_zero() && merchant.releases.len() >= context.limits.open_releases {
            return Err(Rejection::TooManyReleases { limit: context.limits.open_releases });
        }
        // A lowering that leaves a gap finds nothing releasing and nothing available, so it takes nothing either.
        let missing = self.guarantee.less_at_most(merchant.frozen);
        let from_releasing = missing.min(merchant.releasing());
        let from_available = (missing - from_releasing).min(merchant.available);
        let frozen = merchant.frozen - released + from_releasing + from_available;
        Ok(GuaranteeModified {
            request_id: self.request_id.clone(),
            previous: merchant.guarantee,
            guarantee: self.guarantee,
            from_releasing,
            from_available,
            released,
            release_due_at: context.now.after(policy.release_after),
            frozen,
            available: merchant.available - from_available,
            receipt: receipt_of_today(merchant, self.guarantee, frozen, context),
        })
    }
}

/// What a merchant brings along.
#[derive(Clone, Debug)]
pub struct ImportMerchant {
    /// Makes it known.
    pub request_id: RequestId,
    /// The profit that has settled elsewhere.
    pub historical_profit: Money,
    /// The money it may withdraw.
    pub available: Money,
}

impl Command for ImportMerchant {
    type Fact = MerchantImported;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a MerchantImported, Rejection> {
        let Fact::MerchantImported(first) = known else { return Err(Rejection::OtherMethod) };
        same("historical_profit", self.historical_profit == first.historical_profit)?;
        same("available", self.available == first.available)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<MerchantImported, Rejection> {
        if merchant.is_open() {
            return Err(Rejection::MerchantOpen);
        }
        Ok(MerchantImported {
            request_id: self.request_id.clone(),
            historical_profit: self.historical_profit,
            available: self.available,
            multiple: context.in_force.policy.multiple(self.historical_profit),
            policy_version: context.in_force.version,
        })
    }
}

fn same(field: &'static str, holds: bool) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(Rejection::Conflict { field }) }
}

/// What is in force for orders completed now, with a new guarantee.
fn receipt_of_today(merchant: &Merchant, guarantee: Money, frozen: Money, context: &Context<'_>) -> Receipt {
    let policy = &context.in_force.policy;
    let day = policy.calendar.day_of(context.now);
    let (multiple, quota) = policy.quota(guarantee, frozen, merchant.historical_profit);
    let total = policy.counted(merchant.totals(day));
    Receipt {
        policy_version: context.in_force.version,
        multiple,
        quota,
        day_total_before: total,
        day_total_after: total,
        resets_at: policy.calendar.end_of(day),
    }
}
