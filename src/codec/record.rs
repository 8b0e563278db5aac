//! Records of orders, written and read by hand: the one record that there is by the million.
//!
//! The bytes are those that prost would write for the same messages, and any others are left to prost to read; tests hold both ways
//! against each other.

use super::fact::encode_cycle;
use crate::{
    domain::{Cycle, Day, Id, MerchantId, Money, OrderClassified, OrderId, Receipt, Timestamp, Verdict},
    proto::{
        fields::{Fields, message, number},
        journal as pb,
    },
};

/// The longest record of an order without its caller: two ids of 64 bytes, and no number of more than 10.
const MOST: usize = 512;

/// Where the record of an order is put together, from its end to its beginning: so the length of what is inside is known when it is
/// needed.
pub(crate) struct OrderRecord {
    bytes: [u8; MOST],
    start: usize,
    fact: usize,
}

impl OrderRecord {
    /// An empty one. To be used for one order after the other.
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; MOST], start: MOST, fact: MOST }
    }

    /// Puts the record of an order together that stands alone and that nobody named as his.
    pub(crate) fn put(
        &mut self,
        (merchant, order_id): (&MerchantId, &OrderId),
        (price, profit): (Money, Money),
        verdict: &Verdict,
        (effective_at, recorded_at): (Timestamp, Timestamp),
    ) {
        self.start = MOST;
        self.verdict(verdict);
        self.number(3, profit.input_cents());
        self.number(2, price.input_cents());
        self.text(1, order_id.as_bytes());
        self.length(2, MOST);
        self.number(1, effective_at.micros().cast_unsigned());
        self.fact = self.start;
        // MerchantFacts
        self.length(2, MOST);
        self.text(1, merchant.as_bytes());
        // Record
        self.length(3, MOST);
        self.number(1, recorded_at.micros().cast_unsigned());
    }

    /// The whole record.
    pub(crate) fn record(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// The fact alone.
    pub(crate) fn fact(&self) -> &[u8] {
        self.bytes.get(self.fact..).unwrap_or_default()
    }

    fn verdict(&mut self, verdict: &Verdict) {
        let end = self.start;
        self.receipt(&verdict.receipt);
        self.length(8, end);
        self.number(7, verdict.settles_at.micros().cast_unsigned());
        self.number(6, encode_cycle(verdict.cycle) as u64);
        self.number(5, i64::from(verdict.day.0).cast_unsigned());
        self.number(4, verdict.completed_at.micros().cast_unsigned());
    }

    fn receipt(&mut self, receipt: &Receipt) {
        self.number(6, receipt.resets_at.micros().cast_unsigned());
        self.amount(5, receipt.day_total_after);
        self.amount(4, receipt.day_total_before);
        self.amount(3, receipt.quota);
        self.number(2, receipt.multiple.into());
        self.number(1, receipt.policy_version);
    }

    fn amount(&mut self, field: u8, money: Money) {
        if let Some(pb::Amount { low, high }) = super::amount(money) {
            let end = self.start;
            self.number(2, (high << 1 ^ high >> 63).cast_unsigned());
            self.number(1, low);
            self.length(field, end);
        }
    }

    fn text(&mut self, field: u8, text: &[u8]) {
        let end = self.start;
        self.bytes(text);
        self.length(field, end);
    }

    /// Puts the key of a message or a text before it, and its length: it ends at `end`.
    fn length(&mut self, field: u8, end: usize) {
        self.varint((end - self.start) as u64);
        self.byte(message(field));
    }

    /// A number, if it is not the default.
    fn number(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.varint(value);
            self.byte(number(field));
        }
    }

    /// Puts a number before what is there. Eight bytes are written at once, of which the number is the last ones: what comes before it
    /// has yet to be written.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "seven bits")]
    fn varint(&mut self, number: u64) {
        if number < 0x80 {
            return self.byte(number as u8);
        }
        let len = (64 - (number | 1).leading_zeros() as usize).div_ceil(7);
        let place = self.start.checked_sub(8).and_then(|at| self.bytes.get_mut(at..self.start));
        let Some(place) = place.and_then(|place| place.first_chunk_mut::<8>()).filter(|_| len <= 8) else {
            return self.long_varint(number);
        };
        *place = (spread(number, len) << (8 * (8 - len))).to_le_bytes();
        self.start -= len;
    }

    #[allow(clippy::cast_possible_truncation, reason = "seven bits at a time")]
    fn long_varint(&mut self, mut number: u64) {
        let mut bytes = [0_u8; 10];
        let mut len = 0;
        for byte in &mut bytes {
            *byte = number as u8 & 0x7f;
            number >>= 7;
            len += 1;
            if number == 0 {
                break;
            }
            *byte |= 0x80;
        }
        self.bytes(bytes.get(..len).unwrap_or_default());
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        let start = self.start.saturating_sub(1);
        if let Some(place) = self.bytes.get_mut(start) {
            *place = byte;
            self.start = start;
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let start = self.start.saturating_sub(bytes.len());
        if let Some(place) = self.bytes.get_mut(start..self.start).filter(|place| place.len() == bytes.len()) {
            place.copy_from_slice(bytes);
            self.start = start;
        }
    }
}

