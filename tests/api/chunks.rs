//! Many orders at once: every one gets what it would have got by itself.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tonic::{Code, Response, Status, Streaming, codegen::tokio_stream::wrappers::ReceiverStream};
use tonic_types::StatusExt as _;
use tplus::{domain::Policy, grpc::convert, journal::Half, proto::v1::*};

use crate::{
    calls::told,
    support::{Setup, TestServer, guarantee, instant, order, start_server, start_server_with},
};

fn completed(merchant: &str, order: &str, price: &str) -> CompletedOrder {
    CompletedOrder {
        merchant_id: merchant.into(),
        order_id: order.into(),
        price: price.into(),
        ..CompletedOrder::default()
    }
}

fn chunk(orders: Vec<CompletedOrder>) -> ClassifyOrdersRequest {
    ClassifyOrdersRequest { orders, ..ClassifyOrdersRequest::default() }
}

async fn classify(server: &TestServer, request: ClassifyOrdersRequest) -> Result<Vec<OrderResult>, Status> {
    server.orders().classify_orders(request).await.map(|response| response.into_inner().results)
}

/// What the results say, a line each.
fn lines(results: &[OrderResult]) -> Vec<String> {
    let line = |result: &OrderResult| match &result.refusal {
        Some(refusal) => format!("{} {}", refusal.reason, refusal.fields.join(",")),
        None => format!("{:?}{}", result.cycle(), if result.replayed { " again" } else { "" }),
    };
    results.iter().map(line).collect()
}

#[tokio::test]
async fn each_order_of_a_chunk_is_decided_behind_the_one_before_it() {
    let server = start_server().await;
    server.modify(guarantee("m", "g", 100)).await.unwrap();
    let orders = vec![
        completed("m", "a", "60"),
        completed("m", "b", "40"),
        completed("m", "c", "0.01"),
        completed("n", "a", "5"),
        completed("m", "a", "60.00"),
    ];
    let results = classify(&server, chunk(orders.clone())).await.unwrap();
    assert_eq!(lines(&results), ["Quick", "Quick", "Standard", "Standard", "Quick again"]);
    let alone = server.classify(order("m", "b", "40")).await.unwrap();
    assert_eq!((alone.replayed, alone.settles_at), (true, results[1].settles_at));
    assert_eq!((results[1].receipt.clone(), results[1].completed_at), (None, None), "compact, if not asked otherwise");

    let with_receipts = ClassifyOrdersRequest { with_receipts: true, ..chunk(orders) };
    let again = classify(&server, with_receipts).await.unwrap();
    assert!(again.iter().all(|result| result.replayed));
    assert_eq!((again[1].receipt.clone(), again[1].completed_at), (alone.receipt, alone.completed_at));
}

#[tokio::test]
async fn a_refused_order_does_not_spoil_the_others() {
    let server = start_server().await;
    server.modify(guarantee("m", "g", 100)).await.unwrap();
    server.classify(order("m", "known", "10")).await.unwrap();
    let long_ago = convert::timestamp(server.noon.before(Duration::from_hours(25)));
    let results = classify(
        &server,
        chunk(vec![
            completed("m", "a", "60"),
            completed("m", "", "1e9"),
            completed("m", "known", "11"),
            CompletedOrder { completed_at: Some(long_ago), ..completed("m", "late", "1") },
            CompletedOrder { profit: "2".into(), ..completed("m", "greedy", "1") },
            completed("m", "b", "30"),
        ]),
    );
    let results = results.await.unwrap();
    let expected = ["Quick", "INVALID_FIELD order_id,price", "ID_REUSED price", "ORDER_TOO_OLD completed_at"];
    assert_eq!(lines(&results[..4]), expected);
    assert_eq!(lines(&results[4..]), ["INVALID_FIELD profit", "Quick"]);

    // Each is what it would have got alone.
    let alone = server.classify(order("m", "known", "11")).await.unwrap_err();
    let refusal = results[2].refusal.as_ref().unwrap();
    assert_eq!((refusal.code, refusal.message.as_str()), (Code::AlreadyExists.into(), alone.message()));
    assert_eq!(refusal.retry_after, None);
    let margin = server.margin("m").await.unwrap();
    assert_eq!(margin.quota.unwrap().used_all, "100.00", "the refused ones left nothing");
    let text = server.scrape().await;
    for (reason, refused) in [("INVALID_FIELD", 2), ("ORDER_TOO_OLD", 1), ("ID_REUSED", 2), ("OVERLOADED", 0)] {
        assert!(text.contains(&format!("tplus_refused_total{{reason=\"{reason}\"}} {refused}\n")), "{reason}");
    }
}

