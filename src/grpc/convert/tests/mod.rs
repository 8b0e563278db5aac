//! What requests may not say, and what is answered.

mod policies;
mod refusals;
mod requests;

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*};
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::*;
use crate::{
    domain::{MerchantId, Money, Rejection, Timestamp},
    engine::EngineError,
    grpc::NotReady,
    proto::v1::{
        AdvanceClockRequest, ClassifyOrderRequest, GetMarginRequest, ImportMerchantRequest, ModifyGuaranteeRequest,
    },
};

fn order() -> ClassifyOrderRequest {
    ClassifyOrderRequest {
        merchant_id: "m".into(),
        order_id: "o".into(),
        price: "10.00".into(),
        ..ClassifyOrderRequest::default()
    }
}

fn refused<T>(outcome: Result<T, Status>) -> (Status, ErrorDetails) {
    let status = outcome.err().expect("it is refused");
    let details = status.get_error_details();
    (status, details)
}

fn bad_fields(details: &ErrorDetails) -> Vec<String> {
    let violations = &details.bad_request().expect("fields are named").field_violations;
    violations.iter().map(|violation| violation.field.clone()).collect()
}

fn reason_of(details: &ErrorDetails) -> String {
    let info = details.error_info().expect("every error has an ErrorInfo");
    assert_eq!(info.domain, DOMAIN);
    info.reason.clone()
}

#[test]
fn all_bad_fields_are_reported_together() {
    let instant = prost_types::Timestamp { seconds: 0, nanos: -1 };
    let late = prost_types::Timestamp { seconds: 253_402_300_800, nanos: 0 };
    let request = ClassifyOrderRequest {
        merchant_id: String::new(),
        order_id: "no spaces".into(),
        price: "1e9".into(),
        profit: "-1".into(),
        completed_at: Some(instant),
        validate_only: false,
        not_after: Some(late),
    };
    let (status, details) = refused(classify_order(&request));
    assert_eq!((status.code(), &*reason_of(&details)), (Code::InvalidArgument, "INVALID_FIELD"));
    let fields = ["merchant_id", "order_id", "price", "profit", "completed_at", "not_after"];
    assert_eq!(bad_fields(&details), fields);
    assert!(status.message().starts_with("merchant_id is missing; order_id is not an id"), "{}", status.message());
}

#[test]
fn what_the_domain_refuses_is_reported_with_the_rest() {
    let request = ClassifyOrderRequest { order_id: String::new(), price: "0".into(), ..order() };
    assert_eq!(bad_fields(&refused(classify_order(&request)).1), ["order_id", "price"]);
    let request = ClassifyOrderRequest { merchant_id: String::new(), profit: "10.01".into(), ..order() };
    assert_eq!(bad_fields(&refused(classify_order(&request)).1), ["merchant_id", "profit"]);
    let request = ModifyGuaranteeRequest { guarantee: Some(1_000_000_000_000), ..ModifyGuaranteeRequest::default() };
    assert_eq!(bad_fields(&refused(modify_guarantee(&request)).1), ["merchant_id", "request_id", "guarantee"]);
}

#[test]
fn empty_means_missing_where_it_is_required_and_omitted_where_it_is_not() {
    let (status, _) = refused(classify_order(&ClassifyOrderRequest { price: String::new(), ..order() }));
    assert_eq!(status.message(), "price is missing");
    assert!(classify_order(&order()).is_ok());

    let import =
        ImportMerchantRequest { merchant_id: "m".into(), request_id: "r".into(), ..ImportMerchantRequest::default() };
    let command = import_merchant(&import).map(|request| request.command).unwrap();
    assert_eq!((command.historical_profit, command.available), (Money::ZERO, Money::ZERO));

    let silent =
        ModifyGuaranteeRequest { merchant_id: "m".into(), request_id: "r".into(), ..ModifyGuaranteeRequest::default() };
    assert_eq!(refused(modify_guarantee(&silent)).0.message(), "guarantee is missing");
    assert!(modify_guarantee(&ModifyGuaranteeRequest { guarantee: Some(0), ..silent }).is_ok());
}

#[test]
fn instants_are_cut_to_the_microsecond() {
    let to = prost_types::Timestamp { seconds: -1, nanos: 999_999_999 };
    let instant = advance_clock(&AdvanceClockRequest { to: Some(to) }).unwrap();
    assert_eq!(instant, Timestamp::from_micros(-1));
    assert_eq!(timestamp(instant), prost_types::Timestamp { seconds: -1, nanos: 999_999_000 });
}

#[test]
fn the_clock_goes_to_the_year_9000() {
    let to = |seconds| AdvanceClockRequest { to: Some(prost_types::Timestamp { seconds, nanos: 0 }) };
    assert_eq!(advance_clock(&to(221_845_392_000)).unwrap(), Timestamp::MAX);
    assert_eq!(bad_fields(&refused(advance_clock(&to(221_845_392_001))).1), ["to"]);
    assert_eq!(refused(advance_clock(&AdvanceClockRequest { to: None })).0.message(), "to is missing");
}

