//! The values of the trees.

use prost::Message as _;

use super::{Balances, Entry, HistoryError, Kind, ReleaseEnd, ReleaseRow, keys::too_short};
use crate::{
    codec::{amount, decode_event, encode_event, money},
    domain::{Event, MerchantId, Money, Timestamp},
    journal::Lsn,
    proto::journal::{HistoryBalances, HistoryEntry, HistoryRelease, history_release::State},
};

/// What stands before an entry, so that most searches need not read the rest: its kind and its two times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) effective_at: Timestamp,
    pub(super) recorded_at: Timestamp,
}

impl Head {
    const LEN: usize = 17;

    /// Reads the head of an entry's row, and hands over the rest.
    pub(super) fn split(row: &[u8]) -> Result<(Self, &[u8]), HistoryError> {
        let (head, rest) = row.split_first_chunk::<{ Self::LEN }>().ok_or_else(too_short)?;
        let [number, times @ ..] = *head;
        let kind = Kind::from_number(number).ok_or_else(|| HistoryError::damaged("an entry of an unknown kind"))?;
        let time = |at: usize| {
            let bytes = times.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).ok_or_else(too_short)?;
            Ok::<_, HistoryError>(Timestamp::from_micros(i64::from_be_bytes(bytes)))
        };
        Ok((Self { kind, effective_at: time(0)?, recorded_at: time(8)? }, rest))
    }
}

/// An entry as it is kept. Merchant and number are its key.
pub(super) fn encode_entry(entry: &Entry) -> Vec<u8> {
    let balances = &entry.balances;
    let body = HistoryEntry {
        fact: Some(encode_event(&entry.event)),
        lsn: entry.lsn.get(),
        index: entry.index,
        caller: entry.caller.clone(),
        balances: Some(HistoryBalances {
            guarantee: balances.guarantee.input_cents(),
            frozen: amount(balances.frozen),
            releasing: amount(balances.releasing),
            available: amount(balances.available),
            pending: amount(balances.pending),
            debt: amount(balances.debt),
            historical_profit: amount(balances.historical_profit),
        }),
    };
    let mut row = Vec::with_capacity(Head::LEN + body.encoded_len());
    row.push(entry.kind().number());
    row.extend_from_slice(&entry.event.effective_at.micros().to_be_bytes());
    row.extend_from_slice(&entry.recorded_at.micros().to_be_bytes());
    body.encode_raw(&mut row);
    row
}

/// An entry as it was kept.
pub(super) fn decode_entry(merchant: &MerchantId, number: u64, row: &[u8]) -> Result<Entry, HistoryError> {
    let (head, rest) = Head::split(row)?;
    let body = HistoryEntry::decode(rest)?;
    let (fact, balances) = (body.fact, body.balances.unwrap_or_default());
    let fact = fact.ok_or_else(|| HistoryError::damaged("an entry without its fact"))?;
    let guarantee = Money::from_cents(i128::from(balances.guarantee));
    let frozen = money(balances.frozen);
    Ok(Entry {
        merchant: merchant.clone(),
        number,
        event: decode_event(fact)?,
        recorded_at: head.recorded_at,
        caller: body.caller,
        lsn: Lsn::new(body.lsn),
        index: body.index,
        balances: Balances {
            guarantee,
            frozen,
            gap: guarantee.less_at_most(frozen),
            releasing: money(balances.releasing),
            available: money(balances.available),
            pending: money(balances.pending),
            debt: money(balances.debt),
            historical_profit: money(balances.historical_profit),
        },
    })
}

/// The fact of an entry alone.
pub(super) fn decode_fact(row: &[u8]) -> Result<Event, HistoryError> {
    let (_, rest) = Head::split(row)?;
    let fact = HistoryEntry::decode(rest)?.fact;
    Ok(decode_event(fact.ok_or_else(|| HistoryError::damaged("an entry without its fact"))?)?)
}

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
