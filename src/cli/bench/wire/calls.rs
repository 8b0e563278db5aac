//! Calls without a client in between: an order each, or a chunk.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{
    WireError,
    callers::{Caller, drive},
    light::{Link, Path},
    locked,
};
use crate::cli::{
    bench::{
        load::{Batch, Source},
        options::{Mode, Plan},
        pace::Pace,
        record::{Method, Recorder},
    },
    target::Way,
};

/// A connection for calls.
pub(in crate::cli::bench) struct Line {
    link: Link,
    method: Method,
    source: Source,
    in_flight: u32,
    scheduled: bool,
}

impl Line {
    /// Connects.
    pub(super) async fn open(way: &Way, plan: &Plan, source: Source) -> Result<Self, WireError> {
        let (path, method) = match plan.mode {
            Mode::Unary => (Path::ClassifyOrder, Method::Order),
            Mode::Chunk | Mode::Stream => (Path::ClassifyOrders, Method::Chunk),
        };
        let link = Link::connect(way, path).await?;
        Ok(Self { link, method, source, in_flight: plan.in_flight, scheduled: plan.rate.is_some() })
    }

    /// Calls until the pace is over, and everything is answered.
    pub(super) async fn drive(self, pace: Pace, recorder: Arc<Mutex<Recorder>>) -> Result<(), WireError> {
        let feed = Arc::new(Mutex::new((pace, self.source)));
        drive(Light { link: self.link, method: self.method, feed, recorder }, self.in_flight, self.scheduled).await
    }
}

#[derive(Clone)]
struct Light {
    link: Link,
    method: Method,
    feed: Arc<Mutex<(Pace, Source)>>,
    recorder: Arc<Mutex<Recorder>>,
}

impl Caller for Light {
    /// A message, and since when its answer is waited for.
    type Due = (Batch, Instant);

    fn next(&self, now: Instant) -> Option<Self::Due> {
        let (pace, source) = &mut *locked(&self.feed);
        (pace.due(now, 1) > 0).then(|| (source.take(1), pace.send(now)))
    }

    fn wait(&self, now: Instant) -> Option<Duration> {
        locked(&self.feed).0.wait(now)
    }

    async fn call(&mut self, (batch, since): Self::Due) -> Result<(), WireError> {
        let answer = self.link.call(batch.bytes).await?;
        let now = Instant::now();
        let mut recorder = locked(&self.recorder);
        match answer {
            Ok(answer) => {
                recorder.measured(since, now, 1);
                recorder.answer(self.method, &answer, batch.sample.as_ref(), (since, now));
            }
            Err(refusal) => recorder.refused(since, now, &refusal.reason),
        }
        Ok(())
    }
}
