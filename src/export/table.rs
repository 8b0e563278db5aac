//! What the tables are: their columns, in order. The names and kinds are a contract with who reads the files; docs/export.md says what each means, and is
//! held against this.

use std::borrow::Cow;

use crate::domain::{Day, Money, Timestamp};

/// A table that can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Table {
    /// Orders and their reversals: a row for each, amounts with their sign.
    Orders,
    /// Everything that happened to merchants: a row for each fact, with what it changed and all balances after it.
    Entries,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number that is not negative.
    Integer,
    /// A text.
    Text,
    /// US dollars, to the cent.
    Amount,
    /// An instant, to the microsecond.
    Instant,
    /// A settlement day, by the date in UTC on which it begins.
    Date,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may hold nothing.
    pub optional: bool,
}

/// What stands in a column of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// A number.
    Integer(u64),
    /// A text.
    Text(Cow<'a, str>),
    /// An amount.
    Amount(Money),
    /// An instant.
    Instant(Timestamp),
    /// A settlement day.
    Date(Day),
    /// Nothing.
    Nothing,
}

impl<'a> Cell<'a> {
    /// A text, or nothing where it is empty.
    pub(super) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Nothing } else { Self::Text(text) }
    }
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, optional: false }
}

const fn optional(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, optional: true }
}

const ORDERS: &[Column] = &[
    column("lsn", Kind::Integer),
    column("fact", Kind::Integer),
    column("merchant_id", Kind::Text),
    column("order_id", Kind::Text),
    column("kind", Kind::Text),
    optional("request_id", Kind::Text),
    column("price", Kind::Amount),
    column("profit", Kind::Amount),
    column("cycle", Kind::Text),
    optional("completed_at", Kind::Instant),
    column("completed_day", Kind::Date),
    column("settles_at", Kind::Instant),
    column("recorded_at", Kind::Instant),
    column("recorded_day", Kind::Date),
    column("effective_at", Kind::Instant),
    column("effective_day", Kind::Date),
    column("policy_version", Kind::Integer),
    column("multiple", Kind::Integer),
    column("quota", Kind::Amount),
    column("day_total_before", Kind::Amount),
    column("day_total_after", Kind::Amount),
    optional("reason", Kind::Text),
    optional("caller", Kind::Text),
];

const ENTRIES: &[Column] = &[
    column("lsn", Kind::Integer),
    column("fact", Kind::Integer),
    column("merchant_id", Kind::Text),
    column("number", Kind::Integer),
    column("kind", Kind::Text),
    column("amount", Kind::Amount),
    optional("flow", Kind::Text),
    column("flow_amount", Kind::Amount),
    optional("request_id", Kind::Text),
    optional("subject_id", Kind::Text),
    optional("reference", Kind::Text),
    optional("text", Kind::Text),
    column("recorded_at", Kind::Instant),
    column("recorded_day", Kind::Date),
    column("effective_at", Kind::Instant),
    column("effective_day", Kind::Date),
    optional("caller", Kind::Text),
    column("guarantee", Kind::Amount),
    column("frozen", Kind::Amount),
    column("gap", Kind::Amount),
    column("releasing", Kind::Amount),
    column("available", Kind::Amount),
    column("pending", Kind::Amount),
    column("debt", Kind::Amount),
    column("historical_profit", Kind::Amount),
    column("guarantee_change", Kind::Amount),
    column("frozen_change", Kind::Amount),
    column("gap_change", Kind::Amount),
    column("releasing_change", Kind::Amount),
    column("available_change", Kind::Amount),
    column("pending_change", Kind::Amount),
    column("debt_change", Kind::Amount),
    column("historical_profit_change", Kind::Amount),
];

impl Table {
    /// Its columns.
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Orders => ORDERS,
            Self::Entries => ENTRIES,
        }
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Entries => "entries",
        }
    }

    /// The columns that are added up beside the rows: where they are, and what they are called. They add up over all rows of a table.
    pub(super) fn summed(self) -> impl Iterator<Item = (usize, &'static str)> {
        let is_summed = move |name: &str| match self {
            Self::Orders => matches!(name, "price" | "profit"),
            Self::Entries => name.ends_with("_change"),
        };
        self.columns().iter().enumerate().map(|(at, column)| (at, column.name)).filter(move |(_, name)| is_summed(name))
    }
}
