//! The rules as data: shown, listed and changed.

use std::time::Duration;

use tonic::{Response, Status};
use tplus::{domain::Timestamp, grpc::convert, proto::v1::*};

use crate::{
    calls::told,
    support::{TestServer, guarantee, hours, instant, order, start_server},
};

const SECOND: Duration = Duration::from_secs(1);

async fn shown(server: &TestServer, version: u64) -> Result<GetPolicyResponse, Status> {
    server.policies().get_policy(GetPolicyRequest { version }).await.map(Response::into_inner)
}

async fn set(server: &TestServer, request: SetPolicyRequest) -> Result<SetPolicyResponse, Status> {
    server.policies().set_policy(request).await.map(Response::into_inner)
}

/// The rules of the first version.
async fn published(server: &TestServer) -> Policy {
    shown(server, 1).await.expect("there is a first version").policy.and_then(|version| version.policy).expect("rules")
}

async fn announcement(server: &TestServer, request_id: &str) -> SetPolicyRequest {
    SetPolicyRequest {
        policy: Some(Policy { quota_counts: QuotaCounts::Quick.into(), ..published(server).await }),
        reason: "fairer".into(),
        request_id: request_id.into(),
        ..SetPolicyRequest::default()
    }
}

const fn seconds(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

fn at(instant: Timestamp) -> Option<prost_types::Timestamp> {
    Some(convert::timestamp(instant))
}

#[tokio::test]
async fn the_published_rules_are_shown() {
    let server = start_server().await;
    let answer = shown(&server, 0).await.unwrap();
    let version = answer.policy.unwrap();
    assert_eq!((version.version, answer.latest_version, &*version.request_id), (1, 1, ""));
    assert_eq!(version.effective_at, version.announced_at);
    let tier = |above: &str, multiple| MultipleTier { above: above.into(), multiple };
    let rules = Policy {
        base_multiple: 1,
        tiers: vec![tier("30000.00", 10), tier("5000.00", 5), tier("1000.00", 3)],
        quota_counts: QuotaCounts::All.into(),
        quota_basis: QuotaBasis::Guarantee.into(),
        day_start: seconds(0),
        quick_days: 2,
        standard_days: 7,
        release_after: seconds(7 * 86_400),
        max_lateness: seconds(86_400),
        max_ahead: seconds(5),
        appeal_window: seconds(30 * 86_400),
        ..Policy::default()
    };
    assert_eq!(version.policy.unwrap(), rules);
    let said = "NOT_FOUND POLICY_NOT_FOUND tplus.v1.PolicyVersion=2";
    assert_eq!(told(shown(&server, 2).await), said);
}

#[tokio::test]
async fn a_policy_is_announced_and_comes_into_force() {
    let server = start_server().await;
    let call = announcement(&server, "p").await;
    let tried = set(&server, SetPolicyRequest { validate_only: true, ..call.clone() }).await.unwrap();
    assert_eq!(shown(&server, 0).await.unwrap().latest_version, 1, "nothing was announced");
    let answer = set(&server, call.clone()).await.unwrap();
    assert_eq!(answer, tried);
    let version = answer.policy.clone().unwrap();
    assert_eq!((version.version, &*version.request_id, &*version.reason), (2, "p", "fairer"));
    assert_eq!(
        (instant(version.announced_at), instant(version.effective_at)),
        (server.noon, server.noon.after(SECOND))
    );
    assert_eq!(version.policy, call.policy);

    // Announced is not in force.
    let now = shown(&server, 0).await.unwrap();
    assert_eq!((now.policy.unwrap().version, now.latest_version), (1, 2));
    server.modify(guarantee("m", "g", 100)).await.unwrap();
    server.classify(order("m", "a", "150")).await.unwrap();
    server.advance_to(server.noon.after(SECOND)).await.unwrap();
    assert_eq!(shown(&server, 0).await.unwrap().policy.unwrap().version, 2);
    let receipt = server.classify(order("m", "b", "10")).await.unwrap().receipt.unwrap();
    assert_eq!((receipt.policy_version, &*receipt.day_total_before), (2, "0.00"));

    let again = SetPolicyRequest { not_after: at(server.noon), expected_version: 7, ..call.clone() };
    assert_eq!(set(&server, again).await.unwrap(), SetPolicyResponse { replayed: true, ..answer });
    let others = [
        ("policy", SetPolicyRequest { policy: Some(published(&server).await), ..call.clone() }),
        ("effective_at", SetPolicyRequest { effective_at: at(server.noon.after(hours(1))), ..call.clone() }),
        ("reason", SetPolicyRequest { reason: String::new(), ..call }),
    ];
    for (field, other) in others {
        assert_eq!(told(set(&server, other).await), format!("ALREADY_EXISTS ID_REUSED field={field} field:{field}"));
    }
}

#[tokio::test]
async fn a_policy_that_cannot_come_into_force_is_refused() {
    let server = start_server().await;
    let call = announcement(&server, "p").await;
    let asked = server.noon.after(Duration::from_micros(999_999));
    let early = SetPolicyRequest { effective_at: at(asked), ..call.clone() };
    let figures = format!("earliest:{} effective_at:{asked}", server.noon.after(SECOND));
    let said = format!("FAILED_PRECONDITION POLICY_TOO_EARLY field=effective_at {figures}");
    assert_eq!(told(set(&server, early).await), said);

    let changed = SetPolicyRequest { expected_version: 2, ..call.clone() };
    let said = "ABORTED POLICY_CHANGED field=expected_version latest:1";
    assert_eq!(told(set(&server, changed).await), said);

    let passed = server.noon.before(SECOND);
    let late = SetPolicyRequest { not_after: at(passed), ..call.clone() };
    let said = format!("FAILED_PRECONDITION NOT_AFTER_PASSED field=not_after not_after:{passed} now:{}", server.noon);
    assert_eq!(told(set(&server, late).await), said);

    let shifted = Policy { day_start: seconds(8 * 3_600), ..published(&server).await };
    let within = SetPolicyRequest {
        policy: Some(shifted.clone()),
        effective_at: at(server.noon.after(hours(1))),
        ..call.clone()
    };
    let midnight = server.noon.after(hours(12));
    let said = format!("FAILED_PRECONDITION POLICY_NOT_AT_DAY_BOUNDARY field=effective_at next:{midnight}");
    assert_eq!(told(set(&server, within).await), said);
    let soon = SetPolicyRequest { policy: Some(shifted), expected_version: 1, ..call };
    let version = set(&server, soon).await.unwrap().policy.unwrap();
    assert_eq!(instant(version.effective_at), midnight);
}

#[tokio::test]
async fn every_bad_field_of_a_policy_is_named() {
    let server = start_server().await;
    let nothing = SetPolicyRequest::default();
    let said = "INVALID_ARGUMENT INVALID_FIELD field=policy field=request_id";
    assert_eq!(told(set(&server, nothing).await), said);
    let empty =
        SetPolicyRequest { policy: Some(Policy::default()), request_id: "p".into(), ..SetPolicyRequest::default() };
    let fields = [
        "quota_counts",
        "quota_basis",
        "day_start",
        "release_after",
        "max_lateness",
        "max_ahead",
        "appeal_window",
        "base_multiple",
        "quick_days",
    ];
    let fields: String = fields.iter().map(|field| format!(" field=policy.{field}")).collect();
    assert_eq!(told(set(&server, empty).await), format!("INVALID_ARGUMENT INVALID_FIELD{fields}"));

    let days = |days: i64| seconds(days * 86_400);
    let tier = |above: &str, multiple| MultipleTier { above: above.into(), multiple };
    let everything = Policy {
        base_multiple: 1_001,
        tiers: vec![tier("x", 0), tier("1", 1_001)],
        quota_counts: 9,
        quota_basis: 9,
        day_start: days(1),
        quick_days: 8,
        standard_days: 31,
        release_after: days(366),
        max_guarantee: Some(1_000_000_000_000),
        max_lateness: days(8),
        max_ahead: seconds(61),
        appeal_window: Some(prost_types::Duration { seconds: 1, nanos: 1 }),
        clean_record: seconds(0),
        category_minimums: [("a b".to_owned(), 1)].into(),
        warn_gap_after: seconds(-1),
        warn_debt_after: days(366),
        warn_quota_percent: Some(101),
    };
    let call = SetPolicyRequest { policy: Some(everything), ..announcement(&server, "p").await };
    let fields = [
        "quota_counts",
        "quota_basis",
        "appeal_window",
        "tiers[0].above",
        "tiers[0].multiple",
        "tiers[1].multiple",
        "category_minimums",
        "warn_gap_after",
        "base_multiple",
        "day_start",
        "standard_days",
        "release_after",
        "max_guarantee",
        "max_lateness",
        "max_ahead",
        "clean_record",
        "warn_debt_after",
        "warn_quota_percent",
    ];
    let fields: String = fields.iter().map(|field| format!(" field=policy.{field}")).collect();
    assert_eq!(told(set(&server, call).await), format!("INVALID_ARGUMENT INVALID_FIELD{fields}"));
}

#[tokio::test]
async fn versions_are_listed_in_pages() {
    let server = start_server().await;
    for (id, after) in [("a", 1), ("b", 2)] {
        let effective_at = at(server.noon.after(hours(after)));
        set(&server, SetPolicyRequest { effective_at, ..announcement(&server, id).await }).await.unwrap();
    }
    let mut token = String::new();
    let mut pages = Vec::new();
    loop {
        let request = ListPoliciesRequest { page_size: 2, page_token: token };
        let page = server.policies().list_policies(request).await.unwrap().into_inner();
        pages.push(page.policies.iter().map(|version| version.version).collect::<Vec<_>>());
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(pages, [vec![1, 2], vec![3]]);
}
