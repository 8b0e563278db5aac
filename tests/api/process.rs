//! The server around the rules: health, reflection, metrics, and a clean end.

use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};
use tonic::{
    Code, Request, Response, Status,
    client::Grpc,
    codec::CompressionEncoding,
    codegen::tokio_stream::{self, StreamExt as _},
};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;
use tplus::proto::v1::{ClassifyOrderRequest, ClassifyOrderResponse};

use crate::support::{Setup, TestServer, connect, get, guarantee, order, start_server, start_server_with};

const SERVICES: [&str; 8] = [
    "tplus.v1.ClockService",
    "tplus.v1.DisputeService",
    "tplus.v1.EventService",
    "tplus.v1.GuaranteeService",
    "tplus.v1.MarginService",
    "tplus.v1.MerchantService",
    "tplus.v1.OrderService",
    "tplus.v1.PolicyService",
];

#[tokio::test]
async fn every_service_is_serving() {
    let server = start_server().await;
    for service in SERVICES.into_iter().chain([""]) {
        let request = HealthCheckRequest { service: service.into() };
        let answer = HealthClient::new(server.channel.clone()).check(request).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{service}");
    }
    assert!(get(server.metrics_address, "/healthz").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn compressed_requests_are_read_and_bounded_like_others() {
    let server = start_server().await;
    let mut client = server.orders().send_compressed(CompressionEncoding::Gzip);
    assert!(client.classify_order(order("m", "o", "1")).await.is_ok());
    let bomb = client.classify_order(order("m", &"x".repeat(5_000_000), "1")).await.unwrap_err();
    assert_ne!(bomb.code(), Code::InvalidArgument, "it was not unpacked");
    assert!(bomb.get_error_details().error_info().is_some(), "{bomb:?}");
}

/// The services that reflection lists; v1 and v1alpha differ in nothing but their names.
macro_rules! reflected {
    ($channel:expr, $version:ident) => {{
        use tonic_reflection::pb::$version::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let list = MessageRequest::ListServices(String::new());
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
        let mut client = ServerReflectionClient::new($channel);
        let answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap();
        let answer = answers.into_inner().next().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
            panic!("no list of services: {answer:?}")
        };
        list.service.into_iter().map(|service| service.name).collect::<Vec<_>>()
    }};
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    let server = start_server().await;
    let v1 = reflected!(server.channel.clone(), v1);
    let v1alpha = reflected!(server.channel.clone(), v1alpha);
    for service in SERVICES.into_iter().chain(["grpc.health.v1.Health"]) {
        assert!(v1.iter().any(|listed| listed == service), "{service} in {v1:?}");
        assert!(v1alpha.iter().any(|listed| listed == service), "{service} in {v1alpha:?}");
    }
}

#[tokio::test]
async fn calls_and_answers_are_counted() {
    let server = start_server().await;
    server.modify(guarantee("m", "r", 100)).await.unwrap();
    server.classify(order("m", "a", "100")).await.unwrap();
    server.classify(order("m", "b", "1")).await.unwrap();
    server.classify(order("m", "c", "0")).await.unwrap_err();
    let text = server.scrape().await;
    let handled = |code, count| {
        let method = r#"grpc_service="tplus.v1.OrderService",grpc_method="ClassifyOrder""#;
        format!("grpc_server_handled_total{{{method},grpc_code=\"{code}\"}} {count}\n")
    };
    for line in [
        &*handled("OK", 2),
        &*handled("INVALID_ARGUMENT", 1),
        "tplus_classifications_total{cycle=\"quick\",replayed=\"false\"} 1\n",
        "tplus_classifications_total{cycle=\"standard\",replayed=\"false\"} 1\n",
        "tplus_merchants 1\n",
        "tplus_serving 1\n",
        "tplus_read_only 0\n",
        "tplus_refused_total{reason=\"INVALID_FIELD\"} 1\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

type Answer = Result<Response<ClassifyOrderResponse>, Status>;

/// A call that is in flight until the test sends its order: the server has its headers and waits for the message.
async fn call_in_flight(server: &TestServer) -> (oneshot::Sender<ClassifyOrderRequest>, JoinHandle<Answer>) {
    let (send, sent) = oneshot::channel();
    let mut client = Grpc::new(server.channel.clone());
    client.ready().await.unwrap();
    let call = tokio::spawn(async move {
        let message = tokio_stream::iter([sent]).then(|sent| async { sent.await.expect("the test sends an order") });
        let path = PathAndQuery::from_static("/tplus.v1.OrderService/ClassifyOrder");
        let codec = ProstCodec::<ClassifyOrderRequest, ClassifyOrderResponse>::default();
        client.client_streaming(Request::new(message), path, codec).await
    });
    let method = r#"{grpc_service="tplus.v1.OrderService",grpc_method="ClassifyOrder"}"#;
    let arrived = format!("grpc_server_started_total{method} 1\n");
    while !server.scrape().await.contains(&arrived) {
        tokio::task::yield_now().await;
    }
    (send, call)
}

#[tokio::test]
async fn a_call_in_flight_is_answered_before_the_end() {
    let mut server = start_server().await;
    let (send, answer) = call_in_flight(&server).await;
    server.ask_to_stop();
    while connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(get(server.metrics_address, "/healthz").await.starts_with("HTTP/1.1 503 "));
    send.send(order("m", "o", "10.00")).unwrap();
    assert!(!answer.await.unwrap().unwrap().into_inner().replayed);
    assert!(server.ended().await.is_ok());
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let mut server = start_server_with(Setup { drain_deadline: Duration::from_millis(50), ..Setup::default() }).await;
    let (_never_sent, _answer) = call_in_flight(&server).await;
    server.ask_to_stop();
    let ended = timeout(Duration::from_secs(5), server.ended()).await;
    assert!(ended.expect("the deadline holds").is_ok());
}

#[tokio::test]
async fn those_who_watch_the_health_are_told_and_let_go() {
    let mut server = start_server().await;
    let request = HealthCheckRequest { service: "tplus.v1.OrderService".into() };
    let watch = HealthClient::new(server.channel.clone()).watch(request).await.unwrap();
    let mut news = watch.into_inner();
    assert_eq!(news.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    server.ask_to_stop();
    assert_eq!(news.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert!(news.next().await.is_none());
    let ended = timeout(Duration::from_secs(5), server.ended()).await;
    assert!(ended.expect("a watch keeps nobody from stopping").is_ok());
}
