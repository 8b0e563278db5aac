//! Merchants that move here while running.

use std::time::Duration;

use tplus::{
    domain::{self, Limits, Money, Timestamp},
    grpc::convert,
    proto::v1::*,
};

use crate::{
    calls::{Call as _, behaves, told},
    support::{QUICK, STANDARD, Setup, TestServer, hours, import, instant, order, start_server, start_server_with},
};

fn at(instant: Timestamp) -> Option<prost_types::Timestamp> {
    Some(convert::timestamp(instant))
}

fn release(amount: &str, due_at: Timestamp) -> ImportedRelease {
    ImportedRelease { amount: amount.into(), due_at: at(due_at) }
}

fn pending(profit: &str, orders: u64, settles_at: Timestamp) -> ImportedPending {
    ImportedPending { settles_at: at(settles_at), cycle: STANDARD.into(), orders, profit: profit.into() }
}

fn listed(id: &str, price: &str, completed_at: Timestamp, settles_at: Timestamp) -> ImportedOrder {
    ImportedOrder {
        order_id: id.into(),
        price: price.into(),
        profit: String::new(),
        completed_at: at(completed_at),
        cycle: QUICK.into(),
        settles_at: at(settles_at),
    }
}

/// Everything that a merchant may bring along.
fn everything(server: &TestServer) -> ImportMerchantRequest {
    let (noon, midnight) = (server.noon, server.noon.before(hours(12)));
    ImportMerchantRequest {
        guarantee: 400,
        frozen: "400".into(),
        releasing: vec![release("30", noon.after(hours(1))), release("20", noon.after(hours(2)))],
        pending: vec![pending("7", 3, midnight.after(hours(72)))],
        orders: vec![
            listed("settled", "90", noon.before(hours(72)), midnight),
            listed("today", "60", noon.before(hours(1)), midnight.after(hours(48))),
        ],
        ..import("m", "i", "1000.01", "100")
    }
}

#[tokio::test]
async fn a_merchant_brings_everything_along() {
    let server = start_server().await;
    let call = everything(&server);
    let with = |change: fn(&mut ImportMerchantRequest)| {
        let mut other = call.clone();
        change(&mut other);
        other
    };
    let others = [
        ("historical_profit", with(|it| it.historical_profit = "1000.02".into())),
        ("available", with(|it| it.available = "101".into())),
        ("debt", with(|it| (it.debt, it.available) = ("1".into(), String::new()))),
        ("guarantee", with(|it| (it.guarantee, it.frozen) = (401, "401".into()))),
        (
            "frozen",
            with(|it| {
                (it.frozen, it.available) = ("399".into(), String::new());
                it.releasing.clear();
            }),
        ),
        ("releasing", with(|it| it.releasing.truncate(1))),
        ("pending", with(|it| it.pending[0].orders = 4)),
        ("orders", with(|it| it.orders[1].price = "61".into())),
    ];
    // What is named first is what differs first.
    let others = others.map(|(field, other)| match field {
        "debt" | "frozen" => ("available", other),
        _ => (field, other),
    });
    let answer = behaves(&server, call.clone(), &others).await;
    assert_eq!((&*answer.historical_profit, &*answer.available, answer.multiple), ("1000.01", "100.00", 3));
    assert_eq!((&*answer.guarantee, &*answer.frozen, &*answer.debt), ("400.00", "400.00", "0.00"));
    assert_eq!((&*answer.releasing, &*answer.pending, answer.orders), ("50.00", "67.00", 2));
    assert_eq!((instant(answer.imported_at), answer.policy_version), (server.noon, 1));
    assert_eq!(answer.receipt.unwrap().quota, "1200.00");

    let margin = server.margin("m").await.unwrap();
    assert_eq!((&*margin.releasing_total, &*margin.pending_total), ("50.00", "67.00"));
    assert_eq!(margin.releasing.iter().map(|release| release.number).collect::<Vec<_>>(), [1, 2]);
    let quota = margin.quota.unwrap();
    assert_eq!((&*quota.used_all, &*quota.used_quick), ("60.00", "60.00"));
    let lifetime = margin.lifetime.unwrap();
    assert_eq!((&*lifetime.imported, margin.entries), ("550.00", 3));

    // The orders are known as if they had been decided here.
    let known = server.classify(order("m", "today", "60")).await.unwrap();
    assert_eq!((known.replayed, known.cycle()), (true, QUICK));
    assert_eq!(instant(known.completed_at), server.noon.before(hours(1)));
    let reused = "ALREADY_EXISTS ID_REUSED field=price field:price";
    assert_eq!(told(server.classify(order("m", "settled", "91")).await), reused);
}

