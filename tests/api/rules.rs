//! The rules, as a client sees them.

use tplus::{domain::Timestamp, grpc::convert, proto::v1::*};

use crate::support::{QUICK, STANDARD, TestServer, guarantee, hours, import, instant, order, start_server};

async fn cycle(server: &TestServer, request: ClassifyOrderRequest) -> SettlementCycle {
    server.classify(request).await.expect("the order is taken").cycle()
}

fn days_after_midnight(noon: Timestamp, days: u64) -> Timestamp {
    noon.before(hours(12)).after(hours(24 * days))
}

#[tokio::test]
async fn without_a_guarantee_an_order_settles_on_t_plus_7() {
    let server = start_server().await;
    let answer = server.classify(order("m", "o", "10.00")).await.unwrap();
    assert_eq!(answer.cycle(), STANDARD);
    assert_eq!(instant(answer.settles_at), days_after_midnight(server.noon, 7));
    assert_eq!(instant(answer.completed_at), server.noon);
    assert!(!answer.replayed);
}

#[tokio::test]
async fn the_quota_includes_its_own_amount() {
    let server = start_server().await;
    server.modify(guarantee("m", "r", 100)).await.unwrap();
    assert_eq!(cycle(&server, order("m", "a", "60")).await, QUICK);
    let answer = server.classify(order("m", "b", "40")).await.unwrap();
    assert_eq!(answer.cycle(), QUICK);
    assert_eq!(instant(answer.settles_at), days_after_midnight(server.noon, 2));
    let receipt = answer.receipt.unwrap();
    assert_eq!((receipt.policy_version, receipt.multiple), (1, 1));
    assert_eq!((&*receipt.quota, &*receipt.remaining), ("100.00", "0.00"));
    assert_eq!((&*receipt.day_total_before, &*receipt.day_total_after), ("60.00", "100.00"));
    assert_eq!(instant(receipt.resets_at), days_after_midnight(server.noon, 1));
    assert_eq!(cycle(&server, order("m", "c", "0.01")).await, STANDARD);
}

#[tokio::test]
async fn orders_on_t_plus_7_count_towards_the_day_too() {
    let server = start_server().await;
    server.modify(guarantee("m", "r", 100)).await.unwrap();
    assert_eq!(cycle(&server, order("m", "a", "150")).await, STANDARD);
    assert_eq!(cycle(&server, order("m", "b", "10")).await, STANDARD);
}

#[tokio::test]
async fn the_multiple_rises_strictly_above_its_tier() {
    let server = start_server().await;
    let at = server.import(import("at", "r1", "5000.00", "")).await.unwrap();
    let above = server.import(import("above", "r1", "5000.01", "")).await.unwrap();
    assert_eq!((at.multiple, above.multiple), (3, 5));
    let receipt = server.modify(guarantee("at", "r2", 1_000)).await.unwrap().receipt.unwrap();
    assert_eq!((&*receipt.quota, receipt.multiple), ("3000.00", 3));
    let receipt = server.modify(guarantee("above", "r2", 1_000)).await.unwrap().receipt.unwrap();
    assert_eq!((&*receipt.quota, receipt.multiple), ("5000.00", 5));
}

#[tokio::test]
async fn a_new_day_starts_from_nothing() {
    let server = start_server().await;
    server.modify(guarantee("m", "r", 100)).await.unwrap();
    assert_eq!(cycle(&server, order("m", "a", "100")).await, QUICK);
    assert_eq!(cycle(&server, order("m", "b", "100")).await, STANDARD);
    server.advance_to(days_after_midnight(server.noon, 1)).await.unwrap();
    assert_eq!(cycle(&server, order("m", "c", "100")).await, QUICK);
}

