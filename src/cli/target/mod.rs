//! Which server a command talks to, and how: the one place where a connection is described and made.

mod file;
mod token;
mod way;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::HeaderValue;
use tonic::{
    body::Body,
    codegen::StdError,
    transport::{Channel, Endpoint},
};
use tower::Service;

use self::{
    file::{Files, unusable_for_tls},
    token::TokenFile,
};
pub(super) use self::{
    token::TokenError,
    way::{Socket, Way, WayError},
};
use super::{Exit, Failure};

/// Where a server is if nothing else is said: where it serves if nothing else is said.
const DEFAULT: &str = "http://127.0.0.1:50051";

/// Which server to ask.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Target {
    /// The server; an https:// address is asked over TLS.
    #[arg(long, value_name = "URL", env = "TPLUS_SERVER", default_value = DEFAULT, value_parser = endpoint, hide_env_values = true)]
    server: Endpoint,
    #[command(flatten)]
    means: Means,
}

/// What a connection takes beside an address.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Means {
    /// Trust the certificates in this PEM file instead of those that the system trusts.
    #[arg(long, value_name = "FILE", env = "TPLUS_CA", value_parser = path, hide_env_values = true)]
    ca: Option<PathBuf>,
    /// Show this certificate (PEM, with those that lead to its issuer) to a server that asks for one.
    #[arg(long, value_name = "FILE", env = "TPLUS_CERT", value_parser = path, hide_env_values = true)]
    cert: Option<PathBuf>,
    /// The private key of --cert (PEM).
    #[arg(long, value_name = "FILE", env = "TPLUS_KEY", value_parser = path, hide_env_values = true)]
    key: Option<PathBuf>,
    /// Send the token in this file with every call, as `authorization: Bearer`; read again when the file changes.
    #[arg(long, value_name = "FILE", env = "TPLUS_TOKEN_FILE", value_parser = path, hide_env_values = true)]
    token_file: Option<PathBuf>,
    /// Send the token also where everybody on the way can read it: to an http:// address that is not of this machine.
    #[arg(long)]
    token_in_plaintext: bool,
}

/// A server to be asked. Nothing is sent before the first call.
#[derive(Clone, Debug)]
pub(super) struct Server {
    address: String,
    connection: Connection,
}

impl Target {
    /// The server that is meant. To be called within a runtime, which the connection then lives in.
    ///
    /// # Errors
    /// [`Exit::Usage`] for what does not go together, [`Exit::Failed`] for a file that cannot be used.
    pub(super) fn server(&self) -> Result<Server, Failure> {
        let token = self.means.token(&self.server)?;
        let files = self.means.files(&self.server)?;
        Ok(Way::new(with_tls(&self.server, files.as_ref())?, None, token).server())
    }
}

impl Means {
    /// The way to this server, for those who hold connections of their own.
    ///
    /// # Errors
    /// As those of [`Target::server`].
    pub(super) fn way(&self, server: &Endpoint) -> Result<Way, Failure> {
        let token = self.token(server)?;
        let files = self.files(server)?;
        let endpoint = with_tls(server, files.as_ref())?;
        let tls = files.map(Files::for_sockets).transpose()?;
        Ok(Way::new(endpoint, tls.map(Arc::new), token))
    }

    /// What TLS is made of, where it is spoken.
    fn files(&self, server: &Endpoint) -> Result<Option<Files>, Failure> {
        let (ca, cert, key) = (given(self.ca.as_deref()), given(self.cert.as_deref()), given(self.key.as_deref()));
        if is_tls(server) {
            return Files::read(ca, cert, key).map(Some);
        }
        let names = [("--ca", ca), ("--cert", cert), ("--key", key)];
        match names.into_iter().find(|(_, file)| file.is_some()) {
            Some((name, _)) => {
                let problem = format!("{name} is for TLS, and {} is no https:// address", address(server));
                Err(Failure::new(Exit::Usage, problem))
            }
            None => Ok(None),
        }
    }

    fn token(&self, server: &Endpoint) -> Result<Option<Arc<TokenFile>>, Failure> {
        let Some(file) = given(self.token_file.as_deref()) else { return Ok(None) };
        let local = match server.uri().host() {
            Some("localhost") => true,
            Some(host) => host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
            None => false,
        };
        if !is_tls(server) && !local && !self.token_in_plaintext {
            let problem = format!("a token would be sent to {} in plaintext", address(server));
            return Err(Failure::new(Exit::Usage, problem).hint("use an https:// address, or say --token-in-plaintext"));
        }
        let token = TokenFile::new(file.to_owned());
        // Better said now than by the first call.
        token.bearer().map_err(|error| Failure::new(Exit::Failed, error))?;
        Ok(Some(Arc::new(token)))
    }
}

fn is_tls(server: &Endpoint) -> bool {
    server.uri().scheme_str() == Some("https")
}

fn with_tls(server: &Endpoint, files: Option<&Files>) -> Result<Endpoint, Failure> {
    let server = server.clone();
    files.map_or(Ok(server.clone()), |files| server.tls_config(files.for_channels()).map_err(unusable_for_tls))
}

impl Server {
    /// One at this address, without TLS.
    pub(super) fn at(endpoint: &Endpoint) -> Self {
        Way::plain(endpoint.clone()).server()
    }

    /// Its address, as a person would write it.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The way to it, for clients.
    pub(super) fn connection(&self) -> Connection {
        self.connection.clone()
    }
}

/// The way to a server, with whatever it wants to see on each call.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    channel: Channel,
    token: Option<Token>,
}

/// What is shown on each call.
#[derive(Clone, Debug)]
enum Token {
    /// What is in a file when the call is made.
    InFile(Arc<TokenFile>),
    /// The same on all calls.
    Known(HeaderValue),
}

impl Token {
    fn bearer(&self) -> Result<HeaderValue, TokenError> {
        match self {
            Self::InFile(file) => file.bearer(),
            Self::Known(bearer) => Ok(bearer.clone()),
        }
    }
}

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Body>;
    type Error = StdError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        match self.token.as_ref().map(Token::bearer).transpose() {
            Ok(bearer) => {
                request.headers_mut().extend(bearer.map(|bearer| (http::header::AUTHORIZATION, bearer)));
                let answer = self.channel.call(request);
                Box::pin(async move { Ok(answer.await?) })
            }
            Err(error) => Box::pin(async move { Err(error.into()) }),
        }
    }
}

/// An address as a person would write it.
pub(super) fn address(server: &Endpoint) -> String {
    server.uri().to_string().trim_end_matches('/').to_owned()
}

/// A variable that is empty counts as not given.
fn given(file: Option<&Path>) -> Option<&Path> {
    file.filter(|file| !file.as_os_str().is_empty())
}

fn path(text: &str) -> Result<PathBuf, std::convert::Infallible> {
    Ok(text.into())
}

/// An address with or without its scheme.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, String> {
    let text = if text.is_empty() { DEFAULT } else { text };
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let usable = |endpoint: &Endpoint| {
        let uri = endpoint.uri();
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    };
    let endpoint = Endpoint::from_shared(with_scheme).ok().filter(usable);
    endpoint.ok_or_else(|| "is no address such as http://127.0.0.1:50051 or https://tplus.example:443".to_owned())
}

#[cfg(test)]
mod tests;