#[tokio::test]
async fn a_chunk_is_tried_out_and_has_a_limit() {
    let server = start_server().await;
    server.modify(guarantee("m", "g", 100)).await.unwrap();
    let orders = || vec![completed("m", "a", "100"), completed("m", "b", "100")];
    let tried = ClassifyOrdersRequest { validate_only: true, ..chunk(orders()) };
    assert_eq!(lines(&classify(&server, tried).await.unwrap()), ["Quick", "Quick"], "each as if it came alone");

    let passed = Some(convert::timestamp(server.now().await.before(Duration::from_micros(1))));
    let late = ClassifyOrdersRequest { not_after: passed, ..chunk(orders()) };
    assert_eq!(lines(&classify(&server, late.clone()).await.unwrap()), ["NOT_AFTER_PASSED not_after"; 2]);
    assert_eq!(lines(&classify(&server, chunk(orders())).await.unwrap()), ["Quick", "Standard"]);
    assert_eq!(lines(&classify(&server, late).await.unwrap()), ["Quick again", "Standard again"]);
}

#[tokio::test]
async fn a_chunk_has_one_to_8192_orders() {
    let server = start_server_with(Setup { segment_size: 16 << 20, ..Setup::default() }).await;
    let many = |count| (0..count).map(|n| completed("m", &format!("o{n}"), "1")).collect::<Vec<_>>();
    assert_eq!(told(classify(&server, chunk(many(0))).await), "INVALID_ARGUMENT INVALID_FIELD field=orders");
    assert_eq!(told(classify(&server, chunk(many(8_193))).await), "INVALID_ARGUMENT INVALID_FIELD field=orders");
    let most = classify(&server, chunk(many(8_192))).await.unwrap();
    assert_eq!(most.len(), 8_192);
    assert!(most.iter().all(|result| result.cycle() == SettlementCycle::Standard && !result.replayed));
    assert_eq!(server.margin("m").await.unwrap().pending_total, "8192.00");
}

#[tokio::test]
async fn a_chunk_that_finds_no_room_is_refused_whole_and_a_stream_goes_on() {
    let setup = Setup { max_in_flight: 8, ..Setup::default() };
    let faults = Arc::clone(&setup.faults);
    let server = start_server_with(setup).await;
    let mut stream = Stream::open(&server).await;
    faults.hold(Half::Sync);
    // A chunk that is larger than all there is gets all there is.
    let orders = (0..100).map(|n| completed("m", &format!("o{n}"), "1")).collect();
    let mut client = server.orders();
    let first = tokio::spawn(async move { client.classify_orders(chunk(orders)).await });
    let held = Arc::clone(&faults);
    tokio::task::spawn_blocking(move || held.wait_held(Half::Sync)).await.unwrap();

    let refused = classify(&server, chunk(vec![completed("n", "a", "1"), completed("n", "b", "1")])).await;
    assert!(refused.as_ref().unwrap_err().get_error_details().retry_info().is_some());
    assert_eq!(told(refused), "RESOURCE_EXHAUSTED OVERLOADED");
    stream.send(1, vec![completed("n", "c", "1")]).await;

    faults.release(Half::Sync);
    assert_eq!(first.await.unwrap().unwrap().into_inner().results.len(), 100);
    assert_eq!(stream.next().await.unwrap(), Some((1, vec!["Standard".into()])));
    let known = server.margin("n").await.unwrap().pending_total;
    assert_eq!(known, "1.00", "nothing of the refused chunk was looked at");
}

