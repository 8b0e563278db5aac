//! Orders.

use tonic::Status;
use tonic_types::StatusExt as _;

use super::{charge, cycle, duration, receipt, timestamp};
use crate::{
    domain::{OrderReversed, Verdict},
    engine::{Answer, Classified},
    proto::v1,
};

/// The answer for an order.
pub fn order_classified(Classified { verdict, replayed }: &Classified) -> v1::ClassifyOrderResponse {
    v1::ClassifyOrderResponse {
        cycle: cycle(verdict.cycle).into(),
        settles_at: Some(timestamp(verdict.settles_at)),
        completed_at: Some(timestamp(verdict.completed_at)),
        replayed: *replayed,
        receipt: Some(receipt(&verdict.receipt)),
    }
}

/// The answer for one of many orders that is known for the first time, without its receipt.
pub fn ordinary_result(verdict: &Verdict) -> v1::OrderResult {
    let (cycle, settles_at) = (cycle(verdict.cycle).into(), Some(timestamp(verdict.settles_at)));
    v1::OrderResult { cycle, settles_at, ..v1::OrderResult::default() }
}

/// The answer for one of many orders, or why there is none.
pub fn order_result(result: Result<&Classified, Status>, with_receipt: bool) -> v1::OrderResult {
    match result {
        Ok(Classified { verdict, replayed }) => v1::OrderResult {
            replayed: *replayed,
            completed_at: with_receipt.then(|| timestamp(verdict.completed_at)),
            receipt: with_receipt.then(|| receipt(&verdict.receipt)),
            ..ordinary_result(verdict)
        },
        Err(status) => v1::OrderResult { refusal: Some(refusal(&status)), ..v1::OrderResult::default() },
    }
}

/// What one of many is refused with, as it would have been by itself.
fn refusal(status: &Status) -> v1::OrderRefusal {
    let details = status.get_error_details();
    let fields = details.bad_request().map(|bad| bad.field_violations.iter().map(|bad| bad.field.clone()).collect());
    let retry_after = details.retry_info().and_then(|retry| retry.retry_delay);
    v1::OrderRefusal {
        code: status.code().into(),
        reason: details.error_info().map(|info| info.reason.clone()).unwrap_or_default(),
        message: status.message().to_owned(),
        fields: fields.unwrap_or_default(),
        retry_after: retry_after.map(duration),
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
