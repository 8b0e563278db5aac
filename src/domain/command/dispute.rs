//! Deductions and appeals.

use super::{Command, Context, Key, above_zero, receipt, same, subject};
use crate::domain::{
    AppealOpened, AppealOutcome, AppealResolved, Beneficiary, DeductionReason, DeductionSplit, Disputed, Fact,
    MarginDeducted, Merchant, Money, Rejection, RequestId, Standing, Text, Thing,
};

/// Money is taken for a violation or a dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeductMargin {
    pub(crate) request_id: RequestId,
    pub(crate) amount: Money,
    pub(crate) reason: DeductionReason,
    pub(crate) disputed: Disputed,
    pub(crate) beneficiary: Beneficiary,
    pub(crate) note: Text,
}

impl DeductMargin {
    /// A deduction.
    ///
    /// # Errors
    /// When the amount is zero.
    pub fn new(
        request_id: RequestId,
        amount: Money,
        reason: DeductionReason,
        disputed: Disputed,
        beneficiary: Beneficiary,
        note: Text,
    ) -> Result<Self, Rejection> {
        above_zero("amount", amount)?;
        Ok(Self { request_id, amount, reason, disputed, beneficiary, note })
    }

    /// Releasing, then frozen, then available, then debt.
    fn split(&self, merchant: &Merchant) -> DeductionSplit {
        let from_releasing = self.amount.min(merchant.releasing());
        let from_frozen = (self.amount - from_releasing).min(merchant.frozen);
        let rest = self.amount - from_releasing - from_frozen;
        let from_available = rest.min(merchant.available);
        DeductionSplit { from_releasing, from_frozen, from_available, to_debt: rest - from_available }
    }
}

impl Command for DeductMargin {
    type Fact = MarginDeducted;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a MarginDeducted, Rejection> {
        let Fact::MarginDeducted(first) = known else { return Err(Rejection::OtherMethod) };
        same("amount", self.amount == first.split.total())?;
        same("reason", self.reason == first.reason)?;
        same(disputed_field(&self.disputed), self.disputed == first.disputed)?;
        same("beneficiary", self.beneficiary == first.beneficiary)?;
        same("note", self.note == first.note)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<MarginDeducted, Rejection> {
        let split = self.split(merchant);
        let gap = merchant.guarantee.less_at_most(merchant.frozen - split.from_frozen);
        Ok(MarginDeducted {
            request_id: self.request_id.clone(),
            reason: self.reason,
            disputed: self.disputed.clone(),
            beneficiary: self.beneficiary,
            note: self.note.clone(),
            split,
            refilled: gap.min(merchant.available - split.from_available),
            appeal_until: context.now.after(context.in_force().policy.appeal_window),
            receipt: receipt(merchant, context),
        })
    }
}

const fn disputed_field(disputed: &Disputed) -> &'static str {
    match disputed {
        Disputed::Order(_) => "order_id",
        Disputed::Dispute(_) => "dispute",
    }
}

/// The merchant appeals against a deduction.
#[derive(Clone, Debug)]
pub struct OpenAppeal {
    /// Makes it known.
    pub request_id: RequestId,
    /// The deduction: the request that made it.
    pub deduction_id: RequestId,
    /// What the merchant says; may be empty.
    pub statement: Text,
}

impl Command for OpenAppeal {
    type Fact = AppealOpened;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn subject(&self) -> Option<Key<'_>> {
        Some(Key::Request(&self.deduction_id))
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a AppealOpened, Rejection> {
        let Fact::AppealOpened(first) = known else { return Err(Rejection::OtherMethod) };
        same("deduction_id", self.deduction_id == first.deduction_id)?;
        same("statement", self.statement == first.statement)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<AppealOpened, Rejection> {
        let known = subject(context, Thing::Deduction)?;
        let Fact::MarginDeducted(deduction) = &known.first.fact else {
            return Err(Rejection::NotFound(Thing::Deduction));
        };
        if known.standing != Standing::Unchanged {
            return Err(Rejection::AppealedAlready);
        }
        if context.now > deduction.appeal_until {
            return Err(Rejection::AppealTooLate { until: deduction.appeal_until });
        }
        let limit = context.limits.open_appeals;
        if merchant.open_appeals() >= limit {
            return Err(Rejection::TooManyAppeals { limit });
        }
        Ok(AppealOpened {
            request_id: self.request_id.clone(),
            deduction_id: self.deduction_id.clone(),
            statement: self.statement.clone(),
            receipt: receipt(merchant, context),
        })
    }
}

/// An open appeal is decided.
#[derive(Clone, Debug)]
pub struct ResolveAppeal {
    request_id: RequestId,
    deduction_id: RequestId,
    outcome: AppealOutcome,
    amount: Option<Money>,
    reason: Text,
}

impl ResolveAppeal {
    /// The outcome. Without an amount all of the deduction is overturned.
    ///
    /// # Errors
    /// When an amount of zero is to be overturned, or one is given although the deduction is upheld.
    pub fn new(
        request_id: RequestId,
        deduction_id: RequestId,
        outcome: AppealOutcome,
        amount: Option<Money>,
        reason: Text,
    ) -> Result<Self, Rejection> {
        if outcome == AppealOutcome::Upheld && amount.is_some() {
            let reason = "has to be left out when the deduction is upheld".into();
            return Err(Rejection::Invalid { field: "amount", reason });
        }
        if let Some(amount) = amount {
            above_zero("amount", amount)?;
        }
        Ok(Self { request_id, deduction_id, outcome, amount, reason })
    }

    fn overturned(&self, deducted: Money) -> Result<Money, Rejection> {
        match (self.outcome, self.amount) {
            (AppealOutcome::Upheld, _) => Ok(Money::ZERO),
            (AppealOutcome::Overturned, None) => Ok(deducted),
            (AppealOutcome::Overturned, Some(amount)) if amount > deducted => {
                Err(Rejection::OverturnExceedsDeduction { deducted })
            }
            (AppealOutcome::Overturned, Some(amount)) => Ok(amount),
        }
    }
}

impl Command for ResolveAppeal {
    type Fact = AppealResolved;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn subject(&self) -> Option<Key<'_>> {
        Some(Key::Request(&self.deduction_id))
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a AppealResolved, Rejection> {
        let Fact::AppealResolved(first) = known else { return Err(Rejection::OtherMethod) };
        same("deduction_id", self.deduction_id == first.deduction_id)?;
        same("outcome", self.outcome == first.outcome)?;
        same("amount", self.amount == first.amount_asked)?;
        same("reason", self.reason == first.reason)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<AppealResolved, Rejection> {
        let known = subject(context, Thing::Deduction)?;
        let Fact::MarginDeducted(deduction) = &known.first.fact else {
            return Err(Rejection::NotFound(Thing::Deduction));
        };
        match known.standing {
            Standing::Appealed => {}
            Standing::Resolved { .. } => return Err(Rejection::AppealResolved),
            _ => return Err(Rejection::NotFound(Thing::Appeal)),
        }
        let deducted = deduction.split.total();
        let overturned = self.overturned(deducted)?;
        Ok(AppealResolved {
            request_id: self.request_id.clone(),
            deduction_id: self.deduction_id.clone(),
            outcome: self.outcome,
            amount_asked: self.amount,
            income: merchant.waterfall(overturned),
            all_overturned: overturned == deducted,
            reason: self.reason.clone(),
            receipt: receipt(merchant, context),
        })
    }
}
