//! Records of orders, written by hand: the one record that is written millions of times a second.
//!
//! The bytes are those that prost would write for the same messages; a test holds them against each other.

use super::fact::encode_cycle;
use crate::{
    domain::{MerchantId, Money, OrderClassified, Receipt, Timestamp},
    proto::journal as pb,
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
        merchant: &MerchantId,
        order: &OrderClassified,
        effective_at: Timestamp,
        recorded_at: Timestamp,
    ) {
        self.start = MOST;
        self.order(order);
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

    fn order(&mut self, order: &OrderClassified) {
        let end = self.start;
        self.receipt(&order.receipt);
        self.length(8, end);
        self.number(7, order.settles_at.micros().cast_unsigned());
        self.number(6, encode_cycle(order.cycle) as u64);
        self.number(5, i64::from(order.day.0).cast_unsigned());
        self.number(4, order.completed_at.micros().cast_unsigned());
        self.number(3, order.profit.input_cents());
        self.number(2, order.price.input_cents());
        self.text(1, order.order_id.as_bytes());
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
        self.bytes(&[field << 3 | 2]);
    }

    /// A number, if it is not the default.
    fn number(&mut self, field: u8, number: u64) {
        if number != 0 {
            self.varint(number);
            self.bytes(&[field << 3]);
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "seven bits at a time")]
    fn varint(&mut self, mut number: u64) {
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

    fn bytes(&mut self, bytes: &[u8]) {
        let start = self.start.saturating_sub(bytes.len());
        if let Some(place) = self.bytes.get_mut(start..self.start).filter(|place| place.len() == bytes.len()) {
            place.copy_from_slice(bytes);
            self.start = start;
        }
    }
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
            by_hand.put(&id(&merchant), &order, effective_at, recorded_at);
            let fact = encode_event(&Event { effective_at, fact: order.into() });
            prop_assert_eq!(by_hand.fact(), fact.encode_to_vec());
            let body = Body::Merchant(MerchantFacts { merchant_id: merchant, facts: vec![fact] });
            let record = Record { recorded_at: recorded_at.micros(), caller: String::new(), body: Some(body) };
            prop_assert_eq!(by_hand.record(), record.encode_to_vec());
        }
    }
}
