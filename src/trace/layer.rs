//! The layer that begins and ends the spans of calls.

use std::{
    pin::Pin,
    task::{Context as Task, Poll, ready},
};

use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator as _},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{IdGenerator as _, RandomIdGenerator, SdkTracer},
};
use tonic::Code;
use tower::{Layer, Service};

use super::Call;

/// What the caller is doing, as the [W3C](https://www.w3.org/TR/trace-context/) has it said.
const TRACEPARENT: &str = "traceparent";
/// The length of it, in version 0; later ones begin alike.
const TRACEPARENT_LEN: usize = 55;

/// Traces the calls that are to be; none by default.
#[derive(Clone, Debug, Default)]
pub struct Trace<S = ()> {
    inner: S,
    tracer: Option<SdkTracer>,
    /// Of 2⁶⁴ calls that no caller has decided on, so many are traced.
    lots: u128,
}

impl Trace {
    /// Traces so many of a million calls whose callers have not decided.
    pub(super) fn new(tracer: SdkTracer, of_a_million: u32) -> Self {
        Self { inner: (), tracer: Some(tracer), lots: (u128::from(of_a_million) << 64) / 1_000_000 }
    }
}

impl<S> Trace<S> {
    fn begin<B>(&self, request: &Request<B>) -> Option<Call> {
        let tracer = self.tracer.as_ref()?;
        let caller = match request.headers().get(TRACEPARENT).map(|said| is_sampled(said.as_bytes())) {
            Some(Some(false)) => return None,
            Some(Some(true)) => TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(request)),
            // Not said, or not in a way that can be read.
            Some(None) | None => {
                let drawn = u64::from_be_bytes(RandomIdGenerator::default().new_span_id().to_bytes());
                if u128::from(drawn) >= self.lots {
                    return None;
                }
                Context::new()
            }
        };
        Some(Call::begin(tracer, request.uri().path(), &caller))
    }
}

/// Whether the caller traces what it is doing; none if that cannot be read.
fn is_sampled(traceparent: &[u8]) -> Option<bool> {
    let flags = traceparent.get(TRACEPARENT_LEN - 2..TRACEPARENT_LEN)?;
    let flags = u8::from_str_radix(str::from_utf8(flags).ok()?, 16).ok()?;
    Some(flags & 1 == 1)
}

/// The headers of a request, as the propagator reads them.
struct Headers<'a, B>(&'a Request<B>);

impl<B> Extractor for Headers<'_, B> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.headers().get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.headers().keys().map(http::HeaderName::as_str).collect()
    }
}

impl<S> Layer<S> for Trace {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner, tracer: self.tracer.clone(), lots: self.lots }
    }
}

impl<S, B, ResBody> Service<Request<B>> for Trace<S>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    S::Future: Send + Unpin + 'static,
{
    type Response = Response<TracedBody<ResBody>>;
    type Error = S::Error;
    type Future = Answer<S::Future, Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some(call) = self.begin(&request) else { return Answer::Untraced(self.inner.call(request)) };
        let answer = self.inner.call(request);
        let ending = Ending(call.clone());
        Answer::Traced(Box::pin(call.go_on(async move {
            let response = answer.await?;
            ending.tell(response.headers());
            Ok(response.map(|inner| TracedBody { inner, ending: Some(ending) }))
        })))
    }
}

/// An answer to come. One that is not traced costs no allocation.
#[allow(missing_debug_implementations, reason = "a future")]
pub enum Answer<F, T> {
    /// Of a call that is not traced.
    Untraced(F),
    /// Of one that is.
    Traced(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<F, ResBody, E> Future for Answer<F, Result<Response<TracedBody<ResBody>>, E>>
where
    F: Future<Output = Result<Response<ResBody>, E>> + Unpin,
{
    type Output = Result<Response<TracedBody<ResBody>>, E>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Untraced(answer) => {
                let response = ready!(Pin::new(answer).poll(task))?;
                Poll::Ready(Ok(response.map(|inner| TracedBody { inner, ending: None })))
            }
            Self::Traced(answer) => answer.as_mut().poll(task),
        }
    }
}

/// Ends the span of a call, as cancelled if nothing else was said.
#[derive(Debug)]
struct Ending(Call);

impl Ending {
    /// Ends it, if this says how it ended.
    fn tell(&self, headers: &HeaderMap) {
        if headers.contains_key("grpc-status") {
            self.0.end(headers);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.finish(if std::thread::panicking() { Code::Internal } else { Code::Cancelled }, None);
    }
}

/// A body whose trailers end the span of its call.
#[derive(Debug)]
pub struct TracedBody<B> {
    inner: B,
    ending: Option<Ending>,
}

impl<B: Body + Unpin> Body for TracedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(task));
        if let (Some(ending), Some(Ok(frame))) = (&self.ending, &frame) {
            frame.trailers_ref().into_iter().for_each(|trailers| ending.tell(trailers));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_is_read_where_it_is() {
        let said = |flags: &str| format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        for (flags, sampled) in [("00", Some(false)), ("01", Some(true)), ("02", Some(false)), ("ff", Some(true))] {
            assert_eq!(is_sampled(said(flags).as_bytes()), sampled, "{flags}");
        }
        for nonsense in ["", "00", &said("0"), &said("xy"), &said("é")] {
            assert_eq!(is_sampled(nonsense.as_bytes()), None, "{nonsense}");
        }
    }
}
