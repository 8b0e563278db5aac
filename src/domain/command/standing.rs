//! Holds, categories, closing.

use super::{
    Command, Context, Key,
    guarantee::{change, check_clean_record},
    receipt, receipt_with, same, subject, written,
};
use crate::domain::{
    CategoriesSet, Category, ClosingStarted, Fact, HoldLifted, HoldPlaced, Merchant, MerchantReopened, Money,
    Rejection, RequestId, Stage, Standing, Text, Thing,
};

/// An operator holds a merchant: releases wait and withdrawals are refused.
#[derive(Clone, Debug)]
pub struct PlaceHold {
    request_id: RequestId,
    reason: Text,
}

impl PlaceHold {
    /// A hold.
    ///
    /// # Errors
    /// When there is no reason.
    pub fn new(request_id: RequestId, reason: Text) -> Result<Self, Rejection> {
        written("reason", &reason)?;
        Ok(Self { request_id, reason })
    }
}

impl Command for PlaceHold {
    type Fact = HoldPlaced;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a HoldPlaced, Rejection> {
        let Fact::HoldPlaced(first) = known else { return Err(Rejection::OtherMethod) };
        same("reason", self.reason == first.reason)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<HoldPlaced, Rejection> {
        let limit = context.limits.holds;
        if merchant.holds.len() >= limit {
            return Err(Rejection::TooManyHolds { limit });
        }
        let receipt = receipt(merchant, context);
        Ok(HoldPlaced { request_id: self.request_id.clone(), reason: self.reason.clone(), receipt })
    }
}

/// An operator lifts a hold.
#[derive(Clone, Debug)]
pub struct LiftHold {
    /// Makes it known.
    pub request_id: RequestId,
    /// The hold: the request that placed it.
    pub hold_id: RequestId,
    /// Why; may be empty.
    pub reason: Text,
}

impl Command for LiftHold {
    type Fact = HoldLifted;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn subject(&self) -> Option<Key<'_>> {
        Some(Key::Request(&self.hold_id))
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a HoldLifted, Rejection> {
        let Fact::HoldLifted(first) = known else { return Err(Rejection::OtherMethod) };
        same("hold_id", self.hold_id == first.hold_id)?;
        same("reason", self.reason == first.reason)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<HoldLifted, Rejection> {
        let known = subject(context, Thing::Hold)?;
        if !matches!(known.first.fact, Fact::HoldPlaced(_)) {
            return Err(Rejection::NotFound(Thing::Hold));
        }
        if known.standing == Standing::Undone {
            return Err(Rejection::HoldLifted);
        }
        Ok(HoldLifted {
            request_id: self.request_id.clone(),
            hold_id: self.hold_id.clone(),
            reason: self.reason.clone(),
            receipt: receipt(merchant, context),
        })
    }
}

/// What a merchant trades in.
#[derive(Clone, Debug)]
pub struct SetCategories {
    request_id: RequestId,
    categories: Vec<Category>,
}

impl SetCategories {
    /// All categories of the merchant, in any order; none of them twice.
    ///
    /// # Errors
    /// When one is named twice.
    pub fn new(request_id: RequestId, mut categories: Vec<Category>) -> Result<Self, Rejection> {
        categories.sort();
        let all = categories.len();
        categories.dedup();
        if categories.len() < all {
            return Err(Rejection::Invalid { field: "categories", reason: "names a category twice".into() });
        }
        Ok(Self { request_id, categories })
    }
}

impl Command for SetCategories {
    type Fact = CategoriesSet;

    const OPENS: bool = true;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a CategoriesSet, Rejection> {
        let Fact::CategoriesSet(first) = known else { return Err(Rejection::OtherMethod) };
        same("categories", self.categories == first.categories)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<CategoriesSet, Rejection> {
        let limit = context.limits.categories;
        if self.categories.len() > limit {
            return Err(Rejection::TooManyCategories { limit });
        }
        let required = context.in_force().policy.required(&self.categories);
        Ok(CategoriesSet {
            request_id: self.request_id.clone(),
            categories: self.categories.clone(),
            required,
            shortfall: required.less_at_most(merchant.guarantee),
            receipt: receipt(merchant, context),
        })
    }
}

/// The merchant wants to end.
#[derive(Clone, Debug)]
pub struct CloseMerchant {
    /// Makes it known.
    pub request_id: RequestId,
    /// Why; may be empty.
    pub reason: Text,
}

impl Command for CloseMerchant {
    type Fact = ClosingStarted;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a ClosingStarted, Rejection> {
        let Fact::ClosingStarted(first) = known else { return Err(Rejection::OtherMethod) };
        same("reason", self.reason == first.reason)?;
        Ok(first)
    }

    /// The guarantee goes to zero as by lowering, so a record that is not clean forbids it; a category's minimum does not.
    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<ClosingStarted, Rejection> {
        if merchant.stage != Stage::Open {
            return Err(Rejection::MerchantClosing);
        }
        if !merchant.guarantee.is_zero() {
            check_clean_record(merchant, context)?;
        }
        let change = change(merchant, Money::ZERO, context)?;
        let receipt = receipt_with(merchant, change.guarantee, change.frozen, context);
        Ok(ClosingStarted { request_id: self.request_id.clone(), change, reason: self.reason.clone(), receipt })
    }
}

/// The merchant wants to trade again.
#[derive(Clone, Debug)]
pub struct ReopenMerchant {
    /// Makes it known.
    pub request_id: RequestId,
    /// Why; may be empty.
    pub reason: Text,
}

impl Command for ReopenMerchant {
    type Fact = MerchantReopened;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a MerchantReopened, Rejection> {
        let Fact::MerchantReopened(first) = known else { return Err(Rejection::OtherMethod) };
        same("reason", self.reason == first.reason)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<MerchantReopened, Rejection> {
        if merchant.stage == Stage::Open {
            return Err(Rejection::MerchantNotClosing);
        }
        let receipt = receipt(merchant, context);
        Ok(MerchantReopened { request_id: self.request_id.clone(), reason: self.reason.clone(), receipt })
    }
}
