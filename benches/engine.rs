//! From one submit to a durable answer over loopback.
//!
//! Over the wire, client and server share the machine: the figures are those of both together.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a bench that cannot go on may fail")]

#[path = "support/mod.rs"]
mod support;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use divan::{Bencher, counter::ItemsCount};
use support::{directory, engine, file_store, guarantee, order};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::mpsc};
use tonic::{codegen::tokio_stream::wrappers::ReceiverStream, transport::Channel};
use tplus::{
    engine::Engine,
    history::{self, History},
    journal::MemoryStore,
    metrics::Metrics,
    proto::v1::{
        ClassifyOrderRequest, CompletedOrder, StreamClassifyOrdersRequest, order_service_client::OrderServiceClient,
    },
    server::{Opened, Recovered, Server, ServerOptions},
};

/// How many merchants there are.
const MERCHANTS: u64 = 100_000;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// Lock, decide, encode, append, apply, remember; the journal takes it in memory.
#[divan::bench(sample_count = 20, sample_size = 5_000)]
fn submit_in_memory(bencher: Bencher<'_, '_>) {
    let engine = engine(MemoryStore::new());
    prepare(&engine);
    let number = AtomicU64::new(0);
    bencher
        .with_inputs(|| {
            let n = number.fetch_add(1, Ordering::Relaxed);
            order(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % MERCHANTS, n)
        })
        .bench_local_values(|request| engine.submit(&request));
    engine.close().expect("closed");
}

/// A repeat of an order that is known.
#[divan::bench(sample_count = 20, sample_size = 5_000)]
fn repeat_in_memory(bencher: Bencher<'_, '_>) {
    let engine = engine(MemoryStore::new());
    let request = order(7, 7);
    engine.submit(&request).result.expect("classified");
    bencher.bench_local(|| engine.submit(&request));
    engine.close().expect("closed");
}

/// One caller after the other: answered when it is on disk.
#[divan::bench(sample_count = 20, sample_size = 200)]
fn execute_durably(bencher: Bencher<'_, '_>) {
    let dir = directory();
    let engine = engine(file_store(&dir));
    let runtime = Runtime::new().expect("a runtime");
    let number = AtomicU64::new(0);
    bencher
        .with_inputs(|| order(number.load(Ordering::Relaxed) % 1_000, number.fetch_add(1, Ordering::Relaxed)))
        .bench_local_values(|request| runtime.block_on(engine.execute(request)));
    engine.close().expect("closed");
}

/// Over gRPC on loopback, durable, so many calls in flight over 4 connections.
#[divan::bench(args = [1, 50, 200, 1_000], sample_count = 10, sample_size = 1)]
fn unary_over_loopback(bencher: Bencher<'_, '_>, in_flight: u64) {
    let runtime = Runtime::new().expect("a runtime");
    let dir = directory();
    let engine = engine(file_store(&dir));
    let address = runtime.block_on(serve(Arc::clone(&engine), &dir));
    let channels: Vec<_> = (0..4).map(|_| runtime.block_on(connect(address))).collect();
    let number = Arc::new(AtomicU64::new(0));
    let calls = if in_flight == 1 { 2_000 } else { 20_000 };
    bencher.counter(ItemsCount::new(calls)).bench_local(|| {
        runtime.block_on(async {
            let callers = (0..in_flight).map(|caller| {
                let channel = channels[caller as usize % channels.len()].clone();
                tokio::spawn(call(channel, Arc::clone(&number), calls / in_flight))
            });
            for caller in callers.collect::<Vec<_>>() {
                caller.await.expect("answered");
            }
        });
    });
    drop(channels);
    engine.close().expect("closed");
}

