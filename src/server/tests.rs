//! What can be seen of a server while it has no engine.

use std::future::{pending, ready};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_types::StatusExt as _;

use super::*;
use crate::proto::v1::{ClassifyOrderRequest, GetClockRequest, clock_service_client, order_service_client};

type Opening = std::sync::mpsc::Sender<Result<Opened, OpenFailure>>;

/// A server whose engine opens when the test says so, and the task it runs in.
async fn starting() -> (Channel, SocketAddr, Opening, JoinHandle<Result<(), ServeError>>) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = ServerOptions { listen: any, metrics_listen: Some(any), ..ServerOptions::default() };
    let server = Server::bind(options, Arc::new(Metrics::new())).await.unwrap();
    let (address, scrape) = (server.address(), server.metrics_address().unwrap());
    let (opening, opened) = std::sync::mpsc::channel();
    let open = move || opened.recv().unwrap_or_else(|_| Err(OpenFailure::BrokeOff));
    let task = tokio::spawn(server.run(open, |_| {}, pending()));
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    (channel, scrape, opening, task)
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

fn reason(status: &tonic::Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

#[tokio::test]
async fn while_it_starts_calls_are_told_to_come_back() {
    let (channel, scrape, _opening, _task) = starting().await;
    let status =
        clock_service_client::ClockServiceClient::new(channel).get_clock(GetClockRequest {}).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::Unavailable, "UNAVAILABLE"));
    let details = status.get_error_details();
    assert!(details.retry_info().is_some());
    assert_eq!(details.error_info().unwrap().metadata.get("state").map(String::as_str), Some("starting"));

    assert!(get(scrape, "/healthz").await.starts_with("HTTP/1.1 503 "));
    let text = get(scrape, "/metrics").await;
    assert!(text.contains(&format!("content-type: {}", metrics::CONTENT_TYPE)), "{text}");
    let labels = r#"grpc_service="tplus.v1.ClockService",grpc_method="GetClock",grpc_code="UNAVAILABLE""#;
    assert!(text.contains(&format!("grpc_server_handled_total{{{labels}}} 1\n")), "{text}");
}

#[tokio::test]
async fn while_it_starts_it_is_not_serving_under_any_name() {
    let (channel, _, _opening, _task) = starting().await;
    for service in ["", "tplus.v1.OrderService", "tplus.v1.ClockService"] {
        let request = HealthCheckRequest { service: service.into() };
        let health = HealthClient::new(channel.clone()).check(request).await.unwrap().into_inner();
        assert_eq!(health.status(), ServingStatus::NotServing, "{service}");
    }
}

#[tokio::test]
async fn errors_of_the_transport_have_a_reason_too() {
    let (channel, _, _opening, _task) = starting().await;
    let request = ClassifyOrderRequest { order_id: "x".repeat(5 << 20), ..ClassifyOrderRequest::default() };
    let mut client = order_service_client::OrderServiceClient::new(channel.clone());
    let status = client.classify_order(request).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::OutOfRange, "MESSAGE_TOO_LARGE"), "{status}");

    let mut raw = tonic::client::Grpc::new(channel);
    let unknown = http::uri::PathAndQuery::from_static("/tplus.v1.OrderService/Hack");
    raw.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<GetClockRequest, GetClockRequest>::default();
    let status = raw.unary(tonic::Request::new(GetClockRequest {}), unknown, codec).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::Unimplemented, "UNIMPLEMENTED"));

    // A message of another shape: field 1 is a number here, and a text there.
    let other = http::uri::PathAndQuery::from_static("/tplus.v1.OrderService/ClassifyOrder");
    raw.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<crate::proto::v1::Receipt, GetClockRequest>::default();
    let message = crate::proto::v1::Receipt { policy_version: 1, ..crate::proto::v1::Receipt::default() };
    let status = raw.unary(tonic::Request::new(message), other, codec).await.unwrap_err();
    assert_eq!((status.code(), &*reason(&status)), (Code::Internal, "MALFORMED_MESSAGE"));
}

#[tokio::test]
async fn an_engine_that_does_not_open_ends_the_server() {
    let (_channel, _, opening, task) = starting().await;
    let inconsistent = engine::OpenError::Inconsistent("merchant m1 has lost a cent".into());
    opening.send(Err(OpenFailure::Engine(inconsistent))).unwrap();
    let error = task.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the recovered state is not consistent: merchant m1 has lost a cent");
}

#[tokio::test]
async fn a_recovery_that_panics_ends_the_server() {
    let options = ServerOptions { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..ServerOptions::default() };
    let ended = serve(options, Arc::new(Metrics::new()), || panic!("as asked for"), |_| {}, pending()).await;
    assert_eq!(ended.unwrap_err().to_string(), "the recovery broke off");
}

#[tokio::test]
async fn a_signal_does_not_wait_for_recovery() {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = ServerOptions { listen: any, ..ServerOptions::default() };
    let (opening, opened) = std::sync::mpsc::channel::<()>();
    let open = move || {
        opened.recv().unwrap_or_default();
        Err(OpenFailure::BrokeOff)
    };
    let ended = serve(options, Arc::new(Metrics::new()), open, |_| {}, ready(())).await;
    assert!(ended.is_ok());
    drop(opening);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let grpc = ServerOptions { listen: address, ..ServerOptions::default() };
    let error = Server::bind(grpc, Arc::new(Metrics::new())).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {address} for gRPC: ")), "{error}");

    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let scrape = ServerOptions { listen: any, metrics_listen: Some(address), ..ServerOptions::default() };
    let error = Server::bind(scrape, Arc::new(Metrics::new())).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot listen on {address} for metrics: ")), "{error}");
}
