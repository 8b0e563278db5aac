//! One engine over a store that can be held, filled up and crashed.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, mpsc},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use prost::Message as _;
use tplus::{
    clock::{self, Clock, ClockError, EngineClock, ManualClock, Micros, TestTime},
    domain::{ClassifyOrder, Command, ImportMerchant, Margin, MerchantId, ModifyGuarantee, Money, OrderId, Timestamp},
    engine::{Answer, Engine, EngineError, OpenError, Options, Recovered, Request},
    journal::{Faults, Half, Lsn, MemoryStore, Store, Unsynced},
    proto::journal::{Record, record::Body},
};

/// 2026-03-01T12:00:00Z.
pub(crate) const NOON: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);
pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3_600);
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// The longest that anything may take that happens at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// An engine, and the store under it. At the end the disk goes on and the engine is closed.
pub(crate) struct Rig {
    pub(crate) store: MemoryStore,
    pub(crate) engine: Arc<Engine>,
    pub(crate) recovered: Recovered,
}

impl Rig {
    pub(crate) fn try_open(
        store: &MemoryStore,
        clock: impl FnOnce(Option<Micros>) -> Result<Clock, ClockError>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let (engine, recovered) = Engine::open(Arc::new(store.clone()), [7; 16], clock, options)?;
        Ok(Self { store: store.clone(), engine, recovered })
    }

    /// An engine whose time the test moves by moving the clocks of the machine.
    pub(crate) fn system(store: &MemoryStore, time: &Arc<TestTime>, options: Options) -> Self {
        Self::try_open(store, system(time, false), options).expect("opened")
    }

    /// An engine with the manual clock, which stands at noon at first.
    pub(crate) fn manual(store: &MemoryStore, options: Options) -> Self {
        Self::try_open(store, manual, options).expect("opened")
    }

    pub(crate) fn faults(&self) -> &Faults {
        self.store.faults()
    }

    pub(crate) fn execute<C: Command>(&self, request: Request<C>) -> Result<Answer<C::Fact>, EngineError> {
        wait(self.engine.execute(request))
    }

    pub(crate) fn margin(&self, merchant: &str) -> Margin {
        wait(self.engine.margin(&id(merchant))).expect("the merchant is known")
    }

    pub(crate) async fn read(&self, merchant: &str) -> Result<Margin, EngineError> {
        self.engine.margin(&id(merchant)).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        wait(self.engine.now()).expect("time goes on")
    }

    pub(crate) fn advance(&self, to: Timestamp) {
        assert_eq!(wait(self.engine.advance_clock(to, "")), Ok(to));
    }

    /// Records everything that is due.
    pub(crate) fn settle(&self) {
        while self.engine.run_due().expect("recorded") > 0 {}
    }

    pub(crate) fn last(&self) -> u64 {
        self.engine.stats().journal_last
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.faults().release(Half::Write);
        self.faults().release(Half::Sync);
        // A test that is about a broken disk leaves a broken journal.
        drop(self.engine.close());
    }
}

/// Options of a small engine, with nothing going on by itself.
pub(crate) fn quiet() -> Options {
    Options { shards: 4, background: false, ..Options::default() }
}

pub(crate) fn busy() -> Options {
    Options { background: true, ..quiet() }
}

pub(crate) fn system(
    time: &Arc<TestTime>,
    accept_gap: bool,
) -> impl FnOnce(Option<Micros>) -> Result<Clock, ClockError> + use<> {
    let time = Arc::clone(time);
    let options = clock::Options { accept_gap, ..clock::Options::default() };
    move |floor| EngineClock::start(time, floor, options).map(Clock::System)
}

#[allow(clippy::unnecessary_wraps, reason = "as the engine wants it")]
pub(crate) fn manual(floor: Option<Micros>) -> Result<Clock, ClockError> {
    Ok(Clock::Manual(ManualClock::start(floor.unwrap_or(NOON.micros()), floor)))
}

/// Clocks of a machine, at noon.
pub(crate) fn noon() -> Arc<TestTime> {
    Arc::new(TestTime::new(NOON.micros()))
}

pub(crate) fn id(merchant: &str) -> MerchantId {
    MerchantId::parse(merchant).expect("an id")
}

pub(crate) fn request<C>(merchant: &str, command: C) -> Request<C> {
    Request { merchant: id(merchant), command, caller: String::new(), validate_only: false, not_after: None }
}

/// An order completed now, of some cents.
pub(crate) fn order(merchant: &str, order: &str, cents: i128) -> Request<ClassifyOrder> {
    let order = OrderId::parse(order).expect("an id");
    request(merchant, ClassifyOrder::new(order, Money::from_cents(cents), None, None).expect("an order"))
}

/// A new guarantee.
pub(crate) fn guarantee(merchant: &str, name: &str, dollars: u64) -> Request<ModifyGuarantee> {
    let name = tplus::domain::RequestId::parse(name).expect("an id");
    request(merchant, ModifyGuarantee::new(name, dollars).expect("a guarantee"))
}

/// A merchant that brings along some available money, and no profit.
pub(crate) fn import(merchant: &str, name: &str, dollars: u64) -> Request<ImportMerchant> {
    let request_id = tplus::domain::RequestId::parse(name).expect("an id");
    let command = ImportMerchant { available: Money::from_dollars(dollars), ..ImportMerchant::empty(request_id) };
    request(merchant, command)
}

/// Waits for what has to happen.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await }).expect("it happens")
}

/// Waits until something is so that other threads bring about.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: it did not happen");
        std::thread::park_timeout(MS);
    }
}

/// Runs what may block on a thread of its own.
pub(crate) fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Running<T> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || drop(sender.send(run())));
    Running(receiver)
}

/// What was started and has not been waited for.
pub(crate) struct Running<T>(mpsc::Receiver<T>);

impl<T> Running<T> {
    pub(crate) fn ended(&self) -> bool {
        !matches!(self.0.try_recv(), Err(mpsc::TryRecvError::Empty))
    }

    pub(crate) fn join(self) -> T {
        self.0.recv_timeout(PATIENCE).expect("it ends")
    }
}

/// A call that was begun.
pub(crate) struct Begun<'a, T>(Pin<Box<dyn Future<Output = T> + 'a>>);

impl<'a, T> Begun<'a, T> {
    /// Begins a call that cannot end yet.
    pub(crate) fn held(name: &str, future: impl Future<Output = T> + 'a) -> Self {
        let mut begun = Self(Box::pin(future));
        assert!(begun.is_held(), "{name} was answered although it rests on what is not durable");
        begun
    }

    pub(crate) fn is_held(&mut self) -> bool {
        self.0.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    pub(crate) fn finish(self) -> T {
        wait(self.0)
    }
}

/// The answer of a call that does not have to wait.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

/// What a recovery after a crash at this moment would read.
pub(crate) fn records(store: &MemoryStore) -> Vec<Record> {
    let mut records = Vec::new();
    let mut visit = |_: Lsn, bytes: &[u8]| {
        records.push(Record::decode(bytes).expect("a record"));
        Ok(())
    };
    store.crash(Unsynced::Dropped).recover(Lsn::FIRST, &mut visit, &mut |_| ()).expect("whole");
    records
}

pub(crate) fn bodies(store: &MemoryStore) -> Vec<Body> {
    records(store).into_iter().map(|record| record.body.expect("a body")).collect()
}

/// Numbers that look random and are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
