//! One segment file: its header, and the verification of everything in it.
//!
//! ```text
//! sector 0    magic · format version · header crc32c · directory id · size · first lsn · epoch · chain so far
//! sector 1…   frames, each from a fresh sector on
//! the rest    zeros, written before the segment was put into use
//! ```

use std::path::Path;

use super::error::{Damage, RecoverError};
use super::frame::{self, Chain, FRAME_HEAD, FrameHead, Point, Records, SECTOR, Sector, Seed, UNTOUCHED};
use super::position::{Epoch, Lsn};
use super::store::{Torn, VisitRecord};
use super::wire::Fields;

/// The version of the durable format.
pub(crate) const FORMAT: u32 = 1;
const MAGIC: [u8; 8] = *b"tplusSEG";
/// The largest segment there may be, in bytes.
pub(crate) const LARGEST: usize = 1 << 30;
/// Magic, version and check come first in every file, in this place, for as long as there are versions.
const PREFIX: usize = 16;

/// Sector 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) directory: [u8; 16],
    pub(crate) size: u64,
    pub(crate) start: Point,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(SECTOR);
        body.extend_from_slice(&self.directory);
        body.extend_from_slice(&self.size.to_le_bytes());
        body.extend_from_slice(&self.start.next.get().to_le_bytes());
        body.extend_from_slice(&self.start.epoch.get().to_le_bytes());
        body.extend_from_slice(&self.start.chain);
        body.resize(SECTOR - PREFIX, 0);
        with_prefix(MAGIC, &body)
    }

    pub(crate) fn decode(file: &Path, sector: &[u8], seed: &Seed) -> Result<SegmentHeader, RecoverError> {
        let damage = |reason: &str| damage(file, 0, Lsn::ZERO, reason);
        let body = checked_body(file, MAGIC, sector)?;
        let mut fields = Fields(body);
        let mut parse = || {
            let directory = fields.array()?;
            let size = fields.u64()?;
            let next = Lsn::new(fields.u64()?);
            let epoch = Epoch::new(fields.u64()?);
            let chain: Chain = fields.array()?;
            Some(SegmentHeader { directory, size, start: Point { next, epoch, chain } })
        };
        let header = parse().ok_or_else(|| damage("the segment header is incomplete"))?;
        if header.directory != seed.directory {
            return Err(RecoverError::Foreign { file: file.to_owned() });
        }
        Ok(header)
    }
}

/// Puts magic, version and a check before a body.
pub(crate) fn with_prefix(magic: [u8; 8], body: &[u8]) -> Vec<u8> {
    let version = FORMAT.to_le_bytes();
    let crc = crc32c::crc32c_append(crc32c::crc32c(&version), body);
    [&magic, version.as_slice(), &crc.to_le_bytes(), body].concat()
}

/// The body behind magic, version and check.
pub(crate) fn checked_body<'a>(file: &Path, magic: [u8; 8], bytes: &'a [u8]) -> Result<&'a [u8], RecoverError> {
    let damage = |reason: &str| damage(file, 0, Lsn::ZERO, reason);
    let mut fields = Fields(bytes);
    let parse = (fields.array::<8>(), fields.u32(), fields.u32());
    let (Some(found), Some(version), Some(crc)) = parse else { return Err(damage("the header is incomplete").into()) };
    if found != magic {
        return Err(damage("the file does not start as it should").into());
    }
    if crc32c::crc32c_append(crc32c::crc32c(&version.to_le_bytes()), fields.0) != crc {
        return Err(damage("the header's checksum does not match").into());
    }
    if version > FORMAT {
        return Err(RecoverError::NewerFormat { file: file.to_owned(), found: version, known: FORMAT });
    }
    Ok(fields.0)
}

pub(crate) fn damage(file: &Path, offset: usize, lsn: Lsn, reason: impl Into<String>) -> Damage {
    Damage { file: file.to_owned(), offset: offset as u64, lsn, reason: reason.into() }
}

/// What a segment holds, once all of it has been verified.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) header: SegmentHeader,
    pub(crate) frames: u64,
    /// Where the next frame has to continue, and where it starts in the file.
    pub(crate) end: Point,
    pub(crate) end_offset: usize,
    /// Where the last intact frame starts; the header where there is none.
    pub(crate) last_frame: usize,
    pub(crate) torn: Option<Torn>,
}

