//! Merchants that were refused, and the file that lists them.

use std::{
    ffi::OsString,
    fmt::Display,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::request::Bad;
use crate::{
    cli::{Exit, Failure, call::CallError},
    grpc::convert::code_name,
};

/// The reason of a line that was not sent.
const MALFORMED: &str = "MALFORMED_LINE";

/// A merchant that was refused: a line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    /// The line of the file, from 1.
    pub(super) line: u64,
    /// The merchant, if that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) merchant_id: Option<String>,
    /// What a program can match on: a reason of the API, or `MALFORMED_LINE`.
    pub(super) reason: String,
    /// What is wrong.
    pub(super) message: String,
    /// The fields to blame.
    pub(super) fields: Vec<Bad>,
}

impl Refusal {
    /// A line that is none.
    pub(super) fn malformed(line: u64, merchant_id: Option<String>, message: impl Display) -> Self {
        Self { line, merchant_id, reason: MALFORMED.into(), message: message.to_string(), fields: Vec::new() }
    }

    /// A line whose fields cannot be sent.
    pub(super) fn bad_fields(line: u64, merchant_id: Option<String>, fields: Vec<Bad>) -> Self {
        let said: Vec<String> = fields.iter().map(|bad| format!("{} {}", bad.field, bad.description)).collect();
        Self { fields, ..Self::malformed(line, merchant_id, said.join("; ")) }
    }

    /// The server's no to a merchant.
    ///
    /// # Errors
    /// Gives the error back that says nothing about this merchant: the next one would get it too.
    pub(super) fn by_server(line: u64, merchant_id: &str, error: CallError) -> Result<Self, CallError> {
        match error {
            CallError::Status(status) if is_about_the_request(&status) => {
                let reason = status.get_details_error_info().map(|info| info.reason);
                let blamed = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
                let bad = blamed.into_iter().map(|it| Bad { field: it.field, description: it.description });
                Ok(Self {
                    line,
                    merchant_id: Some(merchant_id.to_owned()),
                    reason: reason.unwrap_or_else(|| code_name(status.code()).to_owned()),
                    message: status.message().to_owned(),
                    fields: bad.collect(),
                })
            }
            other => Err(other),
        }
    }
}

fn is_about_the_request(status: &Status) -> bool {
    let code = status.code();
    matches!(code, Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition)
        || code == Code::OutOfRange
}

/// The file that lists them, a JSON object a line.
pub(super) struct Refusals {
    path: PathBuf,
    out: BufWriter<File>,
    empty: bool,
    /// Nobody asked for it by name, so it need not be there when it is empty.
    unasked: bool,
}

impl Refusals {
    /// The file that was asked for, or one beside the input.
    pub(super) fn create(asked: Option<&Path>, input: &Path) -> Result<Self, Failure> {
        let path = asked.map_or_else(|| beside(input), Path::to_owned);
        let place = |path: &Path| fs::canonicalize(path).ok();
        if place(&path).is_some_and(|report| place(input) == Some(report)) {
            return Err(Failure::new(Exit::Usage, "the report would overwrite what is to be imported"));
        }
        let file = File::create(&path).map_err(|error| {
            Failure::new(Exit::Failed, error)
                .during(format_args!("cannot write {}", path.display()))
                .hint("--report FILE says where refused merchants are listed")
        })?;
        Ok(Self { path, out: BufWriter::new(file), empty: true, unasked: asked.is_none() })
    }

    /// Lists one more.
    pub(super) fn add(&mut self, refusal: &Refusal) -> Result<(), Failure> {
        self.empty = false;
        let line = serde_json::to_string(refusal).map_err(io::Error::from);
        let written = line.and_then(|line| writeln!(self.out, "{line}"));
        written.map_err(|error| self.unwritable(error))
    }

    /// Ends the list, and tells where it is.
    pub(super) fn finish(mut self) -> Result<Option<PathBuf>, Failure> {
        let mut ended = self.out.flush();
        if self.empty && self.unasked {
            ended = ended.and_then(|()| fs::remove_file(&self.path));
        }
        ended.map_err(|error| self.unwritable(error))?;
        Ok((!self.empty).then_some(self.path))
    }

    fn unwritable(&self, error: io::Error) -> Failure {
        Failure::new(Exit::Failed, error).during(format_args!("cannot write {}", self.path.display()))
    }
}

fn beside(input: &Path) -> PathBuf {
    let input = if input == Path::new("-") { Path::new("stdin") } else { input };
    let mut name: OsString = input.into();
    name.push(".refused.jsonl");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_line_of_json() {
        let bad = Bad { field: "frozen".into(), description: "is \"odd\"".into() };
        let refusal = Refusal::bad_fields(7, Some("m".into()), vec![bad]);
        assert_eq!(
            serde_json::to_string(&refusal).unwrap(),
            r#"{"line":7,"merchant_id":"m","reason":"MALFORMED_LINE","message":"frozen is \"odd\"","fields":[{"field":"frozen","description":"is \"odd\""}]}"#
        );
        assert_eq!(
            serde_json::to_string(&Refusal::malformed(8, None, "is nothing")).unwrap(),
            r#"{"line":8,"reason":"MALFORMED_LINE","message":"is nothing","fields":[]}"#
        );
    }

    #[test]
    fn what_says_nothing_about_a_merchant_is_no_refusal() {
        assert!(Refusal::by_server(1, "m", CallError::Silent).is_err());
        assert!(Refusal::by_server(1, "m", CallError::Answer("time")).is_err());
    }

    #[test]
    fn the_report_is_there_if_it_was_asked_for_or_says_something() {
        let dir = tempfile::tempdir().unwrap();
        let (input, asked) = (dir.path().join("in.csv"), dir.path().join("report"));
        let beside = dir.path().join("in.csv.refused.jsonl");
        assert_eq!(Refusals::create(None, &input).unwrap().finish().unwrap(), None);
        assert!(!beside.exists());
        assert_eq!(Refusals::create(Some(&asked), &input).unwrap().finish().unwrap(), None);
        assert!(asked.exists());
        let mut refusals = Refusals::create(None, &input).unwrap();
        refusals.add(&Refusal::malformed(8, None, "is nothing")).unwrap();
        assert_eq!(refusals.finish().unwrap().as_ref(), Some(&beside));
        assert_eq!(fs::read_to_string(beside).unwrap().lines().count(), 1);
    }

    #[test]
    fn the_report_never_overwrites_the_input() {
        let input = tempfile::NamedTempFile::new().unwrap();
        let refused = Refusals::create(Some(input.path()), input.path()).err().unwrap();
        assert_eq!(refused.exit(), Exit::Usage);
    }
}
