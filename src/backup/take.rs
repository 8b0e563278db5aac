//! Making a backup.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read},
    path::Path,
    time::Duration,
};

use super::{
    BackupError,
    destination::DestinationError,
    hex,
    manifest::{About, Checkpoint, Manifest, Part, Segment},
    shelf::Shelf,
    stamps::{self, Stamps},
};
use crate::journal::{
    CheckpointInfo, Lsn, Point, RecoverError,
    carry::{self, Listed, Source},
};

/// Where segments lie.
pub(super) const SEGMENTS: &str = "segments/";
/// Where checkpoints lie.
pub(super) const CHECKPOINTS: &str = "checkpoints/";
/// Where identities lie.
pub(super) const IDENTITIES: &str = "identity/";
/// What no manifest names is put again if it is older than this: a prune that runs meanwhile may remove it, though none that is younger.
const SURE: Duration = Duration::from_secs(12 * 60 * 60);

/// A backup that was made.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What it is called.
    pub name: String,
    /// What belongs to it.
    pub manifest: Manifest,
    /// Objects that were put for it, and their bytes; all others were there already.
    pub put: (u64, u64),
    /// What is wrong with earlier backups, or with checkpoints: the backup is whole without.
    pub warnings: Vec<String>,
}

/// Makes a backup of a data directory, which a server may be using. What was acknowledged before this was called is in it. `now` is the time of
/// the wall clock, in microseconds; `tell` is told of every object that is looked after, and its size.
///
/// # Errors
/// When the directory is damaged, the destination fails, or belongs to another line of history. Nothing looks like a backup then.
pub fn take(dir: &Path, shelf: &Shelf, now: i64, tell: &mut dyn FnMut(&str, u64)) -> Result<Taken, BackupError> {
    let source = Source::open(dir)?;
    let mut warnings = Vec::new();
    let latest = shelf.newest_readable(&mut warnings)?;
    if let Some((entry, manifest)) = &latest {
        check_directory(&source, shelf, manifest)?;
        check_line(&source, shelf, &entry.name, manifest)?;
    }
    let latest = latest.map(|(_, manifest)| manifest);
    let mut taking = Taking::new(&source, shelf, latest, now, tell)?;
    taking.warnings.append(&mut warnings);
    let identity = taking.identity()?;
    // The long part first: what is behind it is taken from a second look, so that it is of now, and so are the checkpoints.
    taking.go_on(&sealed(source.segments()?))?;
    let checkpoints = source.checkpoints().map_err(RecoverError::from)?;
    taking.go_on(&source.segments()?)?;
    let checkpoint = taking.checkpoint(checkpoints)?;
    taking.finish(identity, checkpoint.into_iter().collect())
}

fn sealed(mut segments: Vec<Listed>) -> Vec<Listed> {
    segments.retain(|segment| segment.sealed.is_some());
    segments
}

fn check_directory(source: &Source, shelf: &Shelf, latest: &Manifest) -> Result<(), BackupError> {
    let here = hex(&source.identity().id);
    if latest.directory == here {
        return Ok(());
    }
    let from = source.identity().attribute(super::restore::FROM).map(str::to_owned);
    Err(BackupError::OtherDirectory {
        destination: shelf.name().to_owned(),
        there: latest.directory.clone(),
        here,
        from,
    })
}

/// Whether the journal has, where the latest backup ends, the hash that it ended with: then everything before is the same.
fn check_line(source: &Source, shelf: &Shelf, backup: &str, latest: &Manifest) -> Result<(), BackupError> {
    let position = Lsn::new(latest.position);
    let meets = |point: &Point| point.next == position.next() && hex(&point.chain) == latest.chain;
    let listed = source.segments()?;
    let oldest = listed.first().map_or(Lsn::ZERO, |segment| segment.start.next);
    let holder = listed.iter().rfind(|segment| segment.start.next <= position.next());
    let holder = holder.ok_or(BackupError::Hole { oldest })?;
    let mut met = meets(&holder.start);
    if met {
        return Ok(());
    }
    let read = source.read(holder, &holder.start, &mut Vec::new(), &mut |frame| {
        met |= meets(&frame.end());
        Ok(())
    });
    let (here, destination) = (read?.end.next.previous(), shelf.name().to_owned());
    if met {
        Ok(())
    } else if here < position {
        Err(BackupError::Behind { destination, there: position, here })
    } else {
        Err(BackupError::Diverged { destination, backup: backup.to_owned(), at: position })
    }
}

