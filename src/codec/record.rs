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

/// The longest record of an order: a caller, two ids of 64 bytes, and no number of more than 10; and some more, since whatever is
/// written may begin with bytes that do not count.
const MOST: usize = 512 + OrderRecord::LONGEST_CALLER;

/// Where the record of an order is put together.
pub(crate) struct OrderRecord {
    page: Page,
    fact: usize,
    /// Times are those of the order before, most of the time.
    recorded_at: Written,
    effective_at: Written,
    completed_at: Written,
    /// With day and cycle.
    settles_at: [(Day, Written); 2],
    resets_at: Written,
}

/// Is written from its end to its beginning: so the length of what is inside is known when it is needed.
struct Page {
    bytes: [u8; MOST],
    start: usize,
}

/// What was written for a number, at the end of some bytes; nothing: no bytes.
#[derive(Clone, Copy)]
struct Written {
    number: u64,
    bytes: [u8; 16],
    len: usize,
}

impl Written {
    const NOTHING: Self = Self { number: 0, bytes: [0; 16], len: 0 };
}

impl OrderRecord {
    /// The longest name of a caller that there is place for, in bytes.
    pub(crate) const LONGEST_CALLER: usize = 256;

    /// An empty one. To be used for one order after the other.
    pub(crate) const fn new() -> Self {
        let none = Written::NOTHING;
        Self {
            page: Page { bytes: [0; MOST], start: MOST },
            fact: MOST,
            recorded_at: none,
            effective_at: none,
            completed_at: none,
            settles_at: [(Day(0), none); 2],
            resets_at: none,
        }
    }

    /// Puts the record of an order together that stands alone. The caller is empty if nobody was asked who he is.
    pub(crate) fn put(
        &mut self,
        caller: &str,
        (merchant, order_id): (&MerchantId, &OrderId),
        (price, profit): (Money, Money),
        verdict: &Verdict,
        (effective_at, recorded_at): (Timestamp, Timestamp),
    ) {
        self.page.start = MOST;
        self.verdict(verdict);
        let page = &mut self.page;
        page.number(3, profit.input_cents());
        page.number(2, price.input_cents());
        page.text(1, order_id.as_bytes());
        page.length(2, MOST);
        page.time(1, effective_at, &mut self.effective_at);
        self.fact = page.start;
        // MerchantFacts
        page.length(2, MOST);
        page.text(1, merchant.as_bytes());
        // Record
        page.length(3, MOST);
        if !caller.is_empty() {
            page.text(2, caller.as_bytes());
        }
        page.time(1, recorded_at, &mut self.recorded_at);
    }

    /// The whole record.
    pub(crate) fn record(&self) -> &[u8] {
        self.page.bytes.get(self.page.start..).unwrap_or_default()
    }

    /// The fact alone.
    pub(crate) fn fact(&self) -> &[u8] {
        self.page.bytes.get(self.fact..).unwrap_or_default()
    }

    fn verdict(&mut self, verdict: &Verdict) {
        let end = self.page.start;
        self.receipt(&verdict.receipt);
        let page = &mut self.page;
        let [quick, standard] = &mut self.settles_at;
        page.length(8, end);
        let (day, written) = if verdict.cycle == Cycle::Quick { quick } else { standard };
        if *day != verdict.day {
            *written = Written::NOTHING;
            *day = verdict.day;
        }
        page.again(verdict.settles_at.micros().cast_unsigned(), written, |page, settles_at| {
            page.number(7, settles_at);
            page.number(6, encode_cycle(verdict.cycle) as u64);
            page.number(5, i64::from(verdict.day.0).cast_unsigned());
        });
        page.time(4, verdict.completed_at, &mut self.completed_at);
    }

    fn receipt(&mut self, receipt: &Receipt) {
        let page = &mut self.page;
        page.time(6, receipt.resets_at, &mut self.resets_at);
        page.amount(5, receipt.day_total_after);
        page.amount(4, receipt.day_total_before);
        page.amount(3, receipt.quota);
        page.number(2, receipt.multiple.into());
        page.number(1, receipt.policy_version);
    }
}

/// Numbers below fit seven groups of seven bits, and with their key eight bytes.
const SHORT: u64 = 1 << 49;

