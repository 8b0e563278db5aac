//! One table of all that was measured.

use std::{fs, path::Path};

use anyhow::Result;
use serde::Serialize;

use crate::measure::Measured;

/// A figure over all rounds.
#[derive(Clone, Copy, Serialize)]
struct Figure {
    median: f64,
    least: f64,
    most: f64,
}

/// A row of the table.
#[derive(Serialize)]
struct Row {
    system: String,
    load: String,
    rounds: usize,
    orders_per_second: Figure,
    p50_ms: Figure,
    p99_ms: Figure,
    server_us: Figure,
    server_with_upkeep_us: Option<Figure>,
    client_us: Figure,
    others: Figure,
}

/// Reads what was measured, a line of JSON each, prints the table and writes it as JSON.
pub fn report(measured: &Path, json: &Path) -> Result<()> {
    let text = fs::read_to_string(measured)?;
    let measured: Vec<Measured> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let mut rows: Vec<Row> = Vec::new();
    for Measured { system, load, .. } in &measured {
        if !rows.iter().any(|row| row.system == *system && row.load == *load) {
            let same = |other: &&Measured| other.system == *system && other.load == *load;
            rows.push(row(&measured.iter().filter(same).collect::<Vec<_>>()));
        }
    }
    fs::write(json, serde_json::to_string_pretty(&rows)?)?;
    println!(
        "{:<12} {:<40} {:>26} {:>9} {:>9} {:>11} {:>12} {:>11} {:>8}",
        "system",
        "load",
        "orders/s (least to most)",
        "p50 ms",
        "p99 ms",
        "server µs",
        "with upkeep",
        "client µs",
        "others"
    );
    for row in rows {
        let Figure { median, least, most } = row.orders_per_second;
        println!(
            "{:<12} {:<40} {:>26} {:>9.2} {:>9.2} {:>11.2} {:>12} {:>11.2} {:>7.0}%",
            row.system,
            row.load,
            format!("{median:.0} ({least:.0} to {most:.0})"),
            row.p50_ms.median,
            row.p99_ms.median,
            row.server_us.median,
            row.server_with_upkeep_us.map_or_else(|| "-".to_owned(), |figure| format!("{:.2}", figure.median)),
            row.client_us.median,
            row.others.median * 100.0,
        );
    }
    Ok(())
}

fn row(of: &[&Measured]) -> Row {
    let figure = |of_one: &dyn Fn(&Measured) -> f64| figure(of.iter().map(|measured| of_one(measured)).collect());
    let upkeep: Vec<f64> = of.iter().filter_map(|measured| measured.server_with_upkeep_us).collect();
    Row {
        system: of[0].system.clone(),
        load: of[0].load.clone(),
        rounds: of.len(),
        orders_per_second: figure(&|measured| measured.orders_per_second),
        p50_ms: figure(&|measured| measured.p50_ms),
        p99_ms: figure(&|measured| measured.p99_ms),
        server_us: figure(&|measured| measured.server_us),
        server_with_upkeep_us: (!upkeep.is_empty()).then(|| self::figure(upkeep)),
        client_us: figure(&|measured| measured.client_us),
        others: figure(&|measured| measured.others),
    }
}

fn figure(mut values: Vec<f64>) -> Figure {
    values.sort_by(f64::total_cmp);
    Figure { median: values[values.len() / 2], least: values[0], most: values[values.len() - 1] }
}
