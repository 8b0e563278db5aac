//! Traces in a build that has none: everything goes by.

use std::{convert::Infallible, fmt::Display};

use tower::Layer;

use crate::{config::TraceConfig, domain::Cycle};

/// A layer that is not there.
#[derive(Clone, Debug, Default)]
pub struct Trace(());

impl<S> Layer<S> for Trace {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}

/// Sends nothing.
#[derive(Debug)]
pub struct Exporter;

impl Exporter {
    /// There is nothing left to send.
    pub const fn stop(self) {}
}

/// Never met.
pub type StartError = Infallible;

/// The layer, and who sends what it records: nobody here, and configuration has seen to it that none is wanted.
///
/// # Errors
/// None.
pub const fn start(_: &TraceConfig) -> Result<(Trace, Option<Exporter>), StartError> {
    Ok((Trace(()), None))
}

/// A call that is not traced.
#[derive(Clone, Debug)]
pub struct Call;

impl Call {
    /// Does the work.
    pub const fn go_on<F: Future>(self, work: F) -> F {
        work
    }
}

/// The call of this task.
pub const fn current() -> Call {
    Call
}

/// What the call of this task is about.
pub const fn about(_: &impl Display) {}

/// How orders of the call of this task were classified.
pub const fn classified(_: Cycle, _: bool, _: u64) {}

/// A stage of the call of this task.
pub const fn stage<F: Future>(_: &'static str, work: F) -> F {
    work
}

/// The same without waiting.
pub fn timed<T>(_: &'static str, work: impl FnOnce() -> T) -> T {
    work()
}
