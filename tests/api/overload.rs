//! Far more than the engine can take: what is refused leaves nothing, what is taken is answered, and afterwards all is as before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tonic::{Code, transport::Channel};
use tonic_types::StatusExt as _;
use tplus::{journal::Half, proto::v1::order_service_client::OrderServiceClient};

use crate::support::{Setup, connect, order, refusal, start_server_with};

/// How many commands the engine takes at once.
const ROOM: usize = 32;
/// How many callers there are at once, over how many connections: none of them waits before it comes again.
const CALLERS: usize = 512;
const CONNECTIONS: usize = 8;
/// How many orders somebody sends meanwhile, one after the other, over a connection of his own.
const BOUGHT: usize = 50;
/// How many are to be served before it is enough.
const SERVED: u64 = 1_000;

#[derive(Default)]
struct Counts {
    taken: AtomicU64,
    refused: AtomicU64,
    stop: AtomicBool,
}

/// Sends one order after the other, each until it is taken. Answers who it was, and how many were.
fn storm(channel: Channel, caller: usize, counts: Arc<Counts>) -> tokio::task::JoinHandle<(usize, u64)> {
    let mut client = OrderServiceClient::new(channel);
    tokio::spawn(async move {
        let mut taken = 0;
        while !counts.stop.load(Ordering::Relaxed) {
            match client.classify_order(order(&format!("m{caller}"), &format!("o{taken}"), "1")).await {
                Ok(answer) => {
                    assert!(!answer.into_inner().replayed, "what was refused had left nothing");
                    counts.taken.fetch_add(1, Ordering::Relaxed);
                    taken += 1;
                }
                Err(status) => {
                    assert!(status.get_error_details().retry_info().is_some());
                    assert_eq!(refusal::<()>(Err(status)), (Code::ResourceExhausted, "OVERLOADED".into(), vec![]));
                    counts.refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        (caller, taken)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_callers_is_refused_and_leaves_nothing() {
    let setup = Setup { max_in_flight: ROOM, ..Setup::default() };
    let faults = Arc::clone(&setup.faults);
    let server = start_server_with(setup).await;
    faults.slow(Half::Sync, Duration::from_millis(5));
    let counts = Arc::new(Counts::default());
    let mut callers = Vec::new();
    for connection in 0..CONNECTIONS {
        let channel = connect(server.address).await.unwrap();
        let some = (connection * CALLERS..(connection + 1) * CALLERS).step_by(CONNECTIONS);
        callers.extend(some.map(|caller| storm(channel.clone(), caller, Arc::clone(&counts))));
    }
    // Nobody can take all the room: who asks for little gets it, in the worst of it too.
    while counts.refused.load(Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut customer = OrderServiceClient::new(connect(server.address).await.unwrap());
    for number in 0..BOUGHT {
        let taken = customer.classify_order(order("customer", &format!("o{number}"), "1")).await;
        taken.unwrap_or_else(|status| panic!("order {number} of somebody who storms not: {status}"));
    }
    while counts.taken.load(Ordering::Relaxed) < SERVED {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    counts.stop.store(true, Ordering::Relaxed);
    let mut taken = Vec::new();
    for caller in callers {
        taken.push(caller.await.unwrap());
    }
    faults.slow(Half::Sync, Duration::ZERO);
    assert!(counts.refused.load(Ordering::Relaxed) > 0, "there was too little of it");

    for (caller, taken) in taken.into_iter().filter(|(_, taken)| *taken > 0) {
        let margin = server.margin(&format!("m{caller}")).await.unwrap();
        assert_eq!(margin.pending.iter().map(|pending| pending.orders).sum::<u64>(), taken, "of m{caller}");
    }
    assert!(!server.classify(order("afterwards", "o", "1")).await.unwrap().replayed);
}
