//! Frames and the sectors they are cut into. Pure: bytes in, bytes out.
//!
//! ```text
//! frame    magic u32 · payload length u32 · records u32 · payload crc32c u32 · first lsn u64 · epoch u64
//!          · chain [32] = blake3(chain before ‖ the fields above ‖ payload) · payload
//! payload  (record length u32 · record)*
//! sector   crc32c u32, seeded with the directory id, of the rest · index in the frame u32 · first lsn u64
//!          · 496 bytes of the frame, padded with zeros in the last one
//! ```
//!
//! A check for every 512 bytes is what lets a torn write (some sectors new, some untouched) be told from damage
//! (a sector that is neither): disks write sectors whole, and ours are written once, over zeros.

use super::batch::Batch;
use super::identity::Identity;
use super::position::{Epoch, Lsn};
use super::wire::Fields;

/// What a disk writes whole.
pub(crate) const SECTOR: usize = 512;
const SECTOR_HEAD: usize = 16;
/// Bytes of a frame that one sector carries.
pub(crate) const SECTOR_PAYLOAD: usize = SECTOR - SECTOR_HEAD;
/// Bytes of a frame before its payload.
pub(crate) const FRAME_HEAD: usize = 64;
/// Bytes before each record.
pub(crate) const RECORD_PREFIX: usize = 4;
/// A sector nobody has written to.
pub(crate) const UNTOUCHED: [u8; SECTOR] = [0; SECTOR];

const PADDING: [u8; SECTOR_PAYLOAD] = [0; SECTOR_PAYLOAD];
const MAGIC: u32 = u32::from_le_bytes(*b"T27F");

/// The hash of everything up to a position.
pub(crate) type Chain = [u8; 32];

/// A place between two frames: where the next one has to continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The position of the next record.
    pub next: Lsn,
    /// The epoch of the frame before; [`Epoch::ZERO`] before the first.
    pub epoch: Epoch,
    /// The hash of everything before.
    pub chain: [u8; 32],
}

/// What belongs to a data directory and nowhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed {
    pub(crate) directory: [u8; 16],
    /// The directory in which the journal began: this one, unless it was restored.
    lineage: [u8; 16],
    /// Start value of the sector checks, so that sectors of another directory do not pass.
    pub(crate) crc: u32,
}

impl Seed {
    pub(crate) fn new(directory: [u8; 16]) -> Seed {
        Seed { directory, lineage: directory, crc: crc32c::crc32c(&directory) }
    }

    pub(crate) fn of(identity: &Identity) -> Seed {
        Seed { lineage: identity.lineage(), ..Seed::new(identity.id) }
    }

    /// The chain before the first record.
    pub(crate) fn genesis(&self) -> Point {
        let mut hasher = blake3::Hasher::new_derive_key("tplus journal genesis v1");
        hasher.update(&self.lineage);
        Point { next: Lsn::FIRST, epoch: Epoch::ZERO, chain: *hasher.finalize().as_bytes() }
    }
}

/// How many sectors a frame with a payload of `len` bytes takes.
pub(crate) fn sectors_for(len: usize) -> usize {
    (FRAME_HEAD + len).div_ceil(SECTOR_PAYLOAD)
}

/// The longest payload of a frame that has `sectors` to itself.
pub(crate) fn payload_for(sectors: usize) -> usize {
    (sectors * SECTOR_PAYLOAD).saturating_sub(FRAME_HEAD)
}

/// The fields of a frame before its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameHead {
    pub(crate) payload: usize,
    pub(crate) records: usize,
    crc: u32,
    pub(crate) first: Lsn,
    pub(crate) epoch: Epoch,
    pub(crate) chain: Chain,
}

impl FrameHead {
    fn fields(&self) -> [u8; 32] {
        let [a, b, c, d] = [MAGIC, self.payload as u32, self.records as u32, self.crc].map(u32::to_le_bytes);
        let [e, f] = [self.first.get(), self.epoch.get()].map(u64::to_le_bytes);
        let mut fields = [0; 32];
        fill(&mut fields, &[&a, &b, &c, &d, &e, &f]);
        fields
    }

    /// The head of the frame that keeps `payload` after `before`.
    pub(crate) fn seal(before: &Point, epoch: Epoch, records: usize, payload: &[u8]) -> FrameHead {
        let crc = crc32c::crc32c(payload);
        let mut head = FrameHead { payload: payload.len(), records, crc, first: before.next, epoch, chain: [0; 32] };
        head.chain = head.link(&before.chain, payload);
        head
    }

    fn link(&self, before: &Chain, payload: &[u8]) -> Chain {
        let mut hasher = blake3::Hasher::new();
        hasher.update(before);
        hasher.update(&self.fields());
        hasher.update(payload);
        *hasher.finalize().as_bytes()
    }

