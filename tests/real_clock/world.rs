//! A data directory and its server, a wall clock that is set, and clients who know what they were answered.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{Code, Status};
use tplus::proto::v1::{
    ClassifyOrderRequest, GetMarginResponse, ImportMerchantRequest, MarginEntry, ModifyGuaranteeRequest,
    PayMarginRequest, WithdrawRequest,
};

use crate::{
    calls::{Answer, BOUND, Calls, Request, cents, dollars, timestamp},
    ledger::{Ledger, Sent},
    wall::{Wall, boot},
    watched::{Watched, tplus},
};

const MERCHANTS: usize = 4;
/// How many of a merchant's latest answers are asked for again, and how many of all.
const SAMPLE: usize = 200;
/// Small files, so that segments roll and checkpoints are written on the way.
const SMALL: [(&str, &str); 2] = [("TPLUS_JOURNAL_SEGMENT_SIZE", "262144"), ("TPLUS_CHECKPOINT_EVERY_BYTES", "65536")];
/// In microseconds.
const SECOND: i64 = 1_000_000;
/// What a running engine follows, and how far a start may be ahead after a crash: the defaults of `clock.max_step` and of leases.
const MAX_STEP: i64 = 5 * SECOND;
const LEASE: i64 = SECOND;

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Stopped,
    Killed,
}

pub struct World {
    pub wall: Wall,
    root: TempDir,
    server: Option<Watched>,
    calls: Calls,
    ledgers: Vec<Arc<Mutex<Ledger>>>,
    pub random: Random,
    /// The first reading of engine time in this run, and the latest of all.
    first: Reading,
    latest: Reading,
}

/// Engine time, and the boot clock before and after it was asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    before: i64,
    engine: i64,
    after: i64,
}

