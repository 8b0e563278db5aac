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
    },
    /// The guarantee exceeds what policy allows.
    #[error("the guarantee is above the maximum of {maximum}")]
    GuaranteeAboveMaximum {
        /// The maximum of policy.
        maximum: Money,
    },
    /// The merchant has as many open releases as it may.
    #[error("the merchant has {limit} open releases, which is the limit")]
    TooManyReleases {
        /// The limit.
        limit: usize,
    },
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