#[tokio::test]
async fn a_journal_that_fails_ends_chunk_and_stream() {
    let setup = Setup::default();
    let faults = Arc::clone(&setup.faults);
    let server = start_server_with(setup).await;
    let mut stream = Stream::open(&server).await;
    stream.send(1, vec![completed("m", "a", "1")]).await;
    assert_eq!(stream.next().await.unwrap(), Some((1, vec!["Standard".into()])));
    faults.fail(Half::Sync, 1);
    let failed = classify(&server, chunk(vec![completed("m", "b", "1")])).await;
    assert_eq!(failed.unwrap_err().code(), Code::Unavailable, "never a result for what is not durable");
    // The server may be gone before it reads this.
    let again = StreamClassifyOrdersRequest { orders: vec![completed("m", "c", "1")], ..Default::default() };
    drop(stream.chunks.send(again).await);
    assert_eq!(stream.next().await.unwrap_err().code(), Code::Unavailable);
}

/// A stream of chunks, and its answers.
struct Stream {
    chunks: mpsc::Sender<StreamClassifyOrdersRequest>,
    answers: Streaming<StreamClassifyOrdersResponse>,
}

impl Stream {
    async fn open(server: &TestServer) -> Self {
        let (chunks, sent) = mpsc::channel(64);
        let answers = server.orders().stream_classify_orders(ReceiverStream::new(sent)).await.map(Response::into_inner);
        Self { chunks, answers: answers.expect("the stream opens") }
    }

    async fn send(&self, sequence: u64, orders: Vec<CompletedOrder>) {
        let chunk = StreamClassifyOrdersRequest { sequence, orders, ..StreamClassifyOrdersRequest::default() };
        self.chunks.send(chunk).await.expect("the server listens");
    }

    async fn next(&mut self) -> Result<Option<(u64, Vec<String>)>, Status> {
        let answer = self.answers.message().await?;
        Ok(answer.map(|answer| (answer.sequence, lines(&answer.results))))
    }
}

#[tokio::test]
async fn chunk_after_chunk_is_answered_in_order() {
    let server = start_server().await;
    server.modify(guarantee("m", "g", 100)).await.unwrap();
    let mut stream = Stream::open(&server).await;
    stream.send(7, vec![completed("m", "a", "60"), completed("m", "", "1")]).await;
    stream.send(7, vec![completed("m", "b", "50")]).await;
    stream.send(3, vec![completed("m", "a", "60"), completed("m", "c", "-1")]).await;
    assert_eq!(stream.next().await.unwrap(), Some((7, vec!["Quick".into(), "INVALID_FIELD order_id".into()])));
    assert_eq!(stream.next().await.unwrap(), Some((7, vec!["Standard".into()])));
    assert_eq!(stream.next().await.unwrap(), Some((3, vec!["Quick again".into(), "INVALID_FIELD price".into()])));
    assert!(server.scrape().await.contains("tplus_refused_total{reason=\"INVALID_FIELD\"} 2\n"));
    let Stream { chunks, mut answers } = stream;
    drop(chunks);
    assert_eq!(answers.message().await.unwrap(), None, "it ends when there are no more");
}

/// Chunks that have arrived together may be decided together; nobody can tell.
#[tokio::test]
async fn small_chunks_that_come_at_once_are_each_answered_by_themselves() {
    let server = start_server().await;
    server.modify(guarantee("m", "g", 100)).await.unwrap();
    let mut stream = Stream::open(&server).await;
    // Each order twice: of the first ten one fills a tenth of the quota each, and in the second half something is wrong here and there.
    for sequence in 0..60 {
        let mut orders = vec![completed("m", &format!("o{}", sequence / 2), "10")];
        if sequence % 7 == 3 {
            orders.push(completed("n", &format!("n{sequence}"), "1"));
        }
        if sequence > 30 && sequence % 5 == 0 {
            orders.insert(0, completed("m", "", "1"));
        }
        stream.send(sequence, orders).await;
    }
    for sequence in 0..60 {
        let cycle = if sequence < 20 { "Quick" } else { "Standard" };
        let mut expected = vec![if sequence % 2 == 0 { cycle.to_owned() } else { format!("{cycle} again") }];
        if sequence % 7 == 3 {
            expected.push("Standard".into());
        }
        if sequence > 30 && sequence % 5 == 0 {
            expected.insert(0, "INVALID_FIELD order_id".into());
        }
        assert_eq!(stream.next().await.unwrap(), Some((sequence, expected)));
    }
}

