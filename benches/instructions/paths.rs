//! The paths that are counted, each with its preparation. Nothing in the counted parts depends on time, on chance or on another thread.

use std::{hint::black_box, sync::Arc};

use prost::Message as _;
use tplus::{
    clock::{Clock, ManualClock},
    domain::{ClassifyOrder, Context, InForce, Limits, Merchant, Policy, Timeline, decide},
    engine::{Classified, Engine, Manner, Options, Order, Request},
    grpc::{convert, wire},
    journal::{self, Batch, Epoch, Half, Journal, Lsn, MemoryStore, Store},
    proto::{
        journal::Record,
        v1::{ClassifyOrderRequest, CompletedOrder, StreamClassifyOrdersRequest},
    },
};

use crate::{
    counted,
    support::{START, directory, file_store, guarantee, order, submit},
};

/// Something that is counted.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// How many orders or records are counted together; what is reported is the count of one.
    pub(crate) of: u64,
    pub(crate) run: fn(),
}

const fn path(name: &'static str, of: u64, run: fn()) -> Path {
    Path { name, of, run }
}

/// How many of a kind are counted together.
const MANY: u64 = 1_000;
/// How many merchants they are of.
const MERCHANTS: u64 = 200;

pub(crate) const PATHS: &[Path] = &[
    path("decide", MANY, decide_orders),
    path("apply", MANY, apply_orders),
    path("submit", MANY, submit_orders),
    path("submit-repeat", MANY, submit_repeats),
    path("classify-in-chunk", MANY, classify_chunk),
    path("request-unary", MANY, requests),
    path("answer-unary", MANY, answers),
    path("request-in-chunk", MANY, request_chunk),
    path("answer-in-chunk", MANY, answer_chunk),
    path("record-encode", MANY, encode_records),
    path("record-decode", MANY, decode_records),
    path("journal-append", MANY, append_records),
    path("journal-commit-of-1000", 1, commit_records),
    path("replay", 4 * MANY + MERCHANTS, replay_records),
];

fn context(policies: &Timeline) -> Context<'_> {
    Context { now: START, policies, limits: Limits::default(), subject: None }
}

fn policies() -> Timeline {
    Timeline::new(InForce::first(Policy::default(), START))
}

/// A merchant with a guarantee and some orders, and one more for which it decides.
fn merchant(policies: &Timeline) -> Merchant {
    let mut merchant = Merchant::default();
    let guarantee = guarantee(0, "guarantee", 100).command;
    merchant.apply(&decide(&guarantee, &merchant, &context(policies)).expect("accepted").event);
    for number in 0..10 {
        merchant.apply(&decide(&order(0, number).command, &merchant, &context(policies)).expect("accepted").event);
    }
    merchant
}

/// Counts the second of two times: what was freed before by other threads has found its way back into the allocator's lists then.
fn second(work: &mut dyn FnMut()) {
    work();
    counted(work);
}

fn decide_orders() {
    let policies = policies();
    let merchant = merchant(&policies);
    let order = order(0, 10).command;
    second(&mut || {
        for _ in 0..MANY {
            drop(black_box(decide(black_box(&order), &merchant, &context(&policies))));
        }
    });
}

fn apply_orders() {
    let policies = policies();
    let mut merchant = merchant(&policies);
    let decided = decide(&order(0, 10).command, &merchant, &context(&policies)).expect("accepted");
    counted(&mut || {
        for _ in 0..MANY {
            merchant.apply(black_box(&decided.event));
        }
    });
}

/// An engine without background over a store in memory, and its orders: some decided, some not.
struct Rig {
    engine: Arc<Engine>,
    store: MemoryStore,
    decided: Vec<Request<ClassifyOrder>>,
    new: Vec<Request<ClassifyOrder>>,
}

fn open(store: &MemoryStore) -> Arc<Engine> {
    let clock = |floor| Ok(Clock::Manual(ManualClock::start(START.micros(), floor)));
    let options = Options { background: false, checkpoint_every: u64::MAX, ..Options::default() };
    Engine::open(Arc::new(store.clone()), [3; 16], clock, options).expect("an engine").0
}

