//! Many orders at once: a chunk in one call, or chunk after chunk in a stream.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
    vec,
};

use tokio::{
    sync::{mpsc, watch},
    task::yield_now,
    time::sleep,
};
use tonic::{
    Status, Streaming,
    codegen::tokio_stream::{Stream, StreamExt as _},
};

use super::deciders::Deciders;
use crate::{
    access::{Denied, Exceeded, Session},
    engine::{Classified, Engine, Manner, Order, Room},
    grpc::{
        NotReady, convert,
        wire::{Chunk, Results, StreamClassifyOrdersRequest, StreamClassifyOrdersResponse},
    },
    proto::v1,
    trace,
};

/// How many groups of chunks of a stream may be decided and not yet sent.
const DEPTH: usize = 16;
/// How many of them may be read and not yet decided.
const READ_AHEAD: usize = 4;
/// Chunks that are there already are taken together until they have so many orders.
const GROUP: usize = 1_024;
/// How long who waits for his rate does not look whether he still may.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How many orders are decided before others have their turn on the thread: a millisecond's worth at most.
const SLICE: usize = 1_024;

/// Refuses the orders of merchants whom the caller may not touch; the others stay.
pub(super) fn refuse_others(session: &Session, chunk: &mut Chunk) {
    if !session.touches_all() {
        chunk.refuse(|order| session.may_touch(order.merchant.as_str()).map_err(|denied| convert::denied(&denied)));
    }
}

/// Decides on the orders of a chunk, which are treated as it asks for, in its room.
pub(super) async fn decide_chunk<M>(
    engine: &Engine,
    chunk: Chunk,
    manner: &Manner,
    room: &mut Room,
    results: &mut Results<M>,
) {
    let (mut orders, mut done) = (chunk.orders.as_slice(), 0);
    let end = (chunk.orders.len(), None);
    for (place, wrong) in chunk.wrong.into_iter().map(|(place, why)| (place, Some(why))).chain([end]) {
        let (before, behind) = orders.split_at((place - done).min(orders.len()));
        classify(engine, before, manner, room, |told| results.tell(told)).await;
        wrong.into_iter().for_each(|why| results.tell(Err(why)));
        (orders, done) = (behind, place);
    }
}

/// Decides on orders, and lets others have their turn in between: so commands from elsewhere may come in between too.
async fn classify(
    engine: &Engine,
    orders: &[Order],
    manner: &Manner,
    room: &mut Room,
    mut tell: impl FnMut(Result<&Classified, Status>),
) {
    for (number, slice) in orders.chunks(SLICE).enumerate() {
        if number > 0 {
            yield_now().await;
        }
        trace::timed(trace::DECIDE, || {
            engine.classify(slice, manner, room, &mut |told| tell(told.map_err(convert::failed)));
        });
    }
}

/// Has it counted what was refused of the orders of a chunk.
pub(super) fn count_refused<M>(engine: &Engine, results: &Results<M>) {
    results.refused().for_each(|(reason, orders)| engine.observer().orders_refused(reason, orders));
}

type Answer = Result<StreamClassifyOrdersResponse, Status>;
/// A place among the answers that wait to be sent, kept for those of a group.
type Seat = mpsc::OwnedPermit<Vec<Answer>>;

/// The answers of a stream.
pub struct Answers {
    groups: mpsc::Receiver<Vec<Answer>>,
    group: vec::IntoIter<Answer>,
}

