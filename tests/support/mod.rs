//! A real server in this process, on ports of its own, and clients for it.
#![allow(dead_code, reason = "every test takes what it needs")]

mod assemble;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::oneshot,
    task::JoinHandle,
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;
use tplus::{
    domain::{Limits, Policy, Timestamp},
    grpc::convert,
    journal::Faults,
    metrics::Metrics,
    proto::v1::{self, *},
    server::{ServeError, Server, ServerOptions},
};

/// What a test may choose.
#[derive(Clone)]
pub(crate) struct Setup {
    /// Whether AdvanceClock moves the time.
    pub(crate) manual_clock: bool,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) max_in_flight: usize,
    pub(crate) segment_size: u64,
    /// Makes commits fail, or holds them back.
    pub(crate) faults: Arc<Faults>,
    pub(crate) drain_deadline: Duration,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            manual_clock: true,
            policy: Policy::default(),
            limits: Limits::default(),
            max_in_flight: 16_384,
            segment_size: 1 << 20,
            faults: Arc::default(),
            drain_deadline: Duration::from_secs(10),
        }
    }
}

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) metrics_address: SocketAddr,
    pub(crate) channel: Channel,
    /// With a manual clock, when the test begins: at noon of a settlement day.
    pub(crate) noon: Timestamp,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServeError>>,
    _directory: TempDir,
}

/// A server with the published rules, at noon.
pub(crate) async fn start_server() -> TestServer {
    start_server_with(Setup::default()).await
}

pub(crate) async fn start_server_with(setup: Setup) -> TestServer {
    let directory = TempDir::new().expect("a directory");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = ServerOptions {
        listen: any,
        metrics_listen: Some(any),
        drain_deadline: setup.drain_deadline,
        ..ServerOptions::default()
    };
    let metrics = Arc::new(Metrics::new());
    let server = Server::bind(options, Arc::clone(&metrics)).await.expect("ports are free");
    let (address, metrics_address) = (server.address(), server.metrics_address().expect("metrics are on"));
    let (stop, stopped) = oneshot::channel();
    let (announce, announced) = oneshot::channel();
    let (manual_clock, path) = (setup.manual_clock, directory.path().to_owned());
    let run = server.run(
        move || assemble::open(&setup, &path, metrics),
        move |_| announce.send(()).expect("the test waits"),
        async { stopped.await.unwrap_or_default() },
    );
    let mut task = tokio::spawn(run);
    tokio::select! {
        announced = announced => announced.expect("the server is ready"),
        ended = &mut task => panic!("the server ended: {ended:?}"),
    }
    let channel = connect(address).await.expect("the server listens");
    let noon = Timestamp::default();
    let mut server =
        TestServer { address, metrics_address, channel, noon, stop: Some(stop), task, _directory: directory };
    if manual_clock {
        server.noon = server.next_noon().await;
    }
    server
}

pub(crate) async fn connect(address: SocketAddr) -> Result<Channel, tonic::transport::Error> {
    Channel::from_shared(format!("http://{address}")).expect("an address is a URI").connect().await
}

impl TestServer {
    pub(crate) fn orders(&self) -> order_service_client::OrderServiceClient<Channel> {
        order_service_client::OrderServiceClient::new(self.channel.clone())
    }

    pub(crate) fn guarantees(&self) -> guarantee_service_client::GuaranteeServiceClient<Channel> {
        guarantee_service_client::GuaranteeServiceClient::new(self.channel.clone())
    }

    pub(crate) fn merchants(&self) -> merchant_service_client::MerchantServiceClient<Channel> {
        merchant_service_client::MerchantServiceClient::new(self.channel.clone())
    }

    pub(crate) fn margins(&self) -> margin_service_client::MarginServiceClient<Channel> {
        margin_service_client::MarginServiceClient::new(self.channel.clone())
    }

    pub(crate) fn disputes(&self) -> dispute_service_client::DisputeServiceClient<Channel> {
        dispute_service_client::DisputeServiceClient::new(self.channel.clone())
    }

