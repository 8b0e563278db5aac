//! How much a caller may ask for.

use tonic::{Code, Request, codegen::tokio_stream::iter};
use tonic_types::StatusExt as _;
use tplus::proto::v1::{ClassifyOrdersRequest, CompletedOrder, StreamClassifyOrdersRequest};

use super::{CHECKOUT, OPS, RULES, Shop, is, order, told};

fn limited(limits: &str) -> String {
    RULES.replacen("roles = [\"checkout\"]\n", &format!("roles = [\"checkout\"]\n{limits}\n"), 1)
}

fn completed(ids: std::ops::Range<usize>) -> Vec<CompletedOrder> {
    let order = |id| CompletedOrder {
        merchant_id: "m-1".into(),
        order_id: format!("chunk-{id}"),
        price: "1.00".into(),
        ..CompletedOrder::default()
    };
    ids.map(order).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_too_often_is_told_when_to_come_back_and_others_are_not_bothered() {
    // So few in a second that none comes back while this runs, or one.
    let shop = Shop::open(&limited("rate = 1\nburst = 10"));
    let mut orders = shop.orders(shop.channel(CHECKOUT).await);
    let mut refused = None;
    for id in 0..60 {
        match orders.classify_order(order("m-1", &format!("o-{id}"))).await {
            Ok(_) => {}
            Err(status) => {
                refused = Some(status);
                break;
            }
        }
    }
    let refused = refused.unwrap();
    assert_eq!(told(&refused), (Code::ResourceExhausted, "RATE_EXCEEDED".to_owned()));
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    let mut others = shop.orders(shop.channel(OPS).await);
    for id in 0..60 {
        others.classify_order(order("m-1", &format!("p-{id}"))).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_a_chunk_count_each_and_a_stream_is_read_as_fast_as_it_may_be() {
    let shop = Shop::open(&limited("rate = 200\nburst = 20"));
    let mut orders = shop.orders(shop.channel(CHECKOUT).await);
    let chunk = |ids| ClassifyOrdersRequest { orders: completed(ids), ..ClassifyOrdersRequest::default() };
    is(orders.classify_orders(chunk(0..40)).await, Code::ResourceExhausted, "RATE_EXCEEDED");
    // Some of them are taken together, and are more then than may come at once.
    let chunks = (0..8).map(|sequence| {
        let first = usize::try_from(sequence).unwrap() * 10;
        StreamClassifyOrdersRequest { sequence, orders: completed(first..first + 10), ..Default::default() }
    });
    let mut answers = orders.stream_classify_orders(Request::new(iter(chunks))).await.unwrap().into_inner();
    let mut taken = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        assert!(answer.results.iter().all(|result| result.refusal.is_none()));
        taken += answer.results.len();
    }
    assert_eq!(taken, 80);
}
