//! Messages of orders by the thousand, read and written by hand behind the same proto.
//!
//! What prost generates asks for memory five times an order, and builds what nobody looks at; at millions of orders a second that is most
//! of what a server does. So an order is read straight into a command, and an answer is written straight from the fact. Only what is
//! ordinary is read here: whatever is not (an unknown field, a field twice, bytes that are no message) is left to prost, and so is
//! understood or refused exactly as elsewhere. The tests hold both ways against each other.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::marker::PhantomData;

use prost::{
    DecodeError, Message,
    bytes::{Buf, BufMut},
    encoding::{DecodeContext, WireType, skip_field},
};
use tonic::Status;

pub use self::{read::Layout, write::Results};
use crate::{engine::Order, grpc::convert, proto::v1};

/// The request of `ClassifyOrders`.
pub type ClassifyOrdersRequest = Read<v1::ClassifyOrdersRequest>;
/// The request of `StreamClassifyOrders`.
pub type StreamClassifyOrdersRequest = Read<v1::StreamClassifyOrdersRequest>;
/// The answer of `ClassifyOrders`.
pub type ClassifyOrdersResponse = Written<v1::ClassifyOrdersResponse>;
/// The answer of `StreamClassifyOrders`.
pub type StreamClassifyOrdersResponse = Written<v1::StreamClassifyOrdersResponse>;

/// Orders to be classified.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Handed back as it is.
    pub sequence: u64,
    /// The orders that make sense, in the order of the request.
    pub orders: Vec<Order>,
    /// The others: how many orders that make sense come before, and what is wrong.
    pub wrong: Vec<(usize, Status)>,
    /// Answers have receipts.
    pub with_receipts: bool,
    /// Change nothing.
    pub validate_only: bool,
    /// Refuse what is not known when this has passed.
    pub not_after: Option<prost_types::Timestamp>,
}

/// A request that is read by hand.
#[derive(Debug)]
pub struct Read<M> {
    /// What it says.
    pub chunk: Chunk,
    message: PhantomData<M>,
}

/// An answer that is written by hand.
#[derive(Debug)]
pub struct Written<M> {
    bytes: Vec<u8>,
    message: PhantomData<M>,
}

impl Chunk {
    /// How many orders there are.
    pub const fn count(&self) -> usize {
        self.orders.len() + self.wrong.len()
    }

    /// Refuses those orders that are judged so, each in its place.
    pub fn refuse(&mut self, mut judge: impl FnMut(&Order) -> Result<(), Status>) {
        let mut wrong = std::mem::take(&mut self.wrong).into_iter().peekable();
        for (place, order) in std::mem::take(&mut self.orders).into_iter().enumerate() {
            while let Some((_, why)) = wrong.next_if(|(before, _)| *before <= place) {
                self.add(Err(why));
            }
            self.add(judge(&order).map(|()| order));
        }
        wrong.for_each(|(_, why)| self.add(Err(why)));
    }

    fn add(&mut self, order: Result<Order, Status>) {
        match order {
            Ok(order) => self.orders.push(order),
            Err(why) => self.wrong.push((self.orders.len(), why)),
        }
    }

    fn with(mut self, orders: &[v1::CompletedOrder]) -> Self {
        orders.iter().for_each(|order| self.add(convert::completed_order(order)));
        self
    }
}

impl<M> From<Chunk> for Read<M> {
    fn from(chunk: Chunk) -> Self {
        Self { chunk, message: PhantomData }
    }
}

impl<M> Default for Read<M> {
    fn default() -> Self {
        Chunk::default().into()
    }
}

impl<M> Default for Written<M> {
    fn default() -> Self {
        Self { bytes: Vec::new(), message: PhantomData }
    }
}

impl<M: Layout> Message for Read<M> {
    fn decode(mut message: impl Buf) -> Result<Self, DecodeError> {
        let message = message.copy_to_bytes(message.remaining());
        read::chunk::<M>(&message).map_or_else(|| M::decode(message).map(M::into_chunk), Ok).map(Self::from)
    }

    /// Requests are only ever read.
    fn encode_raw(&self, _: &mut impl BufMut) {}

    fn encoded_len(&self) -> usize {
        0
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        message: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        skip_field(wire_type, tag, message, context)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<M: Send + Sync> Message for Written<M> {
    fn encode_raw(&self, message: &mut impl BufMut) {
        message.put_slice(&self.bytes);
    }

    fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    /// Answers are only ever written.
    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        message: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        skip_field(wire_type, tag, message, context)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}
