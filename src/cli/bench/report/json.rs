//! Runs as JSON for programs.

use serde_json::{Map, Value, json};

use super::{
    Runs,
    figures::{Figures, QUANTILES},
    table::heading,
};
use crate::cli::bench::options::{Client, Mode, Plan};

/// What was measured, every run, and which of them is the median.
pub(in crate::cli::bench) fn json(runs: &Runs) -> Value {
    json!({
        "what": heading(runs.plan),
        "plan": plan(runs.plan),
        "median_run": runs.median_place(),
        "runs": runs.figures.iter().map(figures).collect::<Vec<_>>(),
    })
}

fn plan(plan: &Plan) -> Value {
    json!({
        "mode": match plan.mode {
            Mode::Unary => "unary",
            Mode::Chunk => "chunk",
            Mode::Stream => "stream",
        },
        "client": if plan.client == Client::Generated && plan.mode == Mode::Unary { "generated" } else { "light" },
        "chunk": plan.chunk,
        "connections": plan.connections,
        "in_flight_per_connection": plan.in_flight,
        "threads": plan.threads,
        "rate": plan.rate,
        "seconds": plan.duration.as_secs_f64(),
        "warmup_seconds": plan.warmup.as_secs_f64(),
        "merchants": plan.merchants.count,
        "zipf": plan.merchants.zipf,
        "without_guarantee": plan.merchants.without_guarantee,
        "repeats": plan.repeats,
        "late": plan.late,
        "receipts": plan.receipts,
        "seed": plan.seed,
    })
}

fn figures(figures: &Figures) -> Value {
    let (refusals, refused_in, refused_within) = &figures.refused_in;
    let (checked, compared, wrong) = figures.checked;
    json!({
        "orders": figures.orders,
        "seconds": figures.took.as_secs_f64(),
        "orders_per_second": rounded(figures.overall),
        "orders_per_second_median": rounded(figures.median()),
        "orders_per_second_by_window": figures.windows.iter().copied().map(rounded).collect::<Vec<_>>(),
        "messages": figures.messages,
        "latency_ns": latencies(&figures.quantiles, figures.longest),
        "refused_messages": refusals,
        "refusal_latency_ns": latencies(refused_in, *refused_within),
        "server_cpu_ns_per_order": figures.server_cpu.map(rounded),
        "client_cpu_ns_per_order": rounded(figures.client_cpu),
        "server_memory_bytes": figures.memory.map(|(now, _)| now),
        "server_memory_bytes_per_order": figures.memory.map(|(_, each)| rounded(each)),
        "journal_bytes_per_order": figures.journal.map(rounded),
        "data_directory_growth_bytes": figures.disk,
        "quick": figures.cycles.0,
        "standard": figures.cycles.1,
        "refused": figures.refused,
        "checked": checked,
        "repeats_compared": compared,
        "wrong": wrong,
        "prepared_orders": figures.prepared.0,
        "prepared_bytes": figures.prepared.1,
    })
}

fn latencies(quantiles: &[u64], longest: u64) -> Map<String, Value> {
    let each = QUANTILES.iter().zip(quantiles).map(|((name, _), nanos)| ((*name).to_owned(), json!(nanos)));
    each.chain([("max".to_owned(), json!(longest))]).collect()
}

/// To a tenth.
fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}
