//! Engine time.

use std::time::Duration;

use super::{Ask, Asked, args::time, out::Out, sheet};
use crate::{
    cli::{
        Exit, Failure,
        call::{CallError, instant, wire},
        target::Server,
    },
    domain::Timestamp,
    proto::v1::*,
};

/// What `tplus clock show` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Show {}

impl Ask for Show {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let answer = server.ask(&GetClockRequest {}).await?;
        out.answer::<GetClockRequest>(&answer, |sheet| {
            let mode = match answer.mode() {
                ClockMode::System => "the machine's clock",
                ClockMode::Manual => "a manual clock",
                ClockMode::Unspecified => "unknown",
            };
            sheet.title(&sheet::time(answer.now), mode);
        })
    }
}

/// What `tplus clock advance` is told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Advance {
    /// Where to: a time, or how far from now, as +7d or +90m.
    #[arg(value_name = "TIME", value_parser = to)]
    to: To,
}

/// Where to move a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    At(Timestamp),
    Later(Duration),
}

fn to(text: &str) -> Result<To, String> {
    match text.strip_prefix('+') {
        Some(later) => humantime::parse_duration(later).map(To::Later).map_err(|error| error.to_string()),
        None => time(text).map(To::At),
    }
}

impl Ask for Advance {
    async fn ask(&self, server: &Server, out: &mut Out) -> Result<(), Failure> {
        let to = match self.to {
            To::At(to) => to,
            To::Later(later) => {
                let now = server.ask(&GetClockRequest {}).await?.now;
                let now = instant(now, "time").map_err(|error: CallError| Failure::new(Exit::Failed, error))?;
                now.after(later)
            }
        };
        let answer = server.ask(&AdvanceClockRequest { to: Some(wire(to)) }).await?;
        out.answer::<AdvanceClockRequest>(&answer, |sheet| {
            sheet.title(&sheet::time(answer.now), "is engine time now, and everything due by then has happened");
        })
    }
}

/// What can be done with the clock.
#[derive(Debug, clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Show engine time and what moves it.
    Show(Asked<Show>),
    /// Move the manual clock forward, in tests and rehearsals.
    Advance(Asked<Advance>),
}

super::dispatch!(Command { Show, Advance });

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_moved_to_a_time_or_by_one() {
        assert_eq!(to("+7d"), Ok(To::Later(Duration::from_secs(7 * 86_400))));
        assert_eq!(to("1970-01-01"), Ok(To::At(Timestamp::from_micros(0))));
        assert!(to("+soon").is_err() && to("7d").is_err());
    }
}
