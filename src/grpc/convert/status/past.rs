//! What a read of the history cannot answer.

use super::{
    About, RETRY_AFTER, Status, failed_about, field_to_blame, info, reason, rejected::rejected, status, unavailable,
};
use crate::{
    domain::{MerchantId, Rejection, Thing, Timestamp},
    engine::EngineError,
    history::{HistoryError, Position},
};

/// The history does not answer.
pub fn history_failed(error: HistoryError) -> Status {
    match error {
        HistoryError::Behind { applied, wanted } => {
            let figures = [("applied", applied.to_string()), ("wanted", wanted.to_string())];
            let mut details = info(reason::HISTORY_BEHIND, figures);
            details.set_retry_info(Some(RETRY_AFTER));
            status(reason::HISTORY_BEHIND, error.to_string(), details)
        }
        error => {
            // What failed, with its path, is for the log and not for the caller.
            tracing::error!(%error, "the history does not answer");
            unavailable(info(reason::UNAVAILABLE, []), "the history does not answer".to_owned())
        }
    }
}

/// The merchant has no such thing.
pub fn not_there(thing: Thing, merchant: &MerchantId, name: &str) -> Status {
    rejected(&Rejection::NotFound(thing), &About { merchant: merchant.as_str(), thing: name })
}

/// The merchant was not open yet at a past instant.
pub fn merchant_not_found(merchant: &MerchantId) -> Status {
    failed_about(merchant, EngineError::Rejected(Rejection::MerchantNotFound))
}

/// A past instant was asked for that has not come.
pub fn in_the_future(field: &str, at: Timestamp, now: Timestamp) -> Status {
    let figures = [("asked", at.to_string()), ("now", now.to_string())];
    field_to_blame(reason::IN_THE_FUTURE, field, format!("{field} {at} has not come, it is {now}"), figures)
}

/// A watcher asks for what comes after something that has not happened.
pub fn position_ahead(position: Position) -> Status {
    let message = format!("nothing has the position {position} yet");
    field_to_blame(reason::POSITION_NOT_KEPT, "after_position", message, [])
}

/// A watcher took nothing for too long.
pub fn slow_watcher(position: Position) -> Status {
    let message = format!("nothing was taken for 30 seconds; go on after position {position}");
    status(reason::SLOW_WATCHER, message, info(reason::SLOW_WATCHER, [("position", position.to_string())]))
}

/// There are as many of a kind as the server takes at once.
pub fn busy(what: &str) -> Status {
    super::exhausted(reason::OVERLOADED, what, RETRY_AFTER)
}
