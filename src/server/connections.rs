//! Connections, and no more of them than the server can bear.
//!
//! Every connection takes a file of those that the process may have open. Were they taken by connections, the journal could not begin its
//! next segment. So there is a bound, well below that limit: who comes beyond it is hung up on, at once.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tonic::{
    codegen::tokio_stream::Stream,
    transport::server::{Connected, TcpConnectInfo, TcpIncoming},
};

/// How many files the rest of the process may need: the journal's, the history's and those of its store.
const RESERVED: u64 = 1_024;

/// As many connections as are wanted, or as the process may have files for, beside its own. Asks for as many files as it can be given.
pub(super) fn allowed(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    let files = getrlimit(Resource::Nofile).current.or(current);
    let free = files.map(|files| files.saturating_sub(RESERVED.min(files / 2)));
    let allowed = free.map_or(wanted, |free| wanted.min(usize::try_from(free).unwrap_or(usize::MAX)));
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            ?files,
            "the process may open too few files for as many connections as are configured"
        );
    }
    allowed
}

/// Takes connections as long as there are not too many.
pub(super) struct Bounded {
    incoming: TcpIncoming,
    free: Arc<Semaphore>,
    /// Somebody was hung up on, which is told once, until there is room again.
    full: bool,
}

impl Bounded {
    pub(super) fn new(incoming: TcpIncoming, most: usize) -> Self {
        Self { incoming, free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))), full: false }
    }
}

impl Stream for Bounded {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let stream = match ready!(Pin::new(&mut self.incoming).poll_next(context)) {
                Some(Ok(stream)) => stream,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            let permit = Arc::clone(&self.free).try_acquire_owned();
            let was_full = std::mem::replace(&mut self.full, permit.is_err());
            match permit {
                Ok(permit) => return Poll::Ready(Some(Ok(Connection { stream, _permit: permit }))),
                Err(_) if was_full => {}
                Err(_) => tracing::warn!("there are as many connections as there may be: others are hung up on"),
            }
        }
    }
}

/// A connection, and its place among those that there may be.
pub(super) struct Connection {
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
