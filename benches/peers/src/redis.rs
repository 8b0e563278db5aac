//! Redis with a script: RESP written by hand, so that requests are made beforehand and pipelines are not bound by a client.

use std::{collections::VecDeque, time::Instant};

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    load::{Done, Lane, Peer, Shape, Supply},
    orders::{Answer, Merchant, Order, merchant_id},
};

const ONE: &str = include_str!("classify.lua");
const MANY: &str = include_str!("classify_many.lua");
/// Merchants in a pipeline.
const LOADED_AT_ONCE: usize = 1_000;

pub struct Redis {
    address: String,
    /// The digests of the scripts.
    one: String,
    many: String,
}

impl Redis {
    pub async fn open(address: String) -> Result<Self> {
        let mut connection = Connection::open(&address).await?;
        let mut load = async |script| connection.call(&["SCRIPT", "LOAD", script]).await;
        let (one, many) = (load(ONE).await?, load(MANY).await?);
        Ok(Self { address, one, many })
    }

    /// What is in the way of durability, if anything.
    pub async fn durability(&self) -> Result<String> {
        let mut connection = Connection::open(&self.address).await?;
        connection.call(&["CONFIG", "GET", "append*"]).await
    }

    pub async fn pending(&self, merchant: u32) -> Result<std::collections::BTreeMap<i64, u64>> {
        let mut connection = Connection::open(&self.address).await?;
        let found = connection.call(&["HGETALL", &format!("m:{}", merchant_id(merchant))]).await?;
        let mut pending = std::collections::BTreeMap::new();
        let words: Vec<&str> = found.split_whitespace().collect();
        for pair in words.chunks_exact(2) {
            if let Some(day) = pair[0].strip_prefix('p').and_then(|day| day.trim_end_matches(['q', 's']).parse().ok()) {
                *pending.entry(day).or_default() += pair[1].parse::<u64>()?;
            }
        }
        pending.retain(|_, cents| *cents > 0);
        Ok(pending)
    }
}

impl Peer for Redis {
    type Request = Vec<u8>;
    type Lane = Pipe;

    async fn load(&self, merchants: &[Merchant]) -> Result<()> {
        let mut connection = Connection::open(&self.address).await?;
        for merchants in merchants.chunks(LOADED_AT_ONCE) {
            let mut out = Vec::new();
            for Merchant { number, guarantee_dollars, profit_cents } in merchants {
                let (guarantee, profit) = ((guarantee_dollars * 100).to_string(), profit_cents.to_string());
                let key = format!("m:{}", merchant_id(*number));
                push(&mut out, &["HSET", &key, "guarantee", &guarantee, "profit", &profit]);
            }
            connection.stream.write_all(&out).await?;
            for _ in merchants {
                connection.reply().await?;
            }
        }
        Ok(())
    }

    fn request(&self, orders: &[Order]) -> Vec<u8> {
        let mut out = Vec::new();
        if let [order] = orders {
            let merchant = merchant_id(order.merchant);
            let (price, profit) = (order.price_cents.to_string(), order.profit_cents.to_string());
            let keys = [format!("m:{merchant}"), format!("o:{merchant}:{}", order.order_id())];
            let completed_at = order.completed_at.to_string();
            push(&mut out, &["EVALSHA", &self.one, "2", &keys[0], &keys[1], &price, &profit, &completed_at]);
            return out;
        }
        let mut words = vec!["EVALSHA".to_owned(), self.many.clone(), "0".to_owned()];
        for order in orders {
            words.push(merchant_id(order.merchant));
            words.push(order.order_id());
            words.push(order.price_cents.to_string());
            words.push(order.profit_cents.to_string());
            words.push(order.completed_at.to_string());
        }
        push(&mut out, &words.iter().map(String::as_str).collect::<Vec<_>>());
        out
    }

    async fn lane(&self, _number: usize, shape: Shape) -> Result<Pipe> {
        Ok(Pipe { connection: Connection::open(&self.address).await?, depth: shape.depth })
    }
}

fn push(out: &mut Vec<u8>, words: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

/// A connection with so many requests in flight.
pub struct Pipe {
    connection: Connection,
    depth: usize,
}

impl Lane<Vec<u8>> for Pipe {
    async fn run(&mut self, supply: &Supply<Vec<u8>>) -> Result<Done> {
        let Self { connection, depth } = self;
        let (mut done, mut sent, mut out, mut answers) = (Done::default(), VecDeque::new(), Vec::new(), Vec::new());
        loop {
            out.clear();
            while sent.len() < *depth {
                let Some(request) = supply.next() else { break };
                out.extend_from_slice(request);
                sent.push_back(Instant::now());
            }
            if sent.is_empty() {
                return Ok(done);
            }
            if !out.is_empty() {
                connection.stream.write_all(&out).await?;
            }
            // All that has come is taken before anything is sent.
            let mut reply = Some(connection.reply().await?);
            while let Some(text) = reply {
                answers.clear();
                for word in text.split(' ') {
                    answers.push(answer(word)?);
                }
                done.take(supply, sent.pop_front().context("a reply too many")?, &answers);
                reply = connection.buffered()?;
            }
        }
    }
}

fn answer(word: &str) -> Result<Answer> {
    if word == "x" {
        return Ok(Answer::CONFLICT);
    }
    let (cycle, rest) = word.split_at_checked(1).context("an empty answer")?;
    let day = rest.strip_prefix('r');
    Ok(Answer::of(cycle == "2", day.is_some(), day.unwrap_or(rest).parse()?))
}

struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("Redis")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(1 << 16) })
    }

    async fn call(&mut self, words: &[&str]) -> Result<String> {
        let mut out = Vec::new();
        push(&mut out, words);
        self.stream.write_all(&out).await?;
        self.reply().await
    }

    /// The next reply as text, the elements of an array separated by blanks.
    async fn reply(&mut self) -> Result<String> {
        loop {
            if let Some(reply) = self.buffered()? {
                return Ok(reply);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("Redis has hung up");
            }
        }
    }

    /// A reply that has come whole.
    fn buffered(&mut self) -> Result<Option<String>> {
        let Some((reply, length)) = parse(&self.buffer)? else { return Ok(None) };
        self.buffer.advance(length);
        Ok(Some(reply))
    }
}

/// A reply and its length.
fn parse(bytes: &[u8]) -> Result<Option<(String, usize)>> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let (line, body) = (std::str::from_utf8(&bytes[1..end])?, end + 2);
    match bytes[0] {
        b'+' | b':' => Ok(Some((line.to_owned(), body))),
        b'-' => bail!("Redis: {line}"),
        b'$' => {
            let length: usize = line.parse()?;
            let text = bytes.get(body..body + length + 2).map(|text| &text[..length]);
            text.map(|text| Ok((std::str::from_utf8(text)?.to_owned(), body + length + 2))).transpose()
        }
        b'*' => {
            let (mut at, mut words) = (body, Vec::new());
            for _ in 0..line.parse()? {
                let Some((word, length)) = parse(&bytes[at..])? else { return Ok(None) };
                words.push(word);
                at += length;
            }
            Ok(Some((words.join(" "), at)))
        }
        _ => bail!("Redis: a reply that is not understood"),
    }
}
