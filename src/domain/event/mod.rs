//! Facts about merchants, with everything an answer needs, so that a repeat can be answered from the fact alone.

mod account;
mod dispute;
mod due;
mod order;
mod shown;
mod standing;

pub use account::{
    BalanceAdjusted, Direction, ImportedOrder, ImportedRelease, MarginPaid, MerchantImported, PaymentReturned,
    WithdrawalFailed, Withdrawn,
};
pub use dispute::{
    AppealOpened, AppealOutcome, AppealResolved, Beneficiary, DeductionReason, DeductionSplit, Disputed, MarginDeducted,
};
pub use due::{MerchantClosed, ProfitSettled, ReleaseCompleted, Warning, WarningRaised};
pub use order::{Cycle, OrderClassified, OrderImported, OrderReversed, Verdict};
pub use standing::{
    CategoriesSet, ClosingStarted, GuaranteeChange, GuaranteeModified, HoldLifted, HoldPlaced, MerchantReopened,
};

use super::{Key, Money, Timestamp};

/// A fact and the instant from which it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was due or completed; never before the merchant's previous fact, never after it was recorded.
    pub effective_at: Timestamp,
    /// What happened.
    pub fact: Fact,
}

/// What a decision rested on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The version of the policy.
    pub policy_version: u64,
    /// The multiple read from the historical profit.
    pub multiple: u32,
    /// The quick settlement quota of the day.
    pub quota: Money,
    /// What counted towards the day before.
    pub day_total_before: Money,
    /// What counts towards it after.
    pub day_total_after: Money,
    /// When that day ends.
    pub resets_at: Timestamp,
}

impl Receipt {
    /// What is left of the quota.
    pub fn remaining(&self) -> Money {
        self.quota.less_at_most(self.day_total_after)
    }
}

/// Where income went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Income {
    /// Repaid debt.
    pub to_debt: Money,
    /// Frozen, to fill the gap.
    pub to_gap: Money,
    /// Made available.
    pub to_available: Money,
}

impl Income {
    /// The whole income.
    pub fn total(self) -> Money {
        self.to_debt + self.to_gap + self.to_available
    }
}

/// What the merchant had to give back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charge {
    /// Taken from available.
    pub from_available: Money,
    /// Owed, as available did not suffice.
    pub to_debt: Money,
}

impl Charge {
    /// The whole charge.
    pub fn total(self) -> Money {
        self.from_available + self.to_debt
    }
}

