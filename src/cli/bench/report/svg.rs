//! A run as a picture: throughput over time, and latency by percentile.

use std::fmt::{self, Write as _};

use super::{
    figures::Figures,
    table::{count, heading, time, with_unit},
};
use crate::cli::bench::options::Plan;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 760.0;
const INK: &str = "#1f2933";
const FAINT: &str = "#6b7785";
const GRID: &str = "#e4e8ec";
const THROUGHPUT: &str = "#2a78d6";
const LATENCY: &str = "#c2410c";

/// Draws it.
pub(in crate::cli::bench) fn svg(plan: &Plan, figures: &Figures) -> Result<String, fmt::Error> {
    let mut picture = String::new();
    writeln!(
        picture,
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' \
         font-family='Inter, Segoe UI, Helvetica, Arial, sans-serif' font-size='13' fill='{INK}'>"
    )?;
    writeln!(picture, "<rect width='{WIDTH}' height='{HEIGHT}' fill='#ffffff'/>")?;
    text(&mut picture, (64.0, 44.0), "font-size='21' font-weight='600'", &title(figures))?;
    text(&mut picture, (64.0, 68.0), &format!("fill='{FAINT}'"), &heading(plan))?;
    throughput(&mut picture, figures)?;
    latency(&mut picture, figures)?;
    picture.push_str("</svg>\n");
    Ok(picture)
}

fn title(figures: &Figures) -> String {
    let median = figures.quantiles.first().copied().unwrap_or_default();
    format!("{} orders/s, half of all answers within {}", count(figures.median()), time(median))
}

fn text(picture: &mut String, (x, y): (f64, f64), style: &str, text: &str) -> fmt::Result {
    writeln!(picture, "<text x='{x:.1}' y='{y:.1}' {style}>{text}</text>")
}

/// A rectangle with scales, which run from 0 to 1 within it.
struct Panel {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Panel {
    const fn at(top: f64, height: f64) -> Self {
        Self { left: 112.0, top, width: 800.0, height }
    }

    fn x(&self, share: f64) -> f64 {
        self.left + self.width * share
    }

    fn y(&self, share: f64) -> f64 {
        self.top + self.height * (1.0 - share)
    }

    fn caption(&self, picture: &mut String, caption: &str) -> fmt::Result {
        text(picture, (64.0, self.top - 16.0), "font-weight='600'", caption)
    }

    fn row(&self, picture: &mut String, share: f64, label: &str) -> fmt::Result {
        let y = self.y(share);
        writeln!(
            picture,
            "<line x1='{:.1}' x2='{:.1}' y1='{y:.1}' y2='{y:.1}' stroke='{GRID}'/>",
            self.left,
            self.x(1.0)
        )?;
        text(picture, (self.left - 10.0, y + 4.5), &format!("text-anchor='end' fill='{FAINT}'"), label)
    }

    fn column(&self, picture: &mut String, share: f64, label: &str, line: bool) -> fmt::Result {
        let x = self.x(share);
        if line {
            let (top, bottom) = (self.top, self.y(0.0));
            writeln!(picture, "<line x1='{x:.1}' x2='{x:.1}' y1='{top:.1}' y2='{bottom:.1}' stroke='{GRID}'/>")?;
        }
        text(picture, (x, self.y(0.0) + 20.0), &format!("text-anchor='middle' fill='{FAINT}'"), label)
    }

    /// A line through points, with the ground below it tinted.
    fn line(&self, picture: &mut String, points: &[(f64, f64)], colour: &str) -> fmt::Result {
        let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else { return Ok(()) };
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{:.1},{:.1}", self.x(*x), self.y(*y))).collect();
        let (path, ground) = (path.join(" L"), self.y(0.0));
        let (from, to) = (self.x(*first), self.x(*last));
        writeln!(
            picture,
            "<path d='M{path} L{to:.1},{ground:.1} L{from:.1},{ground:.1} Z' fill='{colour}' fill-opacity='0.09'/>"
        )?;
        writeln!(picture, "<path d='M{path}' fill='none' stroke='{colour}' stroke-width='2' stroke-linejoin='round'/>")
    }

