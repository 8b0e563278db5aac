//! How fast a fresh history catches up with a journal while nothing else runs, and how fast it is read afterwards, without a server
//! between: orders of a hundred thousand merchants under Zipf's law, each with an id of its own.
//!
//! `DATA=folder ORDERS=1000000 cargo bench --bench catch_up`. The journal is made once and kept in the folder, of which the next run
//! with the same number makes use; the history is made anew each time.
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
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use support::{START, directory, guarantee, request, submit};
use tplus::{
    clock::{Clock, ManualClock},
    domain::{ClassifyOrder, Id, MerchantId, Money, OrderId, Timestamp},
    engine::{Engine, Options},
    history::{self, Clock as By, History, Order},
    journal::{self, FileOptions, FileStore, Journal, Lsn, NewDirectory, Store},
};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MERCHANTS: usize = 100_000;
const DAYS: u64 = 5;
const SEED: u64 = 0x5eed;
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Reads before counting begins, and counted.
const WARM: u64 = 2_000;
const READS: u64 = 10_000;
/// How many orders lie between two lines about how it goes.
const TOLD_EVERY: u64 = 500_000;

fn main() {
    let orders = std::env::var("ORDERS").map_or(1_000_000, |text| text.parse().expect("a number"));
    let passing = directory();
    let dir =
        std::env::var_os("DATA").map_or_else(|| passing.path().to_owned(), PathBuf::from).join(orders.to_string());
    if !dir.join("made").exists() {
        make(&dir, orders);
        fs::write(dir.join("made"), "").expect("a mark");
    }
    let history_dir = dir.join("history");
    if let Err(error) = fs::remove_dir_all(&history_dir) {
        println!("no history to remove: {error}");
    }
    let store: Arc<dyn Store> = Arc::new(FileStore::open(&dir, FileOptions::default()).expect("a store"));
    let tail = store.recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| ()).expect("recovered");
    let journal = Journal::start(store, tail, journal::Options::default()).expect("a journal");
    let history = catch_up(&history_dir, &journal, orders);
    reads(&history, orders);
    history.stop();
    drop(history);
    let began = Instant::now();
    let history = open(&history_dir);
    println!("opened after a stop in {:?}", began.elapsed());
    history.start(&journal, journal.durable()).expect("started");
    drop(history);
    let began = Instant::now();
    let history = open(&history_dir);
    println!("opened and checked after a kill in {:?}", began.elapsed());
    let (began, mut count) = (Instant::now(), 0);
    history.fingerprints(&mut |_| count += 1).expect("read");
    println!("{count} fingerprints in {:?}", began.elapsed());
}

fn open(dir: &Path) -> History {
    let options = history::Options {
        dir: dir.to_owned(),
        directory_id: [1; 16],
        fingerprint_key: [2; 16],
        ..history::Options::default()
    };
    History::open(options).expect("a history")
}

/// Follows the journal from its beginning to its end.
fn catch_up(dir: &Path, journal: &Journal, orders: u64) -> History {
    let history = open(dir);
    let (began, busy) = (Instant::now(), busy());
    let following = history.clone();
    let (end, to) = (journal.durable(), journal.clone());
    let thread = std::thread::spawn(move || following.start(&to, end).expect("caught up"));
    let mut told = (Instant::now(), 0);
    while !thread.is_finished() {
        std::thread::sleep(Duration::from_millis(20));
        let facts = history.stats().facts;
        if facts >= told.1 + TOLD_EVERY {
            let rate = (facts - told.1) as f64 / told.0.elapsed().as_secs_f64();
            println!("{facts} facts after {:.1} s, now {rate:.0}/s", began.elapsed().as_secs_f64());
            told = (Instant::now(), facts);
        }
    }
    thread.join().expect("caught up");
    let (took, used) = (began.elapsed().as_secs_f64(), self::busy() - busy);
    let stats = history.stats();
    println!(
        "{orders} orders, {} facts of {} merchants in {took:.1} s: {:.0} orders/s, {:.2} cores, {:.2} µs of CPU an order",
        stats.facts,
        stats.merchants,
        orders as f64 / took,
        used / took,
        used * 1e6 / orders as f64,
    );
    // What it still has to tidy up beside.
    let (began, mut before) = (Instant::now(), self::busy());
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = self::busy();
        if now - before < 0.05 {
            println!("at rest after another {:.0} s: {:.2} s of CPU", began.elapsed().as_secs_f64(), now - busy - used);
            break;
        }
        before = now;
    }
    let bytes = history.stats().disk_bytes;
    println!("disk: {} MiB, {:.0} bytes an order", bytes >> 20, bytes as f64 / orders as f64);
    history
}

/// How long this process was on a CPU so far, in seconds.
fn busy() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / 100.0
}

/// Merchants drawn under Zipf's law, and ids that no two orders share.
struct Draw {
    dice: u64,
    shares: Vec<f64>,
}