impl Page {
    /// An amount, if it is not zero.
    fn amount(&mut self, field: u8, money: Money) {
        let Some(pb::Amount { low, high }) = super::amount(money) else { return };
        let end = self.start;
        if high != 0 {
            self.number(2, (high << 1 ^ high >> 63).cast_unsigned());
        }
        self.number(1, low);
        self.length(field, end);
    }

    fn text(&mut self, field: u8, text: &[u8]) {
        let end = self.start;
        self.bytes(text);
        self.length(field, end);
    }

    /// Puts the key of a message or a text before it, and its length: it ends at `end`.
    #[inline]
    fn length(&mut self, field: u8, end: usize) {
        self.keyed(message(field), (end - self.start) as u64);
    }

    /// A number, if it is not the default.
    #[inline]
    fn number(&mut self, field: u8, value: u64) {
        if value != 0 {
            self.keyed(number(field), value);
        }
    }

    /// A time.
    #[inline]
    fn time(&mut self, field: u8, time: Timestamp, written: &mut Written) {
        self.again(time.micros().cast_unsigned(), written, |page, value| page.number(field, value));
    }

    /// What follows from a number, as it was written for the number before if that was the same.
    #[inline]
    fn again(&mut self, number: u64, written: &mut Written, write: impl FnOnce(&mut Self, u64)) {
        if number == written.number && written.len > 0 {
            return self.put(written.bytes, written.len);
        }
        let end = self.start;
        write(self, number);
        let (bytes, len) =
            (end.checked_sub(16).and_then(|at| self.bytes.get(at..end)?.first_chunk()), end - self.start);
        *written = match bytes {
            Some(bytes) if len <= 16 => Written { number, bytes: *bytes, len },
            _ => Written::NOTHING,
        };
    }

    /// A number behind its key.
    #[inline]
    fn keyed(&mut self, key: u8, value: u64) {
        if value < 0x80 {
            self.put([key, value.to_le_bytes()[0]], 2);
        } else if value < SHORT {
            // Eight bytes at once, of which those before the key fall off.
            let len = (70 - value.leading_zeros()) / 7;
            let word = spread(value, len) << 8 | u64::from(key);
            self.put(word.wrapping_shl(56 - 8 * len).to_le_bytes(), len as usize + 1);
        } else {
            self.long_varint(value);
            self.put([key], 1);
        }
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

    /// Puts some bytes before what is there, of which the last ones count: what comes before them has yet to be written.
    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N], len: usize) {
        let at = self.start.wrapping_sub(N);
        if let Some(place) = self.bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
            *place = bytes;
            self.start -= len;
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

/// A number of one to eight groups of seven bits as that many bytes, each but the last marked.
#[inline]
const fn spread(number: u64, len: u32) -> u64 {
    let halves = number & 0x0000_0000_0fff_ffff | (number & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    let bytes = quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
    bytes | 0x0080_8080_8080_8080_u64.wrapping_shr(64 - 8 * len)
}

/// A record with facts about a merchant, taken apart where it lies.
pub(crate) struct WrittenFacts<'a> {
    pub(crate) recorded_at: Timestamp,
    pub(crate) caller: &'a [u8],
    pub(crate) merchant: &'a [u8],
    /// The facts, one behind the other: see [`next_fact`].
    pub(crate) facts: &'a [u8],
    /// Somebody has approved what another had proposed.
    pub(crate) approved: bool,
}

/// Takes a record with facts apart. None: it says something else, or is written in another way.
pub(crate) fn read_facts(record: &[u8]) -> Option<WrittenFacts<'_>> {
    let mut record = Fields(record);
    let recorded_at = time(&mut record, 1)?;
    let caller = if record.key_if(message(2)) { record.bytes()? } else { &[] };
    std::str::from_utf8(caller).ok()?;
    let mut facts = Fields(record.bytes_of(3)?);
    let approved = !record.0.is_empty();
    if approved {
        last(record, 9)?;
    }
    let merchant = facts.bytes_of(1)?;
    Some(WrittenFacts { recorded_at, caller, merchant, facts: facts.0, approved })
}

/// Takes the next fact off. None: there is none, or what is there is none.
pub(crate) fn next_fact<'a>(facts: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut fields = Fields(facts);
    let fact = fields.bytes_of(2)?;
    *facts = fields.0;
    Some(fact)
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
    // No order has to be approved.
    let WrittenFacts { merchant, mut facts, .. } = read_facts(record).filter(|written| !written.approved)?;
    let fact = next_fact(&mut facts).filter(|_| facts.is_empty())?;
    let merchant = Id::parse_bytes(merchant).ok()?;
    let (effective_at, order) = read_classified(fact)?;
    Some(WrittenOrder { merchant, order, effective_at, fact })
}

