//! Deductions and appeals.

use super::{Income, Receipt};
use crate::domain::{Money, OrderId, RequestId, Text, Timestamp};

/// Why money is deducted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeductionReason {
    /// Deceit.
    Fraud,
    /// Orders that came too late.
    LateDelivery,
    /// Goods that were not what they should be.
    LowQuality,
    /// Rights of others.
    IntellectualProperty,
    /// What a dispute awarded to the buyer.
    DisputeCompensation,
    /// Anything else.
    Other,
}

/// What a deduction is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disputed {
    /// An order of the merchant. It need not be known here.
    Order(OrderId),
    /// A dispute, as it is called elsewhere.
    Dispute(Text),
}

/// Who gets what is deducted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beneficiary {
    /// The buyer.
    Buyer,
    /// The platform.
    Platform,
}

/// What a deduction took, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeductionSplit {
    /// From what was releasing: latest due first, then latest created.
    pub from_releasing: Money,
    /// From what was frozen.
    pub from_frozen: Money,
    /// From what was available.
    pub from_available: Money,
    /// Owed, as all of that did not suffice.
    pub to_debt: Money,
}

impl DeductionSplit {
    /// The whole deduction.
    pub fn total(self) -> Money {
        self.from_releasing + self.from_frozen + self.from_available + self.to_debt
    }
}

/// Money was deducted for a violation or a dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarginDeducted {
    /// The request that did it, and the deduction's id.
    pub request_id: RequestId,
    /// Why.
    pub reason: DeductionReason,
    /// What it is about.
    pub disputed: Disputed,
    /// Who gets it.
    pub beneficiary: Beneficiary,
    /// More about it; may be empty.
    pub note: Text,
    /// Where it came from; its total is the amount.
    pub split: DeductionSplit,
    /// What of the available money was frozen at once, to fill the gap.
    pub refilled: Money,
    /// Until when the merchant may appeal; this instant included.
    pub appeal_until: Timestamp,
    /// What was in force.
    pub receipt: Receipt,
}

/// The merchant appealed against a deduction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppealOpened {
    /// The request that did it.
    pub request_id: RequestId,
    /// The deduction, which also names the appeal.
    pub deduction_id: RequestId,
    /// What the merchant says; may be empty.
    pub statement: Text,
    /// What was in force.
    pub receipt: Receipt,
}

/// What became of an appeal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppealOutcome {
    /// The deduction stands.
    Upheld,
    /// The deduction was overturned, in part or in full.
    Overturned,
}

/// An appeal was resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppealResolved {
    /// The request that did it.
    pub request_id: RequestId,
    /// The deduction, which also names the appeal.
    pub deduction_id: RequestId,
    /// What became of it.
    pub outcome: AppealOutcome,
    /// The amount that was asked to be overturned; none: all of it.
    pub amount_asked: Option<Money>,
    /// Where what was overturned went; its total is the amount, zero if the deduction was upheld.
    pub income: Income,
    /// Nothing of the deduction stands.
    pub all_overturned: bool,
    /// Why; may be empty.
    pub reason: Text,
    /// What was in force.
    pub receipt: Receipt,
}
