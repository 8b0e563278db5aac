//! What a scraper sees.

use std::{convert::Infallible, future::ready};

use ::http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use prost::bytes::Bytes;
use tower::{Layer, ServiceExt, service_fn};

use super::*;
use crate::{build::BUILD, engine::Stats};

const CLASSIFY: &str = "/tplus.v1.OrderService/ClassifyOrder";

/// A body of one message and trailers.
struct Answer(Vec<Frame<Bytes>>);

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(self.0.pop().map(Ok))
    }
}

fn trailers(code: &'static str) -> Frame<Bytes> {
    Frame::trailers(HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(code))]))
}

async fn call(
    metrics: &std::sync::Arc<Metrics>,
    path: &str,
    answer: Response<Answer>,
) -> Response<MeasuredBody<Answer>> {
    let answer = std::sync::Mutex::new(Some(answer));
    let service = service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(answer.lock().unwrap().take().unwrap())));
    let service = Measure::new(std::sync::Arc::clone(metrics)).layer(service);
    service.oneshot(Request::builder().uri(path).body(()).unwrap()).await.unwrap()
}

async fn next(response: &mut Response<MeasuredBody<Answer>>) -> bool {
    let frame = std::future::poll_fn(|context| std::pin::Pin::new(response.body_mut()).poll_frame(context)).await;
    frame.is_some()
}

fn value(metrics: &Metrics, series: &str) -> String {
    let text = metrics.render(None);
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in\n{text}")).to_owned()
}

fn handled(metrics: &Metrics, method: &str, code: &str) -> String {
    let labels = format!("grpc_service=\"tplus.v1.OrderService\",grpc_method=\"{method}\",grpc_code=\"{code}\"");
    value(metrics, &format!("grpc_server_handled_total{{{labels}}}"))
}

#[tokio::test]
async fn a_call_ends_with_its_trailers() {
    let metrics = std::sync::Arc::new(Metrics::new());
    let frames = vec![trailers("0"), Frame::data(Bytes::from_static(b"message"))];
    let mut response = call(&metrics, CLASSIFY, Response::new(Answer(frames))).await;
    assert!(next(&mut response).await);
    assert_eq!(handled(&metrics, "ClassifyOrder", "OK"), "0");
    assert!(next(&mut response).await);
    assert_eq!(handled(&metrics, "ClassifyOrder", "OK"), "1");
    drop(response);
    let labels = r#"{grpc_service="tplus.v1.OrderService",grpc_method="ClassifyOrder"}"#;
    assert_eq!(value(&metrics, &format!("grpc_server_started_total{labels}")), "1");
    assert_eq!(value(&metrics, &format!("grpc_server_handling_seconds_count{labels}")), "1");
}

#[tokio::test]
async fn an_error_is_in_the_headers() {
    let metrics = std::sync::Arc::new(Metrics::new());
    let answer = Response::builder().header("grpc-status", "9").body(Answer(vec![])).unwrap();
    drop(call(&metrics, CLASSIFY, answer).await);
    assert_eq!(handled(&metrics, "ClassifyOrder", "FAILED_PRECONDITION"), "1");
    assert_eq!(handled(&metrics, "ClassifyOrder", "CANCELLED"), "0");
}

#[tokio::test]
async fn a_call_that_is_dropped_was_cancelled() {
    let metrics = std::sync::Arc::new(Metrics::new());
    let mut response = call(&metrics, CLASSIFY, Response::new(Answer(vec![Frame::data(Bytes::new())]))).await;
    assert!(next(&mut response).await);
    drop(response);
    assert_eq!(handled(&metrics, "ClassifyOrder", "CANCELLED"), "1");
}

#[tokio::test]
async fn a_call_that_panics_is_an_internal_error() {
    let metrics = std::sync::Arc::new(Metrics::new());
    let service = service_fn(async |_: Request<()>| -> Result<Response<Answer>, Infallible> { panic!("as asked for") });
    let service = Measure::new(std::sync::Arc::clone(&metrics)).layer(service);
    let request = Request::builder().uri(CLASSIFY).body(()).unwrap();
    assert!(tokio::spawn(service.oneshot(request)).await.is_err());
    assert_eq!(handled(&metrics, "ClassifyOrder", "INTERNAL"), "1");
}

#[tokio::test]
async fn paths_that_are_no_methods_make_no_series() {
    let metrics = std::sync::Arc::new(Metrics::new());
    let series = metrics.render(None).lines().count();
    for path in ["/", "/tplus.v1.OrderService", "/tplus.v1.OrderService/Hack", "/x/y", "/a\u{7f}b"] {
        if path.parse::<::http::Uri>().is_ok() {
            drop(call(&metrics, path, Response::new(Answer(vec![]))).await);
        }
    }
    assert_eq!(metrics.render(None).lines().count(), series);
    let labels = r#"{grpc_service="unknown",grpc_method="unknown"}"#;
    assert_eq!(value(&metrics, &format!("grpc_server_started_total{labels}")), "4");
}

#[test]
fn every_method_is_known() {
    let text = Metrics::new().render(None);
    for (service, method) in [
        ("tplus.v1.ClockService", "AdvanceClock"),
        ("tplus.v1.MarginService", "GetMargin"),
        ("grpc.health.v1.Health", "Watch"),
        ("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo"),
        ("grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo"),
    ] {
        let labels = format!("grpc_server_started_total{{grpc_service=\"{service}\",grpc_method=\"{method}\"}} 0");
        assert!(text.contains(&labels), "{labels}");
    }
}

