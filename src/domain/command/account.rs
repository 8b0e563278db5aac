//! Money in and out.

use super::{Command, Context, Key, above_zero, receipt, same, subject, written};
use crate::domain::{
    BalanceAdjusted, Charge, Direction, Fact, Income, MarginPaid, Merchant, Money, PaymentReturned, Rejection,
    RequestId, Standing, Text, Thing, WithdrawalFailed, Withdrawn,
};

/// The merchant pays in.
#[derive(Clone, Debug)]
pub struct PayMargin {
    request_id: RequestId,
    amount: Money,
    reference: Text,
}

impl PayMargin {
    /// A payment.
    ///
    /// # Errors
    /// When the amount is zero.
    pub fn new(request_id: RequestId, amount: Money, reference: Text) -> Result<Self, Rejection> {
        above_zero("amount", amount)?;
        Ok(Self { request_id, amount, reference })
    }
}

impl Command for PayMargin {
    type Fact = MarginPaid;

    const OPENS: bool = true;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a MarginPaid, Rejection> {
        let Fact::MarginPaid(first) = known else { return Err(Rejection::OtherMethod) };
        same("amount", self.amount == first.income.total())?;
        same("reference", self.reference == first.reference)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<MarginPaid, Rejection> {
        Ok(MarginPaid {
            request_id: self.request_id.clone(),
            income: merchant.waterfall(self.amount),
            reference: self.reference.clone(),
            receipt: receipt(merchant, context),
        })
    }
}

/// A payment did not hold, and goes back in full.
#[derive(Clone, Debug)]
pub struct ReturnPayment {
    /// Makes it known.
    pub request_id: RequestId,
    /// The payment: the request that made it.
    pub payment_id: RequestId,
    /// Why; may be empty.
    pub reason: Text,
}

impl Command for ReturnPayment {
    type Fact = PaymentReturned;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn subject(&self) -> Option<Key<'_>> {
        Some(Key::Request(&self.payment_id))
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a PaymentReturned, Rejection> {
        let Fact::PaymentReturned(first) = known else { return Err(Rejection::OtherMethod) };
        same("payment_id", self.payment_id == first.payment_id)?;
        same("reason", self.reason == first.reason)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<PaymentReturned, Rejection> {
        let known = subject(context, Thing::Payment)?;
        let Fact::MarginPaid(payment) = &known.first.fact else { return Err(Rejection::NotFound(Thing::Payment)) };
        if known.standing == Standing::Undone {
            return Err(Rejection::PaymentReturned);
        }
        Ok(PaymentReturned {
            request_id: self.request_id.clone(),
            payment_id: self.payment_id.clone(),
            charge: merchant.charge(payment.income.total()),
            reason: self.reason.clone(),
            receipt: receipt(merchant, context),
        })
    }
}

/// The merchant takes money out.
#[derive(Clone, Debug)]
pub struct Withdraw {
    request_id: RequestId,
    amount: Money,
    reference: Text,
}

impl Withdraw {
    /// A withdrawal.
    ///
    /// # Errors
    /// When the amount is zero.
    pub fn new(request_id: RequestId, amount: Money, reference: Text) -> Result<Self, Rejection> {
        above_zero("amount", amount)?;
        Ok(Self { request_id, amount, reference })
    }
}

impl Command for Withdraw {
    type Fact = Withdrawn;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a Withdrawn, Rejection> {
        let Fact::Withdrawn(first) = known else { return Err(Rejection::OtherMethod) };
        same("amount", self.amount == first.amount)?;
        same("reference", self.reference == first.reference)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<Withdrawn, Rejection> {
        if !merchant.holds.is_empty() {
            return Err(Rejection::MerchantHeld { holds: merchant.holds.len() });
        }
        if self.amount > merchant.available {
            return Err(Rejection::InsufficientAvailable { available: merchant.available });
        }
        Ok(Withdrawn {
            request_id: self.request_id.clone(),
            amount: self.amount,
            reference: self.reference.clone(),
            available: merchant.available - self.amount,
            receipt: receipt(merchant, context),
        })
    }
}

/// A withdrawal did not arrive, and comes back in full.
#[derive(Clone, Debug)]
pub struct FailWithdrawal {
    /// Makes it known.
    pub request_id: RequestId,
    /// The withdrawal: the request that made it.
    pub withdrawal_id: RequestId,
    /// Why; may be empty.
    pub reason: Text,
}

impl Command for FailWithdrawal {
    type Fact = WithdrawalFailed;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn subject(&self) -> Option<Key<'_>> {
        Some(Key::Request(&self.withdrawal_id))
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a WithdrawalFailed, Rejection> {
        let Fact::WithdrawalFailed(first) = known else { return Err(Rejection::OtherMethod) };
        same("withdrawal_id", self.withdrawal_id == first.withdrawal_id)?;
        same("reason", self.reason == first.reason)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<WithdrawalFailed, Rejection> {
        let known = subject(context, Thing::Withdrawal)?;
        let Fact::Withdrawn(first) = &known.first.fact else { return Err(Rejection::NotFound(Thing::Withdrawal)) };
        if known.standing == Standing::Undone {
            return Err(Rejection::WithdrawalFailed);
        }
        Ok(WithdrawalFailed {
            request_id: self.request_id.clone(),
            withdrawal_id: self.withdrawal_id.clone(),
            income: merchant.waterfall(first.amount),
            reason: self.reason.clone(),
            receipt: receipt(merchant, context),
        })
    }
}

/// An operator credits or debits the merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdjustBalance {
    pub(crate) request_id: RequestId,
    pub(crate) direction: Direction,
    pub(crate) amount: Money,
    pub(crate) reason: Text,
    pub(crate) reference: Text,
}

impl AdjustBalance {
    /// An adjustment.
    ///
    /// # Errors
    /// When the amount is zero or there is no reason.
    pub fn new(
        request_id: RequestId,
        direction: Direction,
        amount: Money,
        reason: Text,
        reference: Text,
    ) -> Result<Self, Rejection> {
        above_zero("amount", amount)?;
        written("reason", &reason)?;
        Ok(Self { request_id, direction, amount, reason, reference })
    }
}

impl Command for AdjustBalance {
    type Fact = BalanceAdjusted;

    fn key(&self) -> Key<'_> {
        Key::Request(&self.request_id)
    }

    fn recall<'a>(&self, known: &'a Fact) -> Result<&'a BalanceAdjusted, Rejection> {
        let Fact::BalanceAdjusted(first) = known else { return Err(Rejection::OtherMethod) };
        same("direction", self.direction == first.direction)?;
        same("amount", self.amount == first.amount())?;
        same("reason", self.reason == first.reason)?;
        same("reference", self.reference == first.reference)?;
        Ok(first)
    }

    fn decide(&self, merchant: &Merchant, context: &Context<'_>) -> Result<BalanceAdjusted, Rejection> {
        let (income, charge) = match self.direction {
            Direction::Credit => (merchant.waterfall(self.amount), Charge::default()),
            Direction::Debit => (Income::default(), merchant.charge(self.amount)),
        };
        Ok(BalanceAdjusted {
            request_id: self.request_id.clone(),
            direction: self.direction,
            income,
            charge,
            reason: self.reason.clone(),
            reference: self.reference.clone(),
            receipt: receipt(merchant, context),
        })
    }
}
