//! Where answers go: to people, to programs, or to both.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde_json::Value;

use super::{
    json,
    rpc::{Page, Rpc},
    sheet::Sheet,
};
use crate::cli::{
    Failure,
    paint::{Paint, Tone},
    written,
};

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people: aligned, with what it means; in colour on a terminal.
    #[default]
    Text,
    /// For programs: one JSON object a line, by the rules of proto3; of a list each item.
    Json,
}

/// Takes answers.
#[derive(Debug)]
pub(in crate::cli) struct Out {
    paint: Paint,
    to: To,
    /// Whoever read has gone away, like `head`, and has seen enough.
    unread: bool,
}

#[derive(Debug)]
enum To {
    Print(Format),
    Keep(Kept),
}

/// What was answered, in words and as data.
#[derive(Debug, Default)]
pub(in crate::cli) struct Kept {
    /// For people.
    pub(in crate::cli) text: String,
    /// One value for an answer, or for each item of a list.
    pub(in crate::cli) values: Vec<Value>,
}

impl Out {
    /// Prints to stdout.
    pub(super) fn printing(format: Format) -> Self {
        Self { paint: Paint::of_stdout(), to: To::Print(format), unread: false }
    }

    /// Keeps what it is told.
    pub(in crate::cli) fn keeping(paint: Paint) -> Self {
        Self { paint, to: To::Keep(Kept::default()), unread: false }
    }

    /// What was kept.
    pub(in crate::cli) fn kept(self) -> Kept {
        match self.to {
            To::Keep(kept) => kept,
            To::Print(_) => Kept::default(),
        }
    }

    /// Takes the answer of a call.
    pub(super) fn answer<R: Rpc>(&mut self, answer: &R::Answer, view: impl FnOnce(&mut Sheet)) -> Result<(), Failure> {
        self.take(|| Ok(vec![json::answer::<R>(answer)?]), view)
    }

    /// Takes a page of a list.
    pub(super) fn page<R: Page>(&mut self, items: &[R::Item], view: impl FnOnce(&mut Sheet)) -> Result<(), Failure> {
        self.take(|| items.iter().map(|item| json::item::<R>(item)).collect(), view)
    }

    /// Says that a list is empty; to programs it says itself.
    pub(super) fn nothing(&mut self) -> Result<(), Failure> {
        self.take(|| Ok(vec![]), |sheet| sheet.say(Tone::Dim, "none"))
    }

    /// Takes what is shown in words, and as values.
    pub(super) fn take(
        &mut self,
        values: impl FnOnce() -> Result<Vec<Value>, Failure>,
        view: impl FnOnce(&mut Sheet),
    ) -> Result<(), Failure> {
        let text = || {
            let mut sheet = Sheet::new(self.paint);
            view(&mut sheet);
            sheet.finish()
        };
        match &mut self.to {
            To::Print(format) => {
                let text = match format {
                    Format::Text => text(),
                    Format::Json => values()?.iter().map(|value| format!("{value}\n")).collect(),
                };
                let mut stdout = io::stdout().lock();
                let output = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
                self.unread |= output.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
                written(output)
            }
            To::Keep(kept) => {
                kept.text += &text();
                kept.values.extend(values()?);
                Ok(())
            }
        }
    }

    /// Whether nobody wants to hear more.
    pub(super) const fn is_unread(&self) -> bool {
        self.unread
    }

    /// Tells a request id that was drawn, before it is used: who is interrupted can ask again with it.
    pub(super) fn drawn(&self, request_id: &str) {
        if let To::Print(_) = self.to {
            let line = Paint::of_stderr().text(Tone::Dim, &format!("request id {request_id}"));
            // Nobody reads stderr: nobody wants to know.
            drop(writeln!(io::stderr(), "{line}"));
        }
    }
}
