//! The file of one checkpoint.
//!
//! ```text
//! header   magic · format version · crc32c · directory id · start lsn
//! chunk*   payload length u32 (not 0) · crc32c u32 · payload = (item length u32 · item)*
//! footer   0 u32 · crc32c u32 · items u64 · end lsn u64 · blake3 of everything before [32]
//! ```

use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use super::disk::{Disk, Open, Streamed};
use super::error::{Damage, FileError, RecoverError, VisitError};
use super::frame::Seed;
use super::position::Lsn;
use super::segment::{checked_body, damage, with_prefix};
use super::store::CheckpointInfo;
use super::wire::Fields;

const MAGIC: [u8; 8] = *b"tplusCKP";
const HEADER: usize = 40;
const CHUNK_HEAD: usize = 8;
const FOOTER: usize = 48;
/// A chunk is written once it has grown to this.
const CHUNK: usize = 256 << 10;

/// Encodes a checkpoint into any writer.
pub(crate) struct Encoder<W> {
    out: W,
    crc: u32,
    hasher: blake3::Hasher,
    items: u64,
    bytes: u64,
    chunk: Vec<u8>,
}

impl<W: Write> Encoder<W> {
    pub(crate) fn start(out: W, seed: &Seed, start: Lsn) -> io::Result<Encoder<W>> {
        let crc = seed.crc;
        let mut encoder = Encoder { out, crc, hasher: blake3::Hasher::new(), items: 0, bytes: 0, chunk: Vec::new() };
        let body = [seed.directory.as_slice(), &start.get().to_le_bytes()].concat();
        encoder.write(&with_prefix(MAGIC, &body))?;
        Ok(encoder)
    }

    pub(crate) fn put(&mut self, item: &[u8]) -> io::Result<()> {
        let len = u32::try_from(item.len()).map_err(io::Error::other)?;
        if self.chunk.len() + item.len() > CHUNK {
            self.flush_chunk()?;
        }
        self.chunk.extend_from_slice(&len.to_le_bytes());
        self.chunk.extend_from_slice(item);
        self.items += 1;
        Ok(())
    }

    /// What it writes to.
    pub(crate) fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Writes the footer and gives the writer back, with the size of the whole.
    pub(crate) fn finish(mut self, end: Lsn) -> io::Result<(W, u64)> {
        self.flush_chunk()?;
        let hash = *self.hasher.finalize().as_bytes();
        let footer = [self.items.to_le_bytes().as_slice(), &end.get().to_le_bytes(), &hash].concat();
        self.write(&chunk_head(self.crc, 0, &footer))?;
        self.write(&footer)?;
        self.out.flush()?;
        Ok((self.out, self.bytes))
    }

    fn flush_chunk(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.chunk);
        let len = u32::try_from(chunk.len()).map_err(io::Error::other)?;
        self.write(&chunk_head(self.crc, len, &chunk))?;
        self.write(&chunk)?;
        self.chunk = chunk;
        self.chunk.clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}

fn chunk_head(seed: u32, len: u32, payload: &[u8]) -> Vec<u8> {
    [len.to_le_bytes(), chunk_crc(seed, len, payload).to_le_bytes()].concat()
}

fn chunk_crc(seed: u32, len: u32, payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &len.to_le_bytes()), payload)
}

/// Verifies a checkpoint file and hands its items over; returns how many there were.
pub(crate) fn read_file(
    disk: &dyn Disk,
    path: &Path,
    seed: &Seed,
    info: &CheckpointInfo,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), VisitError>,
) -> Result<u64, RecoverError> {
    let file = disk.open(path, Open::ToRead).map_err(FileError::at("open", path))?;
    let size = file.len().map_err(FileError::at("look at", path))?;
    read(path, &mut BufReader::with_capacity(CHUNK, Streamed::new(file)), size, seed, info, visit)
}

/// The same from any reader of `size` bytes.
pub(crate) fn read(
    path: &Path,
    input: &mut dyn Read,
    size: u64,
    seed: &Seed,
    info: &CheckpointInfo,
    visit: &mut dyn FnMut(&[u8]) -> Result<(), VisitError>,
) -> Result<u64, RecoverError> {
    let mut decoder = Decoder { path, input, size, at: 0, hasher: blake3::Hasher::new(), buffer: Vec::new() };
    decoder.header(seed, info.start)?;
    let mut items = 0;
    loop {
        let before = *decoder.hasher.finalize().as_bytes();
        if !decoder.chunk(seed)? {
            decoder.footer(before, items, info.end)?;
            return Ok(items);
        }
        let mut fields = Fields(&decoder.buffer);
        while !fields.0.is_empty() {
            let item = fields.u32().and_then(|len| fields.take(len as usize));
            let item = item.ok_or_else(|| decoder.damage("an item ends beyond its chunk"))?;
            visit(item).map_err(|source| RecoverError::Visit { lsn: Lsn::ZERO, source })?;
            items += 1;
        }
    }
}

