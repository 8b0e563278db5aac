//! What is known of an earlier fact: the first answer, and what has become of it.

use super::{Cycle, Day, Event, Fact, Money, OrderClassified, Timestamp};

/// A fact that was asked for, and how it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The fact; it answers repeats.
    pub first: Event,
    /// What later facts made of it.
    pub standing: Standing,
}

/// What later facts made of an earlier one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    #[default]
    Unchanged,
    /// An order: so much of it has been given back.
    Reversed {
        /// Of the price.
        amount: Money,
        /// Of the profit.
        profit: Money,
    },
    /// A payment that was returned, a withdrawal that failed, a hold that was lifted.
    Undone,
    /// A deduction with an open appeal.
    Appealed,
    /// A deduction whose appeal is resolved: so much of it was overturned.
    Resolved {
        /// How much.
        overturned: Money,
    },
}

/// An order, wherever it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderTerms {
    /// What the buyer paid.
    pub price: Money,
    /// What the merchant earns.
    pub profit: Money,
    /// The settlement day it counts towards.
    pub day: Day,
    /// Its cycle.
    pub cycle: Cycle,
    /// When it settles.
    pub settles_at: Timestamp,
    /// It had settled elsewhere.
    pub settled_elsewhere: bool,
}

impl Standing {
    /// What a later fact makes of it.
    pub fn after(self, later: &Fact) -> Self {
        match later {
            Fact::OrderReversed(fact) => Self::Reversed { amount: fact.reversed, profit: fact.profit_reversed },
            Fact::PaymentReturned(_) | Fact::WithdrawalFailed(_) | Fact::HoldLifted(_) => Self::Undone,
            Fact::AppealOpened(_) => Self::Appealed,
            Fact::AppealResolved(fact) => Self::Resolved { overturned: fact.income.total() },
            _ => self,
        }
    }
}

impl Known {
    /// What nothing has happened to since.
    pub const fn new(first: Event) -> Self {
        Self { first, standing: Standing::Unchanged }
    }

    /// Takes note of a later fact about it.
    pub fn follow(&mut self, later: &Fact) {
        self.standing = self.standing.after(later);
    }

    /// The order, if it is one.
    pub fn order(&self) -> Option<OrderTerms> {
        self.first.fact.order()
    }

    /// What has been given back of an order: of its price and of its profit.
    pub const fn reversed(&self) -> (Money, Money) {
        match self.standing {
            Standing::Reversed { amount, profit } => (amount, profit),
            _ => (Money::ZERO, Money::ZERO),
        }
    }
}

impl Fact {
    /// The order that the fact decided, if it did.
    pub fn order(&self) -> Option<OrderTerms> {
        match self {
            Self::OrderClassified(fact) => Some(fact.terms(false)),
            Self::OrderImported(fact) => Some(fact.order.terms(fact.settled)),
            _ => None,
        }
    }
}

impl OrderClassified {
    pub(crate) const fn terms(&self, settled_elsewhere: bool) -> OrderTerms {
        OrderTerms {
            price: self.price,
            profit: self.profit,
            day: self.day,
            cycle: self.cycle,
            settles_at: self.settles_at,
            settled_elsewhere,
        }
    }
}