#[tokio::test]
async fn a_debt_comes_along() {
    let server = start_server().await;
    let call = ImportMerchantRequest { debt: "5".into(), guarantee: 10, ..import("m", "i", "", "") };
    let other = ImportMerchantRequest { debt: "6".into(), ..call.clone() };
    let bigger = ImportMerchantRequest { guarantee: 11, ..call.clone() };
    let frozen = ImportMerchantRequest { frozen: "1".into(), ..call.clone() };
    let others = [("debt", other), ("guarantee", bigger), ("frozen", frozen)];
    let answer = behaves(&server, call, &others).await;
    assert_eq!((&*answer.debt, &*answer.guarantee, &*answer.frozen), ("5.00", "10.00", "0.00"));
    let margin = server.margin("m").await.unwrap();
    assert_eq!((instant(margin.debt_since), instant(margin.gap_since)), (server.noon, server.noon));
}

#[tokio::test]
async fn what_is_due_already_comes_at_once() {
    let server = start_server().await;
    let call = ImportMerchantRequest {
        releasing: vec![release("30", server.noon)],
        pending: vec![pending("7", 1, server.noon)],
        ..import("m", "i", "", "")
    };
    assert_eq!(call.send(&server).await.unwrap().releasing, "30.00");
    let margin = server.margin("m").await.unwrap();
    assert_eq!((&*margin.available, &*margin.historical_profit), ("37.00", "7.00"));
    assert!(margin.releasing.is_empty() && margin.pending.is_empty());
}

#[tokio::test]
async fn what_is_wrong_is_named_by_its_place() {
    let server = start_server().await;
    let mut bad = everything(&server);
    bad.historical_profit = "x".into();
    bad.releasing[1] = ImportedRelease { amount: "0".into(), due_at: None };
    bad.pending[0] = ImportedPending { orders: 0, cycle: 0, ..bad.pending[0].clone() };
    bad.orders[0] =
        ImportedOrder { profit: "90.01".into(), settles_at: bad.orders[0].completed_at, ..bad.orders[0].clone() };
    bad.orders[1] = ImportedOrder { cycle: 9, ..ImportedOrder::default() };
    let fields = [
        "historical_profit",
        "releasing[1].due_at",
        "releasing[1].amount",
        "pending[0].cycle",
        "pending[0].orders",
        "orders[0].profit",
        "orders[1].order_id",
        "orders[1].price",
        "orders[1].completed_at",
        "orders[1].cycle",
        "orders[1].settles_at",
    ];
    let fields: String = fields.iter().map(|field| format!(" field={field}")).collect();
    assert_eq!(told(bad.send(&server).await), format!("INVALID_ARGUMENT INVALID_FIELD{fields}"));

    let base = everything(&server);
    let misfit = |said: &str, call: ImportMerchantRequest| (format!("INVALID_ARGUMENT INVALID_FIELD{said}"), call);
    let twice = vec![base.orders[0].clone(), base.orders[0].clone()];
    let many = vec![base.pending[0].clone(); 1_001];
    let misfits = [
        misfit(" field=frozen", ImportMerchantRequest { frozen: "400.01".into(), ..base.clone() }),
        misfit(" field=available field=releasing", ImportMerchantRequest { frozen: "399".into(), ..base.clone() }),
        misfit(" field=available", ImportMerchantRequest { debt: "1".into(), ..base.clone() }),
        misfit(" field=orders", ImportMerchantRequest { orders: twice, ..base.clone() }),
        misfit(" field=pending", ImportMerchantRequest { pending: many, ..base.clone() }),
        misfit(
            " field=guarantee field=available field=releasing",
            ImportMerchantRequest { guarantee: 1_000_000_000_000, ..base.clone() },
        ),
        misfit(" field=historical_profit", ImportMerchantRequest { historical_profit: "89.99".into(), ..base.clone() }),
    ];
    for (said, call) in misfits {
        assert_eq!(told(call.send(&server).await), said);
    }
    assert!(server.margin("m").await.is_err(), "nothing was imported");
}

