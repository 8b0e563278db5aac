//! What is shown as of now, and what is to come.

use tonic::{Response, Status};
use tplus::{
    domain::{Money, Policy, QuotaBasis},
    grpc::convert,
    proto::v1::*,
};

use crate::{
    calls::{Call as _, told},
    commands::{appeal, categories, close, deduct, hold, lift, pay, with_available, withdraw},
    support::{
        QUICK, STANDARD, Setup, TestServer, guarantee, hours, import, instant, order, start_server, start_server_with,
    },
};

async fn forecast(server: &TestServer, merchant: &str) -> Result<GetCashForecastResponse, Status> {
    let request = GetCashForecastRequest { merchant_id: merchant.into() };
    server.margins().get_cash_forecast(request).await.map(Response::into_inner)
}

async fn quote(server: &TestServer, prices: &[&str]) -> Result<QuoteGuaranteeResponse, Status> {
    let prices = prices.iter().map(|price| (*price).to_owned()).collect();
    let request = QuoteGuaranteeRequest { merchant_id: "m".into(), prices };
    server.guarantees().quote_guarantee(request).await.map(Response::into_inner)
}

#[tokio::test]
async fn the_margin_shows_everything() {
    let server = start_server().await;
    with_available(&server, "1000").await;
    server.modify(guarantee("m", "g1", 500)).await.unwrap();
    categories("c", &["toys"]).send(&server).await.unwrap();
    withdraw("w", "100").send(&server).await.unwrap();
    pay("p", "30").send(&server).await.unwrap();
    deduct("d", "950").send(&server).await.unwrap();
    hold("h").send(&server).await.unwrap();
    let margin = server.margin("m").await.unwrap();
    assert_eq!((&*margin.debt, instant(margin.debt_since)), ("20.00", server.noon));
    assert_eq!((&*margin.gap, instant(margin.gap_since)), ("500.00", server.noon));
    assert_eq!((&*margin.required_guarantee, &*margin.shortfall), ("0.00", "0.00"));
    assert_eq!((margin.clean_record, margin.state(), margin.entries), (None, MerchantState::Open, 7));
    let standing = StandingHold { hold_id: "h".into(), placed_at: Some(convert::timestamp(server.noon)) };
    assert_eq!((margin.categories, margin.holds), (vec!["toys".to_owned()], vec![standing]));
    let expected = Lifetime {
        settled: "0.00".into(),
        imported: "1000.00".into(),
        paid_in: "30.00".into(),
        credited: "0.00".into(),
        withdrawals_failed: "0.00".into(),
        overturned: "0.00".into(),
        withdrawn: "100.00".into(),
        deducted: "950.00".into(),
        reversed: "0.00".into(),
        payments_returned: "0.00".into(),
        debited: "0.00".into(),
    };
    assert_eq!(margin.lifetime.unwrap(), expected);
}

#[tokio::test]
async fn a_merchant_is_shown() {
    let server = start_server().await;
    with_available(&server, "100").await;
    categories("c", &["toys", "food"]).send(&server).await.unwrap();
    deduct("d", "1").send(&server).await.unwrap();
    appeal("a", "d").send(&server).await.unwrap();
    hold("h").send(&server).await.unwrap();
    close("x").send(&server).await.unwrap();
    let shown = |merchant: &str| GetMerchantRequest { merchant_id: merchant.into() };
    let merchant = server.merchants().get_merchant(shown("m")).await.unwrap().into_inner().merchant.unwrap();
    let expected = Merchant {
        merchant_id: "m".into(),
        state: MerchantState::Closing.into(),
        guarantee: "0.00".into(),
        categories: vec!["food".into(), "toys".into()],
        required_guarantee: "0.00".into(),
        shortfall: "0.00".into(),
        holds: 1,
        open_appeals: 1,
        historical_profit: "0.00".into(),
        multiple: 1,
        entries: 6,
    };
    assert_eq!(merchant, expected);
    let nobody = server.merchants().get_merchant(shown("nobody")).await;
    assert_eq!(told(nobody), "NOT_FOUND MERCHANT_NOT_FOUND tplus.v1.Merchant=nobody");
}

