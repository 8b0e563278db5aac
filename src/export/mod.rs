//! Tables for those who count: orders and entries out of the journal of a data directory, beside the server that uses it, or without one. The
//! tables, and what can be relied on, are in docs/export.md.
//!
//! Rows are made from the journal alone, in its order, by the same `apply` by which the engine has its states. They take no memory; what does are
//! the states of merchants (for entries) and one group of rows (for Parquet).

mod csv;
mod file;
#[cfg(feature = "parquet")]
mod parquet;
mod rows;
mod select;
mod source;
mod table;

use std::path::{Path, PathBuf};

use serde::Serialize;

use self::{file::Aside, source::Source};
pub use self::{
    select::{Bound, InvalidBound, Selection},
    table::{Cell, Column, Kind, Table},
};
use crate::{
    domain::{Money, Timestamp},
    journal::RecoverError,
};

/// What is exported, and where to.
#[derive(Clone, Debug)]
pub struct Request {
    /// The data directory.
    pub dir: PathBuf,
    /// The table.
    pub table: Table,
    /// The file; its ending tells the format.
    pub to: PathBuf,
    /// Which rows.
    pub selection: Selection,
    /// Also when the end of the interval has not surely passed yet.
    pub partial: bool,
    /// Put it in the place of a file that is there.
    pub overwrite: bool,
}

/// What was exported: what stands in the file beside it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// `tplus export v1`.
    pub format: &'static str,
    /// The table.
    pub table: &'static str,
    /// The id of the data directory.
    pub directory: String,
    /// Which rows are in it: recorded from here on,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// and before this,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// about this merchant,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merchant: Option<String>,
    /// at positions behind this one
    pub after_lsn: u64,
    /// and up to this one: up to here the journal was read.
    pub through_lsn: u64,
    /// The latest instant recorded up to there.
    pub recorded_until: String,
    /// Whether the end of the interval had passed: no row can come to it any more. Always so where no end was given but by position.
    pub complete: bool,
    /// How many rows there are.
    pub rows: u64,
    /// What some columns add up to.
    pub sums: serde_json::Map<String, serde_json::Value>,
    /// The size of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// BLAKE3 of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
}

/// Why nothing was exported. Nothing is in the place of the file then that was not there before.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] RecoverError),
    /// The file's name tells no format that this build writes.
    #[error("{}: {}", .0.display(), formats())]
    Format(PathBuf),
    /// There is such a file.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {}: {source}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The interval has not surely ended.
    #[error(
        "the interval ends at {until}, and the journal has come to {newest}: rows may be missing until it is {} s further",
        Selection::SETTLES.as_secs()
    )]
    NotYet {
        /// When it ends.
        until: Timestamp,
        /// The latest instant that was recorded.
        newest: Timestamp,
    },
    /// There is no policy yet, and so no settlement day that could be over.
    #[error("the journal holds no policy yet: no settlement day has begun")]
    NoDays,
    /// The journal is shorter.
    #[error("the journal ends at lsn {last}")]
    Short {
        /// The last position.
        last: u64,
    },
    /// An amount that the format cannot hold.
    #[error(
        "{amount} at lsn {lsn}, column {column}, has more digits than the 18 of the file's decimals; CSV has no such limit"
    )]
    TooLarge {
        /// The amount.
        amount: Money,
        /// The position.
        lsn: u64,
        /// The column.
        column: &'static str,
    },
}

fn formats() -> &'static str {
    if cfg!(feature = "parquet") {
        "the name has to end in .csv or .parquet"
    } else {
        "the name has to end in .csv (.parquet takes a build with `--features parquet`)"
    }
}

/// Takes rows.
trait Sink {
    fn put(&mut self, row: &[Cell<'_>]) -> Result<(), ExportError>;

    /// Ends the file with what it is. Answers its size and its hash.
    fn finish(self: Box<Self>, summary: &Summary) -> Result<(u64, String), ExportError>;
}

fn sink(aside: &Aside, table: Table) -> Result<Box<dyn Sink + '_>, ExportError> {
    let ending = aside.target().extension().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    match ending {
        "csv" => Ok(Box::new(csv::Csv::create(aside, table)?)),
        #[cfg(feature = "parquet")]
        "parquet" => Ok(Box::new(parquet::Parquet::create(aside, table)?)),
        _ => Err(ExportError::Format(aside.target().to_owned())),
    }
}

/// Exports a table. The file appears under its name once it is whole and durable, and what it is in a file beside it, `FILE.json`, after that.
///
/// # Errors
/// See [`ExportError`].
pub fn export(request: &Request) -> Result<Summary, ExportError> {
    let Request { dir, table, to, selection, .. } = request;
    let aside = Aside::create(to, request.overwrite)?;
    let mut sink = sink(&aside, *table)?;
    let source = Source::new(dir, *table, selection)?;
    let mut summary = source.read(dir, request.partial, &mut *sink)?;
    let (bytes, hash) = sink.finish(&summary)?;
    (summary.bytes, summary.blake3) = (Some(bytes), Some(hash));
    aside.publish(&beside(to), &summary)?;
    Ok(summary)
}

/// Where it stands what a file is.
pub fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".json");
    name.into()
}
