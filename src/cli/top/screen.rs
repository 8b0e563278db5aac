//! The screen: 80 columns and 24 lines are enough, more show more merchants.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Cell, Paragraph, Row, Sparkline, Table},
};

use super::{
    figures::{Figures, Quantiles},
    keys::View,
    show::{bytes, count, measured, seconds, share},
};
use crate::proto::v1::RankedMerchant;

/// How wide an amount is.
const AMOUNT: usize = 10;

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let lines = [1, 7, 7].map(Constraint::Length);
    let [above, first, second] = lines;
    let areas = Layout::vertical([above, first, second, Constraint::Min(3), Constraint::Length(1)]).areas(frame.area());
    let [title, first, second, merchants, keys] = areas;
    let nothing = Figures::default();
    let figures = view.figures.as_ref().unwrap_or(&nothing);
    frame.render_widget(state(view), title);
    let halves = |area| Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(area);
    let [left, right] = halves(first);
    orders(frame, left, figures, &view.course);
    frame.render_widget(latencies(figures), right);
    let [left, right] = halves(second);
    frame.render_widget(queue(figures), left);
    frame.render_widget(room(figures), right);
    frame.render_widget(ranked(view), merchants);
    let paused = if view.paused { "p go on" } else { "p pause" };
    let help = format!(" q quit   s rank by {}   ↑↓ merchants   {paused}", view.by.next().name());
    frame.render_widget(Paragraph::new(help).style(Style::new().fg(Color::DarkGray)), keys);
}

fn block(title: &str) -> Block<'_> {
    Block::bordered().title(format!(" {title} ")).border_style(Style::new().fg(Color::DarkGray))
}

fn alarming(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Style::new().fg(Color::Red).add_modifier(Modifier::BOLD))
}

fn state(view: &View) -> Line<'_> {
    let mut said = vec![Span::styled(" tplus ", Style::new().add_modifier(Modifier::BOLD))];
    if let Some(figures) = &view.figures {
        said.push(Span::raw(format!("{}  up {}  ", figures.version, measured(figures.uptime))));
        match (view.silent.is_some(), figures.serving) {
            (true, _) => {}
            (false, true) => said.push(Span::styled("SERVING", Style::new().fg(Color::Green))),
            (false, false) => said.push(alarming("NOT SERVING")),
        }
        // What it said last is past.
        let alarms = figures.alarms.iter().filter(|_| view.silent.is_none());
        said.extend(alarms.map(|alarm| alarming(format!("  {alarm}"))));
    } else if view.silent.is_none() {
        said.push(Span::raw("looking for the first time …"));
    }
    if view.paused {
        said.push(Span::styled("  PAUSED", Style::new().fg(Color::Yellow)));
    }
    if let Some(why) = &view.silent {
        said.push(alarming(format!("NO ANSWER: {why}")));
    }
    Line::from(said)
}

/// Names on the left and what there is to say on the right.
fn pairs<'a, const N: usize>(title: &'a str, rows: [(&'a str, Line<'a>); N]) -> Table<'a> {
    let row = |(name, value)| Row::new([Cell::from(name).style(Style::new().fg(Color::Gray)), Cell::from(value)]);
    Table::new(rows.map(row), [Constraint::Length(12), Constraint::Min(10)]).block(block(title))
}

fn orders(frame: &mut Frame<'_>, area: Rect, figures: &Figures, course: &[u64]) {
    let inner = block("orders a second").inner(area);
    frame.render_widget(block("orders a second"), area);
    let [said, drawn] = Layout::vertical([Constraint::Length(3), Constraint::Min(1)]).areas(inner);
    let rates = format!("T+2 {:>8}   T+7 {:>8}", count(figures.quick), count(figures.standard));
    let others = format!("again {:>6}   calls {:>6}", count(figures.replayed), count(figures.calls));
    let mut refused = vec![Span::raw(format!("refused {:>4}", count(figures.refused)))];
    if let Some((reason, rate)) = figures.reasons.first() {
        refused.push(alarming(format!("  {reason} {}", count(*rate))));
    }
    let lines = vec![Line::from(rates), Line::from(others), Line::from(refused)];
    frame.render_widget(Paragraph::new(lines), said);
    let wide = usize::from(drawn.width);
    let latest = course.get(course.len().saturating_sub(wide)..).unwrap_or_default();
    frame.render_widget(Sparkline::default().data(latest).style(Style::new().fg(Color::Cyan)), drawn);
}

