//! What happened between two samples, and how things stand at the later one.

use std::collections::BTreeMap;

use super::sample::{Sample, label};

/// What is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) version: String,
    pub(super) serving: bool,
    /// What somebody has to do something about.
    pub(super) alarms: Vec<&'static str>,
    pub(super) uptime: Option<f64>,
    /// A second.
    pub(super) quick: f64,
    pub(super) standard: f64,
    pub(super) replayed: f64,
    pub(super) refused: f64,
    /// The reasons for most of that, with how many a second.
    pub(super) reasons: Vec<(String, f64)>,
    pub(super) calls: f64,
    /// Of calls that classify, of syncs, of writes.
    pub(super) call: Quantiles,
    pub(super) sync: Quantiles,
    pub(super) write: Quantiles,
    /// Records of a batch, and batches a second.
    pub(super) batch: f64,
    pub(super) batches: f64,
    pub(super) in_flight: [f64; 2],
    pub(super) most_in_flight: f64,
    pub(super) queued: f64,
    pub(super) due_lag: f64,
    pub(super) due: f64,
    pub(super) history_lag: f64,
    pub(super) most_history_lag: f64,
    pub(super) history: f64,
    pub(super) disk_free: f64,
    pub(super) disk_size: f64,
    pub(super) journal: [f64; 2],
    pub(super) replay: f64,
    pub(super) checkpoint_age: f64,
    pub(super) memory: f64,
    pub(super) processors: f64,
    pub(super) connections: f64,
    pub(super) merchants: f64,
    pub(super) ids: f64,
}

/// In seconds; none, if nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Quantiles {
    pub(super) half: Option<f64>,
    pub(super) most: Option<f64>,
    pub(super) nearly_all: Option<f64>,
}

/// Flags, and what they mean when they are 1.
const ALARMS: [(&str, &str); 4] = [
    ("tplus_journal_failed", "JOURNAL FAILED"),
    ("tplus_read_only", "READ-ONLY: DISK FULL"),
    ("tplus_history_stuck", "HISTORY STUCK"),
    ("tplus_clock_alarm", "CLOCK OFF"),
];

const CLASSIFY: &str = "grpc_method=\"ClassifyOrder";

impl Figures {
    /// None, if the server was started again in between: what it counts began anew.
    pub(super) fn between(before: &Sample, now: &Sample) -> Option<Self> {
        if before.get("process_start_time_seconds") < now.get("process_start_time_seconds") {
            return None;
        }
        let seconds = now.taken.duration_since(before.taken).as_secs_f64().max(1e-3);
        let rate = |name: &str, label: &str| (now.sum(name, label) - before.sum(name, label)).max(0.0) / seconds;
        let first = |cycle: &str| rate("tplus_classifications_total", &format!("cycle=\"{cycle}\",replayed=\"false\""));
        let quantiles = |name: &str, label: &str| Quantiles::between(before, now, name, label);
        let batches = rate("tplus_journal_batch_records_count", "");
        let part = |name: &str, part: &str| now.sum(name, &format!("part=\"{part}\""));
        Some(Self {
            version: now.all("tplus_build_info").find_map(|(labels, _)| label(labels, "version")).unwrap_or("?").into(),
            serving: now.get("tplus_serving") > 0.0,
            alarms: ALARMS.iter().filter(|(flag, _)| now.get(flag) > 0.0).map(|(_, alarm)| *alarm).collect(),
            uptime: None,
            quick: first("quick"),
            standard: first("standard"),
            replayed: rate("tplus_classifications_total", "replayed=\"true\""),
            refused: rate("tplus_refused_total", ""),
            reasons: reasons(before, now, seconds),
            calls: rate("grpc_server_handled_total", ""),
            call: quantiles("grpc_server_handling_seconds", CLASSIFY),
            sync: quantiles("tplus_journal_sync_seconds", ""),
            write: quantiles("tplus_journal_write_seconds", ""),
            batch: if batches > 0.0 { rate("tplus_journal_batch_records_sum", "") / batches } else { 0.0 },
            batches,
            in_flight: ["calls", "streams"].map(|which| part("tplus_in_flight", which)),
            most_in_flight: now.get("tplus_in_flight_limit"),
            queued: now.get("tplus_journal_queued_bytes"),
            due_lag: now.get("tplus_due_lag_seconds"),
            due: rate("tplus_due_facts_total", ""),
            history_lag: now.get("tplus_history_lag_records"),
            most_history_lag: now.get("tplus_history_lag_limit"),
            history: rate("tplus_history_applied_lsn", ""),
            disk_free: now.get("tplus_disk_free_bytes"),
            disk_size: now.get("tplus_disk_size_bytes"),
            journal: ["live", "archive"].map(|which| part("tplus_journal_disk_bytes", which)),
            replay: now.get("tplus_replay_bytes"),
            checkpoint_age: now.get("tplus_checkpoint_age_seconds"),
            memory: now.get("process_resident_memory_bytes"),
            processors: rate("process_cpu_seconds_total", ""),
            connections: now.get("tplus_connections"),
            merchants: now.get("tplus_merchants"),
            ids: now.get("tplus_orders_remembered") + now.get("tplus_requests_remembered"),
        })
    }
}

