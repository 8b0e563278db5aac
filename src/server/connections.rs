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
    task::JoinSet,
};
use tokio_rustls::server::TlsStream;
use tonic::{
    codegen::tokio_stream::Stream,
    transport::server::{Connected, TcpIncoming},
};

use super::{admission::Calls, tls::Tls};
use crate::{
    access::Peer,
    metrics::{Connections, Open},
};

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

/// Takes connections as long as there are not too many, and encrypts them if that is wanted.
pub(super) struct Bounded {
    incoming: TcpIncoming,
    tls: Option<Arc<Tls>>,
    /// Handshakes that go on; each has its place among the connections already.
    handshakes: JoinSet<Option<Connection>>,
    free: Arc<Semaphore>,
    seen: Connections,
    /// Somebody was hung up on, which is told once, until there is room again.
    full: bool,
}

impl Bounded {
    pub(super) fn new(incoming: TcpIncoming, tls: Option<Arc<Tls>>, (most, seen): (usize, Connections)) -> Self {
        seen.allow(most);
        let free = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { incoming, tls, handshakes: JoinSet::new(), free, seen, full: false }
    }

    /// The next that connects and finds a place.
    fn poll_place(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<(TcpStream, Place)>>> {
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
                    return Poll::Ready(Some(Ok((stream, Place { _permit: permit, _open: self.seen.open() }))));
                }
                Err(_) => self.seen.refuse(),
            }
            if self.full && !was_full {
                tracing::warn!("there are as many connections as there may be: others are hung up on");
            }
        }
    }
}

impl Stream for Bounded {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Poll::Ready(Some(done)) = self.handshakes.poll_join_next(context) {
                match done {
                    Ok(Some(connection)) => return Poll::Ready(Some(Ok(connection))),
                    Ok(None) => {}
                    Err(error) => tracing::error!(%error, "a handshake broke off"),
                }
                continue;
            }
            let (stream, place) = match ready!(self.poll_place(context)) {
                Some(Ok(place)) => place,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            match self.tls.clone() {
                None => return Poll::Ready(Some(Ok(Connection::plain(stream, place)))),
                Some(tls) => drop(self.handshakes.spawn(encrypted(tls, stream, place))),
            }
        }
    }
}

/// Shakes hands, within the time that there is for that.
async fn encrypted(tls: Arc<Tls>, stream: TcpStream, place: Place) -> Option<Connection> {
    let address = stream.peer_addr().ok();
    match tls.accept(stream).await {
        Ok(stream) => {
            let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let peer = certificate
                .map_or_else(|| Peer::unnamed(address), |certificate| Peer::with_certificate(address, certificate));
            Some(Connection::new(Wire::Encrypted(Box::new(stream)), peer, place))
        }
        Err(error) => {
            tracing::debug!(?address, %error, "no handshake came about");
            None
        }
    }
}

/// A connection, and its place among those that there may be.
pub(super) struct Connection {
    wire: Wire,
    peer: Arc<Peer>,
    /// What may be read before the others have theirs.
    turn: usize,
    _place: Place,
}

/// A place among the connections that there may be, and one more of those that there are.
struct Place {
    _permit: OwnedSemaphorePermit,
    _open: Open,
}

/// What the bytes go through.
enum Wire {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// What every call of a connection knows about it.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// Its calls that are in the works.
    pub(super) calls: Calls,
    /// Who is at its other end.
    pub(super) peer: Arc<Peer>,
}

impl Connection {
    fn new(wire: Wire, peer: Peer, place: Place) -> Self {
        Self { wire, peer: Arc::new(peer), turn: TURN, _place: place }
    }

    fn plain(stream: TcpStream, place: Place) -> Self {
        let peer = Peer::unnamed(stream.peer_addr().ok());
        Self::new(Wire::Plain(stream), peer, place)
    }
}

impl Connected for Connection {
    type ConnectInfo = Link;

    fn connect_info(&self) -> Link {
        Link { calls: Calls::default(), peer: Arc::clone(&self.peer) }
    }
}

/// Does the same with whatever the bytes go through.
macro_rules! through {
    ($wire:expr, $stream:ident => $does:expr) => {
        match $wire {
            Wire::Plain($stream) => $does,
            Wire::Encrypted($stream) => $does,
        }
    };
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
        ready!(through!(&mut self.wire, stream => Pin::new(stream).poll_read(context, buffer)))?;
        self.turn = self.turn.saturating_sub(buffer.filled().len() - had);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        through!(&mut self.wire, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        through!(&mut self.wire, stream => Pin::new(stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        through!(&self.wire, stream => stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        through!(&mut self.wire, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        through!(&mut self.wire, stream => Pin::new(stream).poll_shutdown(context))
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
        let place = Place { _permit: permit, _open: crate::metrics::Metrics::new().connections().open() };
        let mut connection = pin!(Connection::plain(accepted.unwrap().0, place));
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
