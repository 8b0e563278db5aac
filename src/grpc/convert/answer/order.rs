//! Orders.

use super::{charge, cycle, receipt, timestamp};
use crate::{
    domain::{OrderClassified, OrderReversed},
    engine::Answer,
    proto::v1,
};

/// The answer for an order.
pub fn order_classified(answer: &Answer<OrderClassified>) -> v1::ClassifyOrderResponse {
    let fact = &answer.fact;
    v1::ClassifyOrderResponse {
        cycle: cycle(fact.cycle).into(),
        settles_at: Some(timestamp(fact.settles_at)),
        completed_at: Some(timestamp(fact.completed_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
    }
}

/// What a reversal did.
pub fn order_reversed(answer: &Answer<OrderReversed>) -> v1::ReverseOrderResponse {
    let fact = &answer.fact;
    v1::ReverseOrderResponse {
        profit: fact.profit.to_string(),
        reversed: fact.reversed.to_string(),
        profit_reversed: fact.profit_reversed.to_string(),
        charge: fact.charge.map(charge),
        uncounted: fact.uncounted.to_string(),
        reversed_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
    }
}
