//! Reading a backup, all of it.

use super::{
    BackupError,
    manifest::{Checkpoint, Manifest},
    shelf::Shelf,
    stamps::{self, Stamps},
};
use crate::journal::{CheckpointInfo, Identity, Lsn, Point, RecoverError, carry};

/// What was found when a backup was read.
#[derive(Debug)]
pub struct Verified {
    /// Records that are whole, one behind the other from the first on.
    pub records: u64,
    /// What is not as it was written, in the order in which it was read. None: the backup is good.
    pub damage: Vec<BackupError>,
}

/// Reads every object of a backup and holds it against its hash; follows the chain from the first record to the last; decodes every record.
/// Goes on behind what is damaged. `tell` is told of every object that is read, and its size.
///
/// # Errors
/// When the destination fails.
pub fn verify(shelf: &Shelf, manifest: &Manifest, tell: &mut dyn FnMut(&str, u64)) -> Result<Verified, BackupError> {
    let mut verifying = Verifying { shelf, manifest, verified: Verified { records: 0, damage: Vec::new() } };
    let identity = shelf.identity(manifest);
    (tell)(&manifest.identity.object, manifest.identity.size);
    let Some(identity) = verifying.note(identity)? else {
        verifying.hashes_only(tell)?;
        return Ok(verifying.verified);
    };
    verifying.segments(&identity, tell)?;
    for checkpoint in &manifest.checkpoints {
        (tell)(&checkpoint.part.object, checkpoint.part.size);
        let checked = check_checkpoint(shelf, manifest, &identity, checkpoint);
        verifying.note(checked)?;
    }
    Ok(verifying.verified)
}

struct Verifying<'a> {
    shelf: &'a Shelf,
    manifest: &'a Manifest,
    verified: Verified,
}

impl Verifying<'_> {
    /// Notes damage, and hands on all else.
    fn note<T>(&mut self, read: Result<T, BackupError>) -> Result<Option<T>, BackupError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.is_damage() => {
                self.verified.damage.push(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn segments(&mut self, identity: &Identity, tell: &mut dyn FnMut(&str, u64)) -> Result<(), BackupError> {
        let (mut before, mut bytes) = (carry::genesis(identity), Vec::new());
        for segment in &self.manifest.segments {
            (tell)(&segment.part.object, segment.part.size);
            let (mut stamps, mut records) = (Stamps::default(), 0);
            let unbroken = self.verified.damage.is_empty();
            let read = self.shelf.segment(identity, segment, &before, &mut bytes, &mut |frame| {
                for (lsn, record) in frame.records() {
                    let refused = |source| RecoverError::Visit { lsn, source };
                    stamps.note(&stamps::read(record).map_err(refused)?);
                    records += 1;
                }
                Ok(())
            });
            let object = || segment.part.object.clone();
            let read = read.and_then(|read| match stamps.span == segment.recorded {
                true => Ok(read),
                false => Err(wrong(object(), "its records were recorded at other times than the manifest says")),
            });
            let end = self.note(read)?.map(|read| read.end).or(segment.end());
            self.verified.records += if unbroken && self.verified.damage.is_empty() { records } else { 0 };
            let Some(end) = end else { break };
            before = end;
        }
        self.check_end(&before);
        Ok(())
    }

    fn check_end(&mut self, end: &Point) {
        let Manifest { position, chain, epoch, .. } = self.manifest;
        let found = (end.next.previous().get(), super::hex(&end.chain), end.epoch.get());
        if self.verified.damage.is_empty() && found != (*position, chain.clone(), *epoch) {
            let reason = format!("its segments end with lsn {}, and not as the manifest says", found.0);
            self.verified.damage.push(wrong(format!("the manifest of lsn {position}"), &reason));
        }
    }

    /// Without the identity no frame can be read.
    fn hashes_only(&mut self, tell: &mut dyn FnMut(&str, u64)) -> Result<(), BackupError> {
        for part in self.manifest.parts().skip(1) {
            (tell)(&part.object, part.size);
            let read = self.shelf.stream(part, |_| Ok(()));
            self.note(read)?;
        }
        Ok(())
    }
}

fn wrong(object: String, reason: &str) -> BackupError {
    BackupError::Damaged { object, reason: reason.to_owned() }
}

fn check_checkpoint(
    shelf: &Shelf,
    manifest: &Manifest,
    identity: &Identity,
    checkpoint: &Checkpoint,
) -> Result<(), BackupError> {
    let Checkpoint { start, end, part } = checkpoint;
    if *end > manifest.position {
        return Err(wrong(part.object.clone(), "it has seen more than the backup holds"));
    }
    let info = CheckpointInfo { start: Lsn::new(*start), end: Lsn::new(*end), bytes: part.size };
    let name = shelf.called(part);
    shelf.stream(part, |content| {
        carry::check_checkpoint(identity, &name, content, &info, &mut |_| Ok(())).map(drop).map_err(BackupError::from)
    })
}
