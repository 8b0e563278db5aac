//! The layer that counts calls and measures how long they take.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use ::http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tonic::Code;
use tower::{Layer, Service};

use super::{Call, Metrics};

/// Counts a call when it arrives, and its outcome when the last of its answer leaves: the status of a call is in its headers
/// when there is nothing else to say, and otherwise in its trailers.
#[derive(Clone, Debug)]
pub struct Measure<S = ()> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl Measure {
    /// A layer that counts here.
    pub const fn new(metrics: Arc<Metrics>) -> Self {
        Self { inner: (), metrics }
    }
}

impl<S> Layer<S> for Measure {
    type Service = Measure<S>;

    fn layer(&self, inner: S) -> Measure<S> {
        Measure { inner, metrics: Arc::clone(&self.metrics) }
    }
}

impl<S, B, ResBody> Service<Request<B>> for Measure<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
{
    type Response = Response<MeasuredBody<ResBody>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let metrics = Arc::clone(&self.metrics);
        let mut call = metrics.call(request.uri().path());
        let answer = self.inner.call(request);
        Box::pin(async move {
            let response = answer.await.inspect_err(|_| call.end(Code::Unknown))?;
            told(&mut call, &metrics, response.headers());
            Ok(response.map(|inner| MeasuredBody { inner, call, metrics }))
        })
    }
}

/// A body whose trailers end the call.
#[derive(Debug)]
pub struct MeasuredBody<B> {
    inner: B,
    call: Call,
    metrics: Arc<Metrics>,
}

impl<B: Body + Unpin> Body for MeasuredBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let Self { call, metrics, .. } = &mut *self;
                frame.trailers_ref().into_iter().for_each(|trailers| told(call, metrics, trailers));
            }
            Some(Err(_)) | None => self.call.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Ends a call if this says how it ended.
fn told(call: &mut Call, metrics: &Metrics, headers: &HeaderMap) {
    let Some(code) = code_in(headers) else { return };
    call.end(code);
    if code != Code::Ok {
        metrics.refused.count_call(headers);
    }
}

fn code_in(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}
