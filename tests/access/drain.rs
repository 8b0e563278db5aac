//! A server that is told to stop while it is asked, over TLS: what it has acknowledged is there afterwards, once and as it was said.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;
use tonic::{Code, Request, Status, codegen::tokio_stream::wrappers::ReceiverStream, transport::Channel};
use tplus::proto::v1::{
    ClassifyOrderResponse, ClassifyOrdersRequest, CompletedOrder, StreamClassifyOrdersRequest,
    order_service_client::OrderServiceClient,
};

use super::{CHECKOUT, RULES, Shop, order};

/// Of both ways to send.
const CALLERS: usize = 4;
/// Orders of a chunk.
const CHUNK: u64 = 20;

/// When it settles, and on which cycle.
type Answer = (i32, Option<prost_types::Timestamp>);

fn answer(response: &ClassifyOrderResponse) -> Answer {
    (response.cycle, response.settles_at)
}

fn completed(order_id: String) -> CompletedOrder {
    CompletedOrder { merchant_id: "m-1".into(), order_id, price: "10.00".into(), ..CompletedOrder::default() }
}

/// How a caller ended: what was acknowledged, by order, and the error that was the end.
struct Ended {
    acknowledged: Vec<(String, Answer)>,
    error: Status,
}

/// Sends one order after the other until it is told no.
async fn one_by_one(mut orders: OrderServiceClient<Channel>, caller: usize, done: Arc<AtomicU64>) -> Ended {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let id = format!("u-{caller}-{number}");
        match orders.classify_order(order("m-1", &id)).await {
            Ok(response) => acknowledged.push((id, answer(response.get_ref()))),
            Err(error) => return Ended { acknowledged, error },
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    unreachable!("there are enough numbers")
}

/// Sends chunks on a stream until it ends, or is told no.
async fn chunk_by_chunk(mut orders: OrderServiceClient<Channel>, caller: usize, done: Arc<AtomicU64>) -> Ended {
    let id = move |number: u64| format!("s-{caller}-{number}");
    let chunk = move |sequence: u64| {
        let orders = (sequence * CHUNK..(sequence + 1) * CHUNK).map(|number| completed(id(number))).collect();
        StreamClassifyOrdersRequest { sequence, orders, ..StreamClassifyOrdersRequest::default() }
    };
    let mut acknowledged = Vec::new();
    // At a pace at which the history keeps up.
    let (sender, chunks) = mpsc::channel(1);
    tokio::spawn(async move {
        for sequence in 0.. {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if sender.send(chunk(sequence)).await.is_err() {
                return;
            }
        }
    });
    let stream = orders.stream_classify_orders(Request::new(ReceiverStream::new(chunks))).await;
    let mut answers = stream.unwrap().into_inner();
    loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                for (number, result) in (answer.sequence * CHUNK..).zip(answer.results) {
                    assert!(result.refusal.is_none(), "{result:?}");
                    acknowledged.push((id(number), (result.cycle, result.settles_at)));
                }
                done.fetch_add(CHUNK, Ordering::Relaxed);
            }
            Ok(None) => return Ended { acknowledged, error: Status::unavailable("the stream has ended") },
            Err(error) => return Ended { acknowledged, error },
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_under_load_has_lost_nothing() {
    let mut shop = Shop::open(RULES);
    let done: Vec<Arc<AtomicU64>> = (0..2 * CALLERS).map(|_| Arc::default()).collect();
    let mut callers = Vec::new();
    for (caller, done) in done.chunks(2).enumerate() {
        let orders = shop.orders(shop.channel(CHECKOUT).await);
        callers.push(tokio::spawn(one_by_one(orders.clone(), caller, Arc::clone(&done[0]))));
        callers.push(tokio::spawn(chunk_by_chunk(orders, caller, Arc::clone(&done[1]))));
    }
    while done.iter().any(|done| done.load(Ordering::Relaxed) < 40) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // In a task of its own, since it waits for the process: it ends well, though everybody goes on asking.
    let server = shop.server.take().unwrap();
    tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
    let mut acknowledged = Vec::new();
    for caller in callers {
        let ended = caller.await.unwrap();
        // Told that it stops, or cut off where nothing could be told any more.
        let codes = [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::Internal];
        assert!(codes.contains(&ended.error.code()), "{:?}", ended.error);
        assert!(!ended.acknowledged.is_empty());
        acknowledged.extend(ended.acknowledged);
    }

    shop.serve(&[]);
    let mut orders = shop.orders(shop.channel(CHECKOUT).await);
    for some in acknowledged.chunks(1_000) {
        let repeats = some.iter().map(|(id, _)| completed(id.clone())).collect();
        let request = ClassifyOrdersRequest { orders: repeats, ..ClassifyOrdersRequest::default() };
        let again = orders.classify_orders(request).await.unwrap().into_inner().results;
        for ((id, first), again) in some.iter().zip(again) {
            assert!(again.replayed, "{id} was acknowledged, and is not there");
            assert_eq!((again.cycle, again.settles_at), *first, "{id}");
        }
    }
}
