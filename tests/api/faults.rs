//! What clients see of a disk that is slow, full or broken, and of too much at once.

use std::{sync::Arc, time::Duration};

use tonic::Code;
use tonic_types::StatusExt as _;
use tplus::{journal::Half, server::ServeError};

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
