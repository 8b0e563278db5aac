//! What is wrong with a configuration, and where it was given.

use std::{fmt, io, path::PathBuf};

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag of `tplus serve`, with its dashes.
    Flag(&'static str),
    /// An environment variable.
    Variable(String),
    /// Nowhere: it is what holds when nothing is set.
    Default,
    /// A line of the configuration file, counted from 1.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line.
        line: usize,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(flag) => write!(f, "flag {flag}"),
            Source::Variable(name) => write!(f, "environment variable {name}"),
            Source::Default => f.write_str("default"),
            Source::File { path, line } => write!(f, "line {line} of {}", path.display()),
        }
    }
}

/// Why there is no configuration: one sentence that names what to change and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file cannot be read.
    #[error("the configuration file {} cannot be read: {error}", path.display())]
    Unreadable {
        /// The file as it was named.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// The configuration file is no TOML, or has a key that nobody reads or a value of the wrong type.
    #[error("{problem} ({at})")]
    File {
        /// What is wrong, beginning with the key where there is one.
        problem: String,
        /// Where.
        at: Source,
    },
    /// A setting's value cannot be read, is out of bounds, or does not go with another.
    #[error("{key}: {problem} ({at})")]
    Setting {
        /// The key, as in the configuration file.
        key: &'static str,
        /// What is wrong; names the value and the bounds.
        problem: String,
        /// Where.
        at: Source,
    },
    /// An environment variable begins with `TPLUS_` and nobody reads it.
    #[error("nobody reads the environment variable {name}{}", question(meant.as_deref()))]
    UnknownVariable {
        /// Its name.
        name: String,
        /// The nearest one that is read, if it is near.
        meant: Option<String>,
    },
    /// An environment variable that begins with `TPLUS_` is not UTF-8.
    #[error("the environment variable {name} is not UTF-8")]
    NotText {
        /// Its name.
        name: String,
    },
}

fn question(meant: Option<&str>) -> String {
    meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}
