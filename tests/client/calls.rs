//! What the calls answer, and how they are refused.

use tempfile::TempDir;
use tonic::Code;
use tplus::{
    client::{About, Client, Deduction, Kind, Order, Watch},
    domain::{AppealOutcome, Beneficiary, Cycle, DeductionReason, DeductionSplit, Income, Money, Timestamp},
    proto::v1,
    reasons::reason,
};

use crate::served::Server;

const CLOCK: [&str; 4] = ["--clock", "manual", "--clock-start", "2026-01-01T09:00:00Z"];

struct World {
    client: Client,
    _server: Server,
    _root: TempDir,
}

async fn world() -> World {
    let root = TempDir::new().unwrap();
    let mut args = CLOCK.to_vec();
    args.extend(["--listen", "127.0.0.1:0"]);
    let (server, address) = Server::start(root.path(), &args, &[]);
    World { client: Client::builder(address).build().unwrap(), _server: server, _root: root }
}

fn money(text: &str) -> Money {
    Money::parse(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

async fn advance(client: &Client, to: &str) {
    let to = at(to).micros() / 1_000_000;
    let to = Some(prost_types::Timestamp { seconds: to, nanos: 0 });
    client.call(v1::AdvanceClockRequest { to }).await.unwrap();
}

#[tokio::test]
async fn a_merchant_from_its_guarantee_to_an_appeal() {
    let world = world().await;
    let merchant = world.client.merchant("m1");

    let raised = merchant.modify_guarantee(1_000, "raise").await.unwrap();
    assert_eq!((raised.guarantee, raised.gap), (money("1000"), money("1000")));
    assert_eq!(raised.done.at, at("2026-01-01T09:00:00Z"));
    assert_eq!(raised.done.receipt.quota, money("1000"));

    let order = Order::new("m1", "o1", money("999.99")).profit(money("400"));
    let answer = world.client.classify(&order).await.unwrap();
    assert_eq!((answer.cycle, answer.settles_at), (Cycle::Quick, at("2026-01-03T00:00:00Z")));
    assert_eq!(answer.receipt.remaining(), money("0.01"));
    assert!(world.client.classify(&order).await.unwrap().replayed);

    advance(&world.client, "2026-01-03T00:00:00Z").await;
    assert_eq!(
        merchant.pay(money("700"), "wire 1", "pay").await.unwrap().income,
        Income { to_gap: money("600"), to_available: money("100"), ..Income::default() }
    );
    let left = merchant.clone().validate_only().withdraw(money("30"), "", "out").await.unwrap().available;
    assert_eq!(left, money("70"), "and nothing has happened");
    assert_eq!(merchant.withdraw(money("40"), "", "out").await.unwrap().available, money("60"));

    let reversed = merchant.reverse("o1", money("333.33"), "one of three", "refund").await.unwrap();
    assert_eq!((reversed.profit, reversed.charge.unwrap().to_debt), (money("133.33"), money("73.33")));

    let deduction = Deduction {
        amount: money("100"),
        reason: DeductionReason::LateDelivery,
        beneficiary: Beneficiary::Buyer,
        about: About::Order("o1".into()),
        note: String::new(),
    };
    let deducted = merchant.deduct(deduction, "deduct").await.unwrap();
    assert_eq!(deducted.split, DeductionSplit { from_frozen: money("100"), ..DeductionSplit::default() });
    merchant.open_appeal("deduct", "it came in time", "appeal").await.unwrap();
    let half = Some(money("50"));
    let resolved = merchant.resolve_appeal("deduct", AppealOutcome::Overturned, half, "", "resolve").await.unwrap();
    assert_eq!((resolved.overturned, resolved.income.to_debt), (money("50"), money("50")));

    let margin = merchant.margin().await.unwrap();
    assert_eq!((margin.frozen, margin.gap, margin.debt), (money("900"), money("100"), money("23.33")));
    assert_eq!(margin.gap_since, Some(at("2026-01-03T00:00:00Z")));
    assert_eq!(margin.next_multiple.unwrap().above, money("1000"));
    assert_eq!(margin.quota.limit, money("1000"));

    let order = merchant.order("o1").await.unwrap();
    assert!(
        order.settled && order.reversed == money("333.33") && order.profit_reversed == money("133.33"),
        "{order:?}"
    );
}

#[tokio::test]
async fn a_refusal_says_why_in_types() {
    let world = world().await;
    let merchant = world.client.merchant("m1");
    merchant.pay(money("10.50"), "", "pay").await.unwrap();

    let refused = merchant.withdraw(money("11"), "", "out").await.unwrap_err();
    assert_eq!((refused.kind(), refused.code(), refused.tries()), (Kind::Refused, Code::FailedPrecondition, 1));
    assert!(refused.is(reason::INSUFFICIENT_AVAILABLE) && !refused.is_unclear() && !refused.is_retryable());
    assert_eq!(refused.money("available"), Some(money("10.50")));
    assert_eq!(refused.fields()[0].field, "amount");
    assert_eq!(refused.to_string(), "FAILED_PRECONDITION: only 10.50 is available (INSUFFICIENT_AVAILABLE)");

    let late = merchant.clone().not_after(at("2026-01-01T00:00:00Z"));
    assert!(late.withdraw(money("1"), "", "out").await.unwrap_err().is(reason::NOT_AFTER_PASSED));

    let bad = Order::new("no id", "", Money::from_cents(-1));
    let refused = world.client.classify(&bad).await.unwrap_err();
    let fields: Vec<_> = refused.fields().iter().map(|bad| bad.field.as_str()).collect();
    assert_eq!(fields, ["merchant_id", "order_id", "price"], "all of them together");
}

#[tokio::test]
async fn many_orders_in_one_call_spoil_each_other_nothing() {
    let world = world().await;
    world.client.merchant("m1").modify_guarantee(1_000, "raise").await.unwrap();
    // More than a call may have.
    let mut orders: Vec<_> = (0..8_200).map(|n| Order::new("m1", format!("o{n}"), money("0.10"))).collect();
    orders[8_193].price = Money::ZERO;
    orders[3].price = money("1000.01");
    let results = world.client.classify_many(&orders).await.unwrap();
    assert_eq!(results.len(), orders.len());
    let cycle = |at: usize| results[at].as_ref().unwrap().cycle;
    assert_eq!(
        [cycle(0), cycle(2), cycle(3), cycle(4), cycle(8_199)],
        [Cycle::Quick, Cycle::Quick, Cycle::Standard, Cycle::Standard, Cycle::Standard]
    );
    let refusal = results[8_193].as_ref().unwrap_err();
    assert!(refusal.is(reason::INVALID_FIELD) && refusal.fields == ["price"], "{refusal:?}");
    assert!(world.client.classify_many(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn chunks_are_answered_in_order() {
    let world = world().await;
    world.client.merchant("m1").modify_guarantee(10, "raise").await.unwrap();
    let chunk = |n: u32| (0..10).map(|m| Order::new("m1", format!("o{n}-{m}"), money("0.05"))).collect();
    let chunks: Vec<Vec<Order>> = (0..60).map(chunk).collect();
    let mut answers = world.client.classify_stream(tokio_stream::iter(chunks.clone()));
    let (mut told, mut quick) = (Vec::new(), 0);
    while let Some(answered) = answers.next().await.unwrap() {
        quick += answered.results.iter().flatten().filter(|answer| answer.cycle == Cycle::Quick).count();
        told.push(answered.orders);
    }
    assert_eq!((told, quick), (chunks, 200), "10 dollars are 200 times 5 cents");
    assert!(answers.next().await.unwrap().is_none(), "and that was all");

    let mut bad = world.client.classify_stream(tokio_stream::iter([vec![]]));
    let refused = bad.next().await.unwrap_err();
    assert_eq!((refused.kind(), refused.is(reason::INVALID_FIELD)), (Kind::Refused, true), "{refused}");
}

#[tokio::test]
async fn events_are_told_from_where_one_was() {
    let world = world().await;
    let merchant = world.client.merchant("m1");
    merchant.modify_guarantee(10, "raise").await.unwrap();
    merchant.pay(money("1"), "", "pay").await.unwrap();
    let kinds = vec![v1::EntryKind::MarginPaid];
    let mut events = world.client.watch(Watch { kinds: kinds.clone(), ..Watch::default() });
    let paid = next_entry(&mut events).await;
    assert_eq!(paid.request_id, "pay");
    merchant.pay(money("2"), "", "pay-2").await.unwrap();
    let mut later = world.client.watch(Watch { kinds, after_position: Some(paid.position), ..Watch::default() });
    assert_eq!(next_entry(&mut later).await.request_id, "pay-2");
    assert_eq!(next_entry(&mut events).await.request_id, "pay-2");
}

async fn next_entry(events: &mut tplus::client::Events) -> v1::MarginEntry {
    loop {
        if let Some(v1::watch_events_response::Event::Entry(entry)) = events.next().await.unwrap().event {
            return entry;
        }
    }
}
