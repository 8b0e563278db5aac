//! Who sends: calls and streams over HTTP/2 as directly as it goes, and the generated client for comparison.
//!
//! The generator shares its machine with the server. So it hands encoded bytes to `h2` without copying them, reads answers where they arrived, and
//! has one runtime of a single thread for many connections.

mod answers;
mod callers;
mod calls;
mod generated;
mod light;
mod stream;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

pub(super) use self::{
    answers::{Refusal, Refusals},
    light::{Link, Path},
};
use super::{
    load::Load,
    options::{Client, Mode, Plan},
    pace::{Pace, Timing},
    record::Recorder,
};
use crate::cli::target::{Way, WayError};

/// What keeps the load from going on.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// There is no connection.
    #[error(transparent)]
    Way(#[from] WayError),
    /// The connection broke, or was never one.
    #[error("the connection broke")]
    Http2(#[from] h2::Error),
    /// The stream ended before all was answered.
    #[error("the server ended the stream: {0}")]
    Ended(Refusal),
    /// A timer cannot be had.
    #[error("cannot measure time")]
    Timer(#[source] io::Error),
    /// A task ended as it should not.
    #[error("sending broke off")]
    BrokeOff(#[from] tokio::task::JoinError),
}

/// A connection with all it will send, before the run begins.
pub(super) enum Line {
    /// Messages of a stream.
    Stream(Box<stream::Line>),
    /// Calls.
    Calls(calls::Line),
    /// Calls of the generated client.
    Generated(generated::Line),
}

/// What was made ready.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prepared {
    /// Orders that were drawn.
    pub(super) orders: u64,
    /// Bytes that they take, where they are encoded.
    pub(super) bytes: u64,
}

impl Line {
    /// Connects, and encodes what is to be sent.
    pub(super) async fn open(
        way: &Way,
        plan: &Plan,
        load: &Load,
        run: u32,
        connection: u32,
    ) -> Result<(Self, Prepared), WireError> {
        if plan.mode == Mode::Unary && plan.client == Client::Generated {
            let requests = load.requests(plan, run, connection);
            let prepared = Prepared { orders: requests.prepared(), bytes: 0 };
            return Ok((Self::Generated(generated::Line::open(way, plan, requests).await?), prepared));
        }
        let source = load.source(plan, run, connection);
        let (orders, bytes) = source.prepared();
        let line = match plan.mode {
            Mode::Stream => Self::Stream(Box::new(stream::Line::open(way, plan, source).await?)),
            Mode::Unary | Mode::Chunk => Self::Calls(calls::Line::open(way, plan, source).await?),
        };
        Ok((line, Prepared { orders, bytes }))
    }

    /// Sends at this pace until it is over, and everything is answered.
    pub(super) async fn drive(self, pace: Pace, recorder: Arc<Mutex<Recorder>>) -> Result<(), WireError> {
        match self {
            Self::Stream(line) => line.drive(pace, recorder).await,
            Self::Calls(line) => line.drive(pace, recorder).await,
            Self::Generated(line) => line.drive(pace, recorder).await,
        }
    }
}

/// Held for moments, and by one thread.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pace of a connection.
pub(super) fn pace(plan: &Plan, connection: u32, timing: Timing) -> Pace {
    Pace::new(plan, connection, timing)
}
