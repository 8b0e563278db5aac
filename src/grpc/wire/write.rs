//! Answers.

use std::{collections::BTreeMap, marker::PhantomData};

use prost::Message;
use tonic::Status;

use super::Written;
use crate::{
    domain::{Cycle, Timestamp, Verdict},
    engine::Classified,
    grpc::convert,
    proto::v1,
};

/// The results of a chunk, written one after the other.
pub struct Results<M> {
    bytes: Vec<u8>,
    /// The key of a result.
    key: u8,
    with_receipts: bool,
    /// How many orders were refused, by reason.
    refused: BTreeMap<String, u64>,
    /// The last ordinary result of each cycle: most orders settle when the one before does.
    last: [Option<Ordinary>; 2],
    message: PhantomData<M>,
}

/// A result without a receipt and for the first time, and how it is written.
#[derive(Clone, Copy)]
struct Ordinary {
    settles_at: Timestamp,
    bytes: [u8; MOST],
    len: usize,
}

/// An ordinary result: a key and a length, the cycle, and a time of two numbers.
const MOST: usize = 32;

impl Results<v1::ClassifyOrdersResponse> {
    /// For the answer of `ClassifyOrders`.
    pub fn of_call(orders: usize, with_receipts: bool) -> Self {
        Self::new(Vec::with_capacity(orders * MOST / 2), 1 << 3 | 2, with_receipts)
    }
}

impl Results<v1::StreamClassifyOrdersResponse> {
    /// For an answer of `StreamClassifyOrders`.
    pub fn of_stream(sequence: u64, orders: usize, with_receipts: bool) -> Self {
        let mut bytes = Vec::with_capacity(orders * MOST / 2 + MOST);
        prost::encoding::uint64::encode(1, &sequence, &mut bytes);
        if sequence == 0 {
            bytes.clear();
        }
        Self::new(bytes, 2 << 3 | 2, with_receipts)
    }
}

impl<M> Results<M> {
    fn new(bytes: Vec<u8>, key: u8, with_receipts: bool) -> Self {
        Self { bytes, key, with_receipts, refused: BTreeMap::new(), last: [None; 2], message: PhantomData }
    }

    /// Adds what came of an order.
    pub fn tell(&mut self, told: Result<&Classified, Status>) {
        match told {
            Ok(Classified { verdict, replayed: false }) if !self.with_receipts => self.ordinary(verdict),
            told => {
                let result = convert::order_result(told, self.with_receipts);
                if let Some(refusal) = &result.refusal {
                    *self.refused.entry(refusal.reason.clone()).or_default() += 1;
                }
                self.result(&result);
            }
        }
    }

    fn ordinary(&mut self, verdict: &Verdict) {
        let [quick, standard] = self.last;
        let last = if verdict.cycle == Cycle::Quick { quick } else { standard };
        if let Some(last) = last.filter(|last| last.settles_at == verdict.settles_at) {
            return self.bytes.extend_from_slice(last.bytes.get(..last.len).unwrap_or_default());
        }
        let before = self.bytes.len();
        self.result(&convert::ordinary_result(verdict));
        let written = self.bytes.get(before..).unwrap_or_default();
        let mut bytes = [0; MOST];
        if let Some(place) = bytes.get_mut(..written.len()) {
            place.copy_from_slice(written);
            let last = Some(Ordinary { settles_at: verdict.settles_at, bytes, len: written.len() });
            let [quick, standard] = &mut self.last;
            *if verdict.cycle == Cycle::Quick { quick } else { standard } = last;
        }
    }

    fn result(&mut self, result: &v1::OrderResult) {
        self.bytes.push(self.key);
        self.bytes.extend_from_slice(&result.encode_length_delimited_to_vec());
    }

    /// How many orders were refused, by reason.
    pub fn refused(&self) -> impl Iterator<Item = (&str, u64)> {
        self.refused.iter().map(|(reason, orders)| (&**reason, *orders))
    }

    /// The whole answer.
    pub fn written(self) -> Written<M> {
        Written { bytes: self.bytes, message: PhantomData }
    }
}
