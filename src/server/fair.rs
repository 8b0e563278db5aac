//! Fairness between connections where there is little room.
//!
//! Who brings more than can be decided would take all the room there is, and whoever comes next to him would be refused with him, however little
//! he asks for. So a connection may have no more calls in the works than there is room left for all others, as a switch shares its memory among
//! its ports (Choudhury and Hahne, *Dynamic queue length thresholds*, 1998): one that storms leaves half of the room, two leave a third, and as
//! long as there is room enough nobody notices.

use std::{
    future::ready,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tonic::body::Body;
use tower::{Layer, Service};

use crate::grpc::{EngineSlot, convert};

/// How many calls are in the works, of a connection or of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Calls(Arc<AtomicUsize>);

impl Calls {
    /// One more, until it is dropped.
    fn begin(&self) -> Begun {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        Begun { calls: self.clone(), number: before + 1 }
    }
}

struct Begun {
    calls: Calls,
    /// How many they are with it.
    number: usize,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.calls.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Refuses the calls of connections that have too many in the works.
#[derive(Clone, Debug)]
pub(super) struct Fair<S = ()> {
    inner: S,
    slot: Arc<EngineSlot>,
    all: Calls,
}

impl Fair {
    pub(super) fn new(slot: Arc<EngineSlot>) -> Self {
        Self { inner: (), slot, all: Calls::default() }
    }
}

impl<S> Layer<S> for Fair {
    type Service = Fair<S>;

    fn layer(&self, inner: S) -> Fair<S> {
        Fair { inner, slot: Arc::clone(&self.slot), all: self.all.clone() }
    }
}

impl<S, B> Service<http::Request<B>> for Fair<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let begun = request.extensions().get().map(|calls: &Calls| (calls.begin(), self.all.begin()));
        let Some((mine, all)) = begun else { return Box::pin(self.inner.call(request)) };
        // Without an engine every call is refused anyway.
        if let Ok(Err(error)) = self.slot.engine().map(|engine| engine.admits(mine.number, all.number)) {
            return Box::pin(ready(Ok(convert::failed(error).into_http())));
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let _in_the_works = (mine, all);
            answer.await
        })
    }
}
