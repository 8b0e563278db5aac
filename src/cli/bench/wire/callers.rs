//! Calls, many at a time, whoever makes them: one after the other in each of many places, or each when it is due.

use std::{
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinSet};

use super::WireError;
use crate::cli::bench::pace::Timer;

/// Makes calls of a connection. Its clones share what is to be sent.
pub(super) trait Caller: Clone + Send + 'static {
    /// A call that is to be made.
    type Due: Send;

    /// The next call; nothing if none is due.
    fn next(&self, now: Instant) -> Option<Self::Due>;

    /// How long until the next is due, where there is a schedule, and more is to come.
    fn wait(&self, now: Instant) -> Option<Duration>;

    /// Makes a call, and notes the answer.
    fn call(&mut self, due: Self::Due) -> impl Future<Output = Result<(), WireError>> + Send;
}

/// Calls until the pace is over, and everything is answered.
pub(super) async fn drive(caller: impl Caller, in_flight: u32, scheduled: bool) -> Result<(), WireError> {
    let mut calls = JoinSet::new();
    if scheduled {
        dispatch(&caller, in_flight, &mut calls).await?;
    } else {
        for _ in 0..in_flight {
            calls.spawn(one_after_another(caller.clone()));
        }
    }
    while let Some(ended) = calls.join_next().await {
        ended??;
    }
    Ok(())
}

async fn one_after_another(mut caller: impl Caller) -> Result<(), WireError> {
    while let Some(due) = caller.next(Instant::now()) {
        caller.call(due).await?;
    }
    Ok(())
}

/// Begins a call whenever one is due, whatever became of those before.
async fn dispatch(
    caller: &impl Caller,
    in_flight: u32,
    calls: &mut JoinSet<Result<(), WireError>>,
) -> Result<(), WireError> {
    let mut timer = Timer::new().map_err(WireError::Timer)?;
    let seats = Arc::new(Semaphore::new(in_flight as usize));
    loop {
        while let Some(due) = caller.next(Instant::now()) {
            let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return Ok(()) };
            let mut caller = caller.clone();
            calls.spawn(async move {
                let ended = caller.call(due).await;
                drop(seat);
                ended
            });
        }
        while let Some(ended) = calls.try_join_next() {
            ended??;
        }
        let Some(wait) = caller.wait(Instant::now()) else { return Ok(()) };
        poll_fn(|cx| timer.poll_after(cx, wait)).await.map_err(WireError::Timer)?;
    }
}
