//! What it may take two for.

use super::{AdjustBalance, DeductMargin, MerchantId, SetPolicy};

/// What can be proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A deduction from a merchant.
    Deduction(MerchantId, DeductMargin),
    /// A correction of a merchant's balance by hand.
    Adjustment(MerchantId, AdjustBalance),
    /// Another policy.
    Policy(SetPolicy),
}

impl Change {
    /// Whether this is what was asked for, with `asked`: who did not say which version of the policy he has seen gets the one of then.
    pub(super) fn is(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Policy(known), Self::Policy(asked)) => {
                let expected_version = asked.expected_version.or(known.expected_version);
                *known == SetPolicy { expected_version, ..asked.clone() }
            }
            _ => self == asked,
        }
    }

    /// How many of its kind there may be.
    pub(super) const fn bounds(&self) -> &'static Bounds {
        match self {
            Self::Deduction(..) | Self::Adjustment(..) => &Bounds::OF_MONEY,
            Self::Policy(_) => &Bounds::OF_POLICIES,
        }
    }

    /// The merchant that it is about; none: all of them.
    pub const fn merchant(&self) -> Option<&MerchantId> {
        match self {
            Self::Deduction(merchant, _) | Self::Adjustment(merchant, _) => Some(merchant),
            Self::Policy(_) => None,
        }
    }
}

/// How many proposals of a kind there may be: those that somebody could have open at once, and those that are kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Open, by one proposer: so that none takes the places of all.
    pub(super) open_of_one: usize,
    /// Open.
    pub(super) open: usize,
    /// Open, or ended within the last 30 days, by one proposer.
    pub(super) kept_of_one: usize,
    /// Open, or ended within the last 30 days.
    pub(super) kept: usize,
}

impl Bounds {
    /// Of deductions and adjustments together.
    pub(super) const OF_MONEY: Self = Self { open_of_one: 100, open: 1_000, kept_of_one: 5_000, kept: 50_000 };
    /// Of policies, of which each may be large.
    pub(super) const OF_POLICIES: Self = Self { open_of_one: 10, open: 50, kept_of_one: 50, kept: 200 };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Beneficiary, DeductionReason, Disputed, Id, Money, Policy, Text};

    #[test]
    fn a_policy_is_known_with_and_without_the_version_that_was_seen() {
        let policy = |expected_version| {
            let (request_id, reason) = (Id::parse("s").unwrap(), Text::default());
            let policy = Policy::default();
            Change::Policy(SetPolicy { request_id, policy, effective_at: None, expected_version, reason })
        };
        for (known, asked, same) in
            [(Some(3), Some(3), true), (Some(3), None, true), (Some(3), Some(4), false), (None, Some(3), false)]
        {
            assert_eq!(policy(known).is(&policy(asked)), same, "{known:?} {asked:?}");
        }
        let (disputed, note) = (Disputed::Dispute(Text::parse("d").unwrap()), Text::default());
        let (amount, whom) = (Money::from_dollars(1), Beneficiary::Buyer);
        let deduct = DeductMargin::new(Id::parse("s").unwrap(), amount, DeductionReason::Fraud, disputed, whom, note);
        assert!(!policy(None).is(&Change::Deduction(Id::parse("m").unwrap(), deduct.unwrap())));
    }
}
