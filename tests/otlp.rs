//! Spans of calls, as a collector gets them from the real program.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at once")]

#[path = "access/pki.rs"]
#[allow(dead_code, reason = "no clients of ours are certified here")]
mod pki;
mod watched;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use tokio::{net::TcpListener, sync::Mutex};
use tonic::{
    Code, Request, Response, Status,
    codegen::tokio_stream::{self, StreamExt as _},
    transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming},
};
use tplus::proto::v1::*;

use crate::{
    pki::{Authority, Issued},
    watched::{Watched, tplus},
};

/// What was collected.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().await.push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Collects on a free port, and tells where.
    async fn start() -> (Self, String) {
        let (collector, port) = Self::serve(Server::builder()).await;
        (collector, format!("http://127.0.0.1:{port}"))
    }

    /// The same over TLS, with this certificate.
    async fn start_encrypted(shown: &Issued) -> (Self, String) {
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(&shown.cert, &shown.key));
        let (collector, port) = Self::serve(Server::builder().tls_config(tls).unwrap()).await;
        (collector, format!("https://localhost:{port}"))
    }

    async fn serve(mut server: Server) -> (Self, u16) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = server.add_service(TraceServiceServer::new(collector.clone()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        (collector, port)
    }

    /// All spans, once the server has ended: it sends the last of them then.
    async fn spans(&self, server: Watched) -> Vec<Span> {
        assert!(tokio::task::spawn_blocking(|| server.stop()).await.unwrap());
        let resources =
            self.0.lock().await.iter().flat_map(|request| request.resource_spans.clone()).collect::<Vec<_>>();
        for resource in &resources {
            let told = texts(&resource.resource.as_ref().unwrap().attributes);
            assert_eq!(told["service.name"], "tplus");
            assert_eq!(told["service.version"], env!("CARGO_PKG_VERSION"));
        }
        let scopes = resources.into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

/// Attributes as text.
fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let pair = |one: &KeyValue| Some((one.key.clone(), text(one.value.as_ref()?.value.as_ref()?)));
    attributes.iter().filter_map(pair).collect()
}

fn start(root: &Path, endpoint: &str, sample: &str) -> Watched {
    let file = root.join("tplus.toml");
    std::fs::write(&file, format!("[trace]\nendpoint = \"{endpoint}\"\nsample = {sample}\n")).unwrap();
    Watched::start(root, &["--clock", "manual", "--config", file.to_str().unwrap()])
}

fn write(root: &Path, name: &str, text: &str) -> String {
    let path = root.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A call whose caller says something of its own trace.
fn within<T>(message: T, traceparent: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    request
}

fn order(id: &str, price: &str) -> ClassifyOrderRequest {
    ClassifyOrderRequest {
        merchant_id: "shop-1".into(),
        order_id: id.into(),
        price: price.into(),
        ..ClassifyOrderRequest::default()
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

/// The stages of a call, in their order.
fn stages(spans: &[Span], of: &Span) -> Vec<String> {
    let mut within: Vec<_> = spans.iter().filter(|span| span.parent_span_id == of.span_id).collect();
    for stage in &within {
        assert_eq!(stage.trace_id, of.trace_id);
        assert!(of.start_time_unix_nano <= stage.start_time_unix_nano, "{} begins before its call", stage.name);
        assert!(stage.end_time_unix_nano <= of.end_time_unix_nano, "{} ends after its call", stage.name);
    }
    within.sort_by_key(|stage| stage.start_time_unix_nano);
    within.iter().map(|stage| stage.name.clone()).collect()
}

#[tokio::test]
async fn a_caller_finds_its_calls_in_its_own_trace() {
    let (collector, endpoint) = Collector::start().await;
    let root = tempfile::tempdir().unwrap();
    let server = start(root.path(), &endpoint, "0");
    let mut orders = order_service_client::OrderServiceClient::connect(server.grpc.clone()).await.unwrap();
    let sampled = format!("00-{TRACE}-{PARENT}-01");
    orders.classify_order(within(order("o1", "10"), &sampled)).await.unwrap();
    orders.classify_order(within(order("o1", "11"), &sampled)).await.unwrap_err();
    // Not to be traced: its caller says so, or nobody says anything and of such calls none is.
    orders.classify_order(within(order("o2", "10"), &format!("00-{TRACE}-{PARENT}-00"))).await.unwrap();
    orders.classify_order(order("o3", "10")).await.unwrap();
    orders.classify_order(within(order("o4", "10"), "nonsense")).await.unwrap();

    let spans = collector.spans(server).await;
    let calls = named(&spans, "tplus.v1.OrderService/ClassifyOrder");
    assert_eq!(calls.len(), 2, "{spans:#?}");
    for call in &calls {
        assert_eq!((hex(&call.trace_id), hex(&call.parent_span_id)), (TRACE.into(), PARENT.into()));
        assert_eq!(call.kind(), SpanKind::Server);
        assert_eq!(stages(&spans, call), ["room", "decide", "durable"]);
        let told = texts(&call.attributes);
        assert_eq!((&*told["rpc.method"], &*told["tplus.merchant"]), ("ClassifyOrder", "shop-1"));
        assert_eq!(call.status.as_ref().map_or(StatusCode::Unset, |status| status.code()), StatusCode::Unset);
    }
    let outcome = |call: &Span| {
        let told = texts(&call.attributes);
        (told["rpc.grpc.status_code"].clone(), told.get("tplus.cycle").cloned(), told.get("tplus.reason").cloned())
    };
    assert_eq!(outcome(calls[0]), ("0".into(), Some("standard".into()), None));
    assert_eq!(outcome(calls[1]), ((Code::AlreadyExists as i32).to_string(), None, Some("ID_REUSED".into())));
}

#[tokio::test]
async fn commands_reads_chunks_and_streams_are_told_alike() {
    let (collector, endpoint) = Collector::start().await;
    let root = tempfile::tempdir().unwrap();
    let server = start(root.path(), &endpoint, "1");
    let mut guarantees = guarantee_service_client::GuaranteeServiceClient::connect(server.grpc.clone()).await.unwrap();
    let raise = ModifyGuaranteeRequest {
        merchant_id: "shop-1".into(),
        request_id: "r1".into(),
        guarantee: Some(15),
        ..ModifyGuaranteeRequest::default()
    };
    guarantees.modify_guarantee(raise).await.unwrap();
    let mut orders = order_service_client::OrderServiceClient::connect(server.grpc.clone()).await.unwrap();
    let completed = |id: &str| CompletedOrder {
        merchant_id: "shop-1".into(),
        order_id: id.into(),
        price: "10".into(),
        ..CompletedOrder::default()
    };
    let chunk = ClassifyOrdersRequest {
        orders: vec![completed("a"), completed("b"), completed("a")],
        ..ClassifyOrdersRequest::default()
    };
    orders.classify_orders(chunk).await.unwrap();
    let chunks = StreamClassifyOrdersRequest {
        sequence: 1,
        orders: vec![completed("c")],
        ..StreamClassifyOrdersRequest::default()
    };
    let answers = orders.stream_classify_orders(tokio_stream::once(chunks)).await.unwrap().into_inner();
    assert_eq!(answers.collect::<Vec<_>>().await.len(), 1);
    let mut margins = margin_service_client::MarginServiceClient::connect(server.grpc.clone()).await.unwrap();
    let read = GetMarginRequest { merchant_id: "shop-1".into(), as_of: None };
    margins.get_margin(read).await.unwrap();
    let mut unknown = read_of("nobody");
    unknown.metadata_mut().insert("traceparent", format!("00-{TRACE}-{PARENT}-01").parse().unwrap());
    margins.get_margin(unknown).await.unwrap_err();

    let spans = collector.spans(server).await;
    let one = |name: &str| named(&spans, name)[0];
    let raised = one("tplus.v1.GuaranteeService/ModifyGuarantee");
    assert_eq!(texts(&raised.attributes)["tplus.merchant"], "shop-1");
    assert_eq!(stages(&spans, raised), ["room", "decide", "durable"]);
    let chunk = one("tplus.v1.OrderService/ClassifyOrders");
    assert_eq!(stages(&spans, chunk), ["room", "decide", "durable"]);
    let told = texts(&chunk.attributes);
    let counts = ["quick", "standard", "replayed"].map(|which| told[&format!("tplus.orders.{which}")].as_str());
    assert_eq!(counts, ["2", "1", "1"], "the first twice");
    let stream = one("tplus.v1.OrderService/StreamClassifyOrders");
    assert_eq!(stages(&spans, stream), ["room", "decide", "durable"]);
    assert_eq!(texts(&stream.attributes)["tplus.cycle"], "standard");
    let reads = named(&spans, "tplus.v1.MarginService/GetMargin");
    assert_eq!(reads.len(), 2);
    assert_eq!(stages(&spans, reads[0]), ["durable"]);
    assert_eq!(texts(&reads[1].attributes)["tplus.reason"], "MERCHANT_NOT_FOUND");
    // Each that nobody called for is a trace of its own.
    let traces: std::collections::BTreeSet<_> = spans.iter().map(|span| span.trace_id.clone()).collect();
    assert_eq!(traces.len(), 5);
    assert!([raised, chunk, stream].iter().all(|call| call.parent_span_id.is_empty()));
}

fn read_of(merchant: &str) -> Request<GetMarginRequest> {
    Request::new(GetMarginRequest { merchant_id: merchant.into(), as_of: None })
}

/// A collector that is not there costs spans, and nothing else.
#[tokio::test]
async fn nobody_waits_for_a_collector() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let root = tempfile::tempdir().unwrap();
    let server = start(root.path(), &endpoint, "1");
    let mut orders = order_service_client::OrderServiceClient::connect(server.grpc.clone()).await.unwrap();
    for number in 0..100 {
        orders.classify_order(order(&format!("o{number}"), "10")).await.unwrap();
    }
    assert!(tokio::task::spawn_blocking(|| server.stop()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_reached_over_tls_and_only_one_that_is_trusted() {
    let (root, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let ours = write(root.path(), "ours.pem", &authority.pem());
    let others = write(root.path(), "others.pem", &Authority::new().pem());
    for (ca, trusted) in [(ours, true), (others, false)] {
        let (collector, endpoint) = Collector::start_encrypted(&authority.server()).await;
        let settings = format!("[trace]\nendpoint = {endpoint:?}\nca = {ca:?}\nsample = 1\n");
        let settings = write(root.path(), "tplus.toml", &settings);
        let server = Watched::start(root.path(), &["--clock", "manual", "--config", &settings]);
        let mut orders = order_service_client::OrderServiceClient::connect(server.grpc.clone()).await.unwrap();
        orders.classify_order(order("o1", "10")).await.unwrap();
        let spans = collector.spans(server).await;
        let told = named(&spans, "tplus.v1.OrderService/ClassifyOrder").len();
        assert_eq!(told, usize::from(trusted), "{}", std::fs::read_to_string(root.path().join("stderr")).unwrap());
    }
}

#[test]
fn authorities_of_a_collector_that_are_of_no_use_are_named() {
    let root = tempfile::tempdir().unwrap();
    let empty = write(root.path(), "empty.pem", "nothing of the kind\n");
    for (ca, says) in
        [("missing.pem", "trace.ca: missing.pem cannot be read"), (&*empty, "empty.pem has no certificate")]
    {
        let settings = format!("[trace]\nendpoint = \"https://localhost:1\"\nca = {ca:?}\n");
        let settings = write(root.path(), "tplus.toml", &settings);
        let data = root.path().join("data");
        let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap(), "--config", &settings];
        let serve = tplus(&serve).output().unwrap();
        let said = String::from_utf8(serve.stderr).unwrap();
        assert!(!serve.status.success() && said.contains(says), "{said}");
    }
}

#[test]
fn without_any_authority_it_does_not_start_and_says_why() {
    let root = tempfile::tempdir().unwrap();
    let (nothing, data) = (root.path().join("nothing"), root.path().join("data"));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let environment = [("SSL_CERT_FILE", nothing.as_os_str()), ("SSL_CERT_DIR", nothing.as_os_str())];
    let serve = tplus(&serve).envs(environment).env("TPLUS_TRACE_ENDPOINT", "https://localhost:1").output().unwrap();
    let said = String::from_utf8(serve.stderr).unwrap();
    assert!(!serve.status.success() && said.contains("trace.endpoint: TLS cannot be set up"), "{said}");
}
