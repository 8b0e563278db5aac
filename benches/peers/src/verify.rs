//! The same orders to all, in the same order: every answer and what is pending afterwards have to be the same.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::{
    load::{Lane, Peer, Shape, Supply},
    orders::{Answer, MERCHANTS, Model, Order, Orders, Said, merchants},
    postgres::Postgres,
    redis::Redis,
    tplus::Tplus,
};

/// How many orders go one by one; the others go in chunks.
const ONE_BY_ONE: usize = 1_000;
const CHUNK: usize = 1_000;
/// Differences that are shown.
const SHOWN: usize = 5;
const TIME: Duration = Duration::from_secs(120);

pub async fn verify(redis: Redis, postgres: [Postgres; 2], tplus: Tplus, count: usize) -> Result<()> {
    let orders = Orders::new(0xc0_ffee, true).take(count);
    let mut model = Model::new(&merchants());
    let expected: Vec<Answer> = orders.iter().map(|order| model.classify(order)).collect();
    tell(&expected);

    let [postgres, each] = postgres;
    let halves = orders.len() / 2;
    // What decides one after the other is shown the second half: the first is known already.
    let compared = [
        compare("Redis", &redis, &orders, &expected).await?,
        compare_in_two("PostgreSQL", (&postgres, &each), &orders, &expected, halves).await?,
        compare("tplus", &tplus, &orders, &expected).await?,
    ];
    let mut differ = 0;
    for merchant in 0..MERCHANTS {
        let expected = model.pending(merchant);
        // Every busy merchant, and some of the others.
        if expected.is_empty() || (expected.len() < 4 && merchant % 50 != 0) {
            continue;
        }
        let found = [redis.pending(merchant).await?, postgres.pending(merchant).await?, tplus.pending(merchant).await?];
        differ += found.iter().filter(|found| **found != expected).count();
    }
    println!("pending profit by settlement date: {differ} differences");
    if compared.iter().any(|same| !same) || differ > 0 {
        bail!("the systems do not agree");
    }
    println!("durability: Redis: {}", redis.durability().await?);
    println!("durability: PostgreSQL: {}", postgres.durability().await?);
    Ok(())
}

fn tell(expected: &[Answer]) {
    let count = |what: fn(&Said) -> bool| expected.iter().filter(|answer| what(&answer.said)).count();
    println!(
        "{} orders: {} T+2, {} T+7, {} of them repeats, and {} known with other content",
        expected.len(),
        count(|said| matches!(said, Said::Quick { .. })),
        count(|said| matches!(said, Said::Standard { .. })),
        count(|said| matches!(said, Said::Quick { replayed: true } | Said::Standard { replayed: true })),
        count(|said| matches!(said, Said::Conflict)),
    );
}

async fn compare<P: Peer>(name: &str, peer: &P, orders: &[Order], expected: &[Answer]) -> Result<bool> {
    peer.load(&merchants()).await?;
    let mut answers = ask(peer, &orders[..ONE_BY_ONE], 1).await?;
    answers.extend(ask(peer, &orders[ONE_BY_ONE..], CHUNK).await?);
    Ok(same(name, &answers, expected))
}

/// The same, where a part of the chunks goes another way.
async fn compare_in_two<P: Peer>(
    name: &str,
    (first, second): (&P, &P),
    orders: &[Order],
    expected: &[Answer],
    half: usize,
) -> Result<bool> {
    first.load(&merchants()).await?;
    let mut answers = ask(first, &orders[..ONE_BY_ONE], 1).await?;
    answers.extend(ask(first, &orders[ONE_BY_ONE..half], CHUNK).await?);
    answers.extend(ask(second, &orders[half..], CHUNK).await?);
    Ok(same(name, &answers, expected))
}

async fn ask<P: Peer>(peer: &P, orders: &[Order], chunk: usize) -> Result<Vec<Answer>> {
    let mut lane = peer.lane(0, Shape { orders: chunk, lanes: 1, depth: 1 }).await?;
    let requests = orders.chunks(chunk).map(|orders| peer.request(orders)).collect();
    Ok(lane.run(&Supply::new(requests, TIME, true)).await?.answers)
}

fn same(name: &str, answers: &[Answer], expected: &[Answer]) -> bool {
    let differ: Vec<usize> = (0..expected.len()).filter(|at| answers.get(*at) != expected.get(*at)).collect();
    println!("{name}: {} answers, {} differ from the rules", answers.len(), differ.len());
    for at in differ.iter().take(SHOWN) {
        println!("  order {at}: {:?} instead of {:?}", answers.get(*at), expected[*at]);
    }
    differ.is_empty() && answers.len() == expected.len()
}