impl Stream for Answers {
    type Item = Answer;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Answer>> {
        loop {
            if let Some(answer) = self.group.next() {
                return Poll::Ready(Some(answer));
            }
            match ready!(self.groups.poll_recv(context)) {
                Some(group) => self.group = group.into_iter(),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// Chunks that were read together, and where their answers go.
struct Group {
    seat: Seat,
    chunks: Vec<Chunk>,
    /// With what the stream ends behind them.
    end: Option<Status>,
}

/// What came of a group, and where the answers go.
struct Decided {
    seat: Seat,
    results: Vec<Results<v1::StreamClassifyOrdersResponse>>,
    /// None, if nothing was decided.
    room: Option<Room>,
    end: Option<Status>,
}

/// Answers chunk after chunk. One task reads, one decides, on a thread of its own, and one waits for the disk: so more than one processor works
/// for a stream. The first takes no chunk for whose answer there is no place: whoever does not read is not read from either, and keeps
/// nobody else from the engine.
pub(super) fn answers(
    engine: Arc<Engine>,
    session: Session,
    deciders: &Deciders,
    chunks: Streaming<StreamClassifyOrdersRequest>,
    draining: watch::Receiver<bool>,
) -> Answers {
    let (answers, told) = mpsc::channel(DEPTH);
    let (read, groups) = mpsc::channel(READ_AHEAD);
    let (decide, decided) = mpsc::channel(DEPTH);
    let (call, groups) =
        (trace::current(), decide_groups((Arc::clone(&engine), session), groups, decide, answers.clone()));
    deciders.spawn(call.clone().go_on(groups));
    tokio::spawn(take(chunks, draining, answers, read));
    tokio::spawn(call.go_on(answer(engine, decided)));
    Answers { groups: told, group: Vec::new().into_iter() }
}

/// Reads chunks, until there are no more, nobody listens, or the server drains.
async fn take(
    mut chunks: Streaming<StreamClassifyOrdersRequest>,
    mut draining: watch::Receiver<bool>,
    answers: mpsc::Sender<Vec<Answer>>,
    read: mpsc::Sender<Group>,
) {
    while let Ok(seat) = answers.clone().reserve_owned().await {
        let first = tokio::select! {
            biased;
            _ = draining.wait_for(|draining| *draining) => Some(Err(convert::not_ready(NotReady::Stopping))),
            first = chunks.next() => first,
        };
        let Some(first) = first else { return };
        let (group, more) = group(seat, first, &mut chunks).await;
        if read.send(group).await.is_err() || !more {
            return;
        }
    }
}

/// A chunk, and those that are there behind it already. Answers whether more may come.
async fn group(
    seat: Seat,
    first: Result<StreamClassifyOrdersRequest, Status>,
    chunks: &mut (impl Stream<Item = Result<StreamClassifyOrdersRequest, Status>> + Unpin),
) -> (Group, bool) {
    let mut group = Group { seat, chunks: Vec::new(), end: None };
    let (mut next, mut orders) = (first, 0);
    loop {
        match next {
            Ok(request) => {
                // Nor may there be any number of those without orders.
                orders += request.chunk.count().max(1);
                group.chunks.push(request.chunk);
            }
            Err(why) => {
                group.end = Some(why);
                return (group, false);
            }
        }
        if orders >= GROUP {
            return (group, true);
        }
        next = match poll_fn(|context| Poll::Ready(Pin::new(&mut *chunks).poll_next(context))).await {
            Poll::Ready(Some(next)) => next,
            Poll::Ready(None) => return (group, false),
            Poll::Pending => return (group, true),
        };
    }
}

/// Decides on one group after the other, as long as somebody listens.
async fn decide_groups(
    (engine, session): (Arc<Engine>, Session),
    mut groups: mpsc::Receiver<Group>,
    decided: mpsc::Sender<Decided>,
    listener: mpsc::Sender<Vec<Answer>>,
) {
    while let Some(group) = groups.recv().await {
        let Some(group) = decide_group(&engine, &session, group, &listener).await else { return };
        let ended = group.end.is_some();
        if decided.send(group).await.is_err() || ended {
            return;
        }
    }
}

/// None, if nobody listens any more by the time that there is room.
async fn decide_group(
    engine: &Engine,
    session: &Session,
    Group { seat, chunks, end }: Group,
    listener: &mpsc::Sender<Vec<Answer>>,
) -> Option<Decided> {
    let mut decided = Decided { seat, results: Vec::with_capacity(chunks.len()), room: None, end };
    let mut sensible = Vec::with_capacity(chunks.len());
    let plain = in_the_name_of(session, Manner::default());
    for mut chunk in chunks {
        match convert::manner(&chunk) {
            Ok(manner) => {
                refuse_others(session, &mut chunk);
                decided.results.push(Results::of_stream(chunk.sequence, chunk.count(), chunk.with_receipts));
                sensible.push((chunk, in_the_name_of(session, manner)));
            }
            Err(why) => {
                decided.end = Some(why);
                break;
            }
        }
    }
    if sensible.is_empty() {
        return Some(decided);
    }
    let orders = sensible.iter().map(|(chunk, _)| chunk.count()).sum();
    let room = tokio::select! {
        biased;
        () = listener.closed() => return None,
        room = room_in_time(engine, session, orders) => room,
    };
    let mut room = match room {
        Ok(room) => room,
        Err(why) => return Some(Decided { results: Vec::new(), end: Some(why), ..decided }),
    };
    if sensible.len() > 1 && sensible.iter().all(|(chunk, manner)| chunk.wrong.is_empty() && *manner == plain) {
        let chunks = sensible.into_iter().map(|(chunk, _)| chunk);
        decide_as_one(engine, chunks, &plain, &mut room, &mut decided.results).await;
    } else {
        for ((chunk, manner), results) in sensible.into_iter().zip(&mut decided.results) {
            decide_chunk(engine, chunk, &manner, &mut room, results).await;
        }
    }
    Some(Decided { room: Some(room), ..decided })
}

fn in_the_name_of(session: &Session, manner: Manner) -> Manner {
    Manner { caller: session.caller().to_owned(), ..manner }
}

/// Room for so many orders, once the caller may bring them. That may take its time: whether he still may is looked at last.
async fn room_in_time(engine: &Engine, session: &Session, orders: usize) -> Result<Room, Status> {
    let denied = |denied| convert::denied(&denied);
    take_in_time(session, orders).await.map_err(denied)?;
    let room = engine.room_for(orders).await.map_err(convert::failed)?;
    session.stands().map_err(denied)?;
    Ok(room)
}

/// Takes so many orders of those that the caller may bring, once there are so many: a stream is not refused for being quick, but read as fast as
/// it may be.
async fn take_in_time(session: &Session, orders: usize) -> Result<(), Denied> {
    let mut left = orders;
    while left > 0 {
        let some = left.min(session.most_at_once());
        match session.take(some) {
            Ok(()) => left -= some,
            Err(Denied::Limited { exceeded: Exceeded::Rate { retry_after }, .. }) => {
                sleep(retry_after.min(LOOK_AGAIN)).await;
                session.stands()?;
            }
            Err(denied) => return Err(denied),
        }
    }
    Ok(())
}

/// Decides on the orders of several small chunks in one go.
async fn decide_as_one(
    engine: &Engine,
    chunks: impl Iterator<Item = Chunk>,
    manner: &Manner,
    room: &mut Room,
    results: &mut [Results<v1::StreamClassifyOrdersResponse>],
) {
    let (mut orders, mut whose) = (Vec::with_capacity(GROUP), Vec::with_capacity(GROUP));
    for (place, chunk) in chunks.enumerate() {
        whose.extend(chunk.orders.iter().map(|_| place));
        orders.extend(chunk.orders);
    }
    let mut whose = whose.into_iter();
    classify(engine, &orders, manner, room, |told| {
        if let Some(results) = whose.next().and_then(|place| results.get_mut(place)) {
            results.tell(told);
        }
    })
    .await;
}

/// Hands over answers in the order of the chunks, each once it is durable.
async fn answer(engine: Arc<Engine>, mut decided: mpsc::Receiver<Decided>) {
    while let Some(Decided { seat, results, room, end }) = decided.recv().await {
        let durable = match room {
            Some(room) => engine.durable(room).await.map_err(convert::failed),
            None => Ok(()),
        };
        // Without a journal there are no answers, and the stream ends with that.
        let ended = durable.is_err() || end.is_some();
        results.iter().for_each(|results| count_refused(&engine, results));
        let answers = match durable {
            Ok(()) => results.into_iter().map(|results| Ok(results.written())).chain(end.map(Err)).collect(),
            Err(why) => vec![Err(why)],
        };
        seat.send(answers);
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many chunks without orders, all there.
    struct Empty(usize);

    impl Stream for Empty {
        type Item = Result<StreamClassifyOrdersRequest, Status>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.0 = self.0.saturating_sub(1);
            Poll::Ready((self.0 > 0).then(|| Ok(StreamClassifyOrdersRequest::default())))
        }
    }

    #[tokio::test]
    async fn a_group_ends_however_many_chunks_are_there() {
        let (answers, _told) = mpsc::channel(1);
        let seat = answers.reserve_owned().await.unwrap();
        let (group, more) = group(seat, Ok(StreamClassifyOrdersRequest::default()), &mut Empty(5_000)).await;
        assert_eq!((group.chunks.len(), more), (GROUP, true));
    }
}
