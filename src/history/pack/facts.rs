//! Rows of facts: consecutive facts of a merchant with all balances after each, every one told by what differs from the one before.

use prost::Message as _;

use super::{
    bytes::{Rest, put, put_bytes, put_signed, too_large},
    order::{self, Order},
};
use crate::{
    codec::decode_event,
    domain::{Event, Fact, MerchantId, Money, OrderClassified, Timestamp},
    history::{Balances, Entry, HistoryError, Kind},
    journal::Lsn,
    proto::journal as pb,
};

/// No row goes beyond a multiple of so many facts. So one begins behind each multiple, and can be looked up; and none takes long to
/// be read from its beginning.
pub(in crate::history) const BLOCK: u64 = 64;

/// The first number of the block in which a fact lies.
pub(in crate::history) const fn block_start(number: u64) -> u64 {
    let before = number.saturating_sub(1);
    before - before % BLOCK + 1
}

/// A fact that is to be added to a row.
pub(in crate::history) struct Noted<'a> {
    pub(in crate::history) lsn: Lsn,
    /// Which of the facts of its record it is.
    pub(in crate::history) index: u32,
    pub(in crate::history) recorded_at: Timestamp,
    pub(in crate::history) caller: &'a str,
    pub(in crate::history) event: &'a Event,
    /// The fact as the journal has it.
    pub(in crate::history) raw: &'a [u8],
    /// All balances after it.
    pub(in crate::history) balances: Balances,
}

/// What of a fact stands apart from its kind.
mod flag {
    /// It was recorded at another time than that from which it counts.
    pub(super) const RECORDED_LATER: u8 = 1;
    /// It is not the first fact of its record.
    pub(super) const INDEX: u8 = 2;
    /// Somebody asked for it who is known.
    pub(super) const CALLER: u8 = 4;
}

/// What the next fact is compared with.
#[derive(Clone, Debug, Default)]
struct Before {
    lsn: u64,
    effective_at: i64,
    balances: Balances,
    order: order::Before,
}

/// Writes a row.
#[derive(Debug, Default)]
pub(in crate::history) struct Packer {
    before: Before,
    count: u8,
    bytes: Vec<u8>,
}

impl Packer {
    /// Adds a fact.
    pub(in crate::history) fn put(&mut self, noted: &Noted<'_>) {
        if self.count == 0 {
            self.bytes.reserve(96);
            self.bytes.push(0);
        }
        self.count += 1;
        let (row, before) = (&mut self.bytes, &mut self.before);
        let (effective_at, recorded_at) = (noted.event.effective_at.micros(), noted.recorded_at.micros());
        let mut flags = 0;
        flags |= if recorded_at == effective_at { 0 } else { flag::RECORDED_LATER };
        flags |= if noted.index == 0 { 0 } else { flag::INDEX };
        flags |= if noted.caller.is_empty() { 0 } else { flag::CALLER };
        row.extend_from_slice(&[Kind::of(&noted.event.fact).number(), flags]);
        put_signed(row, i128::from(effective_at) - i128::from(before.effective_at));
        put(row, noted.lsn.get().wrapping_sub(before.lsn));
        if flags & flag::RECORDED_LATER != 0 {
            put_signed(row, i128::from(recorded_at) - i128::from(effective_at));
        }
        if flags & flag::INDEX != 0 {
            put(row, noted.index.into());
        }
        if flags & flag::CALLER != 0 {
            put_bytes(row, noted.caller.as_bytes());
        }
        put_balances(row, &before.balances, &noted.balances);
        match &noted.event.fact {
            Fact::OrderClassified(order) => before.order.put(row, effective_at, order),
            _ => put_bytes(row, noted.raw),
        }
        (before.lsn, before.effective_at, before.balances) = (noted.lsn.get(), effective_at, noted.balances);
    }

    /// The row. The next fact begins another one.
    pub(in crate::history) fn finish(&mut self) -> Vec<u8> {
        let mut row = std::mem::take(&mut self.bytes);
        if let Some(count) = row.first_mut() {
            *count = self.count;
        }
        (self.count, self.before) = (0, Before::default());
        row
    }
}

/// The balances that are kept; the gap follows from two of them.
const fn kept(balances: &Balances) -> [Money; 7] {
    [
        balances.guarantee,
        balances.frozen,
        balances.releasing,
        balances.available,
        balances.pending,
        balances.debt,
        balances.historical_profit,
    ]
}

fn put_balances(row: &mut Vec<u8>, before: &Balances, after: &Balances) {
    let changed = kept(before).into_iter().zip(kept(after)).enumerate().filter(|(_, (before, after))| before != after);
    row.push(changed.clone().fold(0, |mask, (at, _)| mask | 1 << at));
    changed.for_each(|(_, (before, after))| put_signed(row, after.cents().wrapping_sub(before.cents())));
}

