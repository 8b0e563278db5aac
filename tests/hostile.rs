//! Clients that mean harm, in HTTP/2: each does one thing that has brought other servers down, for some seconds, while somebody else
//! wants to be served. They are, memory stays where it is, and who overdoes it is hung up on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at once"
)]

mod served;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use served::Server;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Mutex, MutexGuard, watch},
    time::{Instant, sleep, timeout},
};
use tonic::transport::Channel;
use tplus::proto::v1::{ClassifyOrderRequest, order_service_client::OrderServiceClient};

/// How long an attack lasts, and longer until somebody else was served.
const LASTS: Duration = Duration::from_secs(5);
/// How much the server may grow by meanwhile, in bytes: what it does for those whom it serves takes some.
const GROWS: u64 = 96 << 20;
/// Everything that is waited for has to come within this.
const BOUND: Duration = Duration::from_secs(60);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// What a client says first.
fn preface() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &[])].concat()
}

/// The headers of a call, each written out.
fn headers(method: &str) -> Vec<u8> {
    let path = format!("/tplus.v1.OrderService/{method}");
    let all = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", &path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut block = Vec::new();
    for (name, value) in all {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

fn call(stream: u32, method: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &headers(method))
}

/// What an attack does with a connection, and with the next one when it is hung up on: what it says first, and then again and again.
struct Attack {
    first: Vec<u8>,
    /// What it says as the n-th.
    again: Box<dyn FnMut(u32) -> Vec<u8> + Send>,
    /// Reads what the server says, or never does.
    reads: bool,
    /// Waits so long before it says more.
    pause: Duration,
}

impl Attack {
    fn new(again: impl FnMut(u32) -> Vec<u8> + Send + 'static) -> Self {
        Self { first: Vec::new(), again: Box::new(again), reads: true, pause: Duration::ZERO }
    }

    /// Until it is told to stop. Answers how often it was hung up on.
    async fn run(mut self, address: SocketAddr, mut stop: watch::Receiver<bool>) -> usize {
        let mut hung_up = 0;
        let attacks = async {
            loop {
                // Who is hung up on comes again.
                self.connect(address).await.unwrap_or_default();
                hung_up += 1;
            }
        };
        tokio::select! {
            () = attacks => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        hung_up
    }

    /// Until the server hangs up.
    async fn connect(&mut self, address: SocketAddr) -> std::io::Result<()> {
        let (mut from, mut to) = TcpStream::connect(address).await?.into_split();
        let says = async {
            to.write_all(&[preface(), self.first.clone()].concat()).await?;
            for n in 0.. {
                to.write_all(&(self.again)(n)).await?;
                sleep(self.pause).await;
            }
            Ok(())
        };
        let hears = async {
            let mut heard = vec![0; 64 << 10];
            while self.reads && from.read(&mut heard).await? > 0 {}
            if !self.reads {
                std::future::pending::<()>().await;
            }
            Ok(())
        };
        tokio::select! { said = says => said, heard = hears => heard }
    }
}

/// Attacks come one after the other: there are few processors, and each takes all it gets.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A server, and somebody who wants to be served.
struct World {
    _alone: MutexGuard<'static, ()>,
    _root: TempDir,
    server: Server,
    address: SocketAddr,
    served: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    customer: std::thread::JoinHandle<()>,
    memory: u64,
}

impl World {
    async fn new() -> Self {
        let alone = ALONE.lock().await;
        let root = TempDir::new().unwrap();
        let (server, address) = Server::start(root.path(), &["--listen", "127.0.0.1:0"], &[]);
        let (served, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let customer = customer(address.clone(), Arc::clone(&served), Arc::clone(&stop));
        while served.load(Ordering::Relaxed) < 20 {
            sleep(Duration::from_millis(1)).await;
        }
        let memory = server.memory();
        let address = address.trim_start_matches("http://").parse().unwrap();
        Self { _alone: alone, _root: root, server, address, served, stop, customer, memory }
    }

    /// Everybody attacks, while the customer is served. Answers how often somebody was hung up on.
    async fn endure(self, attacks: impl IntoIterator<Item = Attack>) -> usize {
        let before = self.served.load(Ordering::Relaxed);
        let (stop, stopped) = watch::channel(false);
        let attacks = attacks.into_iter().map(|attack| tokio::spawn(attack.run(self.address, stopped.clone())));
        let attacks: Vec<_> = attacks.collect();
        let (began, mut most) = (Instant::now(), self.memory);
        // How often the customer is served in that time depends on the machine, but served he is.
        while began.elapsed() < LASTS || self.served.load(Ordering::Relaxed) == before {
            assert!(began.elapsed() < BOUND, "the customer was not served");
            most = most.max(self.server.memory());
            sleep(Duration::from_millis(20)).await;
        }
        let during = self.served.load(Ordering::Relaxed);
        stop.send_replace(true);
        let mut hung_up = 0;
        for attack in attacks {
            hung_up += attack.await.unwrap();
        }
        let grown = most - self.memory;
        assert!(grown < GROWS, "the server grew by {} KiB", grown >> 10);
        // And afterwards as before.
        let after = async {
            while self.served.load(Ordering::Relaxed) < during + 20 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(BOUND, after).await.expect("the customer is served afterwards");
        self.stop.store(true, Ordering::Relaxed);
        self.customer.join().unwrap();
        println!("{hung_up} hung up on, {} served, grown by {} KiB", during - before, grown >> 10);
        hung_up
    }
}

/// Buys in a thread of its own, so that it is the server that makes it wait, and not those who attack.
fn customer(address: String, served: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
            buy(channel, served, stop).await;
        });
    })
}

