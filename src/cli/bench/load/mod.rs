//! What is sent: orders drawn and encoded before the load, so that sending costs next to nothing.
//!
//! Each connection has a [`Source`] of its own, a ring of blocks of encoded messages. When the ring comes round, merchants and prices come
//! again; the ids of the orders are written over where they stand, so that they never do, at some nanoseconds an order.

mod block;
mod draw;
mod order;

use std::sync::Arc;

use bytes::Bytes;

pub(super) use self::{
    block::PREFIX,
    draw::Draws,
    order::{guaranteed, has_guarantee},
};
use self::{
    block::{Block, Repeat, Shape},
    draw::Popularity,
};
use super::options::{Merchants, Plan};
use crate::proto::v1::{ClassifyOrderRequest, ModifyGuaranteeRequest};

/// How many orders a block has at least, so that small messages share the cost of it.
const BLOCK_ORDERS: u32 = 1_024;
/// How far the numbers of two connections are apart: more than one will ever send.
const SPACE: u32 = 40;

/// Everything that loads of a plan have in common.
#[derive(Debug)]
pub(super) struct Load {
    popularity: Popularity,
    /// The server's time, in seconds since 1970.
    now: i64,
}

/// Messages that go over the wire together.
#[derive(Debug)]
pub(super) struct Batch {
    /// As they are sent.
    pub(super) bytes: Bytes,
    /// How many there are.
    pub(super) messages: u32,
    /// If the answer is to be checked; then there is one message.
    pub(super) sample: Option<Sample>,
}

/// What has to be known of a message to check its answer.
#[derive(Debug)]
pub(super) struct Sample {
    /// The message, without what gRPC puts before it.
    pub(super) request: Bytes,
    repeats: Arc<[Repeat]>,
    /// The place of its first order in the block.
    first: u32,
}

impl Sample {
    /// Whether the order of this place in the message was sent before.
    pub(super) fn is_repeat(&self, order: usize) -> bool {
        let order = u32::try_from(order).map_or(u32::MAX, |order| order.saturating_add(self.first));
        self.repeats.binary_search_by_key(&order, |repeat| repeat.order).is_ok()
    }
}

impl Load {
    /// For merchants of this kind, and a server whose clock shows this many seconds since 1970.
    pub(super) fn new(merchants: &Merchants, now: i64) -> Self {
        Self { popularity: Popularity::of(merchants.count, merchants.zipf), now }
    }

    /// Encodes what a connection will send in a run.
    pub(super) fn source(&self, plan: &Plan, run: u32, connection: u32) -> Source {
        let per_block = BLOCK_ORDERS.div_ceil(plan.chunk) * plan.chunk;
        let drawn = self.drawn(plan, connection, per_block);
        let shape = Shape { mode: plan.mode, chunk: plan.chunk as usize, receipts: plan.receipts };
        let per_message = u64::from(plan.chunk);
        let blocks = (0..).step_by(per_block as usize).zip(drawn.chunks(per_block as usize));
        let blocks: Vec<_> =
            blocks.map(|(first, orders)| Block::encode(shape, orders, first, u64::from(first) / per_message)).collect();
        Source {
            blocks,
            numbers: Numbers::of(plan, run, connection, drawn.len()),
            per_message: plan.chunk,
            check_every: plan.check_every,
            at: 0,
            current: Bytes::new(),
            taken: 0,
            messages: 0,
        }
    }

    /// The same one by one, for the generated client, which encodes for itself.
    pub(super) fn requests(&self, plan: &Plan, run: u32, connection: u32) -> Requests {
        let drawn = self.drawn(plan, connection, 1);
        let request = |drawn: &order::Drawn| {
            let order = drawn.order();
            let request = ClassifyOrderRequest {
                merchant_id: order.merchant_id,
                price: order.price,
                profit: order.profit,
                completed_at: order.completed_at,
                ..ClassifyOrderRequest::default()
            };
            (request, drawn.repeat_of)
        };
        Requests {
            requests: drawn.iter().map(request).collect(),
            numbers: Numbers::of(plan, run, connection, drawn.len()),
            at: 0,
        }
    }

    fn drawn(&self, plan: &Plan, connection: u32, multiple_of: u32) -> Vec<order::Drawn> {
        let fair = plan.pool.min(plan.orders.unwrap_or(u64::MAX)).div_ceil(u64::from(plan.connections));
        let count = u32::try_from(fair).unwrap_or(u32::MAX >> 1).div_ceil(multiple_of) * multiple_of;
        order::draw(plan, &self.popularity, connection, self.now, count)
    }
}