#[tokio::test]
async fn a_chunk_that_makes_no_sense_ends_the_stream_after_the_answers_before_it() {
    let server = start_server().await;
    let mut stream = Stream::open(&server).await;
    stream.send(1, vec![completed("m", "a", "1")]).await;
    stream.send(2, vec![]).await;
    assert_eq!(stream.next().await.unwrap(), Some((1, vec!["Standard".into()])));
    assert_eq!(told(stream.next().await), "INVALID_ARGUMENT INVALID_FIELD field=orders");
}

#[tokio::test]
async fn a_server_that_drains_answers_what_it_has_taken() {
    let mut server = start_server().await;
    let mut stream = Stream::open(&server).await;
    stream.send(1, vec![completed("m", "a", "1")]).await;
    assert_eq!(stream.next().await.unwrap(), Some((1, vec!["Standard".into()])));
    server.ask_to_stop();
    assert_eq!(told(stream.next().await), "UNAVAILABLE UNAVAILABLE state:stopping");
    server.ended().await.unwrap();
}

#[tokio::test]
async fn who_does_not_read_is_slowed_down_and_keeps_nobody_from_the_engine() {
    let setup = Setup { max_in_flight: 16, ..Setup::default() };
    let server = start_server_with(setup).await;
    let mut stream = Stream::open(&server).await;
    let chunks = stream.chunks.clone();
    let orders = |number: u64| (0..16).map(|n| completed("m", &format!("o{number}-{n}"), "1")).collect::<Vec<_>>();
    let sent = tokio::spawn(async move {
        for sequence in 0..2_000 {
            let orders = orders(sequence);
            let chunk = StreamClassifyOrdersRequest { sequence, orders, ..StreamClassifyOrdersRequest::default() };
            if chunks.send(chunk).await.is_err() {
                return;
            }
        }
    });
    // Others are served meanwhile, though each chunk takes all the room that streams have.
    for n in 0..20 {
        server.classify(order("n", &format!("o{n}"), "1")).await.unwrap();
    }
    for sequence in 0..2_000 {
        let (answered, results) = stream.next().await.unwrap().expect("an answer");
        assert_eq!((answered, results.len()), (sequence, 16));
    }
    sent.await.unwrap();
    let Stream { chunks, mut answers } = stream;
    drop(chunks);
    assert_eq!(answers.message().await.unwrap(), None);
    assert_eq!(server.margin("m").await.unwrap().pending_total, "32000.00");
    let settles = server.margin("m").await.unwrap().pending[0].settles_at;
    let calendar = Policy::default().calendar;
    assert_eq!(instant(settles), calendar.start_of(calendar.day_of(server.noon).plus(7)));
}

/// A chunk that waits for room behind a slow disk, and whoever sent it has gone.
#[tokio::test]
async fn a_stream_that_is_given_up_decides_no_chunk_that_still_waited() {
    let setup = Setup { max_in_flight: 2, ..Setup::default() };
    let faults = Arc::clone(&setup.faults);
    let server = start_server_with(setup).await;
    faults.hold(Half::Sync);
    let mut first = Stream::open(&server).await;
    first.send(1, vec![completed("m", "a", "1"), completed("m", "b", "1")]).await;
    let held = Arc::clone(&faults);
    tokio::task::spawn_blocking(move || held.wait_held(Half::Sync)).await.unwrap();
    let second = Stream::open(&server).await;
    second.send(1, vec![completed("m", "c", "1"), completed("m", "d", "1")]).await;
    // It is there and waits by the time that something is answered that came behind it on the same connection.
    for _ in 0..10 {
        server.orders().get_order(GetOrderRequest::default()).await.unwrap_err();
    }
    drop(second);
    for _ in 0..10 {
        server.orders().get_order(GetOrderRequest::default()).await.unwrap_err();
    }
    faults.release(Half::Sync);
    assert_eq!(first.next().await.unwrap().unwrap().1.len(), 2);
    first.send(2, vec![completed("m", "e", "1")]).await;
    assert_eq!(first.next().await.unwrap().unwrap().1.len(), 1);
    assert!(!server.classify(order("m", "c", "1")).await.unwrap().replayed, "it was decided for nobody");
}
