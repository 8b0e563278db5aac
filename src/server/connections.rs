//! Connections, and no more of them than the server can bear.
//!
//! Every connection takes a file of those that the process may have open. Were they taken by connections, the journal could not begin its
//! next segment. So there is a bound, well below that limit: who comes beyond it is hung up on, at once.
//!
//! And no connection takes more than its turn: HTTP/2 reads on as long as there is something to read, so somebody who says more than can be
//! heard would keep a processor to himself.

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
    transport::server::{Connected, TcpIncoming},
};

use super::admission::Calls;
use crate::metrics::{Connections, Open};

/// How many files the rest of the process may need: the journal's, the history's and those of its store.
const RESERVED: u64 = 1_024;

/// How many bytes of a connection are read before the others have their turn: some hundred small calls, or a thousand small messages of a stream.
const TURN: usize = 64 * 1024;

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
    seen: Connections,
    /// Somebody was hung up on, which is told once, until there is room again.
    full: bool,
}

impl Bounded {
    pub(super) fn new(incoming: TcpIncoming, most: usize, seen: Connections) -> Self {
        seen.allow(most);
        Self { incoming, free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))), seen, full: false }
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
                Ok(permit) => {
                    let open = self.seen.open();
                    return Poll::Ready(Some(Ok(Connection { stream, turn: TURN, _permit: permit, _open: open })));
                }
                Err(_) => self.seen.refuse(),
            }
            if self.full && !was_full {
                tracing::warn!("there are as many connections as there may be: others are hung up on");
            }
        }
    }
}

/// A connection, and its place among those that there may be.
pub(super) struct Connection {
    stream: TcpStream,
    /// What may be read before the others have theirs.
    turn: usize,
    _permit: OwnedSemaphorePermit,
    _open: Open,
}

impl Connected for Connection {
    type ConnectInfo = Calls;

    fn connect_info(&self) -> Calls {
        Calls::default()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turn == 0 {
            self.turn = TURN;
            // At the end of the queue.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let had = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.turn = self.turn.saturating_sub(buffer.filled().len() - had);
        Poll::Ready(Ok(()))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{future::poll_fn, pin::pin};

    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn who_says_much_lets_others_have_their_turn() {
        const SAID: usize = 8 * TURN;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let says = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(&vec![7; SAID]).await.unwrap();
            stream
        };
        let (accepted, _stream) = tokio::join!(listener.accept(), says);
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let open = crate::metrics::Metrics::new().connections().open();
        let mut connection = pin!(Connection { stream: accepted.unwrap().0, turn: TURN, _permit: permit, _open: open });
        let (mut heard, mut most_at_once) = (0, 0);
        while heard < SAID {
            let at_once = poll_fn(|context| {
                let mut at_once = 0;
                loop {
                    let mut bytes = [0; 1_000];
                    let mut buffer = ReadBuf::new(&mut bytes);
                    match connection.as_mut().poll_read(context, &mut buffer) {
                        Poll::Ready(read) => read.unwrap(),
                        // It wakes itself, or this would wait for ever.
                        Poll::Pending if at_once == 0 => return Poll::Pending,
                        Poll::Pending => return Poll::Ready(at_once),
                    }
                    at_once += buffer.filled().len();
                    if heard + at_once == SAID {
                        return Poll::Ready(at_once);
                    }
                }
            });
            let at_once = at_once.await;
            heard += at_once;
            most_at_once = most_at_once.max(at_once);
        }
        assert!((TURN..TURN + 1_000).contains(&most_at_once), "{most_at_once} bytes in one turn");
    }
}