fn latencies(figures: &Figures) -> Table<'_> {
    let row = |name, of: &Quantiles| Row::new([name, measured(of.half), measured(of.most), measured(of.nearly_all)]);
    let rows = [
        row("call".to_owned(), &figures.call),
        row("sync".to_owned(), &figures.sync),
        row("write".to_owned(), &figures.write),
        Row::new([
            "batch".to_owned(),
            format!("{} rec", count(figures.batch)),
            format!("{}/s", count(figures.batches)),
        ]),
    ];
    let head = Row::new(["", "p50", "p99", "p99.9"]).style(Style::new().fg(Color::Gray));
    Table::new(rows, [Constraint::Length(7), Constraint::Length(9), Constraint::Length(9), Constraint::Length(9)])
        .header(head)
        .block(block("latency"))
}

/// Red from nine tenths on.
fn bounded(text: String, part: f64, whole: f64) -> Line<'static> {
    if whole > 0.0 && part >= 0.9 * whole { Line::from(alarming(text)) } else { Line::from(text) }
}

fn queue(figures: &Figures) -> Table<'_> {
    let Figures { in_flight: [calls, streams], most_in_flight: most, history_lag, most_history_lag, .. } = *figures;
    let in_flight =
        |part: f64| bounded(format!("{} of {} ({})", count(part), count(most), share(part, most)), part, most);
    let behind = format!("{} of {}", count(history_lag), count(most_history_lag));
    pairs(
        "queue, due, history",
        [
            ("in flight", in_flight(calls)),
            ("  streams", in_flight(streams)),
            ("queued", Line::from(bytes(figures.queued))),
            ("due late", Line::from(format!("{}  {} facts/s", seconds(figures.due_lag), count(figures.due)))),
            ("history lag", bounded(behind, history_lag, most_history_lag)),
        ],
    )
}

fn room(figures: &Figures) -> Table<'_> {
    let Figures { disk_free: free, disk_size: size, journal: [live, archive], .. } = *figures;
    let disk = format!("{} free ({})", bytes(free), share(free, size));
    let journal = format!("{} + {} archived", bytes(live), bytes(archive));
    let replay = format!("{}  saved {} ago", bytes(figures.replay), seconds(figures.checkpoint_age));
    let process =
        format!("{}  cpu {:.2}  conn {}", bytes(figures.memory), figures.processors, count(figures.connections));
    let held = format!("{}  ids {}", count(figures.merchants), count(figures.ids));
    pairs(
        "disk, process",
        [
            ("disk", bounded(disk, size - free, size)),
            ("journal", Line::from(journal)),
            ("to replay", Line::from(replay)),
            ("memory", Line::from(process)),
            ("merchants", Line::from(held)),
        ],
    )
}

fn ranked(view: &View) -> Table<'_> {
    let right = |text: &str| format!("{text:>AMOUNT$}");
    // Cut off, it would be another one.
    let amount = |text: &str| match text.parse() {
        Ok(amount) if text.len() > AMOUNT => right(&count(amount)),
        _ => right(text),
    };
    let row = |merchant: &RankedMerchant| {
        let RankedMerchant { merchant_id, day_total, day_quick, pending, guarantee, gap, debt } = merchant;
        let amounts = [day_total, day_quick, pending, guarantee, gap, debt].map(|text| amount(text));
        let id = std::iter::once(merchant_id.clone());
        Row::new(id.chain(amounts))
    };
    let (rows, title): (Vec<_>, _) = match &view.merchants {
        Ok(merchants) => {
            (merchants.iter().skip(view.first).map(row).collect(), format!("largest by {}", view.by.name()))
        }
        Err(why) => (Vec::new(), format!("no merchants: {why}")),
    };
    let heads = ["day total", "of it T+2", "pending", "guarantee", "gap", "debt"].map(right);
    let head = Row::new(std::iter::once("merchant".to_owned()).chain(heads)).style(Style::new().fg(Color::Gray));
    let widths = [Constraint::Min(11)].into_iter().chain([Constraint::Length(10); 6]);
    let block = Block::bordered().title(format!(" {title} ")).border_style(Style::new().fg(Color::DarkGray));
    Table::new(rows, widths).header(head).block(block)
}