    /// Where the frame after this one has to continue.
    pub(crate) fn end(&self) -> Point {
        Point { next: self.first.after(self.records as u64), epoch: self.epoch, chain: self.chain }
    }

    /// Reads a head from the payload of a frame's first sector.
    pub(crate) fn read(bytes: &[u8]) -> Result<FrameHead, &'static str> {
        let mut fields = Fields(bytes);
        let mut parse = || {
            let magic = fields.u32()?;
            let payload = fields.u32()? as usize;
            let records = fields.u32()? as usize;
            let crc = fields.u32()?;
            let first = Lsn::new(fields.u64()?);
            let epoch = Epoch::new(fields.u64()?);
            let chain = fields.array()?;
            Some((magic, FrameHead { payload, records, crc, first, epoch, chain }))
        };
        match parse() {
            Some((MAGIC, head)) => Ok(head),
            Some(_) => Err("not the start of a frame"),
            None => Err("shorter than a frame"),
        }
    }

    /// Checks a whole frame against where it has to continue.
    pub(crate) fn verify(&self, before: &Point, payload: &[u8]) -> Result<(), String> {
        if self.epoch < before.epoch {
            return Err(format!("epoch {} follows epoch {}", self.epoch, before.epoch));
        }
        if crc32c::crc32c(payload) != self.crc {
            return Err("the frame's checksum does not match".to_owned());
        }
        if self.link(&before.chain, payload) != self.chain {
            return Err("the frame does not continue the hash chain".to_owned());
        }
        if Records(payload).count_checked() != Some(self.records) || self.records == 0 {
            return Err("the frame's records do not add up".to_owned());
        }
        Ok(())
    }
}

/// Copies parts one behind the other; together they are as long as `to`.
fn fill(mut to: &mut [u8], parts: &[&[u8]]) {
    for part in parts {
        let (now, later) = to.split_at_mut(part.len().min(to.len()));
        now.copy_from_slice(part);
        to = later;
    }
}

/// Whole sectors, put together for the disk: they begin where memory pages do, so that they can be written past the page cache.
#[derive(Debug, Default)]
pub(crate) struct Sectors {
    bytes: Vec<u8>,
    start: usize,
}

/// What the start of memory for direct writes is a multiple of; no disk asks for more.
const PAGE: usize = 4096;

impl Sectors {
    /// Makes room for so many bytes, and forgets what there was.
    fn restart(&mut self, len: usize) {
        self.bytes.clear();
        self.bytes.reserve(PAGE + len);
        self.start = self.bytes.as_ptr().align_offset(PAGE).min(PAGE);
        self.bytes.resize(self.start, 0);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

/// Encodes a frame into whole sectors, replacing what `out` held.
pub(crate) fn encode(out: &mut Sectors, seed: &Seed, head: &FrameHead, payload: &[u8]) {
    out.restart(sectors_for(payload.len()) * SECTOR);
    let out = &mut out.bytes;
    let mut fixed = [0; FRAME_HEAD];
    fill(&mut fixed, &[&head.fields(), &head.chain]);
    let (with_head, mut rest) = payload.split_at(payload.len().min(SECTOR_PAYLOAD - FRAME_HEAD));
    push_sector(out, seed, 0, head.first, [&fixed, with_head]);
    let mut index = 0;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(SECTOR_PAYLOAD));
        index += 1;
        push_sector(out, seed, index, head.first, [now, &[]]);
        rest = later;
    }
}

fn push_sector(out: &mut Vec<u8>, seed: &Seed, index: u32, first: Lsn, parts: [&[u8]; 2]) {
    let [one, two] = parts;
    let (padding, _) = PADDING.split_at(SECTOR_PAYLOAD.saturating_sub(one.len() + two.len()));
    let index = index.to_le_bytes();
    let first = first.get().to_le_bytes();
    let start = out.len();
    for part in [&[0; 4], index.as_slice(), &first, one, two, padding] {
        out.extend_from_slice(part);
    }
    // In one go over the sector, and put in afterwards: half the time of one part after the other.
    let (_, sector) = out.split_at_mut(start);
    if let Some((check, rest)) = sector.split_first_chunk_mut::<4>() {
        *check = crc32c::crc32c_append(seed.crc, rest).to_le_bytes();
    }
}

/// What a sector turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sector<'a> {
    /// All zeros: never written.
    Untouched,
    /// As it was written.
    Intact { index: u32, first: Lsn, payload: &'a [u8] },
    /// Neither.
    Broken,
}

