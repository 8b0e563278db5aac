//! How to reach a server.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Uri};

use super::{Client, Retry, Shared, retry::Budget};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a connection in use may be silent before it is asked whether it is alive, and how long the answer may take.
const KEEP_ALIVE: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(5)];
/// HTTP/2 windows, of a stream and of a connection. The smallest ones would have h2 take many small frames for an attack.
const WINDOWS: [u32; 2] = [1 << 20, 4 << 20];

/// How to reach a server; see [`Client::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    server: String,
    connections: usize,
    deadline: Duration,
    retry: Retry,
    tls: Option<Tls>,
    token: Option<Token>,
    token_in_the_clear: bool,
}

/// Whom to trust, and who one is: everything in PEM.
#[derive(Clone)]
pub struct Tls {
    ca: Vec<u8>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    name: Option<String>,
}

impl Tls {
    /// Trusts servers whose certificate one of these authorities has signed. The system's authorities are not asked.
    pub fn trusting(ca: impl Into<Vec<u8>>) -> Self {
        Self { ca: ca.into(), identity: None, name: None }
    }

    /// Shows this certificate (with what leads to its authority) to servers that ask for one.
    #[must_use]
    pub fn identity(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Wants this name in the server's certificate, instead of the host of its address.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    fn config(&self) -> ClientTlsConfig {
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.ca));
        if let Some((certificate, key)) = &self.identity {
            config = config.identity(Identity::from_pem(certificate, key));
        }
        if let Some(name) = &self.name {
            config = config.domain_name(name);
        }
        config
    }
}

impl fmt::Debug for Tls {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("identity", &self.identity.is_some()).field("name", &self.name).finish()
    }
}

/// Where the bearer token of a try comes from.
#[derive(Clone)]
pub(super) struct Token(Arc<dyn Fn() -> String + Send + Sync>);

impl Token {
    pub(super) fn fixed(token: String) -> Self {
        Self(Arc::new(move || token.clone()))
    }

    pub(super) fn get(&self) -> String {
        (self.0)()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The address is none of a server.
    #[error("{0:?} is not the address of a server, like https://tplus.example:50051")]
    Address(String),
    /// `https` needs to know whom to trust.
    #[error("an https address needs Tls::trusting")]
    NobodyToTrust,
    /// With `http` nothing is encrypted, whatever the TLS settings say.
    #[error("TLS settings need an https address")]
    NotEncrypted,
    /// A token would be sent for everybody to read.
    #[error("a token would go in the clear to another machine; use https, or token_in_the_clear")]
    TokenInTheClear,
    /// The certificates or the key cannot be used.
    #[error("TLS settings: {0}")]
    Tls(#[source] tonic::transport::Error),
    /// Connections are served by tasks, which need a runtime.
    #[error("a client has to be built within a tokio runtime")]
    NoRuntime,
}

impl Builder {
    pub(super) fn new(server: String) -> Self {
        Self {
            server,
            connections: 4,
            deadline: Duration::from_secs(10),
            retry: Retry::default(),
            tls: None,
            token: None,
            token_in_the_clear: false,
        }
    }

    /// How many connections calls are spread over; 4 unless said otherwise, at least 1. All calls of an HTTP/2 connection go through one
    /// lock and one task here and in the server, and the server lets no connection have more than its share of the engine.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.clamp(1, 256);
        self
    }

    /// How long a call may take with all its tries; 10 seconds unless said otherwise. See [`Client::within`] for single calls.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How patiently calls are repeated.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Encrypts; the address has to begin with `https`.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sends a bearer token with each call. It is asked for at each try, so it may change; whoever gives it must not block. See
    /// [`Client::with_token`] for single calls.
    #[must_use]
    pub fn token(mut self, token: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.token = Some(Token(Arc::new(token)));
        self
    }

    /// Sends tokens over connections that are not encrypted too, to whatever machine. For networks that encrypt by themselves.
    #[must_use]
    pub fn token_in_the_clear(mut self) -> Self {
        self.token_in_the_clear = true;
        self
    }

    /// The client. It connects with the first call, and again whenever a connection is lost.
    ///
    /// # Errors
    /// When the settings do not fit together, or there is no tokio runtime.
    pub fn build(self) -> Result<Client, BuildError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(BuildError::NoRuntime);
        }
        let endpoint = self.endpoint()?;
        let may_send_token = self.token_in_the_clear || self.tls.is_some() || is_loopback(endpoint.uri());
        if self.token.is_some() && !may_send_token {
            return Err(BuildError::TokenInTheClear);
        }
        let channels: Vec<Channel> = (0..self.connections).map(|_| endpoint.connect_lazy()).collect();
        let budget = Budget::new(&self.retry);
        let shared = Shared { channels, next: 0.into(), retry: self.retry, budget, may_send_token };
        Ok(Client { shared: Arc::new(shared), deadline: self.deadline, token: self.token })
    }

    fn endpoint(&self) -> Result<Endpoint, BuildError> {
        let no_address = || BuildError::Address(self.server.clone());
        let uri: Uri = self.server.parse().map_err(|_| no_address())?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(no_address()),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(no_address());
        }
        let [interval, patience] = KEEP_ALIVE;
        let [stream, connection] = WINDOWS;
        let endpoint = Endpoint::from(uri)
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(interval)
            .keep_alive_timeout(patience)
            .initial_stream_window_size(stream)
            .initial_connection_window_size(connection)
            .user_agent(concat!("tplus-rust/", env!("CARGO_PKG_VERSION")))
            .map_err(|_| no_address())?;
        match (&self.tls, encrypted) {
            (Some(tls), true) => endpoint.tls_config(tls.config()).map_err(BuildError::Tls),
            (None, true) => Err(BuildError::NobodyToTrust),
            (Some(_), false) => Err(BuildError::NotEncrypted),
            (None, false) => Ok(endpoint),
        }
    }
}

