//! Makes every checksum and hash of a file right again, so that what is behind them is tried too: lengths, counts, positions, order.

use super::DIRECTORY;

const SECTOR: usize = 512;
const SECTOR_HEAD: usize = 16;
const FRAME_HEAD: usize = 64;
const CHECKPOINT_HEADER: usize = 40;
const FOOTER: usize = 48;

/// A segment: its header, its frames, its sectors.
pub fn of_segment(bytes: &[u8]) -> Vec<u8> {
    let mut file = bytes.to_vec();
    of_header(&mut file, SECTOR);
    frames(&mut file);
    for sector in file.chunks_exact_mut(SECTOR).skip(1).filter(|sector| sector.iter().any(|byte| *byte != 0)) {
        let crc = crc32c::crc32c_append(crc32c::crc32c(&DIRECTORY), &sector[4..]);
        sector[..4].copy_from_slice(&crc.to_le_bytes());
    }
    file
}

/// Each frame goes on from the one before, the first from the header.
fn frames(file: &mut [u8]) {
    let sectors = file.len() / SECTOR;
    let Some(mut chain) = file.get(56..88).map(<[u8]>::to_vec) else { return };
    let mut at = 1;
    while at < sectors {
        let length = u32_at(file, at * SECTOR + SECTOR_HEAD + 4);
        let whole = (FRAME_HEAD + length).div_ceil(SECTOR - SECTOR_HEAD);
        if whole > sectors - at {
            return;
        }
        let of_frame = &file[at * SECTOR..(at + whole) * SECTOR];
        let frame: Vec<u8> = of_frame.chunks_exact(SECTOR).flat_map(|sector| &sector[SECTOR_HEAD..]).copied().collect();
        let payload = &frame[FRAME_HEAD..FRAME_HEAD + length];
        let head = &mut file[at * SECTOR + SECTOR_HEAD..][..FRAME_HEAD];
        if head.iter().all(|byte| *byte == 0) {
            return;
        }
        head[12..16].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
        let next = blake3::Hasher::new().update(&chain).update(&head[..32]).update(payload).finalize();
        head[32..].copy_from_slice(next.as_bytes());
        chain = next.as_bytes().to_vec();
        at += whole;
    }
}

/// A checkpoint: its header, its chunks, its footer.
pub fn of_checkpoint(bytes: &[u8]) -> Vec<u8> {
    let mut file = bytes.to_vec();
    of_header(&mut file, CHECKPOINT_HEADER);
    let mut at = CHECKPOINT_HEADER;
    while at + 8 <= file.len() {
        let length = u32_at(&file, at);
        let size = if length == 0 { FOOTER } else { length };
        if size > file.len() - at - 8 {
            break;
        }
        if length == 0 {
            let hash = blake3::hash(&file[..at]);
            file[at + 8 + 16..at + 8 + FOOTER].copy_from_slice(hash.as_bytes());
        }
        let seed = crc32c::crc32c_append(crc32c::crc32c(&DIRECTORY), &file[at..at + 4]);
        let crc = crc32c::crc32c_append(seed, &file[at + 8..at + 8 + size]);
        file[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        if length == 0 {
            break;
        }
        at += 8 + size;
    }
    file
}

/// Magic, version, check, and the body that is checked.
fn of_header(file: &mut [u8], size: usize) {
    if let Some(header) = file.get_mut(..size) {
        let crc = crc32c::crc32c_append(crc32c::crc32c(&header[8..12]), &header[16..]);
        header[12..16].copy_from_slice(&crc.to_le_bytes());
    }
}

fn u32_at(file: &[u8], at: usize) -> usize {
    file.get(at..at + 4).map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")) as usize)
}