    fn dot(&self, picture: &mut String, (x, y): (f64, f64), colour: &str, label: &str) -> fmt::Result {
        let (x, y) = (self.x(x), self.y(y));
        writeln!(
            picture,
            "<circle cx='{x:.1}' cy='{y:.1}' r='4' fill='{colour}' stroke='#ffffff' stroke-width='1.5'/>"
        )?;
        // Above to the left nothing is drawn, since the line rises.
        let anchor = if x - self.left < 70.0 { "middle" } else { "end" };
        text(picture, (x - 2.0, y - 10.0), &format!("text-anchor='{anchor}' font-weight='600'"), label)
    }
}

/// Orders a second over time, each point the mean of a window around it.
fn throughput(picture: &mut String, figures: &Figures) -> fmt::Result {
    let panel = Panel::at(124.0, 220.0);
    panel.caption(picture, "Throughput, orders a second")?;
    let median = figures.median();
    let label = format!("median {}", count(median));
    text(picture, (panel.x(1.0), panel.top - 16.0), "text-anchor='end' font-weight='600'", &label)?;
    let most = figures.ticks.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let step = round_step(most / 4.0);
    let top = (most * 1.08 / step).ceil() * step;
    for line in 0..=(top / step).round() as u32 {
        panel.row(picture, f64::from(line) * step / top, &short(f64::from(line) * step))?;
    }
    let seconds = figures.ticks.last().map_or(1.0, |(at, _)| *at).max(0.001);
    let every = round_step(seconds / 10.0);
    for mark in 0..=(seconds / every + 0.01) as u32 {
        let at = f64::from(mark) * every;
        panel.column(picture, (at / seconds).min(1.0), &format!("{} s", trimmed(at)), false)?;
    }
    let first = figures.ticks.first().map(|(_, rate)| (0.0, *rate));
    let points = first.into_iter().chain(figures.ticks.iter().copied());
    let points: Vec<_> = points.map(|(at, rate)| (at / seconds, rate / top)).collect();
    panel.line(picture, &points, THROUGHPUT)?;
    let y = panel.y(median / top);
    writeln!(
        picture,
        "<line x1='{:.1}' x2='{:.1}' y1='{y:.1}' y2='{y:.1}' stroke='{INK}' stroke-dasharray='3 4' stroke-opacity='0.6'/>",
        panel.left,
        panel.x(1.0)
    )
}

/// Latency by percentile. Each step to the right leaves a tenth of the slower messages.
fn latency(picture: &mut String, figures: &Figures) -> fmt::Result {
    let panel = Panel::at(450.0, 230.0);
    let caption = format!("Latency of {} messages, by percentile", count(figures.messages as f64));
    panel.caption(picture, &caption)?;
    let (Some((_, least)), Some((widest, _))) = (figures.curve.first(), figures.curve.last()) else { return Ok(()) };
    let low = (*least.max(&1) as f64 * 0.8).log10();
    let high = (figures.longest.max(2) as f64 * 1.35).log10().max(low + 0.3);
    let right = widest.log10().max(1.0);
    let (across, up) =
        (|times: f64| times.log10() / right, |nanos: u64| ((nanos.max(1) as f64).log10() - low) / (high - low));
    for nanos in marks(low, high) {
        panel.row(picture, up(nanos), &trimmed_time(nanos))?;
    }
    for decade in 0..=right as u32 {
        let name = if decade == 0 { "min".to_owned() } else { format!("{} %", percent(decade)) };
        panel.column(picture, f64::from(decade) / right, &name, true)?;
    }
    panel.column(picture, across(2.0), "50 %", true)?;
    let points: Vec<_> = figures.curve.iter().map(|(times, nanos)| (across(*times), up(*nanos))).collect();
    panel.line(picture, &points, LATENCY)?;
    let told = [2.0_f64, 100.0, 1_000.0, 10_000.0].into_iter().zip([0, 2, 3, 4]);
    for (times, place) in told.filter(|(times, _)| times.log10() < right * 0.9) {
        let nanos = figures.quantiles.get(place).copied().unwrap_or_default();
        panel.dot(picture, (across(times), up(nanos)), LATENCY, &time(nanos))?;
    }
    panel.dot(picture, (1.0, up(figures.longest)), LATENCY, &format!("max {}", time(figures.longest)))
}

/// 90, 99, 99.9 and so on.
fn percent(decade: u32) -> String {
    match decade {
        1 => "90".to_owned(),
        2 => "99".to_owned(),
        more => format!("99.{}", "9".repeat(more as usize - 2)),
    }
}

/// Round times between two powers of ten: few where there is much between them.
fn marks(low: f64, high: f64) -> Vec<u64> {
    let steps: &[f64] = match high - low {
        ..1.2 => &[1.0, 2.0, 3.0, 5.0, 7.0],
        ..3.0 => &[1.0, 2.0, 5.0],
        _ => &[1.0],
    };
    let decades = low.floor() as i32..=high.ceil() as i32;
    let all = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
    all.filter(|nanos| (low..high).contains(&nanos.log10())).map(|nanos| nanos.round() as u64).collect()
}

/// A time that is round, without zeros behind the point.
fn trimmed_time(nanos: u64) -> String {
    let (value, unit) = with_unit(nanos);
    format!("{} {unit}", trimmed(value))
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// 1, 2 or 5 of some power of ten, at least as much.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-3).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|step| *step >= least).unwrap_or(power * 10.0)
}

/// 1.5 M, 200 k.
fn short(number: f64) -> String {
    match number {
        ..1e3 => trimmed(number),
        ..1e6 => format!("{} k", trimmed(number / 1e3)),
        _ => format!("{} M", trimmed(number / 1e6)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (least, step) in [(0.9, 1.0), (1.0, 1.0), (1.1, 2.0), (41_000.0, 50_000.0), (60.0, 100.0)] {
            assert!((round_step(least) / step - 1.0).abs() < 1e-9, "{least}: {}", round_step(least));
        }
        assert_eq!([short(1_500_000.0), short(200_000.0), short(0.0)], ["1.5 M", "200 k", "0"]);
        assert_eq!([percent(1), percent(2), percent(4)], ["90", "99", "99.99"]);
        assert_eq!(marks(6.0, 7.0), [1_000_000, 2_000_000, 3_000_000, 5_000_000, 7_000_000]);
    }
}