fn rig() -> Rig {
    let store = MemoryStore::new();
    let engine = open(&store);
    for merchant in 0..MERCHANTS {
        submit(&engine, &guarantee(merchant, "guarantee", 100));
    }
    let order = |number: u64| order(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % MERCHANTS, number);
    let decided: Vec<_> = (0..4 * MANY).map(order).collect();
    for order in &decided {
        submit(&engine, order);
    }
    Rig { engine, store, decided, new: (4 * MANY..5 * MANY).map(order).collect() }
}

impl Rig {
    /// Keeps the committer busy, so that how it is woken does not count: one record of its own, which does not become durable meanwhile. Before
    /// that, both buffers of the journal are filled as they will be: how far they have grown depends on how fast the committer was.
    fn hold(&self) {
        // Nobody may wait for what is held.
        let order = |number: u64| assert!(self.engine.submit(&order(MERCHANTS, number)).result.is_ok());
        for buffer in 0..2 {
            self.hold_with(|| order(buffer * 2 * MANY));
            (1..=MANY + MANY / 4).for_each(|number| order(buffer * 2 * MANY + number));
            self.store.faults().release(Half::Write);
            let last = self.engine.journal().last();
            self.engine.journal().wait_durable_blocking(last).expect("durable");
        }
        self.hold_with(|| order(4 * MANY));
    }

    fn hold_with(&self, submit: impl FnOnce()) {
        self.store.faults().hold(Half::Write);
        submit();
        self.store.faults().wait_held(Half::Write);
    }

    /// Lets go of what was held, and closes.
    fn close(self) -> MemoryStore {
        self.store.faults().release(Half::Write);
        self.engine.close().expect("closed");
        self.store
    }
}

fn submit_orders() {
    let rig = rig();
    rig.hold();
    counted(&mut || {
        for order in &rig.new {
            assert!(black_box(rig.engine.submit(order)).result.is_ok());
        }
    });
    rig.close();
}

fn submit_repeats() {
    let rig = rig();
    rig.hold();
    counted(&mut || {
        for order in rig.decided.iter().rev().take(MANY as usize) {
            assert!(black_box(rig.engine.submit(order)).result.is_ok());
        }
    });
    rig.close();
}

/// The hot path: what a chunk costs in the engine.
fn classify_chunk() {
    let rig = rig();
    rig.hold();
    let orders: Vec<_> = rig.new.iter().map(in_chunk).collect();
    let mut room = rig.engine.room_now(orders.len()).expect("room");
    counted(&mut || {
        rig.engine.classify(&orders, &Manner::default(), &mut room, &mut |told| {
            assert!(black_box(told).is_ok());
        });
    });
    drop(room);
    rig.close();
}

fn in_chunk(Request { merchant, command, .. }: &Request<ClassifyOrder>) -> Order {
    Order { merchant: merchant.clone(), command: command.clone() }
}

fn completed(number: u64) -> CompletedOrder {
    let completed_at = Some(prost_types::Timestamp { seconds: START.micros() / 1_000_000, nanos: 123_000_000 });
    CompletedOrder {
        merchant_id: format!("merchant-{:08}", number % MERCHANTS),
        order_id: format!("order-{number:016}"),
        price: "19.99".into(),
        profit: "2.50".into(),
        completed_at,
    }
}

/// From the bytes of a message to a command.
fn requests() {
    let messages: Vec<Vec<u8>> = (0..MANY)
        .map(|number| {
            let CompletedOrder { merchant_id, order_id, price, profit, completed_at } = completed(number);
            let request =
                ClassifyOrderRequest { merchant_id, order_id, price, profit, completed_at, ..Default::default() };
            request.encode_to_vec()
        })
        .collect();
    second(&mut || {
        for message in &messages {
            let message = ClassifyOrderRequest::decode(black_box(message.as_slice())).expect("a message");
            assert!(black_box(convert::classify_order(&message)).is_ok());
        }
    });
}

