//! A server that is ready for a load, and one run after the other against it.

use std::{path::Path, sync::Arc};

use indicatif::HumanCount;
use rustix::fs::statfs;
use tempfile::TempDir;

use super::{
    check::Expected,
    load::Load,
    options::{Options, Plan},
    report::{Figures, heading},
    run,
    server::Target,
    setup,
};
use crate::cli::{Exit, Failure, target::Way};

/// What the kernel calls a file system that is memory.
const TMPFS: i64 = 0x0102_1994;

/// A server with its merchants.
pub(super) struct Session<'a> {
    plan: &'a Plan,
    target: Target,
    expected: Arc<Expected>,
    load: Arc<Load>,
    /// How many there were.
    runs: u32,
}

impl<'a> Session<'a> {
    /// Starts the server if there is none, asks it for its rules, and puts up guarantees.
    pub(super) async fn open(options: &Options, plan: &'a Plan) -> Result<Self, Failure> {
        if options.empty {
            return Self::empty(plan);
        }
        let target = Target::of(options)?;
        let expected = Arc::new(setup::expected(options, plan, &target).await?);
        let load = Arc::new(Load::new(&plan.merchants, expected.clock.0));
        if !options.no_setup {
            setup::guarantees(&target, plan.merchants).await?;
        }
        Ok(Self { plan, target, expected, load, runs: 0 })
    }

    /// A server of its own on a directory that is thrown away, without merchants.
    pub(super) async fn new(plan: &'a Plan, directory: TempDir) -> Result<Self, Failure> {
        let target = Target::start_in(directory)?;
        let expected = Arc::new(setup::of_server(plan, &target).await?);
        let load = Arc::new(Load::new(&plan.merchants, expected.clock.0));
        Ok(Self { plan, target, expected, load, runs: 0 })
    }

    /// A server that looks at nothing, and of which nothing is expected.
    pub(super) fn empty(plan: &'a Plan) -> Result<Self, Failure> {
        let (target, expected) = (Target::start_empty()?, Arc::new(Expected::nothing()));
        let load = Arc::new(Load::new(&plan.merchants, expected.clock.0));
        Ok(Self { plan, target, expected, load, runs: 0 })
    }

    /// What is about to be measured, and on what.
    pub(super) fn heading(&self) -> String {
        let merchants = self.plan.merchants;
        let how = merchants.zipf.map_or("even".to_owned(), |exponent| format!("Zipf {exponent}"));
        let without = merchants.without_guarantee * 100.0;
        let who = format!("{} merchants, {how}, {without:.0} % without guarantee", HumanCount(merchants.count.into()));
        let data = self
            .target
            .data()
            .map_or_else(String::new, |data| format!("\ndata in {}{}", data.display(), warning(data)));
        format!("{}{}\n{who}{data}", heading(self.plan), guarded(self.target.way()))
    }

    /// Once more; what is wrong with its answers comes beside the figures.
    pub(super) async fn run(&mut self) -> Result<(Figures, Option<Failure>), Failure> {
        let outcome = run::run(self.plan, &self.target, &self.load, &self.expected, self.runs).await?;
        self.runs += 1;
        let figures = Figures::of(&outcome);
        let faults = self.faults(&outcome);
        Ok((figures, faults))
    }

    /// Answers that are wrong, and refusals but for want of room, which is for the table to tell.
    fn faults(&self, outcome: &run::Outcome) -> Option<Failure> {
        let wrong = outcome.tally.faults.count();
        if wrong > 0 {
            let faults = format!("{wrong} answers are wrong: {}", outcome.tally.faults);
            return Some(Failure::new(Exit::Failed, faults));
        }
        let unexpected = outcome.tally.refused.iter().find(|(reason, _)| !reason.eq_ignore_ascii_case("OVERLOADED"));
        unexpected.map(|(reason, orders)| Failure::new(Exit::Failed, format!("{orders} orders were refused: {reason}")))
    }
}

/// What stands between the load and the server, as far as it is seen from this side.
const fn guarded(way: &Way) -> &'static str {
    match way.guards() {
        (false, false) => "",
        (true, false) => ", over TLS",
        (false, true) => ", with a token",
        (true, true) => ", over TLS, with a token",
    }
}

/// Figures of a disk that is none are worth little.
fn warning(data: &Path) -> &'static str {
    let in_memory = statfs(data).is_ok_and(|file_system| file_system.f_type == TMPFS);
    if in_memory { " (which is memory and no disk: give --data-dir)" } else { "" }
}