/// Reads a fact that is a classified order, as [`OrderRecord`] writes it. None: it is another one, or is written in another way.
pub(crate) fn read_classified(fact: &[u8]) -> Option<(Timestamp, OrderClassified)> {
    let mut fields = Fields(fact);
    let effective_at = time(&mut fields, 1)?;
    Some((effective_at, classified(Fields(last(fields, 2)?))?))
}

fn classified(mut fields: Fields<'_>) -> Option<OrderClassified> {
    let order = &mut fields;
    Some(OrderClassified {
        order_id: Id::parse_bytes(order.bytes_of(1)?).ok()?,
        price: super::input(order.number_or_0(2)?),
        profit: super::input(order.number_or_0(3)?),
        completed_at: time(order, 4)?,
        day: Day(i32::try_from(order.number_or_0(5)?.cast_signed()).ok()?),
        cycle: match order.number_or_0(6)? {
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
        policy_version: receipt.number_or_0(1)?,
        multiple: u32::try_from(receipt.number_or_0(2)?).ok()?,
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
    let (low, high) = (amount.number_or_0(1)?, amount.number_or_0(2)?);
    let high = (high >> 1).cast_signed() ^ -(high & 1).cast_signed();
    amount.0.is_empty().then(|| super::money(Some(pb::Amount { low, high })))
}

fn time(fields: &mut Fields<'_>, field: u8) -> Option<Timestamp> {
    fields.number_or_0(field).map(|micros| Timestamp::from_micros(micros.cast_signed()))
}

/// A field with which a message ends.
fn last<'a>(mut fields: Fields<'a>, field: u8) -> Option<&'a [u8]> {
    fields.bytes_of(field).filter(|_| fields.0.is_empty())
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

    /// Often one that was there before.
    fn time() -> impl Strategy<Value = Timestamp> + Clone {
        prop_oneof![any::<i64>(), 0..3_i64, 1_760_000_000_000_000..1_760_000_000_000_003_i64]
            .prop_map(Timestamp::from_micros)
    }

    fn order() -> impl Strategy<Value = OrderClassified> {
        let money =
            prop_oneof![any::<i128>(), any::<u64>().prop_map(i128::from), 0..100_000_i128].prop_map(Money::from_cents);
        let input = (0..=Money::MAX_INPUT.cents()).prop_map(Money::from_cents);
        let time = time();
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

    fn put(
        record: &mut OrderRecord,
        caller: &str,
        merchant: &str,
        order: &OrderClassified,
        times: (Timestamp, Timestamp),
    ) {
        record.put(caller, (&id(merchant), &order.order_id), (order.price, order.profit), &order.verdict(), times);
    }

    /// Up to the longest there is.
    fn caller() -> impl Strategy<Value = String> {
        prop_oneof![Just(String::new()), "[ -~]{1,64}", "[ -~]{256}", "\\PC{1,64}"]
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_messages(
            orders in prop::collection::vec((caller(), ID, order(), time(), time()), 1..8),
        ) {
            let mut by_hand = OrderRecord::new();
            for (caller, merchant, order, effective_at, recorded_at) in orders {
                put(&mut by_hand, &caller, &merchant, &order, (effective_at, recorded_at));
                let fact = encode_event(&Event { effective_at, fact: order.into() });
                prop_assert_eq!(by_hand.fact(), fact.encode_to_vec());
                let body = Body::Merchant(MerchantFacts { merchant_id: merchant, facts: vec![fact] });
                let record = Record { recorded_at: recorded_at.micros(), caller, body: Some(body), approval: None };
                prop_assert_eq!(by_hand.record(), record.encode_to_vec());
            }
        }

        #[test]
        fn what_was_written_is_read(
            caller in caller(), merchant in ID, order in order(), effective_at: i64, recorded_at: i64,
        ) {
            let (effective_at, recorded_at) = (Timestamp::from_micros(effective_at), Timestamp::from_micros(recorded_at));
            let mut written = OrderRecord::new();
            put(&mut written, &caller, &merchant, &order, (effective_at, recorded_at));
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
            put(&mut written, "sub:a", "m-1", &order, (Timestamp::from_micros(7), Timestamp::from_micros(8)));
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
