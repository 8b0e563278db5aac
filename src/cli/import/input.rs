//! The merchants of a file, line by line. A line that is bad is said to be, and does not spoil the others.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use super::{
    given::Given,
    lines::{Line, Lines},
    refusal::Refusal,
    request::{self, Merchant},
};

/// The columns that a CSV file may have.
const COLUMNS: [&str; 7] =
    ["merchant_id", "historical_profit", "available", "debt", "guarantee", "frozen", "request_id"];
/// Fields of a merchant that no column can hold.
const LISTS: [&str; 3] = ["releasing", "pending", "orders"];

/// How the file says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// A JSON object a line.
    Jsonl,
    /// Comma-separated values under a header.
    Csv,
}

/// What stands on a line.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    /// The line, from 1.
    pub(super) at: u64,
    /// How many bytes of the file are read with it.
    pub(super) end: u64,
    /// The merchant, or why there is none.
    pub(super) merchant: Result<Merchant, Refusal>,
}

/// Why nothing more is read.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The name does not tell.
    #[error("cannot tell from its name how {} is written; say --format jsonl or --format csv", .0.display())]
    NoFormat(PathBuf),
    /// The header of a CSV file cannot be used.
    #[error("line {line}: {reason}")]
    Header {
        /// The line.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// One JSON array, and not an object a line.
    #[error("line {0}: a JSON array begins here; every merchant has to be an object on a line of its own")]
    Array(u64),
}

/// A file to be imported.
pub(super) struct Input {
    path: PathBuf,
    lines: Lines<Box<dyn BufRead + Send>>,
    kind: Kind,
    /// How many bytes it has; standard input has not.
    pub(super) bytes: Option<u64>,
}

enum Kind {
    Jsonl { begun: bool },
    Csv { columns: Vec<String> },
}

impl Input {
    /// Opens a file, or standard input for `-`, and reads the header if there has to be one.
    pub(super) fn open(path: &Path, format: Option<Format>) -> Result<Self, InputError> {
        let named = || path.extension().and_then(|extension| extension.to_str()).and_then(Format::of);
        let format = format.or_else(named).ok_or_else(|| InputError::NoFormat(path.to_owned()))?;
        let unreadable = |source| InputError::Unreadable { path: path.to_owned(), source };
        if path == Path::new("-") {
            return Self::of(path, Box::new(BufReader::new(io::stdin())), None, format);
        }
        let file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?;
        let bytes = bytes.is_file().then_some(bytes.len());
        Self::of(path, Box::new(BufReader::new(file)), bytes, format)
    }

    fn of(path: &Path, input: Box<dyn BufRead + Send>, bytes: Option<u64>, format: Format) -> Result<Self, InputError> {
        let mut input =
            Self { path: path.to_owned(), lines: Lines::of(input), kind: Kind::Jsonl { begun: false }, bytes };
        if format == Format::Csv {
            let missing = || InputError::Header { line: 1, reason: "there is no header".into() };
            let header = input.line().ok_or_else(missing)??;
            let columns = header.text.map_err(|error| error.to_string()).and_then(|text| columns(&text));
            let columns = columns.map_err(|reason| InputError::Header { line: header.at, reason })?;
            input.kind = Kind::Csv { columns };
        }
        Ok(input)
    }

    /// The next line that is not empty.
    fn line(&mut self) -> Option<Result<Line, InputError>> {
        let empty = |line: &io::Result<Line>| line.as_ref().is_ok_and(|line| line.text.as_deref() == Ok(&[]));
        let line = self.lines.find(|line| !empty(line))?;
        Some(line.map_err(|source| InputError::Unreadable { path: self.path.clone(), source }))
    }

    fn entry(&mut self, Line { at, end, text }: Line) -> Result<Entry, InputError> {
        let text = match text {
            Ok(text) => text,
            Err(error) => return Ok(Entry { at, end, merchant: Err(Refusal::malformed(at, None, error)) }),
        };
        let given = match &mut self.kind {
            Kind::Jsonl { begun: false } if text.starts_with(b"[") => return Err(InputError::Array(at)),
            Kind::Jsonl { begun } => {
                *begun = true;
                object(&text)
            }
            Kind::Csv { columns } => row(columns, &text),
        };
        let merchant = given.map_err(|reason| Refusal::malformed(at, None, reason)).and_then(|given| {
            let id = given.iter().find_map(|(name, value)| match value {
                Given::Text(id) if name == "merchant_id" => Some(id.clone()),
                _ => None,
            });
            request::merchant(given).map_err(|bad| Refusal::bad_fields(at, id, bad))
        });
        Ok(Entry { at, end, merchant })
    }
}

impl Iterator for Input {
    type Item = Result<Entry, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.line()?.and_then(|line| self.entry(line)))
    }
}

