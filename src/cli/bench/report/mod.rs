//! What runs came to, for people and for programs.

mod figures;
mod json;
mod svg;
mod table;

use indicatif::{ProgressBar, ProgressStyle};

pub(super) use self::{
    figures::{Figures, median},
    json::json,
    svg::svg,
    table::{count, heading, medians, table, time},
};
use super::options::Plan;

/// Runs of the same plan.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    /// What was to be sent.
    pub(super) plan: &'a Plan,
    /// What came of it each time.
    pub(super) figures: Vec<Figures>,
}

impl Runs<'_> {
    /// Which run is the one in the middle, by what it did a second; of two in the middle the slower one.
    pub(super) fn median_place(&self) -> usize {
        let mut places: Vec<(usize, f64)> = self.figures.iter().map(Figures::median).enumerate().collect();
        places.sort_by(|(_, one), (_, other)| one.total_cmp(other));
        places.get(places.len().saturating_sub(1) / 2).map_or(0, |(place, _)| *place)
    }

    /// That run.
    pub(super) fn median(&self) -> Option<&Figures> {
        self.figures.get(self.median_place())
    }
}

/// Something that shows how far things are.
pub(super) fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
