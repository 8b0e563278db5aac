//! What an import came to.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::{
    cli::{Exit, Failure},
    proto::v1::ImportMerchantResponse,
};

/// The answers, counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    /// Nothing was changed.
    pub(super) dry_run: bool,
    imported: u64,
    known_before: u64,
    /// By reason.
    refused: BTreeMap<String, u64>,
    /// Where refused merchants are listed, if there are any.
    pub(super) report: Option<PathBuf>,
    /// How long it took.
    pub(super) took: Duration,
}

impl Summary {
    /// Nothing yet.
    pub(super) fn of(dry_run: bool) -> Self {
        Self { dry_run, ..Self::default() }
    }

    /// Counts an answer of the server.
    pub(super) fn count(&mut self, answer: &ImportMerchantResponse) {
        *(if answer.replayed { &mut self.known_before } else { &mut self.imported }) += 1;
    }

    /// Counts a refusal.
    pub(super) fn refused(&mut self, reason: &str) {
        *self.refused.entry(reason.to_owned()).or_default() += 1;
    }

    fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// How many merchants have had theirs.
    pub(super) fn answers(&self) -> u64 {
        self.imported + self.known_before + self.refusals()
    }

    fn per_second(&self) -> u64 {
        let micros = self.took.as_micros().max(1);
        u64::try_from(u128::from(self.answers()) * 1_000_000 / micros).unwrap_or(u64::MAX)
    }

    /// The failure that it is if merchants were refused.
    pub(super) fn failure(&self) -> Option<Failure> {
        let report = self.report.as_ref()?;
        let refused = format!("{} of {} merchants were refused", self.refusals(), self.answers());
        Some(Failure::new(Exit::Failed, refused).hint(format!("{} says why", report.display())))
    }

    /// The summary as one JSON object.
    pub(super) fn json(&self) -> Value {
        json!({
            "dry_run": self.dry_run,
            "imported": self.imported,
            "known_before": self.known_before,
            "refused": self.refusals(),
            "reasons": self.refused,
            "report": self.report.as_ref().map(|report| report.display().to_string()),
            "milliseconds": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "merchants_per_second": self.per_second(),
        })
    }
}

impl fmt::Display for Summary {
    /// As a table for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let imported = if self.dry_run { "would be imported" } else { "imported" };
        writeln!(f, "{imported:<30}{:>10}", self.imported)?;
        writeln!(f, "{:<30}{:>10}", "known before", self.known_before)?;
        writeln!(f, "{:<30}{:>10}", "refused", self.refusals())?;
        self.refused.iter().try_for_each(|(reason, count)| writeln!(f, "  {reason:<28}{count:>10}"))?;
        writeln!(f, "\n{} merchants/s in {:.1} s", self.per_second(), self.took.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let mut summary = Summary { took: Duration::from_millis(500), ..Summary::default() };
        summary.count(&ImportMerchantResponse::default());
        summary.count(&ImportMerchantResponse { replayed: true, ..ImportMerchantResponse::default() });
        summary.refused("MERCHANT_OPEN");
        summary.refused("INVALID_FIELD");
        summary.refused("MERCHANT_OPEN");
        summary
    }

    #[test]
    fn a_summary_is_a_table() {
        assert_eq!(
            summary().to_string(),
            "imported                               1\n\
             known before                           1\n\
             refused                                3\n  \
             INVALID_FIELD                        1\n  \
             MERCHANT_OPEN                        2\n\
             \n10 merchants/s in 0.5 s\n"
        );
        assert!(Summary { dry_run: true, ..summary() }.to_string().starts_with("would be imported "));
    }

    #[test]
    fn a_summary_is_a_json_object() {
        assert_eq!(
            Summary { report: Some("r".into()), ..summary() }.json().to_string(),
            r#"{"dry_run":false,"imported":1,"known_before":1,"refused":3,"reasons":{"INVALID_FIELD":1,"MERCHANT_OPEN":2},"report":"r","milliseconds":500,"merchants_per_second":10}"#
        );
    }

    #[test]
    fn refusals_are_a_failure() {
        assert!(Summary::default().failure().is_none());
        let failure = Summary { report: Some("r".into()), ..summary() }.failure().unwrap();
        assert_eq!(failure.to_string(), "error: 3 of 5 merchants were refused\nhint: r says why");
    }
}
