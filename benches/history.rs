//! Reads of the history from a warm server: ten million orders of a hundred thousand merchants, asked for over gRPC on loopback,
//! one call at a time. Also how fast the history follows, what a restart takes, and what it takes in memory and on disk.
//!
//! `cargo bench --bench history`, with `ORDERS=1000000` for a tenth of it. `DATA=folder` keeps the data directory there, and the next
//! run with the same folder and number reads without filling it again.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench that cannot go on may fail"
)]

#[path = "support/mod.rs"]
mod support;

use std::{
    future::Future,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use support::{START, directory, guarantee, order, submit};
use tonic::{Request, Response, Status, transport::Channel};
use tplus::{
    clock::{Clock, ManualClock},
    domain::Timestamp,
    engine::{Engine, Options},
    history::{self, History},
    journal::{FileOptions, FileStore, NewDirectory},
    proto::v1::{
        AsOf, GetMarginRequest, GetOrderRequest, ListMarginEntriesRequest, ListOrdersRequest, as_of,
        margin_service_client::MarginServiceClient, order_service_client::OrderServiceClient,
    },
    server::OnDisk,
};

/// As in the program; what the client does is part of every figure.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MERCHANTS: u64 = 100_000;
const DAYS: u64 = 20;
const SEED: u64 = 0x5eed;
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// How long a server that was just started is left alone.
const SETTLES: Duration = Duration::from_secs(15);
/// Reads before counting begins, and counted.
const WARM: usize = 2_000;
const READS: usize = 10_000;

fn main() {
    let orders = std::env::var("ORDERS").map_or(10_000_000, |text| text.parse().expect("a number"));
    let kept = std::env::var_os("DATA").map(PathBuf::from);
    let passing = directory();
    let dir = kept.as_deref().unwrap_or(passing.path());
    if !dir.join("history").exists() {
        fill(dir, orders);
    }
    let placed = Placed::sample(orders);
    println!(
        "disk: journal {} MiB, history {} MiB",
        size(&dir.join("journal")) + size(&dir.join("archive")),
        size(&dir.join("history"))
    );
    for start in ["first", "second"] {
        let began = Instant::now();
        let server = Server::start(dir);
        println!(
            "{start} start: {:.1} s until it serves, {} MiB resident",
            began.elapsed().as_secs_f64(),
            server.resident() >> 20
        );
        if start == "second" {
            // A recovery leaves more in memory than there should be, and lets go of it beside the first calls.
            std::thread::sleep(SETTLES);
            println!("after {} s: {} MiB resident", SETTLES.as_secs(), server.resident() >> 20);
            tokio::runtime::Runtime::new().expect("a runtime").block_on(reads(&server, &placed));
            println!("after the reads: {} MiB resident", server.resident() >> 20);
        }
        server.stop();
    }
}

/// Orders that were placed: merchant and number, a sample.
struct Placed {
    orders: Vec<(u64, u64)>,
    end: Timestamp,
}

impl Placed {
    /// Some of the orders that [`fill`] places.
    fn sample(orders: u64) -> Self {
        let mut dice = SEED;
        let placed = (0..orders).map(|number| (skewed(&mut dice), number));
        let orders = placed.filter(|(_, number)| number % (orders / 50_000).max(1) == 0).collect();
        Self { orders, end: START.after(DAY * DAYS as u32) }
    }
}

/// Decides all orders on an engine with its history, a day's worth on each of some days.
fn fill(dir: &Path, orders: u64) {
    let attributes = vec![("clock".to_owned(), "manual".to_owned())];
    let create = NewDirectory { id: [1; 16], fingerprint_key: [2; 16], attributes };
    let store = FileStore::open(dir, FileOptions { create: Some(create), ..FileOptions::default() });
    let history = History::open(history::Options {
        dir: dir.join("history"),
        directory_id: [1; 16],
        fingerprint_key: [2; 16],
        ..history::Options::default()
    });
    let history = history.expect("a history");
    let clock = |floor| Ok(Clock::Manual(ManualClock::start(START.micros(), floor)));
    let archive: Arc<dyn tplus::engine::Archive> = Arc::new(OnDisk(history.clone()));
    let options = Options { max_in_flight: 1 << 20, archive: Some(archive), ..Options::default() };
    let engine = Engine::open(Arc::new(store.expect("a store")), [2; 16], clock, options).expect("an engine").0;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");

    let began = Instant::now();
    for merchant in 0..MERCHANTS {
        submit(&engine, &guarantee(merchant, "guarantee", 100));
    }
    let (mut dice, mut now) = (SEED, START);
    for number in 0..orders {
        let merchant = skewed(&mut dice);
        submit(&engine, &order(merchant, number));
        if (number + 1) % (orders / DAYS) == 0 {
            now = now.after(DAY);
            runtime.block_on(engine.advance_clock(now, "")).expect("moved");
            let lag = engine.journal().durable().get() - history.applied().get();
            println!("{} orders, {:.0} s, history {lag} records behind", number + 1, began.elapsed().as_secs_f64());
        }
    }
    let decided = began.elapsed();
    let (_, last) = runtime.block_on(engine.all_settled()).expect("settled");
    runtime.block_on(history.caught_up(last, Duration::from_secs(3_600))).expect("caught up");
    let facts = history.stats().facts;
    println!(
        "{orders} orders decided in {:.0} s, {facts} facts in the history after {:.0} s ({:.0} facts/s)",
        decided.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        facts as f64 / began.elapsed().as_secs_f64()
    );
    engine.close().expect("closed");
}

/// A merchant; some have many more orders than others.
fn skewed(dice: &mut u64) -> u64 {
    let uniform = throw(dice) as f64 / u64::MAX as f64;
    ((uniform * uniform) * MERCHANTS as f64) as u64 % MERCHANTS
}

fn throw(dice: &mut u64) -> u64 {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    *dice
}

/// The real server, as a process.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tplus"))
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--clock", "manual", "--data-dir"])
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a server");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut lines = lines.map(|line| line.expect("a line"));
        let address = lines.find_map(|line| line.trim().strip_prefix("gRPC").map(|rest| rest.trim().to_owned()));
        Self { child, address: format!("http://{}", address.expect("where it listens")) }
    }

    fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident set");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") << 10
    }

    fn stop(mut self) {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().expect("told");
        self.child.wait().expect("ended");
    }
}