impl Draw {
    fn new() -> Self {
        let mut sum = 0.0;
        let shares = (1..=MERCHANTS).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Self { dice: SEED, shares: shares.collect() }
    }

    fn throw(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
    }

    fn order(&mut self, number: u64) -> (u64, String) {
        let sum = self.shares[MERCHANTS - 1];
        let at = self.throw() as f64 / u64::MAX as f64 * sum;
        let rank = self.shares.partition_point(|share| *share < at).min(MERCHANTS - 1) as u64;
        // Spread over the alphabet, so that large merchants are not neighbours.
        let merchant = rank.wrapping_mul(0x9E37_79B9) % MERCHANTS as u64;
        (merchant, format!("{:012x}-{number:x}", self.throw() >> 16))
    }
}

/// Decides all orders on an engine without a history, a day's worth on each of some days.
fn make(dir: &Path, orders: u64) {
    let create = NewDirectory { id: [1; 16], fingerprint_key: [2; 16], attributes: vec![] };
    let store = FileStore::open(dir, FileOptions { create: Some(create), ..FileOptions::default() });
    let clock = |floor| Ok(Clock::Manual(ManualClock::start(START.micros(), floor)));
    let options = Options { max_in_flight: 1 << 20, checkpoint_every: u64::MAX, ..Options::default() };
    let engine = Engine::open(Arc::new(store.expect("a store")), [2; 16], clock, options).expect("an engine").0;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let began = Instant::now();
    for merchant in 0..MERCHANTS as u64 {
        submit(&engine, &guarantee(merchant, "guarantee", 100));
    }
    let (mut draw, mut now) = (Draw::new(), START);
    for number in 0..orders {
        let (merchant, id) = draw.order(number);
        let price = Money::from_cents(i128::from(100 + draw.throw() % 20_000));
        let command = ClassifyOrder::new(Id::parse(&id).expect("an id"), price, None, None).expect("valid");
        submit(&engine, &request(merchant, command));
        if (number + 1) % (orders / DAYS) == 0 {
            now = now.after(DAY);
            runtime.block_on(engine.advance_clock(now, "")).expect("moved");
        } else if number % 1_000 == 0 {
            now = now.after(Duration::from_millis(4));
            runtime.block_on(engine.advance_clock(now, "")).expect("moved");
        }
    }
    engine.close().expect("closed");
    println!("{orders} orders decided in {:.0} s", began.elapsed().as_secs_f64());
}

/// Reads of orders drawn at random, so mostly of merchants with many.
fn reads(history: &History, orders: u64) {
    let mut draw = Draw::new();
    let every = (orders / 50_000).max(1);
    let mut placed: Vec<(MerchantId, OrderId)> = Vec::new();
    for number in 0..orders {
        let (merchant, id) = draw.order(number);
        let _price = draw.throw();
        if number % every == 0 {
            let merchant = Id::parse(&format!("merchant-{merchant:08}")).expect("an id");
            placed.push((merchant, Id::parse(&id).expect("an id")));
        }
    }
    let of = |dice: u64| &placed[dice as usize % placed.len()];
    let at = |dice: u64| START.after(DAY / 2 + Duration::from_micros(dice % (DAY.as_micros() as u64 * (DAYS - 1))));
    measure("an order by its id", |dice| {
        let (merchant, id) = of(dice);
        assert!(history.reader().order(merchant, id).expect("read").is_some());
    });
    measure("an order that is not there", |dice| {
        let nothing = Id::parse(&format!("nothing-{dice}")).expect("an id");
        assert!(history.reader().order(&of(dice).0, &nothing).expect("read").is_none());
    });
    measure("50 newest orders by date", |dice| {
        drop(history.reader().orders(&of(dice).0, None, None, Order::NewestFirst, None, 50).expect("read"));
    });
    measure("50 newest entries", |dice| {
        drop(history.reader().entries(&of(dice).0, &[], None, None, Order::NewestFirst, None, 50).expect("read"));
    });
    for (name, clock) in [("as of, effective", By::Effective), ("as of, recorded", By::Recorded)] {
        measure(name, |dice| {
            drop(history.reader().as_of(&of(dice).0, clock, at(dice)).expect("read"));
        });
    }
    let whole: Timestamp = at(0);
    println!(
        "a day: {:?}",
        history
            .reader()
            .day(By::Effective, tplus::domain::Day((whole.micros() / DAY.as_micros() as i64) as i32))
            .map(|_| ())
    );
}

fn measure(name: &str, mut read: impl FnMut(u64)) {
    let mut draw = Draw { dice: 0x5eed_0042, shares: vec![] };
    let mut took = Vec::new();
    for number in 0..WARM + READS {
        let dice = draw.throw() >> 1;
        let began = Instant::now();
        read(dice);
        if number >= WARM {
            took.push(began.elapsed());
        }
    }
    took.sort_unstable();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_micros();
    println!("{name}: p50 {} µs, p99 {} µs, slowest {} µs", at(0.5), at(0.99), at(1.0));
}
