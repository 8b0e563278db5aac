//! Journals that are carried elsewhere and brought back, segment by segment.
//!
//! A segment is carried without the zeros behind its last frame: what is left says how long the file was. [`Source`] reads segments beside the
//! server that writes them, [`check`] verifies carried ones, and [`Rebuild`] makes a data directory of them.

mod rebuild;
mod source;

use std::path::Path;

use super::checkpoint;
use super::error::RecoverError;
use super::frame::{FrameHead, Point, Records, SECTOR, Seed};
use super::identity::Identity;
use super::position::{Epoch, Lsn};
use super::segment::{self, Expect, SegmentHeader, damage};
use super::store::{CheckpointInfo, VisitItem};
pub use rebuild::{Rebuild, RebuildError, Rebuilt};
pub use source::{Listed, Source};

/// A frame that has been verified.
pub struct Frame<'a> {
    head: &'a FrameHead,
    payload: &'a [u8],
}

/// Takes the frames of a segment, in order. An error ends the reading.
pub type VisitFrame<'a> = dyn FnMut(&Frame<'_>) -> Result<(), RecoverError> + 'a;

impl Frame<'_> {
    /// The position of its first record.
    pub fn first(&self) -> Lsn {
        self.head.first
    }

    /// The place behind it.
    pub fn end(&self) -> Point {
        self.head.end()
    }

    /// Its records, with their positions.
    pub fn records(&self) -> impl Iterator<Item = (Lsn, &[u8])> {
        Records(self.payload).enumerate().map(|(place, record)| (self.head.first.after(place as u64), record))
    }
}

/// A segment that was read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Carried {
    /// Where it begins.
    pub start: Point,
    /// Where it ends.
    pub end: Point,
    /// Bytes of the file that it was; carried are the first of them, up to the last frame.
    pub file_size: u64,
}

/// The point before the first record of a directory's journal.
pub fn genesis(identity: &Identity) -> Point {
    Seed::of(identity).genesis()
}

/// An identity as its file has it.
pub fn encode_identity(identity: &Identity) -> Vec<u8> {
    identity.encode()
}

/// Reads an identity from the bytes of its file, which is called `name` in errors.
///
/// # Errors
/// Where they are damaged.
pub fn decode_identity(name: &Path, bytes: &[u8]) -> Result<Identity, RecoverError> {
    Identity::decode(name, bytes)
}

/// Verifies a carried segment, which is called `name` in errors and has to continue `before`. `bytes` are filled up to what the file was.
///
/// # Errors
/// Damage, a segment of another directory or another place, or an error of `visit`.
pub fn check(
    identity: &Identity,
    name: &Path,
    bytes: &mut Vec<u8>,
    before: &Point,
    visit: &mut VisitFrame<'_>,
) -> Result<Carried, RecoverError> {
    let seed = Seed::of(identity);
    let len = bytes.len();
    let header = SegmentHeader::decode(name, bytes.get(..SECTOR).unwrap_or_default(), &seed)?;
    let size = usize::try_from(header.size).ok().filter(|size| *size >= len && *size <= segment::LARGEST);
    let size = size.ok_or_else(|| damage(name, 0, Lsn::ZERO, "the segment's header cannot be right"))?;
    bytes.resize(size, 0);
    let expect = Expect { file: name, seed: &seed, before: Some(*before), is_last: false, most: None };
    let scan = segment::scan_frames(bytes, &expect, &mut |head, payload| visit(&Frame { head, payload }))?;
    if scan.end_offset != len {
        return Err(damage(name, scan.end_offset, scan.end.next, "bytes follow the last frame").into());
    }
    Ok(Carried { start: header.start, end: scan.end, file_size: header.size })
}

/// Verifies a carried checkpoint of `info.bytes` bytes, which is called `name` in errors, and hands its items over. Returns how many there are.
///
/// # Errors
/// Damage, a checkpoint of another directory, a failing reader, or a refusal of `visit`.
pub fn check_checkpoint(
    identity: &Identity,
    name: &Path,
    input: &mut dyn std::io::Read,
    info: &CheckpointInfo,
    visit: &mut VisitItem<'_>,
) -> Result<u64, RecoverError> {
    checkpoint::read(name, input, info.bytes, &Seed::of(identity), info, visit)
}

/// An epoch that no owner of the journal up to `end` will come to by counting: whoever goes on elsewhere writes under it, so that two lines
/// that part at the same point have other epochs, and with them other hashes. `random` tells apart who do so.
pub fn epoch_elsewhere(end: &Point, random: u32) -> Epoch {
    const FAR: u64 = 1 << 32;
    Epoch::new(end.epoch.get().saturating_add(FAR).saturating_add(random.into()))
}
