//! Answers for people: rows of names and values, and tables, aligned.

use prost_types::Timestamp as Instant;

use crate::{
    cli::{
        call::instant,
        paint::{Paint, Tone},
    },
    domain::{Money, Timestamp},
};

/// What stands in one place.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    right: bool,
    tone: Tone,
}

impl Cell {
    /// A text that came from outside: whatever a terminal might obey is shown as an escape.
    pub(super) fn text(text: &str) -> Self {
        Self { text: harmless(text), right: false, tone: Tone::Plain }
    }

    /// An amount in dollars, as the server says it.
    pub(super) fn amount(text: &str) -> Self {
        let tone = if is_nothing(text) { Tone::Dim } else { Tone::Plain };
        Self { text: amount(text), right: true, tone }
    }

    /// An amount as somebody typed it.
    pub(super) fn typed(text: &str) -> Self {
        Self { text: typed(text), right: true, tone: Tone::Plain }
    }

    /// A number.
    pub(super) fn number(number: impl Into<u64>) -> Self {
        Self { text: grouped(&number.into().to_string()), right: true, tone: Tone::Plain }
    }

    /// An instant, or a dash.
    pub(super) fn time(at: Option<Instant>) -> Self {
        Self { text: time(at), right: false, tone: Tone::Plain }
    }

    /// In another tone.
    pub(super) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// An amount that is no good sign unless it is nothing.
    pub(super) fn bad_amount(text: &str) -> Self {
        let cell = Self::amount(text);
        if is_nothing(text) { cell } else { cell.toned(Tone::Warn) }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }

    fn put(&self, line: &mut String, width: usize, paint: Paint) {
        let painted = paint.text(self.tone, &self.text);
        let blank = " ".repeat(width.saturating_sub(self.width()));
        *line += &if self.right { blank + &painted } else { painted + &blank };
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self::text("")
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::text(&text)
    }
}

/// An answer, line by line.
#[derive(Debug)]
pub(super) struct Sheet {
    paint: Paint,
    text: String,
    rows: Vec<(String, Cell, String)>,
}

impl Sheet {
    /// An empty one.
    pub(super) const fn new(paint: Paint) -> Self {
        Self { paint, text: String::new(), rows: Vec::new() }
    }

    /// What it is about, in a line.
    pub(super) fn title(&mut self, subject: &str, said: &str) {
        self.flush();
        let line = format!("{}  {}", self.paint.text(Tone::Strong, &harmless(subject)), harmless(said));
        self.line(&line);
    }

    /// A name with its value.
    pub(super) fn row(&mut self, name: &str, value: impl Into<Cell>) {
        self.noted(name, value, "");
    }

    /// A name with its value, and what there is to say about it.
    pub(super) fn noted(&mut self, name: &str, value: impl Into<Cell>, note: &str) {
        self.rows.push((name.to_owned(), value.into(), harmless(note)));
    }

    /// A name with an amount.
    pub(super) fn amount(&mut self, name: &str, amount: &str) {
        self.row(name, Cell::amount(amount));
    }

    /// The same, unless it is nothing.
    pub(super) fn amount_if_any(&mut self, name: &str, amount: &str) {
        if !is_nothing(amount) {
            self.amount(name, amount);
        }
    }

    /// A name with a text that there may be.
    pub(super) fn text_if_any(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.row(name, text);
        }
    }

    /// An empty line between what belongs together.
    pub(super) fn gap(&mut self) {
        self.flush();
        self.text += "\n";
    }

    /// A line of plain words.
    pub(super) fn say(&mut self, tone: Tone, words: &str) {
        self.flush();
        let line = format!("  {}", self.paint.text(tone, &harmless(words)));
        self.line(&line);
    }

    /// A line as it is: no text from outside that was not made harmless.
    pub(super) fn plain(&mut self, line: &str) {
        self.flush();
        self.line(line);
    }

    /// A table.
    pub(super) fn table(&mut self, table: &mut Table) {
        self.flush();
        self.text += &table.render(self.paint);
    }

    /// All of it.
    pub(super) fn finish(mut self) -> String {
        self.flush();
        self.text
    }

    fn line(&mut self, line: &str) {
        self.text += line.trim_end();
        self.text += "\n";
    }

    /// The rows that were collected, below each other.
    fn flush(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let names = rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or_default();
        let amounts = rows.iter().filter(|(_, cell, _)| cell.right).map(|(_, cell, _)| cell.width()).max();
        for (name, cell, note) in rows {
            let blank = " ".repeat(names - name.chars().count() + 2);
            let mut line = format!("  {}{blank}", self.paint.text(Tone::Dim, &name));
            cell.put(&mut line, amounts.filter(|_| cell.right || !note.is_empty()).unwrap_or_default(), self.paint);
            if !note.is_empty() {
                line += &format!("  {}", self.paint.text(Tone::Dim, &note));
            }
            self.line(&line);
        }
    }
}

/// A table that may come in pieces, page after page: its columns only grow.
#[derive(Debug)]
pub(super) struct Table {
    names: &'static [&'static str],
    widths: Vec<usize>,
    rows: Vec<Vec<Cell>>,
    begun: bool,
}

