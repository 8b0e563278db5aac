//! Parquet: groups of rows, column by column, compressed with Snappy. What the file is stands in its footer too, under the key `tplus.export`.

use std::{fs::File, sync::Arc};

use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::parser::parse_message_type,
};

use super::{
    Cell, Column, ExportError, Kind, Sink, Summary, Table,
    file::{Aside, Counted, failed},
};
use crate::domain::Money;

/// Rows of a group. A reader takes up a group at once, and so does the writer: some 50 MiB.
const GROUP: usize = 128 << 10;
/// The first amount that has more than 18 digits, in cents.
const TOO_LARGE: u128 = 10_u128.pow(18);

pub(super) struct Parquet<'a> {
    aside: &'a Aside,
    table: Table,
    writer: SerializedFileWriter<Counted<&'a File>>,
    columns: Vec<Values>,
    rows: usize,
}

/// What stands in a column of the group that is filled.
struct Values {
    what: What,
    /// 1 for each row that has something there, 0 for the others; none where every row has.
    levels: Option<Vec<i16>>,
}

enum What {
    Long(Vec<i64>),
    Int(Vec<i32>),
    Text(Vec<ByteArray>),
}

impl<'a> Parquet<'a> {
    pub(super) fn create(aside: &'a Aside, table: Table) -> Result<Self, ExportError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("tplus {}", env!("CARGO_PKG_VERSION")))
            .build();
        let writer = parse_message_type(&schema(table))
            .and_then(|schema| SerializedFileWriter::new(aside.counted(), Arc::new(schema), Arc::new(properties)));
        let columns = table.columns().iter().map(Values::of).collect();
        Ok(Self { aside, table, writer: writer.map_err(|error| unwritten(aside, error))?, columns, rows: 0 })
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        let mut columns = self.columns.iter_mut();
        while let (Some(mut writer), Some(values)) = (group.next_column()?, columns.next()) {
            values.write(&mut writer)?;
            writer.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

impl Sink for Parquet<'_> {
    fn put(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError> {
        for ((cell, values), column) in row.iter().zip(&mut self.columns).zip(self.table.columns()) {
            if let Cell::Amount(amount) = *cell
                && amount.cents().unsigned_abs() >= TOO_LARGE
            {
                let lsn = if let Some(Cell::Integer(lsn)) = row.first() { *lsn } else { 0 };
                return Err(ExportError::TooLarge { amount, lsn, column: column.name });
            }
            values.push(cell);
        }
        self.rows += 1;
        if self.rows == GROUP { self.write_group().map_err(|error| unwritten(self.aside, error)) } else { Ok(()) }
    }

    fn finish(mut self: Box<Self>, summary: &Summary) -> Result<(u64, String), ExportError> {
        let aside = self.aside;
        let mut finish = || {
            if self.rows > 0 {
                self.write_group()?;
            }
            let said = serde_json::to_string(summary).map_err(|error| ParquetError::External(error.into()))?;
            self.writer.append_key_value_metadata(KeyValue::new("tplus.export".to_owned(), said));
            self.writer.finish()?;
            Ok(self.writer.inner().told())
        };
        finish().map_err(|error| unwritten(aside, error))
    }
}

fn unwritten(aside: &Aside, error: ParquetError) -> ExportError {
    let source = match error {
        ParquetError::External(source) => std::io::Error::other(source),
        error => std::io::Error::other(error),
    };
    failed(aside.target())(source)
}

/// The schema, in Parquet's own words.
fn schema(table: Table) -> String {
    let column = |column: &Column| {
        let presence = if column.optional { "OPTIONAL" } else { "REQUIRED" };
        let (physical, logical) = match column.kind {
            Kind::Integer => ("INT64", "INTEGER(64,true)"),
            Kind::Text => ("BYTE_ARRAY", "STRING"),
            Kind::Amount => ("INT64", "DECIMAL(18,2)"),
            Kind::Instant => ("INT64", "TIMESTAMP(MICROS,true)"),
            Kind::Date => ("INT32", "DATE"),
        };
        format!("  {presence} {physical} {} ({logical});\n", column.name)
    };
    let columns: String = table.columns().iter().map(column).collect();
    format!("message {} {{\n{columns}}}", table.name())
}

impl Values {
    fn of(column: &Column) -> Self {
        let what = match column.kind {
            Kind::Integer | Kind::Amount | Kind::Instant => What::Long(Vec::new()),
            Kind::Date => What::Int(Vec::new()),
            Kind::Text => What::Text(Vec::new()),
        };
        Self { what, levels: column.optional.then(Vec::new) }
    }

    fn push(&mut self, cell: &Cell<'_>) {
        if let Some(levels) = &mut self.levels {
            levels.push(i16::from(*cell != Cell::Nothing));
        }
        match (&mut self.what, cell) {
            (What::Text(values), Cell::Text(text)) => values.push(text.as_bytes().to_vec().into()),
            (What::Long(values), Cell::Integer(number)) => values.push(number.cast_signed()),
            (What::Long(values), Cell::Amount(amount)) => values.push(cents(*amount)),
            (What::Long(values), Cell::Instant(instant)) => values.push(instant.micros()),
            (What::Int(values), Cell::Date(day)) => values.push(day.0),
            // Nothing, which is what its level says.
            _ => {}
        }
    }

    fn write(&mut self, writer: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = self.levels.as_deref();
        match &mut self.what {
            What::Long(values) => {
                writer.typed::<Int64Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            What::Int(values) => {
                writer.typed::<Int32Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            What::Text(values) => {
                writer.typed::<ByteArrayType>().write_batch(values, levels, None)?;
                values.clear();
            }
        }
        self.levels.iter_mut().for_each(Vec::clear);
        Ok(())
    }
}

/// An amount that is not too large.
fn cents(amount: Money) -> i64 {
    i64::try_from(amount.cents()).unwrap_or_default()
}
