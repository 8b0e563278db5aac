//! `tplus top`: what a running server does, second by second, for a terminal.

mod figures;
mod keys;
mod sample;
mod screen;
mod show;
mod source;
mod text;

use std::{
    io::{self, IsTerminal as _},
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use self::{
    keys::{View, Wish},
    source::{Source, Update},
};
use super::{Exit, Failure, print, target::Target};
use crate::proto::v1::MerchantMeasure;

/// What `tplus top` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the server's metrics are, which are never encrypted; the options under Server are for its largest merchants
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    metrics: String,
    /// How often to look, 200ms to 60s
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = pace)]
    every: Duration,
    /// By what merchants are ranked
    #[arg(long, value_enum, default_value_t = By::Day)]
    by: By,
    /// Look twice, print what happened in between as text, and end; also what happens where there is no terminal
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    target: Target,
}

/// By what merchants are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum By {
    /// The total of the day
    Day,
    /// Pending profit
    Pending,
    /// The guarantee
    Guarantee,
    /// What the guarantee lacks
    Gap,
    /// What is owed
    Debt,
}

impl By {
    const fn next(self) -> Self {
        match self {
            Self::Day => Self::Pending,
            Self::Pending => Self::Guarantee,
            Self::Guarantee => Self::Gap,
            Self::Gap => Self::Debt,
            Self::Debt => Self::Day,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Day => "day total",
            Self::Pending => "pending",
            Self::Guarantee => "guarantee",
            Self::Gap => "gap",
            Self::Debt => "debt",
        }
    }

    const fn measure(self) -> MerchantMeasure {
        match self {
            Self::Day => MerchantMeasure::DayTotal,
            Self::Pending => MerchantMeasure::Pending,
            Self::Guarantee => MerchantMeasure::Guarantee,
            Self::Gap => MerchantMeasure::Gap,
            Self::Debt => MerchantMeasure::Debt,
        }
    }
}

fn pace(text: &str) -> Result<Duration, String> {
    let every = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let bounds = Duration::from_millis(200)..=Duration::from_secs(60);
    if bounds.contains(&every) { Ok(every) } else { Err(format!("{text} is outside 200ms to 60s")) }
}

/// How long a key may take to be noticed beside what comes from the server.
const GLANCE: Duration = Duration::from_millis(50);

/// Looks until it is told to stop, or once.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, error).during("cannot start the runtime"))?;
    let (source, by) = {
        let _within = runtime.enter();
        Source::new(args)?
    };
    if args.once || !io::stdout().is_terminal() {
        let (figures, merchants) = runtime.block_on(source.twice())?;
        return print(&text::written(&figures, &merchants, args.by));
    }
    let (sender, updates) = mpsc::channel();
    runtime.spawn(source.go_on(sender));
    let terminal = ratatui::try_init().map_err(|error| Failure::new(Exit::Failed, error).during("cannot draw here"))?;
    let ended = watch(terminal, View::new(args.by), &updates, |wanted| {
        by.send_replace(wanted);
    });
    ratatui::restore();
    // Who is asked just now is not waited for.
    runtime.shutdown_background();
    ended.map_err(|error| Failure::new(Exit::Failed, error).during("cannot draw here"))
}

/// Draws what comes, and does what keys say, until one says to end.
fn watch(
    mut terminal: ratatui::DefaultTerminal,
    mut view: View,
    updates: &Receiver<Update>,
    ask_for: impl Fn(By),
) -> io::Result<()> {
    loop {
        terminal.draw(|frame| screen::draw(frame, &view))?;
        if ratatui::crossterm::event::poll(GLANCE)? {
            match view.react(&ratatui::crossterm::event::read()?) {
                Some(Wish::End) => return Ok(()),
                Some(Wish::Rank(by)) => ask_for(by),
                None => {}
            }
        }
        updates.try_iter().for_each(|update| view.take(update));
    }
}

#[cfg(test)]
mod tests;