/// Whether what is sent there stays on this machine.
fn is_loopback(server: &Uri) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why_not(builder: Builder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[tokio::test]
    async fn what_does_not_fit_together_is_refused() {
        for address in ["", "tplus", "127.0.0.1:50051", "ftp://tplus", "http://tplus/path", "http://tplus?x", "http://"]
        {
            assert!(matches!(Client::builder(address).build(), Err(BuildError::Address(_))), "{address:?}");
        }
        assert!(why_not(Client::builder("https://tplus")).contains("Tls::trusting"));
        assert!(why_not(Client::builder("http://tplus").tls(Tls::trusting(""))).contains("https address"));
        let nonsense = Tls::trusting("").identity("no certificate", "no key");
        assert!(why_not(Client::builder("https://tplus").tls(nonsense)).contains("TLS settings"));
    }

    #[tokio::test]
    async fn a_token_does_not_leave_the_machine_in_the_clear() {
        let built = |address: &str| Client::builder(address).token(String::new).build();
        assert!(matches!(built("http://tplus.example:50051"), Err(BuildError::TokenInTheClear)));
        assert!(matches!(built("http://127.0.0.1.example"), Err(BuildError::TokenInTheClear)));
        for address in ["http://localhost:1", "http://127.0.0.9:1", "http://[::1]:1"] {
            assert!(built(address).is_ok(), "{address}");
        }
        assert!(Client::builder("http://tplus").token(String::new).token_in_the_clear().build().is_ok());
    }

    #[test]
    fn without_a_runtime_there_is_an_error_and_no_panic() {
        assert!(matches!(Client::builder("http://tplus").build(), Err(BuildError::NoRuntime)));
    }

    #[test]
    fn keys_and_tokens_are_not_shown() {
        let builder = Client::builder("https://tplus").tls(Tls::trusting("ca").identity("cert", "s3cret"));
        assert!(!format!("{:?}", builder.token(|| "s3cret".into())).contains("s3cret"));
    }
}
