//! The same as lines of text, for a pipe: a name and a value, and then the merchants.

use std::fmt::Write as _;

use super::{
    By,
    figures::{Figures, Quantiles},
    show::{bytes, count, measured, seconds, share},
};
use crate::proto::v1::RankedMerchant;

pub(super) fn written(figures: &Figures, merchants: &Result<Vec<RankedMerchant>, String>, by: By) -> String {
    let mut text = String::new();
    for (name, value) in lines(figures) {
        // Writing to a string does not fail.
        writeln!(text, "{name:<22}{value}").unwrap_or_default();
    }
    writeln!(text).unwrap_or_default();
    match merchants {
        Ok(merchants) => {
            let by = ["by ", by.name()].concat();
            let heads = ["day total", "of it T+2", "pending", "guarantee", "gap", "debt"];
            row(&mut text, &by, heads);
            for merchant in merchants {
                let RankedMerchant { merchant_id, day_total, day_quick, pending, guarantee, gap, debt } = merchant;
                row(&mut text, merchant_id, [day_total, day_quick, pending, guarantee, gap, debt].map(String::as_str));
            }
        }
        Err(why) => writeln!(text, "merchants are not known: {why}").unwrap_or_default(),
    }
    text
}

fn row(text: &mut String, name: &str, cells: [&str; 6]) {
    let cells: String = cells.iter().map(|cell| format!(" {cell:>13}")).collect();
    writeln!(text, "{name:<22}{cells}").unwrap_or_default();
}

fn lines(figures: &Figures) -> Vec<(&'static str, String)> {
    let Figures { in_flight: [calls, streams], journal: [live, archive], .. } = figures;
    let latencies = |of: &Quantiles| {
        format!("p50 {}, p99 {}, p99.9 {}", measured(of.half), measured(of.most), measured(of.nearly_all))
    };
    let state = if figures.serving { "serving" } else { "not serving" };
    let reasons = figures.reasons.iter().map(|(reason, rate)| format!(", {reason} {}", count(*rate)));
    vec![
        ("version", figures.version.clone()),
        ("state", figures.alarms.iter().fold(state.to_owned(), |state, alarm| state + ", " + alarm)),
        ("up for", measured(figures.uptime)),
        ("T+2 orders/s", count(figures.quick)),
        ("T+7 orders/s", count(figures.standard)),
        ("replayed/s", count(figures.replayed)),
        ("refused/s", count(figures.refused) + &reasons.collect::<String>()),
        ("calls/s", count(figures.calls)),
        ("call that classifies", latencies(&figures.call)),
        ("sync", latencies(&figures.sync)),
        ("write", latencies(&figures.write)),
        ("batches/s", format!("{}, of {} records", count(figures.batches), count(figures.batch))),
        (
            "in flight",
            format!("{} of calls, {} of streams, of {}", count(*calls), count(*streams), count(figures.most_in_flight)),
        ),
        ("queued", bytes(figures.queued)),
        ("due work late", format!("{}, {} facts/s", seconds(figures.due_lag), count(figures.due))),
        (
            "history behind",
            format!(
                "{} of {} records, {} records/s",
                count(figures.history_lag),
                count(figures.most_history_lag),
                count(figures.history)
            ),
        ),
        ("disk free", format!("{} of {}", bytes(figures.disk_free), share(figures.disk_free, figures.disk_size))),
        ("journal", format!("{} live, {} archived", bytes(*live), bytes(*archive))),
        ("to replay", format!("{}, checkpoint {} ago", bytes(figures.replay), seconds(figures.checkpoint_age))),
        ("memory", bytes(figures.memory)),
        ("processors", format!("{:.2}", figures.processors)),
        ("connections", count(figures.connections)),
        ("merchants", count(figures.merchants)),
        ("ids in memory", count(figures.ids)),
    ]
}
