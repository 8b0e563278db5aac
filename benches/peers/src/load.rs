//! Load in a closed loop: so many lanes, each with so many requests in flight, until the time is over.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::orders::{Answer, Merchant, Order, Said};

/// Requests made beforehand, taken by whoever is free.
pub struct Supply<R> {
    requests: Vec<R>,
    next: AtomicUsize,
    until: Instant,
    /// Answers are kept, in the order in which a lane gets them.
    keep: bool,
}

impl<R> Supply<R> {
    pub fn new(requests: Vec<R>, time: Duration, keep: bool) -> Arc<Self> {
        Arc::new(Self { requests, next: AtomicUsize::new(0), until: Instant::now() + time, keep })
    }

    pub fn next(&self) -> Option<&R> {
        if Instant::now() >= self.until {
            return None;
        }
        self.requests.get(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// What came of a lane's requests.
#[derive(Default)]
pub struct Done {
    pub orders: u64,
    pub quick: u64,
    pub replayed: u64,
    /// Of each request.
    pub latencies: Vec<Duration>,
    pub answers: Vec<Answer>,
}

impl Done {
    /// Takes the answers to one request.
    pub fn take<R>(&mut self, supply: &Supply<R>, sent: Instant, answers: &[Answer]) {
        self.latencies.push(sent.elapsed());
        self.orders += answers.len() as u64;
        for answer in answers {
            match answer.said {
                Said::Quick { replayed } => {
                    self.quick += 1;
                    self.replayed += u64::from(replayed);
                }
                Said::Standard { replayed } => self.replayed += u64::from(replayed),
                Said::Conflict => {}
            }
        }
        if supply.keep {
            self.answers.extend_from_slice(answers);
        }
    }

    fn add(&mut self, other: Self) {
        self.orders += other.orders;
        self.quick += other.quick;
        self.replayed += other.replayed;
        self.latencies.extend(other.latencies);
        self.answers.extend(other.answers);
    }
}

/// How requests are shaped and how many are on their way.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Orders in a request; requests of one order take the way of single orders.
    pub orders: usize,
    /// How many lanes there are.
    pub lanes: usize,
    /// How many requests of a lane are in flight.
    pub depth: usize,
}

/// A system that classifies orders.
pub trait Peer: Sync {
    type Request: Send + Sync + 'static;
    type Lane: Lane<Self::Request>;

    /// Brings the merchants in.
    fn load(&self, merchants: &[Merchant]) -> impl Future<Output = Result<()>>;
    fn request(&self, orders: &[Order]) -> Self::Request;
    fn lane(&self, number: usize, shape: Shape) -> impl Future<Output = Result<Self::Lane>>;
}

/// A connection to it, or a part of one.
pub trait Lane<R>: Send + 'static {
    fn run(&mut self, supply: &Supply<R>) -> impl Future<Output = Result<Done>> + Send;
}

/// Sends all that the supply has, or as long as it may.
pub async fn run<R: Send + Sync + 'static, L: Lane<R>>(
    lanes: Vec<L>,
    supply: &Arc<Supply<R>>,
) -> Result<(Vec<L>, Done, Duration)> {
    let began = Instant::now();
    let running: Vec<_> = lanes
        .into_iter()
        .map(|mut lane| {
            let supply = Arc::clone(supply);
            tokio::spawn(async move { lane.run(&supply).await.map(|done| (lane, done)) })
        })
        .collect();
    let (mut lanes, mut all) = (Vec::new(), Done::default());
    for lane in running {
        let (lane, done) = lane.await??;
        lanes.push(lane);
        all.add(done);
    }
    Ok((lanes, all, began.elapsed()))
}