impl Sector<'_> {
    pub(crate) fn read<'a>(seed: &Seed, sector: &'a [u8]) -> Sector<'a> {
        if sector == UNTOUCHED {
            return Sector::Untouched;
        }
        let mut fields = Fields(sector);
        let Some(crc) = fields.u32() else { return Sector::Broken };
        if crc32c::crc32c_append(seed.crc, fields.0) != crc {
            return Sector::Broken;
        }
        match (fields.u32(), fields.u64()) {
            (Some(index), Some(first)) => Sector::Intact { index, first: Lsn::new(first), payload: fields.0 },
            _ => Sector::Broken,
        }
    }
}

/// Adds a record to a payload.
pub(crate) fn push_record(payload: &mut Vec<u8>, record: &[u8]) {
    payload.extend_from_slice(&(record.len() as u32).to_le_bytes());
    payload.extend_from_slice(record);
}

/// The records of a payload, one after the other.
pub(crate) struct Records<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let mut fields = Fields(self.0);
        let len = fields.u32()? as usize;
        let record = fields.take(len)?;
        self.0 = fields.0;
        Some(record)
    }
}

impl Records<'_> {
    /// How many records there are, or `None` where the bytes end within one.
    pub(crate) fn count_checked(mut self) -> Option<usize> {
        let count = self.by_ref().count();
        self.0.is_empty().then_some(count)
    }
}

/// The first records of a payload that fit `limit` bytes, lengths included: how many, and how many bytes.
pub(crate) fn fitting(payload: &[u8], records: usize, limit: usize) -> (usize, usize) {
    if payload.len() <= limit {
        return (records, payload.len());
    }
    let mut taken = (0, 0);
    for record in Records(payload) {
        let end = taken.1 + RECORD_PREFIX + record.len();
        if end > limit {
            break;
        }
        taken = (taken.0 + 1, end);
    }
    taken
}

/// The first record alone, if it fits `limit` bytes.
pub(crate) fn first_fitting(payload: &[u8], limit: usize) -> (usize, usize) {
    let len = Records(payload).next().map_or(usize::MAX, |record| RECORD_PREFIX + record.len());
    if len <= limit { (1, len) } else { (0, 0) }
}

/// The chain after a batch, as if it were one frame.
pub(crate) fn advance(before: &Point, batch: &Batch) -> Point {
    FrameHead::seal(before, batch.epoch(), batch.len(), batch.bytes()).end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(records: &[&[u8]]) -> Vec<u8> {
        let mut batch = Batch::new(Lsn::FIRST, Epoch::new(1));
        for record in records {
            batch.push(record);
        }
        batch.bytes().to_vec()
    }

    #[test]
    fn a_frame_is_cut_into_sectors_that_know_their_place() {
        let seed = Seed::new([7; 16]);
        let bytes = payload(&[&[1; 1000], b"x"]);
        let head = FrameHead::seal(&seed.genesis(), Epoch::new(1), 2, &bytes);
        let mut sectors = Sectors::default();
        encode(&mut sectors, &seed, &head, &bytes[..4]);
        encode(&mut sectors, &seed, &head, &bytes);
        let out = sectors.bytes();
        assert_eq!((out.len(), out.as_ptr().align_offset(PAGE)), (sectors_for(bytes.len()) * SECTOR, 0));
        let mut whole = Vec::new();
        for (place, sector) in out.chunks(SECTOR).enumerate() {
            let Sector::Intact { index, first, payload } = Sector::read(&seed, sector) else { panic!("{place}") };
            assert_eq!((index as usize, first), (place, Lsn::FIRST));
            whole.extend_from_slice(payload);
        }
        let read = FrameHead::read(&whole).unwrap();
        read.verify(&seed.genesis(), &whole[FRAME_HEAD..FRAME_HEAD + bytes.len()]).unwrap();
        assert_eq!(read.end().next, Lsn::new(3));
    }

    #[test]
    fn a_sector_of_another_directory_is_broken() {
        let bytes = payload(&[b"x"]);
        let seed = Seed::new([7; 16]);
        let mut out = Sectors::default();
        encode(&mut out, &seed, &FrameHead::seal(&seed.genesis(), Epoch::new(1), 1, &bytes), &bytes);
        assert_eq!(Sector::read(&Seed::new([8; 16]), out.bytes()), Sector::Broken);
    }

    #[test]
    fn a_payload_fits_exactly_the_sectors_it_was_sized_for() {
        for sectors in 1..50 {
            assert_eq!(sectors_for(payload_for(sectors)), sectors);
            assert_eq!(sectors_for(payload_for(sectors) + 1), sectors + 1);
        }
    }

    #[test]
    fn records_that_end_early_are_not_counted() {
        let bytes = payload(&[b"one", b"", b"three"]);
        assert_eq!(Records(&bytes).count_checked(), Some(3));
        assert_eq!(Records(&bytes[..bytes.len() - 1]).count_checked(), None);
        assert_eq!(fitting(&bytes, 3, bytes.len() - 1), (2, 11));
        assert_eq!(fitting(&bytes, 3, 3), (0, 0));
    }
}
