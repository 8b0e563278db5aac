//! What callers have of their limits, as metrics tell it.

use std::{fs, path::Path, time::Duration};

use serde_json::json;
use tokio::time::sleep;
use tonic::{Code, Request, metadata::MetadataValue, transport::Channel};
use tplus::proto::v1::{
    ClassifyOrdersRequest, CompletedOrder, WatchEventsRequest, event_service_client::EventServiceClient,
    order_service_client::OrderServiceClient,
};

use super::{
    is,
    issuer::{AUDIENCE, Key, NAME, published},
    order,
    tokens::classify,
    watched::Watched,
    write,
};

/// Rules about callers, each with its limits, who all may do everything.
fn rules(keys: &Path, callers: &[(&str, &str)]) -> String {
    let keys = keys.to_str().unwrap();
    let tokens =
        format!("[tokens]\nissuer = {NAME:?}\naudience = {AUDIENCE:?}\nalgorithms = [\"ES256\"]\nkeys = {keys:?}\n");
    let caller = |(subject, limits): &(&str, &str)| {
        format!("\n[[callers]]\nsubject = '{subject}'\nroles = [\"admin\"]\n{limits}\n")
    };
    tokens + &callers.iter().map(caller).collect::<String>()
}

/// A server that believes the key, and where it is to be reached.
struct Shop {
    root: tempfile::TempDir,
    key: Key,
    server: Watched,
}

impl Shop {
    fn open(callers: &[(&str, &str)]) -> Self {
        let (root, key) = (tempfile::tempdir().unwrap(), Key::p256("a"));
        write(root.path(), "keys.json", &published(&[&key]));
        write(root.path(), "access.toml", &rules(&root.path().join("keys.json"), callers));
        let access = root.path().join("access.toml").to_str().unwrap().to_owned();
        let server = Watched::start(root.path(), &["--access", &access]);
        Self { root, key, server }
    }

    fn replace_rules(&self, callers: &[(&str, &str)]) {
        write(self.root.path(), "access.toml", &rules(&self.root.path().join("keys.json"), callers));
    }

    async fn channel(&self) -> Channel {
        Channel::from_shared(self.server.grpc.clone()).unwrap().connect().await.unwrap()
    }

    fn token(&self, subject: &str) -> String {
        self.key.token(subject, &json!({}))
    }

    /// A request in somebody's name.
    fn of<M>(&self, subject: &str, message: M) -> Request<M> {
        let mut request = Request::new(message);
        let bearer: MetadataValue<_> = format!("Bearer {}", self.token(subject)).parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
        request
    }

    /// The values of these series, without `tplus_caller_` before and `caller="sub:` within them; none where there is no such series.
    fn told(&self, series: &[&str]) -> Vec<Option<u64>> {
        let text = self.server.scrape();
        let value = |series: &&str| {
            let (name, labels) = series.split_once('{').unwrap();
            let series = format!("tplus_caller_{name}{{caller=\"sub:{labels} ");
            text.lines().find_map(|line| line.strip_prefix(&series)).map(|value| value.parse().unwrap())
        };
        series.iter().map(value).collect()
    }