/// A backup that is being made.
struct Taking<'a> {
    source: &'a Source,
    shelf: &'a Shelf,
    now: i64,
    tell: &'a mut dyn FnMut(&str, u64),
    /// What the latest backup has, by first record.
    known: BTreeMap<u64, Segment>,
    /// The objects that it names.
    named: BTreeSet<String>,
    /// What is there, by name: size, and when it was put.
    present: BTreeMap<String, (u64, i64)>,
    segments: Vec<Segment>,
    end: Point,
    put: (u64, u64),
    warnings: Vec<String>,
}

impl<'a> Taking<'a> {
    fn new(
        source: &'a Source,
        shelf: &'a Shelf,
        latest: Option<Manifest>,
        now: i64,
        tell: &'a mut dyn FnMut(&str, u64),
    ) -> Result<Self, BackupError> {
        let mut present = BTreeMap::new();
        for folder in [SEGMENTS, CHECKPOINTS, IDENTITIES] {
            present.append(&mut shelf.present(folder)?);
        }
        let named = latest.iter().flat_map(Manifest::parts).map(|part| part.object.clone()).collect();
        let known = latest.into_iter().flat_map(|latest| latest.segments).map(|segment| (segment.first, segment));
        let end = carry::genesis(source.identity());
        let (known, warnings) = (known.collect(), Vec::new());
        Ok(Self { source, shelf, now, tell, known, named, present, segments: Vec::new(), end, put: (0, 0), warnings })
    }

    fn identity(&mut self) -> Result<Part, BackupError> {
        let bytes = carry::encode_identity(self.source.identity());
        let part = Part::of(IDENTITIES, &bytes);
        self.put(&part, &mut bytes.as_slice())?;
        Ok(part)
    }

    /// Takes the segments that follow those that were taken.
    fn go_on(&mut self, listed: &[Listed]) -> Result<(), BackupError> {
        if let Some(oldest) = listed.first() {
            self.take_over(oldest)?;
        }
        let taken = self.end.next;
        let mut to_come = listed.iter().skip_while(|segment| segment.start.next < taken);
        to_come.try_for_each(|segment| self.segment(segment))
    }

    /// Records that the directory has no longer, somebody having removed the oldest files of its archive, are taken from the latest backup.
    fn take_over(&mut self, oldest: &Listed) -> Result<(), BackupError> {
        while self.end.next < oldest.start.next {
            let hole = || BackupError::Hole { oldest: oldest.start.next };
            let known = self.known.get(&self.end.next.get()).filter(|known| self.is_there(&known.part));
            let known = known.cloned().ok_or_else(hole)?;
            let end = known.end().filter(|end| end.next > self.end.next).ok_or_else(hole)?;
            (self.tell)(&known.part.object, known.part.size);
            self.segments.push(known);
            self.end = end;
        }
        Ok(())
    }

    fn segment(&mut self, listed: &Listed) -> Result<(), BackupError> {
        if let Some(known) = self.known.get(&listed.start.next.get())
            && listed.start == self.end
            && listed.sealed.is_some_and(|sealed| known.end() == Some(sealed))
            && self.is_there(&known.part)
        {
            (self.tell)(&known.part.object, known.part.size);
            self.segments.push(known.clone());
            self.end = listed.sealed.unwrap_or(self.end);
            return Ok(());
        }
        let (mut bytes, mut stamps) = (Vec::new(), Stamps::default());
        let carried = self.source.read(listed, &self.end, &mut bytes, &mut |frame| {
            frame.records().try_for_each(|(lsn, record)| {
                stamps.note(&stamps::read(record).map_err(|source| RecoverError::Visit { lsn, source })?);
                Ok(())
            })
        })?;
        let part = Part::of(&format!("{SEGMENTS}{:020}-", carried.start.next.get()), &bytes);
        self.put(&part, &mut bytes.as_slice())?;
        self.segments.push(Segment {
            first: carried.start.next.get(),
            next: carried.end.next.get(),
            epoch: carried.end.epoch.get(),
            chain: hex(&carried.end.chain),
            recorded: stamps.span,
            part,
        });
        self.end = carried.end;
        Ok(())
    }