/// A number of up to eight groups of seven bits as that many bytes, each but the last marked.
const fn spread(number: u64, len: usize) -> u64 {
    let halves = number & 0x0000_0000_0fff_ffff | (number & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    let bytes = quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
    bytes | 0x8080_8080_8080_8080 & ((1 << (8 * (len - 1))) - 1)
}

/// An order that stands alone in its record.
pub(crate) struct WrittenOrder<'a> {
    pub(crate) merchant: MerchantId,
    pub(crate) order: OrderClassified,
    pub(crate) effective_at: Timestamp,
    /// The fact as it is written.
    pub(crate) fact: &'a [u8],
}

/// Reads the record of an order that stands alone, as [`OrderRecord`] writes it. None: it is another one, or is written in another way.
pub(crate) fn read_order(record: &[u8]) -> Option<WrittenOrder<'_>> {
    let mut record = Fields(record);
    optional(&mut record, 1)?;
    let mut facts = Fields(last(record, 3)?);
    let merchant = Id::parse_bytes(text(&mut facts, 1)?).ok()?;
    let fact = last(facts, 2)?;
    let mut fields = Fields(fact);
    let effective_at = time(&mut fields, 1)?;
    let order = classified(Fields(last(fields, 2)?))?;
    Some(WrittenOrder { merchant, order, effective_at, fact })
}

fn classified(mut fields: Fields<'_>) -> Option<OrderClassified> {
    let order = &mut fields;
    Some(OrderClassified {
        order_id: Id::parse_bytes(text(order, 1)?).ok()?,
        price: super::input(optional(order, 2)?),
        profit: super::input(optional(order, 3)?),
        completed_at: time(order, 4)?,
        day: Day(i32::try_from(optional(order, 5)?.cast_signed()).ok()?),
        cycle: match optional(order, 6)? {
            1 => Cycle::Quick,
            2 => Cycle::Standard,
            _ => return None,
        },
        settles_at: time(order, 7)?,
        receipt: receipt(Fields(last(*order, 8)?))?,
    })
}

fn receipt(mut fields: Fields<'_>) -> Option<Receipt> {
    let receipt = &mut fields;
    let read = Receipt {
        policy_version: optional(receipt, 1)?,
        multiple: u32::try_from(optional(receipt, 2)?).ok()?,
        quota: amount(receipt, 3)?,
        day_total_before: amount(receipt, 4)?,
        day_total_after: amount(receipt, 5)?,
        resets_at: time(receipt, 6)?,
    };
    receipt.0.is_empty().then_some(read)
}

fn amount(fields: &mut Fields<'_>, field: u8) -> Option<Money> {
    if !fields.key_if(message(field)) {
        return Some(Money::ZERO);
    }
    let mut amount = Fields(fields.bytes()?);
    let (low, high) = (optional(&mut amount, 1)?, optional(&mut amount, 2)?);
    let high = (high >> 1).cast_signed() ^ -(high & 1).cast_signed();
    amount.0.is_empty().then(|| super::money(Some(pb::Amount { low, high })))
}

fn time(fields: &mut Fields<'_>, field: u8) -> Option<Timestamp> {
    optional(fields, field).map(|micros| Timestamp::from_micros(micros.cast_signed()))
}

/// A number that may be left out.
fn optional(fields: &mut Fields<'_>, field: u8) -> Option<u64> {
    if fields.key_if(number(field)) { fields.varint() } else { Some(0) }
}

fn text<'a>(fields: &mut Fields<'a>, field: u8) -> Option<&'a [u8]> {
    if fields.key_if(message(field)) { fields.bytes() } else { None }
}

