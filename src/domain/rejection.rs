//! A no that changes nothing.

use super::{Money, Timestamp};

/// Why a request was refused. Nothing was changed, and nothing of it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A field has a value that no state could make acceptable.
    #[error("{field} {reason}")]
    Invalid {
        /// The field, as the API names it.
        field: &'static str,
        /// What is wrong, to be read after the field's name.
        reason: String,
    },
    /// The id is known with other content.
    #[error("this id was used before with another {field}")]
    Conflict {
        /// The field that differs, as the API names it.
        field: &'static str,
    },
    /// The request id is known from another method.
    #[error("this request_id was used before by another method")]
    OtherMethod,
    /// The merchant was never opened.
    #[error("the merchant is not known")]
    MerchantNotFound,
    /// A merchant can be imported only before anything else happened to it.
    #[error("the merchant is open already")]
    MerchantOpen,
    /// The caller did not want it any more.
    #[error("not_after {not_after} has passed, it is {now}")]
    Expired {
        /// The caller's limit.
        not_after: Timestamp,
        /// Engine time.
        now: Timestamp,
    },
    /// The order was completed too long ago.
    #[error("completed_at {completed_at} is too long ago, the oldest taken now is {oldest}")]
    OrderTooOld {
        /// When the order was completed.
        completed_at: Timestamp,
        /// The oldest completion time that is taken now.
        oldest: Timestamp,
    },
    /// The order was completed in the future.
    #[error("completed_at {completed_at} is ahead of time, the latest taken now is {latest}")]
    OrderAhead {
        /// When the order is said to be completed.
        completed_at: Timestamp,
        /// The latest completion time that is taken now.
        latest: Timestamp,
        /// Its place in the import that lists it; none: it came by itself.
        listed: Option<usize>,
    },
    /// The guarantee exceeds what policy allows.
    #[error("the guarantee is above the maximum of {maximum}")]
    GuaranteeAboveMaximum {
        /// The maximum of policy.
        maximum: Money,
    },
    /// The merchant is known, but not what the request names.
    #[error("there is no such {0} of this merchant")]
    NotFound(Thing),
    /// More of an order is to be reversed than is left of it.
    #[error("{field} exceeds what is left of the order, {left}, or does not take all of it with the last of the price")]
    ReversalExceedsOrder {
        /// The field, as the API names it.
        field: &'static str,
        /// What is left.
        left: Money,
    },
    /// More is to be withdrawn than is available.
    #[error("only {available} is available")]
    InsufficientAvailable {
        /// What is available.
        available: Money,
    },
    /// Nothing is withdrawn while a hold stands.
    #[error("the merchant is held ({holds} holds)")]
    MerchantHeld {
        /// How many holds stand.
        holds: usize,
    },
    /// A payment is returned once.
    #[error("the payment was returned already")]
    PaymentReturned,
    /// A withdrawal fails once.
    #[error("the withdrawal has failed already")]
    WithdrawalFailed,
    /// A deduction is appealed against once.
    #[error("there was an appeal against this deduction already")]
    AppealedAlready,
    /// The window for an appeal has passed.
    #[error("an appeal was possible until {until}")]
    AppealTooLate {
        /// The last instant.
        until: Timestamp,
    },
    /// An appeal is resolved once.
    #[error("the appeal is resolved already")]
    AppealResolved,
    /// More is to be overturned than was deducted.
    #[error("only {deducted} was deducted")]
    OverturnExceedsDeduction {
        /// The deduction.
        deducted: Money,
    },
    /// A hold is lifted once.
    #[error("the hold was lifted already")]
    HoldLifted,
    /// Policy wants a clean record before a guarantee is lowered.
    #[error("the guarantee cannot be lowered before {from}, nor while appeals are open ({open_appeals})")]
    NoCleanRecord {
        /// When the last deduction of which anything stands is old enough.
        from: Timestamp,
        /// Appeals that are open.
        open_appeals: usize,
    },
    /// The merchant's categories require more.
    #[error("the merchant's categories require a guarantee of {required}")]
    BelowCategoryMinimum {
        /// The requirement.
        required: Money,
    },
    /// The merchant is closing or closed.
    #[error("the merchant is closing or closed")]
    MerchantClosing,
    /// Only a merchant that is closing or closed can be opened again.
    #[error("the merchant is not closing")]
    MerchantNotClosing,
    /// The merchant has as many holds as it may.
    #[error("the merchant has {limit} holds, which is the limit")]
    TooManyHolds {
        /// The limit.
        limit: usize,
    },
    /// The merchant has as many open appeals as it may.
    #[error("the merchant has {limit} open appeals, which is the limit")]
    TooManyAppeals {
        /// The limit.
        limit: usize,
    },
    /// More categories than a merchant may have.
    #[error("a merchant has at most {limit} categories")]
    TooManyCategories {
        /// The limit.
        limit: usize,
    },
    /// More orders than an import may bring.
    #[error("an import brings at most {limit} orders")]
    TooManyOrders {
        /// The limit.
        limit: usize,
    },
    /// A policy cannot come into force before one that is announced, nor in the past.
    #[error("effective_at {asked} is too early, the first instant for a new policy is {earliest}")]
    PolicyTooEarly {
        /// What was asked for.
        asked: Timestamp,
        /// The first instant that would do.
        earliest: Timestamp,
    },
    /// A change of the calendar comes into force between two settlement days only.
    #[error("a change of the calendar has to come into force between two settlement days, next at {next}")]
    PolicyNotAtDayBoundary {
        /// The next boundary.
        next: Timestamp,
    },
    /// The caller judged another version of the policy than the latest.
    #[error("the latest version of the policy is {latest}")]
    PolicyChanged {
        /// The latest version.
        latest: u64,
    },
    /// The merchant has as many open releases as it may.
    #[error("the merchant has {limit} open releases, which is the limit")]
    TooManyReleases {
        /// The limit.
        limit: usize,
    },
    /// Two have to be known by their names to approve what one has proposed.
    #[error("nobody is asked who he is, so nobody can tell a proposer from an approver")]
    IdentityRequired,
    /// There is no such proposal, or it has ended long ago.
    #[error("there is no such proposal")]
    ProposalNotFound,
    /// Who has proposed something cannot approve it.
    #[error("it takes another one to approve a proposal than who has made it")]
    OwnProposal,
    /// Only who has proposed something can withdraw it.
    #[error("a proposal is withdrawn by who has made it")]
    NotYourProposal,
    /// Nobody approved the proposal in time.
    #[error("the proposal has expired at {expired_at}")]
    ProposalExpired {
        /// The last instant at which it might have been approved.
        expired_at: Timestamp,
    },
    /// The proposal has ended already.
    #[error("the proposal is {state} already")]
    ProposalClosed {
        /// How it stands.
        state: super::ProposalState,
    },
    /// As many proposals are open as may be.
    #[error("there are {limit} {what}, which is the limit")]
    TooManyProposals {
        /// The limit.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// The change that is proposed was made already, without the proposal.
    #[error("what is proposed has been decided already, under its own request_id")]
    DecidedAlready,
    /// The clock is not moved by hand.
    #[error("the clock of this data directory is not manual")]
    ClockNotManual,
    /// The clock never goes back.
    #[error("the clock stands at {now} already")]
    ClockBackwards {
        /// Engine time.
        now: Timestamp,
    },
}

/// What a merchant has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// An order.
    Order,
    /// A payment in.
    Payment,
    /// A withdrawal.
    Withdrawal,
    /// A deduction.
    Deduction,
    /// An appeal.
    Appeal,
    /// A hold.
    Hold,
    /// A release.
    Release,
    /// A margin entry.
    Entry,
}

impl Thing {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Payment => "payment",
            Self::Withdrawal => "withdrawal",
            Self::Deduction => "deduction",
            Self::Appeal => "appeal",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Entry => "entry",
        }
    }
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