async fn call(channel: Channel, number: Arc<AtomicU64>, calls: u64) {
    let mut client = OrderServiceClient::new(channel);
    for _ in 0..calls {
        let n = number.fetch_add(1, Ordering::Relaxed);
        let request = ClassifyOrderRequest {
            merchant_id: format!("merchant-{:08}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15) % MERCHANTS),
            order_id: format!("order-{n:016}"),
            price: "19.99".into(),
            ..ClassifyOrderRequest::default()
        };
        client.classify_order(request).await.expect("classified");
    }
}

/// Over one stream on loopback, durable, in chunks of so many, 16 of them in flight. The client's messages are made beforehand.
#[divan::bench(args = [1, 10, 100, 1_000], sample_count = 10, sample_size = 1)]
fn stream_over_loopback(bencher: Bencher<'_, '_>, chunk: u64) {
    let runtime = Runtime::new().expect("a runtime");
    let dir = directory();
    let engine = engine(file_store(&dir));
    let address = runtime.block_on(serve(Arc::clone(&engine), &dir));
    let channel = runtime.block_on(connect(address));
    let number = AtomicU64::new(0);
    let chunks = if chunk == 1 { 20_000 } else { 200_000 / chunk };
    bencher
        .counter(ItemsCount::new(chunks * chunk))
        .with_inputs(|| {
            let orders = || (0..chunk).map(|_| completed(number.fetch_add(1, Ordering::Relaxed))).collect();
            (0..chunks).map(|sequence| chunk_of(sequence, orders())).collect::<Vec<_>>()
        })
        .bench_local_values(|chunks| runtime.block_on(stream(channel.clone(), chunks)));
    drop(channel);
    engine.close().expect("closed");
}

fn completed(number: u64) -> CompletedOrder {
    CompletedOrder {
        merchant_id: format!("merchant-{:08}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % MERCHANTS),
        order_id: format!("order-{number:016}"),
        price: "19.99".into(),
        ..CompletedOrder::default()
    }
}

fn chunk_of(sequence: u64, orders: Vec<CompletedOrder>) -> StreamClassifyOrdersRequest {
    StreamClassifyOrdersRequest { sequence, orders, ..StreamClassifyOrdersRequest::default() }
}

/// Sends chunks, and reads an answer for each.
async fn stream(channel: Channel, chunks: Vec<StreamClassifyOrdersRequest>) {
    let (sender, sent) = mpsc::channel(16);
    let mut client = OrderServiceClient::new(channel);
    let answers = client.stream_classify_orders(ReceiverStream::new(sent));
    let count = chunks.len();
    let sending = tokio::spawn(async move {
        for chunk in chunks {
            sender.send(chunk).await.expect("the server listens");
        }
    });
    let mut answers = answers.await.expect("a stream").into_inner();
    for _ in 0..count {
        let answer = answers.message().await.expect("answered").expect("an answer");
        assert!(answer.results.iter().all(|result| result.refusal.is_none()));
    }
    sending.await.expect("sent");
}

fn prepare(engine: &Engine) {
    for merchant in 0..MERCHANTS {
        engine.submit(&guarantee(merchant, "guarantee", 100)).result.expect("modified");
    }
}

/// Serves an engine without following it: nothing of the history is asked.
async fn serve(engine: Arc<Engine>, dir: &TempDir) -> SocketAddr {
    let options = ServerOptions { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..ServerOptions::default() };
    let server = Server::bind(options, Arc::new(Metrics::new())).await.expect("a port");
    let address = server.address();
    let history = history::Options { dir: dir.path().join("history"), ..history::Options::default() };
    let history = History::open(history).expect("a history");
    let opened = Opened { engine, history, data: "bench".into(), recovered: Recovered::default() };
    let (ready, wait) = tokio::sync::oneshot::channel();
    let announce = move |_: &tplus::server::Banner| ready.send(()).expect("awaited");
    tokio::spawn(async move { server.run(move || Ok(opened), announce, std::future::pending()).await });
    wait.await.expect("serving");
    address
}

async fn connect(address: SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).expect("an address").connect().await.expect("connected")
}
