//! Whether answers are right, as far as one can tell from outside.

mod expected;
mod scan;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::Instant,
};

use prost::Message as _;

pub(super) use self::{expected::Expected, scan::scan};
use super::{
    load::Sample,
    record::{Method, Tally},
};
use crate::proto::v1::{
    ClassifyOrderRequest, ClassifyOrderResponse, ClassifyOrdersRequest, ClassifyOrdersResponse, CompletedOrder,
    OrderResult, StreamClassifyOrdersRequest, StreamClassifyOrdersResponse,
};

/// How many first answers are remembered, to compare those of repeats with them.
const REMEMBERED: usize = 262_144;
/// How many faults are told.
const TOLD: usize = 5;

/// What was wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    count: u64,
    first: Vec<String>,
}

impl Faults {
    /// Notes one.
    pub(super) fn add(&mut self, fault: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(fault());
        }
    }

    /// How many there were.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Adds others.
    pub(super) fn append(&mut self, other: Self) {
        self.count += other.count;
        self.first.extend(other.first);
        self.first.truncate(TOLD);
    }
}

impl fmt::Display for Faults {
    /// The first of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first.join("; "))
    }
}

/// When a message was sent, and when it was answered.
pub(super) type Span = (Instant, Instant);

/// The first answer to an order.
#[derive(Debug)]
struct First {
    cycle: i32,
    settles_at: Option<prost_types::Timestamp>,
    known_at: Instant,
}

/// Checks the answers that a thread gets.
#[derive(Debug)]
pub(super) struct Checker {
    expected: Arc<Expected>,
    first: HashMap<String, First>,
    /// Their ids, oldest first.
    order: VecDeque<String>,
}

impl Checker {
    /// Which knows what to expect.
    pub(super) fn new(expected: Arc<Expected>) -> Self {
        Self { expected, first: HashMap::new(), order: VecDeque::new() }
    }

    /// Checks the answer to a message.
    pub(super) fn message(&mut self, method: Method, sample: &Sample, answer: &[u8], span: Span, tally: &mut Tally) {
        match read(method, &sample.request, answer) {
            Err(fault) => tally.faults.add(|| fault),
            Ok((orders, results)) => {
                for (at, (order, result)) in orders.iter().zip(&results).enumerate() {
                    self.result(order, sample.is_repeat(at), result, span, tally);
                }
            }
        }
    }

    /// Checks the answer to a call of one order.
    pub(super) fn order(
        &mut self,
        request: ClassifyOrderRequest,
        repeat: bool,
        answer: &ClassifyOrderResponse,
        span: Span,
        tally: &mut Tally,
    ) {
        let order = CompletedOrder {
            merchant_id: request.merchant_id,
            order_id: request.order_id,
            price: request.price,
            profit: request.profit,
            completed_at: request.completed_at,
        };
        self.result(&order, repeat, &single(answer), span, tally);
    }

    fn result(&mut self, order: &CompletedOrder, repeat: bool, result: &OrderResult, span: Span, tally: &mut Tally) {
        tally.checked += 1;
        if result.refusal.is_some() {
            // Counted with all refusals.
            return;
        }
        let judged = self.expected.judge(order, result, span).and_then(|()| self.repeated(order, repeat, result, span));
        match judged {
            Ok(compared) => tally.compared += u64::from(compared),
            Err(fault) => tally.faults.add(|| format!("order {} of {}: {fault}", order.order_id, order.merchant_id)),
        }
    }

    /// Compares with the first answer, if this is a repeat and the first is known.
    fn repeated(
        &mut self,
        order: &CompletedOrder,
        repeat: bool,
        result: &OrderResult,
        span: Span,
    ) -> Result<bool, String> {
        if !repeat {
            if result.replayed && self.expected.ids_are_new && self.expected.in_order {
                return Err("answered as a repeat, though it was never sent before".into());
            }
            self.remember(order, result, span.1);
            return Ok(false);
        }
        let first = self.first.get(&order.order_id).filter(|first| self.expected.in_order || first.known_at < span.0);
        if !result.replayed && (first.is_some() || self.expected.in_order) {
            return Err("not answered as a repeat, though it was sent before".into());
        }
        match first {
            Some(first) if (first.cycle, first.settles_at) != (result.cycle, result.settles_at) => {
                Err(format!("first answered with cycle {}, and now with {}", first.cycle, result.cycle))
            }
            first => Ok(first.is_some()),
        }
    }

    fn remember(&mut self, order: &CompletedOrder, result: &OrderResult, known_at: Instant) {
        if !self.expected.repeats {
            return;
        }
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.first.remove(&oldest);
        }
        self.order.push_back(order.order_id.clone());
        let first = First { cycle: result.cycle, settles_at: result.settles_at, known_at };
        self.first.insert(order.order_id.clone(), first);
    }
}

type Read = (Vec<CompletedOrder>, Vec<OrderResult>);

/// What was asked and what was answered.
fn read(method: Method, request: &[u8], answer: &[u8]) -> Result<Read, String> {
    let unreadable = |error: prost::DecodeError| format!("an answer that cannot be read: {error}");
    Ok(match method {
        Method::Order => {
            let answer = ClassifyOrderResponse::decode(answer).map_err(unreadable)?;
            // The request has the same fields as an order among many.
            (vec![CompletedOrder::decode(request).map_err(unreadable)?], vec![single(&answer)])
        }
        Method::Chunk => {
            let request = ClassifyOrdersRequest::decode(request).map_err(unreadable)?;
            (request.orders, ClassifyOrdersResponse::decode(answer).map_err(unreadable)?.results)
        }
        Method::Stream => {
            let request = StreamClassifyOrdersRequest::decode(request).map_err(unreadable)?;
            let answer = StreamClassifyOrdersResponse::decode(answer).map_err(unreadable)?;
            if request.sequence != answer.sequence {
                return Err(format!("sequence {} answered with {}", request.sequence, answer.sequence));
            }
            (request.orders, answer.results)
        }
    })
}

fn single(answer: &ClassifyOrderResponse) -> OrderResult {
    OrderResult {
        cycle: answer.cycle,
        settles_at: answer.settles_at,
        replayed: answer.replayed,
        refusal: None,
        completed_at: answer.completed_at,
        receipt: answer.receipt.clone(),
    }
}