struct Decoder<'a> {
    path: &'a Path,
    input: &'a mut dyn Read,
    size: u64,
    at: u64,
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl Decoder<'_> {
    fn damage(&self, reason: &str) -> Damage {
        damage(self.path, self.at as usize, Lsn::ZERO, reason)
    }

    /// Fills the buffer with the next `len` bytes.
    fn fill(&mut self, len: usize) -> Result<(), RecoverError> {
        if self.size.saturating_sub(self.at) < len as u64 {
            return Err(self.damage("the file ends too early").into());
        }
        self.buffer.resize(len, 0);
        self.input.read_exact(&mut self.buffer).map_err(FileError::at("read", self.path))?;
        self.hasher.update(&self.buffer);
        self.at += len as u64;
        Ok(())
    }

    fn header(&mut self, seed: &Seed, start: Lsn) -> Result<(), RecoverError> {
        self.fill(HEADER)?;
        let mut fields = Fields(checked_body(self.path, MAGIC, &self.buffer)?);
        if fields.array() != Some(seed.directory) {
            return Err(RecoverError::Foreign { file: self.path.to_owned() });
        }
        if fields.u64() != Some(start.get()) {
            return Err(self.damage("the start is not the one its name says").into());
        }
        Ok(())
    }

    /// The next chunk, into the buffer; false for the footer.
    fn chunk(&mut self, seed: &Seed) -> Result<bool, RecoverError> {
        self.fill(CHUNK_HEAD)?;
        let mut fields = Fields(&self.buffer);
        let (len, crc) = (fields.u32().unwrap_or_default(), fields.u32());
        self.fill(if len == 0 { FOOTER } else { len as usize })?;
        if crc != Some(chunk_crc(seed.crc, len, &self.buffer)) {
            return Err(self.damage("the checksum of the bytes before does not match").into());
        }
        Ok(len != 0)
    }

    fn footer(&self, hash: [u8; 32], items: u64, end: Lsn) -> Result<(), RecoverError> {
        let mut fields = Fields(&self.buffer);
        if fields.u64() != Some(items) || fields.u64() != Some(end.get()) || fields.array() != Some(hash) {
            return Err(self.damage("the footer does not match the content").into());
        }
        if self.at != self.size {
            return Err(self.damage("bytes follow the footer").into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(bytes: &[u8]) -> Result<Vec<Vec<u8>>, RecoverError> {
        let info = CheckpointInfo { start: Lsn::new(5), end: Lsn::new(9), bytes: bytes.len() as u64 };
        let mut items = Vec::new();
        let mut input = bytes;
        let path = Path::new("a.ckpt");
        read(path, &mut input, bytes.len() as u64, &Seed::new([3; 16]), &info, &mut |item| {
            items.push(item.to_vec());
            Ok(())
        })?;
        Ok(items)
    }

    fn sample() -> (Vec<Vec<u8>>, Vec<u8>) {
        let items = vec![vec![], vec![1; 300], b"last".to_vec()];
        let mut encoder = Encoder::start(Vec::new(), &Seed::new([3; 16]), Lsn::new(5)).unwrap();
        for item in &items {
            encoder.put(item).unwrap();
        }
        let (bytes, size) = encoder.finish(Lsn::new(9)).unwrap();
        assert_eq!(size, bytes.len() as u64);
        (items, bytes)
    }

    #[test]
    fn items_come_back_as_they_were_put() {
        let (items, bytes) = sample();
        assert_eq!(read_back(&bytes).unwrap(), items);
    }

    #[test]
    fn every_flipped_bit_and_every_lost_byte_is_refused() {
        let (_, mut bytes) = sample();
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(read_back(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for len in 0..bytes.len() {
            assert!(read_back(&bytes[..len]).is_err(), "{len} bytes");
        }
        bytes.push(0);
        assert!(read_back(&bytes).is_err());
    }

    #[test]
    fn many_chunks_are_one_checkpoint() {
        let mut encoder = Encoder::start(Vec::new(), &Seed::new([3; 16]), Lsn::new(5)).unwrap();
        let items: Vec<_> = (0..5_u8).map(|byte| vec![byte; CHUNK / 2 + 1]).collect();
        for item in &items {
            encoder.put(item).unwrap();
        }
        let (bytes, _) = encoder.finish(Lsn::new(9)).unwrap();
        assert_eq!(read_back(&bytes).unwrap(), items);
    }
}