/// What a segment is verified against.
pub(crate) struct Expect<'a> {
    pub(crate) file: &'a Path,
    pub(crate) seed: &'a Seed,
    /// The end of the segment before; `None` for the oldest that is read.
    pub(crate) before: Option<Point>,
    /// Only the last segment may end in a torn frame.
    pub(crate) is_last: bool,
    /// Frames that begin beyond it are not looked at: one of them may be on its way into the file.
    pub(crate) most: Option<Lsn>,
}

/// Verifies a whole segment and hands over its records, each only once its frame is known to be good.
pub(crate) fn scan(bytes: &[u8], expect: &Expect<'_>, visit: &mut VisitRecord<'_>) -> Result<Scan, RecoverError> {
    scan_frames(bytes, expect, &mut |head, payload| {
        for (place, record) in Records(payload).enumerate() {
            let lsn = head.first.after(place as u64);
            visit(lsn, record).map_err(|source| RecoverError::Visit { lsn, source })?;
        }
        Ok(())
    })
}

/// Where the first frame of a segment has to continue, by its header, which is verified.
pub(crate) fn start(bytes: &[u8], expect: &Expect<'_>) -> Result<Point, RecoverError> {
    Ok(expect.header(bytes)?.start)
}

/// Takes frames: head and payload.
pub(crate) type VisitFrame<'a> = dyn FnMut(&FrameHead, &[u8]) -> Result<(), RecoverError> + 'a;

/// The same with whole frames, each with the payload behind its head.
pub(crate) fn scan_frames(bytes: &[u8], expect: &Expect<'_>, visit: &mut VisitFrame<'_>) -> Result<Scan, RecoverError> {
    let header = expect.header(bytes)?;
    let mut scan = Scan { header, frames: 0, end: header.start, end_offset: SECTOR, last_frame: 0, torn: None };
    let mut payload = Vec::new();
    while let Some(head) = expect.frame(bytes, &mut scan, &mut payload)? {
        let (_, records) = payload.split_at(FRAME_HEAD.min(payload.len()));
        visit(&head, records)?;
        scan.frames += 1;
        scan.last_frame = scan.end_offset;
        scan.end_offset += frame::sectors_for(head.payload) * SECTOR;
        scan.end = head.end();
    }
    Ok(scan)
}

impl Scan {
    /// Checks that the file is named after its first record.
    pub(crate) fn check_name(&self, file: &Path, first: Lsn) -> Result<(), Damage> {
        let found = self.header.start.next;
        if found == first {
            return Ok(());
        }
        Err(damage(file, 0, first, format!("the file's name does not say its first lsn, {found}")))
    }
}

