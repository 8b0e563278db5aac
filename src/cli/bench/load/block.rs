//! Messages encoded ahead, in which only the ids of orders change from one use to the next.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use prost::{Message as _, encoding};

use super::order::{Drawn, ID_DIGITS, id};
use crate::{cli::bench::options::Mode, proto::v1::CompletedOrder};

/// What stands before a message of gRPC: whether it is compressed, and its length.
pub(in crate::cli::bench) const PREFIX: usize = 5;

/// How messages of a mode are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) mode: Mode,
    /// Orders in a message.
    pub(super) chunk: usize,
    pub(super) receipts: bool,
}

/// Some messages, one behind the other as they go over the wire.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Bytes,
    /// Where each message ends.
    ends: Vec<u32>,
    /// Where the id of each order stands.
    ids: Vec<u32>,
    /// The place of the first order in the pool.
    first: u32,
    repeats: Arc<[Repeat]>,
}

/// An order that was sent before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeat {
    /// Its place in the block.
    pub(super) order: u32,
    /// The place of the first one in the pool.
    of: u32,
}

impl Block {
    /// Encodes some orders, the first of which has this place in the pool; `sequence` is the number of the first message.
    pub(super) fn encode(shape: Shape, orders: &[Drawn], first: u32, sequence: u64) -> Self {
        let mut bytes = Vec::with_capacity(orders.len() * 64);
        let (mut ids, mut ends) = (Vec::with_capacity(orders.len()), vec![]);
        for (sequence, chunk) in (sequence..).zip(orders.chunks(shape.chunk)) {
            let start = bytes.len();
            bytes.extend_from_slice(&[0; PREFIX]);
            shape.message(&mut bytes, chunk, sequence, &mut ids);
            let length = u32::try_from(bytes.len() - start - PREFIX).unwrap_or_default();
            if let Some(prefix) = bytes.get_mut(start + 1..start + PREFIX) {
                prefix.copy_from_slice(&length.to_be_bytes());
            }
            ends.push(place(bytes.len()));
        }
        let repeats = (0..).zip(orders).filter_map(|(order, drawn)| Some(Repeat { order, of: drawn.repeat_of? }));
        Self { bytes: bytes.into(), ends, ids, first, repeats: repeats.collect() }
    }

    /// The messages with the ids of a lap, of which `base` is the number of the pool's first order. What was handed out before is written over if
    /// nobody holds it any more, and copied else.
    pub(super) fn with_ids(&mut self, key: u64, base: u64) -> Bytes {
        let bytes = std::mem::take(&mut self.bytes);
        let mut bytes = bytes.try_into_mut().unwrap_or_else(|held| BytesMut::from(held.as_ref()));
        let mut write = |at: u32, number: u64| {
            if let Some(digits) = bytes.get_mut(at as usize..at as usize + ID_DIGITS) {
                digits.copy_from_slice(&id(key, number));
            }
        };
        for (number, at) in (base + u64::from(self.first)..).zip(&self.ids) {
            write(*at, number);
        }
        for repeat in self.repeats.iter() {
            if let Some(at) = self.ids.get(repeat.order as usize) {
                write(*at, base + u64::from(repeat.of));
            }
        }
        self.bytes = bytes.freeze();
        self.bytes.clone()
    }

    /// How many messages there are.
    pub(super) fn messages(&self) -> usize {
        self.ends.len()
    }

    /// How many bytes all of them take.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes the first ones take.
    pub(super) fn len_of_first(&self, messages: usize) -> usize {
        let last = messages.checked_sub(1).and_then(|last| self.ends.get(last));
        last.map_or(0, |end| *end as usize)
    }

    /// Which orders were sent before.
    pub(super) fn repeats(&self) -> &Arc<[Repeat]> {
        &self.repeats
    }
}

impl Shape {
    fn message(self, bytes: &mut Vec<u8>, orders: &[Drawn], sequence: u64, ids: &mut Vec<u32>) {
        let (field, receipts) = match self.mode {
            Mode::Unary => return orders.iter().for_each(|drawn| put(bytes, &drawn.order(), ids)),
            Mode::Chunk => (1, 2),
            Mode::Stream => {
                encoding::uint64::encode(1, &sequence, bytes);
                (2, 3)
            }
        };
        for drawn in orders {
            let order = drawn.order();
            encoding::encode_key(field, encoding::WireType::LengthDelimited, bytes);
            encoding::encode_varint(order.encoded_len() as u64, bytes);
            put(bytes, &order, ids);
        }
        if self.receipts {
            encoding::bool::encode(receipts, &true, bytes);
        }
    }
}

/// Writes an order; a ClassifyOrderRequest of one has the same fields. Its id stands behind the merchant's, and each of them has a byte for the field
/// and one for the length before it.
fn put(bytes: &mut Vec<u8>, order: &CompletedOrder, ids: &mut Vec<u32>) {
    ids.push(place(bytes.len() + 2 + order.merchant_id.len() + 2));
    order.encode_raw(bytes);
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
