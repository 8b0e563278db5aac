//! The way to a server, for those who hold connections of their own, and tune them.

use std::{io, sync::Arc, time::Duration};

use http::{HeaderValue, Uri, uri::PathAndQuery};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;
use tonic::{codegen::StdError, transport::Endpoint};

use super::{
    Connection, Server, Token, address,
    token::{TokenError, TokenFile},
};

/// What HTTP/2 is called in a handshake of TLS (RFC 7540, section 3.1).
pub(super) const H2: &[u8] = b"h2";
/// How long a connection may take to come about, handshake included.
const PATIENCE: Duration = Duration::from_secs(10);

/// A socket with TLS or without.
pub(in crate::cli) type Socket = Either<TcpStream, TlsStream<TcpStream>>;

/// Where a server is, and what it takes to connect to it. It belongs to no runtime: whoever connects does so in his own.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Way {
    /// With TLS, if there is any.
    endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
    token: Option<Arc<TokenFile>>,
}

impl Way {
    /// To a server on this machine, without TLS and without a token.
    pub(in crate::cli) const fn plain(endpoint: Endpoint) -> Self {
        Self { endpoint, tls: None, token: None }
    }

    pub(super) const fn new(endpoint: Endpoint, tls: Option<Arc<ClientConfig>>, token: Option<Arc<TokenFile>>) -> Self {
        Self { endpoint, tls, token }
    }

    /// The server at its end, to ask it one thing or another. To be called within a runtime, which the connection then lives in.
    pub(in crate::cli) fn server(&self) -> Server {
        let connection =
            Connection { channel: self.endpoint.connect_lazy(), token: self.token.clone().map(Token::InFile) };
        Server { address: address(&self.endpoint), connection }
    }

    /// A connection of its own, tuned. It shows the token that is in the file now.
    ///
    /// # Errors
    /// [`WayError`]
    pub(in crate::cli) async fn connect(
        &self,
        tuned: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Result<Connection, WayError> {
        let token = self.bearer()?.map(Token::Known);
        let channel = tuned(self.endpoint.clone()).connect().await.map_err(|error| self.closed(error))?;
        Ok(Connection { channel, token })
    }

    /// A socket on which HTTP/2 can be spoken.
    ///
    /// # Errors
    /// [`WayError::Closed`]
    pub(in crate::cli) async fn socket(&self) -> Result<Socket, WayError> {
        let connected = timeout(PATIENCE, self.connected()).await;
        connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|error| self.closed(error))
    }

    fn closed(&self, error: impl Into<StdError>) -> WayError {
        WayError::Closed { address: address(&self.endpoint), source: error.into() }
    }

    async fn connected(&self) -> io::Result<Socket> {
        let uri = self.endpoint.uri();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = uri.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let socket = TcpStream::connect((host, port)).await?;
        socket.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Either::Left(socket)) };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let socket = TlsConnector::from(Arc::clone(tls)).connect(name, socket).await?;
        if socket.get_ref().1.alpn_protocol() != Some(H2) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the server speaks TLS, but not HTTP/2 within it"));
        }
        Ok(Either::Right(socket))
    }

    /// What requests for this path are addressed to.
    pub(in crate::cli) fn uri(&self, path: &'static str) -> Uri {
        let mut parts = self.endpoint.uri().clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(path));
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// What requests show as `authorization`: the token that is in the file now.
    ///
    /// # Errors
    /// There is a file, and no token in it.
    pub(in crate::cli) fn bearer(&self) -> Result<Option<HeaderValue>, TokenError> {
        self.token.as_ref().map(|token| token.bearer()).transpose()
    }

    /// Whether what is said is encrypted, and whether a token is shown.
    pub(in crate::cli) const fn guards(&self) -> (bool, bool) {
        (self.tls.is_some(), self.token.is_some())
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum WayError {
    /// The server is not there, or no handshake came about.
    #[error("cannot connect to {address}")]
    Closed {
        /// Where it should be.
        address: String,
        /// Why not.
        source: StdError,
    },
    /// There is no token to show.
    #[error(transparent)]
    Token(#[from] TokenError),
}