impl Expect<'_> {
    fn damage(&self, offset: usize, lsn: Lsn, reason: impl Into<String>) -> RecoverError {
        damage(self.file, offset, lsn, reason).into()
    }

    fn header(&self, bytes: &[u8]) -> Result<SegmentHeader, RecoverError> {
        let expected = self.before.map_or(Lsn::ZERO, |before| before.next);
        let Some(first) = bytes.get(..SECTOR) else {
            return Err(self.damage(bytes.len(), expected, "the file ends within its header"));
        };
        let header = SegmentHeader::decode(self.file, first, self.seed)?;
        let start = header.start;
        if header.size != bytes.len() as u64 {
            let reason = format!("the file has {} bytes, its header says {}", bytes.len(), header.size);
            return Err(self.damage(bytes.len().min(header.size as usize), start.next, reason));
        }
        let before = match self.before {
            Some(before) => before,
            None if start.next == Lsn::FIRST => self.seed.genesis(),
            None => start,
        };
        if start.next != before.next {
            let reason = format!("the segment starts at lsn {}; lsn {} should follow", start.next, before.next);
            return Err(self.damage(0, before.next, reason));
        }
        if start.chain != before.chain || start.epoch < before.epoch {
            return Err(self.damage(0, start.next, "the segment does not continue the hash chain before it"));
        }
        Ok(header)
    }

    /// The next frame, verified and collected into `payload`, or `None` at the end, which may be torn.
    fn frame(&self, bytes: &[u8], scan: &mut Scan, out: &mut Vec<u8>) -> Result<Option<FrameHead>, RecoverError> {
        let (at, before) = (scan.end_offset, scan.end);
        if self.most.is_some_and(|most| before.next > most) {
            return Ok(None);
        }
        let Some(first) = bytes.get(at..at + SECTOR) else { return Ok(None) };
        out.clear();
        let head = match Sector::read(self.seed, first) {
            Sector::Untouched => {
                scan.torn = self.tail(bytes, at, usize::MAX, &before)?;
                return Ok(None);
            }
            Sector::Intact { index: 0, first, payload } if first == before.next => {
                out.extend_from_slice(payload);
                FrameHead::read(payload).map_err(|reason| self.damage(at, before.next, reason))?
            }
            other => return Err(self.misplaced(at, &before, &other)),
        };
        let sectors = frame::sectors_for(head.payload);
        if head.first != before.next || at + sectors * SECTOR > bytes.len() {
            return Err(self.damage(at, before.next, "the frame's header cannot be right"));
        }
        for index in 1..sectors {
            let offset = at + index * SECTOR;
            match Sector::read(self.seed, bytes.get(offset..offset + SECTOR).unwrap_or_default()) {
                Sector::Intact { index: found, first, payload } if first == before.next && found as usize == index => {
                    out.extend_from_slice(payload);
                }
                Sector::Untouched => {
                    scan.torn = self.tail(bytes, at, sectors, &before)?;
                    return Ok(None);
                }
                other => return Err(self.misplaced(offset, &before, &other)),
            }
        }
        self.verify(&head, at, &before, out)?;
        Ok(Some(head))
    }

    fn verify(&self, head: &FrameHead, at: usize, before: &Point, frame: &mut Vec<u8>) -> Result<(), RecoverError> {
        let (body, padding) = frame.split_at((FRAME_HEAD + head.payload).min(frame.len()));
        if !UNTOUCHED.starts_with(padding) {
            return Err(self.damage(at, before.next, "the frame's padding is not zero"));
        }
        let payload = body.get(FRAME_HEAD..).unwrap_or_default();
        head.verify(before, payload).map_err(|reason| self.damage(at, before.next, reason))?;
        frame.truncate(FRAME_HEAD + head.payload);
        Ok(())
    }

    /// At least one sector of the frame at `at` is untouched. That is a torn frame, or nothing at all, if every other
    /// sector from there to the end of the segment is untouched too or belongs to this very frame, and no segment
    /// follows: the next frame is written only once this one has been synced.
    fn tail(&self, bytes: &[u8], at: usize, sectors: usize, before: &Point) -> Result<Option<Torn>, RecoverError> {
        let mut written = 0;
        let rest = bytes.get(at..).unwrap_or_default();
        for (place, sector) in rest.chunks(SECTOR).enumerate() {
            match Sector::read(self.seed, sector) {
                Sector::Untouched => {}
                Sector::Intact { index, first, .. }
                    if first == before.next && index as usize == place && place < sectors && self.is_last =>
                {
                    written += 1;
                }
                Sector::Intact { first, .. } if first >= before.next => {
                    let reason = format!(
                        "a sector of the frame at lsn {} is untouched, but lsn {first} was written \
                         at byte {}",
                        before.next,
                        at + place * SECTOR
                    );
                    return Err(self.damage(at, before.next, reason));
                }
                other => return Err(self.misplaced(at + place * SECTOR, before, &other)),
            }
        }
        let torn = Torn { file: self.file.to_owned(), offset: at as u64, lsn: before.next, sectors: written };
        Ok((written > 0).then_some(torn))
    }

    fn misplaced(&self, offset: usize, before: &Point, sector: &Sector<'_>) -> RecoverError {
        let reason = match sector {
            Sector::Untouched => "the sector is untouched".to_owned(),
            Sector::Broken => "the sector's checksum does not match".to_owned(),
            Sector::Intact { index, first, .. } => format!("a sector of lsn {first} (number {index}) is out of place"),
        };
        self.damage(offset, before.next, reason)
    }
}
