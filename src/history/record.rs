//! Reading records where they lie. Nearly all of them are orders, which are taken apart here without a message in between: that takes
//! a third of the time. Whatever is not as expected is left to the generated code.

use prost::Message as _;

use super::HistoryError;
use crate::{
    codec::{Malformed, decode_event},
    domain::{Cycle, Day, Event, Money, OrderClassified, OrderId, Receipt, Timestamp},
    proto::journal::{self as pb, PolicySet, Record, record::Body},
};

/// A record of the journal.
pub(super) struct Read<'a> {
    pub(super) recorded_at: Timestamp,
    pub(super) caller: &'a str,
    pub(super) says: Says<'a>,
}

/// What a record says.
pub(super) enum Says<'a> {
    /// Facts about a merchant: its id, and the facts as they lie in the record.
    Facts(&'a str, &'a [u8]),
    /// That a policy was announced.
    Policy(Box<PolicySet>),
    /// Nothing that the history keeps.
    Nothing,
}

impl<'a> Read<'a> {
    /// Takes a record apart.
    pub(super) fn of(bytes: &'a [u8]) -> Result<Self, HistoryError> {
        let mut read = Read { recorded_at: Timestamp::default(), caller: "", says: Says::Nothing };
        let (mut fields, mut is_known) = (Fields(bytes), true);
        while let Some((number, value)) = fields.next()? {
            match (number, value) {
                (1, Value::Number(at)) => read.recorded_at = Timestamp::from_micros(at.cast_signed()),
                (2, Value::Bytes(caller)) => read.caller = text(caller)?,
                (3, Value::Bytes(facts)) => read.says = Says::Facts(merchant(facts)?, facts),
                _ => is_known = false,
            }
        }
        if is_known && matches!(read.says, Says::Facts(..)) {
            return Ok(read);
        }
        read.says = match Record::decode(bytes)?.body.ok_or_else(|| Malformed::missing("body"))? {
            Body::Merchant(_) if matches!(read.says, Says::Facts(..)) => read.says,
            Body::Merchant(_) => return Err(Malformed::missing("merchant").into()),
            Body::PolicySet(set) => Says::Policy(Box::new(set)),
            Body::ClockLease(_) | Body::ClockAdvanced(_) => Says::Nothing,
        };
        Ok(read)
    }
}

/// The merchant that facts are about.
fn merchant(facts: &[u8]) -> Result<&str, HistoryError> {
    let mut fields = Fields(facts);
    let mut merchant = "";
    while let Some((number, value)) = fields.next()? {
        if let (1, Value::Bytes(id)) = (number, value) {
            merchant = text(id)?;
            // It comes first wherever this program wrote it, and only once.
            if fields.0.first() == Some(&FACT) {
                break;
            }
        }
    }
    Ok(merchant)
}

/// The byte with which a fact begins among the facts of a merchant: field 2, bytes.
const FACT: u8 = 2 << 3 | 2;

/// The facts about a merchant, as they lie in the record.
pub(super) struct RawFacts<'a>(Fields<'a>);

impl<'a> RawFacts<'a> {
    pub(super) const fn of(facts: &'a [u8]) -> Self {
        Self(Fields(facts))
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Result<Option<&'a [u8]>, HistoryError> {
        while let Some((number, value)) = self.0.next()? {
            if let (2, Value::Bytes(fact)) = (number, value) {
                return Ok(Some(fact));
            }
        }
        Ok(None)
    }
}

/// A fact as it lies in a record.
pub(super) fn event(raw: &[u8]) -> Result<Event, HistoryError> {
    match order(raw)? {
        Some(event) => Ok(event),
        None => Ok(decode_event(pb::Fact::decode(raw)?)?),
    }
}

/// The fact, if it is a classified order and nothing else.
fn order(raw: &[u8]) -> Result<Option<Event>, HistoryError> {
    let (mut fields, mut effective_at, mut order) = (Fields(raw), 0, None);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Number(at)) => effective_at = at.cast_signed(),
            (2, Value::Bytes(bytes)) if order.is_none() => order = classified(bytes)?,
            _ => return Ok(None),
        }
    }
    let event =
        |order: OrderClassified| Event { effective_at: Timestamp::from_micros(effective_at), fact: order.into() };
    Ok(order.map(event))
}