#[tokio::test]
async fn shoppers_see_guarantees_and_nothing_else() {
    let server = start_server().await;
    server.modify(guarantee("b", "g", 70)).await.unwrap();
    server.import(import("a", "i", "1", "2")).await.unwrap();
    let ask = |ids: &[&str]| BatchGetGuaranteesRequest { merchant_ids: ids.iter().map(|id| (*id).into()).collect() };
    let answer = server.guarantees().batch_get_guarantees(ask(&["b", "x", "a", "y"])).await.unwrap().into_inner();
    let of = |merchant: &str, guarantee: &str| MerchantGuarantee {
        merchant_id: merchant.into(),
        guarantee: guarantee.into(),
    };
    assert_eq!(answer.guarantees, [of("b", "70.00"), of("a", "0.00")]);
    assert_eq!(answer.unknown_merchant_ids, ["x", "y"]);

    let bad = |fields: &str| format!("INVALID_ARGUMENT INVALID_FIELD {fields}");
    assert_eq!(told(server.guarantees().batch_get_guarantees(ask(&[])).await), bad("field=merchant_ids"));
    let wrong = server.guarantees().batch_get_guarantees(ask(&["a", "", "b c"])).await;
    assert_eq!(told(wrong), bad("field=merchant_ids[1] field=merchant_ids[2]"));
    assert!(server.guarantees().batch_get_guarantees(ask(&["a"; 1_000])).await.is_ok());
    assert_eq!(told(server.guarantees().batch_get_guarantees(ask(&["a"; 1_001])).await), bad("field=merchant_ids"));
}

#[tokio::test]
async fn a_forecast_tells_what_comes_and_where_it_goes() {
    let server = start_server().await;
    with_available(&server, "300").await;
    server.modify(guarantee("m", "g1", 300)).await.unwrap();
    server.modify(guarantee("m", "g2", 100)).await.unwrap();
    server.classify(order("m", "a", "60")).await.unwrap();
    server.classify(order("m", "b", "500")).await.unwrap();
    deduct("d", "250").send(&server).await.unwrap();
    // Of the release nothing is left; frozen 50, gap 50.
    server.modify(guarantee("m", "g3", 20)).await.unwrap();
    let midnight = server.noon.before(hours(12));
    let told_of = forecast(&server, "m").await.unwrap();
    assert_eq!((instant(told_of.as_of), &*told_of.available, &*told_of.held), (server.noon, "0.00", "0.00"));
    let items: Vec<_> =
        told_of.items.iter().map(|item| (instant(item.due_at), item.kind(), &*item.amount, &*item.available)).collect();
    let (profit, release) = (EntryKind::ProfitSettled, EntryKind::ReleaseCompleted);
    assert_eq!(
        items,
        [
            (midnight.after(hours(48)), profit, "60.00", "60.00"),
            (midnight.after(hours(7 * 24)), profit, "500.00", "560.00"),
            (server.noon.after(hours(7 * 24)), release, "30.00", "590.00"),
        ]
    );
    assert_eq!(told_of.items[0].income.as_ref().unwrap().to_available, "60.00");

    // It comes as it was told.
    for item in &told_of.items {
        server.advance_to(instant(item.due_at)).await.unwrap();
        assert_eq!(server.margin("m").await.unwrap().available, item.available);
    }
    assert!(forecast(&server, "m").await.unwrap().items.is_empty());
    let said = "NOT_FOUND MERCHANT_NOT_FOUND tplus.v1.Merchant=nobody";
    assert_eq!(told(forecast(&server, "nobody").await), said);
}