    async fn until(&self, series: &str, value: Option<u64>) {
        for _ in 0..600 {
            if self.told(&[series]) == [value] {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("{series} does not become {value:?}: {}", self.server.scrape());
    }
}

fn chunk(orders: usize) -> ClassifyOrdersRequest {
    let order = |id| CompletedOrder {
        merchant_id: "m-1".into(),
        order_id: format!("chunk-{orders}-{id}"),
        price: "1.00".into(),
        ..CompletedOrder::default()
    };
    ClassifyOrdersRequest { orders: (0..orders).map(order).collect(), ..ClassifyOrdersRequest::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_let_in_and_kept_out_is_counted_by_caller() {
    let shop = Shop::open(&[("quick", "rate = 1\nburst = 10"), ("busy", "concurrent = 1"), ("a \"free\" one", "")]);
    let limits = ["rate_limit{quick\"}", "under_way_limit{quick\"}", "rate_limit{busy\"}", "under_way_limit{busy\"}"];
    assert_eq!(shop.told(&limits), [Some(1), None, None, Some(1)]);
    // Everybody begins at nothing, so that a rate has something to begin from.
    let zeros = ["taken_total{quick\"}", "refused_total{quick\",limit=\"rate\"}", "under_way{a \\\"free\\\" one\"}"];
    assert_eq!(shop.told(&zeros), [Some(0); 3]);
    let mut orders = OrderServiceClient::new(shop.channel().await);
    orders.classify_orders(shop.of("quick", chunk(4))).await.unwrap();
    // The call itself is let in, and what it brings more is not.
    let refused = orders.classify_orders(shop.of("quick", chunk(40))).await;
    is(refused, Code::ResourceExhausted, "RATE_EXCEEDED");
    let counts = ["taken_total{quick\"}", "refused_total{quick\",limit=\"rate\"}", "taken_total{a \\\"free\\\" one\"}"];
    assert_eq!(shop.told(&counts), [Some(5), Some(39), Some(0)]);
    shop.until("under_way{quick\"}", Some(0)).await;

    let mut events = EventServiceClient::new(shop.channel().await);
    let watch = shop.of("busy", WatchEventsRequest::default());
    let mut watched = events.watch_events(watch).await.unwrap().into_inner();
    watched.message().await.unwrap().unwrap();
    assert_eq!(shop.told(&["under_way{busy\"}", "under_way{quick\"}"]), [Some(1), Some(0)]);
    let refused = classify(shop.channel().await, &shop.token("busy"), order("m-1", "o-1")).await;
    is(refused, Code::ResourceExhausted, "CONCURRENCY_EXCEEDED");
    let counts = ["taken_total{busy\"}", "refused_total{busy\",limit=\"concurrency\"}", "under_way{busy\"}"];
    assert_eq!(shop.told(&counts), [Some(1), Some(1), Some(1)]);
    drop((watched, events));
    shop.until("under_way{busy\"}", Some(0)).await;
    classify(shop.channel().await, &shop.token("busy"), order("m-1", "o-1")).await.unwrap();
    assert_eq!(shop.told(&["taken_total{busy\"}"]), [Some(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_the_rules_leaves_the_metrics_and_who_stays_keeps_its_counts() {
    let shop = Shop::open(&[("one", "concurrent = 5"), ("other", "")]);
    let channel = shop.channel().await;
    for (id, subject) in ["one", "one", "other"].iter().enumerate() {
        classify(channel.clone(), &shop.token(subject), order("m-1", &id.to_string())).await.unwrap();
    }
    // Nobody makes a series by asking.
    let stranger = classify(channel.clone(), &shop.token("stranger"), order("m-1", "o-1")).await;
    is(stranger, Code::PermissionDenied, "CALLER_UNKNOWN");
    assert_eq!(shop.told(&["taken_total{one\"}", "taken_total{other\"}"]), [Some(2), Some(1)]);
    assert!(!shop.server.scrape().contains("stranger"));
    let mut events = EventServiceClient::new(channel.clone());
    let watch = shop.of("one", WatchEventsRequest::default());
    let mut watched = events.watch_events(watch).await.unwrap().into_inner();
    watched.message().await.unwrap().unwrap();

    shop.replace_rules(&[("one", "concurrent = 7"), ("new", "")]);
    shop.until("under_way_limit{one\"}", Some(7)).await;
    let told = ["taken_total{one\"}", "under_way{one\"}", "taken_total{other\"}", "taken_total{new\"}"];
    assert_eq!(shop.told(&told), [Some(3), Some(1), None, Some(0)]);
    assert!(!shop.server.scrape().contains("sub:other"));
    // It began under other limits, so it ends; and what ends is not under way any more.
    while watched.message().await.is_ok_and(|event| event.is_some()) {}
    shop.until("under_way{one\"}", Some(0)).await;
    assert!(!fs::read_to_string(shop.root.path().join("stderr")).unwrap().contains("ERROR"));
}