impl World {
    /// A server that has just begun, with merchants who have some money and a guarantee.
    pub async fn new(seed: u64) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut world = Self {
            wall: Wall::at_noon(root.path()),
            root,
            server: None,
            calls: Calls::to("http://127.0.0.1:1"),
            ledgers: (0..MERCHANTS).map(|_| Arc::default()).collect(),
            random: Random(seed),
            first: Reading::default(),
            latest: Reading::default(),
        };
        world.start(&[]).await;
        for number in 0..MERCHANTS {
            let client = world.client(number);
            client.ask(client.an_import()).await.unwrap();
            client.ask(client.a_guarantee(1_000)).await.unwrap();
        }
        world
    }

    fn client(&mut self, number: usize) -> Client {
        Client {
            merchant: format!("m-{number}"),
            calls: self.calls.clone(),
            ledger: Arc::clone(&self.ledgers[number]),
            random: Random(self.random.next()),
            now: self.latest.engine,
        }
    }

    /// Starts the server. It goes on at the wall clock, or where it was if that is later.
    pub async fn start(&mut self, args: &[&str]) {
        assert!(self.server.is_none());
        let wall = self.wall.now();
        let environment = [self.wall.environment().as_slice(), &SMALL].concat();
        let server = Watched::start_in(self.root.path(), args, &environment);
        self.calls = Calls::to(&server.grpc);
        self.server = Some(server);
        let now = self.read().await;
        let earliest =
            self.ledgers.iter().map(|ledger| lock(ledger).latest).fold(wall.max(self.latest.engine), i64::max);
        // Since the latest reading it may have gone on until it ended, and then to the end of its lease.
        let gone = now.after - self.latest.before;
        let latest = self.wall.now().max(self.latest.engine + gone + gone / 100 + LEASE);
        assert!((earliest..=latest).contains(&now.engine), "{earliest} to {latest}: {now:?}");
        (self.first, self.latest) = (now, now);
    }

    /// What it says when it does not start. Nothing of the journal is touched.
    pub async fn refused(&mut self) -> String {
        assert!(self.server.is_none());
        let before = self.journal();
        let data = self.root.path().join("data");
        let mut command = tplus(&["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--data-dir"]);
        command.arg(data).envs(self.wall.environment()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let ended = timeout(BOUND, async {
            while child.try_wait().unwrap().is_none() {
                sleep(Duration::from_millis(10)).await;
            }
        });
        let refused = ended.await.is_ok();
        // It runs, and should not; let it not go on.
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(refused && output.status.code() == Some(2), "{output:?}");
        assert!(self.journal() == before, "a refused start has changed the journal");
        String::from_utf8(output.stderr).unwrap()
    }

    fn journal(&self) -> BTreeMap<String, Vec<u8>> {
        let files = fs::read_dir(self.root.path().join("data/journal")).unwrap().map(|entry| entry.unwrap().path());
        let segments = files.filter(|file| file.extension().is_some_and(|extension| extension == "seg"));
        let name = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
        segments.map(|file| (name(&file), fs::read(&file).unwrap())).collect()
    }

    pub fn end(&mut self, end: End) {
        let server = self.server.take().unwrap();
        match end {
            End::Stopped => assert!(server.stop()),
            End::Killed => server.kill(),
        }
        let data = self.root.path().join("data");
        let output = tplus(&["journal", "verify", "--data-dir", data.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }

    async fn read(&self) -> Reading {
        let before = boot();
        let engine = self.calls.clock().await;
        Reading { before, engine, after: boot() }
    }

    /// Engine time, which has gone on as the boot clock has since the server began, but for a slew of 1 %.
    pub async fn now(&mut self) -> i64 {
        let (now, first) = (self.read().await, self.first);
        assert!(now.engine >= self.latest.engine, "back from {:?} to {now:?}", self.latest);
        let (least, most) = (now.before - first.after, now.after - first.before);
        let went = now.engine - first.engine;
        assert!((least - least / 100 - 1..=most + most / 100 + 1).contains(&went), "from {first:?} to {now:?}");
        self.latest = now;
        now.engine
    }

    /// Waits until the server has seen how far its wall clock is off: this is how we know that the clock was really set.
    pub async fn notices(&mut self) {
        let noticed = timeout(BOUND, async {
            loop {
                let expected = self.wall.now() - self.now().await;
                let server = self.server.as_ref().unwrap();
                let offset = server.figure("tplus_clock_offset_seconds") * SECOND as f64;
                let alarm = server.figure("tplus_clock_alarm") > 0.5;
                let off = expected.abs() > MAX_STEP;
                if alarm == off && (offset - expected as f64).abs() < SECOND as f64 {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
        noticed.await.expect("the server does not see its wall clock");
    }

    /// Sets the wall clock while the server runs and clients talk to it, and waits until it is seen.
    pub async fn step(&mut self, by: i64) {
        let trade = self.trade(40);
        self.wall.step(by);
        self.notices().await;
        trade.join().await;
        self.audit().await;
    }

    /// Ends the server under the hands of its clients, or after they have gone.
    pub async fn end_in_trade(&mut self, end: End) {
        let trade = self.trade(if end == End::Killed { 2_000 } else { 40 });
        if end == End::Killed {
            trade.until(20).await;
            self.end(end);
            trade.join().await;
        } else {
            trade.join().await;
            self.end(end);
        }
    }

    /// Suspends the process under the hands of its clients, and lets it go on when the wall clock was set and `seconds` have passed.
    pub async fn suspend(&mut self, seconds: u64, by: i64) {
        let trade = self.trade(200);
        trade.until(20).await;
        let server = self.server.as_ref().unwrap();
        server.suspend();
        self.wall.step(by);
        sleep(Duration::from_secs(seconds)).await;
        server.resume();
        self.notices().await;
        trade.join().await;
        self.audit().await;
    }

    /// Lets a client for each merchant ask for so many things.
    pub fn trade(&mut self, requests: usize) -> Trade {
        let ledgers = self.ledgers.clone();
        let start = ledgers.iter().map(|ledger| lock(ledger).sent.len()).sum();
        let clients = (0..MERCHANTS).map(|number| tokio::spawn(self.client(number).talk(requests))).collect();
        Trade { clients, ledgers, start }
    }

    /// Holds the server to what it answered: to each of the latest answers, to some of the older ones, and to what all of them add up to.
    pub async fn audit(&mut self) {
        for (number, ledger) in self.ledgers.clone().into_iter().enumerate() {
            let merchant = format!("m-{number}");
            let sent = lock(&ledger).sent.len();
            let of_old = (0..SAMPLE).map(|_| usize::try_from(self.random.below(sent as u64)).unwrap());
            for index in of_old.chain(sent.saturating_sub(SAMPLE)..sent).collect::<Vec<_>>() {
                hold_to(&self.calls, &ledger, index).await;
            }
            let (margin, entries) = self.look(&merchant).await;
            let now = crate::calls::micros(margin.as_of.as_ref());
            assert!(now >= self.latest.engine, "{now} after {:?}", self.latest);
            let ledger = lock(&ledger);
            ledger.check_days();
            ledger.check_margin(&margin);
            ledger.check_entries(&entries, now);
        }
        self.now().await;
    }

    /// Both as of the same instant: something may come due between the two.
    async fn look(&self, merchant: &str) -> (GetMarginResponse, Vec<MarginEntry>) {
        let (mut margin, mut entries) = (self.calls.margin(merchant).await, self.calls.entries(merchant).await);
        for _ in 0..10 {
            if margin.entries == entries.len() as u64 {
                break;
            }
            (margin, entries) = (self.calls.margin(merchant).await, self.calls.entries(merchant).await);
        }
        assert_eq!(margin.entries, entries.len() as u64, "{merchant}: entries as it says, and as there are");
        (margin, entries)
    }

    /// How many orders there are, and how many settlements and releases were due until now.
    pub fn figures(&self) -> (usize, usize, usize) {
        let figures = self.ledgers.iter().map(|ledger| lock(ledger).figures(self.latest.engine));
        figures.fold((0, 0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1, sum.2 + each.2))
    }
}

/// Sends a request once more: an answer comes again, and what was open is settled.
async fn hold_to(calls: &Calls, ledger: &Mutex<Ledger>, index: usize) {
    let Sent { request, answer } = lock(ledger).sent[index].clone();
    match (answer, calls.send(&request).await) {
        (Some(first), Ok(again)) => assert_eq!(again, first.marked(true), "another answer to {request:?}"),
        (None, Ok(answer)) => lock(ledger).sent[index].answer = Some(answer.marked(false)),
        // It was not kept, and it is too late for it now.
        (None, Err(status)) if status.code() == Code::FailedPrecondition && request.is_late() => {}
        (_, Err(status)) => panic!("{request:?} is answered by {status:?}"),
    }
}

/// Clients who talk.
pub struct Trade {
    clients: Vec<JoinHandle<()>>,
    ledgers: Vec<Arc<Mutex<Ledger>>>,
    start: usize,
}

impl Trade {
    /// Waits until they have sent so many requests.
    pub async fn until(&self, enough: usize) {
        let sent = || self.ledgers.iter().map(|ledger| lock(ledger).sent.len()).sum::<usize>();
        let reached = timeout(BOUND, async {
            while sent() < self.start + enough {
                assert!(!self.clients.iter().all(JoinHandle::is_finished), "nobody asks for anything");
                sleep(Duration::from_millis(1)).await;
            }
        });
        reached.await.expect("the server does not answer");
    }

    pub async fn join(self) {
        for client in self.clients {
            timeout(BOUND, client).await.expect("a client hangs").unwrap();
        }
    }
}

/// Somebody who asks for this and that about one merchant, one thing after the other, until nobody answers.
struct Client {
    merchant: String,
    calls: Calls,
    ledger: Arc<Mutex<Ledger>>,
    random: Random,
    /// The latest engine time that this client knows of.
    now: i64,
}

impl Client {
    async fn talk(mut self, requests: usize) {
        for _ in 0..requests {
            let request = self.a_request();
            let Some(answer) = self.ask(request.clone()).await else { return };
            if !request.is_late() {
                assert!(answer.at() >= self.now, "back from {} by {answer:?}", self.now);
                self.now = answer.at();
                let mut ledger = lock(&self.ledger);
                ledger.latest = ledger.latest.max(self.now);
            }
        }
    }

    /// Enters a request into the ledger, sends it, and enters the answer. None when the server has gone.
    async fn ask(&self, request: Request) -> Option<Answer> {
        let index = {
            let mut ledger = lock(&self.ledger);
            ledger.sent.push(Sent { request: request.clone(), answer: None });
            ledger.sent.len() - 1
        };
        match self.calls.send(&request).await {
            Ok(answer) => {
                assert!(!answer.replayed(), "{request:?} was never sent before");
                lock(&self.ledger).sent[index].answer = Some(answer.clone());
                Some(answer)
            }
            Err(status) => gone(&request, &status),
        }
    }

    fn a_request(&mut self) -> Request {
        let (funds, guarantee) = (self.funds(), lock(&self.ledger).guarantee());
        match self.random.below(20) {
            0..12 => self.an_order(),
            12..16 if guarantee > 0 => self.a_guarantee(guarantee - 1),
            16..18 if funds >= 100 => Request::Withdraw(WithdrawRequest {
                merchant_id: self.merchant.clone(),
                amount: dollars(1 + self.random.below(100)),
                request_id: self.id(),
                ..WithdrawRequest::default()
            }),
            _ => self.a_payment(),
        }
    }

    /// What was imported and paid in, and neither frozen nor withdrawn; income is on top of it.
    fn funds(&self) -> i128 {
        lock(&self.ledger).sent.iter().fold(-100_000, |funds, sent| match &sent.request {
            Request::Import(import) => funds + cents(&import.available),
            Request::Pay(payment) => funds + cents(&payment.amount),
            Request::Withdraw(withdrawal) => funds - cents(&withdrawal.amount),
            _ => funds,
        })
    }

    /// Some have been completed up to 20 hours ago.
    fn an_order(&mut self) -> Request {
        let price = 100 + self.random.below(20_000);
        let late = self.now - i64::try_from(self.random.below(20 * 3_600)).unwrap() * SECOND;
        Request::Order(ClassifyOrderRequest {
            merchant_id: self.merchant.clone(),
            order_id: self.id(),
            price: dollars(price),
            profit: dollars(price / 10),
            completed_at: (self.random.below(4) == 0).then(|| timestamp(late)),
            ..ClassifyOrderRequest::default()
        })
    }

    fn a_payment(&mut self) -> Request {
        Request::Pay(PayMarginRequest {
            merchant_id: self.merchant.clone(),
            amount: dollars(1 + self.random.below(100)),
            request_id: self.id(),
            ..PayMarginRequest::default()
        })
    }

    fn a_guarantee(&self, dollars: u64) -> Request {
        Request::Guarantee(ModifyGuaranteeRequest {
            merchant_id: self.merchant.clone(),
            guarantee: Some(dollars),
            request_id: self.id(),
            ..ModifyGuaranteeRequest::default()
        })
    }

    fn an_import(&self) -> Request {
        Request::Import(ImportMerchantRequest {
            merchant_id: self.merchant.clone(),
            historical_profit: "1200".into(),
            available: "3000.00".into(),
            request_id: self.id(),
            ..ImportMerchantRequest::default()
        })
    }

    fn id(&self) -> String {
        format!("{}", lock(&self.ledger).sent.len())
    }
}

/// The server has been ended; anything else is a mistake.
fn gone(request: &Request, status: &Status) -> Option<Answer> {
    let codes = [Code::Unavailable, Code::Unknown, Code::Cancelled, Code::Internal];
    assert!(codes.contains(&status.code()), "{request:?} is answered by {status:?}");
    None
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap()
}

/// Numbers that look random and follow from a seed (SplitMix64).
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
