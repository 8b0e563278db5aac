//! PostgreSQL with functions, over one connection for each lane, statements prepared.

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Context, Result};
use tokio_postgres::{Client, NoTls, Row, Statement, error::SqlState};

use crate::{
    load::{Done, Lane, Peer, Shape, Supply},
    orders::{Answer, Merchant, Order, merchant_id},
};

const SCHEMA: &str = include_str!("schema.sql");
const ONE: &str = "SELECT a_cycle, a_settles, replayed FROM classify($1, $2, $3, $4, $5)";

pub struct Postgres {
    address: String,
    /// The function that decides many orders.
    many: &'static str,
}

impl Postgres {
    /// With `each`, many orders are decided one after the other in one call, otherwise as sets.
    pub async fn open(address: String, each: bool) -> Result<Self> {
        let peer = Self { address, many: if each { "classify_each" } else { "classify_many" } };
        let client = peer.connect().await?;
        if client.query_opt("SELECT FROM pg_class WHERE relname = 'orders'", &[]).await?.is_none() {
            client.batch_execute(SCHEMA).await.context("the schema")?;
        }
        Ok(peer)
    }

    async fn connect(&self) -> Result<Client> {
        let (client, connection) = tokio_postgres::connect(&self.address, NoTls).await.context("PostgreSQL")?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("PostgreSQL: {error}");
            }
        });
        Ok(client)
    }

    /// The settings that durability rests on, and how often the log was made durable.
    pub async fn durability(&self) -> Result<String> {
        let query =
            "SELECT format('fsync %s, synchronous_commit %s, full_page_writes %s, wal_sync_method %s; wal_sync %s',
            current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'),
            current_setting('wal_sync_method'), (SELECT wal_sync FROM pg_stat_wal))";
        Ok(self.connect().await?.query_one(query, &[]).await?.get(0))
    }

    pub async fn pending(&self, merchant: u32) -> Result<BTreeMap<i64, u64>> {
        let client = self.connect().await?;
        let query = "SELECT settles, sum(amount)::bigint FROM (SELECT day + 2 AS settles, quick AS amount FROM days WHERE merchant = $1
            UNION ALL SELECT day + 7, standard FROM days WHERE merchant = $1) d WHERE amount > 0 GROUP BY settles";
        let rows = client.query(query, &[&merchant_id(merchant)]).await?;
        rows.iter().map(|row| Ok((i64::from(row.try_get::<_, i32>(0)?), row.try_get::<_, i64>(1)? as u64))).collect()
    }
}

/// The parameters of a call.
pub enum Call {
    One(String, String, i64, i64, i64),
    Many(Vec<String>, Vec<String>, Vec<i64>, Vec<i64>, Vec<i64>),
}

impl Peer for Postgres {
    type Request = Call;
    type Lane = Backend;

    async fn load(&self, merchants: &[Merchant]) -> Result<()> {
        let ids: Vec<String> = merchants.iter().map(|merchant| merchant_id(merchant.number)).collect();
        let cents = |of: fn(&Merchant) -> u64| merchants.iter().map(|merchant| of(merchant) as i64).collect::<Vec<_>>();
        let (guarantees, profits) =
            (cents(|merchant| merchant.guarantee_dollars * 100), cents(|merchant| merchant.profit_cents));
        let client = self.connect().await?;
        let insert = "INSERT INTO merchants SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])";
        client.execute(insert, &[&ids, &guarantees, &profits]).await?;
        client.batch_execute("VACUUM ANALYZE merchants").await?;
        Ok(client.batch_execute("CHECKPOINT").await?)
    }

    fn request(&self, orders: &[Order]) -> Call {
        let merchant = |order: &Order| merchant_id(order.merchant);
        let (price, profit) = (|order: &Order| order.price_cents as i64, |order: &Order| order.profit_cents as i64);
        if let [order] = orders {
            return Call::One(merchant(order), order.order_id(), price(order), profit(order), order.completed_at);
        }
        Call::Many(
            orders.iter().map(merchant).collect(),
            orders.iter().map(Order::order_id).collect(),
            orders.iter().map(price).collect(),
            orders.iter().map(profit).collect(),
            orders.iter().map(|order| order.completed_at).collect(),
        )
    }

    async fn lane(&self, _number: usize, _shape: Shape) -> Result<Backend> {
        let client = self.connect().await?;
        let one = client.prepare(ONE).await?;
        let many = format!("SELECT a_cycle, a_settles, replayed FROM {}($1, $2, $3, $4, $5)", self.many);
        let many = client.prepare(&many).await?;
        Ok(Backend { client, one, many })
    }
}

/// A connection with one call at a time.
pub struct Backend {
    client: Client,
    one: Statement,
    many: Statement,
}

impl Lane<Call> for Backend {
    async fn run(&mut self, supply: &Supply<Call>) -> Result<Done> {
        let mut done = Done::default();
        while let Some(call) = supply.next() {
            let sent = Instant::now();
            let rows = loop {
                match self.call(call).await {
                    // Somebody has just decided the same order: it is known now.
                    Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {}
                    rows => break rows?,
                }
            };
            let answers: Vec<Answer> = rows.iter().map(answer).collect::<Result<_>>()?;
            done.take(supply, sent, &answers);
        }
        Ok(done)
    }
}

impl Backend {
    async fn call(&self, call: &Call) -> Result<Vec<Row>, tokio_postgres::Error> {
        match call {
            Call::One(merchant, id, price, profit, at) => {
                self.client.query(&self.one, &[merchant, id, price, profit, at]).await
            }
            Call::Many(merchants, ids, prices, profits, at) => {
                self.client.query(&self.many, &[merchants, ids, prices, profits, at]).await
            }
        }
    }
}

fn answer(row: &Row) -> Result<Answer> {
    Ok(match row.try_get::<_, i16>(0)? {
        0 => Answer::CONFLICT,
        cycle => Answer::of(cycle == 2, row.try_get(2)?, row.try_get::<_, i32>(1)?.into()),
    })
}
