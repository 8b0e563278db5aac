//! The kill test: a real server is killed at random moments while clients talk to it. What it answered has to be there
//! afterwards, and the same; what it did not answer is there as a whole or not at all.
//!
//! `TPLUS_KILL_ROUNDS` says how often it is killed, over both clocks; `TPLUS_SEED` repeats the choices of a run, though not
//! the moments at which the disk and the scheduler answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::large_enum_variant,
    missing_docs,
    unreachable_pub,
    reason = "a test may stop at once"
)]

mod served;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prost_types::Timestamp;
use served::{Server, tplus};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::{Code, Status, transport::Channel};
use tplus::proto::v1::{
    AdvanceClockRequest, ClassifyOrderRequest, ClassifyOrderResponse, GetClockRequest, GetMarginRequest,
    GetMarginResponse, ImportMerchantRequest, ImportMerchantResponse, ModifyGuaranteeRequest, ModifyGuaranteeResponse,
    clock_service_client::ClockServiceClient, guarantee_service_client::GuaranteeServiceClient,
    margin_service_client::MarginServiceClient, merchant_service_client::MerchantServiceClient,
    order_service_client::OrderServiceClient,
};

/// How many clients talk at once.
const CLIENTS: u64 = 5;
/// How many merchants everybody sells for; a merchant's guarantee is one client's business.
const MERCHANTS: u64 = 9;
/// How many of the answers of earlier rounds are asked for again after a round.
const SAMPLE: u64 = 150;
/// Everything that is waited for has to come within this.
const BOUND: Duration = Duration::from_secs(120);
/// Small files, so that segments roll and checkpoints are written while it is killed.
const SMALL: [(&str, &str); 2] = [("TPLUS_JOURNAL_SEGMENT_SIZE", "262144"), ("TPLUS_CHECKPOINT_EVERY_BYTES", "65536")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_survive_kills_on_the_systems_clock() {
    World::new(&[]).live().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_survive_kills_on_the_manual_clock() {
    World::new(&["--clock", "manual", "--clock-start", "2026-01-31T12:00:00Z"]).live().await;
}

/// A data directory, and what is known of it.
struct World {
    root: TempDir,
    args: Vec<&'static str>,
    ledger: Arc<Mutex<Ledger>>,
    random: Random,
    seed: u64,
}

impl World {
    fn new(clock: &[&'static str]) -> Self {
        let seed = std::env::var("TPLUS_SEED").ok().map(|seed| seed.parse().expect("TPLUS_SEED is a number"));
        let seed = seed.unwrap_or_else(|| RandomState::new().hash_one("seed"));
        let args = [&["--listen", "127.0.0.1:0"], clock].concat();
        println!("TPLUS_SEED={seed} for serve {}", args.join(" "));
        let root = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        Self { root, args, ledger, random: Random(seed), seed }
    }

    fn manual(&self) -> bool {
        self.args.contains(&"manual")
    }

    async fn live(mut self) {
        let rounds = std::env::var("TPLUS_KILL_ROUNDS").ok().map(|rounds| rounds.parse().expect("a number of rounds"));
        let rounds = rounds.unwrap_or(12_u64).div_ceil(2);
        let mut settled = 0;
        for round in 0..rounds {
            let (server, address) = Server::start(self.root.path(), &self.args, &SMALL);
            self.audit(&address, settled).await;
            settled = self.ledger.lock().unwrap().sent.len() as u64;
            self.disturb(server, &address, round).await;
            self.verify_the_journal();
            self.interrupt_recoveries().await;
        }
        let (_server, address) = Server::start(self.root.path(), &self.args, &SMALL);
        self.audit(&address, 0).await;
        let ledger = self.ledger.lock().unwrap();
        let answered = ledger.sent.iter().filter(|sent| sent.answer.is_some()).count();
        let [out, kept] = ledger.open;
        let [segments, checkpoints] = ["journal", "checkpoints"].map(|name| self.files(name));
        println!(
            "TPLUS_SEED={}: {rounds} rounds, {} requests, {answered} answers; of {} that a kill left open, {kept} were \
             kept; {segments} files in the journal, {checkpoints} checkpoints",
            self.seed,
            ledger.sent.len(),
            out + kept
        );
        assert!(answered > 0);
    }

    fn files(&self, name: &str) -> usize {
        fs::read_dir(self.root.path().join("data").join(name)).unwrap().count()
    }

    /// Lets the clients talk, and kills the server at some moment.
    async fn disturb(&mut self, server: Server, address: &str, round: u64) {
        let answers = Arc::new(AtomicU64::new(0));
        let clients: Vec<JoinHandle<()>> = (0..CLIENTS)
            .map(|number| {
                let client = Client {
                    number,
                    to: Calls::to(address),
                    ledger: Arc::clone(&self.ledger),
                    random: Random(self.random.next()),
                    answers: Arc::clone(&answers),
                    moves_the_clock: self.manual() && number == 0,
                };
                tokio::spawn(client.talk())
            })
            .collect();
        let enough = 20 + self.random.below(600);
        let reached = timeout(BOUND, async {
            while answers.load(Ordering::Relaxed) < enough && !clients.iter().any(JoinHandle::is_finished) {
                sleep(Duration::from_millis(1)).await;
            }
        });
        reached.await.unwrap_or_else(|_| panic!("round {round}: the server does not answer"));
        sleep(Duration::from_micros(self.random.below(5_000))).await;
        server.kill();
        for client in clients {
            timeout(BOUND, client).await.expect("a client hangs").unwrap();
        }
        let answers = answers.load(Ordering::Relaxed);
        assert!(answers >= enough, "round {round}: nobody answers after {answers} answers, and nobody was killed");
    }

    /// A journal after a kill may end in something unfinished, but it is not damaged.
    fn verify_the_journal(&self) {
        let data = self.root.path().join("data");
        let output = tplus(&["journal", "verify", "--data-dir", data.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Kills some of the servers that recover, too.
    async fn interrupt_recoveries(&mut self) {
        for _ in 0..self.random.below(6).saturating_sub(3) {
            let server = Server::spawn(self.root.path(), &self.args, &SMALL);
            sleep(Duration::from_micros(self.random.below(60_000))).await;
            server.kill();
        }
    }

    /// Holds the server to everything that was answered; requests before `settled`, and whom only they are about, by a sample.
    async fn audit(&mut self, address: &str, settled: u64) {
        let to = Calls::to(address);
        let now = to.clock().await.unwrap();
        let count = {
            let mut ledger = self.ledger.lock().unwrap();
            assert!(now >= ledger.latest, "the clock went back from {} to {now}", ledger.latest);
            ledger.saw(now);
            ledger.sent.len() as u64
        };
        let sample: Vec<u64> = (0..SAMPLE.min(settled)).map(|_| self.random.below(settled)).collect();
        let numbers = sample.into_iter().chain(settled..count).map(|number| usize::try_from(number).unwrap());
        let numbers: Vec<usize> = numbers.collect();
        for number in &numbers {
            self.hold_to(&to, *number).await;
        }
        let merchants = self.ledger.lock().unwrap().merchants(&numbers);
        for merchant in merchants {
            let margin = to.margin(&merchant).await.unwrap();
            let ledger = self.ledger.lock().unwrap();
            ledger.check_margin(&merchant, &margin);
            ledger.check_days(&merchant);
        }
    }

    /// Sends a request once more: an answer comes again, and what was open is settled.
    async fn hold_to(&self, to: &Calls, number: usize) {
        let sent = self.ledger.lock().unwrap().sent[number].clone();
        if sent.refused {
            return;
        }
        match (sent.answer, to.send(&sent.request).await) {
            (Some(first), Ok(again)) => assert_eq!(first.as_replayed(), again, "another answer to {:?}", sent.request),
            (None, Ok(answer)) => {
                let mut ledger = self.ledger.lock().unwrap();
                ledger.open[usize::from(answer.replayed())] += 1;
                ledger.answered(number, answer);
            }
            (None, Err(status)) if sent.request.may_be_refused(&status) => {
                self.ledger.lock().unwrap().sent[number].refused = true;
            }
            (_, Err(status)) => panic!("{:?} is answered by {status:?}", sent.request),
        }
    }
}

/// Somebody who asks for this and that until nobody answers.
struct Client {
    number: u64,
    to: Calls,
    ledger: Arc<Mutex<Ledger>>,
    random: Random,
    answers: Arc<AtomicU64>,
    moves_the_clock: bool,
}

impl Client {
    async fn talk(mut self) {
        while self.say_something().await.is_some() {
            self.answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Nothing comes back when the server is gone.
    async fn say_something(&mut self) -> Option<()> {
        match self.random.below(100) {
            0..65 => {
                let order = self.an_order();
                self.ask(Request::Order(order)).await
            }
            65..75 => self.repeat().await,
            75..88 => {
                let guarantee = self.a_guarantee();
                self.ask(Request::Guarantee(guarantee)).await
            }
            88..91 => {
                let import = self.an_import();
                self.ask(Request::Import(import)).await
            }
            91..95 if self.moves_the_clock => self.move_the_clock().await,
            _ => self.look().await,
        }
    }

    /// Enters a request into the ledger, sends it, and enters the answer.
    async fn ask(&self, request: Request) -> Option<()> {
        let number = self.ledger.lock().unwrap().sending(request.clone());
        let answer = self.to.send(&request).await;
        let mut ledger = self.ledger.lock().unwrap();
        match answer {
            Ok(answer) => {
                assert!(!answer.replayed(), "{request:?} was never sent before");
                ledger.answered(number, answer);
                Some(())
            }
            Err(status) if request.may_be_refused(&status) => {
                ledger.sent[number].refused = true;
                Some(())
            }
            Err(status) => gone(&status),
        }
    }

    /// Asks for something again that anybody was answered.
    async fn repeat(&mut self) -> Option<()> {
        let sent = {
            let ledger = self.ledger.lock().unwrap();
            let number = self.random.below(ledger.sent.len().max(1) as u64);
            ledger.sent.get(usize::try_from(number).unwrap()).cloned()
        };
        let Some(Sent { request, answer: Some(first), .. }) = sent else { return Some(()) };
        match self.to.send(&request).await {
            Ok(again) => assert_eq!(first.as_replayed(), again, "another answer to {request:?}"),
            Err(status) => return gone(&status),
        }
        Some(())
    }

    async fn look(&mut self) -> Option<()> {
        let before = self.ledger.lock().unwrap().latest;
        match self.to.margin(&format!("m-{}", self.random.below(MERCHANTS))).await {
            Ok(margin) => {
                let as_of = micros(margin.as_of.as_ref());
                assert!(as_of >= before, "a margin of {as_of} after {before} had been given out");
                self.ledger.lock().unwrap().saw(as_of);
                Some(())
            }
            Err(status) if status.code() == Code::NotFound => Some(()),
            Err(status) => gone(&status),
        }
    }

    async fn move_the_clock(&mut self) -> Option<()> {
        let to = self.ledger.lock().unwrap().latest + 60_000_000 * (1 + i64::try_from(self.random.below(600)).unwrap());
        match self.to.advance(to).await {
            Ok(now) => {
                self.ledger.lock().unwrap().saw(now);
                Some(())
            }
            Err(status) => gone(&status),
        }
    }

    fn an_order(&mut self) -> ClassifyOrderRequest {
        let ledger = self.ledger.lock().unwrap();
        let all = MERCHANTS + ledger.imported.len() as u64;
        let chosen = self.random.below(all);
        let imported = chosen.checked_sub(MERCHANTS).map(|n| ledger.imported[usize::try_from(n).unwrap()].clone());
        let price = 1 + self.random.below(20_000);
        let late = ledger.latest - i64::try_from(self.random.below(20 * 3_600_000_000)).unwrap();
        ClassifyOrderRequest {
            merchant_id: imported.unwrap_or_else(|| format!("m-{chosen}")),
            order_id: format!("o-{:016x}", self.random.next()),
            price: dollars(price),
            profit: if self.random.below(2) == 0 { String::new() } else { dollars(self.random.below(price + 1)) },
            completed_at: (self.random.below(4) == 0 && ledger.latest > 0).then(|| timestamp(late)),
            ..ClassifyOrderRequest::default()
        }
    }

    /// Of a merchant whose guarantee only this client modifies, so that the last one sent is the one that holds.
    fn a_guarantee(&mut self) -> ModifyGuaranteeRequest {
        let mine = (0..MERCHANTS).filter(|merchant| merchant % CLIENTS == self.number).collect::<Vec<_>>();
        let merchant = mine[usize::try_from(self.random.below(mine.len() as u64)).unwrap()];
        ModifyGuaranteeRequest {
            merchant_id: format!("m-{merchant}"),
            guarantee: Some(self.random.below(1_000)),
            request_id: format!("g-{:016x}", self.random.next()),
            ..ModifyGuaranteeRequest::default()
        }
    }

    fn an_import(&mut self) -> ImportMerchantRequest {
        ImportMerchantRequest {
            merchant_id: format!("i-{:016x}", self.random.next()),
            historical_profit: dollars(self.random.below(4_000_000)),
            available: dollars(self.random.below(100_000)),
            request_id: format!("i-{:016x}", self.random.next()),
            ..ImportMerchantRequest::default()
        }
    }
}

/// The server has gone away, or is about to; anything else it says is a mistake.
fn gone(status: &Status) -> Option<()> {
    assert!(
        matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal),
        "{status:?}"
    );
    None
}

/// What was sent, in this order, and what came back.
#[derive(Default)]
struct Ledger {
    sent: Vec<Sent>,
    /// Which of it is about whom.
    about: BTreeMap<String, Vec<usize>>,
    /// Merchants whose import was answered.
    imported: Vec<String>,
    /// The latest time that was ever given out, in microseconds.
    latest: i64,
    /// How many requests that a kill left open had not been kept, and how many had.
    open: [u64; 2],
}

#[derive(Clone)]
struct Sent {
    request: Request,
    answer: Option<Answer>,
    refused: bool,
}

impl Ledger {
    fn sending(&mut self, request: Request) -> usize {
        let number = self.sent.len();
        self.about.entry(request.merchant().to_owned()).or_default().push(number);
        self.sent.push(Sent { request, answer: None, refused: false });
        number
    }

    fn answered(&mut self, number: usize, answer: Answer) {
        match (&self.sent[number].request, &answer) {
            (Request::Import(request), _) => self.imported.push(request.merchant_id.clone()),
            (_, Answer::Guarantee(answer)) => self.latest = self.latest.max(micros(answer.modified_at.as_ref())),
            _ => {}
        }
        self.sent[number].answer = Some(answer);
    }

    fn saw(&mut self, now: i64) {
        self.latest = self.latest.max(now);
    }

    /// Whom these requests are about, as far as they were answered.
    fn merchants(&self, numbers: &[usize]) -> BTreeSet<String> {
        let answered = numbers.iter().map(|number| &self.sent[*number]).filter(|sent| sent.answer.is_some());
        answered.map(|sent| sent.request.merchant().to_owned()).collect()
    }

    fn answers<'a>(&'a self, merchant: &'a str) -> impl Iterator<Item = (&'a Request, &'a Answer)> {
        let of_it = self.about.get(merchant).into_iter().flatten().map(|number| &self.sent[*number]);
        of_it.filter_map(|sent| Some((&sent.request, sent.answer.as_ref()?)))
    }

    /// The balances are what the answers add up to.
    fn check_margin(&self, merchant: &str, margin: &GetMarginResponse) {
        let (mut pending, mut settled, mut guarantee, mut imported) = (0, 0, 0, (0, 0));
        for (request, answer) in self.answers(merchant) {
            match (request, answer) {
                (Request::Order(order), Answer::Order(answer)) => {
                    let profit = cents(if order.profit.is_empty() { &order.price } else { &order.profit });
                    let due = micros(answer.settles_at.as_ref()) <= micros(margin.as_of.as_ref());
                    *if due { &mut settled } else { &mut pending } += profit;
                }
                (_, Answer::Guarantee(answer)) => {
                    assert_eq!(cents(&answer.previous_guarantee), guarantee, "{merchant}: a modification is missing");
                    guarantee = cents(&answer.guarantee);
                }
                (_, Answer::Import(answer)) => {
                    imported = (cents(&answer.historical_profit), cents(&answer.available));
                }
                (request, answer) => panic!("{request:?} is answered by {answer:?}"),
            }
        }
        let [frozen, gap] = [&margin.frozen, &margin.gap].map(|amount| cents(amount));
        let [releasing, available] = [&margin.releasing_total, &margin.available].map(|amount| cents(amount));
        assert_eq!(cents(&margin.pending_total), pending, "{merchant}: pending of {margin:?}");
        assert_eq!(cents(&margin.historical_profit), imported.0 + settled, "{merchant}: profit of {margin:?}");
        assert_eq!(frozen + releasing + available, imported.1 + settled, "{merchant}: money of {margin:?}");
        assert_eq!(cents(&margin.guarantee), guarantee, "{merchant}: guarantee of {margin:?}");
        assert_eq!(gap, guarantee - frozen, "{merchant}: gap of {margin:?}");
        assert_eq!(cents(&margin.debt), 0, "{merchant}: debt of {margin:?}");
        assert!(gap == 0 || (available == 0 && releasing == 0), "{merchant}: a gap beside money in {margin:?}");
    }

    /// The receipts of a day follow one upon the other without a gap: no order counted twice or not at all.
    fn check_days(&self, merchant: &str) {
        let mut days: BTreeMap<i64, BTreeMap<i128, i128>> = BTreeMap::new();
        for (request, answer) in self.answers(merchant) {
            let (Request::Order(order), Answer::Order(answer)) = (request, answer) else { continue };
            let receipt = answer.receipt.as_ref().unwrap();
            let (before, after) = (cents(&receipt.day_total_before), cents(&receipt.day_total_after));
            assert_eq!(after - before, cents(&order.price), "{merchant}: {receipt:?}");
            let day = days.entry(micros(receipt.resets_at.as_ref())).or_default();
            assert_eq!(day.insert(before, after), None, "{merchant}: two orders were decided on {receipt:?}");
        }
        for (day, totals) in days {
            let total = totals.into_iter().fold(0, |total, (before, after)| {
                assert_eq!(before, total, "{merchant}: an order is missing on the day that ends at {day}");
                after
            });
            assert!(total > 0);
        }
    }
}

#[derive(Clone, Debug)]
enum Request {
    Order(ClassifyOrderRequest),
    Guarantee(ModifyGuaranteeRequest),
    Import(ImportMerchantRequest),
}

impl Request {
    fn merchant(&self) -> &str {
        match self {
            Self::Order(request) => &request.merchant_id,
            Self::Guarantee(request) => &request.merchant_id,
            Self::Import(request) => &request.merchant_id,
        }
    }

    /// An order may have become too old while the clock was moved; everything may meet an engine that is overloaded.
    fn may_be_refused(&self, status: &Status) -> bool {
        match (self, status.code()) {
            (_, Code::ResourceExhausted) => true,
            (Self::Order(order), Code::FailedPrecondition) => order.completed_at.is_some(),
            _ => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Order(ClassifyOrderResponse),
    Guarantee(ModifyGuaranteeResponse),
    Import(ImportMerchantResponse),
}

impl Answer {
    fn replayed(&self) -> bool {
        match self {
            Self::Order(answer) => answer.replayed,
            Self::Guarantee(answer) => answer.replayed,
            Self::Import(answer) => answer.replayed,
        }
    }

    /// The same answer as a repeat gets it.
    fn as_replayed(&self) -> Self {
        match self.clone() {
            Self::Order(answer) => Self::Order(ClassifyOrderResponse { replayed: true, ..answer }),
            Self::Guarantee(answer) => Self::Guarantee(ModifyGuaranteeResponse { replayed: true, ..answer }),
            Self::Import(answer) => Self::Import(ImportMerchantResponse { replayed: true, ..answer }),
        }
    }
}

/// A connection, and the calls over it; each of them is bounded.
struct Calls(Channel);

impl Calls {
    fn to(address: &str) -> Self {
        Self(Channel::from_shared(address.to_owned()).unwrap().connect_lazy())
    }

    async fn send(&self, request: &Request) -> Result<Answer, Status> {
        let channel = self.0.clone();
        match request.clone() {
            Request::Order(request) => {
                bounded(OrderServiceClient::new(channel).classify_order(request)).await.map(Answer::Order)
            }
            Request::Guarantee(request) => {
                bounded(GuaranteeServiceClient::new(channel).modify_guarantee(request)).await.map(Answer::Guarantee)
            }
            Request::Import(request) => {
                bounded(MerchantServiceClient::new(channel).import_merchant(request)).await.map(Answer::Import)
            }
        }
    }

    async fn margin(&self, merchant: &str) -> Result<GetMarginResponse, Status> {
        let request = GetMarginRequest { merchant_id: merchant.to_owned(), as_of: None };
        bounded(MarginServiceClient::new(self.0.clone()).get_margin(request)).await
    }

    async fn clock(&self) -> Result<i64, Status> {
        let clock = bounded(ClockServiceClient::new(self.0.clone()).get_clock(GetClockRequest {})).await?;
        Ok(micros(clock.now.as_ref()))
    }

    async fn advance(&self, to: i64) -> Result<i64, Status> {
        let request = AdvanceClockRequest { to: Some(timestamp(to)) };
        let clock = bounded(ClockServiceClient::new(self.0.clone()).advance_clock(request)).await?;
        Ok(micros(clock.now.as_ref()))
    }
}

async fn bounded<T>(call: impl Future<Output = Result<tonic::Response<T>, Status>>) -> Result<T, Status> {
    timeout(BOUND, call).await.expect("the server does not answer").map(tonic::Response::into_inner)
}

fn dollars(cents: u64) -> String {
    let mut text = String::new();
    write!(text, "{}.{:02}", cents / 100, cents % 100).unwrap();
    text
}

fn cents(dollars: &str) -> i128 {
    let (whole, cents) = dollars.split_once('.').unwrap_or((dollars, "00"));
    assert_eq!(cents.len(), 2, "{dollars}");
    whole.parse::<i128>().unwrap() * 100 + cents.parse::<i128>().unwrap()
}

fn micros(at: Option<&Timestamp>) -> i64 {
    let at = at.expect("every answer has its times");
    at.seconds * 1_000_000 + i64::from(at.nanos) / 1_000
}

fn timestamp(micros: i64) -> Timestamp {
    let nanos = micros.rem_euclid(1_000_000) * 1_000;
    Timestamp { seconds: micros.div_euclid(1_000_000), nanos: i32::try_from(nanos).unwrap() }
}

/// Numbers that look random and follow from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