async fn buy(channel: Channel, served: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    let mut client = OrderServiceClient::new(channel);
    while !stop.load(Ordering::Relaxed) {
        let number = served.load(Ordering::Relaxed);
        let order = ClassifyOrderRequest {
            merchant_id: "customer".into(),
            order_id: format!("o-{number}"),
            price: "1".into(),
            ..ClassifyOrderRequest::default()
        };
        timeout(BOUND, client.classify_order(order)).await.expect("an answer in time").expect("an answer");
        served.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_reset_at_once() {
    let attack = || {
        Attack::new(|n| {
            let some = (0..100).map(|call| (n * 100 + call) * 2 + 1);
            some.flat_map(|id| [call(id, "ClassifyOrder"), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat()).collect()
        })
    };
    assert!(World::new().await.endure([attack(), attack()]).await > 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_without_an_end() {
    let mut attack = Attack::new(|_| frame(CONTINUATION, 0, 1, &[0, 1, b'x', 1, b'y'].repeat(2_000)));
    attack.first = frame(HEADERS, 0, 1, &headers("ClassifyOrder"));
    assert!(World::new().await.endure([attack]).await > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_without_an_end_and_without_content() {
    let mut attack = Attack::new(|_| frame(CONTINUATION, 0, 1, &[]).repeat(1_000));
    attack.first = frame(HEADERS, 0, 1, &headers("ClassifyOrder"));
    assert!(World::new().await.endure([attack]).await > 1);
}

/// Nobody is hung up on for asking often; who does not read the answers is not read from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_and_settings_without_number() {
    let attacks = [(PING, 8, true), (PING, 8, false), (SETTINGS, 0, true), (SETTINGS, 0, false)];
    let attacks = attacks.map(|(kind, len, reads)| {
        let mut attack = Attack::new(move |_| frame(kind, 0, 0, &vec![0; len]).repeat(1_000));
        attack.reads = reads;
        attack
    });
    World::new().await.endure(attacks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_without_content() {
    let mut attack = Attack::new(|_| frame(DATA, 0, 1, &[]).repeat(1_000));
    attack.first = call(1, "StreamClassifyOrders");
    assert!(World::new().await.endure([attack]).await > 1);
}

/// Hundreds who say one byte now and then, of their headers or of a message.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_headers_and_slow_bodies() {
    let attacks = (0..300).map(|number| {
        let mut attack = Attack::new(move |_| if number % 2 == 0 { vec![0] } else { frame(DATA, 0, 1, &[1]) });
        attack.pause = Duration::from_millis(200);
        // The beginning of a message of 16 MiB less one.
        attack.first = if number % 2 == 0 {
            frame(HEADERS, END_HEADERS, 1, &[0; 200])[..20].to_vec()
        } else {
            [call(1, "ClassifyOrder"), frame(DATA, 0, 1, &[0, 0, 0x3f, 0xff, 0xff])].concat()
        };
        attack
    });
    World::new().await.endure(attacks).await;
}

/// Calls by the hundred of which no answer is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_never_read() {
    let message = {
        let order = ClassifyOrderRequest {
            merchant_id: "m".into(),
            order_id: "o".into(),
            price: "1".into(),
            ..ClassifyOrderRequest::default()
        };
        let bytes = prost::Message::encode_to_vec(&order);
        [[0].as_slice(), &u32::try_from(bytes.len()).unwrap().to_be_bytes(), &bytes].concat()
    };
    let attacks = (0..4).map(|_| {
        let message = message.clone();
        let mut attack = Attack::new(move |n| {
            let some = (0..50).map(|call| (n * 50 + call) * 2 + 1);
            some.flat_map(|id| [call(id, "ClassifyOrder"), frame(DATA, 1, id, &message)].concat()).collect()
        });
        attack.reads = false;
        attack
    });
    World::new().await.endure(attacks.collect::<Vec<_>>()).await;
}

/// Connections that say nothing, more than there may be: those beyond are hung up on, and nobody else is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_number() {
    let _alone = ALONE.lock().await;
    let root = TempDir::new().unwrap();
    let most = [("TPLUS_SERVER_MAX_CONNECTIONS", "1000")];
    let (server, address) = Server::start(root.path(), &["--listen", "127.0.0.1:0"], &most);
    let channel = Channel::from_shared(address.clone()).unwrap().connect().await.unwrap();
    let place = address.trim_start_matches("http://").to_owned();
    let before = server.memory();
    let mut idle = Vec::new();
    for _ in 0..2_000 {
        let mut stream = TcpStream::connect(&place).await.unwrap();
        // Who is hung up on learns it at once or when he reads.
        drop(stream.write_all(&preface()).await);
        idle.push(stream);
    }
    let mut hung_up = 0;
    for stream in &mut idle {
        let mut heard = [0; 4 << 10];
        let told = timeout(BOUND, stream.read(&mut heard)).await.expect("the settings, or an end");
        hung_up += usize::from(told.is_err() || told.is_ok_and(|len| len == 0));
    }
    assert_eq!(hung_up, 1_001, "one of the thousand is the customer's");
    let grown = server.memory().saturating_sub(before);
    assert!(grown < GROWS, "the server grew by {} KiB", grown >> 10);
    let mut client = OrderServiceClient::new(channel);
    let order = |n: usize| ClassifyOrderRequest {
        merchant_id: "m".into(),
        order_id: format!("o-{n}"),
        price: "1".into(),
        ..ClassifyOrderRequest::default()
    };
    client.classify_order(order(1)).await.unwrap();
    // When they are gone, others find their places.
    drop(idle);
    let mut tries = 0;
    loop {
        let again = Channel::from_shared(address.clone()).unwrap().connect().await;
        if let Ok(channel) = again
            && OrderServiceClient::new(channel).classify_order(order(2)).await.is_ok()
        {
            break;
        }
        tries += 1;
        assert!(tries < 500, "nobody finds a place");
        sleep(Duration::from_millis(10)).await;
    }
}