/// The numbers of the orders of a connection in a run.
#[derive(Debug)]
struct Numbers {
    key: u64,
    /// The number of the pool's first order in this lap.
    base: u64,
    pool: u64,
}

impl Numbers {
    fn of(plan: &Plan, run: u32, connection: u32, pool: usize) -> Self {
        let space = u64::from(run) * u64::from(plan.connections) + u64::from(connection);
        let key = Draws::new(plan.seed, 0).any();
        Self { key, base: space << SPACE, pool: pool as u64 }
    }

    const fn next_lap(&mut self) {
        self.base = self.base.wrapping_add(self.pool);
    }
}

/// The messages of a connection, one after the other and without end.
#[derive(Debug)]
pub(super) struct Source {
    blocks: Vec<Block>,
    numbers: Numbers,
    per_message: u32,
    check_every: u64,
    /// The block that is being sent, from 1.
    at: usize,
    /// What is left of it.
    current: Bytes,
    /// How many of its messages were taken.
    taken: usize,
    /// How many messages were taken in all.
    messages: u64,
}

impl Source {
    /// How many orders are encoded, and how many bytes they take.
    pub(super) fn prepared(&self) -> (u64, u64) {
        let bytes = self.blocks.iter().map(|block| block.len() as u64).sum();
        (self.numbers.pool, bytes)
    }

    /// The next messages: at least one, and at most so many.
    pub(super) fn take(&mut self, most: u32) -> Batch {
        if self.current.is_empty() {
            self.next_block();
        }
        let Some(block) = self.blocks.get(self.at.wrapping_sub(1)) else {
            return Batch { bytes: Bytes::new(), messages: 0, sample: None };
        };
        let (to_sample, left) = (self.to_sample(), block.messages() - self.taken);
        let sampled = to_sample == 0;
        let wanted = if sampled { 1 } else { u64::from(most.max(1)).min(to_sample).min(left as u64) };
        let messages = u32::try_from(wanted).unwrap_or(most);
        let length = block.len_of_first(self.taken + messages as usize) - block.len_of_first(self.taken);
        let bytes = self.current.split_to(length.min(self.current.len()));
        let sample = sampled.then(|| Sample {
            request: bytes.slice(PREFIX.min(bytes.len())..),
            repeats: Arc::clone(block.repeats()),
            first: u32::try_from(self.taken).unwrap_or_default() * self.per_message,
        });
        self.taken += messages as usize;
        self.messages += wanted;
        Batch { bytes, messages, sample }
    }

    /// How many messages come before the next that is checked.
    const fn to_sample(&self) -> u64 {
        match self.messages.checked_rem(self.check_every) {
            None => u64::MAX,
            Some(0) => 0,
            Some(since) => self.check_every - since,
        }
    }

    fn next_block(&mut self) {
        if self.at == self.blocks.len() {
            if self.messages > 0 {
                self.numbers.next_lap();
            }
            self.at = 0;
        }
        if let Some(block) = self.blocks.get_mut(self.at) {
            self.current = block.with_ids(self.numbers.key, self.numbers.base);
        }
        self.at += 1;
        self.taken = 0;
    }
}

/// The orders of a connection one by one, for a client that encodes for itself.
#[derive(Debug)]
pub(super) struct Requests {
    requests: Vec<(ClassifyOrderRequest, Option<u32>)>,
    numbers: Numbers,
    at: usize,
}

impl Requests {
    /// How many orders were drawn.
    pub(super) const fn prepared(&self) -> u64 {
        self.numbers.pool
    }

    /// The next order, and whether it was sent before.
    pub(super) fn take(&mut self) -> (ClassifyOrderRequest, bool) {
        if self.at == self.requests.len() {
            self.numbers.next_lap();
            self.at = 0;
        }
        let (mut request, repeat_of) = self.requests.get(self.at).cloned().unwrap_or_default();
        let number = repeat_of.map_or(self.at as u64, u64::from);
        let id = order::id(self.numbers.key, self.numbers.base + number);
        request.order_id = id.iter().copied().map(char::from).collect();
        self.at += 1;
        (request, repeat_of.is_some())
    }
}

/// What puts up the guarantee of a merchant. The same each time, so that one that has it is left as it is.
pub(super) fn guarantee(merchant: u32, merchants: &Merchants) -> ModifyGuaranteeRequest {
    ModifyGuaranteeRequest {
        merchant_id: order::merchant_id(merchant),
        guarantee: Some(merchants.guarantee),
        request_id: format!("bench-guarantee-{}", merchants.guarantee),
        ..ModifyGuaranteeRequest::default()
    }
}

#[cfg(test)]
mod tests;
