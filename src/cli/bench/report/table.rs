//! A run as a table for people.

use indicatif::{HumanBytes, HumanCount};

use super::{
    Runs,
    figures::{Figures, QUANTILES, median},
};
use crate::cli::bench::options::{Client, Mode, Plan};

/// What was measured, and the figures.
pub(in crate::cli::bench) fn table(plan: &Plan, figures: &Figures) -> String {
    let mut rows = Rows(String::new());
    rows.row("made ready", &prepared(figures));
    let (slowest, fastest) = figures.extremes();
    rows.row("throughput", &format!("{} orders/s", count(figures.overall)));
    let windows = format!("{} median, {} to {}", count(figures.median()), count(slowest), count(fastest));
    rows.row("  by the second", &windows);
    let (refusals, ..) = figures.refused_in;
    let sent = figures.overall + refusals as f64 * f64::from(plan.chunk) / figures.took.as_secs_f64().max(f64::EPSILON);
    if let Some(rate) = plan.rate.filter(|rate| sent < *rate as f64 * 0.98) {
        rows.row("  asked for", &format!("{} orders/s: it falls behind", HumanCount(rate)));
    }
    let of =
        if plan.chunk == 1 { "latency".to_owned() } else { format!("latency of {}", count(f64::from(plan.chunk))) };
    rows.row(&of, &latencies(&figures.quantiles, figures.longest));
    if let (1.., quantiles, longest) = &figures.refused_in {
        rows.row("  of refusals", &latencies(quantiles, *longest));
    }
    rows.row("CPU an order", &cpu(figures));
    if let Some((now, each)) = figures.memory {
        rows.row("server memory", &format!("{}, grown by {} bytes an order", HumanBytes(now), each.round() as i64));
    }
    if let Some(journal) = figures.journal {
        let grown = figures.disk.unwrap_or_default();
        let grown = u64::try_from(grown).map_or("less".into(), |grown| HumanBytes(grown).to_string());
        rows.row("disk", &format!("{journal:.0} bytes of journal an order; the data directory grew by {grown}"));
    }
    let (quick, standard) = figures.cycles;
    let refused = figures.refusals();
    let all = (quick + standard + refused).max(1) as f64;
    let share = |part: u64| part as f64 * 100.0 / all;
    rows.row("answers", &format!("{:.1} % T+2, {:.1} % T+7, {refused} refused", share(quick), share(standard)));
    for (reason, orders) in &figures.refused {
        rows.row(&format!("  {reason}"), &HumanCount(*orders).to_string());
    }
    let (checked, compared, wrong) = figures.checked;
    let compared = if plan.repeats > 0.0 { format!(", {compared} repeats compared") } else { String::new() };
    rows.row("checked", &format!("{} answers{compared}, {wrong} wrong", HumanCount(checked)));
    rows.0
}

/// What is measured, in a line.
pub(in crate::cli::bench) fn heading(plan: &Plan) -> String {
    let what = match plan.mode {
        Mode::Unary if plan.client == Client::Light => "ClassifyOrder, light client",
        Mode::Unary => "ClassifyOrder, generated client",
        Mode::Chunk => "ClassifyOrders",
        Mode::Stream => "StreamClassifyOrders",
    };
    let chunk = match plan.chunk {
        _ if plan.mode == Mode::Unary => String::new(),
        1 => ", 1 order a message".to_owned(),
        more => format!(", {} orders a message", count(f64::from(more))),
    };
    let connections = match plan.connections {
        1 => "1 connection".to_owned(),
        more => format!("{more} connections"),
    };
    let pace = match plan.rate {
        None => format!("{} in flight on each", plan.in_flight),
        Some(rate) => format!("{} orders/s whatever comes back", HumanCount(rate)),
    };
    format!("{what}{chunk}, {connections}, {pace}")
}

/// Every run's figures in the middle, beside each other, and the middle of them.
pub(in crate::cli::bench) fn medians(runs: &Runs<'_>) -> String {
    let mut rows = Rows(String::new());
    let all = |figure: &dyn Fn(&Figures) -> f64, shown: &dyn Fn(f64) -> String| {
        let figures: Vec<f64> = runs.figures.iter().map(figure).collect();
        let each: Vec<String> = figures.iter().map(|figure| shown(*figure)).collect();
        format!("{:<14}{}", shown(median(&figures)), each.join("  "))
    };
    let nanos = |nanos: f64| time(nanos.max(0.0) as u64);
    rows.row("", &format!("{:<14}runs", "median"));
    rows.row("orders/s", &all(&|run| run.median(), &count));
    for (place, (name, _)) in QUANTILES.iter().enumerate() {
        rows.row(name, &all(&|run| run.quantiles.get(place).copied().unwrap_or_default() as f64, &nanos));
    }
    rows.row("server CPU an order", &all(&|run| run.server_cpu.unwrap_or_default(), &nanos));
    rows.row("client CPU an order", &all(&|run| run.client_cpu, &nanos));
    rows.0
}

fn prepared(figures: &Figures) -> String {
    let (orders, bytes) = figures.prepared;
    let bytes = if bytes == 0 { String::new() } else { format!(", {}", HumanBytes(bytes)) };
    format!("{} orders{bytes}", HumanCount(orders))
}

struct Rows(String);

impl Rows {
    fn row(&mut self, name: &str, value: &str) {
        self.0.push_str(&format!("{name:<20}{value}\n"));
    }
}

fn latencies(quantiles: &[u64], longest: u64) -> String {
    let told = QUANTILES.iter().zip(quantiles).map(|((name, _), nanos)| format!("{name} {}", time(*nanos)));
    let told: Vec<String> = told.chain([format!("max {}", time(longest))]).collect();
    told.join("  ")
}

fn cpu(figures: &Figures) -> String {
    let each = |nanos: f64| time(nanos.max(0.0) as u64);
    let server = figures.server_cpu.map_or("not known".to_owned(), each);
    format!("server {server}, client {}", each(figures.client_cpu))
}

/// With three digits and a unit.
pub(in crate::cli::bench) fn time(nanos: u64) -> String {
    let (value, unit) = with_unit(nanos);
    let digits = if value >= 100.0 || unit == "ns" {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

/// In the largest unit of which there is one.
pub(super) fn with_unit(nanos: u64) -> (f64, &'static str) {
    let nanos = nanos as f64;
    match nanos {
        ..1e3 => (nanos, "ns"),
        ..1e6 => (nanos / 1e3, "µs"),
        ..1e9 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    }
}

/// A whole number with its thousands told apart.
pub(in crate::cli::bench) fn count(number: f64) -> String {
    HumanCount(number.max(0.0).round() as u64).to_string()
}