impl Format {
    fn of(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

fn object(text: &[u8]) -> Result<Vec<(String, Given)>, String> {
    let given = serde_json::from_slice(text).map_err(|error| {
        let said = error.to_string();
        let what = said.rsplit_once(" at line ").map_or(&*said, |(what, _)| what);
        format!("column {}: {what}", error.column())
    })?;
    match given {
        Given::Object(fields) => Ok(fields),
        other => Err(format!("the line has to be a JSON object, not {}", other.kind())),
    }
}

fn columns(header: &[u8]) -> Result<Vec<String>, String> {
    let columns = values(header)?;
    for (place, column) in columns.iter().enumerate() {
        if LISTS.contains(&column.as_str()) {
            return Err(format!("a CSV file cannot hold the list {column}; write JSON lines"));
        }
        if !COLUMNS.contains(&column.as_str()) {
            return Err(format!("the column {column:?} is not known, there are {}", COLUMNS.join(", ")));
        }
        if columns.iter().take(place).any(|other| other == column) {
            return Err(format!("the column {column} is there twice"));
        }
    }
    if columns.iter().any(|column| column == "merchant_id") {
        Ok(columns)
    } else {
        Err("there is no column merchant_id".into())
    }
}

fn row(columns: &[String], text: &[u8]) -> Result<Vec<(String, Given)>, String> {
    let values = values(text)?;
    if values.len() != columns.len() {
        return Err(format!("the row has {} columns, the header has {}", values.len(), columns.len()));
    }
    Ok(columns.iter().cloned().zip(values.into_iter().map(Given::Text)).collect())
}

/// The values of a row.
fn values(text: &[u8]) -> Result<Vec<String>, String> {
    if text.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
        return Err("a quote is not closed".into());
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        // The line has no end in it; anything else is content.
        .terminator(csv::Terminator::Any(b'\n'))
        .buffer_capacity(text.len())
        .from_reader(text);
    let mut record = csv::StringRecord::new();
    reader.read_record(&mut record).map_err(|_| "the row is not UTF-8")?;
    Ok(record.iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(content: &str, format: Format) -> Result<Input, InputError> {
        Input::of(Path::new("-"), Box::new(io::Cursor::new(content.to_owned().into_bytes())), None, format)
    }

    /// Line and merchant of what is good, line and message of what is not.
    fn read(content: &str, format: Format) -> Vec<(u64, String)> {
        let entries = input(content, format).unwrap().map(Result::unwrap);
        let short = |entry: Entry| match entry.merchant {
            Ok(merchant) => (entry.at, format!("{} {}", merchant.id, merchant.request.available)),
            Err(refusal) => (entry.at, refusal.message),
        };
        entries.map(short).collect()
    }

    fn refused(content: &str, format: Format) -> String {
        match input(content, format) {
            Err(error) => error.to_string(),
            Ok(mut input) => input.next().unwrap().unwrap_err().to_string(),
        }
    }

    #[test]
    fn rows_are_read_by_their_columns_and_a_bad_one_spoils_no_other() {
        let rows = "\u{feff}available,\"merchant_id\"\r\n1.5,a\r\n\r\n\"2\",b\n3,\"c\n4,d,e\n,f\n5,g\rh\n6,i";
        assert_eq!(
            read(rows, Format::Csv),
            [
                (2, "a 1.5".into()),
                (4, "b 2".into()),
                (5, "a quote is not closed".into()),
                (6, "the row has 3 columns, the header has 2".into()),
                (7, "f ".into()),
                (8, "merchant_id is not an id of 1 to 64 characters of A-Z a-z 0-9 . _ : -".into()),
                (9, "i 6".into()),
            ]
        );
    }

    #[test]
    fn a_header_has_to_be_known() {
        for (header, said) in [
            ("", "line 1: there is no header"),
            ("\nmerchant_id,profit", "line 2: the column \"profit\" is not known, there are merchant_id, "),
            ("merchant_id;debt", "line 1: the column \"merchant_id;debt\" is not known"),
            ("debt,merchant_id,debt", "line 1: the column debt is there twice"),
            ("debt,available", "line 1: there is no column merchant_id"),
            ("merchant_id,orders", "line 1: a CSV file cannot hold the list orders; write JSON lines"),
            ("\"merchant_id", "line 1: a quote is not closed"),
        ] {
            let refused = refused(header, Format::Csv);
            assert!(refused.starts_with(said), "{header:?}: {refused}");
        }
    }

    #[test]
    fn objects_are_read_and_a_bad_line_spoils_no_other() {
        let lines = "\u{feff}{\"merchant_id\":\"a\",\"available\":\"1\"}\n\nnonsense\n[1]\n{\"merchant_id\":\"b\"\n\
                     {\"merchant_id\":\"c\",\"merchant_id\":\"d\"}\n{\"available\":\"1\"}\n{\"merchant_id\":\"e\"}";
        assert_eq!(
            read(lines, Format::Jsonl),
            [
                (1, "a 1".into()),
                (3, "column 2: expected ident".into()),
                (4, "the line has to be a JSON object, not an array".into()),
                (5, "column 18: EOF while parsing an object".into()),
                (6, "column 37: merchant_id is given twice".into()),
                (7, "merchant_id is missing".into()),
                (8, "e ".into()),
            ]
        );
    }

    #[test]
    fn one_large_array_is_refused_as_such() {
        assert!(refused("\n[\n{\"merchant_id\":\"a\"}\n]", Format::Jsonl).starts_with("line 2: a JSON array begins"));
    }

    #[test]
    fn the_name_tells_the_format() {
        for (extension, format) in
            [("csv", Some(Format::Csv)), ("NDJSON", Some(Format::Jsonl)), ("json", Some(Format::Jsonl)), ("txt", None)]
        {
            assert_eq!(Format::of(extension), format, "{extension}");
        }
        let unnamed = Input::open(Path::new("-"), None).err().unwrap().to_string();
        assert!(unnamed.contains("--format"), "{unnamed}");
        let absent = Input::open(Path::new("/nowhere.csv"), None).err().unwrap().to_string();
        assert_eq!(absent, "cannot read /nowhere.csv");
    }
}
