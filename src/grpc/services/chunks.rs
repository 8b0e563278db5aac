//! Many orders at once: a chunk in one call, or chunk after chunk in a stream.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming, codegen::tokio_stream::wrappers::ReceiverStream};

use crate::{
    domain::OrderClassified,
    engine::{Answer, Chunk, Engine, Room},
    grpc::{NotReady, convert},
    proto::v1::{OrderResult, StreamClassifyOrdersRequest, StreamClassifyOrdersResponse},
};

/// How many chunks of a stream may be decided and not yet sent.
const DEPTH: usize = 16;

/// The answers of a stream.
pub(super) type Answers = ReceiverStream<Result<StreamClassifyOrdersResponse, Status>>;
/// A place among the answers that wait to be sent, kept for one of them.
type Seat = mpsc::OwnedPermit<Result<StreamClassifyOrdersResponse, Status>>;

/// Orders that were decided, as soon as that is durable.
pub(super) struct Decided {
    chunk: Chunk<Answer<OrderClassified>>,
    /// For each order, why it made no sense to decide it.
    refused: Vec<Option<Status>>,
    with_receipts: bool,
}

impl Decided {
    /// Decides on the orders of a chunk that make sense.
    pub(super) async fn of(engine: &Engine, chunk: convert::OrderChunk, room: Room) -> Self {
        let mut requests = Vec::with_capacity(chunk.orders.len());
        let split = chunk.orders.into_iter().map(|order| order.map(|order| requests.push(order)).err());
        let refused = split.collect();
        Self { chunk: engine.submit_all(&requests, room).await, refused, with_receipts: chunk.with_receipts }
    }

    /// The answers, once they are durable.
    pub(super) async fn results(self, engine: &Engine) -> Result<Vec<OrderResult>, Status> {
        let decided = engine.durable(self.chunk).await.map_err(convert::failed)?;
        let mut decided = decided.into_iter().map(|result| result.map_err(convert::failed));
        let all = self.refused.into_iter().filter_map(|refused| refused.map(Err).or_else(|| decided.next()));
        Ok(all.map(|result| convert::order_result(result, self.with_receipts)).collect())
    }
}

/// What came of a chunk, and where the answer goes.
enum Step {
    Decided { seat: Seat, sequence: u64, decided: Decided },
    Ended { seat: Seat, why: Status },
}

/// Answers chunk after chunk. One task decides while another waits for the disk; the first takes no chunk for whose answer there is
/// no place, so that whoever does not read is not read from either, and keeps nobody else from the engine.
pub(super) fn answers(
    engine: Arc<Engine>,
    chunks: Streaming<StreamClassifyOrdersRequest>,
    draining: watch::Receiver<bool>,
) -> Answers {
    let (answers, told) = mpsc::channel(DEPTH);
    let (steps, decided) = mpsc::channel(DEPTH);
    tokio::spawn(decide(Arc::clone(&engine), chunks, draining, answers, steps));
    tokio::spawn(answer(engine, decided));
    ReceiverStream::new(told)
}

/// Takes chunks and decides on them, until there are no more, nobody listens, or the server drains.
async fn decide(
    engine: Arc<Engine>,
    mut chunks: Streaming<StreamClassifyOrdersRequest>,
    mut draining: watch::Receiver<bool>,
    answers: mpsc::Sender<Result<StreamClassifyOrdersResponse, Status>>,
    steps: mpsc::Sender<Step>,
) {
    while let Ok(seat) = answers.clone().reserve_owned().await {
        let next = tokio::select! {
            biased;
            _ = draining.wait_for(|draining| *draining) => Err(convert::not_ready(NotReady::Stopping)),
            next = chunks.message() => next,
        };
        let step = match next {
            Ok(None) => return,
            Ok(Some(request)) => match decide_one(&engine, &request).await {
                Ok(decided) => Step::Decided { seat, sequence: request.sequence, decided },
                Err(why) => Step::Ended { seat, why },
            },
            Err(why) => Step::Ended { seat, why },
        };
        let ended = matches!(step, Step::Ended { .. });
        if steps.send(step).await.is_err() || ended {
            return;
        }
    }
}

async fn decide_one(engine: &Engine, request: &StreamClassifyOrdersRequest) -> Result<Decided, Status> {
    let chunk = convert::stream_classify_orders(request)?;
    let room = engine.room_for(chunk.orders.len()).await.map_err(convert::failed)?;
    Ok(Decided::of(engine, chunk, room).await)
}

/// Hands over answers in the order of the chunks, each once it is durable.
async fn answer(engine: Arc<Engine>, mut steps: mpsc::Receiver<Step>) {
    while let Some(step) = steps.recv().await {
        match step {
            Step::Decided { seat, sequence, decided } => match decided.results(&engine).await {
                Ok(results) => drop(seat.send(Ok(StreamClassifyOrdersResponse { sequence, results }))),
                Err(why) => return drop(seat.send(Err(why))),
            },
            Step::Ended { seat, why } => return drop(seat.send(Err(why))),
        }
    }
}
