//! Raises a guarantee, classifies orders, reads the margin, and is refused something. How to run it: ../README.md
#![allow(clippy::panic, reason = "an example that goes wrong may stop at once")]

use std::{env, error::Error, fs};

use tplus::{
    client::{Client, Order, Tls},
    domain::{Cycle, Money},
    reasons::reason,
};

const MERCHANT: &str = "rust-shop";

/// A client that repeats what is worth repeating. `SERVER`, and for an encrypted connection `CA`, `CERT`, `KEY` and `TOKEN`.
fn connect() -> Result<Client, Box<dyn Error>> {
    let set = |name: &str| env::var(name).ok();
    let mut client = Client::builder(set("SERVER").unwrap_or_else(|| "http://127.0.0.1:50051".into()));
    if let Some(ca) = set("CA") {
        let mut tls = Tls::trusting(fs::read(ca)?);
        if let (Some(certificate), Some(key)) = (set("CERT"), set("KEY")) {
            tls = tls.identity(fs::read(certificate)?, fs::read(key)?);
        }
        client = client.tls(tls);
    }
    if let Some(token) = set("TOKEN") {
        client = client.token(move || token.clone());
    }
    Ok(client.build()?)
}

fn completed(order_id: impl Into<String>, cents: i128) -> Order {
    Order::new(MERCHANT, order_id, Money::from_cents(cents))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = connect()?;
    let merchant = client.merchant(MERCHANT);

    // The request id makes it safe to repeat: the same id always gets the first answer.
    let raised = merchant.modify_guarantee(100, "raise-1").await?;
    println!("guarantee {}, quota of a day {}", raised.guarantee, raised.done.receipt.quota);
    assert_eq!(raised.done.receipt.quota, Money::from_dollars(100));

    // One order.
    let order = completed("o-1", 6_000).profit(Money::parse("12.50")?);
    let answer = client.classify(&order).await?;
    println!("o-1 settles {}", answer.settles_at);
    assert_eq!(answer.cycle, Cycle::Quick);

    // Many orders in a call: each gets an answer or a refusal of its own.
    let chunk = [completed("o-2", 4_000), completed("o-3", 1), completed("o-4", 0)];
    let results = client.classify_many(&chunk).await?;
    let cycles: Vec<_> = results.iter().flatten().map(|answer| answer.cycle).collect();
    assert_eq!(cycles, [Cycle::Quick, Cycle::Standard]);
    for refusal in results.iter().filter_map(|result| result.as_ref().err()) {
        println!("o-4 is refused: {refusal}");
        assert!(refusal.is(reason::INVALID_FIELD));
    }

    // Chunk after chunk, without waiting for answers. The connection may break: each order is decided once.
    let chunks = (0..3).map(|chunk| (0..100).map(|n| completed(format!("s-{chunk}-{n}"), 50)).collect());
    let mut answers = client.classify_stream(tokio_stream::iter(chunks));
    let mut decided = 0;
    while let Some(answered) = answers.next().await? {
        decided += answered.results.iter().flatten().count();
    }
    println!("{decided} orders were decided in a stream");
    assert_eq!(decided, 300);

    let margin = merchant.margin().await?;
    println!("gap {}, {} of the quota is left", margin.gap, margin.quota.remaining);
    assert_eq!((margin.gap, margin.quota.remaining), (Money::from_dollars(100), Money::ZERO));

    // A refusal says why, for programs.
    match merchant.withdraw(Money::from_dollars(10), "", "out-1").await {
        Ok(_) => panic!("there is nothing to withdraw"),
        Err(error) => {
            println!("{error}");
            assert!(error.is(reason::INSUFFICIENT_AVAILABLE) && error.money("available") == Some(Money::ZERO));
        }
    }
    Ok(())
}
