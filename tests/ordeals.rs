//! What a real process lives through on a real machine: it is suspended, its directory is copied under its hands, its disk is full.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at once"
)]

mod served;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use served::Server;
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::sleep};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;
use tplus::proto::v1::{
    ClassifyOrderRequest, ClassifyOrderResponse, GetClockRequest, GetMarginRequest,
    clock_service_client::ClockServiceClient, margin_service_client::MarginServiceClient,
    order_service_client::OrderServiceClient,
};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];
/// Small files, so that there are many, and checkpoints, and an archive.
const SMALL: [(&str, &str); 2] = [("TPLUS_JOURNAL_SEGMENT_SIZE", "262144"), ("TPLUS_CHECKPOINT_EVERY_BYTES", "65536")];
/// Everything that is waited for has to come within this.
const BOUND: Duration = Duration::from_secs(120);

async fn connect(address: &str) -> Channel {
    Channel::from_shared(address.to_owned()).unwrap().timeout(BOUND).connect().await.unwrap()
}

fn order(merchant: &str, number: u64) -> ClassifyOrderRequest {
    ClassifyOrderRequest {
        merchant_id: merchant.into(),
        order_id: format!("o-{number}"),
        price: "1".into(),
        ..ClassifyOrderRequest::default()
    }
}

async fn classify(channel: &Channel, merchant: &str, number: u64) -> Result<ClassifyOrderResponse, Status> {
    let answer = OrderServiceClient::new(channel.clone()).classify_order(order(merchant, number)).await;
    answer.map(tonic::Response::into_inner)
}

/// How many orders a merchant has.
async fn orders(channel: &Channel, merchant: &str) -> Result<u64, Status> {
    let margin = GetMarginRequest { merchant_id: merchant.into(), ..GetMarginRequest::default() };
    let margin = MarginServiceClient::new(channel.clone()).get_margin(margin).await?.into_inner();
    Ok(margin.pending.iter().map(|pending| pending.orders).sum())
}

/// Orders of a merchant, one after the other, until it is told to stop.
struct Seller {
    answered: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    selling: JoinHandle<()>,
}

impl Seller {
    fn new(channel: Channel, merchant: String) -> Self {
        let (answered, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, told) = (Arc::clone(&answered), Arc::clone(&stop));
        let selling = tokio::spawn(async move {
            while !told.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Acquire);
                assert!(!classify(&channel, &merchant, number).await.unwrap().replayed, "{merchant}: {number}");
                count.store(number + 1, Ordering::Release);
            }
        });
        Self { answered, stop, selling }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    async fn until(&self, enough: u64) {
        while self.answered() < enough {
            assert!(!self.selling.is_finished(), "nothing is sold any more");
            sleep(Duration::from_millis(1)).await;
        }
    }

    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.selling.await.unwrap();
        self.answered.load(Ordering::Acquire)
    }
}

#[tokio::test]
async fn a_process_that_is_suspended_goes_on_where_it_was() {
    let root = TempDir::new().unwrap();
    let (server, address) = Server::start(root.path(), &LISTEN, &[]);
    let channel = connect(&address).await;
    let time = async || {
        let state = ClockServiceClient::new(channel.clone()).get_clock(GetClockRequest {}).await.unwrap().into_inner();
        state.now.unwrap()
    };
    let sellers: Vec<_> = (0..8).map(|number| Seller::new(channel.clone(), format!("m{number}"))).collect();
    for round in 1..=3 {
        for seller in &sellers {
            seller.until(round * 20).await;
        }
        let before = time().await;
        server.suspend(true);
        while !server.is_suspended() {
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_millis(1_300)).await;
        server.suspend(false);
        let after = time().await;
        assert!(after.seconds > before.seconds, "the time that has gone by has gone by: {before:?}, {after:?}");
    }
    for (number, seller) in sellers.into_iter().enumerate() {
        let answered = seller.stop().await;
        assert_eq!(orders(&channel, &format!("m{number}")).await.unwrap(), answered);
    }
}

/// Copies what is there, as `cp -r` would: file after file, while they change. Files that are gone by their turn are not copied.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (from, to) = (entry.as_ref().unwrap().path(), to.join(entry?.file_name()));
        let copied = if from.is_dir() { copy(&from, &to) } else { fs::copy(&from, &to).map(drop) };
        match copied {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            copied => copied?,
        }
    }
    Ok(())
}

