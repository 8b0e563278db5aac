//! tplus over gRPC. Messages are made and encoded beforehand; answers are decoded.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use bytes::{Buf, BufMut, Bytes};
use prost::Message as _;
use tokio::sync::mpsc;
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{http::uri::PathAndQuery, tokio_stream::wrappers::ReceiverStream},
    transport::{Channel, Endpoint},
};

use crate::{
    load::{Done, Lane, Peer, Shape, Supply},
    orders::{Answer, DAY, Merchant, Order, dollars, merchant_id},
};

/// What is generated from the public API.
#[allow(clippy::all)]
mod v1 {
    tonic::include_proto!("tplus.v1");
}

/// How many lanes share a connection, where calls are unary.
const CONNECTIONS: usize = 4;
/// Imports in flight.
const IMPORTS: usize = 256;

pub struct Tplus {
    channels: Vec<Channel>,
}

impl Tplus {
    pub async fn open(address: &str) -> Result<Self> {
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS {
            let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
            let endpoint = endpoint.initial_connection_window_size(8 << 20).initial_stream_window_size(8 << 20);
            channels.push(endpoint.connect().await.context("tplus")?);
        }
        Ok(Self { channels })
    }

    pub async fn pending(&self, merchant: u32) -> Result<BTreeMap<i64, u64>> {
        let mut client = v1::margin_service_client::MarginServiceClient::new(self.channels[0].clone());
        let request = v1::GetMarginRequest { merchant_id: merchant_id(merchant), as_of: None };
        let margin = match client.get_margin(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == Code::NotFound => return Ok(BTreeMap::new()),
            Err(status) => return Err(status.into()),
        };
        let mut pending = BTreeMap::new();
        for part in margin.pending {
            let cents = part.profit.replace('.', "").parse::<u64>()?;
            *pending.entry(day(part.settles_at.as_ref())?).or_default() += cents;
        }
        pending.retain(|_, cents| *cents > 0);
        Ok(pending)
    }
}

fn day(at: Option<&prost_types::Timestamp>) -> Result<i64> {
    Ok(at.context("no settlement date")?.seconds / (DAY / 1_000_000))
}

fn completed(order: &Order) -> v1::CompletedOrder {
    let at = order.completed_at;
    let nanos = (at % 1_000_000 * 1_000) as i32;
    v1::CompletedOrder {
        merchant_id: merchant_id(order.merchant),
        order_id: order.order_id(),
        price: dollars(order.price_cents),
        profit: dollars(order.profit_cents),
        completed_at: Some(prost_types::Timestamp { seconds: at / 1_000_000, nanos }),
    }
}

impl Peer for Tplus {
    type Request = Bytes;
    type Lane = Calls;

    async fn load(&self, merchants: &[Merchant]) -> Result<()> {
        let mut importing = tokio::task::JoinSet::new();
        for (number, merchant) in merchants.iter().enumerate() {
            let mut client =
                v1::merchant_service_client::MerchantServiceClient::new(self.channels[number % CONNECTIONS].clone());
            let request = v1::ImportMerchantRequest {
                merchant_id: merchant_id(merchant.number),
                request_id: "import".into(),
                historical_profit: dollars(merchant.profit_cents),
                guarantee: merchant.guarantee_dollars,
                frozen: dollars(merchant.guarantee_dollars * 100),
                ..Default::default()
            };
            importing.spawn(async move { client.import_merchant(request).await });
            if importing.len() == IMPORTS {
                importing.join_next().await.context("an import")???;
            }
        }
        while let Some(imported) = importing.join_next().await {
            imported??;
        }
        Ok(())
    }

    fn request(&self, orders: &[Order]) -> Bytes {
        if let [order] = orders {
            let v1::CompletedOrder { merchant_id, order_id, price, profit, completed_at } = completed(order);
            let request =
                v1::ClassifyOrderRequest { merchant_id, order_id, price, profit, completed_at, ..Default::default() };
            return request.encode_to_vec().into();
        }
        let orders = orders.iter().map(completed).collect();
        v1::StreamClassifyOrdersRequest { orders, ..Default::default() }.encode_to_vec().into()
    }

    async fn lane(&self, number: usize, shape: Shape) -> Result<Calls> {
        let depth = (shape.orders > 1).then_some(shape.depth);
        Ok(Calls { client: Grpc::new(self.channels[number % CONNECTIONS].clone()), depth })
    }
}

/// Unary calls one at a time, or a stream with so many chunks in flight.
pub struct Calls {
    client: Grpc<Channel>,
    depth: Option<usize>,
}

impl Lane<Bytes> for Calls {
    async fn run(&mut self, supply: &Supply<Bytes>) -> Result<Done> {
        match self.depth {
            None => self.unary(supply).await,
            Some(depth) => self.stream(supply, depth).await,
        }
    }
}

impl Calls {
    async fn unary(&mut self, supply: &Supply<Bytes>) -> Result<Done> {
        let path = PathAndQuery::from_static("/tplus.v1.OrderService/ClassifyOrder");
        let mut done = Done::default();
        while let Some(message) = supply.next() {
            let sent = Instant::now();
            self.client.ready().await?;
            let answer = match self.client.unary(Request::new(message.clone()), path.clone(), Raw).await {
                Ok(answer) => {
                    let answer = v1::ClassifyOrderResponse::decode(answer.into_inner())?;
                    answer_of(answer.cycle(), answer.replayed, answer.settles_at.as_ref())?
                }
                Err(status) if status.code() == Code::AlreadyExists => Answer::CONFLICT,
                Err(status) => return Err(status.into()),
            };
            done.take(supply, sent, &[answer]);
        }
        Ok(done)
    }

    async fn stream(&mut self, supply: &Supply<Bytes>, depth: usize) -> Result<Done> {
        let path = PathAndQuery::from_static("/tplus.v1.OrderService/StreamClassifyOrders");
        let (sender, chunks) = mpsc::channel(depth);
        let (mut done, mut sent) = (Done::default(), VecDeque::new());
        self.client.ready().await?;
        let streaming = self.client.streaming(Request::new(ReceiverStream::new(chunks)), path, Raw);
        let mut answers = streaming.await?.into_inner();
        loop {
            while sent.len() < depth {
                let Some(chunk) = supply.next() else { break };
                sent.push_back(Instant::now());
                sender.send(chunk.clone()).await?;
            }
            let Some(at) = sent.pop_front() else { return Ok(done) };
            let answer = answers.message().await?.context("the stream has ended")?;
            let results = v1::StreamClassifyOrdersResponse::decode(answer)?.results;
            done.take(supply, at, &results.iter().map(result).collect::<Result<Vec<_>>>()?);
        }
    }
}

fn result(result: &v1::OrderResult) -> Result<Answer> {
    match &result.refusal {
        None => answer_of(result.cycle(), result.replayed, result.settles_at.as_ref()),
        Some(refusal) if refusal.code == Code::AlreadyExists as i32 => Ok(Answer::CONFLICT),
        Some(refusal) => bail!("tplus: {}", refusal.message),
    }
}

fn answer_of(cycle: v1::SettlementCycle, replayed: bool, at: Option<&prost_types::Timestamp>) -> Result<Answer> {
    Ok(Answer::of(cycle == v1::SettlementCycle::Quick, replayed, day(at)?))
}

/// Messages as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