async fn reads(server: &Server, placed: &Placed) {
    let channel = Channel::from_shared(server.address.clone()).expect("an address").connect().await.expect("a server");
    let orders = OrderServiceClient::new(channel.clone());
    let margins = MarginServiceClient::new(channel);
    let id = |merchant: u64| format!("merchant-{merchant:08}");
    let span = placed.end.since(START).as_micros() as u64;

    measure("GetOrder", placed, |(merchant, number), _| {
        let mut client = orders.clone();
        let request = GetOrderRequest { merchant_id: id(merchant), order_id: format!("order-{number:016}") };
        async move { client.get_order(request).await }
    })
    .await;
    measure("ListOrders, 50", placed, |(merchant, _), _| {
        let mut client = orders.clone();
        let request = ListOrdersRequest { merchant_id: id(merchant), newest_first: true, ..Default::default() };
        async move { client.list_orders(request).await }
    })
    .await;
    measure("ListMarginEntries, 50", placed, |(merchant, _), _| {
        let mut client = margins.clone();
        let request = ListMarginEntriesRequest { merchant_id: id(merchant), newest_first: true, ..Default::default() };
        async move { client.list_margin_entries(request).await }
    })
    .await;
    for (name, recorded) in [("GetMargin as_of, effective", false), ("GetMargin as_of, recorded", true)] {
        measure(name, placed, |(merchant, _), dice| {
            let mut client = margins.clone();
            let at = START.after(DAY / 2 + Duration::from_micros(dice % (span - DAY.as_micros() as u64)));
            let at = prost_types::Timestamp { seconds: at.micros() / 1_000_000, nanos: 0 };
            let clock = if recorded { as_of::Clock::RecordedAt(at) } else { as_of::Clock::EffectiveAt(at) };
            let request = GetMarginRequest { merchant_id: id(merchant), as_of: Some(AsOf { clock: Some(clock) }) };
            async move { client.get_margin(Request::new(request)).await }
        })
        .await;
    }
    measure("GetMargin now", placed, |(merchant, _), _| {
        let mut client = margins.clone();
        let request = GetMarginRequest { merchant_id: id(merchant), as_of: None };
        async move { client.get_margin(request).await }
    })
    .await;
}

/// Calls one after the other, and tells the distribution of what they took.
async fn measure<T, F>(name: &str, placed: &Placed, mut call: impl FnMut((u64, u64), u64) -> F)
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let mut dice = 0x5eed_0042;
    let mut took = Vec::with_capacity(READS);
    for read in 0..WARM + READS {
        let picked = placed.orders[throw(&mut dice) as usize % placed.orders.len()];
        let call = call(picked, throw(&mut dice));
        let began = Instant::now();
        call.await.unwrap_or_else(|status| panic!("{name}: {status}"));
        if read >= WARM {
            took.push(began.elapsed());
        }
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_micros();
    println!("{name}: p50 {} µs, p99 {} µs, slowest {} µs", at(0.5), at(0.99), at(1.0));
}

/// The size of a folder, in MiB.
fn size(dir: &Path) -> u64 {
    let output = Command::new("du").arg("-sm").arg(dir).output().expect("du");
    let text = String::from_utf8_lossy(&output.stdout);
    text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0)
}
