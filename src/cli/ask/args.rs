//! What many commands are told.

use std::time::Duration;

use clap::value_parser;

use super::{
    out::{Format, Out},
    rpc::Page,
    sheet::Sheet,
};
use crate::{
    cli::{Exit, Failure, call::wire, target::Server},
    clock::random_bytes,
    domain::Timestamp,
};

/// The most items that a page can have.
const LARGEST_PAGE: u32 = 1_000;

/// How answers are shown.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(in crate::cli) struct Shown {
    /// How to print the answer.
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(super) output: Format,
}

/// What every change is told.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Safety")]
pub(in crate::cli) struct Once {
    /// Makes the command safe to repeat: given again with the same content it gets its first answer, and happens once. Drawn and told if it
    /// is left out.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    #[command(flatten)]
    maybe: Maybe,
}

/// How to ask without doing, or only up to a time.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "Safety")]
pub(in crate::cli) struct Maybe {
    /// Tell what would happen, and change nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Refuse the command if the engine's time is past this.
    #[arg(long, value_name = "TIME", value_parser = time)]
    not_after: Option<Timestamp>,
}

impl Maybe {
    /// The latest time, for a request.
    pub(super) fn not_after(self) -> Option<prost_types::Timestamp> {
        self.not_after.map(wire)
    }
}

/// An id, a wish to know beforehand, and a latest time: what a request for a change wants.
pub(super) struct Terms {
    /// `request_id`.
    pub(super) request_id: String,
    /// `validate_only`.
    pub(super) validate_only: bool,
    /// `not_after`.
    pub(super) not_after: Option<prost_types::Timestamp>,
}

impl Terms {
    /// The id as the name of what was made. What would only be made has none.
    pub(super) fn name(&self, sheet: &mut Sheet, what: &str) {
        if !self.validate_only {
            sheet.row(what, self.request_id.as_str());
        }
    }
}

impl Once {
    /// What to put into the request. An id that had to be drawn is told first.
    pub(super) fn terms(&self, out: &Out) -> Result<Terms, Failure> {
        let request_id = match &self.request_id {
            Some(id) => id.clone(),
            None => {
                let id = drawn()?;
                if !self.maybe.dry_run {
                    out.drawn(&id);
                }
                id
            }
        };
        Ok(Terms { request_id, validate_only: self.maybe.dry_run, not_after: self.maybe.not_after() })
    }
}

/// An id that nobody else draws: 96 random bits.
fn drawn() -> Result<String, Failure> {
    let bytes: [u8; 12] = random_bytes().map_err(|error| Failure::new(Exit::Failed, error).during("drawing an id"))?;
    Ok(bytes.iter().fold("cli-".to_owned(), |id, byte| format!("{id}{byte:02x}")))
}

/// How much of a list, and from which end.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(in crate::cli) struct Listed {
    /// Latest first.
    #[arg(long, short = 'r')]
    pub(super) newest_first: bool,
    #[command(flatten)]
    pub(super) most: Most,
}

/// How much of a list.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(in crate::cli) struct Most {
    /// How many to show at most; all if nothing is said.
    #[arg(long, short = 'n', value_name = "N", value_parser = value_parser!(u64).range(1..))]
    limit: Option<u64>,
}

impl Most {
    /// Asks for page after page and shows each as it comes.
    pub(super) async fn pages<R: Page>(
        self,
        server: &Server,
        out: &mut Out,
        mut request: R,
        mut show: impl FnMut(&mut Out, &[R::Item]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (mut left, mut found) = (self.limit.unwrap_or(u64::MAX), false);
        let mut token = String::new();
        loop {
            let size = u32::try_from(left).unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE);
            request.turn(size.try_into().unwrap_or_default(), token);
            let (items, next) = R::leaf(server.ask(&request).await?);
            found |= !items.is_empty();
            show(out, &items)?;
            left = left.saturating_sub(u64::try_from(items.len()).unwrap_or(u64::MAX));
            if next.is_empty() || left == 0 || out.is_unread() {
                return if found { Ok(()) } else { out.nothing() };
            }
            token = next;
        }
    }
}

/// Reads a time: RFC 3339, or as it is shown here (`2026-01-03 00:00 UTC`), or a date, whose beginning in UTC is meant.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    let unzoned = text.trim().trim_end_matches("UTC").trim_end_matches('Z').trim_end().replacen(' ', "T", 1);
    let candidates = [text.to_owned(), format!("{unzoned}Z"), format!("{unzoned}:00Z"), format!("{unzoned}T00:00:00Z")];
    candidates
        .iter()
        .find_map(|text| Timestamp::parse(text).ok())
        .ok_or_else(|| "is no time like 2026-01-31T09:00:00Z, 2026-01-31 09:00 or 2026-01-31".to_owned())
}

/// A time for a request.
pub(super) fn wired(at: Option<Timestamp>) -> Option<prost_types::Timestamp> {
    at.map(wire)
}

/// A duration for a request.
pub(super) fn wired_duration(length: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(length.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(length.subsec_nanos()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_shown() {
        let expected = Timestamp::parse("2026-01-31T09:00:00Z").unwrap();
        for text in ["2026-01-31T09:00:00Z", "2026-01-31 09:00 UTC", "2026-01-31 09:00:00", "2026-01-31T10:00:00+01:00"]
        {
            assert_eq!(time(text), Ok(expected), "{text}");
        }
        assert_eq!(time("2026-01-31"), Ok(Timestamp::parse("2026-01-31T00:00:00Z").unwrap()));
        let fine = Timestamp::from_micros(1_234_567);
        assert_eq!(time(&super::super::sheet::time_of(fine)), Ok(fine));
        for text in ["", "yesterday", "2026-13-01", "09:00", "UTC"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn drawn_ids_differ_and_are_ids() {
        let (one, other) = (drawn().unwrap(), drawn().unwrap());
        assert_ne!(one, other);
        assert!(crate::domain::RequestId::parse(&one).is_ok(), "{one}");
    }
}