#[tokio::test]
async fn a_late_order_counts_for_the_day_it_was_completed_on() {
    let server = start_server().await;
    let completed_at = server.noon.before(hours(13));
    let request =
        ClassifyOrderRequest { completed_at: Some(convert::timestamp(completed_at)), ..order("m", "late", "10") };
    let answer = server.classify(request).await.unwrap();
    assert_eq!(instant(answer.completed_at), completed_at);
    assert_eq!(instant(answer.settles_at), days_after_midnight(server.noon, 6));
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_again() {
    let server = start_server().await;
    let first = server.classify(order("m", "o", "10.00")).await.unwrap();
    server.modify(guarantee("m", "r", 1_000)).await.unwrap();
    server.advance_to(server.noon.after(hours(30 * 24))).await.unwrap();
    // The same money written another way, a profit that says what its absence said, and a limit that has passed.
    let repeat = ClassifyOrderRequest {
        profit: "10.0".into(),
        not_after: Some(convert::timestamp(server.noon)),
        ..order("m", "o", "10")
    };
    let again = server.classify(repeat).await.unwrap();
    assert_eq!(again, ClassifyOrderResponse { replayed: true, ..first });
}

#[tokio::test]
async fn requests_are_repeated_like_orders() {
    let server = start_server().await;
    let import_request = import("m", "r1", "5.00", "300.00");
    let first = server.import(import_request.clone()).await.unwrap();
    let change = server.modify(guarantee("m", "r2", 100)).await.unwrap();
    server.modify(guarantee("m", "r3", 200)).await.unwrap();
    let again = server.import(import_request).await.unwrap();
    assert_eq!(again, ImportMerchantResponse { replayed: true, ..first });
    let again = server.modify(guarantee("m", "r2", 100)).await.unwrap();
    assert_eq!(again, ModifyGuaranteeResponse { replayed: true, ..change });
    assert_eq!(server.margin("m").await.unwrap().guarantee, "200.00");
}

#[tokio::test]
async fn validate_only_answers_and_changes_nothing() {
    let server = start_server().await;
    let trial = ClassifyOrderRequest { validate_only: true, ..order("m", "o", "10.00") };
    assert_eq!(cycle(&server, trial).await, STANDARD);
    assert!(server.margin("m").await.is_err(), "the merchant was not opened");

    server.import(import("m", "r1", "", "300")).await.unwrap();
    let trial = ModifyGuaranteeRequest { validate_only: true, ..guarantee("m", "r2", 1_000) };
    let projected = server.modify(trial).await.unwrap();
    assert_eq!((&*projected.frozen, &*projected.gap), ("300.00", "700.00"));
    assert_eq!(server.margin("m").await.unwrap().guarantee, "0.00");

    // No id was used up: other content is no conflict.
    assert!(!server.classify(order("m", "o", "20.00")).await.unwrap().replayed);
    assert!(!server.modify(guarantee("m", "r2", 500)).await.unwrap().replayed);
}

#[tokio::test]
async fn the_margin_shows_an_order() {
    let server = start_server().await;
    server.modify(guarantee("m", "r", 100)).await.unwrap();
    let classified = server.classify(ClassifyOrderRequest { profit: "7.50".into(), ..order("m", "o", "60") }).await;
    let margin = server.margin("m").await.unwrap();
    assert_eq!((&*margin.merchant_id, instant(margin.as_of)), ("m", server.noon));
    assert_eq!((&*margin.guarantee, &*margin.frozen, &*margin.gap), ("100.00", "0.00", "100.00"));
    assert_eq!(instant(margin.gap_since), server.noon);
    assert_eq!(margin.pending_total, "7.50");
    let [pending] = &*margin.pending else { panic!("one settlement is pending: {margin:?}") };
    assert_eq!((pending.cycle(), pending.orders, &*pending.profit), (QUICK, 1, "7.50"));
    assert_eq!(pending.settles_at, classified.unwrap().settles_at);
    assert_eq!(instant(pending.completed_day), days_after_midnight(server.noon, 0));
    let quota = margin.quota.unwrap();
    assert_eq!((&*quota.limit, &*quota.limit_by_frozen), ("100.00", "0.00"));
    assert_eq!((&*quota.used_all, &*quota.used_quick, &*quota.remaining), ("60.00", "60.00", "40.00"));
    let next = margin.next_multiple.unwrap();
    assert_eq!((next.multiple, &*next.above, &*next.missing), (3, "1000.00", "1000.01"));
}

#[tokio::test]
async fn profit_settles_on_its_day_and_fills_the_gap_first() {
    let server = start_server().await;
    server.modify(guarantee("m", "r", 100)).await.unwrap();
    server.classify(order("m", "o", "100")).await.unwrap();
    let due = days_after_midnight(server.noon, 2);
    server.advance_to(due.before(std::time::Duration::from_micros(1))).await.unwrap();
    assert_eq!(server.margin("m").await.unwrap().pending_total, "100.00");
    server.advance_to(due).await.unwrap();
    let margin = server.margin("m").await.unwrap();
    assert_eq!((&*margin.pending_total, &*margin.frozen, &*margin.gap), ("0.00", "100.00", "0.00"));
    assert_eq!((&*margin.available, &*margin.historical_profit), ("0.00", "100.00"));
    assert_eq!(margin.gap_since, None);
}

#[tokio::test]
async fn a_lowered_guarantee_comes_back_after_exactly_7_days() {
    let server = start_server().await;
    server.import(import("m", "r1", "", "1000")).await.unwrap();
    let raised = server.modify(guarantee("m", "r2", 1_000)).await.unwrap();
    assert_eq!((&*raised.taken_from_available, &*raised.available), ("1000.00", "0.00"));
    let lowered = server.modify(guarantee("m", "r3", 400)).await.unwrap();
    assert_eq!((&*lowered.previous_guarantee, &*lowered.frozen), ("1000.00", "400.00"));
    let release = lowered.release.unwrap();
    let due = server.noon.after(hours(7 * 24));
    assert_eq!((&*release.amount, instant(release.due_at)), ("600.00", due));

    server.advance_to(due.before(std::time::Duration::from_micros(1))).await.unwrap();
    let margin = server.margin("m").await.unwrap();
    assert_eq!((&*margin.releasing_total, &*margin.available), ("600.00", "0.00"));
    assert_eq!(margin.releasing, [release]);
    server.advance_to(due).await.unwrap();
    let margin = server.margin("m").await.unwrap();
    assert_eq!((&*margin.releasing_total, &*margin.available), ("0.00", "600.00"));
}

#[tokio::test]
async fn a_raise_takes_back_what_is_due_latest() {
    let server = start_server().await;
    server.import(import("m", "r1", "", "1000")).await.unwrap();
    server.modify(guarantee("m", "r2", 1_000)).await.unwrap();
    server.modify(guarantee("m", "r3", 400)).await.unwrap();
    server.advance_to(server.noon.after(hours(2 * 24))).await.unwrap();
    server.modify(guarantee("m", "r4", 0)).await.unwrap();
    server.advance_to(server.noon.after(hours(3 * 24))).await.unwrap();
    let raised = server.modify(guarantee("m", "r5", 500)).await.unwrap();
    assert_eq!((&*raised.taken_from_releasing, &*raised.frozen, &*raised.gap), ("500.00", "500.00", "0.00"));
    let margin = server.margin("m").await.unwrap();
    let [left] = &*margin.releasing else { panic!("one release is left: {margin:?}") };
    assert_eq!((&*left.amount, instant(left.due_at)), ("500.00", server.noon.after(hours(7 * 24))));
}

#[tokio::test]
async fn a_day_that_passed_at_once_changes_no_answer() {
    let server = start_server().await;
    server.modify(guarantee("m", "r", 100)).await.unwrap();
    server.classify(order("m", "quick", "100")).await.unwrap();
    server.classify(order("m", "standard", "50")).await.unwrap();
    server.advance_to(server.noon.after(hours(30 * 24))).await.unwrap();
    let margin = server.margin("m").await.unwrap();
    assert_eq!((&*margin.frozen, &*margin.available, &*margin.historical_profit), ("100.00", "50.00", "150.00"));
    assert_eq!(margin.quota.unwrap().used_all, "0.00");
}

#[tokio::test]
async fn the_clock_is_told_and_moved() {
    let server = start_server().await;
    let clock = server.clock().get_clock(GetClockRequest {}).await.unwrap().into_inner();
    assert_eq!((clock.mode(), instant(clock.now)), (ClockMode::Manual, server.noon));
    assert_eq!(server.advance_to(server.noon).await.unwrap(), server.noon);
    let later = server.noon.after(hours(1));
    assert_eq!(server.advance_to(later).await.unwrap(), later);
    assert_eq!(server.now().await, later);
}