/// A field with which a message ends.
fn last<'a>(mut fields: Fields<'a>, field: u8) -> Option<&'a [u8]> {
    text(&mut fields, field).filter(|_| fields.0.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;

    use super::*;
    use crate::{
        codec::encode_event,
        domain::{Cycle, Day, Event, Id, OrderClassified},
        proto::journal::{MerchantFacts, Record, record::Body},
    };

    const ID: &str = "[A-Za-z0-9._:-]{1,64}";

    fn id<Kind>(text: &str) -> Id<Kind> {
        Id::parse(text).unwrap()
    }

    fn order() -> impl Strategy<Value = OrderClassified> {
        let money = any::<i128>().prop_map(Money::from_cents);
        let input = (0..=Money::MAX_INPUT.cents()).prop_map(Money::from_cents);
        let time = any::<i64>().prop_map(Timestamp::from_micros);
        let receipt = (any::<u64>(), any::<u32>(), money.clone(), money.clone(), money, time.clone()).prop_map(
            |(policy_version, multiple, quota, day_total_before, day_total_after, resets_at)| Receipt {
                policy_version,
                multiple,
                quota,
                day_total_before,
                day_total_after,
                resets_at,
            },
        );
        let cycle = any::<bool>().prop_map(|quick| if quick { Cycle::Quick } else { Cycle::Standard });
        (ID, input.clone(), input, time.clone(), any::<i32>(), cycle, time, receipt).prop_map(
            |(order_id, price, profit, completed_at, day, cycle, settles_at, receipt)| OrderClassified {
                order_id: id(&order_id),
                price,
                profit,
                completed_at,
                day: Day(day),
                cycle,
                settles_at,
                receipt,
            },
        )
    }

    fn put(record: &mut OrderRecord, merchant: &str, order: &OrderClassified, times: (Timestamp, Timestamp)) {
        record.put((&id(merchant), &order.order_id), (order.price, order.profit), &order.verdict(), times);
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_messages(
            merchant in ID,
            order in order(),
            effective_at: i64,
            recorded_at: i64,
        ) {
            let (effective_at, recorded_at) = (Timestamp::from_micros(effective_at), Timestamp::from_micros(recorded_at));
            let mut by_hand = OrderRecord::new();
            put(&mut by_hand, &merchant, &order, (effective_at, recorded_at));
            let fact = encode_event(&Event { effective_at, fact: order.into() });
            prop_assert_eq!(by_hand.fact(), fact.encode_to_vec());
            let body = Body::Merchant(MerchantFacts { merchant_id: merchant, facts: vec![fact] });
            let record = Record { recorded_at: recorded_at.micros(), caller: String::new(), body: Some(body) };
            prop_assert_eq!(by_hand.record(), record.encode_to_vec());
        }

        #[test]
        fn what_was_written_is_read(merchant in ID, order in order(), effective_at: i64, recorded_at: i64) {
            let (effective_at, recorded_at) = (Timestamp::from_micros(effective_at), Timestamp::from_micros(recorded_at));
            let mut written = OrderRecord::new();
            put(&mut written, &merchant, &order, (effective_at, recorded_at));
            let read = read_order(written.record()).unwrap();
            prop_assert_eq!((read.merchant.as_str(), read.order, read.effective_at), (&*merchant, order, effective_at));
            prop_assert_eq!(read.fact, written.fact());
        }

        /// Whatever is read by hand is what prost reads.
        #[test]
        fn whatever_bytes_are_read_as_prost_reads_them(
            order in order(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..4),
        ) {
            let mut written = OrderRecord::new();
            put(&mut written, "m-1", &order, (Timestamp::from_micros(7), Timestamp::from_micros(8)));
            let mut bytes = written.record().to_vec();
            for (place, byte, change) in changes {
                let at = place.index(bytes.len() + 1);
                match change {
                    0 => bytes.insert(at, byte),
                    1 if at < bytes.len() => drop(bytes.remove(at)),
                    2 => bytes.extend_from_within(at..),
                    _ => bytes.iter_mut().skip(at).take(1).for_each(|there| *there = byte),
                }
            }
            if let Some(read) = read_order(&bytes) {
                let Some(Body::Merchant(facts)) = Record::decode(&*bytes).unwrap().body else { panic!("not about a merchant") };
                prop_assert_eq!(read.merchant.as_str(), &*facts.merchant_id);
                let [fact] = <[_; 1]>::try_from(facts.facts).unwrap();
                prop_assert_eq!(crate::codec::decode_fact(read.fact), crate::codec::decode_event(fact.clone()));
                let event = Event { effective_at: read.effective_at, fact: read.order.into() };
                prop_assert_eq!(crate::codec::decode_event(fact), Ok(event));
            }
        }
    }
}
