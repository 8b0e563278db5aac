//! `tplus replay`: the order lines of a file, sent to a server as if time went by.
//!
//! Row after row: the manual clock is moved to the completion of the row if that lies ahead (never back), the seller's
//! guarantee is set before its first order if one was asked for, and the order is classified. Every request carries the same
//! id each time, so the whole file can be sent again after a crash of either side: what was answered before is answered alike.

mod input;
mod report;
mod server;

use std::{
    collections::HashSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use self::{
    input::{Extent, Row},
    report::{Balances, Report, Tally},
    server::Server,
};
use super::{
    Exit, Failure,
    call::{self, CallError},
    print,
    target::{self, Target},
};
use crate::{
    domain::{MerchantId, Money, Timestamp},
    proto::v1::ClockMode,
};

/// Enough for everything that was sold to settle, whatever its cycle.
const SETTLE: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// What `tplus replay` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The order lines, in time order, for a server whose clock is manual and starts before them: a CSV file with the columns order_id,line,seller_id,completed_at,price.
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,
    #[command(flatten)]
    target: Target,
    /// Set this guarantee, in whole dollars, for every seller just before its first order.
    #[arg(long, value_name = "DOLLARS", value_parser = clap::value_parser!(u64).range(..=Money::MAX_INPUT_DOLLARS))]
    guarantee: Option<u64>,
    /// Move the clock 8 days past the last row, so that everything settles.
    #[arg(long)]
    settle: bool,
    /// Print the result as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Does it.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let extent = input::survey(&args.file).map_err(|error| Failure::new(Exit::Failed, error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, error).during("cannot start"))?;
    let report = runtime.block_on(replay(args, extent))?;
    if args.json { print(&format!("{}\n", report.json())) } else { print(&report.to_string()) }
}

async fn replay(args: &Args, extent: Extent) -> Result<Report, Failure> {
    let target = args.target.server()?;
    let mut run = Run {
        clock: manual_clock(&target, extent).await?,
        server: Server::at(target.connection()),
        guarantee: args.guarantee,
        sellers: HashSet::new(),
        tally: Tally::default(),
    };
    let progress = progress_bar(extent.rows);
    let started = Instant::now();
    for row in input::rows(&args.file).map_err(|error| Failure::new(Exit::Failed, error))? {
        let row = row.map_err(|error| Failure::new(Exit::Failed, error))?;
        run.row(&row).await.map_err(|error| run.refused(&row, error))?;
        progress.inc(1);
    }
    let took = started.elapsed();
    progress.finish_and_clear();
    if args.settle {
        run.advance(run.clock.after(SETTLE)).await.map_err(|error| error.during("advancing the clock"))?;
    }
    let balances = run.balances().await?;
    Ok(Report { tally: run.tally, balances, clock: run.clock, took })
}

/// The time of a server that can be used.
async fn manual_clock(server: &target::Server, extent: Extent) -> Result<Timestamp, Failure> {
    let (now, mode) = call::clock(server).await?;
    if mode == ClockMode::Manual {
        return Ok(now);
    }
    Err(Failure::new(Exit::Failed, format!("the clock of {} is not manual", server.address()))
        .hint(start_hint(extent.earliest)))
}

fn start_hint(start: Timestamp) -> String {
    format!("serve a new data directory with `tplus serve --clock manual --clock-start {start}`")
}

fn progress_bar(rows: u64) -> ProgressBar {
    let bar = ProgressBar::new(rows);
    match ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} orders, {per_sec}, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A replay on its way.
struct Run {
    server: Server,
    clock: Timestamp,
    guarantee: Option<u64>,
    sellers: HashSet<MerchantId>,
    tally: Tally,
}

impl Run {
    async fn row(&mut self, row: &Row) -> Result<(), CallError> {
        if row.completed_at > self.clock {
            self.advance(row.completed_at).await?;
        }
        if !self.sellers.contains(&row.seller) {
            self.meet(&row.seller).await?;
        }
        let answer = self.server.classify(row).await?;
        self.tally.replayed += u64::from(answer.replayed);
        if self.tally.count(answer.cycle(), row.price) { Ok(()) } else { Err(CallError::Answer("cycle")) }
    }

    async fn advance(&mut self, to: Timestamp) -> Result<(), CallError> {
        self.clock = self.server.advance(to).await?;
        Ok(())
    }

    /// Sets the guarantee of a seller that had no row before.
    async fn meet(&mut self, seller: &MerchantId) -> Result<(), CallError> {
        if let Some(dollars) = self.guarantee {
            let replayed = self.server.set_guarantee(seller, dollars).await?;
            self.tally.guarantees += 1;
            self.tally.guarantees_replayed += u64::from(replayed);
        }
        self.sellers.insert(seller.clone());
        Ok(())
    }

    fn refused(&self, row: &Row, error: CallError) -> Failure {
        let too_old = error.is_failed_precondition() && row.completed_at < self.clock;
        let failure = error.during(&format!("line {}, order {} of {}", row.at, row.order, row.seller));
        if too_old {
            let hint = format!(
                "the server's clock stands at {}, it has to start before the data: {}",
                self.clock,
                start_hint(row.completed_at)
            );
            return failure.hint(hint);
        }
        failure.hint("the rows before it stand; the same command can be given again")
    }

    async fn balances(&self) -> Result<Balances, Failure> {
        let mut balances = Balances::default();
        for seller in &self.sellers {
            let margin = self.server.margin(seller).await;
            margin
                .and_then(|margin| balances.add(&margin))
                .map_err(|error| error.during(&format!("margin of {seller}")))?;
        }
        Ok(balances)
    }
}
