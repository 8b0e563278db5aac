//! Who comes in: a call is let through to its service once it is known who is asking, and that he may.

use std::{
    future::ready,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::header::AUTHORIZATION;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tower::{Layer, Service};

use super::connections::Link;
use crate::{
    access::{Access, Credentials, Peer, Session, UnderWay},
    grpc::convert,
};

/// What is open to whoever can connect: whether the server is there, and what services it has, if it tells at all.
const OPEN: [&str; 2] = ["/grpc.health.v1.Health/", "/grpc.reflection.v1"];

/// Lets calls through whose callers may make them.
#[derive(Clone, Debug)]
pub(super) struct Gate<S = ()> {
    inner: S,
    /// None: everybody may do everything.
    access: Option<Arc<Access>>,
}

impl Gate {
    pub(super) const fn new(access: Option<Arc<Access>>) -> Self {
        Self { inner: (), access }
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gate<S>;

    fn layer(&self, inner: S) -> Gate<S> {
        Gate { inner, access: self.access.clone() }
    }
}

impl<S, B> Service<http::Request<B>> for Gate<S>
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

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        let Some(access) = &self.access else {
            request.extensions_mut().insert(Session::anybody());
            return Box::pin(self.inner.call(request));
        };
        let path = request.uri().path();
        if OPEN.iter().any(|open| path.starts_with(open)) {
            // Without a session: a service of ours, should one ever get here, refuses it.
            return Box::pin(self.inner.call(request));
        }
        let nobody = Peer::default();
        let link = request.extensions().get::<Link>();
        let credentials = Credentials {
            peer: link.map_or(&nobody, |link| &link.peer),
            authorization: request.headers().get(AUTHORIZATION).map(http::HeaderValue::as_bytes),
        };
        match access.admit(path, credentials) {
            Ok((session, under_way)) => {
                request.extensions_mut().insert(session);
                let answer = self.inner.call(request);
                Box::pin(async move { Ok(answer.await?.map(|body| Body::new(Held { body, _under_way: under_way }))) })
            }
            Err(denied) => Box::pin(ready(Ok(convert::denied(&denied).into_http()))),
        }
    }
}

/// A body with which the call ends.
struct Held {
    body: Body,
    _under_way: UnderWay,
}

impl HttpBody for Held {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
