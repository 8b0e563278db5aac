//! An order that is classified among others.

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tplus::{
    grpc::{Services, wire::ClassifyOrdersRequest},
    proto::{orders::order_service_server::OrderService as _, v1},
};

use crate::send::admitted;

/// Classifies an order by itself or, every other time, between two of which nothing can be made; that must not make a difference.
pub(crate) async fn classify(
    services: &Services,
    order: v1::ClassifyOrderRequest,
) -> Result<v1::ClassifyOrderResponse, Status> {
    let alone = order.order_id.len().wrapping_add(order.price.len()).is_multiple_of(2);
    if alone {
        services.classify_order(admitted(order)).await.map(tonic::Response::into_inner)
    } else {
        among_others(services, order).await
    }
}

async fn among_others(
    services: &Services,
    order: v1::ClassifyOrderRequest,
) -> Result<v1::ClassifyOrderResponse, Status> {
    let v1::ClassifyOrderRequest { merchant_id, order_id, price, profit, completed_at, validate_only, not_after } =
        order;
    let order = v1::CompletedOrder { merchant_id, order_id, price, profit, completed_at };
    let bad = v1::CompletedOrder { price: "-1".into(), ..order.clone() };
    let orders = vec![bad, order, v1::CompletedOrder::default()];
    let chunk = v1::ClassifyOrdersRequest { orders, with_receipts: true, validate_only, not_after };
    let chunk = ClassifyOrdersRequest::decode(&*chunk.encode_to_vec()).expect("a message");
    let answer = services.classify_orders(admitted(chunk)).await?.into_inner().encode_to_vec();
    let results = v1::ClassifyOrdersResponse::decode(&*answer).expect("a message").results;
    let [before, result, after] = <[v1::OrderResult; 3]>::try_from(results).expect("a result for each");
    assert!(before.refusal.is_some() && after.refusal.is_some(), "{before:?}, {after:?}");
    match result.refusal {
        Some(refusal) => Err(status(refusal)),
        None => Ok(v1::ClassifyOrderResponse {
            cycle: result.cycle,
            settles_at: result.settles_at,
            completed_at: result.completed_at,
            replayed: result.replayed,
            receipt: result.receipt,
        }),
    }
}

/// The refusal as the status of a call of its own.
fn status(refusal: v1::OrderRefusal) -> Status {
    let mut details = ErrorDetails::with_error_info(refusal.reason, "", std::collections::HashMap::new());
    for field in refusal.fields {
        details.add_bad_request_violation(field, "");
    }
    Status::with_error_details(Code::from(refusal.code), refusal.message, details)
}