#[test]
fn what_the_engine_does_is_counted() {
    let metrics = Metrics::new();
    metrics.classified(Cycle::Quick, false, 1);
    metrics.classified(Cycle::Standard, true, 1);
    metrics.batch_committed(3, 180, Duration::from_micros(40), Duration::from_micros(130));
    metrics.due_recorded(7);
    metrics.recovery_progress(1, 4);
    metrics.checkpoint_written(10, 2_048, Duration::from_millis(5));
    metrics.checkpoint_failed();
    metrics.orders_refused("ID_REUSED", 3);
    metrics.orders_refused("no such reason", 2);
    metrics.recovered(Duration::from_millis(1_500));
    let connections = metrics.connections();
    connections.allow(7);
    connections.refuse();
    let _one = connections.open();
    drop(connections.open());
    let (version, commit, rustc) = (BUILD.version, BUILD.commit, BUILD.rustc_version());
    let build = format!("tplus_build_info{{version=\"{version}\",commit=\"{commit}\",rustc=\"{rustc}\"}}");
    for (series, expected) in [
        (r#"tplus_classifications_total{cycle="quick",replayed="false"}"#, "1"),
        (r#"tplus_classifications_total{cycle="quick",replayed="true"}"#, "0"),
        (r#"tplus_classifications_total{cycle="standard",replayed="true"}"#, "1"),
        ("tplus_journal_batch_records_sum", "3.0"),
        ("tplus_journal_batch_bytes_sum", "180.0"),
        ("tplus_journal_write_seconds_count", "1"),
        ("tplus_journal_sync_seconds_count", "1"),
        ("tplus_due_facts_total", "7"),
        ("tplus_recovery_progress_ratio", "0.25"),
        ("tplus_checkpoint_items", "10"),
        ("tplus_checkpoint_bytes", "2048"),
        ("tplus_checkpoint_seconds_count", "1"),
        ("tplus_checkpoint_failures_total", "1"),
        (r#"tplus_refused_total{reason="ID_REUSED"}"#, "3"),
        (r#"tplus_refused_total{reason="OTHER"}"#, "2"),
        ("tplus_recovery_seconds", "1.5"),
        ("tplus_connections", "1"),
        ("tplus_connections_limit", "7"),
        ("tplus_connections_refused_total", "1"),
        (build.as_str(), "1"),
    ] {
        assert_eq!(value(&metrics, series), expected, "{series}");
    }
}

#[test]
fn what_the_engine_looks_like_is_shown() {
    let metrics = Metrics::new();
    let stats = Stats {
        merchants: 9,
        shard_sizes: vec![1, 2, 6],
        journal_last: 12,
        journal_durable: 11,
        read_only: true,
        journal_failed: true,
        in_flight: 3,
        in_flight_streams: 5,
        max_in_flight: 64,
        max_lag: 1_000,
        replay_bytes: 77,
        journal_usage: crate::journal::Usage {
            live: crate::journal::Extent { segments: 2, bytes: 20 },
            archived: crate::journal::Extent { segments: 3, bytes: 30 },
            free: 5,
            total: 50,
        },
        due_lag: Duration::from_millis(1_500),
        clock: crate::clock::ClockState { offset_to_wall_us: -250_000, alarm: true },
        ..Stats::default()
    };
    drop(metrics.render(Some((&stats, &crate::history::Stats::default()))));
    for (series, expected) in [
        ("tplus_merchants", "9"),
        (r#"tplus_shard_merchants{stat="min"}"#, "1.0"),
        (r#"tplus_shard_merchants{stat="max"}"#, "6.0"),
        (r#"tplus_shard_merchants{stat="mean"}"#, "3.0"),
        ("tplus_journal_last_lsn", "12"),
        ("tplus_journal_durable_lsn", "11"),
        ("tplus_journal_queued_bytes", "0"),
        ("tplus_read_only", "1"),
        ("tplus_journal_failed", "1"),
        (r#"tplus_in_flight{part="calls"}"#, "3"),
        (r#"tplus_in_flight{part="streams"}"#, "5"),
        ("tplus_in_flight_limit", "64"),
        ("tplus_history_lag_limit", "1000"),
        ("tplus_history_lag_records", "11"),
        ("tplus_replay_bytes", "77"),
        (r#"tplus_journal_segments{part="live"}"#, "2"),
        (r#"tplus_journal_disk_bytes{part="archive"}"#, "30"),
        ("tplus_disk_free_bytes", "5"),
        ("tplus_disk_size_bytes", "50"),
        ("tplus_due_lag_seconds", "1.5"),
        ("tplus_clock_offset_seconds", "-0.25"),
        ("tplus_clock_alarm", "1"),
        ("tplus_serving", "0"),
    ] {
        assert_eq!(value(&metrics, series), expected, "{series}");
    }
}

#[test]
fn the_text_is_open_metrics() {
    let text = Metrics::new().render(None);
    assert!(text.ends_with("# EOF\n"));
    for declared in text.lines().filter_map(|line| line.strip_prefix("# UNIT ")) {
        let (name, unit) = declared.split_once(' ').unwrap();
        assert!(name.ends_with(&format!("_{unit}")), "{declared}");
    }
}
