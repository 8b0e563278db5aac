//! The rows of the file, checked one by one.
//!
//! No value that is taken can hold a comma, a quote or the end of a line. So the lines of the file are its rows, and the line
//! that an error names is the line that an editor shows.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use crate::domain::{MerchantId, Money, OrderId, Timestamp};

/// The header that the file has to have.
const COLUMNS: [&str; 5] = ["order_id", "line", "seller_id", "completed_at", "price"];

/// An order line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// The line of the file it stands on, from 1.
    pub(super) at: u64,
    /// Who sold.
    pub(super) seller: MerchantId,
    /// `order_id:line`.
    pub(super) order: OrderId,
    /// When it was completed.
    pub(super) completed_at: Timestamp,
    /// What the buyer paid.
    pub(super) price: Money,
}

/// What a first reading of the whole file tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// How many rows there are.
    pub(super) rows: u64,
    /// The earliest completion; [`Timestamp::MAX`] without rows.
    pub(super) earliest: Timestamp,
}

/// Why the file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// It cannot be read at all.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its first line is not the header.
    #[error("line 1, column {column}: the header has {found:?}, expected {}", COLUMNS.join(","))]
    Header {
        /// The first column that differs, from 1.
        column: usize,
        /// What stands there.
        found: String,
    },
    /// A row with too few or too many columns.
    #[error("line {line}, column {}: the row has {found} columns, expected {}", COLUMNS.len().min(*found), COLUMNS.len())]
    Width {
        /// The line of the file.
        line: u64,
        /// How many columns it has.
        found: usize,
    },
    /// A value that is none.
    #[error("line {line}, column {column}: {value:?} {reason}")]
    Value {
        /// The line of the file.
        line: u64,
        /// The column's name.
        column: &'static str,
        /// What stands there.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Checks every row before anything is sent.
pub(super) fn survey(path: &Path) -> Result<Extent, InputError> {
    rows(path)?.try_fold(Extent { rows: 0, earliest: Timestamp::MAX }, |extent, row| {
        Ok(Extent { rows: extent.rows + 1, earliest: extent.earliest.min(row?.completed_at) })
    })
}

/// The rows in the order of the file. Empty lines are none.
pub(super) fn rows(path: &Path) -> Result<impl Iterator<Item = Result<Row, InputError>>, InputError> {
    let owned = path.to_owned();
    let unreadable = move |source| InputError::Unreadable { path: owned.clone(), source };
    let mut lines = BufReader::new(File::open(path).map_err(&unreadable)?).lines();
    header(&lines.next().transpose().map_err(&unreadable)?.unwrap_or_default())?;
    let rows = (2..).zip(lines).filter(|(_, line)| !line.as_ref().is_ok_and(|line| line.trim_end().is_empty()));
    Ok(rows.map(move |(at, line)| row(at, &line.map_err(&unreadable)?)))
}

/// The values of a line, with or without quotes around them.
fn values(line: &str) -> Vec<&str> {
    let unquoted = |value| str::strip_prefix(value, '"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    line.trim_end().split(',').map(unquoted).collect()
}

fn header(line: &str) -> Result<(), InputError> {
    let found = values(line.trim_start_matches('\u{feff}'));
    let columns = found.len().max(COLUMNS.len());
    let differs = (0..columns).find(|column| found.get(*column) != COLUMNS.get(*column));
    differs.map_or(Ok(()), |column| {
        let found = found.get(column).copied().unwrap_or_default().to_owned();
        Err(InputError::Header { column: column + 1, found })
    })
}

fn row(at: u64, line: &str) -> Result<Row, InputError> {
    let fields = values(line);
    let [order_id, number, seller_id, completed_at, price] = *fields.as_slice() else {
        return Err(InputError::Width { line: at, found: fields.len() });
    };
    let wrong =
        |column, value: &str, reason: String| InputError::Value { line: at, column, value: value.to_owned(), reason };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("line", number, "is not a number of digits".into()));
    }
    let order = OrderId::parse(&format!("{order_id}:{number}"))
        .map_err(|error| wrong("order_id", order_id, format!("with :{number} {error}")))?;
    let seller = MerchantId::parse(seller_id).map_err(|error| wrong("seller_id", seller_id, error.to_string()))?;
    let completed_at =
        Timestamp::parse(completed_at).map_err(|error| wrong("completed_at", completed_at, error.to_string()))?;
    let amount = Money::parse(price).map_err(|error| wrong("price", price, error.to_string()))?;
    if amount.is_zero() {
        return Err(wrong("price", price, "has to be above 0".into()));
    }
    Ok(Row { at, seller, order, completed_at, price: amount })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(content: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file
    }

    fn refused(content: &str) -> String {
        survey(file(content).path()).unwrap_err().to_string()
    }

    const HEADER: &str = "order_id,line,seller_id,completed_at,price\n";

    #[test]
    fn rows_are_read_in_order_with_their_lines() {
        let file =
            file(&format!("{HEADER}a,1,s,2026-01-02T00:00:00Z,1.5\r\n\n\"b\",\"02\",t,2026-01-01T00:00:00Z,2\n"));
        let rows: Vec<Row> = rows(file.path()).unwrap().collect::<Result<_, _>>().unwrap();
        let short = |row: &Row| (row.at, row.order.to_string(), row.seller.to_string(), row.price.to_string());
        assert_eq!(
            rows.iter().map(short).collect::<Vec<_>>(),
            [(2, "a:1".into(), "s".into(), "1.50".into()), (4, "b:02".into(), "t".into(), "2.00".into())]
        );
        let earliest = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        assert_eq!(survey(file.path()).unwrap(), Extent { rows: 2, earliest });
    }

    #[test]
    fn another_header_is_refused() {
        let expected = "expected order_id,line,seller_id,completed_at,price";
        for (header, place, found) in [
            ("order_id,line,seller,completed_at,price", 3, "seller"),
            ("order_id,line,seller_id,completed_at", 5, ""),
            ("order_id,line,seller_id,completed_at,price,more", 6, "more"),
            ("", 1, ""),
        ] {
            assert_eq!(refused(header), format!("line 1, column {place}: the header has {found:?}, {expected}"));
        }
    }

    #[test]
    fn a_wrong_value_is_named_with_line_and_column() {
        for (row, named) in [
            ("a,1,s,2026-01-01T00:00:00Z,1.234", "column price: \"1.234\" is not an amount"),
            ("a,1,s,2026-01-01T00:00:00Z,0.00", "column price: \"0.00\" has to be above 0"),
            ("a,1,s,2026-01-01 00:00,1", "column completed_at: \"2026-01-01 00:00\" is not an instant"),
            ("a,1,s s,2026-01-01T00:00:00Z,1", "column seller_id: \"s s\" is not an id"),
            ("a/,1,s,2026-01-01T00:00:00Z,1", "column order_id: \"a/\" with :1 is not an id"),
            ("a,,s,2026-01-01T00:00:00Z,1", "column line: \"\" is not a number"),
            ("a,1,s", "column 3: the row has 3 columns, expected 5"),
        ] {
            let good = "a,1,s,2026-01-01T00:00:00Z,1\n";
            let said = refused(&format!("{HEADER}{good}{row}\n"));
            assert!(said.starts_with(&format!("line 3, {named}")), "{row}: {said}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        assert_eq!(survey(Path::new("/nowhere.csv")).unwrap_err().to_string(), "cannot read /nowhere.csv");
    }
}
