//! The values of rows that hold one thing.

use prost::Message as _;

use super::{HistoryError, ReleaseEnd, ReleaseRow, keys::too_short};
use crate::{
    codec::{amount, money},
    domain::{Money, Timestamp},
    proto::journal::{HistoryRelease, history_release::State},
};

/// A release as it is kept. Merchant and number are its key.
pub(super) fn encode_release(release: &ReleaseRow) -> Vec<u8> {
    let (state, ended_at) = match release.end {
        None => (State::Unspecified, Timestamp::default()),
        Some(ReleaseEnd::Completed(at)) => (State::Completed, at),
        Some(ReleaseEnd::Taken(at)) => (State::Taken, at),
    };
    let row = HistoryRelease {
        original: amount(release.original),
        left: amount(release.left),
        created_at: release.created_at.micros(),
        due_at: release.due_at.micros(),
        created_by: release.created_by,
        state: state.into(),
        ended_at: ended_at.micros(),
    };
    row.encode_to_vec()
}

/// A release as it was kept.
pub(super) fn decode_release(number: u64, row: &[u8]) -> Result<ReleaseRow, HistoryError> {
    let row = HistoryRelease::decode(row)?;
    let ended_at = Timestamp::from_micros(row.ended_at);
    let end = match State::try_from(row.state) {
        Ok(State::Unspecified) => None,
        Ok(State::Completed) => Some(ReleaseEnd::Completed(ended_at)),
        Ok(State::Taken) => Some(ReleaseEnd::Taken(ended_at)),
        Err(_) => return Err(HistoryError::damaged("a release in an unknown state")),
    };
    Ok(ReleaseRow {
        number,
        original: money(row.original),
        left: money(row.left),
        created_at: Timestamp::from_micros(row.created_at),
        due_at: Timestamp::from_micros(row.due_at),
        created_by: row.created_by,
        end,
    })
}

/// An amount as it is kept alone.
pub(super) fn encode_amount(money: Money) -> [u8; 16] {
    money.cents().to_be_bytes()
}

/// An amount as it was kept alone.
pub(super) fn decode_amount(row: &[u8]) -> Result<Money, HistoryError> {
    Ok(Money::from_cents(i128::from_be_bytes(row.try_into().map_err(|_| too_short())?)))
}

/// A number as it was kept alone.
pub(super) fn decode_number(row: &[u8]) -> Result<u64, HistoryError> {
    Ok(u64::from_be_bytes(row.try_into().map_err(|_| too_short())?))
}