fn classified(bytes: &[u8]) -> Result<Option<OrderClassified>, HistoryError> {
    let (mut fields, mut id, mut receipt) = (Fields(bytes), None, None);
    let (mut price, mut profit, mut completed_at, mut settles_at, mut day, mut cycle) = (0, 0, 0, 0, 0, 0);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(bytes)) => id = Some(text(bytes)?),
            (2, Value::Number(cents)) => price = cents,
            (3, Value::Number(cents)) => profit = cents,
            (4, Value::Number(at)) => completed_at = at.cast_signed(),
            (5, Value::Number(number)) => day = number as u32,
            (6, Value::Number(number)) => cycle = number,
            (7, Value::Number(at)) => settles_at = at.cast_signed(),
            (8, Value::Bytes(bytes)) if receipt.is_none() => receipt = self::receipt(bytes)?,
            _ => return Ok(None),
        }
    }
    let cycle = match cycle {
        1 => Cycle::Quick,
        2 => Cycle::Standard,
        _ => return Ok(None),
    };
    let (Some(Ok(order_id)), Some(receipt)) = (id.map(OrderId::parse), receipt) else { return Ok(None) };
    Ok(Some(OrderClassified {
        order_id,
        price: Money::from_cents(price.into()),
        profit: Money::from_cents(profit.into()),
        completed_at: Timestamp::from_micros(completed_at),
        day: Day(day.cast_signed()),
        cycle,
        settles_at: Timestamp::from_micros(settles_at),
        receipt,
    }))
}

fn receipt(bytes: &[u8]) -> Result<Option<Receipt>, HistoryError> {
    let (mut fields, mut policy_version, mut multiple, mut resets_at) = (Fields(bytes), 0, 0, 0);
    let (mut quota, mut day_total_before, mut day_total_after) = (Money::ZERO, Money::ZERO, Money::ZERO);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Number(number)) => policy_version = number,
            (2, Value::Number(number)) => multiple = number as u32,
            (3, Value::Bytes(bytes)) => quota = amount(bytes)?,
            (4, Value::Bytes(bytes)) => day_total_before = amount(bytes)?,
            (5, Value::Bytes(bytes)) => day_total_after = amount(bytes)?,
            (6, Value::Number(at)) => resets_at = at.cast_signed(),
            _ => return Ok(None),
        }
    }
    let resets_at = Timestamp::from_micros(resets_at);
    Ok(Some(Receipt { policy_version, multiple, quota, day_total_before, day_total_after, resets_at }))
}

fn amount(bytes: &[u8]) -> Result<Money, HistoryError> {
    let (mut fields, mut low, mut high) = (Fields(bytes), 0, 0);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Number(number)) => low = number,
            (2, Value::Number(number)) => high = (number >> 1).cast_signed() ^ -(number & 1).cast_signed(),
            _ => {}
        }
    }
    Ok(Money::from_cents(i128::from(high) << 64 | i128::from(low)))
}

/// The fields of a message, one after the other.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

/// The value of a field.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, HistoryError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let len = self.number()?;
                Value::Bytes(self.take(usize::try_from(len).unwrap_or(usize::MAX))?)
            }
            5 => Value::Bytes(self.take(4)?),
            other => return Err(Malformed(format!("a field of the type {other}")).into()),
        };
        Ok(Some((tag >> 3, value)))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], HistoryError> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or_else(cut)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn number(&mut self) -> Result<u64, HistoryError> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (byte, rest) = self.0.split_first().ok_or_else(cut)?;
            self.0 = rest;
            number |= u64::from(*byte & 0x7f).checked_shl(shift).ok_or_else(cut)?;
            if *byte < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }
}

fn cut() -> HistoryError {
    Malformed("a record that ends within a field".to_owned()).into()
}

fn text(bytes: &[u8]) -> Result<&str, HistoryError> {
    std::str::from_utf8(bytes).map_err(|error| Malformed(error.to_string()).into())
}
