//! Many orders at once: a chunk in one call, or chunk after chunk in a stream.

use std::sync::Arc;

use tokio::{
    sync::{mpsc, watch},
    task::yield_now,
};
use tonic::{Status, Streaming, codegen::tokio_stream::wrappers::ReceiverStream};

use crate::{
    engine::{Engine, EngineError, Manner, Order, Room},
    grpc::{
        NotReady, convert,
        wire::{Chunk, Results, StreamClassifyOrdersRequest, StreamClassifyOrdersResponse, Written},
    },
    proto::v1,
};

/// How many chunks of a stream may be decided and not yet sent.
const DEPTH: usize = 16;

/// The answers of a stream.
pub(super) type Answers = ReceiverStream<Result<StreamClassifyOrdersResponse, Status>>;
/// A place among the answers that wait to be sent, kept for one of them.
type Seat = mpsc::OwnedPermit<Result<StreamClassifyOrdersResponse, Status>>;

/// How many orders are decided before others have their turn on the thread: a millisecond's worth at most.
const SLICE: usize = 1_024;

/// Orders that were decided, and what came of each.
pub(super) struct Decided<M> {
    results: Results<M>,
    room: Room,
}

impl<M> Decided<M> {
    /// Decides on the orders of a chunk.
    ///
    /// # Errors
    /// When none of them can be looked at.
    pub(super) async fn of(
        engine: &Engine,
        chunk: Chunk,
        mut results: Results<M>,
        room: impl AsyncFnOnce(usize) -> Result<Room, EngineError>,
    ) -> Result<Self, Status> {
        let manner = convert::manner(&chunk)?;
        let mut room = room(chunk.count()).await.map_err(convert::failed)?;
        let (mut orders, mut done) = (chunk.orders.as_slice(), 0);
        let end = (chunk.orders.len(), None);
        for (place, wrong) in chunk.wrong.into_iter().map(|(place, why)| (place, Some(why))).chain([end]) {
            let (before, behind) = orders.split_at((place - done).min(orders.len()));
            classify(engine, before, &manner, &mut room, &mut results).await;
            wrong.into_iter().for_each(|why| results.tell(Err(why)));
            (orders, done) = (behind, place);
        }
        Ok(Self { results, room })
    }

    /// The answer, once it is durable.
    pub(super) async fn written(self, engine: &Engine) -> Result<Written<M>, Status> {
        engine.durable(self.room).await.map_err(convert::failed)?;
        Ok(self.results.written())
    }
}

/// Decides on orders, and lets others have their turn in between: so commands from elsewhere may come in between too.
async fn classify<M>(engine: &Engine, orders: &[Order], manner: &Manner, room: &mut Room, results: &mut Results<M>) {
    for (number, slice) in orders.chunks(SLICE).enumerate() {
        if number > 0 {
            yield_now().await;
        }
        engine.classify(slice, manner, room, &mut |told| results.tell(told.map_err(convert::failed)));
    }
}

/// What came of a chunk, and where the answer goes.
enum Step {
    Decided { seat: Seat, decided: Decided<v1::StreamClassifyOrdersResponse> },
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
            Ok(Some(request)) => match decide_one(&engine, request.chunk).await {
                Ok(decided) => Step::Decided { seat, decided },
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

async fn decide_one(engine: &Engine, chunk: Chunk) -> Result<Decided<v1::StreamClassifyOrdersResponse>, Status> {
    let results = Results::of_stream(chunk.sequence, chunk.count(), chunk.with_receipts);
    Decided::of(engine, chunk, results, async |orders| engine.room_for(orders).await).await
}

/// Hands over answers in the order of the chunks, each once it is durable.
async fn answer(engine: Arc<Engine>, mut steps: mpsc::Receiver<Step>) {
    while let Some(step) = steps.recv().await {
        match step {
            Step::Decided { seat, decided } => match decided.written(&engine).await {
                Ok(answer) => drop(seat.send(Ok(answer))),
                Err(why) => return drop(seat.send(Err(why))),
            },
            Step::Ended { seat, why } => return drop(seat.send(Err(why))),
        }
    }
}
