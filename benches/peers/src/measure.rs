//! One system under one kind of load: throughput, latency, processor time.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::{
    load::{Done, Peer, Shape, Supply, run},
    orders::{Orders, merchants},
    processor::{time_of, time_of_all},
};

/// How long the warm-up goes, and how many orders it has at most.
const WARM_UP: Duration = Duration::from_secs(2);
const WARM_UP_ORDERS: usize = 400_000;
/// How many more orders are made than the warm-up lets expect.
const SPARE: f64 = 1.5;
/// A server is at rest when it uses less of a processor than this, for two seconds.
const REST: f64 = 0.03;
/// Longer than this nobody waits for rest before the measurement.
const SETTLING: Duration = Duration::from_secs(60);

/// What was measured.
#[derive(Clone, Serialize, Deserialize)]
pub struct Measured {
    pub system: String,
    pub load: String,
    pub orders: u64,
    pub seconds: f64,
    pub orders_per_second: f64,
    /// Of a request, in milliseconds.
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Processor time of an order, in microseconds: of the server meanwhile, of the server with what it had left to do afterwards,
    /// and of the client.
    pub server_us: f64,
    pub server_with_upkeep_us: Option<f64>,
    pub client_us: f64,
    /// What neither server nor client used of the processors, as a share of all there is: the figures are worth little where it is large.
    pub others: f64,
    pub quick: f64,
    pub replayed: f64,
}

pub struct What {
    pub system: String,
    pub load: String,
    pub pid: u32,
    pub shape: Shape,
    pub time: Duration,
    /// How long the server is watched afterwards, until it is at rest.
    pub upkeep: Option<Duration>,
}

pub async fn measure<P: Peer>(peer: P, what: What) -> Result<Measured> {
    peer.load(&merchants()).await?;
    rest(what.pid, SETTLING).await?;
    let mut lanes = Vec::new();
    for number in 0..what.shape.lanes {
        lanes.push(peer.lane(number, what.shape).await?);
    }
    let mut orders = Orders::new(0x7_0000, false);
    let mut requests = |count: usize| -> Vec<P::Request> {
        // Not all that was made for the warm-up was sent in it.
        orders.forget();
        (0..count.div_ceil(what.shape.orders)).map(|_| peer.request(&orders.take(what.shape.orders))).collect()
    };
    let supply = Supply::new(requests(WARM_UP_ORDERS), WARM_UP, false);
    let (lanes, warm, took) = run(lanes, &supply).await?;
    let expected = warm.orders as f64 / took.as_secs_f64() * what.time.as_secs_f64() * SPARE;
    let made = requests(expected as usize);

    let before = [time_of(what.pid)?, time_of(std::process::id())?, time_of_all()?];
    let supply = Supply::new(made, what.time, false);
    let (_lanes, done, took) = run(lanes, &supply).await?;
    let used = [time_of(what.pid)? - before[0], time_of(std::process::id())? - before[1]];
    let by_others = (time_of_all()? - before[2]).saturating_sub(used[0] + used[1]);
    let others =
        by_others.div_f64(took.as_secs_f64()).as_secs_f64() / std::thread::available_parallelism()?.get() as f64;
    let of_one = |time: Duration| time.as_secs_f64() * 1e6 / done.orders as f64;
    let with_upkeep = match what.upkeep {
        Some(most) => {
            rest(what.pid, most).await?;
            Some(of_one(time_of(what.pid)? - before[0]))
        }
        None => None,
    };
    let [server_us, client_us] = used.map(of_one);
    Ok(Measured { server_us, client_us, others, server_with_upkeep_us: with_upkeep, ..summary(what, &done, took) })
}

fn summary(what: What, done: &Done, took: Duration) -> Measured {
    let mut latencies = done.latencies.clone();
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    Measured {
        system: what.system,
        load: what.load,
        orders: done.orders,
        seconds: took.as_secs_f64(),
        orders_per_second: done.orders as f64 / took.as_secs_f64(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        server_us: 0.0,
        server_with_upkeep_us: None,
        client_us: 0.0,
        others: 0.0,
        quick: done.quick as f64 / done.orders as f64,
        replayed: done.replayed as f64 / done.orders as f64,
    }
}

/// Waits until a server has nothing left to do, but not for ever.
async fn rest(pid: u32, most: Duration) -> Result<()> {
    let began = Instant::now();
    let (mut quiet, mut before) = (0, time_of(pid)?);
    while quiet < 2 && began.elapsed() < most {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = time_of(pid)?;
        quiet = if (now - before).as_secs_f64() < REST { quiet + 1 } else { 0 };
        before = now;
    }
    Ok(())
}
