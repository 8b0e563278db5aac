//! Answers as they come: messages cut out of frames of data, and why there is none.

use std::{collections::BTreeMap, fmt};

use bytes::{Buf as _, BytesMut};
use http::HeaderMap;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::super::load::PREFIX;
use crate::grpc::convert::{self, code_name, reason};

/// Cuts messages out of frames, which may hold many of them or parts.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// A message that has not arrived in full.
    part: BytesMut,
}

impl Inbox {
    /// Takes a frame, and hands over each message that is complete.
    pub(super) fn feed(&mut self, frame: &[u8], each: impl FnMut(&[u8])) {
        if self.part.is_empty() {
            let left = cut(frame, each);
            self.part.extend_from_slice(left);
        } else {
            self.part.extend_from_slice(frame);
            let cut = self.part.len() - cut(&self.part, each).len();
            self.part.advance(cut);
        }
    }
}

/// Hands over messages, and answers what is left behind them.
fn cut(mut bytes: &[u8], mut each: impl FnMut(&[u8])) -> &[u8] {
    while let Some((message, rest)) = length(bytes).and_then(|length| bytes.get(PREFIX..)?.split_at_checked(length)) {
        each(message);
        bytes = rest;
    }
    bytes
}

/// How long the message is that begins here.
fn length(frame: &[u8]) -> Option<usize> {
    match frame {
        [_compressed, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d]) as usize),
        _ => None,
    }
}

/// A no from the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli::bench) struct Refusal {
    /// The reason, or the status code where none is given.
    pub(in crate::cli::bench) reason: String,
    /// In words.
    pub(in crate::cli::bench) message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.reason)
    }
}

impl Refusal {
    /// What the trailers of a call say; nothing if it went well.
    pub(super) fn of(trailers: &HeaderMap) -> Option<Self> {
        let status = convert::status_in(trailers);
        if status.code() == Code::Ok {
            return None;
        }
        let info = status.get_details_error_info();
        let reason = info.map_or_else(|| code_name(status.code()).to_owned(), |info| info.reason);
        Some(Self { reason, message: status.message().to_owned() })
    }

    /// Whether the server has more to do than it can, and wants to be asked again.
    pub(in crate::cli::bench) fn is_of_overload(&self) -> bool {
        self.reason == reason::OVERLOADED.name
    }
}

/// Refusals by their reason.
pub(in crate::cli::bench) type Refusals = BTreeMap<String, u64>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_out_of_frames_however_they_lie() {
        let wire: Vec<u8> = [&b"\0\0\0\0\x03one"[..], b"\0\0\0\0\0", b"\0\0\0\0\x05three"].concat();
        for step in 1..=wire.len() {
            let (mut inbox, mut found) = (Inbox::default(), vec![]);
            for frame in wire.chunks(step) {
                inbox.feed(frame, |message| found.push(message.to_vec()));
            }
            assert_eq!(found, [b"one".to_vec(), vec![], b"three".to_vec()], "frames of {step}");
        }
    }

    #[test]
    fn trailers_without_a_reason_tell_their_code() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        assert_eq!(Refusal::of(&trailers), None);
        trailers.insert("grpc-status", "14".parse().unwrap());
        assert_eq!(Refusal::of(&trailers).unwrap().reason, "UNAVAILABLE");
    }
}
