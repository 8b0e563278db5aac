//! Calls, many at a time: an order each, or a chunk.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex},
    time::Instant,
};

use http::uri::Authority;
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    WireError,
    light::{Link, Path},
    locked,
};
use crate::cli::bench::{
    load::{Batch, Source},
    options::{Mode, Plan},
    pace::{Pace, Timer},
    record::{Method, Recorder},
};

/// A connection for calls.
pub(in crate::cli::bench) struct Line {
    link: Link,
    method: Method,
    source: Source,
    in_flight: u32,
    scheduled: bool,
}

/// What the calls of a connection have in common.
struct Shared {
    feed: Mutex<(Pace, Source)>,
    recorder: Arc<Mutex<Recorder>>,
    method: Method,
}

impl Line {
    /// Connects.
    pub(super) async fn open(authority: &Authority, plan: &Plan, source: Source) -> Result<Self, WireError> {
        let (path, method) = match plan.mode {
            Mode::Unary => (Path::ClassifyOrder, Method::Order),
            Mode::Chunk | Mode::Stream => (Path::ClassifyOrders, Method::Chunk),
        };
        let link = Link::connect(authority, path).await?;
        Ok(Self { link, method, source, in_flight: plan.in_flight, scheduled: plan.rate.is_some() })
    }

    /// Calls until the pace is over, and everything is answered.
    pub(super) async fn drive(self, pace: Pace, recorder: Arc<Mutex<Recorder>>) -> Result<(), WireError> {
        let shared = Arc::new(Shared { feed: Mutex::new((pace, self.source)), recorder, method: self.method });
        let mut calls = JoinSet::new();
        if self.scheduled {
            dispatch(&self.link, &shared, self.in_flight, &mut calls).await?;
        } else {
            for _ in 0..self.in_flight {
                calls.spawn(one_after_another(self.link.clone(), Arc::clone(&shared)));
            }
        }
        while let Some(ended) = calls.join_next().await {
            ended??;
        }
        Ok(())
    }
}

impl Shared {
    /// The next message, and since when its answer is waited for; nothing if none is due.
    fn next(&self, now: Instant) -> Option<(Batch, Instant)> {
        let (pace, source) = &mut *locked(&self.feed);
        (pace.due(now, 1) > 0).then(|| (source.take(1), pace.send(now)))
    }

    async fn call(&self, link: &mut Link, batch: Batch, since: Instant) -> Result<(), WireError> {
        let answer = link.call(batch.bytes).await?;
        let answer = answer.as_ref().map_err(|refusal| refusal.reason.as_str());
        locked(&self.recorder).answered(since, Instant::now(), answer, self.method, batch.sample.as_ref());
        Ok(())
    }
}

async fn one_after_another(mut link: Link, shared: Arc<Shared>) -> Result<(), WireError> {
    while let Some((batch, since)) = shared.next(Instant::now()) {
        shared.call(&mut link, batch, since).await?;
    }
    Ok(())
}

/// Begins a call whenever one is due, whatever became of those before.
async fn dispatch(
    link: &Link,
    shared: &Arc<Shared>,
    in_flight: u32,
    calls: &mut JoinSet<Result<(), WireError>>,
) -> Result<(), WireError> {
    let mut timer = Timer::new().map_err(WireError::Timer)?;
    let seats = Arc::new(Semaphore::new(in_flight as usize));
    loop {
        let now = Instant::now();
        while let Some((batch, since)) = shared.next(now) {
            let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return Ok(()) };
            let (mut link, shared) = (link.clone(), Arc::clone(shared));
            calls.spawn(async move {
                let ended = shared.call(&mut link, batch, since).await;
                drop(seat);
                ended
            });
        }
        while let Some(ended) = calls.try_join_next() {
            ended??;
        }
        let wait = {
            let (pace, _) = &*locked(&shared.feed);
            if pace.is_over(now) { None } else { pace.wait(now) }
        };
        let Some(wait) = wait else { return Ok(()) };
        poll_fn(|cx| timer.poll_after(cx, wait)).await.map_err(WireError::Timer)?;
    }
}
