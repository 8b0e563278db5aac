//! The guarantee.

use super::{Command, Context, Key, receipt_with, same};
use crate::domain::{Fact, GuaranteeChange, GuaranteeModified, Merchant, Money, Rejection, RequestId, Stage};

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

    fn check(&self, merchant: &Merchant, context: &Context<'_>) -> Result<(), Rejection> {
        let policy = &context.in_force().policy;
        if let Some(maximum) = policy.max_guarantee.filter(|maximum| self.guarantee > *maximum) {
            return Err(Rejection::GuaranteeAboveMaximum { maximum });
        }
        if self.guarantee > merchant.guarantee && merchant.stage != Stage::Open {
            return Err(Rejection::MerchantClosing);
        }
        if self.guarantee < merchant.guarantee {
            check_clean_record(merchant, context)?;
            let required = policy.required(&merchant.categories);
            if self.guarantee < required {
                return Err(Rejection::BelowCategoryMinimum { required });
            }
        }
        Ok(())
    }
}

impl Command for ModifyGuarantee {
    type Fact = GuaranteeModified;

    const OPENS: bool = true;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a GuaranteeModified, Rejection> {
        let Fact::GuaranteeModified(first) = known else { return Err(Rejection::OtherMethod) };
        same("guarantee", self.guarantee == first.change.guarantee)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<GuaranteeModified, Rejection> {
        self.check(merchant, context)?;
        let change = change(merchant, self.guarantee, context)?;
        let receipt = receipt_with(merchant, change.guarantee, change.frozen, context);
        Ok(GuaranteeModified { request_id: self.request_id.clone(), change, receipt })
    }
}

/// What another guarantee moves.
pub(super) fn change(
    merchant: &Merchant,
    guarantee: Money,
    context: &Context<'_>,
) -> Result<GuaranteeChange, Rejection> {
    let released = merchant.frozen.less_at_most(guarantee);
    let limit = context.limits.open_releases;
    if !released.is_zero() && merchant.releases.len() >= limit {
        return Err(Rejection::TooManyReleases { limit });
    }
    // A lowering that leaves a gap finds nothing releasing and nothing available, so it takes nothing either.
    let missing = guarantee.less_at_most(merchant.frozen);
    let from_releasing = missing.min(merchant.releasing());
    let from_available = (missing - from_releasing).min(merchant.available);
    Ok(GuaranteeChange {
        previous: merchant.guarantee,
        guarantee,
        from_releasing,
        from_available,
        released,
        release_due_at: context.now.after(context.in_force().policy.release_after),
        release_number: if released.is_zero() { 0 } else { merchant.releases_ever + 1 },
        frozen: merchant.frozen - released + from_releasing + from_available,
        available: merchant.available - from_available,
    })
}

/// Refuses a lowering while policy wants a clean record and there is none.
pub(super) fn check_clean_record(merchant: &Merchant, context: &Context<'_>) -> Result<(), Rejection> {
    let clean = merchant.clean_record(&context.in_force().policy);
    let possible = clean.is_none_or(|clean| clean.open_appeals == 0 && clean.from <= context.now);
    match clean {
        Some(clean) if !possible => {
            Err(Rejection::NoCleanRecord { from: clean.from, open_appeals: clean.open_appeals })
        }
        _ => Ok(()),
    }
}
