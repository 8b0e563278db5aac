//! What belongs to a backup, written down.

use serde::{Deserialize, Serialize};

use super::{BackupError, hex};
use crate::journal::{Epoch, Lsn, Point};

/// The version of the format of manifests and of what they name.
const FORMAT: u32 = 1;
/// What a manifest says that it is.
const KIND: &str = "tplus backup";
/// Where manifests lie.
pub(super) const MANIFESTS: &str = "manifests/";
/// How many digits of its hash a manifest is named by.
const DIGITS: usize = 32;

/// One backup: the journal of a data directory from its first record to a position, and where its parts lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    kind: String,
    format: u32,
    /// The release that wrote it.
    pub written_by: String,
    /// The id of the data directory, in hexadecimal digits.
    pub directory: String,
    /// When it was made, by the wall clock of the machine that made it: microseconds since 1970-01-01T00:00:00Z.
    pub taken_at: i64,
    /// The last record; 0 where there was none yet.
    pub position: u64,
    /// When that was recorded, by the engine's time, or a record before it, if that has a later time; absent without records. Microseconds.
    pub recorded_at: Option<i64>,
    /// The epoch of the last record.
    pub epoch: u64,
    /// The hash of everything up to the last record, in hexadecimal digits.
    pub chain: String,
    /// The identity of the data directory.
    pub identity: Part,
    /// All segments from the first record on, each going on where the one before ends.
    pub segments: Vec<Segment>,
    /// Checkpoints that a start behind a restore can begin with.
    pub checkpoints: Vec<Checkpoint>,
}

/// An object of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its name within the destination.
    pub object: String,
    /// Its size, in bytes.
    pub size: u64,
    /// The BLAKE3 hash of its bytes, in hexadecimal digits.
    pub blake3: String,
}

/// A segment of the journal, without the zeros behind its last frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its first record.
    pub first: u64,
    /// The record after its last one.
    pub next: u64,
    /// The epoch of its last frame.
    pub epoch: u64,
    /// The hash of everything up to its last record, in hexadecimal digits.
    pub chain: String,
    /// The earliest and the latest time at which its records were recorded; absent without records. Microseconds.
    pub recorded: Option<(i64, i64)>,
    /// The object.
    #[serde(flatten)]
    pub part: Part,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Replay begins with this record.
    pub start: u64,
    /// The last record that it may have seen.
    pub end: u64,
    /// The object.
    #[serde(flatten)]
    pub part: Part,
}

impl Segment {
    /// Where it ends, if its hash can be read.
    pub(super) fn end(&self) -> Option<Point> {
        let chain = blake3::Hash::from_hex(&self.chain).ok()?;
        Some(Point { next: Lsn::new(self.next), epoch: Epoch::new(self.epoch), chain: *chain.as_bytes() })
    }
}

/// What is true of a whole backup.
pub(super) struct About {
    pub(super) directory: String,
    pub(super) taken_at: i64,
    pub(super) end: Point,
}

impl Manifest {
    pub(super) fn new(about: About, identity: Part, segments: Vec<Segment>, checkpoints: Vec<Checkpoint>) -> Self {
        let About { directory, taken_at, end } = about;
        Self {
            kind: KIND.to_owned(),
            format: FORMAT,
            written_by: format!("tplus {}", env!("CARGO_PKG_VERSION")),
            directory,
            taken_at,
            position: end.next.previous().get(),
            recorded_at: segments.iter().filter_map(|segment| segment.recorded).map(|(_, latest)| latest).max(),
            epoch: end.epoch.get(),
            chain: hex(&end.chain),
            identity,
            segments,
            checkpoints,
        }
    }

