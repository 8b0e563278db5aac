//! From a free port to a clean end: bind, recover, serve, drain.
//!
//! ```text
//!   bind ──▶ NOT_SERVING ──▶ SERVING ──▶ NOT_SERVING ──▶ closed
//!            recovery runs,              GOAWAY, calls in flight are answered,
//!            calls get UNAVAILABLE       after the deadline the rest is cut off
//! ```
//!
//! A journal that failed ends the process like a signal does, but with an error.

mod admission;
mod banner;
mod connections;
mod gate;
mod health;
mod open;
mod reload;
mod signals;
mod supervisor;
mod tls;
mod whole;
mod wire;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinError, JoinHandle},
    time::timeout,
};

pub use self::{
    banner::{Banner, Recovered},
    open::{OnDisk, OpenFailure, open},
    signals::shutdown_signal,
    tls::TlsError,
};
use self::{health::Health, tls::Tls};
use crate::{
    access::Access,
    config::TlsConfig,
    engine::{self, Engine},
    grpc::EngineSlot,
    history::History,
    journal::JournalFault,
    metrics::{self, Metrics},
    trace::Trace,
};

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where gRPC is served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where `/metrics` is served, if at all; port 0 takes a free one.
    pub metrics_listen: Option<SocketAddr>,
    /// How long calls in flight may take to end once the server was told to.
    pub drain_deadline: Duration,
    /// How many connections there may be; who comes beyond is hung up on. Each takes one of the files that the process may have open.
    pub max_connections: usize,
    /// How connections are encrypted, if they are.
    pub tls: Option<TlsConfig>,
    /// Who may do what; everybody everything without.
    pub access: Option<Arc<Access>>,
    /// Whether it is told what services there are.
    pub reflection: bool,
    /// How many calls a connection may have in flight.
    pub max_concurrent_streams: u32,
    /// The largest message that is read, in bytes.
    pub max_message_bytes: usize,
    /// Traces calls.
    pub trace: Trace,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50_051)),
            metrics_listen: None,
            drain_deadline: Duration::from_secs(10),
            max_connections: 10_000,
            tls: None,
            access: None,
            reflection: true,
            max_concurrent_streams: 256,
            // An import of 10,000 orders fits.
            max_message_bytes: 4 << 20,
            trace: Trace::default(),
        }
    }
}

/// An engine that was recovered, and what is to be said about it.
pub struct Opened {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Its history.
    pub history: History,
    /// Where its data lies.
    pub data: String,
    /// What was found there.
    pub recovered: Recovered,
}

/// Why the server ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A port is not to be had.
    #[error("cannot listen on {address} for {what}: {source}")]
    Bind {
        /// What was to be served there.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Connections cannot be encrypted.
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    /// Recovery failed.
    #[error(transparent)]
    Open(#[from] OpenFailure),
    /// The journal failed while serving; recovery decides what is on disk.
    #[error(transparent)]
    Fault(JournalFault),
    /// The end was not clean; nothing that was answered is lost.
    #[error("cannot close the journal: {0}")]
    Close(JournalFault),
    /// The end was not clean; nothing that was answered is lost.
    #[error("closing the engine broke off: {0}")]
    CloseBrokeOff(String),
    /// The server ended by itself.
    #[error("the gRPC server ended: {0}")]
    Ended(String),
}

/// A server whose ports are taken, and which does not listen to anybody yet.
#[derive(Debug)]
pub struct Server {
    options: ServerOptions,
    metrics: Arc<Metrics>,
    grpc: (TcpListener, SocketAddr),
    scrape: Option<(TcpListener, SocketAddr)>,
    tls: Option<Arc<Tls>>,
}

/// Binds, recovers, serves and drains; [`Server`] for those who have to know the ports in between.
///
/// # Errors
/// When a port is taken, when recovery, the journal or its closing failed.
pub async fn serve(
    options: ServerOptions,
    metrics: Arc<Metrics>,
    open: impl FnOnce() -> Result<Opened, OpenFailure> + Send + 'static,
    announce: impl FnOnce(&Banner),
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    Server::bind(options, metrics).await?.run(open, announce, shutdown).await
}

impl Server {
    /// Takes the ports.
    ///
    /// # Errors
    /// When one of them is not to be had, or a certificate.
    pub async fn bind(options: ServerOptions, metrics: Arc<Metrics>) -> Result<Self, ServeError> {
        let tls = options.tls.clone().map(Tls::open).transpose()?.map(Arc::new);
        let grpc = listen("gRPC", options.listen).await?;
        let scrape = match options.metrics_listen {
            Some(address) => Some(listen("metrics", address).await?),
            None => None,
        };
        Ok(Self { options, metrics, grpc, scrape, tls })
    }

    /// Where gRPC is served.
    pub const fn address(&self) -> SocketAddr {
        self.grpc.1
    }

    /// Where metrics are served, if at all.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.scrape.as_ref().map(|(_, address)| *address)
    }

    /// Serves from now on, at first only that it is starting; opens the engine on a thread of its own, announces it, and ends
    /// with the shutdown signal or with the journal. A signal while the engine is being opened does not wait for it: nothing
    /// has been answered yet, and recovery may be cut off at any point.
    ///
    /// # Errors
    /// When recovery, the journal or its closing failed.
    pub async fn run(
        self,
        open: impl FnOnce() -> Result<Opened, OpenFailure> + Send + 'static,
        announce: impl FnOnce(&Banner),
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let (listen, metrics_listen) = (self.address(), self.metrics_address());
        let mut running = Running::start(self).await;
        supervisor::starting();
        let mut shutdown = std::pin::pin!(shutdown);
        let opened = tokio::select! {
            opened = open_aside(open) => opened,
            () = &mut shutdown => return Ok(()),
        };
        let Opened { engine, history, data, recovered } = opened?;
        running.ready(Arc::clone(&engine), history, recovered.took).await;
        running.watchdog = supervisor::ready(listen, &engine);
        let Recovered { merchants, orders, records, last, took } = recovered;
        let took_seconds = took.as_secs_f64();
        tracing::info!(%listen, merchants, orders, records, last, took_seconds, "serving");
        announce(&Banner { listen, metrics_listen, data, clock: engine.clock_mode(), recovered });
        running.until_the_end(&engine, shutdown).await
    }
}

