//! What the history answers with.

use super::Position;
use crate::{
    domain::{Direction, Event, Fact, InForce, Merchant, MerchantId, Money, Standing, Timestamp},
    journal::Lsn,
};

/// A fact, with where it stands and what it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The merchant.
    pub merchant: MerchantId,
    /// Its number within the merchant, dense from 1: [`Merchant::facts`] after it.
    pub number: u64,
    /// The fact, and from when on it counts.
    pub event: Event,
    /// When it was recorded. Never falls along the numbers.
    pub recorded_at: Timestamp,
    /// Who asked for it; empty: nobody was authenticated, or nobody asked.
    pub caller: String,
    /// The position of its record.
    pub lsn: Lsn,
    /// Which of the facts of its record it is, from 0.
    pub index: u32,
    /// All balances after it.
    pub balances: Balances,
}

impl Entry {
    /// Its place in the journal.
    pub fn position(&self) -> Position {
        (self.lsn, self.index).into()
    }

    /// What it records.
    pub const fn kind(&self) -> Kind {
        Kind::of(&self.event.fact)
    }
}

/// All balances of a merchant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    /// What the merchant has opted for.
    pub guarantee: Money,
    /// The part of it that is really set aside.
    pub frozen: Money,
    /// What of the guarantee is missing.
    pub gap: Money,
    /// All money on its way back.
    pub releasing: Money,
    /// What may be withdrawn.
    pub available: Money,
    /// All profit that has not settled.
    pub pending: Money,
    /// What is owed.
    pub debt: Money,
    /// Decides the multiple.
    pub historical_profit: Money,
}

impl Balances {
    /// The balances of a merchant.
    pub fn of(merchant: &Merchant) -> Self {
        Self {
            guarantee: merchant.guarantee,
            frozen: merchant.frozen,
            gap: merchant.gap(),
            releasing: merchant.releasing(),
            available: merchant.available,
            pending: merchant.pending(),
            debt: merchant.debt,
            historical_profit: merchant.historical_profit,
        }
    }
}

macro_rules! kinds {
    ($($(#[doc = $meaning:literal])+ $name:ident = $number:literal,)*) => {
        /// What an entry records. The numbers are those of the API, and part of the durable format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[doc = $meaning])+ $name = $number,)*
        }

        impl Kind {
            /// All kinds, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind with this number, if there is one.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// An order was classified.
    OrderClassified = 1,
    /// An order that was decided elsewhere came with an import.
    OrderImported = 2,
    /// An order was given back.
    OrderReversed = 3,
    /// Pending profit became income.
    ProfitSettled = 4,
    /// The guarantee was modified.
    GuaranteeModified = 5,
    /// A release became income.
    ReleaseCompleted = 6,
    /// The merchant was imported.
    MerchantImported = 7,
    /// The merchant paid in.
    MarginPaid = 8,
    /// A payment was returned.
    PaymentReturned = 9,
    /// The merchant withdrew.
    Withdrawn = 10,
    /// A withdrawal came back.
    WithdrawalFailed = 11,
    /// An operator credited the merchant.
    Credited = 12,
    /// An operator debited the merchant.
    Debited = 13,
    /// Money was deducted.
    MarginDeducted = 14,
    /// The merchant appealed.
    AppealOpened = 15,
    /// An appeal was resolved.
    AppealResolved = 16,
    /// The merchant was held.
    HoldPlaced = 17,
    /// A hold was lifted.
    HoldLifted = 18,
    /// The merchant's categories were set.
    CategoriesSet = 19,
    /// The merchant began to close.
    ClosingStarted = 20,
    /// The merchant is closed.
    MerchantClosed = 21,
    /// The merchant was opened again.
    MerchantReopened = 22,
    /// A limit of policy was crossed.
    WarningRaised = 23,
}

impl Kind {
    /// The kind of a fact.
    pub const fn of(fact: &Fact) -> Self {
        match fact {
            Fact::OrderClassified(_) => Self::OrderClassified,
            Fact::OrderImported(_) => Self::OrderImported,
            Fact::OrderReversed(_) => Self::OrderReversed,
            Fact::ProfitSettled(_) => Self::ProfitSettled,
            Fact::GuaranteeModified(_) => Self::GuaranteeModified,
            Fact::ReleaseCompleted(_) => Self::ReleaseCompleted,
            Fact::MerchantImported(_) => Self::MerchantImported,
            Fact::MarginPaid(_) => Self::MarginPaid,
            Fact::PaymentReturned(_) => Self::PaymentReturned,
            Fact::Withdrawn(_) => Self::Withdrawn,
            Fact::WithdrawalFailed(_) => Self::WithdrawalFailed,
            Fact::BalanceAdjusted(fact) => match fact.direction {
                Direction::Credit => Self::Credited,
                Direction::Debit => Self::Debited,
            },
            Fact::MarginDeducted(_) => Self::MarginDeducted,
            Fact::AppealOpened(_) => Self::AppealOpened,
            Fact::AppealResolved(_) => Self::AppealResolved,
            Fact::HoldPlaced(_) => Self::HoldPlaced,
            Fact::HoldLifted(_) => Self::HoldLifted,
            Fact::CategoriesSet(_) => Self::CategoriesSet,
            Fact::ClosingStarted(_) => Self::ClosingStarted,
            Fact::MerchantClosed(_) => Self::MerchantClosed,
            Fact::MerchantReopened(_) => Self::MerchantReopened,
            Fact::WarningRaised(_) => Self::WarningRaised,
        }
    }

    /// The number of the kind.
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// A clock by which facts are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clock {
    /// When facts count from.
    Effective,
    /// When facts were recorded.
    Recorded,
}

/// In which order a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The oldest first.
    OldestFirst,
    /// The newest first.
    NewestFirst,
}

/// Something that was asked for, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The fact.
    pub entry: Entry,
    /// What later facts made of it. For an appeal: what they made of the deduction that it is about.
    pub standing: Standing,
}

/// A release, and what has become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRow {
    /// Its number within the merchant, from 1, in the order of creation.
    pub number: u64,
    /// What it was at the beginning.
    pub original: Money,
    /// What is left of it; for one that is completed, what became income.
    pub left: Money,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it comes due, or came.
    pub due_at: Timestamp,
    /// The number of the entry that created it.
    pub created_by: u64,
    /// Whether it is still on its way.
    pub end: Option<ReleaseEnd>,
}

/// How a release ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseEnd {
    /// It became income at this instant.
    Completed(Timestamp),
    /// All of it was taken by this instant, by a raise of the guarantee or a deduction.
    Taken(Timestamp),
}

/// Something in the order of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A fact about a merchant.
    Entry(Box<Entry>),
    /// A policy was announced.
    Policy(Box<ToldPolicy>),
}

/// A policy that was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldPolicy {
    /// The policy.
    pub policy: InForce,
    /// The position of its record.
    pub lsn: Lsn,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl Told {
    /// Its place in the journal.
    pub fn position(&self) -> Position {
        match self {
            Self::Entry(entry) => entry.position(),
            Self::Policy(policy) => (policy.lsn, 0).into(),
        }
    }
}

/// What of the journal somebody wants to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only of these merchants; empty: of all.
    pub merchants: Vec<MerchantId>,
    /// Only entries of these kinds; empty: all. Policies are told where both lists are empty.
    pub kinds: Vec<Kind>,
}

/// A piece of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Events {
    /// What was wanted, in the order of the journal.
    pub items: Vec<Told>,
    /// Everything up to here was looked at; go on behind it. The position that was asked for, if there is nothing behind it.
    pub position: Position,
}
