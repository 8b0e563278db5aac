//! Storms: thousands of random requests to an engine on a disk that loses power, fails, fills up and is restarted at any operation, also
//! while it recovers and while it writes a checkpoint.
//!
//! Everything happens in one thread, in an order that the seed decides, and so does what the disk does. What is expected is what clients
//! have seen, and the independent model, which is asked the same in the order of the journal: an answer that was given is as it would have been,
//! then and after every recovery; a request that was not answered is wholly in or wholly out.

use std::{
    future::Future,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::{Code, Status};
use tplus::{
    clock::{self, Clock, EngineClock, ManualClock, TestTime},
    domain::{Limits, Policy},
    engine::{Engine, Options},
    grpc::{EngineSlot, Services},
    history::{self, History},
    journal::{FileOptions, FileStore, Lsn, NewDirectory, Workers, inspect},
    server::OnDisk,
};

use crate::{
    ask::{all_proposals, ask},
    dice::Dice,
    disk::SimDisk,
    model::{
        Model,
        answers::ModelAnswer,
        api::Request,
        reads::Query,
        trace::{Executed, Executor, Step, Trace},
    },
    partition::{KEY, in_memory, limits_of, policy_of},
    tally::Tally,
    wire::Refusal,
};

/// Where the data directory is, on the simulated disk.
const DATA: &str = "/data";
/// How many requests are sent once more at the end.
const AGAIN: usize = 100;
/// The longest that anything may take that happens at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine, its clients, and what is beneath.
pub(crate) struct Storm {
    runtime: Runtime,
    dice: Dice,
    disk: SimDisk,
    segment_size: u64,
    machine: Option<Machine>,
    past: Past,
    clients: Executor,
    /// The model as it was before all that is in flight; only while evil is planned.
    before: Option<Model>,
    flights: Vec<Flight>,
    policy: Policy,
    limits: Limits,
    time: Time,
    full: bool,
    pub(crate) tally: Tally,
}

/// What moves the time.
enum Time {
    /// Whoever asks for it; it begins then.
    Manual(i64),
    /// These clocks. Somebody may have agreed to a long gap.
    System { clocks: Arc<TestTime>, agreed: bool },
}

/// Where the history is: with the engine, or nowhere, and then it is asked for nothing.
struct Past {
    dir: TempDir,
    kept: bool,
}

struct Machine {
    engine: Arc<Engine>,
    services: Services,
    store: Arc<FileStore>,
    history: History,
    /// The last position that it found.
    last: Lsn,
}

type Answer = Result<ModelAnswer, Status>;

/// A request that was sent.
struct Flight {
    request: Request,
    expected: Result<ModelAnswer, Refusal>,
    /// When it was sent.
    now: i64,
    /// The last position that was appended when it had been looked at, if that was because of it.
    wrote: Option<Lsn>,
    asked: Option<Pin<Box<dyn Future<Output = Answer>>>>,
    answer: Option<Answer>,
}

impl Storm {
    pub(crate) fn new(seed: u64, trace: &Trace) -> Self {
        let mut dice = Dice::new(seed);
        let disk = SimDisk::new(Dice::new(dice.next()));
        let mut storm = Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
            disk,
            segment_size: [16 << 10, 32 << 10, 64 << 10][dice.below(3) as usize],
            machine: None,
            past: Past { dir: in_memory(), kept: dice.one_in(4) },
            clients: Executor::of(trace),
            before: None,
            flights: Vec::new(),
            policy: policy_of(&trace.policy),
            limits: limits_of(trace.limits),
            time: if dice.one_in(2) {
                Time::Manual(trace.start)
            } else {
                Time::System { clocks: Arc::new(TestTime::new(trace.start)), agreed: false }
            },
            full: false,
            tally: Tally::default(),
            dice,
        };
        storm.open_somehow();
        storm
    }

    /// Sends everything, a few requests at a time.
    pub(crate) fn run(&mut self, steps: &[Step]) {
        let mut rest = steps;
        while !rest.is_empty() {
            self.plan();
            let (some, behind) = rest.split_at((1 + self.dice.below(6) as usize).min(rest.len()));
            rest = behind;
            for step in some {
                self.send(step);
                if self.dice.one_in(5) {
                    self.machine().engine.journal().commit();
                    self.listen();
                }
            }
            self.settle();
            self.in_between();
        }
        self.end();
    }

    /// A digest of what is on the disk, and of how it came there.
    pub(crate) fn digest(&self) -> String {
        self.disk.digest()
    }

    fn machine(&self) -> &Machine {
        self.machine.as_ref().expect("it runs")
    }

    /// What evil is to come.
    fn plan(&mut self) {
        if self.full {
            if self.dice.one_in(12) {
                self.full = false;
                self.disk.leave_space(None);
                self.machine().store.prepare();
            }
            return;
        }
        if self.dice.one_in(40)
            && let Time::System { clocks, .. } = &self.time
        {
            let hours = [-1, 1, 8 * 24, -365 * 24][self.dice.below(4) as usize];
            clocks.step_wall(hours * 3_600_000_000);
            self.tally.fault("a wall clock that was set");
        }
        if let Time::System { clocks, .. } = &self.time {
            self.disk.be_slow(self.dice.one_in(30).then(|| Arc::clone(clocks)));
        }
        match self.dice.below(60) {
            0..3 => self.disk.lose_power_in(1 + self.dice.below(6)),
            3 => self.disk.fail_in(1 + self.dice.below(4)),
            4 => {
                self.full = true;
                self.disk.leave_space(Some(self.dice.below(3) * self.segment_size / 2));
            }
            _ => return,
        }
        self.remember();
    }

    fn remember(&mut self) {
        assert!(self.flights.is_empty());
        self.before = Some(self.clients.model.clone());
    }

    fn send(&mut self, step: &Step) {
        if looks_more_than_once(&self.clients.resolve(step)) {
            while self.machine().engine.journal().commit() {}
        }
        self.look_at_the_clock();
        if self.has_failed() {
            return self.recover();
        }
        let now = self.clients.model.now;
        let Executed { request, expected } = self.clients.execute(step);
        self.tally.request(&request);
        if let (Time::System { clocks, .. }, Request::Advance { to }) = (&self.time, &request) {
            clocks.advance(Duration::from_micros((to - now).unsigned_abs()));
            // It is asked what time it is.
            self.clients.model.now = now;
            return;
        }
        match &request {
            Request::Restart => {
                self.settle();
                return self.restart();
            }
            Request::Checkpoint => {
                self.settle();
                return self.checkpoint();
            }
            _ => {}
        }
        let before = self.machine().engine.journal().last();
        let mut flight = self.flight(request, expected.map_err(Refusal::from));
        flight.listen(&self.runtime);
        let after = self.machine().engine.journal().last();
        flight.wrote = (after > before).then_some(after);
        self.flights.push(flight);
        if self.full {
            self.settle();
        }
    }

    fn flight(&self, request: Request, expected: Result<ModelAnswer, Refusal>) -> Flight {
        let (services, asked) = (self.machine().services.clone(), request.clone());
        let asked: Pin<Box<dyn Future<Output = Answer>>> = Box::pin(async move { ask(&services, &asked).await });
        Flight { request, expected, now: self.clients.model.now, wrote: None, asked: Some(asked), answer: None }
    }

    /// Where time goes by itself, the model is told what time it is: never earlier than it was told before.
    fn look_at_the_clock(&mut self) {
        if let Time::Manual(_) = self.time {
            return;
        }
        let engine = Arc::clone(&self.machine().engine);
        let mut asked: Pin<Box<dyn Future<Output = _>>> = Box::pin(engine.now());
        let mut waited = false;
        while !self.has_failed() {
            let _within = self.runtime.enter();
            match asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(now)) => {
                    assert!(now.micros() >= self.clients.model.now, "time went back to {now}");
                    self.clients.model.now = now.micros();
                    if !waited {
                        return;
                    }
                    // On a slow disk it is later by now.
                    (asked, waited) = (Box::pin(engine.now()), false);
                }
                Poll::Ready(Err(_)) => return,
                Poll::Pending => waited |= engine.journal().commit(),
            }
        }
    }

    /// Sends a request that nothing is in flight beside, in peace.
    fn ask_alone(&mut self, request: Request, expected: Result<ModelAnswer, Refusal>) {
        let mut flight = self.flight(request, expected);
        while flight.answer.is_none() {
            flight.listen(&self.runtime);
            self.machine().engine.journal().commit();
        }
        flight.check(&flight.expected, &mut self.tally);
    }

    fn listen(&mut self) {
        for flight in &mut self.flights {
            flight.listen(&self.runtime);
        }
    }

    fn has_failed(&self) -> bool {
        self.disk.is_dead() || self.machine().engine.journal().fault().is_some()
    }

    /// Has everything in flight answered, unless the machine fails, and looks at the answers.
    fn settle(&mut self) {
        let began = Instant::now();
        loop {
            while self.machine().engine.journal().commit() {}
            self.listen();
            if self.has_failed() || self.flights.iter().all(|flight| flight.answer.is_some()) {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "no answer: {:?}", self.flights.first().map(|flight| &flight.request));
            // Something waits for the history, which has a thread of its own.
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_micros(200)).await });
        }
        if self.has_failed() {
            return self.recover();
        }
        self.judge();
        self.flights.clear();
        if self.before.is_some() {
            self.before = Some(self.clients.model.clone());
        }
    }

    /// Compares all answers with those expected: of whom was turned away for want of room nothing is.
    fn judge(&mut self) {
        if !self.flights.iter().any(Flight::was_turned_away) {
            for flight in &self.flights {
                flight.check(&flight.expected, &mut self.tally);
            }
            return;
        }
        let mut model = self.before.clone().expect("remembered while the disk is full");
        for flight in &self.flights {
            if flight.was_turned_away() {
                self.tally.fault("refused for want of room");
                continue;
            }
            let expected = model.handle(&flight.request).map_err(Refusal::from);
            flight.check(&expected, &mut self.tally);
        }
        self.clients.model = model;
    }

    /// The machine has failed: another process finds what is left.
    fn recover(&mut self) {
        let mut model = self.before.take().expect("evil was planned");
        let mut flights = std::mem::take(&mut self.flights);
        flights.iter_mut().for_each(|flight| flight.asked = None);
        self.machine = None;
        self.full = false;
        self.disk.leave_space(None);
        if self.dice.one_in(3) {
            self.tally.fault("a killed process");
            self.disk.next_process();
        } else {
            self.tally.fault("a power loss");
            self.disk.reboot();
        }
        let last = self.open_somehow();
        for flight in &flights {
            let answered = flight.answered();
            // Who wrote nothing and was told nothing was turned away by what had failed already.
            let lost = flight.wrote.map_or(!answered, |lsn| lsn > last);
            assert!(!(lost && answered), "answered, and lost: {:?}", flight.request);
            if lost {
                self.tally.fault("a request that was lost");
                continue;
            }
            if let Time::System { .. } = self.time {
                // It had been told then.
                model.now = model.now.max(flight.now);
            }
            let expected = model.handle(&flight.request).map_err(Refusal::from);
            if answered {
                flight.check(&expected, &mut self.tally);
            } else if flight.wrote.is_some() {
                self.tally.fault("a request that was kept without an answer");
            }
        }
        self.clients.model = model;
        self.audit();
    }

    /// Opens the data directory, whatever else goes wrong meanwhile. Answers the last position that is there.
    fn open_somehow(&mut self) -> Lsn {
        for attempt in 0.. {
            let evil = attempt < 4 && self.dice.one_in(3);
            if evil && self.dice.one_in(4) {
                self.disk.fail_in(1 + self.dice.below(20));
            } else if evil {
                self.disk.lose_power_in(1 + self.dice.below(40));
            }
            match self.open() {
                // What is planned may be yet to come.
                Ok(machine) if !evil => {
                    let last = machine.last;
                    self.machine = Some(machine);
                    if let Time::System { agreed, .. } = &mut self.time {
                        *agreed = false;
                    }
                    return last;
                }
                Ok(machine) => drop(machine),
                Err(error) if error.contains("clock.max_gap") => self.agree(),
                Err(error) => {
                    assert!(evil, "{} cannot be opened: {error}", self.disk.digest());
                    self.tally.fault("a recovery that broke off");
                }
            }
            if self.disk.is_dead() && self.dice.one_in(2) {
                self.disk.reboot();
            } else {
                self.disk.next_process();
            }
        }
        unreachable!("it is tried without evil")
    }

    /// Somebody says that it is true that so much time has passed, or sets the clock right.
    fn agree(&mut self) {
        self.tally.fault("a start that was refused for a gap in time");
        let now = self.clients.model.now;
        let Time::System { clocks, agreed } = &mut self.time else { panic!("a manual clock has no gap") };
        let gap = tplus::clock::TimeSource::wall(&**clocks) - now;
        assert!(gap > 6 * 24 * 3_600_000_000, "a gap of {gap} µs");
        if self.dice.one_in(2) {
            *agreed = true;
        } else {
            clocks.step_wall(-gap);
        }
    }

    fn open(&self) -> Result<Machine, String> {
        self.open_on(&self.disk, &self.past)
    }

    fn open_on(&self, disk: &SimDisk, past: &Past) -> Result<Machine, String> {
        let files = FileOptions {
            segment_size: self.segment_size,
            create: Some(NewDirectory { id: [3; 16], fingerprint_key: KEY, attributes: Vec::new() }),
            workers: Workers::Caller,
            disk: Arc::new(disk.clone()),
            ..FileOptions::default()
        };
        let store = FileStore::open(Path::new(DATA), files).map_err(|error| error.to_string())?;
        let store = Arc::new(store);
        let history = History::open(history::Options {
            dir: past.dir.path().join("history"),
            directory_id: [3; 16],
            fingerprint_key: KEY,
            sync_every: Duration::ZERO,
            ..history::Options::default()
        });
        let history = history.expect("its disk is a real one");
        let clock = |floor: Option<i64>| match &self.time {
            Time::Manual(start) => Ok(Clock::Manual(ManualClock::start(floor.unwrap_or(*start), floor))),
            Time::System { clocks, agreed } => {
                let options = clock::Options { accept_gap: *agreed, ..clock::Options::default() };
                EngineClock::start(Arc::clone(clocks) as _, floor, options).map(Clock::System)
            }
        };
        let options = Options {
            limits: self.limits,
            shards: 4,
            policy: Some(self.policy.clone()),
            archive: past.kept.then(|| Arc::new(OnDisk(history.clone())) as _),
            max_recent: 32,
            background: false,
            workers: Workers::Caller,
            ..Options::default()
        };
        let opened = Engine::open(Arc::clone(&store) as _, KEY, clock, options);
        let (engine, found) = opened.map_err(|error| error.to_string())?;
        let slot = EngineSlot::new();
        slot.fill(Arc::clone(&engine), history.clone());
        Ok(Machine { engine, services: Services::new(Arc::new(slot)), store, history, last: found.tail.last })
    }

    /// A clean end, and another start; sometimes a look at what a flipped bit would have done.
    fn restart(&mut self) {
        if self.has_failed() {
            return self.recover();
        }
        if self.machine().engine.close().is_err() {
            return self.recover();
        }
        self.machine = None;
        self.disk.next_process();
        self.before = None;
        if self.full {
            self.full = false;
            self.disk.leave_space(None);
        }
        if !self.past.kept {
            self.flip_a_bit();
        }
        self.open_somehow();
        self.audit();
    }

    /// One bit of a copy: it is refused, or changes nothing.
    fn flip_a_bit(&mut self) {
        let copy = self.disk.copy();
        let Some((file, bit)) = copy.flip_a_bit() else { return };
        let verified = inspect::verify_on(Arc::new(copy.clone()), Path::new(DATA));
        // None of these holds anything.
        let idle = ["/LOCK", "/spare", ".tmp"].iter().any(|end| file.ends_with(end));
        assert!(idle || verified.is_err(), "bit {bit} of {file} was flipped, and it is said to be right");
        let nowhere = Past { dir: in_memory(), kept: false };
        match self.open_on(&copy, &nowhere) {
            Err(_) => self.tally.fault("a flipped bit that was refused"),
            Ok(machine) => {
                self.machine = Some(machine);
                let model = self.clients.model.clone();
                self.audit();
                (self.machine, self.clients.model) = (None, model);
                self.tally.fault("a flipped bit that was harmless");
            }
        }
    }

    fn checkpoint(&mut self) {
        if !self.full && self.dice.one_in(3) {
            self.remember();
            if self.dice.one_in(3) {
                self.disk.fail_in(1 + self.dice.below(12));
            } else {
                self.disk.lose_power_in(1 + self.dice.below(16));
            }
        }
        match self.machine().engine.checkpoint() {
            Ok(_) => self.tally.fault("a checkpoint"),
            Err(_) => self.tally.fault("a checkpoint that broke off"),
        }
        if self.has_failed() {
            return self.recover();
        }
        if !self.full {
            self.disk.plan_nothing();
            self.before = None;
        }
    }

    /// What the background would do.
    fn in_between(&mut self) {
        if self.dice.one_in(6) {
            drop(self.machine().engine.run_due());
        }
        if self.past.kept && self.dice.one_in(20) && !self.has_failed() {
            self.wait_for_the_history();
            self.machine().engine.let_go();
        }
        if self.has_failed() {
            return self.recover();
        }
        if !self.full {
            self.disk.plan_nothing();
            self.before = None;
        }
        if self.dice.one_in(25) {
            self.machine().engine.check().expect("the books are right");
            self.clients.model.check_invariants();
        }
    }

    fn wait_for_the_history(&self) {
        let Machine { engine, history, .. } = self.machine();
        while engine.journal().commit() {}
        let began = Instant::now();
        while history.durable() < engine.journal().durable() && !self.has_failed() {
            assert!(began.elapsed() < PATIENCE, "the history does not follow: {:?}", history.stats());
            std::thread::yield_now();
        }
    }

    /// Every merchant and every proposal is as it should be.
    fn audit(&mut self) {
        self.disk.be_slow(None);
        self.look_at_the_clock();
        self.machine().engine.check().expect("the books are right");
        let merchants: Vec<_> = self.clients.model.merchants.keys().cloned().collect();
        for merchant_id in merchants {
            let expected = self.clients.model.margin(&merchant_id).map(ModelAnswer::Margin).map_err(Refusal::from);
            self.ask_alone(Request::Read { merchant_id }, expected);
        }
        let all = all_proposals(1 + self.clients.model.proposals.len() as i32 % 9);
        let expected = self.clients.model.handle(&all).map_err(Refusal::from);
        self.ask_alone(all, expected);
    }

    /// Ends in peace: everything is asked for once more, and the files are verified.
    fn end(&mut self) {
        self.settle();
        self.full = false;
        self.disk.leave_space(None);
        self.disk.plan_nothing();
        self.machine().store.prepare();
        self.audit();
        let sent = self.clients.sent().to_vec();
        for _ in 0..sent.len().min(AGAIN) {
            let request = sent[self.dice.below(sent.len() as u64) as usize].clone();
            // What was kept is told again, and what was lost is decided now.
            let expected = self.clients.model.handle(&request).map_err(Refusal::from);
            self.ask_alone(request, expected);
        }
        let store = Arc::clone(&self.machine().store);
        self.tally.events(&*store);
        drop(store);
        self.machine().engine.close().expect("closed");
        let last = self.machine().engine.journal().last();
        self.machine = None;
        let report = inspect::verify_on(Arc::new(self.disk.clone()), Path::new(DATA)).expect("verified");
        assert_eq!(report.last, last);
        self.tally.struck(&self.disk.struck());
    }
}