async fn listen(what: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let refused = |source| ServeError::Bind { what, address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// Opens the engine on a thread of its own: a runtime that ends would wait for a blocking task, and recovery can take long.
async fn open_aside(open: impl FnOnce() -> Result<Opened, OpenFailure> + Send + 'static) -> Result<Opened, ServeError> {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().name("tplus-open".into());
    let spawned = thread.spawn(move || {
        if let Err(Ok(unwanted)) = sender.send(open()) {
            // The server ended meanwhile; what was opened is closed again in order.
            if let Err(error) = unwanted.engine.close() {
                tracing::warn!(%error, "the engine was opened in vain and did not close");
            }
        }
    });
    spawned.map_err(|error| OpenFailure::Engine(engine::OpenError::Thread(error)))?;
    receiver.await.unwrap_or(Err(OpenFailure::BrokeOff)).map_err(ServeError::Open)
}

/// A server that listens.
struct Running {
    slot: Arc<EngineSlot>,
    metrics: Arc<Metrics>,
    health: Health,
    grpc: JoinHandle<Result<(), tonic::transport::Error>>,
    stop: oneshot::Sender<()>,
    drain_deadline: Duration,
    scrape: Option<Task>,
    _reload: [Task; 2],
    watchdog: Option<Task>,
}

impl Running {
    async fn start(server: Server) -> Self {
        let Server { options, metrics, grpc: (listener, _), scrape, tls } = server;
        let slot = Arc::new(EngineSlot::new());
        let (health, health_service) = Health::new().await;
        let (stop, stopped) = oneshot::channel();
        if let Some(access) = &options.access {
            metrics.tell_callers(access);
        }
        let router = wire::router(&options, &metrics, &slot, health_service);
        let files = Task(tokio::spawn(reload::keep_up(tls.clone(), options.access.clone())));
        let keys = Task(tokio::spawn(reload::keep_keys(options.access.clone())));
        let connections = (connections::allowed(options.max_connections), metrics.connections());
        let grpc = tokio::spawn(wire::serve(router, (listener, tls), connections, stopped));
        let scrape = scrape.map(|(listener, _)| {
            let routes = metrics::routes(Arc::clone(&metrics), Arc::clone(&slot));
            Task(tokio::spawn(async move {
                if let Err(error) = axum::serve(listener, routes).await {
                    tracing::error!(%error, "metrics are not served any more");
                }
            }))
        });
        let drain_deadline = options.drain_deadline;
        Self { slot, metrics, health, grpc, stop, drain_deadline, scrape, _reload: [files, keys], watchdog: None }
    }

    async fn ready(&self, engine: Arc<Engine>, history: History, took: Duration) {
        self.slot.fill(engine, history);
        self.metrics.recovered(took);
        self.metrics.set_serving(true);
        self.health.serving().await;
    }

    async fn until_the_end(
        mut self,
        engine: &Arc<Engine>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let why = tokio::select! {
            () = shutdown => Ok(()),
            reason = engine.faulted() => Err(ServeError::Fault(reason)),
            ended = &mut self.grpc => Err(ServeError::Ended(said(ended))),
        };
        tracing::info!(in_order = why.is_ok(), "calls in flight are answered, and no others");
        let closed = self.drain(Arc::clone(engine)).await;
        tracing::info!(in_order = closed.is_ok(), "stopped");
        why.and(closed)
    }

    /// The ports close at once, calls in flight are answered, and then the engine closes. Scrapers may watch to the end.
    async fn drain(mut self, engine: Arc<Engine>) -> Result<(), ServeError> {
        supervisor::stopping();
        self.metrics.set_serving(false);
        self.health.not_serving().await;
        self.slot.drain();
        if self.stop.send(()).is_ok() && !self.grpc.is_finished() {
            // Those who watch the health have been told; their calls would never end by themselves.
            self.health.dismiss().await;
            if timeout(self.drain_deadline, &mut self.grpc).await.is_err() {
                tracing::warn!(in_flight = engine.stats().in_flight, "calls are cut off, the deadline has passed");
            }
        }
        self.slot.stop();
        let closed = tokio::task::spawn_blocking(move || engine.close()).await;
        self.grpc.abort();
        drop((self.scrape, self.watchdog));
        match closed {
            Ok(closed) => closed.map_err(ServeError::Close),
            Err(panic) => Err(ServeError::CloseBrokeOff(panic.to_string())),
        }
    }
}

fn said(ended: Result<Result<(), tonic::transport::Error>, JoinError>) -> String {
    match ended {
        Ok(Ok(())) => "nobody told it to".into(),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic.to_string(),
    }
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests;
