//! What can be asked of `tplus bench`, and what is taken where nothing is said.

use std::{path::PathBuf, time::Duration};

use clap::{ValueEnum, value_parser};

use super::running::Running;
use crate::{
    cli::{Exit, Failure},
    clock::random_bytes,
    domain::Money,
};

/// The most orders in a chunk that a server takes.
const LARGEST_CHUNK: u32 = 8_192;

/// How long to send before anything is measured, if nothing is said.
const WARMUP: Duration = Duration::from_secs(1);

/// How many orders are encoded ahead, at least and at most, if nothing is said.
const POOL: (u64, u64) = (1 << 18, 1 << 22);
/// How many orders a server may be behind with a schedule, all connections together: some seconds' work, and a bound to memory.
const BEHIND: u32 = 4_000_000;

/// What `tplus bench` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Where the server that is started keeps its data, which then stays; by default in a directory that is thrown away.
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    pub(super) data_dir: Option<PathBuf>,
    /// Load a server that decodes what it is sent and answers at once: shows what the wire costs, and this generator.
    #[arg(long, conflicts_with_all = ["server", "data_dir"])]
    pub(super) empty: bool,
    /// How orders are sent.
    #[arg(long, value_name = "MODE", default_value = "stream")]
    pub(super) mode: Mode,
    /// Who sends them one by one: the client that is generated from the proto files, or one that spares work, so that the server shows more
    /// of what it can do. Chunks and streams are always sent by the latter.
    #[arg(long, value_name = "CLIENT", default_value = "generated")]
    pub(super) client: Client,
    /// How many orders a message of a stream, or a call, carries. By default 1,000 (one by one: 1).
    #[arg(long, value_name = "ORDERS", value_parser = value_parser!(u32).range(1..=i64::from(LARGEST_CHUNK)))]
    pub(super) chunk: Option<u32>,
    /// How many connections; by default 4 for orders one by one, and 1 else.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1_024))]
    pub(super) connections: Option<u32>,
    /// How many messages are on their way at once: calls in all, or messages a stream. By default 200 calls of one order, 16 of more; in a
    /// stream 16 messages of 1,000 orders and more, and 1,000 of one. With --rate 4 million orders in all: what is behind by more is sent late, which
    /// its latency tells.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=65_536))]
    pub(super) in_flight: Option<u32>,
    /// How many threads send.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=64))]
    pub(super) threads: u32,
    /// Send so many orders a second, whatever comes back, and count latency from when each message was due, so that a stall counts for all
    /// whom it would have kept waiting. Without it, the next message is sent when one is answered.
    #[arg(long, value_name = "ORDERS", value_parser = value_parser!(u64).range(1..=1_000_000_000))]
    pub(super) rate: Option<u64>,
    /// How long to measure.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub(super) duration: Duration,
    /// How long to send before anything is measured; by default 1s, and with --orders nothing.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) warmup: Option<Duration>,
    /// End after so many orders, if that is earlier.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub(super) orders: Option<u64>,
    /// How many merchants the orders are of. They are put up before the load, which takes a call for each, some 2 kB of memory each in the server
    /// and 8 bytes here; ten million take some minutes.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=1_000_000_000))]
    pub(super) merchants: u32,
    /// Merchants are drawn by Zipf's law with this exponent (1.0 is the classic one) instead of evenly.
    #[arg(long, value_name = "EXPONENT")]
    pub(super) zipf: Option<f64>,
    /// The share of merchants that have no guarantee.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = share)]
    pub(super) without_guarantee: f64,
    /// The guarantee of the others, in whole dollars. Orders are of 1 to 200 dollars.
    #[arg(long, value_name = "DOLLARS", default_value_t = 10_000, value_parser = value_parser!(u64).range(1..=Money::MAX_INPUT_DOLLARS))]
    pub(super) guarantee: u64,
    /// The share of orders that were sent before, each some thousands of orders ago.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(super) repeats: f64,
    /// The share of orders that come late: completed 1 to 20 hours ago.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub(super) late: f64,
    /// Ask for receipts (orders one by one always have them).
    #[arg(long)]
    pub(super) receipts: bool,
    /// The same number gives the same orders. Meant for a server that has not seen them: known orders are answered as repeats.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// How many orders are encoded before the load, some 50 bytes each; by default twice as many as merchants, 262,144 to 4,194,304. After as
    /// many, merchants and prices come again, with ids that are new.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1 << 30))]
    pub(super) pool: Option<u64>,
    /// Put up no merchants: they are there, or none has a guarantee.
    #[arg(long)]
    pub(super) no_setup: bool,
    /// The share of answers that are read in full and checked. All are counted, refusals too.
    #[arg(long, value_name = "SHARE", default_value_t = 1.0 / 256.0, value_parser = share)]
    pub(super) check: f64,
    /// Do it so many times, and tell the median run too.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1_000))]
    pub(super) repeat: u32,
    /// Write the result as JSON; - for standard output, instead of the table.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Draw latencies and throughput; of several runs, the median one.
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
    // Last, since its heading is that of whatever follows.
    #[command(flatten)]
    pub(super) running: Running,
}