/// Such a copy is no backup: it may be refused. But it is never less than what had been answered before it was begun, and never something that
/// was not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_directory_in_use_is_refused_or_has_all_that_was_answered() {
    const SELLERS: usize = 4;
    let root = TempDir::new().unwrap();
    let (_server, address) = Server::start(root.path(), &LISTEN, &SMALL);
    let channel = connect(&address).await;
    let sellers: Vec<_> = (0..SELLERS).map(|number| Seller::new(channel.clone(), format!("m{number}"))).collect();
    let (mut opened, mut refused) = (0, vec![]);
    for round in 1..=4 {
        for seller in &sellers {
            seller.until(round * 250).await;
        }
        let answered: Vec<_> = sellers.iter().map(Seller::answered).collect();
        let elsewhere = TempDir::new().unwrap();
        copy(&root.path().join("data"), &elsewhere.path().join("data")).unwrap();
        match Server::try_start(elsewhere.path(), &LISTEN, &SMALL) {
            Ok((_server, address)) => {
                let channel = connect(&address).await;
                for (number, answered) in answered.into_iter().enumerate() {
                    all_there(&channel, &format!("m{number}"), answered).await;
                }
                opened += 1;
            }
            Err(said) => refused.push(said),
        }
    }
    println!("{opened} copies were taken up, {} refused: {refused:#?}", refused.len());
    for said in &refused {
        assert!(said.contains("error: "), "without a reason: {said}");
    }
    for seller in sellers {
        seller.stop().await;
    }
    assert!(opened > 0, "no copy was taken up: {refused:#?}");
}

/// Of the merchant's orders, so many at least, and of those that are there none is missing before another.
async fn all_there(channel: &Channel, merchant: &str, answered: u64) {
    let there = orders(channel, merchant).await.unwrap();
    assert!(there >= answered, "{merchant} had {answered} orders, and has {there}");
    for number in (0..there).step_by(29).chain([there - 1]) {
        assert!(classify(channel, merchant, number).await.unwrap().replayed, "{merchant}: {number} of {there}");
    }
    assert!(!classify(channel, merchant, there).await.unwrap().replayed);
}

/// `TPLUS_SMALL_DISK` names a directory on a file system of a few MiB, for instance
/// `unshare -m sh -c 'mount -t tmpfs -o size=8m tmpfs DIR && TPLUS_SMALL_DISK=DIR cargo test … -- --ignored'`.
#[tokio::test]
#[ignore = "needs a small file system"]
async fn a_server_on_a_full_disk_answers_reads_and_goes_on_when_there_is_room() {
    let small = PathBuf::from(std::env::var_os("TPLUS_SMALL_DISK").unwrap());
    let filler = small.join("filler");
    fs::write(&filler, vec![1; 1 << 20]).unwrap();
    let (server, address) = Server::start(&small, &LISTEN, &SMALL);
    let channel = connect(&address).await;
    let mut taken = 0;
    let full = loop {
        match classify(&channel, "m", taken).await {
            Ok(_) => taken += 1,
            Err(status) => break status,
        }
        assert!(taken < 200_000, "the disk is not small");
    };
    assert_eq!(full.code(), Code::ResourceExhausted, "{full}");
    assert_eq!(full.get_details_error_info().unwrap().reason, "STORAGE_FULL");
    assert!(full.get_details_retry_info().is_some());
    assert_eq!(orders(&channel, "m").await.unwrap(), taken);
    assert!(classify(&channel, "m", 0).await.unwrap().replayed);

    fs::remove_file(&filler).unwrap();
    let mut tries = 0;
    while let Err(status) = classify(&channel, "m", taken).await {
        assert_eq!(status.get_details_error_info().unwrap().reason, "STORAGE_FULL");
        tries += 1;
        assert!(tries < 1_000, "there is room again");
        sleep(Duration::from_millis(50)).await;
    }
    server.kill();
    let (_server, address) = Server::start(&small, &LISTEN, &SMALL);
    let channel = connect(&address).await;
    assert_eq!(orders(&channel, "m").await.unwrap(), taken + 1);
    println!("{taken} orders until the disk was full");
}
