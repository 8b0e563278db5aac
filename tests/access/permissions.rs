//! What a caller may do, and about whom.

use tonic::{Code, Request};
use tplus::proto::v1::{
    ClassifyOrdersRequest, CompletedOrder, GetMarginRequest, GetPolicyRequest, GetTrialBalanceRequest,
    ListMerchantsRequest, ModifyGuaranteeRequest, StreamClassifyOrdersRequest, WatchEventsRequest,
    event_service_client::EventServiceClient, guarantee_service_client::GuaranteeServiceClient,
    margin_service_client::MarginServiceClient, merchant_service_client::MerchantServiceClient,
    policy_service_client::PolicyServiceClient,
};

use super::{CHECKOUT, EUROPE, OPS, RULES, Shop, is, order, served::tplus};

const DENIED: Code = Code::PermissionDenied;

#[tokio::test(flavor = "multi_thread")]
async fn a_role_may_do_what_it_says_and_nothing_else() {
    let shop = Shop::open(RULES);
    let checkout = shop.channel(CHECKOUT).await;
    shop.orders(checkout.clone()).classify_order(order("m-1", "o-1")).await.unwrap();
    let margin = GetMarginRequest { merchant_id: "m-1".into(), ..GetMarginRequest::default() };
    MarginServiceClient::new(checkout.clone()).get_margin(margin).await.unwrap();
    // Whoever may not is told that before anything is said about the request, which has no merchant.
    let guarantee =
        GuaranteeServiceClient::new(checkout.clone()).modify_guarantee(ModifyGuaranteeRequest::default()).await;
    is(guarantee, DENIED, "PERMISSION_MISSING");
    is(PolicyServiceClient::new(checkout).get_policy(GetPolicyRequest::default()).await, DENIED, "PERMISSION_MISSING");
    let ops = shop.channel(OPS).await;
    PolicyServiceClient::new(ops).get_policy(GetPolicyRequest::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_named_may_do_nothing() {
    let shop = Shop::open(RULES);
    for name in ["spiffe://shop.example/other", "checkout.shop.example"] {
        let answer = shop.orders(shop.channel(name).await).classify_order(order("m-1", "o-1")).await;
        is(answer, DENIED, "CALLER_UNKNOWN");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn merchants_of_others_are_out_of_reach() {
    let shop = Shop::open(RULES);
    let europe = shop.channel(EUROPE).await;
    shop.orders(europe.clone()).classify_order(order("eu-1", "o-1")).await.unwrap();
    is(shop.orders(europe.clone()).classify_order(order("us-1", "o-1")).await, DENIED, "MERCHANT_OUT_OF_SCOPE");
    let margin = GetMarginRequest { merchant_id: "us-1".into(), ..GetMarginRequest::default() };
    is(MarginServiceClient::new(europe).get_margin(margin).await, DENIED, "MERCHANT_OUT_OF_SCOPE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_all_merchants_is_for_those_who_may_touch_all() {
    let rules = RULES.replace("roles = [\"checkout\", \"support\"]", "roles = [\"admin\"]");
    let shop = Shop::open(&rules);
    let (europe, ops) = (shop.channel(EUROPE).await, shop.channel(OPS).await);
    let merchants = |channel| MerchantServiceClient::new(channel);
    let list = ListMerchantsRequest::default;
    is(merchants(europe.clone()).list_merchants(list()).await, DENIED, "MERCHANT_OUT_OF_SCOPE");
    merchants(ops.clone()).list_merchants(list()).await.unwrap();
    let books = MarginServiceClient::new(europe.clone()).get_trial_balance(GetTrialBalanceRequest::default()).await;
    is(books, DENIED, "MERCHANT_OUT_OF_SCOPE");
    let watch = |ids: &[&str]| WatchEventsRequest {
        merchant_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        ..WatchEventsRequest::default()
    };
    let mut events = EventServiceClient::new(europe);
    for these in [&[][..], &["eu-1", "us-1"][..]] {
        is(events.watch_events(watch(these)).await.map(drop), DENIED, "MERCHANT_OUT_OF_SCOPE");
    }
    events.watch_events(watch(&["eu-1"])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_chunk_only_the_orders_of_others_are_refused() {
    let shop = Shop::open(RULES);
    let mut orders = shop.orders(shop.channel(EUROPE).await);
    let completed = |merchant: &str, price: &str, id: usize| CompletedOrder {
        merchant_id: merchant.into(),
        order_id: format!("o-{id}"),
        price: price.into(),
        ..CompletedOrder::default()
    };
    let given =
        [("us-1", "1.00"), ("eu-1", "1.00"), ("us-1", "1.00"), ("eu-1", "bad"), ("eu-2", "1.00"), ("us-9", "1.00")];
    let chunk: Vec<_> = given.iter().zip(0..).map(|((merchant, price), id)| completed(merchant, price, id)).collect();
    let expected = [Some(DENIED), None, Some(DENIED), Some(Code::InvalidArgument), None, Some(DENIED)];
    let codes = |results: Vec<tplus::proto::v1::OrderResult>| -> Vec<Option<Code>> {
        results.into_iter().map(|result| result.refusal.map(|refusal| Code::from(refusal.code))).collect()
    };
    let request = ClassifyOrdersRequest { orders: chunk.clone(), ..ClassifyOrdersRequest::default() };
    let answer = orders.classify_orders(request).await.unwrap().into_inner();
    assert_eq!(codes(answer.results), expected);
    let chunks =
        [1, 2].map(|sequence| StreamClassifyOrdersRequest { sequence, orders: chunk.clone(), ..Default::default() });
    let mut answers = orders
        .stream_classify_orders(Request::new(tonic::codegen::tokio_stream::iter(chunks)))
        .await
        .unwrap()
        .into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(codes(answer.results), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_in_the_audit_log_and_what_was_done_is_in_the_journal() {
    let mut shop = Shop::open(RULES);
    let mut orders = shop.orders(shop.channel(EUROPE).await);
    orders.classify_order(order("eu-1", "o-1")).await.unwrap();
    orders.classify_order(order("us-1", "o-2")).await.unwrap_err();
    shop.orders(shop.channel("spiffe://shop.example/other").await)
        .classify_order(order("m-1", "o-3"))
        .await
        .unwrap_err();
    shop.server.take().unwrap().stop();
    let (data, log) = (shop.root.path().join("data"), shop.root.path().join("refused.jsonl"));
    let audit = |more: &[&str]| {
        let given = ["audit", "--data-dir", data.to_str().unwrap(), "--log", log.to_str().unwrap(), "--output", "json"];
        let audit = tplus(&given).args(more).output().unwrap();
        assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
        let lines = String::from_utf8(audit.stdout).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    let all = audit(&[]);
    let told: Vec<_> = all
        .iter()
        .filter(|line| line["caller"] != "")
        .map(|line| {
            (line["caller"].as_str().unwrap(), line["done"].as_bool().unwrap(), line["merchant"].as_str().unwrap())
        })
        .collect();
    let other = "spiffe://shop.example/other";
    assert_eq!(told, [(EUROPE, true, "eu-1"), (EUROPE, false, "us-1"), (other, false, "")]);
    assert_eq!(audit(&["--caller", other]).len(), 1);
    assert_eq!(audit(&["--merchant", "eu-1"]).len(), 1);
    assert_eq!(audit(&["--refused"]).len(), 2);
}
