//! What one would build instead of tplus, and tplus: the same orders, classified durably. `benches/peers/run` starts everything.

mod load;
mod measure;
mod orders;
mod postgres;
mod processor;
mod redis;
mod report;
mod tplus;
mod verify;

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::{
    load::Shape,
    measure::{Measured, What, measure},
    postgres::Postgres,
    redis::Redis,
    tplus::Tplus,
};

#[derive(Parser)]
#[command(about = "Drives peers of tplus and tplus with the same orders")]
enum Command {
    /// Sends the same orders to all, and compares every answer.
    Verify {
        #[arg(long)]
        redis: String,
        /// Words and values as libpq knows them.
        #[arg(long)]
        postgres: String,
        #[arg(long)]
        tplus: String,
        #[arg(long, default_value_t = 20_000)]
        orders: usize,
    },
    /// Measures one system under one load, and prints a line of JSON.
    Measure(MeasureArgs),
    /// Prints one table of all that was measured.
    Report {
        /// Lines of JSON.
        measured: PathBuf,
        /// Where to write the table as JSON.
        #[arg(long)]
        json: PathBuf,
    },
}

#[derive(clap::Args)]
struct MeasureArgs {
    #[arg(long)]
    system: System,
    #[arg(long)]
    address: String,
    /// The server's process, whose processor time is counted with that of all it has started.
    #[arg(long)]
    pid: u32,
    /// Orders in a request.
    #[arg(long)]
    orders: usize,
    /// Connections with requests of their own; unary calls to tplus share four.
    #[arg(long)]
    lanes: usize,
    /// Requests in flight in each lane.
    #[arg(long, default_value_t = 1)]
    depth: usize,
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Watch the server until it is at rest, for so many seconds at most.
    #[arg(long)]
    upkeep: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum System {
    Redis,
    Postgres,
    /// PostgreSQL, many orders of a call one after the other.
    PostgresEach,
    Tplus,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Command::parse() {
        Command::Verify { redis, postgres, tplus, orders } => {
            let postgres = [Postgres::open(postgres.clone(), false).await?, Postgres::open(postgres, true).await?];
            verify::verify(Redis::open(redis).await?, postgres, Tplus::open(&tplus).await?, orders).await
        }
        Command::Measure(args) => {
            println!("{}", serde_json::to_string(&measured(args).await?)?);
            Ok(())
        }
        Command::Report { measured, json } => report::report(&measured, &json),
    }
}

async fn measured(args: MeasureArgs) -> Result<Measured> {
    let MeasureArgs { system, address, pid, orders, lanes, depth, seconds, upkeep } = args;
    let what = |system: &str, each: &str| What {
        system: system.to_owned(),
        load: match (orders, lanes * depth) {
            (1, in_flight) if depth > 1 => format!("one a request, {in_flight} in {lanes} pipelines"),
            (1, in_flight) => format!("one a request, {in_flight} in flight"),
            (many, in_flight) => format!("{many} a request{each}, {in_flight} in flight"),
        },
        pid,
        shape: Shape { orders, lanes, depth },
        time: Duration::from_secs(seconds),
        upkeep: upkeep.map(Duration::from_secs),
    };
    match system {
        System::Redis => measure(Redis::open(address).await?, what("Redis", "")).await,
        System::Postgres => measure(Postgres::open(address, false).await?, what("PostgreSQL", "")).await,
        System::PostgresEach => measure(Postgres::open(address, true).await?, what("PostgreSQL", " in a loop")).await,
        System::Tplus => measure(Tplus::open(&address).await?, what("tplus", "")).await,
    }
}