/// Whether a request waits in between until what it has seen is durable. So that all of it is decided when it is sent, nothing may be left to
/// wait for.
fn looks_more_than_once(request: &Request) -> bool {
    match request {
        // The proposal is looked for, and then decided on.
        Request::Decide(_) => true,
        // One page after another.
        Request::Ask(Query::Proposals { page_size, .. }) => *page_size < 1_000,
        _ => false,
    }
}

impl Flight {
    fn listen(&mut self, runtime: &Runtime) {
        let Some(asked) = &mut self.asked else { return };
        let _within = runtime.enter();
        if let Poll::Ready(answer) = asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            (self.answer, self.asked) = (Some(answer), None);
        }
    }

    fn code(&self) -> Option<Code> {
        self.answer.as_ref().map(|answer| answer.as_ref().map_or_else(Status::code, |_| Code::Ok))
    }

    /// Nothing was looked at.
    fn was_turned_away(&self) -> bool {
        self.code() == Some(Code::ResourceExhausted)
    }

    /// Somebody was told something that is true for good.
    fn answered(&self) -> bool {
        !matches!(self.code(), None | Some(Code::Unavailable | Code::ResourceExhausted))
    }

    fn check(&self, expected: &Result<ModelAnswer, Refusal>, tally: &mut Tally) {
        let answer = self.answer.as_ref().expect("it was answered").as_ref();
        if let Err(status) = answer {
            tally.refusal(status);
        }
        let answer = answer.cloned().map_err(Refusal::from);
        assert_eq!(answer, *expected, "{:?}", self.request);
    }
}
