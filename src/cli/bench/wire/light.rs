//! A client with nothing between it and HTTP/2.

use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use h2::{
    RecvStream, SendStream,
    client::{Connection, ResponseFuture, SendRequest},
};
use http::{
    HeaderValue, Method, Request, Version,
    header::{AUTHORIZATION, CONTENT_TYPE, TE},
};

use super::{WireError, answers::Refusal};
use crate::cli::{
    bench::load::PREFIX,
    target::{self, Way, WayError},
};

/// Windows that no answer fills: the server is slowed down by what it does, and not by us.
const STREAM_WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 64 << 20;
/// The largest frame that is taken, so that most answers come in one piece.
const FRAME: u32 = 1 << 20;

/// A method of the server.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli::bench) enum Path {
    /// An order a call.
    ClassifyOrder,
    /// A chunk a call.
    ClassifyOrders,
    /// Chunk after chunk.
    StreamClassifyOrders,
    /// A guarantee.
    ModifyGuarantee,
}

impl Path {
    const fn text(self) -> &'static str {
        match self {
            Self::ClassifyOrder => "/tplus.v1.OrderService/ClassifyOrder",
            Self::ClassifyOrders => "/tplus.v1.OrderService/ClassifyOrders",
            Self::StreamClassifyOrders => "/tplus.v1.OrderService/StreamClassifyOrders",
            Self::ModifyGuarantee => "/tplus.v1.GuaranteeService/ModifyGuarantee",
        }
    }
}

/// The socket of a connection; calls and streams go on while it is polled.
pub(super) type Socket = Connection<target::Socket, Bytes>;

/// What the server said to a call.
pub(in crate::cli::bench) type Answer = Result<Bytes, Refusal>;

/// A way to make calls of one method over a connection.
#[derive(Clone)]
pub(in crate::cli::bench) struct Link {
    requests: SendRequest<Bytes>,
    head: Request<()>,
}

impl Link {
    /// Connects. All calls show the token that is there now: it is looked for once, and not thousands of times a second.
    pub(super) async fn open(way: &Way, path: Path) -> Result<(Self, Socket), WireError> {
        let (head, socket) = (head(way, path)?, way.socket().await?);
        let (requests, socket) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .enable_push(false)
            .handshake(socket)
            .await?;
        Ok((Self { requests, head }, socket))
    }

    /// Connects, and lets a task of the runtime see to the socket.
    pub(in crate::cli::bench) async fn connect(way: &Way, path: Path) -> Result<Self, WireError> {
        let (link, socket) = Self::open(way, path).await?;
        // What breaks it, breaks the calls too, and they tell.
        drop(tokio::spawn(async move { drop(socket.await) }));
        Ok(link)
    }

    /// Begins a call, as soon as the server takes one more.
    pub(super) async fn start(&mut self) -> Result<(ResponseFuture, SendStream<Bytes>), WireError> {
        poll_fn(|cx| self.requests.poll_ready(cx)).await?;
        Ok(self.requests.send_request(self.head.clone(), false)?)
    }

    /// Makes a call with an encoded message, prefix included.
    pub(in crate::cli::bench) async fn call(&mut self, message: Bytes) -> Result<Answer, WireError> {
        let (response, mut body) = self.start().await?;
        body.send_data(message, true)?;
        let (head, mut body) = response.await?.into_parts();
        if body.is_end_stream() {
            return Ok(Refusal::of(&head.headers).map_or_else(|| Ok(Bytes::new()), Err));
        }
        let answer = whole(&mut body).await?;
        let trailers = body.trailers().await?.unwrap_or_default();
        Ok(Refusal::of(&trailers).map_or(Ok(answer), Err))
    }
}

/// The only message of an answer, without its prefix.
async fn whole(body: &mut RecvStream) -> Result<Bytes, h2::Error> {
    // One frame, as a rule.
    let (mut whole, mut parts) = (Bytes::new(), BytesMut::new());
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        if whole.is_empty() {
            whole = part;
        } else {
            parts.extend_from_slice(&whole);
            parts.extend_from_slice(&part);
            whole = parts.split().freeze();
        }
    }
    Ok(whole.slice(PREFIX.min(whole.len())..))
}

fn head(way: &Way, path: Path) -> Result<Request<()>, WayError> {
    let mut head = Request::new(());
    *head.method_mut() = Method::POST;
    *head.uri_mut() = way.uri(path.text());
    *head.version_mut() = Version::HTTP_2;
    head.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
    head.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    head.headers_mut().extend(way.bearer()?.map(|bearer| (AUTHORIZATION, bearer)));
    Ok(head)
}
