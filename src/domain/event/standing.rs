//! The guarantee, and how the merchant stands with the marketplace.

use super::Receipt;
use crate::domain::{Category, Money, RequestId, Text, Timestamp};

/// What a new guarantee moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuaranteeChange {
    /// The guarantee before; whole dollars.
    pub previous: Money,
    /// The guarantee now; whole dollars.
    pub guarantee: Money,
    /// Taken back from what was releasing: latest due first, then latest created.
    pub from_releasing: Money,
    /// Taken from available.
    pub from_available: Money,
    /// Set on its way back; zero when nothing was frozen above the new guarantee.
    pub released: Money,
    /// When that comes due.
    pub release_due_at: Timestamp,
    /// The number of the release within the merchant; zero when there is none.
    pub release_number: u64,
    /// What is frozen now.
    pub frozen: Money,
    /// What is available now.
    pub available: Money,
}

/// The guarantee was modified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuaranteeModified {
    /// The request that did it.
    pub request_id: RequestId,
    /// What it moved.
    pub change: GuaranteeChange,
    /// Multiple, quota and day total now.
    pub receipt: Receipt,
}

/// The merchant was held: releases wait and withdrawals are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldPlaced {
    /// The request that did it, and the hold's id.
    pub request_id: RequestId,
    /// Why.
    pub reason: Text,
    /// What was in force.
    pub receipt: Receipt,
}

/// A hold was lifted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldLifted {
    /// The request that did it.
    pub request_id: RequestId,
    /// The hold.
    pub hold_id: RequestId,
    /// Why; may be empty.
    pub reason: Text,
    /// What was in force.
    pub receipt: Receipt,
}

/// The merchant's categories were set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoriesSet {
    /// The request that did it.
    pub request_id: RequestId,
    /// All of them, in order, each once.
    pub categories: Vec<Category>,
    /// The guarantee that they require by policy; whole dollars.
    pub required: Money,
    /// What the guarantee lacks to that.
    pub shortfall: Money,
    /// What was in force.
    pub receipt: Receipt,
}

/// The merchant began to close: the guarantee went to zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosingStarted {
    /// The request that did it.
    pub request_id: RequestId,
    /// What that moved.
    pub change: GuaranteeChange,
    /// Why; may be empty.
    pub reason: Text,
    /// What was in force.
    pub receipt: Receipt,
}

/// The merchant was opened again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MerchantReopened {
    /// The request that did it.
    pub request_id: RequestId,
    /// Why; may be empty.
    pub reason: Text,
    /// What was in force.
    pub receipt: Receipt,
}