fn take_balances(rest: &mut Rest<'_>, before: &Balances) -> Result<Balances, HistoryError> {
    let changed = rest.byte()?;
    if changed == 0 {
        return Ok(*before);
    }
    let mut amounts = kept(before);
    for (at, amount) in amounts.iter_mut().enumerate() {
        if changed & 1 << at != 0 {
            *amount = Money::from_cents(amount.cents().wrapping_add(rest.signed()?));
        }
    }
    let [guarantee, frozen, releasing, available, pending, debt, historical_profit] = amounts;
    let gap = guarantee.less_at_most(frozen);
    Ok(Balances { guarantee, frozen, gap, releasing, available, pending, debt, historical_profit })
}

/// A fact of a row.
#[derive(Clone, Debug)]
pub(in crate::history) struct Line<'a> {
    /// Its number within the merchant.
    pub(in crate::history) number: u64,
    pub(in crate::history) kind: Kind,
    pub(in crate::history) effective_at: Timestamp,
    pub(in crate::history) recorded_at: Timestamp,
    pub(in crate::history) lsn: Lsn,
    pub(in crate::history) index: u32,
    caller: &'a str,
    balances: Balances,
    what: What<'a>,
}

#[derive(Clone, Debug)]
enum What<'a> {
    Order(Order<'a>),
    Raw(&'a [u8]),
}

impl Line<'_> {
    /// The fact alone.
    pub(in crate::history) fn event(&self) -> Result<Event, HistoryError> {
        match &self.what {
            What::Order(order) => {
                let fact = OrderClassified::try_from(order)?.into();
                Ok(Event { effective_at: self.effective_at, fact })
            }
            What::Raw(raw) => Ok(decode_event(pb::Fact::decode(*raw)?)?),
        }
    }

    /// The fact as an entry of its merchant.
    pub(in crate::history) fn entry(&self, merchant: &MerchantId) -> Result<Entry, HistoryError> {
        Ok(Entry {
            merchant: merchant.clone(),
            number: self.number,
            event: self.event()?,
            recorded_at: self.recorded_at,
            caller: self.caller.to_owned(),
            lsn: self.lsn,
            index: self.index,
            balances: self.balances,
        })
    }
}

/// Reads a row, one fact after the other.
pub(in crate::history) struct Facts<'a> {
    rest: Rest<'a>,
    left: u8,
    number: u64,
    before: Before,
}

/// How many facts a row holds.
pub(in crate::history) fn count(row: &[u8]) -> Result<u64, HistoryError> {
    Rest(row).byte().map(u64::from)
}

/// The first fact of a row.
pub(in crate::history) fn first_line(first: u64, row: &[u8]) -> Result<Line<'_>, HistoryError> {
    Facts::new(first, row)?.next().unwrap_or_else(|| Err(HistoryError::damaged("a row without a fact")))
}

impl<'a> Facts<'a> {
    /// Reads a row that begins with this number.
    pub(in crate::history) fn new(first: u64, row: &'a [u8]) -> Result<Self, HistoryError> {
        let mut rest = Rest(row);
        let left = rest.byte()?;
        Ok(Self { rest, left, number: first, before: Before::default() })
    }

    fn line(&mut self) -> Result<Line<'a>, HistoryError> {
        let (rest, before) = (&mut self.rest, &mut self.before);
        let kind = Kind::from_number(rest.byte()?).ok_or_else(|| HistoryError::damaged("a fact of an unknown kind"))?;
        let flags = rest.byte()?;
        let effective_at = later(before.effective_at, rest.signed()?)?;
        let lsn = before.lsn.wrapping_add(rest.number()?);
        let recorded_at =
            if flags & flag::RECORDED_LATER == 0 { effective_at } else { later(effective_at, rest.signed()?)? };
        let index = if flags & flag::INDEX == 0 { 0 } else { rest.number()? };
        let caller = if flags & flag::CALLER == 0 { "" } else { rest.text()? };
        let balances = take_balances(rest, &before.balances)?;
        let what = match kind {
            Kind::OrderClassified => What::Order(before.order.take(rest, effective_at)?),
            _ => What::Raw(rest.bytes()?),
        };
        (before.lsn, before.effective_at, before.balances) = (lsn, effective_at, balances);
        let number = self.number;
        self.number = self.number.saturating_add(1);
        Ok(Line {
            number,
            kind,
            effective_at: Timestamp::from_micros(effective_at),
            recorded_at: Timestamp::from_micros(recorded_at),
            lsn: Lsn::new(lsn),
            index: u32::try_from(index).map_err(|_| too_large())?,
            caller,
            balances,
            what,
        })
    }
}

impl<'a> Iterator for Facts<'a> {
    type Item = Result<Line<'a>, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let line = self.line();
        if line.is_err() {
            self.left = 0;
        }
        Some(line)
    }
}

/// An instant some microseconds after another.
pub(super) fn later(before: i64, by: i128) -> Result<i64, HistoryError> {
    i64::try_from(i128::from(before).wrapping_add(by)).map_err(|_| too_large())
}
