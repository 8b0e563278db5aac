//! Sellers who sell, and what they were told.

use std::{
    collections::BTreeSet,
    fs,
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tonic::transport::Channel;
use tplus::proto::v1::{
    ClassifyOrderRequest, ClassifyOrderResponse, ModifyGuaranteeRequest, ModifyGuaranteeResponse,
    guarantee_service_client::GuaranteeServiceClient, order_service_client::OrderServiceClient,
};

use crate::{
    program::{LISTEN, SMALL},
    served::Server,
};

const BOUND: Duration = Duration::from_secs(120);

/// Something that was asked and answered.
#[derive(Clone, Debug)]
pub enum Sold {
    Order(ClassifyOrderRequest, ClassifyOrderResponse),
    Guarantee(ModifyGuaranteeRequest, ModifyGuaranteeResponse),
}

pub async fn connect(address: &str) -> Channel {
    Channel::from_shared(address.to_owned()).unwrap().timeout(BOUND).connect().await.unwrap()
}

/// Asks for the number-th thing of a merchant: an order, or every 16th time a guarantee.
pub async fn sell(channel: &Channel, merchant: &str, number: u64) -> Sold {
    let merchant_id = merchant.to_owned();
    if number % 16 == 7 {
        let request = ModifyGuaranteeRequest {
            merchant_id,
            request_id: format!("g-{number}"),
            guarantee: Some(number % 1_000),
            ..ModifyGuaranteeRequest::default()
        };
        let answer = GuaranteeServiceClient::new(channel.clone()).modify_guarantee(request.clone()).await.unwrap();
        Sold::Guarantee(request, answer.into_inner())
    } else {
        let request = ClassifyOrderRequest {
            merchant_id,
            order_id: format!("o-{number}"),
            price: format!("{}.{:02}", 1 + number % 200, number % 100),
            profit: "0.50".into(),
            ..ClassifyOrderRequest::default()
        };
        let answer = OrderServiceClient::new(channel.clone()).classify_order(request.clone()).await.unwrap();
        Sold::Order(request, answer.into_inner())
    }
}

/// Sellers who sell until they are told to stop.
pub struct Load {
    sold: Arc<Mutex<Vec<Sold>>>,
    stop: Arc<AtomicBool>,
    sellers: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(address: &str, sellers: u64) -> Self {
        let (sold, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let seller = |number| {
            let (address, sold, stop) = (address.to_owned(), Arc::clone(&sold), Arc::clone(&stop));
            tokio::spawn(async move {
                let (channel, merchant) = (connect(&address).await, format!("m{number}"));
                let mut next = 0;
                while !stop.load(Ordering::Relaxed) {
                    let answers = sell_all(&channel, &merchant, next..next + 8).await;
                    sold.lock().unwrap().extend(answers);
                    next += 8;
                }
            })
        };
        let sellers = (0..sellers).map(seller).collect();
        Self { sold, stop, sellers }
    }

    pub fn answered(&self) -> Vec<Sold> {
        self.sold.lock().unwrap().clone()
    }

    pub async fn until(&self, enough: usize) {
        while self.sold.lock().unwrap().len() < enough {
            assert!(!self.sellers.iter().any(JoinHandle::is_finished), "nothing is sold any more");
            sleep(Duration::from_millis(2)).await;
        }
    }

    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for seller in self.sellers {
            seller.await.unwrap();
        }
    }
}

/// Asks for several things at once, so that a batch has several. Their answers come in any order.
async fn sell_all(channel: &Channel, merchant: &str, numbers: Range<u64>) -> Vec<Sold> {
    let mut asked = JoinSet::new();
    for number in numbers {
        let (channel, merchant) = (channel.clone(), merchant.to_owned());
        asked.spawn(async move { sell(&channel, &merchant, number).await });
    }
    asked.join_all().await
}

/// Starts a server on `root/data`, sells so much to it, and ends it.
pub async fn sold(root: &Path, environment: &[(&str, &str)], count: u64) -> Vec<Sold> {
    sold_from(root, environment, 0, count).await
}

/// The same with the number-th things to be sold.
pub async fn sold_from(root: &Path, environment: &[(&str, &str)], number: u64, count: u64) -> Vec<Sold> {
    let (server, address) = Server::start(root, &LISTEN, environment);
    let channel = connect(&address).await;
    let mut sold = Vec::new();
    for start in (number..number + count).step_by(40) {
        sold.extend(sell_all(&channel, "m0", start..(start + 40).min(number + count)).await);
    }
    server.kill();
    sold
}

/// Makes a directory with something in its archive: behind two checkpoints. A server writes one when there is enough to replay; a large one
/// puts off the next, so each comes from a server of its own.
pub async fn archived(root: &Path) {
    let names = |dir: &str, end: &str| -> BTreeSet<_> {
        let entries =
            fs::read_dir(root.join("data").join(dir)).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|its| its == end)).collect()
    };
    for round in 1..=3_u64 {
        let before = names("checkpoints", "ckpt");
        let (server, address) = Server::start(root, &LISTEN, &SMALL);
        let channel = connect(&address).await;
        let is_done = || match round {
            1 | 2 => !names("checkpoints", "ckpt").is_subset(&before),
            _ => !names("archive", "seg").is_empty(),
        };
        let mut next = round * 1_000_000;
        let enough = next + 2_500;
        let selling = async {
            while next < enough || !is_done() {
                sell_all(&channel, "m0", next..next + 50).await;
                next += 50;
                if next > enough {
                    sleep(Duration::from_millis(20)).await;
                }
            }
        };
        timeout(BOUND, selling).await.expect("a checkpoint is written");
        server.kill();
    }
}

/// Asks for everything again, many at once: every answer is the first one.
pub async fn all_answered_again(address: &str, sold: &[Sold]) {
    let channel = connect(address).await;
    assert!(!sold.is_empty());
    for several in sold.chunks(64) {
        let mut asked = JoinSet::new();
        for sold in several.iter().cloned() {
            asked.spawn(answered_again(channel.clone(), sold));
        }
        asked.join_all().await;
    }
}

async fn answered_again(channel: Channel, sold: Sold) {
    match sold {
        Sold::Order(request, first) => {
            let again = OrderServiceClient::new(channel).classify_order(request).await.unwrap().into_inner();
            assert_eq!(again, ClassifyOrderResponse { replayed: true, ..first });
        }
        Sold::Guarantee(request, first) => {
            let again = GuaranteeServiceClient::new(channel).modify_guarantee(request).await.unwrap().into_inner();
            assert_eq!(again, ModifyGuaranteeResponse { replayed: true, ..first });
        }
    }
}
