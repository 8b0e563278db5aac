//! Orders of any kind, through records and rows.

use proptest::prelude::*;
use prost::Message as _;

use super::super::{
    Balances,
    pack::{Facts, Noted, Packer, block_start, count},
    record,
};
use crate::{
    codec::{decode_fact, encode_event},
    domain::{Cycle, Day, Event, Id, MerchantId, Money, OrderClassified, Receipt, Timestamp},
    journal::Lsn,
};

/// Small steps and any number at all.
fn number() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), -3..3_i64, any::<i64>()]
}

fn money() -> impl Strategy<Value = Money> {
    prop_oneof![number().prop_map(i128::from), any::<i128>()].prop_map(Money::from_cents)
}

fn event() -> impl Strategy<Value = Event> {
    let receipt = (any::<u64>(), any::<u32>(), money(), money(), money(), number());
    let receipt =
        receipt.prop_map(|(policy_version, multiple, quota, day_total_before, day_total_after, resets_at)| {
            let resets_at = Timestamp::from_micros(resets_at);
            Receipt { policy_version, multiple, quota, day_total_before, day_total_after, resets_at }
        });
    let cents = || prop_oneof![Just(5), any::<u64>()].prop_map(|cents: u64| Money::from_cents(cents.into()));
    let order =
        ("[a-z0-9]{1,64}", cents(), cents(), number(), any::<i32>(), any::<bool>(), number(), receipt, number());
    order.prop_map(|(id, price, profit, completed_at, day, quick, settles_at, receipt, effective_at)| {
        let order = OrderClassified {
            order_id: Id::parse(&id).unwrap(),
            price,
            profit,
            completed_at: Timestamp::from_micros(completed_at),
            day: Day(day),
            cycle: if quick { Cycle::Quick } else { Cycle::Standard },
            settles_at: Timestamp::from_micros(settles_at),
            receipt,
        };
        Event { effective_at: Timestamp::from_micros(effective_at), fact: order.into() }
    })
}

fn balances() -> impl Strategy<Value = Balances> {
    (money(), money(), number()).prop_map(|(available, pending, frozen)| {
        let (guarantee, frozen) = (Money::from_cents(700), Money::from_cents(frozen.into()));
        let gap = guarantee.less_at_most(frozen);
        Balances { guarantee, frozen, gap, available, pending, ..Balances::default() }
    })
}

proptest! {
    #[test]
    fn orders_survive_records_and_rows(
        orders in prop::collection::vec((event(), balances(), any::<u64>(), number(), any::<u32>(), "[a-z]{0,5}"), 1..20),
        first in 1..1_000_u64,
    ) {
        let mut packer = Packer::default();
        for (event, balances, lsn, recorded_at, index, caller) in &orders {
            let raw = encode_event(event).encode_to_vec();
            prop_assert_eq!(&decode_fact(&raw).unwrap(), event);
            let recorded_at = Timestamp::from_micros(*recorded_at);
            let (lsn, index, balances) = (Lsn::new(*lsn), *index, *balances);
            packer.put(&Noted { lsn, index, recorded_at, caller, event, raw: &raw, balances });
        }
        let row = packer.finish();
        prop_assert_eq!(count(&row).unwrap(), orders.len() as u64);
        let merchant = MerchantId::parse("m").unwrap();
        for ((number, line), expected) in (first..).zip(Facts::new(first, &row).unwrap()).zip(orders) {
            let entry = line.unwrap().entry(&merchant).unwrap();
            let (event, balances, lsn, recorded_at, index, caller) = expected;
            prop_assert_eq!((entry.number, entry.event, entry.balances), (number, event, balances));
            prop_assert_eq!((entry.lsn.get(), entry.recorded_at.micros()), (lsn, recorded_at));
            prop_assert_eq!((entry.index, entry.caller), (index, caller));
        }
    }

    #[test]
    fn any_bytes_are_facts_or_refused(bytes: Vec<u8>) {
        for line in Facts::new(1, &bytes).into_iter().flatten().flatten() {
            drop(line.event());
        }
        drop(record::Read::of(&bytes));
    }

    #[test]
    fn blocks_begin_behind_multiples_of_64(number in 1..1_000_000_u64) {
        let start = block_start(number);
        prop_assert!(start <= number && number < start + 64 && start % 64 == 1);
    }
}
