//! Chunk after chunk over a stream.
//!
//! One future sees to socket, answers and messages, so that nothing has to be woken in between: it reads what has come, sends as much
//! in its place, and writes.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use h2::{RecvStream, SendStream, client::ResponseFuture};

use super::{
    WireError,
    answers::{Inbox, Refusal},
    light::{Link, Path, Socket},
    locked,
};
use crate::cli::{
    bench::{
        load::{Sample, Source},
        options::Plan,
        pace::{Pace, Timer},
        record::{Method, Recorder},
    },
    target::Way,
};

/// The part of what is in flight that has to be answered before more is sent: waking up, and waking the server, cost more than small messages.
const TOGETHER: u32 = 8;

/// A stream that is ready.
pub(in crate::cli::bench) struct Line {
    socket: Socket,
    messages: SendStream<Bytes>,
    answers: Answers,
    source: Source,
    in_flight: u32,
    timer: Timer,
}

enum Answers {
    /// The server has not said yet that it takes the stream.
    Asked(ResponseFuture),
    Coming(RecvStream),
}

/// Messages that were sent together, and whose answers are still to come.
struct Sent {
    since: Instant,
    messages: u32,
    sample: Option<Sample>,
}

impl Line {
    /// Connects, and begins a stream.
    pub(super) async fn open(way: &Way, plan: &Plan, source: Source) -> Result<Self, WireError> {
        let (mut link, mut socket) = Link::open(way, Path::StreamClassifyOrders).await?;
        let (response, messages) = tokio::select! {
            started = link.start() => started?,
            broken = &mut socket => return Err(ended(broken)),
        };
        let timer = Timer::new().map_err(WireError::Timer)?;
        Ok(Self { socket, messages, answers: Answers::Asked(response), source, in_flight: plan.in_flight, timer })
    }

    /// Sends until the pace is over, and everything is answered.
    pub(super) async fn drive(self, pace: Pace, recorder: Arc<Mutex<Recorder>>) -> Result<(), WireError> {
        let mut run = Run { line: self, pace, recorder, inbox: Inbox::default(), sent: VecDeque::new(), flying: 0 };
        poll_fn(|cx| run.poll(cx)).await
    }
}

fn ended(socket: Result<(), h2::Error>) -> WireError {
    let closed = || WireError::Ended(Refusal { reason: "closed".into(), message: "the connection was closed".into() });
    socket.err().map_or_else(closed, WireError::Http2)
}

/// A stream on its way.
struct Run {
    line: Line,
    pace: Pace,
    recorder: Arc<Mutex<Recorder>>,
    inbox: Inbox,
    sent: VecDeque<Sent>,
    /// Messages that are not answered.
    flying: u32,
}

impl Run {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WireError>> {
        loop {
            if let Poll::Ready(socket) = Pin::new(&mut self.line.socket).poll(cx) {
                return Poll::Ready(Err(ended(socket)));
            }
            let received = self.receive(cx)?;
            let now = Instant::now();
            let sent = self.send(now)?;
            if self.flying == 0 && self.pace.is_over(now) {
                return Poll::Ready(Ok(()));
            }
            if !received && !sent && !self.timed_out(cx, now)? {
                return Poll::Pending;
            }
        }
    }

    /// Takes what has come.
    fn receive(&mut self, cx: &mut Context<'_>) -> Result<bool, WireError> {
        let mut any = false;
        loop {
            let body = match &mut self.line.answers {
                Answers::Coming(body) => body,
                Answers::Asked(response) => match Pin::new(response).poll(cx)? {
                    Poll::Pending => return Ok(any),
                    Poll::Ready(response) => {
                        let (head, body) = response.into_parts();
                        if let Some(refusal) = Refusal::of(&head.headers).filter(|_| body.is_end_stream()) {
                            return Err(WireError::Ended(refusal));
                        }
                        self.line.answers = Answers::Coming(body);
                        continue;
                    }
                },
            };
            let frame = match body.poll_data(cx)? {
                Poll::Pending => return Ok(any),
                Poll::Ready(Some(frame)) => frame,
                Poll::Ready(None) => match body.poll_trailers(cx)? {
                    Poll::Pending => return Ok(any),
                    Poll::Ready(trailers) => return Err(early_end(trailers.as_ref())),
                },
            };
            body.flow_control().release_capacity(frame.len())?;
            self.answered(&frame);
            any = true;
        }
    }

    fn answered(&mut self, frame: &[u8]) {
        let now = Instant::now();
        let mut recorder = locked(&self.recorder);
        // Answers to messages that were sent together, and not noted yet.
        let mut together = 0;
        let (sent, flying) = (&mut self.sent, &mut self.flying);
        self.inbox.feed(frame, |answer| {
            let Some(oldest) = sent.front_mut() else { return recorder.unasked() };
            recorder.answer(Method::Stream, answer, oldest.sample.as_ref(), (oldest.since, now));
            together += 1;
            *flying -= 1;
            oldest.messages -= 1;
            if oldest.messages == 0 {
                recorder.measured(oldest.since, now, together);
                together = 0;
                sent.pop_front();
            }
        });
        if let Some(oldest) = sent.front() {
            recorder.measured(oldest.since, now, together);
        }
    }

    /// Sends as many messages as may be, once there is room for some together.
    fn send(&mut self, now: Instant) -> Result<bool, WireError> {
        let room = self.line.in_flight.saturating_sub(self.flying);
        if room < self.line.in_flight / TOGETHER {
            return Ok(false);
        }
        let mut due = self.pace.due(now, room);
        let any = due > 0;
        while due > 0 {
            let batch = self.line.source.take(due);
            if batch.messages == 0 {
                break;
            }
            due -= batch.messages;
            self.flying += batch.messages;
            self.line.messages.send_data(batch.bytes, false)?;
            self.note(now, batch.messages, batch.sample);
        }
        Ok(any)
    }

    fn note(&mut self, now: Instant, messages: u32, sample: Option<Sample>) {
        if self.pace.all_at_once(messages) {
            return self.sent.push_back(Sent { since: now, messages, sample });
        }
        let mut sample = sample;
        for _ in 0..messages {
            let since = self.pace.send(now);
            self.sent.push_back(Sent { since, messages: 1, sample: sample.take() });
        }
    }

    /// Whether it is time for the next message.
    fn timed_out(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, WireError> {
        let full = self.flying > self.line.in_flight - self.line.in_flight / TOGETHER;
        let Some(wait) = self.pace.wait(now).filter(|_| !full) else { return Ok(false) };
        Ok(self.line.timer.poll_after(cx, wait).map_err(WireError::Timer)?.is_ready())
    }
}

fn early_end(trailers: Option<&http::HeaderMap>) -> WireError {
    let refusal = trailers.and_then(Refusal::of);
    let silent = || Refusal { reason: "OK".into(), message: "it was over too early".into() };
    WireError::Ended(refusal.unwrap_or_else(silent))
}
