//! How a run of the program ends.

use std::{error::Error, fmt, iter, process::ExitCode};

use crate::{
    engine,
    journal::{JournalFault, OpenError, RecoverError},
    server::{OpenFailure, ServeError},
};

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Ok,
    /// The operation failed: the server could not be reached or refused something, a file could not be read.
    Failed,
    /// The command line or the configuration cannot be used.
    Usage,
    /// The data directory or a backup is damaged. Nothing was changed in it.
    Damaged,
    /// The disk failed while the engine ran. What was answered is kept; start again to recover.
    JournalFault,
    /// Another process uses the data directory.
    Locked,
}

impl Exit {
    /// Every way to end, by code.
    pub const ALL: [Self; 6] = [Self::Ok, Self::Failed, Self::Usage, Self::Damaged, Self::JournalFault, Self::Locked];

    /// The number that the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Damaged => 3,
            Self::JournalFault => 4,
            Self::Locked => 5,
        }
    }

    /// What it means, in a line of `--help`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::Failed => "the operation failed: a server error, a refused row, an unreadable file",
            Self::Usage => "the command line or the configuration cannot be used",
            Self::Damaged => "the data directory or a backup is damaged; nothing was changed in it",
            Self::JournalFault => "the disk failed while running; a restart recovers what was answered",
            Self::Locked => "another process uses the data directory",
        }
    }

    /// All of them, for `--help`.
    pub(super) fn help() -> String {
        let line = |exit: Self| format!("\n  {}  {}", exit.code(), exit.meaning());
        iter::once("Exit codes:".to_owned()).chain(Self::ALL.map(line)).collect()
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what it was asked to: one sentence with its causes, perhaps a hint, and the exit code.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    sentence: String,
    hint: Option<String>,
}

impl Failure {
    /// A failure for this reason and everything behind it.
    pub fn new(exit: Exit, reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, sentence: with_causes(&*reason.into()), hint: None }
    }

    /// Says first what was being done.
    #[must_use]
    pub fn during(self, doing: impl fmt::Display) -> Self {
        Self { sentence: format!("{doing}: {}", self.sentence), ..self }
    }

    /// Adds what may help.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// How the program ends for it.
    pub const fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.sentence)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

/// An error with its causes, leaving out a cause that the text before names already.
fn with_causes(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !sentence.contains(&cause_text) {
            sentence = format!("{sentence}: {cause_text}");
        }
        next = cause.source();
    }
    sentence
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match error {
            OpenError::Identity(error) => return error.into(),
            OpenError::File(_) => Exit::Failed,
            OpenError::Locked { .. } => Exit::Locked,
            OpenError::Absent { .. } | OpenError::Options(_) => Exit::Usage,
            OpenError::IdentityMissing { .. } => Exit::Damaged,
        };
        Self::new(exit, error)
    }
}

impl From<RecoverError> for Failure {
    fn from(error: RecoverError) -> Self {
        let exit = match error {
            RecoverError::File(_) | RecoverError::NewerFormat { .. } => Exit::Failed,
            RecoverError::Damage(_)
            | RecoverError::Foreign { .. }
            | RecoverError::Missing { .. }
            | RecoverError::Visit { .. } => Exit::Damaged,
        };
        Self::new(exit, error)
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Open(OpenFailure::Directory(error)) => error.into(),
            ServeError::Open(OpenFailure::Engine(error)) => error.into(),
            ServeError::Open(
                OpenFailure::OtherClock { .. }
                | OpenFailure::PolicyUnreadable { .. }
                | OpenFailure::PolicyInvalid { .. },
            ) => Self::new(Exit::Usage, error),
            ServeError::Fault(fault) | ServeError::Close(fault) => fault.into(),
            other => Self::new(Exit::Failed, other),
        }
    }
}

impl From<engine::OpenError> for Failure {
    fn from(error: engine::OpenError) -> Self {
        match error {
            engine::OpenError::Recover(error) => error.into(),
            engine::OpenError::Inconsistent(_) => Self::new(Exit::Damaged, error),
            engine::OpenError::OtherPolicy { .. } | engine::OpenError::Clock(_) => Self::new(Exit::Usage, error),
            engine::OpenError::Journal(fault) => fault.into(),
            other => Self::new(Exit::Failed, other),
        }
    }
}

impl From<JournalFault> for Failure {
    fn from(error: JournalFault) -> Self {
        let exit = match error {
            JournalFault::Poisoned { .. } => Exit::JournalFault,
            JournalFault::Closed => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the journal")]
    struct Outer(#[source] io::Error);

    #[test]
    fn codes_are_the_places_in_the_list() {
        for (code, exit) in (0..).zip(Exit::ALL) {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }

    #[test]
    fn a_failure_names_its_causes_once() {
        let cause = || io::Error::other("the disk is gone");
        let failure = Failure::new(Exit::Failed, Outer(cause())).during("line 7").hint("buy a disk");
        assert_eq!(failure.to_string(), "error: line 7: cannot open the journal: the disk is gone\nhint: buy a disk");
        let named = Failure::new(Exit::Failed, io::Error::other(Outer(cause()).to_string() + ": the disk is gone"));
        assert_eq!(named.to_string(), "error: cannot open the journal: the disk is gone");
    }

    #[test]
    fn damage_and_a_lock_are_told_apart() {
        let locked = Failure::from(OpenError::Locked { dir: "data".into() });
        assert_eq!(locked.exit(), Exit::Locked);
        let foreign = OpenError::Identity(RecoverError::Foreign { file: "seg".into() });
        assert_eq!(Failure::from(foreign).exit(), Exit::Damaged);
    }
}
