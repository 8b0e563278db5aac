//! Messages are handed on once they are whole.
//!
//! gRPC says how long a message is before it comes, and whoever decodes it makes room for all of it at once. So who announces messages of
//! megabytes on a thousand streams, and sends a byte of each now and then, would have gigabytes for nothing. Here a message takes what has come
//! of it, and has to be complete in time.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use tonic::{Status, body::Body};

use crate::grpc::convert;

/// How long a message may take from its first byte to its last.
const IN_TIME: Duration = Duration::from_secs(30);
/// Whether it is compressed, and its length.
const HEAD: usize = 5;

/// The messages of a call, each of them whole.
pub(super) fn messages(request: http::Request<Body>) -> http::Request<Body> {
    request.map(|body| if body.is_end_stream() { body } else { Body::new(Whole::new(body, IN_TIME)) })
}

struct Whole {
    body: Body,
    /// Bytes of messages that are whole.
    ready: VecDeque<Bytes>,
    /// Bytes of the message that is not.
    held: Vec<Bytes>,
    /// How much of its head has come, and then how much of its content has not.
    head: [u8; HEAD],
    head_len: usize,
    missing: usize,
    /// How long it may take, and until when it has to be whole.
    within: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    /// What comes behind all messages, once there are no more.
    end: Option<Option<Frame<Bytes>>>,
}

impl Whole {
    fn new(body: Body, within: Duration) -> Self {
        Self {
            body,
            ready: VecDeque::new(),
            held: Vec::new(),
            head: [0; HEAD],
            head_len: 0,
            missing: 0,
            within,
            deadline: None,
            end: None,
        }
    }

    /// Takes bytes that have come.
    fn take(&mut self, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let len = self.of_this_message(&bytes);
            self.held.push(bytes.split_to(len));
            if self.head_len == HEAD && self.missing == 0 {
                self.ready.extend(self.held.drain(..));
                (self.head_len, self.deadline) = (0, None);
            }
        }
    }

    /// How many of some bytes belong to the message that is not whole.
    fn of_this_message(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        for (byte, place) in bytes.iter().zip(self.head.iter_mut().skip(self.head_len)) {
            *place = *byte;
            taken += 1;
        }
        if taken > 0 {
            self.head_len += taken;
            let [_, len @ ..] = self.head;
            self.missing = if self.head_len == HEAD { u32::from_be_bytes(len) as usize } else { 0 };
        }
        let content = self.missing.min(bytes.len() - taken);
        self.missing -= content;
        taken + content
    }

    /// Whether the message that is not whole has had its time.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        if self.held.is_empty() {
            return false;
        }
        let within = self.within;
        self.deadline.get_or_insert_with(|| Box::pin(sleep(within))).as_mut().poll(context).is_ready()
    }
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if let Some(end) = &mut self.end {
                return Poll::Ready(end.take().map(Ok));
            }
            if self.is_late(context) {
                return Poll::Ready(Some(Err(convert::incomplete_message(self.within))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)).transpose()?.map(Frame::into_data) {
                Some(Ok(bytes)) => self.take(bytes),
                // What is not whole now never will be: that is for the decoder to say.
                end => {
                    let rest = std::mem::take(&mut self.held);
                    self.ready.extend(rest);
                    self.end = Some(end.and_then(Result::err));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let nothing_left = self.ready.is_empty() && self.held.is_empty();
        nothing_left && self.end.as_ref().map_or_else(|| self.body.is_end_stream(), Option::is_none)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body::Body as _;
    use proptest::prelude::*;

    use super::*;

    /// Frames that are there, and then no more or none yet.
    struct Frames(VecDeque<Bytes>, bool);

    impl http_body::Body for Frames {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            match self.0.pop_front() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None if self.1 => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    fn message(len: usize) -> Vec<u8> {
        [[0].as_slice(), &u32::try_from(len).unwrap().to_be_bytes(), &vec![7; len]].concat()
    }

    /// All that is handed on, and whether it ends.
    fn handed_on(frames: impl IntoIterator<Item = Bytes>, ends: bool) -> (Vec<u8>, bool) {
        let mut whole = Whole::new(Body::new(Frames(frames.into_iter().collect(), ends)), IN_TIME);
        let mut bytes = Vec::new();
        loop {
            match Pin::new(&mut whole).poll_frame(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(frame)) => bytes.extend_from_slice(&frame.unwrap().into_data().unwrap()),
                Poll::Ready(None) => return (bytes, true),
                Poll::Pending => return (bytes, false),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_whole_is_handed_on_and_nothing_else(
            lens in prop::collection::vec(0..40_usize, 0..6),
            cut in 0..50_usize,
            pieces in prop::collection::vec(1..20_usize, 1..40),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _within = runtime.enter();
            let whole: Vec<u8> = lens.iter().flat_map(|len| message(*len)).collect();
            let mut all = whole.clone();
            all.extend(&message(60)[..cut]);
            let mut frames = Vec::new();
            let (mut rest, mut sizes) = (Bytes::from(all.clone()), pieces.iter().cycle());
            while !rest.is_empty() {
                frames.push(rest.split_to(rest.len().min(*sizes.next().unwrap())));
            }
            prop_assert_eq!(handed_on(frames.clone(), false), (whole, false));
            // At the end the rest is for who decodes it.
            prop_assert_eq!(handed_on(frames, true), (all, true));
        }
    }

    #[tokio::test]
    async fn who_does_not_finish_a_message_is_cut_off() {
        let begun = Frames([Bytes::from_static(&[0, 0, 0])].into(), false);
        let mut whole = Whole::new(Body::new(begun), Duration::from_millis(1));
        let told = std::future::poll_fn(|context| Pin::new(&mut whole).poll_frame(context)).await;
        assert_eq!(told.unwrap().unwrap_err().code(), tonic::Code::DeadlineExceeded);
    }
}