#[test]
fn what_passes_says_when_to_come_back() {
    let retry_after = Duration::from_millis(250);
    let faults = [
        (failed(EngineError::Overloaded { retry_after }), Code::ResourceExhausted, "OVERLOADED"),
        (failed(EngineError::ReadOnly { retry_after }), Code::ResourceExhausted, "STORAGE_FULL"),
        (failed(EngineError::Unavailable { reason: "EIO".into() }), Code::Unavailable, "UNAVAILABLE"),
        (not_ready(NotReady::Starting), Code::Unavailable, "UNAVAILABLE"),
        (not_ready(NotReady::Stopping), Code::Unavailable, "UNAVAILABLE"),
    ];
    for (status, code, reason) in faults {
        let details = status.get_error_details();
        assert_eq!((status.code(), &*reason_of(&details)), (code, reason));
        let delay = details.retry_info().and_then(|retry| retry.retry_delay).expect("a delay is given");
        assert_eq!(delay, if code == Code::Unavailable { Duration::from_secs(1) } else { retry_after });
        let pushback =
            status.metadata().get("grpc-retry-pushback-ms").expect("and for those who follow a service config");
        assert_eq!(pushback, &*delay.as_millis().to_string());
    }
}

#[test]
fn a_merchant_that_is_not_there_is_named() {
    let merchant = MerchantId::parse("nobody").unwrap();
    let status = failed_about(&merchant, EngineError::Rejected(Rejection::MerchantNotFound));
    let details = status.get_error_details();
    assert_eq!((status.code(), &*reason_of(&details)), (Code::NotFound, "MERCHANT_NOT_FOUND"));
    assert_eq!(details.resource_info().map(|resource| &*resource.resource_name), Some("nobody"));
}

#[test]
fn errors_made_below_the_services_are_explained() {
    let explained = |status: Status| {
        let response = explain(status.into_http::<()>());
        Status::from_header_map(response.headers()).expect("there is a status")
    };
    let status = explained(Status::out_of_range("too large: 1 % more"));
    assert_eq!((status.code(), status.message()), (Code::OutOfRange, "too large: 1 % more"));
    for (code, reason) in [
        (Code::OutOfRange, "MESSAGE_TOO_LARGE"),
        (Code::Internal, "MALFORMED_MESSAGE"),
        (Code::Unimplemented, "UNIMPLEMENTED"),
        (Code::NotFound, "NOT_FOUND"),
    ] {
        assert_eq!(reason_of(&explained(Status::new(code, "")).get_error_details()), reason);
    }
}

#[test]
fn what_is_explained_already_or_no_error_stays_as_it_is() {
    let response = explain(not_ready(NotReady::Starting).into_http::<()>());
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(reason_of(&status.get_error_details()), "UNAVAILABLE");
    assert!(explain(http::Response::new(())).headers().is_empty());
    assert!(!explain(Status::ok("").into_http::<()>()).headers().contains_key("grpc-status-details-bin"));
}

#[test]
fn reasons_are_unique_and_in_upper_snake_case() {
    for (at, reason) in REASONS.iter().enumerate() {
        assert!(reason.name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{}", reason.name);
        assert!(REASONS.iter().skip(at + 1).all(|other| other.name != reason.name), "{}", reason.name);
        assert!(reason.meaning.ends_with('.'), "{}", reason.meaning);
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[0-9]{1,14}(\\.[0-9]{0,3})?", "[A-Za-z0-9._:-]{1,66}", any::<String>()]
}

fn instant() -> impl Strategy<Value = Option<prost_types::Timestamp>> {
    let seconds = prop_oneof![any::<i64>(), -100_000_000_000..300_000_000_000_i64];
    let nanos = prop_oneof![any::<i32>(), 0..1_000_000_000];
    option::of((seconds, nanos).prop_map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos }))
}

fn is_explained<T>(outcome: Result<T, Status>) {
    if let Err(status) = outcome {
        let details = status.get_error_details();
        assert_eq!((status.code(), &*reason_of(&details)), (Code::InvalidArgument, "INVALID_FIELD"));
        let (fields, message) = (bad_fields(&details), status.message());
        assert!(!fields.is_empty());
        assert!(fields.iter().all(|field| fields.iter().filter(|other| *other == field).count() == 1), "{message}");
        // It has to fit into the headers that clients take.
        assert!(status.details().len() < 4_096);
    }
}

proptest! {
    #[test]
    fn no_order_panics(ids in (text(), text()), amounts in (text(), text()), times in (instant(), instant())) {
        is_explained(classify_order(&ClassifyOrderRequest {
            merchant_id: ids.0, order_id: ids.1, price: amounts.0, profit: amounts.1,
            completed_at: times.0, validate_only: false, not_after: times.1,
        }));
    }

    #[test]
    fn no_other_request_panics(ids in (text(), text()), amounts in (text(), text()), dollars in any::<Option<u64>>(), at in instant()) {
        is_explained(get_margin(&GetMarginRequest { merchant_id: ids.0.clone(), as_of: None }));
        is_explained(advance_clock(&AdvanceClockRequest { to: at }));
        is_explained(modify_guarantee(&ModifyGuaranteeRequest {
            merchant_id: ids.0.clone(), guarantee: dollars, request_id: ids.1.clone(), validate_only: true, not_after: at,
        }));
        is_explained(import_merchant(&ImportMerchantRequest {
            merchant_id: ids.0, historical_profit: amounts.0, available: amounts.1, request_id: ids.1,
            validate_only: false, not_after: at,
            ..ImportMerchantRequest::default()
        }));
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..256)) {
        if let Ok(request) = ClassifyOrderRequest::decode(&*bytes) {
            is_explained(classify_order(&request));
        }
    }

    #[test]
    fn instants_survive_the_way_out_and_in(micros in Timestamp::MIN.micros()..=Timestamp::MAX.micros()) {
        let instant = Timestamp::from_micros(micros);
        prop_assert_eq!(advance_clock(&AdvanceClockRequest { to: Some(timestamp(instant)) }).unwrap(), instant);
    }
}