/// How orders are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// ClassifyOrder: an order a call.
    Unary,
    /// ClassifyOrders: a chunk a call.
    Chunk,
    /// StreamClassifyOrders: chunk after chunk.
    Stream,
}

/// Who sends orders one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Client {
    /// The one that is generated from the proto files.
    Generated,
    /// One that speaks HTTP/2 directly and encodes ahead.
    Light,
}

/// What is sent, and how: the options with all defaults.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// How orders are sent.
    pub(super) mode: Mode,
    /// Who sends.
    pub(super) client: Client,
    /// Orders in a message.
    pub(super) chunk: u32,
    /// Connections in all.
    pub(super) connections: u32,
    /// Messages in flight on a connection, at most.
    pub(super) in_flight: u32,
    /// Threads that send.
    pub(super) threads: u32,
    /// Orders a second, or as fast as answers come.
    pub(super) rate: Option<u64>,
    /// How long to measure.
    pub(super) duration: Duration,
    /// How long to send before.
    pub(super) warmup: Duration,
    /// The most orders to send.
    pub(super) orders: Option<u64>,
    /// Who sells, and how often each.
    pub(super) merchants: Merchants,
    /// The share of repeats.
    pub(super) repeats: f64,
    /// The share of late orders.
    pub(super) late: f64,
    /// Whether chunks are answered with receipts.
    pub(super) receipts: bool,
    /// What everything is drawn from.
    pub(super) seed: u64,
    /// Orders that are encoded ahead, in all.
    pub(super) pool: u64,
    /// One message in so many is checked; none with 0.
    pub(super) check_every: u64,
}

/// Who sells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merchants {
    /// How many there are.
    pub(super) count: u32,
    /// The exponent of Zipf's law, if not all sell alike.
    pub(super) zipf: Option<f64>,
    /// The share of them without a guarantee.
    pub(super) without_guarantee: f64,
    /// The guarantee of the others, in dollars.
    pub(super) guarantee: u64,
}

impl Options {
    /// With all defaults.
    pub(super) fn plan(&self) -> Result<Plan, Failure> {
        let one_by_one = self.mode == Mode::Unary;
        if one_by_one && self.chunk.is_some_and(|chunk| chunk != 1) {
            return Err(Failure::new(
                Exit::Usage,
                "orders one by one are no chunks: leave out --chunk, or --mode unary",
            ));
        }
        if self.zipf.is_some_and(|exponent| !(0.0..=100.0).contains(&exponent)) {
            return Err(Failure::new(Exit::Usage, "--zipf takes an exponent from 0 to 100"));
        }
        if self.duration.is_zero() {
            return Err(Failure::new(Exit::Usage, "--duration has to be above 0"));
        }
        let chunk = self.chunk.unwrap_or(if one_by_one { 1 } else { 1_000 });
        let connections = self.connections.unwrap_or(if one_by_one { 4 } else { 1 });
        let in_flight = self.in_flight.unwrap_or_else(|| match self.mode {
            _ if self.rate.is_some() => (BEHIND / chunk / connections).clamp(16, 65_536),
            Mode::Stream => (16_000 / chunk).clamp(16, 1_000),
            Mode::Unary | Mode::Chunk if chunk == 1 => 200,
            Mode::Unary | Mode::Chunk => 16,
        });
        // Calls are counted in all, messages by stream.
        let in_flight = if self.mode == Mode::Stream { in_flight } else { in_flight.div_ceil(connections) };
        let seed = match self.seed {
            Some(seed) => seed,
            None => u64::from_le_bytes(random_bytes().map_err(|error| Failure::new(Exit::Failed, error))?),
        };
        Ok(Plan {
            mode: self.mode,
            client: self.client,
            chunk,
            connections,
            in_flight,
            threads: self.threads.min(connections),
            rate: self.rate,
            duration: self.duration,
            warmup: self.warmup.unwrap_or(if self.orders.is_some() { Duration::ZERO } else { WARMUP }),
            orders: self.orders,
            merchants: Merchants {
                count: self.merchants,
                zipf: self.zipf,
                without_guarantee: self.without_guarantee,
                guarantee: self.guarantee,
            },
            repeats: self.repeats,
            late: self.late,
            receipts: self.receipts,
            seed,
            pool: self.pool.unwrap_or((2 * u64::from(self.merchants)).clamp(POOL.0, POOL.1)),
            check_every: if self.check > 0.0 { (1.0 / self.check).round().max(1.0) as u64 } else { 0 },
        })
    }
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "has to be a number from 0 to 1".to_owned())
}
