//! What can be asked for, and how it is decided.

mod account;
mod dispute;
mod guarantee;
mod import;
mod order;
mod standing;

pub use account::{AdjustBalance, FailWithdrawal, PayMargin, ReturnPayment, Withdraw};
pub use dispute::{DeductMargin, OpenAppeal, ResolveAppeal};
pub use guarantee::ModifyGuarantee;
pub use import::{ImportMerchant, PendingToImport};
pub use order::{ClassifyOrder, ReverseOrder};
pub use standing::{CloseMerchant, LiftHold, PlaceHold, ReopenMerchant, SetCategories};

use super::{
    Fact, InForce, Known, Merchant, Money, OrderId, Receipt, Rejection, RequestId, Thing, Timeline, Timestamp,
};

/// What a decision may look at besides the merchant.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Engine time.
    pub now: Timestamp,
    /// The policies.
    pub policies: &'a Timeline,
    /// Configured limits.
    pub limits: Limits,
    /// What is known of the earlier fact that the command names ([`Command::subject`]); none if there is no such fact.
    pub subject: Option<&'a Known>,
}

impl<'a> Context<'a> {
    /// The policy in force now.
    pub fn in_force(&self) -> &'a InForce {
        self.policies.at(self.now)
    }
}

/// How much of a kind a merchant may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open releases of a merchant.
    pub open_releases: usize,
    /// Holds that stand.
    pub holds: usize,
    /// Open appeals.
    pub open_appeals: usize,
    /// Categories.
    pub categories: usize,
    /// Orders that come with an import.
    pub imported_orders: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { open_releases: 1_000, holds: 64, open_appeals: 1_000, categories: 64, imported_orders: 10_000 }
    }
}

/// What makes a command known, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// Whether it may be the first thing that happens to a merchant.
    const OPENS: bool = false;

    /// What makes it known.
    fn key(&self) -> Key<'_>;

    /// The earlier fact that it is about, if there is one.
    fn subject(&self) -> Option<Key<'_>> {
        None
    }

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

    /// Further facts that come with it.
    fn follow_ups(&self, _fact: &Self::Fact, _context: &Context<'_>) -> Vec<Fact> {
        Vec::new()
    }

    /// When the fact counts from, before it is held against the merchant's previous one.
    fn effective_at(_fact: &Self::Fact, now: Timestamp) -> Timestamp {
        now
    }
}

fn same(field: &'static str, holds: bool) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(Rejection::Conflict { field }) }
}

/// The earlier fact that a command names.
fn subject<'a>(context: &Context<'a>, thing: Thing) -> Result<&'a Known, Rejection> {
    context.subject.ok_or(Rejection::NotFound(thing))
}

/// Refuses an amount that a command cannot have.
fn above_zero(field: &'static str, amount: Money) -> Result<(), Rejection> {
    if amount > Money::ZERO { Ok(()) } else { Err(Rejection::Invalid { field, reason: "has to be above 0".into() }) }
}

/// Refuses a text that has to be there.
fn written(field: &'static str, text: &super::Text) -> Result<(), Rejection> {
    if text.is_empty() { Err(Rejection::Invalid { field, reason: "is missing".into() }) } else { Ok(()) }
}

/// What is in force for orders completed now.
fn receipt(merchant: &Merchant, context: &Context<'_>) -> Receipt {
    receipt_with(merchant, merchant.guarantee, merchant.frozen, context)
}

/// The same with another guarantee.
fn receipt_with(merchant: &Merchant, guarantee: Money, frozen: Money, context: &Context<'_>) -> Receipt {
    let InForce { version, policy, .. } = context.in_force();
    let (multiple, quota) = policy.quota(guarantee, frozen, merchant.historical_profit);
    let total = policy.counted(merchant.totals(context.policies.day_of(context.now)));
    Receipt {
        policy_version: *version,
        multiple,
        quota,
        day_total_before: total,
        day_total_after: total,
        resets_at: context.policies.end_of_day(context.now),
    }
}
