//! Every reason for a no that a client can bring about, with its code and the fields to blame.

use std::time::Duration;

use tonic::Code;
use tonic_types::StatusExt as _;
use tplus::{
    domain::{Limits, Money, Policy},
    grpc::convert,
    proto::v1::*,
};

use crate::support::{Setup, guarantee, hours, import, order, refusal, start_server, start_server_with};

fn no(code: Code, reason: &str, fields: &[&str]) -> (Code, String, Vec<String>) {
    (code, reason.to_owned(), fields.iter().map(|field| (*field).to_owned()).collect())
}

#[tokio::test]
async fn all_bad_fields_are_named_together() {
    let server = start_server().await;
    let request = ClassifyOrderRequest { profit: "10.001".into(), ..order("", "a b", "-1") };
    let fields = ["merchant_id", "order_id", "price", "profit"];
    assert_eq!(refusal(server.classify(request).await), no(Code::InvalidArgument, "INVALID_FIELD", &fields));
    let request = ModifyGuaranteeRequest::default();
    let fields = ["merchant_id", "guarantee", "request_id"];
    assert_eq!(refusal(server.modify(request).await), no(Code::InvalidArgument, "INVALID_FIELD", &fields));
    assert_eq!(refusal(server.margin("").await), no(Code::InvalidArgument, "INVALID_FIELD", &["merchant_id"]));
}

#[tokio::test]
async fn a_refusal_opens_nobody_and_uses_up_no_id() {
    let server = start_server().await;
    refusal(server.classify(order("m", "o", "0.00")).await);
    assert_eq!(refusal(server.margin("m").await), no(Code::NotFound, "MERCHANT_NOT_FOUND", &[]));
    assert!(!server.classify(order("m", "o", "1.00")).await.unwrap().replayed);
}

#[tokio::test]
async fn a_merchant_that_was_never_opened_is_named() {
    let server = start_server().await;
    let status = server.margin("nobody").await.unwrap_err();
    let details = status.get_error_details();
    assert_eq!(details.resource_info().map(|resource| &*resource.resource_name), Some("nobody"));
}

#[tokio::test]
async fn a_known_order_with_other_content_names_the_field() {
    let server = start_server().await;
    let at = |hours_ago| Some(convert::timestamp(server.noon.before(hours(hours_ago))));
    let first = ClassifyOrderRequest { profit: "5".into(), completed_at: at(1), ..order("m", "o", "10") };
    server.classify(first.clone()).await.unwrap();
    let others = [
        ("price", ClassifyOrderRequest { price: "10.01".into(), ..first.clone() }),
        ("profit", ClassifyOrderRequest { profit: String::new(), ..first.clone() }),
        ("completed_at", ClassifyOrderRequest { completed_at: at(2), ..first.clone() }),
    ];
    for (field, other) in others {
        assert_eq!(refusal(server.classify(other).await), no(Code::AlreadyExists, "ID_REUSED", &[field]));
    }
    assert!(server.classify(ClassifyOrderRequest { completed_at: None, ..first }).await.unwrap().replayed);
}

#[tokio::test]
async fn a_known_request_with_other_content_names_the_field() {
    let server = start_server().await;
    server.import(import("m", "r1", "1", "2")).await.unwrap();
    server.modify(guarantee("m", "r2", 100)).await.unwrap();
    let reused = |field| no(Code::AlreadyExists, "ID_REUSED", &[field]);
    assert_eq!(refusal(server.import(import("m", "r1", "1.01", "2")).await), reused("historical_profit"));
    assert_eq!(refusal(server.import(import("m", "r1", "1", "")).await), reused("available"));
    assert_eq!(refusal(server.modify(guarantee("m", "r2", 101)).await), reused("guarantee"));
    // Another method.
    assert_eq!(refusal(server.modify(guarantee("m", "r1", 100)).await), reused("request_id"));
    assert_eq!(refusal(server.import(import("m", "r2", "1", "2")).await), reused("request_id"));
    // Another merchant is another namespace, and so are orders.
    server.modify(guarantee("other", "r1", 100)).await.unwrap();
    server.classify(order("m", "r1", "1")).await.unwrap();
}

#[tokio::test]
async fn a_merchant_is_imported_before_anything_else() {
    let server = start_server().await;
    server.classify(order("m", "o", "1")).await.unwrap();
    let outcome = server.import(import("m", "r", "1", "2")).await;
    let details = outcome.as_ref().unwrap_err().get_error_details();
    assert!(details.has_precondition_failure_violations());
    assert_eq!(refusal(outcome), no(Code::FailedPrecondition, "MERCHANT_OPEN", &[]));
}