macro_rules! facts {
    ($($(#[doc = $meaning:literal])+ $name:ident,)*) => {
        /// What can happen to a merchant. All but orders are boxed: orders outnumber them by far and are kept in memory.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Fact {
            /// An order was classified.
            OrderClassified(OrderClassified),
            $($(#[doc = $meaning])+ $name(Box<$name>),)*
        }

        impl From<OrderClassified> for Fact {
            fn from(fact: OrderClassified) -> Self {
                Self::OrderClassified(fact)
            }
        }

        $(impl From<$name> for Fact {
            fn from(fact: $name) -> Self {
                Self::$name(Box::new(fact))
            }
        })*
    };
}

facts! {
    /// An order that was decided elsewhere came with an import.
    OrderImported,
    /// An order was given back, in part or in full.
    OrderReversed,
    /// Pending profit became income.
    ProfitSettled,
    /// The guarantee was modified.
    GuaranteeModified,
    /// A release became income.
    ReleaseCompleted,
    /// The merchant was imported.
    MerchantImported,
    /// The merchant paid in.
    MarginPaid,
    /// A payment was returned.
    PaymentReturned,
    /// The merchant withdrew.
    Withdrawn,
    /// A withdrawal came back.
    WithdrawalFailed,
    /// An operator credited or debited the merchant.
    BalanceAdjusted,
    /// Money was deducted for a violation or a dispute.
    MarginDeducted,
    /// The merchant appealed against a deduction.
    AppealOpened,
    /// An appeal was resolved.
    AppealResolved,
    /// The merchant was held.
    HoldPlaced,
    /// A hold was lifted.
    HoldLifted,
    /// The merchant's categories were set.
    CategoriesSet,
    /// The merchant began to close.
    ClosingStarted,
    /// Nothing was left to be done: the merchant is closed.
    MerchantClosed,
    /// The merchant was opened again.
    MerchantReopened,
    /// A limit of policy was crossed.
    WarningRaised,
}

impl Fact {
    /// What the fact makes known for ever, if it was asked for and not brought about by time.
    pub fn key(&self) -> Option<Key<'_>> {
        match self {
            Self::OrderClassified(fact) => Some(Key::Order(&fact.order_id)),
            Self::OrderImported(fact) => Some(Key::Order(&fact.order.order_id)),
            Self::OrderReversed(fact) => Some(Key::Request(&fact.request_id)),
            Self::GuaranteeModified(fact) => Some(Key::Request(&fact.request_id)),
            Self::MerchantImported(fact) => Some(Key::Request(&fact.request_id)),
            Self::MarginPaid(fact) => Some(Key::Request(&fact.request_id)),
            Self::PaymentReturned(fact) => Some(Key::Request(&fact.request_id)),
            Self::Withdrawn(fact) => Some(Key::Request(&fact.request_id)),
            Self::WithdrawalFailed(fact) => Some(Key::Request(&fact.request_id)),
            Self::BalanceAdjusted(fact) => Some(Key::Request(&fact.request_id)),
            Self::MarginDeducted(fact) => Some(Key::Request(&fact.request_id)),
            Self::AppealOpened(fact) => Some(Key::Request(&fact.request_id)),
            Self::AppealResolved(fact) => Some(Key::Request(&fact.request_id)),
            Self::HoldPlaced(fact) => Some(Key::Request(&fact.request_id)),
            Self::HoldLifted(fact) => Some(Key::Request(&fact.request_id)),
            Self::CategoriesSet(fact) => Some(Key::Request(&fact.request_id)),
            Self::ClosingStarted(fact) => Some(Key::Request(&fact.request_id)),
            Self::MerchantReopened(fact) => Some(Key::Request(&fact.request_id)),
            Self::ProfitSettled(_) | Self::ReleaseCompleted(_) | Self::MerchantClosed(_) | Self::WarningRaised(_) => {
                None
            }
        }
    }

    /// The earlier fact that this one is about and changes the standing of, if there is one.
    pub fn subject(&self) -> Option<Key<'_>> {
        match self {
            Self::OrderReversed(fact) => Some(Key::Order(&fact.order_id)),
            Self::PaymentReturned(fact) => Some(Key::Request(&fact.payment_id)),
            Self::WithdrawalFailed(fact) => Some(Key::Request(&fact.withdrawal_id)),
            Self::AppealOpened(fact) => Some(Key::Request(&fact.deduction_id)),
            Self::AppealResolved(fact) => Some(Key::Request(&fact.deduction_id)),
            Self::HoldLifted(fact) => Some(Key::Request(&fact.hold_id)),
            _ => None,
        }
    }

    /// What the decision rested on; none for what time brought about.
    pub fn receipt(&self) -> Option<&Receipt> {
        match self {
            Self::OrderClassified(fact) => Some(&fact.receipt),
            Self::OrderReversed(fact) => Some(&fact.receipt),
            Self::GuaranteeModified(fact) => Some(&fact.receipt),
            Self::MerchantImported(fact) => Some(&fact.receipt),
            Self::MarginPaid(fact) => Some(&fact.receipt),
            Self::PaymentReturned(fact) => Some(&fact.receipt),
            Self::Withdrawn(fact) => Some(&fact.receipt),
            Self::WithdrawalFailed(fact) => Some(&fact.receipt),
            Self::BalanceAdjusted(fact) => Some(&fact.receipt),
            Self::MarginDeducted(fact) => Some(&fact.receipt),
            Self::AppealOpened(fact) => Some(&fact.receipt),
            Self::AppealResolved(fact) => Some(&fact.receipt),
            Self::HoldPlaced(fact) => Some(&fact.receipt),
            Self::HoldLifted(fact) => Some(&fact.receipt),
            Self::CategoriesSet(fact) => Some(&fact.receipt),
            Self::ClosingStarted(fact) => Some(&fact.receipt),
            Self::MerchantReopened(fact) => Some(&fact.receipt),
            Self::OrderImported(fact) => Some(&fact.order.receipt),
            Self::ProfitSettled(_) | Self::ReleaseCompleted(_) | Self::MerchantClosed(_) | Self::WarningRaised(_) => {
                None
            }
        }
    }
}
