//! Connections that break, answers that get lost, servers that are killed.

use std::time::Duration;

use tempfile::TempDir;
use tplus::{
    client::{Client, Kind, Order, Retry, Watch},
    domain::Money,
    proto::v1,
};

use crate::{proxy::Proxy, served::Server};

const ARGS: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn patient(address: &str) -> Client {
    let mut retry = Retry::default();
    retry.most_tries = 1_000;
    retry.first_wait = Duration::from_millis(10);
    retry.longest_wait = Duration::from_millis(50);
    retry.budget = 1_000;
    Client::builder(address).retry(retry).deadline(Duration::from_secs(100)).build().unwrap()
}

#[tokio::test]
async fn a_command_whose_answer_gets_lost_happens_once() {
    let root = TempDir::new().unwrap();
    let (_server, address) = Server::start(root.path(), &ARGS, &[]);
    let (proxy, direct) = (Proxy::start().await, patient(&address));
    proxy.lead_to(Some(&address));
    let merchant = patient(&proxy.address).merchant("m1");
    merchant.pay(Money::from_cents(100), "", "warm").await.unwrap();

    proxy.mute(true);
    let paying = tokio::spawn(async move { merchant.pay(Money::from_cents(250), "", "pay").await });
    // The server has it, and the client has not heard of it.
    let margin = || async { direct.merchant("m1").margin().await.unwrap().available };
    while margin().await != Money::from_cents(350) {
        tokio::task::yield_now().await;
    }
    proxy.mute(false);
    proxy.cut();
    let paid = paying.await.unwrap().unwrap();
    assert!(paid.done.replayed, "the first answer again");
    assert_eq!(margin().await, Money::from_cents(350));
}

#[tokio::test]
async fn who_gives_up_is_told_what_is_known() {
    let root = TempDir::new().unwrap();
    let (_server, address) = Server::start(root.path(), &ARGS, &[]);
    let proxy = Proxy::start().await;
    proxy.lead_to(Some(&address));
    let client = patient(&proxy.address);
    client.merchant("m1").pay(Money::CENT, "", "warm").await.unwrap();

    proxy.mute(true);
    let hasty = client.within(Duration::from_millis(1_500)).merchant("m1");
    let error = hasty.pay(Money::CENT, "", "pay").await.unwrap_err();
    assert_eq!((error.kind(), error.is_unclear()), (Kind::Unavailable, true), "{error}");

    let nobody = TempDir::new().unwrap();
    let (gone, address) = Server::start(nobody.path(), &ARGS, &[]);
    gone.kill();
    let mut retry = Retry::default();
    retry.most_tries = 2;
    retry.first_wait = Duration::from_millis(1);
    let client = Client::builder(address).retry(retry).build().unwrap();
    let error = client.merchant("m1").pay(Money::CENT, "", "pay").await.unwrap_err();
    assert_eq!((error.kind(), error.is_unclear(), error.tries()), (Kind::Unavailable, false, 2), "{error}");
}

/// A server that is killed in the middle of a stream, and another one that goes on with its directory: each order is answered and
/// decided once, and a watcher is told of each once.
#[tokio::test]
async fn streams_go_on_with_a_server_that_was_killed() {
    const CHUNKS: u32 = 120;
    const KILLS: [u32; 3] = [10, 47, 90];
    let root = TempDir::new().unwrap();
    let (server, address) = Server::start(root.path(), &ARGS, &[]);
    let mut server = Some(server);
    let proxy = Proxy::start().await;
    proxy.lead_to(Some(&address));
    let client = patient(&proxy.address);
    client.merchant("m1").modify_guarantee(1_000, "raise").await.unwrap();

    let chunk = |n: u32| (0..20).map(|m| Order::new("m1", format!("o{n}-{m}"), Money::from_cents(100))).collect();
    let chunks: Vec<Vec<Order>> = (0..CHUNKS).map(chunk).collect();
    let mut answers = client.classify_stream(tokio_stream::iter(chunks.clone()));
    let mut events = client.watch(Watch { kinds: vec![v1::EntryKind::OrderClassified], ..Watch::default() });
    let watching = tokio::spawn(async move {
        let mut told = Vec::new();
        while told.len() < 20 * CHUNKS as usize {
            if let Some(v1::watch_events_response::Event::Entry(entry)) = events.next().await.unwrap().event {
                told.push(entry.subject_id);
            }
        }
        told
    });
    for (n, chunk) in (0..).zip(&chunks) {
        if KILLS.contains(&n) {
            server.take().unwrap().kill();
            proxy.cut();
            let (another, address) = Server::start(root.path(), &ARGS, &[]);
            server = Some(another);
            proxy.lead_to(Some(&address));
        }
        let answered = answers.next().await.unwrap().unwrap();
        assert_eq!(&answered.orders, chunk);
        assert!(answered.results.iter().all(Result::is_ok), "{:?}", answered.results);
    }
    assert!(answers.next().await.unwrap().is_none());
    let margin = client.merchant("m1").margin().await.unwrap();
    assert_eq!(margin.quota.used_all, Money::from_cents(100).times(20 * CHUNKS), "each counted once");
    let told = watching.await.unwrap();
    let sent: Vec<_> = chunks.iter().flatten().map(|order| order.order_id.clone()).collect();
    assert_eq!(told, sent, "each told once, in order");
}
