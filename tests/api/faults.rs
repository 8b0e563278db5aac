//! What clients see of a disk that is slow, full or broken, and of too much at once.

use std::{sync::Arc, time::Duration};

use prost::Message as _;
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tplus::{journal::Half, proto::v1::ClassifyOrderResponse, server::ServeError};

use crate::support::{Setup, order, refusal, start_server_with};

#[tokio::test]
async fn a_full_engine_says_when_to_come_back() {
    let setup = Setup { max_in_flight: 1, ..Setup::default() };
    let faults = Arc::clone(&setup.faults);
    let server = start_server_with(setup).await;
    faults.hold(Half::Sync);
    let mut client = server.orders();
    let first = tokio::spawn(async move { client.classify_order(order("m", "first", "1")).await });
    let held = Arc::clone(&faults);
    tokio::task::spawn_blocking(move || held.wait_held(Half::Sync)).await.unwrap();

    let status = server.classify(order("m", "second", "1")).await.unwrap_err();
    assert!(status.get_error_details().retry_info().is_some());
    assert_eq!(refusal::<()>(Err(status)), (Code::ResourceExhausted, "OVERLOADED".into(), vec![]));
    assert_eq!(refusal(server.margin("m").await).1, "OVERLOADED", "reads wait for the disk too");

    faults.release(Half::Sync);
    assert!(!first.await.unwrap().unwrap().into_inner().replayed);
    assert!(!server.classify(order("m", "second", "1")).await.unwrap().replayed, "the refused one left nothing");
}

#[tokio::test]
async fn space_that_is_being_prepared_is_waited_for() {
    let server = start_server_with(Setup { segment_size: 16 << 10, ..Setup::default() }).await;
    let orders = (0..20).map(|merchant| {
        let mut client = server.orders();
        tokio::spawn(async move {
            for n in 0..30 {
                client.classify_order(order(&format!("m{merchant}"), &format!("o{n}"), "1")).await?;
            }
            Ok::<_, tonic::Status>(())
        })
    });
    // Some dozens of segments, faster than they can be prepared.
    for told in orders.collect::<Vec<_>>() {
        told.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_commands_and_answers_reads() {
    let setup = Setup { segment_size: 16 << 10, ..Setup::default() };
    let faults = Arc::clone(&setup.faults);
    let server = start_server_with(setup).await;
    faults.set_space(Some(0));
    let mut taken = 0;
    let status = loop {
        match server.classify(order("m", &format!("o{taken}"), "1")).await {
            Ok(_) => taken += 1,
            Err(status) => break status,
        }
        assert!(taken < 1_000, "two segments of 16 KiB do not hold that many");
    };
    assert!(status.get_error_details().retry_info().is_some());
    assert_eq!(refusal::<()>(Err(status)), (Code::ResourceExhausted, "STORAGE_FULL".into(), vec![]));
    assert_eq!(server.margin("m").await.unwrap().pending[0].orders, taken);
    assert!(server.classify(order("m", "o0", "1")).await.unwrap().replayed);

    faults.set_space(None);
    let mut tries = 0;
    while let Err(status) = server.classify(order("m", &format!("o{taken}"), "1")).await {
        assert_eq!(refusal::<()>(Err(status)).1, "STORAGE_FULL");
        tries += 1;
        assert!(tries < 1_000, "there is room again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.margin("m").await.unwrap().pending[0].orders, taken + 1);
}

#[tokio::test]
async fn a_failed_sync_answers_nobody_and_ends_the_server() {
    let setup = Setup::default();
    let faults = Arc::clone(&setup.faults);
    let server = start_server_with(setup).await;
    faults.fail(Half::Sync, 1);
    let (code, reason, _) = refusal(server.classify(order("m", "o", "1")).await);
    assert_eq!((code, &*reason), (Code::Unavailable, "UNAVAILABLE"));
    let ended = server.ended().await;
    assert!(matches!(ended, Err(ServeError::Fault(_))), "{ended:?}");
}

/// With a deadline that nobody can meet. Spoken without the client of tonic, which would not even send it.
#[tokio::test]
async fn a_call_whose_deadline_has_passed_is_not_looked_at() {
    let server = start_server_with(Setup::default()).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let call = |allowed: &str| {
        let path = format!("http://{}/tplus.v1.OrderService/ClassifyOrder", server.address);
        let request = http::Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
        request.header("grpc-timeout", allowed).body(()).unwrap()
    };
    let message = order("m", "o", "1").encode_to_vec();
    let message = [&[0], u32::try_from(message.len()).unwrap().to_be_bytes().as_slice(), &message].concat();
    let (answer, mut body) = client.send_request(call("1n"), false).unwrap();
    body.send_data(message.into(), true).unwrap();
    let answer = answer.await.unwrap();
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(refusal::<()>(Err(status)), (Code::DeadlineExceeded, "DEADLINE_PASSED".into(), vec![]));
    assert!(!server.classify(order("m", "o", "1")).await.unwrap().replayed, "it had been decided");
}

/// Who stops waiting for a disk that is slow, by a deadline or by going away.
#[tokio::test]
async fn who_stops_waiting_gets_the_same_answer_later() {
    let setup = Setup::default();
    let faults = Arc::clone(&setup.faults);
    let server = start_server_with(setup).await;
    faults.hold(Half::Sync);
    let mut hasty = tonic::Request::new(order("m", "hasty", "1"));
    hasty.set_timeout(Duration::from_millis(300));
    let mut client = server.orders();
    let hasty = tokio::spawn(async move { client.classify_order(hasty).await });
    let held = Arc::clone(&faults);
    tokio::task::spawn_blocking(move || held.wait_held(Half::Sync)).await.unwrap();
    let mut client = server.orders();
    let gone = tokio::spawn(async move { client.classify_order(order("m", "gone", "1")).await });
    let status = hasty.await.unwrap().unwrap_err();
    assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded), "{status}");
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());

    faults.release(Half::Sync);
    let first = server.classify(order("m", "hasty", "1")).await.unwrap();
    assert!(first.replayed, "it had been decided");
    let second = server.classify(order("m", "gone", "1")).await.unwrap();
    assert_eq!(
        server.classify(order("m", "gone", "1")).await.unwrap(),
        ClassifyOrderResponse { replayed: true, ..second }
    );
    assert_eq!(server.margin("m").await.unwrap().pending[0].orders, 2);
}
