//! `tplus bench limits`: what bounds a server on this machine, and how near it comes.
//!
//! The same client drives a server that answers at once, so what it shows is the wire and the generator. Disk, map and decoding are measured by
//! themselves.

mod disk;
mod memory;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    options::{Client, Merchants, Mode, Plan},
    report::{Figures, count, time},
    session::Session,
};
use crate::cli::{Exit, Failure, print};

/// How long each run is measured, and how long it is sent before.
const RUN: Duration = Duration::from_secs(3);
const WARMUP: Duration = Duration::from_millis(500);
/// How many merchants there are.
const MERCHANTS: u32 = 100_000;

/// What `tplus bench limits` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The disk to measure, and where the real server keeps its data; by default that of temporary files. What is written is deleted.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// How many merchants there are.
    #[arg(long, value_name = "N", default_value_t = MERCHANTS, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    merchants: u32,
    /// How long each kind of load is measured.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// A kind of load, with its name.
struct Kind {
    name: &'static str,
    mode: Mode,
    client: Client,
    chunk: u32,
}

const KINDS: [Kind; 5] = [
    Kind { name: "one by one, generated client", mode: Mode::Unary, client: Client::Generated, chunk: 1 },
    Kind { name: "one by one, light client", mode: Mode::Unary, client: Client::Light, chunk: 1 },
    Kind { name: "chunks of 1,000", mode: Mode::Chunk, client: Client::Light, chunk: 1_000 },
    Kind { name: "stream of 1", mode: Mode::Stream, client: Client::Light, chunk: 1 },
    Kind { name: "stream of 1,000", mode: Mode::Stream, client: Client::Light, chunk: 1_000 },
];

/// Measures it all.
pub(super) async fn run(args: &Args) -> Result<(), Failure> {
    let directory = directory(args.data_dir.as_deref())?;
    let disk = disk::measure(directory.path())
        .map_err(|error| Failure::new(Exit::Failed, error).during("measuring the disk"))?;
    let memory = memory::measure(args.merchants);
    if !args.json {
        print(&format!(
            "disk, {}\n{}\nmemory and processor\n{}\n",
            directory.path().display(),
            rows(&disk),
            rows(&memory)
        ))?;
        print(&format!(
            "{:<32}{:>12}{:>12}{:>12}{:>9}{:>14}\n",
            "the wire: orders/s", "empty", "this server", "reached", "CPU", "the client's"
        ))?;
    }
    let mut loads = vec![];
    for kind in &KINDS {
        let plan = plan(args, kind);
        let empty = once(&plan, None).await?;
        let real = once(&plan, Some(directory.path())).await?;
        if !args.json {
            print(&compared(kind, &empty, &real))?;
        }
        loads.push(json!({ "load": kind.name, "empty": told(&empty), "server": told(&real) }));
    }
    if args.json {
        let figures =
            |figures: &[Figure]| figures.iter().map(|one| (one.name.clone(), json!(one.nanos))).collect::<Value>();
        let all = json!({ "disk_ns": figures(&disk), "memory_ns": figures(&memory), "loads": loads });
        print(&format!("{all}\n"))?;
    }
    Ok(())
}

/// Something that takes a time.
struct Figure {
    name: String,
    nanos: f64,
}

fn rows(figures: &[Figure]) -> String {
    figures.iter().map(|figure| format!("  {:<46}{:>10}\n", figure.name, time(figure.nanos.round() as u64))).collect()
}

/// Where files are written, and deleted in the end.
fn directory(parent: Option<&Path>) -> Result<tempfile::TempDir, Failure> {
    let mut named = tempfile::Builder::new();
    named.prefix("tplus-bench-");
    let made = match parent {
        Some(parent) => std::fs::create_dir_all(parent).and_then(|()| named.tempdir_in(parent)),
        None => named.tempdir(),
    };
    made.map_err(|error| Failure::new(Exit::Failed, error).during("cannot make a directory"))
}

fn plan(args: &Args, kind: &Kind) -> Plan {
    let connections = if kind.mode == Mode::Unary { 4 } else { 1 };
    Plan {
        mode: kind.mode,
        client: kind.client,
        chunk: kind.chunk,
        connections,
        in_flight: match (kind.mode, kind.chunk) {
            (Mode::Unary, _) => 50,
            (_, 1) => 1_000,
            _ => 16,
        },
        threads: 1,
        rate: None,
        duration: args.duration.unwrap_or(RUN),
        warmup: WARMUP,
        orders: None,
        merchants: Merchants { count: args.merchants, zipf: None, without_guarantee: 1.0, guarantee: 1 },
        repeats: 0.0,
        late: 0.0,
        receipts: false,
        seed: 1,
        pool: 1 << 18,
        check_every: 0,
    }
}

/// A run against an empty server, or against a real one whose data is thrown away.
async fn once(plan: &Plan, parent: Option<&Path>) -> Result<Figures, Failure> {
    let mut session = match parent {
        None => Session::empty(plan)?,
        Some(parent) => Session::new(plan, directory(Some(parent))?).await?,
    };
    let (figures, faults) = session.run().await?;
    faults.map_or(Ok(figures), Err)
}

fn compared(kind: &Kind, empty: &Figures, real: &Figures) -> String {
    let cpu = |figures: &Figures| time(figures.server_cpu.unwrap_or_default().max(0.0) as u64);
    let client = time(empty.client_cpu.max(0.0) as u64);
    let reached = real.overall * 100.0 / empty.overall.max(1.0);
    format!(
        "  {:<30}{:>12}{:>12}{:>10.0} %{:>10} / {} ({client})\n",
        kind.name,
        count(empty.overall),
        count(real.overall),
        reached,
        cpu(empty),
        cpu(real)
    )
}

fn told(figures: &Figures) -> Value {
    json!({
        "orders_per_second": figures.overall.round(),
        "server_cpu_ns_per_order": figures.server_cpu.map(f64::round),
        "client_cpu_ns_per_order": figures.client_cpu.round(),
        "p50_ns": figures.quantiles.first(),
    })
}