#[tokio::test]
async fn what_the_rules_refuse() {
    let limits = Limits { open_releases: 1, imported_orders: 1, ..Limits::default() };
    let policy = domain::Policy { max_guarantee: Some(Money::from_dollars(399)), ..domain::Policy::default() };
    let server = start_server_with(Setup { limits, policy, ..Setup::default() }).await;
    let call = everything(&server);
    let said = "FAILED_PRECONDITION GUARANTEE_ABOVE_MAXIMUM field=guarantee maximum:399.00";
    assert_eq!(told(call.clone().send(&server).await), said);
    let call = ImportMerchantRequest { guarantee: 399, frozen: "399".into(), ..call };
    let said = "FAILED_PRECONDITION TOO_MANY_RELEASES subject=merchant_id limit:1";
    assert_eq!(told(call.clone().send(&server).await), said);
    let call = ImportMerchantRequest { releasing: Vec::new(), ..call };
    assert_eq!(told(call.clone().send(&server).await), "FAILED_PRECONDITION TOO_MANY_ORDERS field=orders limit:1");

    let (latest, tick) = (server.noon.after(Duration::from_secs(5)), Duration::from_micros(1));
    let ahead = listed("ahead", "1", latest.after(tick), latest.after(hours(48)));
    let call = ImportMerchantRequest { orders: vec![ahead], ..call };
    let figures = format!("completed_at:{} latest:{latest}", latest.after(tick));
    let said = format!("FAILED_PRECONDITION ORDER_AHEAD_OF_TIME field=orders[0].completed_at {figures}");
    assert_eq!(told(call.clone().send(&server).await), said);
    ImportMerchantRequest { orders: Vec::new(), ..call.clone() }.send(&server).await.unwrap();
    let said = "FAILED_PRECONDITION MERCHANT_OPEN subject=merchant_id";
    assert_eq!(told(call.named("again").send(&server).await), said);
}

#[tokio::test]
async fn the_largest_import_fits() {
    let server = start_server_with(Setup { segment_size: 16 << 20, ..Setup::default() }).await;
    let long = |number: usize| format!("{number:0>64}");
    let orders = (0..10_000).map(|number| {
        let completed_at = server.noon.before(Duration::from_micros(number as u64));
        ImportedOrder {
            profit: "999999999999.99".into(),
            ..listed(&long(number), "999999999999.99", completed_at, completed_at.after(hours(48)))
        }
    });
    let releasing = (0..1_000).map(|_| release("999999999999.99", server.noon.after(hours(1))));
    let pending = (0..1_000).map(|hour| pending("999999999999.99", 1_000_000_000, server.noon.after(hours(hour + 1))));
    let call = ImportMerchantRequest {
        orders: orders.collect(),
        releasing: releasing.collect(),
        pending: pending.collect(),
        ..import(&"m".repeat(64), &"r".repeat(64), "999999999999.99", "999999999999.99")
    };
    assert_eq!(call.clone().send(&server).await.unwrap().orders, 10_000);
    assert!(call.send(&server).await.unwrap().replayed);
    let known = server.classify(order(&"m".repeat(64), &long(9_999), "999999999999.99")).await.unwrap();
    assert!(known.replayed);
}

/// The calendar that is announced begins its days later, so that by it the instant lies in the day before.
#[tokio::test]
async fn a_calendar_that_is_only_announced_moves_no_day_of_completion() {
    let server = start_server().await;
    let midnight = server.noon.before(hours(12));
    let published = server.policies().get_policy(GetPolicyRequest::default()).await.unwrap().into_inner();
    let eight = prost_types::Duration { seconds: 8 * 3_600, nanos: 0 };
    let policy = Policy { day_start: Some(eight), ..published.policy.unwrap().policy.unwrap() };
    let announcement = SetPolicyRequest {
        request_id: "later".into(),
        policy: Some(policy),
        effective_at: at(midnight.after(hours(24))),
        reason: "a day begins when somebody is up".into(),
        ..SetPolicyRequest::default()
    };
    server.policies().set_policy(announcement).await.unwrap();
    let call = ImportMerchantRequest {
        pending: vec![pending("7", 3, midnight.after(hours(7 * 24)))],
        ..import("m", "i", "0", "0")
    };
    server.merchants().import_merchant(call).await.unwrap();
    let margin = server.margin("m").await.unwrap();
    assert_eq!(margin.pending[0].completed_day, at(midnight));
}
