//! `tplus bench`: how many orders a server takes, how fast it answers, and what that costs.
//!
//! ```text
//!   options ──▶ plan ──▶ load: orders drawn and encoded ahead
//!                          │
//!   server (started or given) ◀── wire: calls, streams ──▶ record: latency, counts, checks
//!                          │            ▲ pace                     │
//!                         usage      run: threads, windows ──▶ report: table, JSON, picture
//! ```
//!
//! The generator shares the machine with the server as a rule, so its own work is the enemy: what can be done before the run is done before it.

mod check;
mod empty;
mod limits;
mod load;
mod options;
mod pace;
mod record;
mod report;
mod run;
mod running;
mod server;
mod session;
mod setup;
mod usage;
mod wire;

use std::{fs, path::Path};

use self::{
    options::Options,
    report::{Runs, json, medians, svg, table},
    session::Session,
};
use super::{Exit, Failure, print};
use crate::server::shutdown_signal;

/// What `tplus bench` is asked for.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Measure what bounds a server on this machine: the wire, the disk, memory, decoding; and how near the server comes. About a minute.
    Limits(limits::Args),
    /// Serve answers that rest on nothing.
    #[command(hide = true)]
    Empty,
}

/// Does it.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.what {
        Some(What::Empty) => empty::run(),
        Some(What::Limits(args)) => interruptible(limits::run(args)),
        None => interruptible(measure(&args.options)),
    }
}

/// Until it is done or somebody wants an end; what was started is taken away either way.
fn interruptible(doing: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Failed, error).during("cannot start");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let interrupted = shutdown_signal().map_err(failed)?;
        tokio::select! {
            done = doing => done,
            () = interrupted => Err(Failure::new(Exit::Failed, "interrupted")),
        }
    })
}

async fn measure(options: &Options) -> Result<(), Failure> {
    let plan = options.plan()?;
    let mut session = Session::open(options, &plan).await?;
    let shown = options.json.as_deref() != Some(Path::new("-"));
    let mut runs = Runs { plan: &plan, figures: vec![] };
    if shown {
        print(&format!("{}\n", session.heading()))?;
    }
    for run in 1..=options.repeat {
        let (figures, faults) = session.run().await?;
        if shown {
            let title =
                if options.repeat > 1 { format!("\nrun {run} of {}\n", options.repeat) } else { "\n".to_owned() };
            print(&format!("{title}{}", table(&plan, &figures)))?;
        }
        runs.figures.push(figures);
        if let Some(faults) = faults {
            told(options, &runs)?;
            return Err(faults);
        }
    }
    if shown && options.repeat > 1 {
        print(&format!("\n{}", medians(&runs)))?;
    }
    told(options, &runs)
}

/// Writes what is asked for beside the table.
fn told(options: &Options, runs: &Runs<'_>) -> Result<(), Failure> {
    let write = |path: &Path, text: &str| {
        let failed = |error| Failure::new(Exit::Failed, error).during(format!("cannot write {}", path.display()));
        if path == Path::new("-") { print(text) } else { fs::write(path, text).map_err(failed) }
    };
    if let Some(path) = &options.json {
        write(path, &format!("{}\n", json(runs)))?;
    }
    if let (Some(path), Some(figures)) = (&options.svg, runs.median()) {
        let picture = svg(runs.plan, figures).map_err(|error| Failure::new(Exit::Failed, error))?;
        write(path, &picture)?;
    }
    Ok(())
}