    pub(crate) fn policies(&self) -> policy_service_client::PolicyServiceClient<Channel> {
        policy_service_client::PolicyServiceClient::new(self.channel.clone())
    }

    pub(crate) fn clock(&self) -> clock_service_client::ClockServiceClient<Channel> {
        clock_service_client::ClockServiceClient::new(self.channel.clone())
    }

    pub(crate) async fn classify(&self, order: ClassifyOrderRequest) -> Result<ClassifyOrderResponse, Status> {
        self.orders().classify_order(order).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn modify(&self, change: ModifyGuaranteeRequest) -> Result<ModifyGuaranteeResponse, Status> {
        self.guarantees().modify_guarantee(change).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn import(&self, import: ImportMerchantRequest) -> Result<ImportMerchantResponse, Status> {
        self.merchants().import_merchant(import).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn margin(&self, merchant: &str) -> Result<GetMarginResponse, Status> {
        let request = GetMarginRequest { merchant_id: merchant.into(), as_of: None };
        self.margins().get_margin(request).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn now(&self) -> Timestamp {
        let clock = self.clock().get_clock(GetClockRequest {}).await.expect("the clock is told");
        instant(clock.into_inner().now)
    }

    pub(crate) async fn advance_to(&self, to: Timestamp) -> Result<Timestamp, Status> {
        let request = AdvanceClockRequest { to: Some(convert::timestamp(to)) };
        self.clock().advance_clock(request).await.map(|response| instant(response.into_inner().now))
    }

    pub(crate) async fn scrape(&self) -> String {
        get(self.metrics_address, "/metrics").await
    }

    /// Asks the server to stop, as a signal does.
    pub(crate) fn ask_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).expect("the server runs");
        }
    }

    /// How the server ended, once it did.
    pub(crate) async fn ended(self) -> Result<(), ServeError> {
        self.task.await.expect("the server does not panic")
    }

    async fn next_noon(&self) -> Timestamp {
        let calendar = Policy::default().calendar;
        let tomorrow = calendar.end_of(calendar.day_of(self.now().await));
        self.advance_to(tomorrow.after(hours(12))).await.expect("a manual clock moves")
    }
}

pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("the port is open");
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("a request is taken");
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("an answer comes");
    text
}

/// An order without a profit of its own, completed now.
pub(crate) fn order(merchant: &str, order: &str, price: &str) -> ClassifyOrderRequest {
    ClassifyOrderRequest {
        merchant_id: merchant.into(),
        order_id: order.into(),
        price: price.into(),
        ..ClassifyOrderRequest::default()
    }
}

pub(crate) fn guarantee(merchant: &str, request: &str, dollars: u64) -> ModifyGuaranteeRequest {
    ModifyGuaranteeRequest {
        merchant_id: merchant.into(),
        request_id: request.into(),
        guarantee: Some(dollars),
        ..ModifyGuaranteeRequest::default()
    }
}

pub(crate) fn import(merchant: &str, request: &str, historical_profit: &str, available: &str) -> ImportMerchantRequest {
    ImportMerchantRequest {
        merchant_id: merchant.into(),
        request_id: request.into(),
        historical_profit: historical_profit.into(),
        available: available.into(),
        ..ImportMerchantRequest::default()
    }
}

pub(crate) fn instant(instant: Option<prost_types::Timestamp>) -> Timestamp {
    let instant = instant.expect("an instant is given");
    Timestamp::from_micros(instant.seconds * 1_000_000 + i64::from(instant.nanos / 1_000))
}

pub(crate) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

pub(crate) const QUICK: SettlementCycle = v1::SettlementCycle::Quick;
pub(crate) const STANDARD: SettlementCycle = v1::SettlementCycle::Standard;

/// What a program reads from an error: the code, the reason, and the fields to blame.
pub(crate) fn refusal<T: std::fmt::Debug>(outcome: Result<T, Status>) -> (Code, String, Vec<String>) {
    let status = outcome.expect_err("it is refused");
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "tplus.v1");
    let fields = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
    (status.code(), info.reason.clone(), fields.into_iter().map(|violation| violation.field).collect())
}