/// The reasons that most was refused for, most first.
fn reasons(before: &Sample, now: &Sample, seconds: f64) -> Vec<(String, f64)> {
    let name = "tplus_refused_total";
    let earlier: BTreeMap<&str, f64> = before.all(name).collect();
    let rate = |(labels, count): (&str, f64)| {
        let more = count - earlier.get(labels).copied().unwrap_or_default();
        (more > 0.0).then(|| (label(labels, "reason").unwrap_or_default().to_owned(), more / seconds))
    };
    let mut reasons: Vec<_> = now.all(name).filter_map(rate).collect();
    reasons.sort_by(|one, other| other.1.total_cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    reasons
}

impl Quantiles {
    /// Of what a histogram has counted in between, in all of its series with this label.
    fn between(before: &Sample, now: &Sample, name: &str, with: &str) -> Self {
        let name = format!("{name}_bucket");
        let counted = |sample: &Sample| {
            let mut buckets = BTreeMap::<u64, f64>::new();
            for (labels, count) in sample.all(&name).filter(|(labels, _)| labels.contains(with)) {
                let most = label(labels, "le").and_then(|most| most.trim_start_matches('+').parse::<f64>().ok());
                // Bits of positive numbers are in the order of the numbers.
                *buckets.entry(most.unwrap_or(f64::INFINITY).to_bits()).or_default() += count;
            }
            buckets
        };
        let (earlier, later) = (counted(before), counted(now));
        let more =
            |(most, count): (u64, f64)| (f64::from_bits(most), count - earlier.get(&most).copied().unwrap_or_default());
        let buckets: Vec<(f64, f64)> = later.into_iter().map(more).collect();
        let [half, most, nearly_all] = [0.5, 0.99, 0.999].map(|share| quantile(&buckets, share));
        Self { half, most, nearly_all }
    }
}

/// Where this share of what was counted lies below, taken to be spread evenly within its bucket; what lies beyond the last bound is told as
/// that.
fn quantile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let all = buckets.last().map(|(_, count)| *count).filter(|count| *count > 0.0)?;
    let wanted = share * all;
    let (mut from, mut below) = (0.0, 0.0);
    for (to, count) in buckets {
        if *count >= wanted {
            return Some(if to.is_finite() {
                from + (to - from) * (wanted - below) / (count - below).max(1e-9)
            } else {
                from
            });
        }
        (from, below) = (*to, *count);
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn near(one: Option<f64>, other: f64) -> bool {
        one.is_some_and(|one| (one - other).abs() < 1e-9)
    }

    #[test]
    fn quantiles_lie_within_their_bucket() {
        let buckets = [(0.1, 0.0), (0.2, 50.0), (0.4, 99.0), (f64::INFINITY, 100.0)];
        assert!(near(quantile(&buckets, 0.25), 0.15));
        assert!(near(quantile(&buckets, 0.5), 0.2));
        assert!(near(quantile(&buckets, 0.99), 0.4));
        assert!(near(quantile(&buckets, 0.999), 0.4), "all that is known of it is that it is above");
        assert_eq!(quantile(&[(0.1, 0.0), (f64::INFINITY, 0.0)], 0.5), None);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn rates_are_of_the_time_between() {
        let began = Instant::now();
        let sample = |quick: u64, refused: u64, slow: u64, started: u64, seconds: u64| {
            let text = format!(
                "tplus_classifications_total{{cycle=\"quick\",replayed=\"false\"}} {quick}\n\
                 tplus_refused_total{{reason=\"OVERLOADED\"}} {refused}\n\
                 tplus_refused_total{{reason=\"ID_REUSED\"}} 7\n\
                 tplus_journal_sync_seconds_bucket{{le=\"0.001\"}} 90\n\
                 tplus_journal_sync_seconds_bucket{{le=\"0.002\"}} {slow}\n\
                 tplus_journal_sync_seconds_bucket{{le=\"+Inf\"}} {slow}\n\
                 tplus_read_only 1\ntplus_build_info{{version=\"9.9\"}} 1\nprocess_start_time_seconds {started}\n"
            );
            Sample::read(&text, began + Duration::from_secs(seconds))
        };
        let figures = Figures::between(&sample(100, 3, 90, 5, 0), &sample(300, 23, 190, 5, 2)).unwrap();
        assert!((figures.quick - 100.0).abs() < 1e-6 && figures.standard.abs() < 1e-6);
        assert_eq!(figures.reasons, [("OVERLOADED".to_owned(), 10.0)], "what was refused before is past");
        assert!(near(figures.sync.half, 0.0015), "{:?}", figures.sync);
        assert_eq!(figures.call, Quantiles::default());
        assert_eq!((figures.alarms, figures.version.as_str()), (vec!["READ-ONLY: DISK FULL"], "9.9"));
        assert_eq!(Figures::between(&sample(300, 23, 190, 5, 0), &sample(1, 0, 0, 6, 1)), None);
    }
}
