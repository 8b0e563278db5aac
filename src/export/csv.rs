//! CSV as in RFC 4180, in UTF-8: a header, a row a line, a line feed at its end, quotes where they are needed.

use std::{fs::File, io};

use chrono::{DateTime, SecondsFormat, Utc};

use super::{
    Cell, ExportError, Sink, Summary, Table,
    file::{Aside, Counted, failed},
    select::date,
};
use crate::domain::Timestamp;

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

pub(super) struct Csv<'a> {
    aside: &'a Aside,
    writer: csv::Writer<Counted<&'a File>>,
}

impl<'a> Csv<'a> {
    pub(super) fn create(aside: &'a Aside, table: Table) -> Result<Self, ExportError> {
        let mut writer = csv::WriterBuilder::new().buffer_capacity(BUFFER).from_writer(aside.counted());
        let header = writer.write_record(table.columns().iter().map(|column| column.name));
        header.map_err(io::Error::from).map_err(failed(aside.target()))?;
        Ok(Self { aside, writer })
    }
}

impl Sink for Csv<'_> {
    fn put(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError> {
        let fields = row.iter().try_for_each(|cell| match cell {
            Cell::Text(text) => self.writer.write_field(text.as_bytes()),
            Cell::Integer(number) => self.writer.write_field(number.to_string()),
            Cell::Amount(amount) => self.writer.write_field(amount.to_string()),
            Cell::Instant(instant) => self.writer.write_field(written(*instant)),
            Cell::Date(day) => self.writer.write_field(date(*day)),
            Cell::Nothing => self.writer.write_field(b""),
        });
        let written = fields.and_then(|()| self.writer.write_record(None::<&[u8]>));
        written.map_err(io::Error::from).map_err(failed(self.aside.target()))
    }

    fn finish(self: Box<Self>, _: &Summary) -> Result<(u64, String), ExportError> {
        let written = self.writer.into_inner().map_err(|error| io::Error::other(error.to_string()));
        Ok(written.map_err(failed(self.aside.target()))?.told())
    }
}

/// RFC 3339 in UTC, always with six digits of the second: readers that guess a column's format by its first row guess right.
fn written(instant: Timestamp) -> String {
    match DateTime::<Utc>::from_timestamp_micros(instant.micros()) {
        Some(it) => it.to_rfc3339_opts(SecondsFormat::Micros, true),
        None => instant.to_string(),
    }
}