#[tokio::test]
async fn a_forecast_cannot_tell_when_a_hold_is_lifted() {
    let server = start_server().await;
    with_available(&server, "100").await;
    server.modify(guarantee("m", "g1", 80)).await.unwrap();
    server.modify(guarantee("m", "g2", 30)).await.unwrap();
    hold("h").send(&server).await.unwrap();
    let held = forecast(&server, "m").await.unwrap();
    assert_eq!((held.items, &*held.held), (vec![], "50.00"));
    lift("l", "h").send(&server).await.unwrap();
    assert_eq!(forecast(&server, "m").await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_quote_is_what_makes_orders_quick() {
    let server = start_server().await;
    server.import(import("m", "i", "1000.01", "40")).await.unwrap();
    server.modify(guarantee("m", "g1", 10)).await.unwrap();
    server.classify(order("m", "a", "20")).await.unwrap();
    let answer = quote(&server, &["100", "60.01"]).await.unwrap();
    // 180.01 at 3 times the guarantee: more than 60.
    assert_eq!((answer.guarantee, &*answer.raise, &*answer.covered), (Some(61), "51.00", "30.00"));
    assert_eq!((answer.multiple, &*answer.quota, &*answer.day_total), (3, "183.00", "20.00"));
    assert_eq!((&*answer.orders_total, answer.policy_version, &*answer.obstacle), ("160.01", 1, ""));
    assert_eq!(instant(answer.resets_at), server.noon.after(hours(12)));
    server.modify(guarantee("m", "g2", 61)).await.unwrap();
    for (id, price) in [("b", "100"), ("c", "60.01")] {
        assert_eq!(server.classify(order("m", id, price)).await.unwrap().cycle(), QUICK);
    }
    assert_eq!(server.classify(order("m", "d", "3")).await.unwrap().cycle(), STANDARD);
}

#[tokio::test]
async fn a_quote_says_what_is_in_the_way() {
    let policy = Policy { max_guarantee: Some(Money::from_dollars(50)), ..Policy::default() };
    let server = start_server_with(Setup { policy, ..Setup::default() }).await;
    with_available(&server, "10").await;
    assert_eq!(&*quote(&server, &["50"]).await.unwrap().obstacle, "");
    let above = quote(&server, &["50.01"]).await.unwrap();
    assert_eq!((above.guarantee, &*above.obstacle), (Some(51), "it is above the maximum of 50.00"));
    close("c").send(&server).await.unwrap();
    assert_eq!(&*quote(&server, &["50"]).await.unwrap().obstacle, "the merchant is closing or closed");

    let policy = Policy { basis: QuotaBasis::Frozen, ..Policy::default() };
    let server = start_server_with(Setup { policy, ..Setup::default() }).await;
    with_available(&server, "10.50").await;
    let just = quote(&server, &["10.50"]).await.unwrap();
    assert_eq!((just.guarantee, &*just.quota, &*just.obstacle), (Some(11), "10.50", ""));
    let none = quote(&server, &["10.51"]).await.unwrap();
    assert_eq!((none.guarantee, &*none.raise, &*none.quota), (None, "0.00", "0.00"));
    assert_eq!(none.obstacle, "the quota rests on what is frozen: 10.51 would have to be, and at most 10.50 can be");
    let beyond = quote(&server, &["999999999999.99", "0.02"]).await.unwrap();
    assert_eq!((beyond.guarantee, &*beyond.obstacle), (None, "a guarantee is at most 999999999999 dollars"));

    let bad = |fields: &str| format!("INVALID_ARGUMENT INVALID_FIELD {fields}");
    assert_eq!(told(quote(&server, &[]).await), bad("field=prices"));
    assert_eq!(told(quote(&server, &["1", "0", "x"]).await), bad("field=prices[1] field=prices[2]"));
    assert_eq!(told(quote(&server, &["1"; 1_001]).await), bad("field=prices"));
}

async fn ranked(server: &TestServer, by: MerchantMeasure, most: i32) -> Result<Vec<RankedMerchant>, Status> {
    let request = RankMerchantsRequest { by: by.into(), most };
    server.merchants().rank_merchants(request).await.map(|response| response.into_inner().merchants)
}

#[tokio::test]
async fn the_largest_merchants_come_first() {
    let server = start_server().await;
    for (merchant, prices) in [("a", ["10", "20"]), ("b", ["25", "5"]), ("c", ["40", "1"]), ("d", ["1", "1"])] {
        for (number, price) in prices.into_iter().enumerate() {
            server.classify(order(merchant, &format!("o{number}"), price)).await.unwrap();
        }
    }
    server.modify(guarantee("d", "g", 100)).await.unwrap();
    let names =
        |ranked: Vec<RankedMerchant>| ranked.into_iter().map(|one| one.merchant_id).collect::<Vec<_>>().concat();
    assert_eq!(names(ranked(&server, MerchantMeasure::Unspecified, 0).await.unwrap()), "cabd", "equals by id");
    assert_eq!(names(ranked(&server, MerchantMeasure::DayTotal, 2).await.unwrap()), "ca");
    let guaranteed = ranked(&server, MerchantMeasure::Guarantee, 0).await.unwrap();
    let expected = RankedMerchant {
        merchant_id: "d".into(),
        day_total: "2.00".into(),
        day_quick: "0.00".into(),
        pending: "2.00".into(),
        guarantee: "100.00".into(),
        gap: "100.00".into(),
        debt: "0.00".into(),
    };
    assert_eq!(guaranteed, [expected], "those without are left out");
    assert_eq!(names(ranked(&server, MerchantMeasure::Pending, 1).await.unwrap()), "c");
    assert_eq!(names(ranked(&server, MerchantMeasure::Debt, 0).await.unwrap()), "");
    // The next day begins with nothing.
    server.advance_to(server.noon.after(hours(24))).await.unwrap();
    assert_eq!(names(ranked(&server, MerchantMeasure::DayTotal, 0).await.unwrap()), "");
    for (most, by) in [(101, 0), (-1, 0), (0, 77)] {
        let refused = server.merchants().rank_merchants(RankMerchantsRequest { by, most }).await;
        let (_, reason, fields) = crate::support::refusal(refused);
        assert_eq!((&*reason, fields), ("INVALID_FIELD", vec![if by == 0 { "most" } else { "by" }.to_owned()]));
    }
}
