//! Reading and writing by hand against prost.

use proptest::{prelude::*, sample::Index};
use prost::Message;
use tonic::Status;

use super::{Layout, Read, Results};
use crate::{
    domain::{Cycle, Day, Money, Receipt, Timestamp, Verdict},
    engine::{Classified, EngineError},
    grpc::convert,
    proto::v1,
};

fn id() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[A-Za-z0-9._:-]{1,64}", 1 => ".{0,3}", 1 => "[a-z]{64,66}"]
}

fn amount() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[0-9]{1,4}(\\.[0-9]{1,2})?", 1 => "[0-9]{0,14}(\\.[0-9]{0,3})?", 1 => ".{0,3}"]
}

fn instant() -> impl Strategy<Value = Option<prost_types::Timestamp>> {
    let seconds = prop_oneof![4 => 1_700_000_000..1_800_000_000_i64, 1 => any::<i64>()];
    let nanos = prop_oneof![4 => 0..1_000_000_000, 1 => any::<i32>()];
    prop::option::weighted(0.3, (seconds, nanos).prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }))
}

fn order() -> impl Strategy<Value = v1::CompletedOrder> {
    (id(), id(), amount(), prop_oneof![Just(String::new()), amount()], instant()).prop_map(
        |(merchant_id, order_id, price, profit, completed_at)| v1::CompletedOrder {
            merchant_id,
            order_id,
            price,
            profit,
            completed_at,
        },
    )
}

fn request() -> impl Strategy<Value = v1::StreamClassifyOrdersRequest> {
    (any::<u64>(), prop::collection::vec(order(), 0..8), any::<bool>(), instant()).prop_map(
        |(sequence, orders, with_receipts, not_after)| v1::StreamClassifyOrdersRequest {
            sequence,
            orders,
            with_receipts,
            not_after,
        },
    )
}

/// What a message says or is refused with, read by hand and by prost.
fn both_ways<M: Layout>(message: &[u8]) -> (String, String) {
    let by_hand = Read::<M>::decode(message).map(|read| read.chunk);
    let by_prost = M::decode(message).map(M::into_chunk);
    (format!("{by_hand:?}"), format!("{by_prost:?}"))
}

fn answer() -> impl Strategy<Value = Classified> {
    let time = || (1_700_000_000_000_000..1_700_000_000_000_009_i64).prop_map(Timestamp::from_micros);
    (any::<bool>(), prop::bool::weighted(0.2), time(), time()).prop_map(
        |(quick, replayed, settles_at, completed_at)| {
            let receipt = Receipt {
                policy_version: 1,
                multiple: 3,
                quota: Money::from_cents(300),
                day_total_before: Money::ZERO,
                day_total_after: Money::CENT,
                resets_at: completed_at,
            };
            let cycle = if quick { Cycle::Quick } else { Cycle::Standard };
            Classified { verdict: Verdict { completed_at, day: Day(0), cycle, settles_at, receipt }, replayed }
        },
    )
}

fn told() -> impl Strategy<Value = Result<Classified, Status>> {
    let refused = || Err(convert::failed(EngineError::Unavailable { reason: "a test".to_owned() }));
    prop_oneof![8 => answer().prop_map(Ok), 1 => Just(()).prop_map(move |()| refused())]
}

proptest! {
    #[test]
    fn requests_are_read_as_prost_reads_them(request in request(), validate_only: bool) {
        let (by_hand, by_prost) = both_ways::<v1::StreamClassifyOrdersRequest>(&request.encode_to_vec());
        prop_assert_eq!(by_hand, by_prost);
        let v1::StreamClassifyOrdersRequest { orders, with_receipts, not_after, .. } = request;
        let request = v1::ClassifyOrdersRequest { orders, with_receipts, validate_only, not_after };
        let (by_hand, by_prost) = both_ways::<v1::ClassifyOrdersRequest>(&request.encode_to_vec());
        prop_assert_eq!(by_hand, by_prost);
    }

    /// Bytes changed, left out, put in and said twice: most of it no longer makes a message, and some of it makes another.
    #[test]
    fn whatever_bytes_are_read_as_prost_reads_them(
        request in request(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0..4_u8), 1..6),
    ) {
        let mut message = request.encode_to_vec();
        for (place, byte, change) in changes {
            let at = place.index(message.len() + 1);
            match change {
                0 => message.insert(at, byte),
                1 if at < message.len() => drop(message.remove(at)),
                2 => message.extend_from_within(at..),
                _ => message.iter_mut().skip(at).take(1).for_each(|there| *there = byte),
            }
        }
        let (by_hand, by_prost) = both_ways::<v1::StreamClassifyOrdersRequest>(&message);
        prop_assert_eq!(by_hand, by_prost);
        let (by_hand, by_prost) = both_ways::<v1::ClassifyOrdersRequest>(&message);
        prop_assert_eq!(by_hand, by_prost);
    }

    #[test]
    fn answers_are_written_as_prost_writes_them(
        told in prop::collection::vec(told(), 0..20),
        sequence: u64,
        with_receipts: bool,
    ) {
        let mut of_stream = Results::of_stream(sequence, told.len(), with_receipts);
        let mut of_call = Results::of_call(told.len(), with_receipts);
        for told in &told {
            of_stream.tell(told.as_ref().map_err(Clone::clone));
            of_call.tell(told.as_ref().map_err(Clone::clone));
        }
        let results: Vec<_> = told.iter()
            .map(|told| convert::order_result(told.as_ref().map_err(Clone::clone), with_receipts))
            .collect();
        let by_prost = v1::StreamClassifyOrdersResponse { sequence, results: results.clone() };
        prop_assert_eq!(of_stream.written().encode_to_vec(), by_prost.encode_to_vec());
        let by_prost = v1::ClassifyOrdersResponse { results };
        prop_assert_eq!(of_call.written().encode_to_vec(), by_prost.encode_to_vec());
    }
}
