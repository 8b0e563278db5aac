//! What every fact shows of itself in a list of entries, whatever its kind.

use super::{Disputed, Fact, Warning};
use crate::domain::{Key, Money, RequestId, Text};

impl Fact {
    /// How much it is about; what that is depends on the kind. Nothing where it is about no money.
    pub fn amount(&self) -> Money {
        match self {
            Self::OrderClassified(fact) => fact.profit,
            Self::OrderImported(fact) if fact.settled => Money::ZERO,
            Self::OrderImported(fact) => fact.order.profit,
            Self::OrderReversed(fact) => fact.profit,
            Self::ProfitSettled(fact) => fact.income.total(),
            Self::GuaranteeModified(fact) => {
                let (before, after) = (fact.change.previous, fact.change.guarantee);
                if after > before { after - before } else { before - after }
            }
            Self::ReleaseCompleted(fact) => fact.income.total(),
            Self::MerchantImported(fact) => {
                fact.frozen + fact.available + fact.releasing.iter().map(|release| release.amount).sum()
            }
            Self::MarginPaid(fact) => fact.income.total(),
            Self::PaymentReturned(fact) => fact.charge.total(),
            Self::Withdrawn(fact) => fact.amount,
            Self::WithdrawalFailed(fact) => fact.income.total(),
            Self::BalanceAdjusted(fact) => fact.amount(),
            Self::MarginDeducted(fact) => fact.split.total(),
            Self::AppealResolved(fact) => fact.income.total(),
            Self::ClosingStarted(fact) => fact.change.previous,
            Self::WarningRaised(fact) => match fact.warning {
                Warning::Gap { amount, .. } | Warning::Debt { amount, .. } => amount,
                Warning::QuotaUse { used, .. } => used,
            },
            Self::AppealOpened(_)
            | Self::HoldPlaced(_)
            | Self::HoldLifted(_)
            | Self::CategoriesSet(_)
            | Self::MerchantClosed(_)
            | Self::MerchantReopened(_) => Money::ZERO,
        }
    }

    /// The request that did it; none for orders, and for what time brought about.
    pub fn request_id(&self) -> Option<&RequestId> {
        match self.key() {
            Some(Key::Request(id)) => Some(id),
            _ => None,
        }
    }

    /// What it is about: what was there before, and for orders and releases themselves. Empty where there is nothing of the kind.
    pub fn subject_id(&self) -> String {
        match (self, self.subject(), self.key()) {
            (Self::ReleaseCompleted(fact), ..) => fact.number.to_string(),
            (_, Some(Key::Order(id)), _) | (_, None, Some(Key::Order(id))) => id.to_string(),
            (_, Some(Key::Request(id)), _) => id.to_string(),
            _ => String::new(),
        }
    }

    /// What somebody wrote about it; may be empty.
    pub fn text(&self) -> &str {
        let text: Option<&Text> = match self {
            Self::OrderReversed(fact) => Some(&fact.reason),
            Self::MarginPaid(fact) => Some(&fact.reference),
            Self::PaymentReturned(fact) => Some(&fact.reason),
            Self::Withdrawn(fact) => Some(&fact.reference),
            Self::WithdrawalFailed(fact) => Some(&fact.reason),
            Self::BalanceAdjusted(fact) => Some(&fact.reason),
            Self::MarginDeducted(fact) => Some(&fact.note),
            Self::AppealOpened(fact) => Some(&fact.statement),
            Self::AppealResolved(fact) => Some(&fact.reason),
            Self::HoldPlaced(fact) => Some(&fact.reason),
            Self::HoldLifted(fact) => Some(&fact.reason),
            Self::ClosingStarted(fact) => Some(&fact.reason),
            Self::MerchantReopened(fact) => Some(&fact.reason),
            _ => None,
        };
        text.map(Text::as_str).unwrap_or_default()
    }

    /// What it is called elsewhere, or the order or dispute that it is about; may be empty.
    pub fn reference(&self) -> &str {
        match self {
            Self::MarginPaid(fact) => fact.reference.as_str(),
            Self::Withdrawn(fact) => fact.reference.as_str(),
            Self::BalanceAdjusted(fact) => fact.reference.as_str(),
            Self::MarginDeducted(fact) => match &fact.disputed {
                Disputed::Order(order_id) => order_id.as_str(),
                Disputed::Dispute(dispute) => dispute.as_str(),
            },
            _ => "",
        }
    }
}