fn request_chunk() {
    let orders = (0..MANY).map(completed).collect();
    let message = StreamClassifyOrdersRequest { sequence: 1, orders, ..Default::default() }.encode_to_vec();
    second(&mut || {
        let message = wire::StreamClassifyOrdersRequest::decode(black_box(message.as_slice()));
        assert!(black_box(message).is_ok());
    });
}

/// From what was decided to the bytes of a message.
fn answers() {
    let rig = rig();
    let answers: Vec<Classified> = rig
        .decided
        .iter()
        .take(MANY as usize)
        .map(|order| rig.engine.submit(order).result.expect("decided").into())
        .collect();
    second(&mut || {
        for answer in &answers {
            black_box(convert::order_classified(black_box(answer)).encode_to_vec());
        }
    });
    rig.close();
}

fn answer_chunk() {
    let rig = rig();
    let answers: Vec<_> = rig
        .decided
        .iter()
        .take(MANY as usize)
        .map(|order| Classified { replayed: false, ..rig.engine.submit(order).result.expect("decided").into() })
        .collect();
    second(&mut || {
        let mut results = wire::Results::of_stream(1, answers.len(), false);
        answers.iter().for_each(|answer| results.tell(Ok(black_box(answer))));
        black_box(results.written().encode_to_vec());
    });
    rig.close();
}

/// The last records of a journal, which are all of orders.
fn records() -> Vec<Vec<u8>> {
    let store = rig().close();
    let mut records = Vec::new();
    let visit = &mut |_: Lsn, record: &[u8]| {
        records.push(record.to_vec());
        Ok(())
    };
    let mut from = Lsn::FIRST;
    loop {
        let next = store.read(from, Lsn::new(4 * MANY), visit).expect("records");
        if next == from {
            break;
        }
        from = next;
    }
    records.split_off(records.len() - MANY as usize)
}

fn encode_records() {
    let records: Vec<Record> =
        records().iter().map(|record| Record::decode(record.as_slice()).expect("a record")).collect();
    second(&mut || {
        for record in &records {
            black_box(black_box(record).encode_to_vec());
        }
    });
}

fn decode_records() {
    let records = records();
    second(&mut || {
        for record in &records {
            assert!(black_box(Record::decode(black_box(record.as_slice()))).is_ok());
        }
    });
}

fn append_records() {
    let records = records();
    let store = MemoryStore::new();
    let tail = store.recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).expect("empty");
    let journal = Journal::start(Arc::new(store.clone()), tail, journal::Options::default()).expect("a journal");
    store.faults().hold(Half::Write);
    journal.append(&records[0]).expect("appended");
    store.faults().wait_held(Half::Write);
    second(&mut || {
        for record in &records {
            assert!(journal.append(black_box(record)).is_ok());
        }
    });
    store.faults().release(Half::Write);
    journal.close().expect("closed");
}

/// Frame, checks and chain of a batch, into a file; the kernel's part is not counted.
fn commit_records() {
    let records = records();
    let dir = directory();
    let store = file_store(&dir);
    let tail = store.recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).expect("empty");
    // The first one grows the buffers.
    let mut first = tail.last.next();
    for count in [false, true] {
        let batch = batch(first, tail.epoch, &records);
        first = batch.next();
        let mut commit = || assert!(store.commit(black_box(&batch)).is_ok());
        if count { counted(&mut commit) } else { commit() }
    }
}

fn batch(first: Lsn, epoch: Epoch, records: &[Vec<u8>]) -> Batch {
    let mut batch = Batch::new(first, epoch);
    for record in records {
        batch.push(record);
    }
    batch
}

/// Recovery of all that a rig has recorded, with what opening takes besides.
fn replay_records() {
    let store = rig().close();
    let mut opened = None;
    counted(&mut || opened = Some(open(&store)));
    opened.expect("opened").close().expect("closed");
}