    /// The newest of these checkpoints that is whole. All that they have seen was durable before the last segment was read.
    fn checkpoint(&mut self, found: Vec<CheckpointInfo>) -> Result<Option<Checkpoint>, BackupError> {
        let end = self.end.next;
        for info in found.into_iter().filter(|info| info.end < end) {
            match self.source.verify_checkpoint(&info) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(error @ (RecoverError::Damage(_) | RecoverError::Foreign { .. })) => {
                    self.warnings.push(format!("{error}; an older checkpoint is taken, or none"));
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            match self.put_checkpoint(&info) {
                Ok(put) => return Ok(Some(put)),
                // It was removed while it was read.
                Err(_) if !self.source.verify_checkpoint(&info)? => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn put_checkpoint(&mut self, info: &CheckpointInfo) -> Result<Checkpoint, BackupError> {
        let open = || self.source.open_checkpoint(info).map_err(RecoverError::from);
        let (start, end, name) =
            (info.start.get(), info.end.get(), format!("{CHECKPOINTS}{:020}-{:020}", info.start, info.end));
        let mut hasher = blake3::Hasher::new();
        let size = io::copy(&mut open()?, &mut hasher).map_err(DestinationError::at("read", &name))?;
        let blake3 = hex(hasher.finalize().as_bytes());
        let part = Part { object: format!("{name}-{blake3}"), size, blake3 };
        let mut content = open()?;
        self.put(&part, &mut content)?;
        Ok(Checkpoint { start, end, part })
    }

    fn put(&mut self, part: &Part, content: &mut dyn Read) -> Result<(), BackupError> {
        (self.tell)(&part.object, part.size);
        if !self.is_there(part) {
            self.shelf.destination.put(part, content)?;
            self.put = (self.put.0 + 1, self.put.1 + part.size);
        }
        Ok(())
    }

    /// Whether an object is there, and is sure to stay.
    fn is_there(&self, part: &Part) -> bool {
        let sure = i64::try_from(SURE.as_micros()).unwrap_or(i64::MAX);
        self.present.get(&part.object).is_some_and(|(size, put_at)| {
            *size == part.size && (self.named.contains(&part.object) || self.now.saturating_sub(*put_at) < sure)
        })
    }

    /// Puts the manifest, and looks once more whether all is there that it names.
    fn finish(self, identity: Part, checkpoints: Vec<Checkpoint>) -> Result<Taken, BackupError> {
        let directory = hex(&self.source.identity().id);
        let about = About { directory, taken_at: self.now, end: self.end };
        let manifest = Manifest::new(about, identity, self.segments, checkpoints);
        let unwritable =
            |error: serde_json::Error| BackupError::OutOfReach(format!("cannot write the manifest: {error}"));
        let (name, object, bytes) = manifest.encode().map_err(unwritable)?;
        let part = Part { object, ..Part::of("", &bytes) };
        self.shelf.destination.settle(&[SEGMENTS, CHECKPOINTS, IDENTITIES])?;
        self.shelf.destination.put(&part, &mut bytes.as_slice())?;
        let mut present = BTreeMap::new();
        for folder in [SEGMENTS, CHECKPOINTS, IDENTITIES] {
            present.append(&mut self.shelf.present(folder)?);
        }
        let is_there = |part: &Part| present.get(&part.object).is_some_and(|(size, _)| *size == part.size);
        if let Some(gone) = manifest.parts().find(|part| !is_there(part)) {
            let object = gone.object.clone();
            self.shelf.destination.remove(&part.object)?;
            return Err(BackupError::Gone { object });
        }
        Ok(Taken { name, manifest, put: self.put, warnings: self.warnings })
    }
}