#[tokio::test]
async fn a_request_past_its_limit_is_refused() {
    let server = start_server().await;
    let limit = |at| Some(convert::timestamp(at));
    let passed = limit(server.noon.before(Duration::from_micros(1)));
    let refused = no(Code::FailedPrecondition, "NOT_AFTER_PASSED", &["not_after"]);
    let late = ClassifyOrderRequest { not_after: passed, ..order("m", "o", "1") };
    assert_eq!(refusal(server.classify(late).await), refused);
    let late = ModifyGuaranteeRequest { not_after: passed, ..guarantee("m", "r", 1) };
    assert_eq!(refusal(server.modify(late).await), refused);
    let late = ImportMerchantRequest { not_after: passed, ..import("m", "r", "", "") };
    assert_eq!(refusal(server.import(late).await), refused);
    let just_in_time = ClassifyOrderRequest { not_after: limit(server.noon), ..order("m", "o", "1") };
    assert!(server.classify(just_in_time).await.is_ok());
}

#[tokio::test]
async fn an_order_is_taken_from_a_day_ago_to_5_seconds_ahead() {
    let server = start_server().await;
    let completed =
        |id: &str, at| ClassifyOrderRequest { completed_at: Some(convert::timestamp(at)), ..order("m", id, "1") };
    let (oldest, latest) = (server.noon.before(hours(24)), server.noon.after(Duration::from_secs(5)));
    let tick = Duration::from_micros(1);
    let too_old = no(Code::FailedPrecondition, "ORDER_TOO_OLD", &["completed_at"]);
    assert_eq!(refusal(server.classify(completed("a", oldest.before(tick))).await), too_old);
    assert!(server.classify(completed("a", oldest)).await.is_ok());
    let ahead = no(Code::FailedPrecondition, "ORDER_AHEAD_OF_TIME", &["completed_at"]);
    assert_eq!(refusal(server.classify(completed("b", latest.after(tick))).await), ahead);
    assert!(server.classify(completed("b", latest)).await.is_ok());
}

#[tokio::test]
async fn policy_bounds_the_guarantee() {
    let policy = Policy { max_guarantee: Some(Money::from_dollars(10_000)), ..Policy::default() };
    let server = start_server_with(Setup { policy, ..Setup::default() }).await;
    let outcome = server.modify(guarantee("m", "r", 10_001)).await;
    let details = outcome.as_ref().unwrap_err().get_error_details();
    assert_eq!(details.error_info().unwrap().metadata.get("maximum").map(String::as_str), Some("10000.00"));
    assert_eq!(refusal(outcome), no(Code::FailedPrecondition, "GUARANTEE_ABOVE_MAXIMUM", &["guarantee"]));
    assert!(server.modify(guarantee("m", "r", 10_000)).await.is_ok());
}

#[tokio::test]
async fn open_releases_are_bounded() {
    let server =
        start_server_with(Setup { limits: Limits { open_releases: 1, ..Limits::default() }, ..Setup::default() }).await;
    server.import(import("m", "r1", "", "100")).await.unwrap();
    server.modify(guarantee("m", "r2", 100)).await.unwrap();
    server.modify(guarantee("m", "r3", 50)).await.unwrap();
    let refused = no(Code::FailedPrecondition, "TOO_MANY_RELEASES", &[]);
    assert_eq!(refusal(server.modify(guarantee("m", "r4", 0)).await), refused);
    server.advance_to(server.noon.after(hours(7 * 24))).await.unwrap();
    assert!(server.modify(guarantee("m", "r4", 0)).await.is_ok());
}

#[tokio::test]
async fn a_manual_clock_never_goes_back() {
    let server = start_server().await;
    let back = server.advance_to(server.noon.before(Duration::from_micros(1))).await;
    assert_eq!(refusal(back), no(Code::FailedPrecondition, "CLOCK_BACKWARDS", &["to"]));
    let nowhere = server.clock().advance_clock(AdvanceClockRequest { to: None }).await;
    assert_eq!(refusal(nowhere), no(Code::InvalidArgument, "INVALID_FIELD", &["to"]));
    assert_eq!(server.now().await, server.noon);
}

#[tokio::test]
async fn the_machines_clock_is_not_moved_by_hand() {
    let server = start_server_with(Setup { manual_clock: false, ..Setup::default() }).await;
    let clock = server.clock().get_clock(GetClockRequest {}).await.unwrap().into_inner();
    assert_eq!(clock.mode(), ClockMode::System);
    let forward = server.advance_to(server.now().await.after(hours(1))).await;
    assert_eq!(refusal(forward), no(Code::FailedPrecondition, "CLOCK_NOT_MANUAL", &[]));
}