impl Table {
    /// One with these columns.
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self { names, widths: names.iter().map(|name| name.chars().count()).collect(), rows: vec![], begun: false }
    }

    /// Adds a row, of as many cells as there are columns.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells: Vec<Cell> = cells.into_iter().collect();
        for (width, cell) in self.widths.iter_mut().zip(&cells) {
            *width = (*width).max(cell.width());
        }
        self.rows.push(cells);
    }

    /// The rows that were added since, below the names of the columns the first time.
    fn render(&mut self, paint: Paint) -> String {
        let rows = std::mem::take(&mut self.rows);
        let mut text = String::new();
        if let (false, Some(first)) = (self.begun, rows.first()) {
            self.begun = true;
            let name =
                |(name, cell): (&&str, &Cell)| Cell { text: (*name).to_owned(), tone: Tone::Dim, ..cell.clone() };
            let names: Vec<Cell> = self.names.iter().zip(first).map(name).collect();
            self.put(&mut text, &names, paint);
        }
        for row in &rows {
            self.put(&mut text, row, paint);
        }
        text
    }

    fn put(&self, text: &mut String, cells: &[Cell], paint: Paint) {
        let mut line = String::new();
        let last = cells.len().saturating_sub(1);
        for (place, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
            line += "  ";
            // Behind the last one there is nothing to be aligned.
            cell.put(&mut line, if place == last && !cell.right { 0 } else { *width }, paint);
        }
        *text += line.trim_end();
        text.push('\n');
    }
}

/// `1,234,567.80` for `1234567.80`; a dash for nothing at all.
pub(super) fn amount(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    match digits.split_once('.') {
        _ if digits.is_empty() => "-".to_owned(),
        Some((dollars, cents)) => format!("{sign}{}.{}", grouped(dollars), harmless(cents)),
        None => format!("{sign}{}", grouped(digits)),
    }
}

/// An amount as somebody typed it, with its cents; what is none stays as it is.
pub(super) fn typed(text: &str) -> String {
    Money::parse(text).map_or_else(|_| harmless(text), |money| amount(&money.to_string()))
}

/// `1 order`, `2,000 orders`.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(&count.to_string()), if count == 1 { "" } else { "s" })
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (place, c) in harmless(digits).chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(c);
    }
    text
}

/// Whether an amount is nothing.
pub(super) fn is_nothing(amount: &str) -> bool {
    amount.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

/// `2026-01-03 00:00 UTC`, with seconds where there are any; a dash for none. Can be typed where a time is asked for.
pub(super) fn time(at: Option<Instant>) -> String {
    instant(at, "time").map_or_else(|_| "-".to_owned(), time_of)
}

/// The same of the domain's.
pub(super) fn time_of(at: Timestamp) -> String {
    let text = at.to_string();
    let text = text.strip_suffix('Z').unwrap_or(&text);
    let text = text.strip_suffix(":00").unwrap_or(text);
    format!("{} UTC", text.replacen('T', " ", 1))
}

/// The date in UTC of an instant that begins a day; the instant if it does not.
pub(super) fn day(at: Option<Instant>) -> String {
    let text = time(at);
    text.strip_suffix(" 00:00 UTC").map(str::to_owned).unwrap_or(text)
}

/// A text with nothing in it that a terminal obeys or that ends a line.
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let obeyed =
            c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if obeyed { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Option<Instant> {
        Some(crate::cli::call::wire(Timestamp::from_micros(micros)))
    }

    #[test]
    fn amounts_are_grouped_by_thousands() {
        for (said, shown) in [
            ("0.00", "0.00"),
            ("999.99", "999.99"),
            ("1000.00", "1,000.00"),
            ("1234567.80", "1,234,567.80"),
            ("-123456.00", "-123,456.00"),
            ("1856", "1,856"),
            ("", "-"),
        ] {
            assert_eq!(amount(said), shown);
        }
        assert_eq!((counted(1, "order"), counted(2_000, "order")), ("1 order".into(), "2,000 orders".into()));
        assert_eq!((typed("1200"), typed("0.5"), typed("1,2")), ("1,200.00".into(), "0.50".into(), "1,2".into()));
    }

    #[test]
    fn times_are_told_to_the_minute_unless_there_is_more() {
        assert_eq!(time(at(0)), "1970-01-01 00:00 UTC");
        assert_eq!(time(at(61_000_000)), "1970-01-01 00:01:01 UTC");
        assert_eq!(time(at(60_000_001)), "1970-01-01 00:01:00.000001 UTC");
        assert_eq!(time(None), "-");
        assert_eq!((day(at(0)), day(at(60_000_000))), ("1970-01-01".into(), "1970-01-01 00:01 UTC".into()));
    }

    #[test]
    fn rows_are_aligned_and_tables_grow_from_page_to_page() {
        let mut sheet = Sheet::new(Paint::coloured(false));
        sheet.title("m1", "open");
        sheet.amount("gap", "0.00");
        sheet.noted("guarantee", Cell::amount("1000.00"), "× 3");
        sheet.row("state", "open");
        sheet.gap();
        let mut table = Table::new(&["order", "price", "cycle"]);
        table.row([Cell::text("o1"), Cell::amount("5.00"), Cell::text("T+2")]);
        sheet.table(&mut table);
        table.row([Cell::text("a-longer-id"), Cell::amount("50000.00"), Cell::text("T+7")]);
        sheet.table(&mut table);
        let expected = "\
m1  open
  gap            0.00
  guarantee  1,000.00  × 3
  state      open

  order  price  cycle
  o1      5.00  T+2
  a-longer-id  50,000.00  T+7
";
        assert_eq!(sheet.finish(), expected);
    }

    #[test]
    fn nothing_that_comes_from_outside_moves_the_terminal() {
        let mut sheet = Sheet::new(Paint::coloured(true));
        sheet.title("m\u{1b}[2J", "a\nb");
        sheet.noted("text", "\u{1b}]0;x\u{7}", "\u{202e}");
        let mut table = Table::new(&["text"]);
        table.row([Cell::text("\r\u{9b}31m")]);
        sheet.table(&mut table);
        let text = sheet.finish().replace("\u{1b}[1m", "").replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        assert_eq!(text.lines().count(), 4, "{text}");
    }
}
