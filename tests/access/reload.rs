//! Certificates and rules that are replaced while serving.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::mpsc, time::sleep};
use tonic::{Code, Request, codegen::tokio_stream::wrappers::ReceiverStream};
use tplus::proto::v1::{
    CompletedOrder, GetMarginRequest, StreamClassifyOrdersRequest, margin_service_client::MarginServiceClient,
};

use super::{CHECKOUT, OPS, RULES, Shop, is, order, pki::Authority, told, write};

/// Looks again until it is so.
async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    for _ in 0..600 {
        if so().await {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} did not come about");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_rotated_under_load_and_no_call_fails() {
    let mut shop = Shop::open(RULES);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut orders = shop.orders(shop.channel(CHECKOUT).await);
    let load = tokio::spawn({
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        async move {
            while !stop.load(Ordering::Relaxed) {
                let id = done.load(Ordering::Relaxed);
                orders.classify_order(order("m-1", &format!("o-{id}"))).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // Another authority altogether: for the server, and for its clients.
    let before = std::mem::replace(&mut shop.authority, Authority::new());
    let renewed = shop.authority.server();
    write(shop.root.path(), "server.key", &renewed.key);
    // Half of it is there: nothing changes, until the other half is.
    sleep(Duration::from_secs(3)).await;
    write(shop.root.path(), "server.pem", &renewed.cert);
    write(shop.root.path(), "ca.pem", &shop.authority.pem());
    let renewed = shop.endpoint(Some(&shop.authority.client(CHECKOUT)));
    until("a handshake with the new certificates", || async { renewed.connect().await.is_ok() }).await;
    shop.orders(renewed.connect().await.unwrap()).classify_order(order("m-1", "new")).await.unwrap();
    // Whoever is connected goes on, and nobody connects with an old one.
    let (now, outdated) = (done.load(Ordering::Relaxed), before.client(CHECKOUT));
    until("more calls", || async { done.load(Ordering::Relaxed) > now + 10 }).await;
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    if let Ok(channel) = shop.endpoint(Some(&outdated)).connect().await {
        shop.orders(channel).classify_order(order("m-1", "old")).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_are_replaced_hold_at_once_and_broken_ones_do_not() {
    let shop = Shop::open(RULES);
    let channel = shop.channel(CHECKOUT).await;
    let mut orders = shop.orders(channel.clone());
    let (sender, receiver) = mpsc::channel(1);
    let stream = ReceiverStream::new(receiver);
    let mut answers = orders.stream_classify_orders(Request::new(stream)).await.unwrap().into_inner();
    let chunk = |sequence: u64| StreamClassifyOrdersRequest {
        sequence,
        orders: vec![CompletedOrder {
            merchant_id: "m-1".into(),
            order_id: format!("s-{sequence}"),
            price: "1.00".into(),
            ..CompletedOrder::default()
        }],
        ..StreamClassifyOrdersRequest::default()
    };
    sender.send(chunk(1)).await.unwrap();
    assert_eq!(answers.message().await.unwrap().unwrap().results.len(), 1);

    write(shop.root.path(), "access.toml", "[roles\n");
    sleep(Duration::from_secs(3)).await;
    orders.classify_order(order("m-1", "o-1")).await.unwrap();

    write(shop.root.path(), "access.toml", &RULES.replacen("\"order.classify\", ", "", 1));
    let refused = || {
        let mut orders = shop.orders(channel.clone());
        async move {
            let answer = orders.classify_order(order("m-1", "o-2")).await;
            answer.is_err_and(|status| told(&status) == (Code::PermissionDenied, "PERMISSION_MISSING".to_owned()))
        }
    };
    until("the loss of a permission", refused).await;
    // A stream that has begun before ends as well.
    sender.send(chunk(2)).await.unwrap();
    is(answers.message().await, Code::PermissionDenied, "PERMISSION_MISSING");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_wait_for_their_rate_are_not_decided_for_somebody_who_may_not_any_more() {
    let slow = RULES.replacen("roles = [\"checkout\"]\n", "roles = [\"checkout\"]\nrate = 1\nburst = 1\n", 1);
    let shop = Shop::open(&slow);
    let mut orders = shop.orders(shop.channel(CHECKOUT).await);
    // At one in a second these would take half a minute.
    let wanted = (0..30).map(|id| CompletedOrder {
        merchant_id: "m-1".into(),
        order_id: format!("s-{id}"),
        price: "1.00".into(),
        ..CompletedOrder::default()
    });
    let chunk = StreamClassifyOrdersRequest { orders: wanted.collect(), ..StreamClassifyOrdersRequest::default() };
    let stream = tonic::codegen::tokio_stream::iter([chunk]);
    let mut answers = orders.stream_classify_orders(Request::new(stream)).await.unwrap().into_inner();
    write(shop.root.path(), "access.toml", &slow.replace(CHECKOUT, "spiffe://shop.example/other"));
    is(answers.message().await, Code::PermissionDenied, "CALLER_UNKNOWN");
    let margin = GetMarginRequest { merchant_id: "m-1".into(), ..GetMarginRequest::default() };
    let margin = MarginServiceClient::new(shop.channel(OPS).await).get_margin(margin).await;
    is(margin, Code::NotFound, "MERCHANT_NOT_FOUND");
}