    /// All its objects.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        let segments = self.segments.iter().map(|segment| &segment.part);
        let checkpoints = self.checkpoints.iter().map(|checkpoint| &checkpoint.part);
        [&self.identity].into_iter().chain(segments).chain(checkpoints)
    }

    /// Bytes of all its objects.
    pub fn bytes(&self) -> u64 {
        self.parts().map(|part| part.size).sum()
    }

    /// As it is put: the name of the backup, the name of the object, and its bytes.
    pub(super) fn encode(&self) -> Result<(String, String, Vec<u8>), serde_json::Error> {
        let bytes = serde_json::to_vec_pretty(self)?;
        let name = name(self.position, &bytes);
        let object = object(self.position, &bytes);
        Ok((name, object, bytes))
    }

    /// Reads one from the bytes of the object of this name.
    pub(super) fn decode(object_name: &str, bytes: &[u8]) -> Result<Self, BackupError> {
        let damaged = |reason: String| BackupError::Damaged { object: object_name.to_owned(), reason };
        let fields: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
        let number = |field| fields.get(field).and_then(serde_json::Value::as_u64);
        if object_name != object(number("position").unwrap_or_default(), bytes) {
            return Err(damaged("its bytes are not those that its name tells of".to_owned()));
        }
        match number("format") {
            Some(format) if format <= FORMAT.into() => {}
            format => {
                let format = format.map_or_else(|| "unknown".to_owned(), |format| format.to_string());
                return Err(BackupError::OutOfReach(format!(
                    "{object_name} has format {format}; this release knows formats up to {FORMAT}"
                )));
            }
        }
        let manifest: Self = serde_json::from_value(fields).map_err(|error| damaged(error.to_string()))?;
        if manifest.kind == KIND { Ok(manifest) } else { Err(damaged("it is no manifest of a backup".to_owned())) }
    }
}

/// What a backup is called: its position, and some digits of the hash of its manifest.
fn name(position: u64, bytes: &[u8]) -> String {
    let hash = blake3::hash(bytes).to_hex();
    format!("{position}-{}", hash.get(..DIGITS).unwrap_or_default())
}

/// The object of a manifest. Names sort by position.
fn object(position: u64, bytes: &[u8]) -> String {
    let name = name(position, bytes);
    let (_, digits) = name.split_once('-').unwrap_or_default();
    format!("{MANIFESTS}{position:020}-{digits}.json")
}

/// Position and name of the backup whose manifest is this object.
pub(super) fn named(object: &str) -> Option<(u64, String)> {
    let (position, digits) = object.strip_prefix(MANIFESTS)?.strip_suffix(".json")?.split_once('-')?;
    let number = position.parse().ok().filter(|_| position.len() == 20)?;
    Some((number, format!("{number}-{digits}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let part = |object: &str| Part { object: object.to_owned(), size: 7, blake3: "00".repeat(32) };
        let end = Point { next: Lsn::new(10), epoch: Epoch::new(2), chain: [5; 32] };
        let segment = Segment {
            first: 1,
            next: 10,
            epoch: 2,
            chain: hex(&end.chain),
            recorded: Some((3, 9)),
            part: part("segments/a"),
        };
        let checkpoint = Checkpoint { start: 1, end: 2, part: part("checkpoints/a") };
        let about = About { directory: "ab".to_owned(), taken_at: 1, end };
        Manifest::new(about, part("identity/a"), vec![segment], vec![checkpoint])
    }

    #[test]
    fn a_manifest_comes_back_as_it_was_written() {
        let manifest = sample();
        let (name, object, bytes) = manifest.encode().unwrap();
        assert_eq!(named(&object), Some((9, name)));
        assert_eq!(Manifest::decode(&object, &bytes).unwrap(), manifest);
        assert_eq!((manifest.recorded_at, manifest.bytes()), (Some(9), 21));
        assert_eq!(manifest.segments[0].end().unwrap().chain, [5; 32]);
    }

    #[test]
    fn a_changed_manifest_and_one_of_a_newer_release_are_refused() {
        let (_, object_name, mut bytes) = sample().encode().unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert!(matches!(Manifest::decode(&object_name, &bytes), Err(BackupError::Damaged { .. })), "byte {at}");
            bytes[at] ^= 1;
        }
        let newer = Manifest { format: FORMAT + 1, ..sample() };
        let (_, object_name, bytes) = newer.encode().unwrap();
        assert!(matches!(Manifest::decode(&object_name, &bytes), Err(BackupError::OutOfReach(_))));
    }
}
