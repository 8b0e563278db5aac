//! The figures of a run.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::cli::bench::{
    run::{Outcome, TICK},
    wire::Refusals,
};

/// The quantiles that are told, with their names.
pub(in crate::cli::bench) const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];
/// How many ticks make a window.
const WINDOW: usize = 10;

/// What is told of a run.
#[derive(Clone, Debug)]
pub(in crate::cli::bench) struct Figures {
    /// Orders encoded before, and their bytes.
    pub(in crate::cli::bench) prepared: (u64, u64),
    /// Orders answered while it was measured. Those of calls that were refused are not among them.
    pub(in crate::cli::bench) orders: u64,
    /// How long was measured.
    pub(in crate::cli::bench) took: Duration,
    /// Orders a second, over all.
    pub(in crate::cli::bench) overall: f64,
    /// Orders a second in each window of a second, or of a tick if there is no whole second.
    pub(in crate::cli::bench) windows: Vec<f64>,
    /// When each tick was, in seconds, and the orders a second since the one before.
    pub(in crate::cli::bench) ticks: Vec<(f64, f64)>,
    /// Messages whose latency was measured.
    pub(in crate::cli::bench) messages: u64,
    /// Nanoseconds at each of the quantiles.
    pub(in crate::cli::bench) quantiles: Vec<u64>,
    /// The longest, in nanoseconds.
    pub(in crate::cli::bench) longest: u64,
    /// How many calls were refused while it was measured, the nanoseconds at each of the quantiles, and the longest.
    pub(in crate::cli::bench) refused_in: (u64, Vec<u64>, u64),
    /// All latencies: 1 / (1 - quantile), and nanoseconds.
    pub(in crate::cli::bench) curve: Vec<(f64, u64)>,
    /// Nanoseconds of processor time an order.
    pub(in crate::cli::bench) server_cpu: Option<f64>,
    /// The same of this program.
    pub(in crate::cli::bench) client_cpu: f64,
    /// Memory of the server in bytes, and its growth an order.
    pub(in crate::cli::bench) memory: Option<(u64, f64)>,
    /// Bytes an order that the journal wrote.
    pub(in crate::cli::bench) journal: Option<f64>,
    /// Bytes by which the data directory grew.
    pub(in crate::cli::bench) disk: Option<i64>,
    /// Orders answered with T+2 and with T+7.
    pub(in crate::cli::bench) cycles: (u64, u64),
    /// Orders that were refused.
    pub(in crate::cli::bench) refused: Refusals,
    /// Answers that were checked, repeats compared with their first answer, and faults.
    pub(in crate::cli::bench) checked: (u64, u64, u64),
}

impl Figures {
    /// Of a run.
    pub(in crate::cli::bench) fn of(outcome: &Outcome) -> Self {
        let (took, orders) = outcome.ticks.last().copied().unwrap_or_default();
        let each = |bytes: f64| bytes / orders.max(1) as f64;
        let nanos = |cpu: Duration| each(cpu.as_nanos() as f64);
        let (used, tally) = (&outcome.used, &outcome.tally);
        let (latencies, refused) = (&outcome.latencies.answered, &outcome.latencies.refused);
        Self {
            prepared: (outcome.prepared.orders, outcome.prepared.bytes),
            orders,
            took,
            overall: rate(orders, took),
            windows: windows(&outcome.ticks),
            ticks: outcome.ticks.windows(2).filter_map(step).collect(),
            messages: latencies.len(),
            quantiles: quantiles(latencies),
            longest: latencies.max(),
            refused_in: (refused.len(), quantiles(refused), refused.max()),
            curve: curve(outcome),
            server_cpu: used.server_cpu.map(nanos),
            client_cpu: nanos(used.client_cpu),
            memory: used.server_memory.map(|(now, grown)| (now, each(grown as f64))),
            journal: used.journal_bytes.map(|bytes| each(bytes as f64)),
            disk: used.disk_bytes,
            cycles: (tally.quick, tally.standard),
            refused: tally.refused.clone(),
            checked: (tally.checked, tally.compared, tally.faults.count()),
        }
    }

    /// The median of the windows.
    pub(in crate::cli::bench) fn median(&self) -> f64 {
        median(&self.windows)
    }

    /// The slowest and the fastest window.
    pub(in crate::cli::bench) fn extremes(&self) -> (f64, f64) {
        let extreme = |pick: fn(f64, f64) -> f64| self.windows.iter().copied().reduce(pick).unwrap_or_default();
        (extreme(f64::min), extreme(f64::max))
    }

    /// How many orders were refused, for any reason.
    pub(in crate::cli::bench) fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }
}

/// The middle one, or the mean of the two in the middle.
pub(in crate::cli::bench) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    f64::midpoint(at(sorted.len().saturating_sub(1) / 2), at(sorted.len() / 2))
}

fn quantiles(latencies: &Histogram<u64>) -> Vec<u64> {
    QUANTILES.iter().map(|(_, at)| latencies.value_at_quantile(*at)).collect()
}

fn rate(orders: u64, took: Duration) -> f64 {
    if took < TICK / 100 { 0.0 } else { orders as f64 / took.as_secs_f64() }
}

fn windows(ticks: &[(Duration, u64)]) -> Vec<f64> {
    let step = if ticks.len() > WINDOW { WINDOW } else { 1 };
    let edges: Vec<_> = ticks.iter().copied().step_by(step).collect();
    edges.windows(2).filter_map(|pair| step_rate(pair).map(|(_, rate)| rate)).collect()
}

fn step(pair: &[(Duration, u64)]) -> Option<(f64, f64)> {
    step_rate(pair).map(|(at, rate)| (at.as_secs_f64(), rate))
}

fn step_rate(pair: &[(Duration, u64)]) -> Option<(Duration, f64)> {
    let [(then, before), (now, after)] = pair else { return None };
    Some((*now, rate(after.saturating_sub(*before), now.saturating_sub(*then))))
}

/// Points from the median on, closer together towards the end, as many as a picture can show.
fn curve(outcome: &Outcome) -> Vec<(f64, u64)> {
    const STEPS_A_DECADE: u32 = 24;
    let latencies = &outcome.latencies.answered;
    let most = latencies.len() as f64;
    let times = (0..).map(|step| 10_f64.powf(f64::from(step) / f64::from(STEPS_A_DECADE)));
    times
        .take_while(|times| *times <= most.max(1.0))
        .map(|times| (times, latencies.value_at_quantile(1.0 - 1.0 / times)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        for (figures, middle) in [(&[][..], 0.0), (&[3.0], 3.0), (&[5.0, 1.0], 3.0), (&[9.0, 1.0, 2.0], 2.0)] {
            assert!((median(figures) - middle).abs() < 1e-9, "{figures:?}");
        }
    }

    #[test]
    fn windows_are_seconds_where_there_are_any() {
        let ticks = |count: u64| (0..=count).map(|tick| (TICK * tick as u32, tick * 100)).collect::<Vec<_>>();
        assert_eq!(windows(&ticks(25)), [1_000.0, 1_000.0]);
        assert_eq!(windows(&ticks(3)), [1_000.0; 3]);
        assert!(windows(&ticks(0)).is_empty());
    }
}
