//! The backups that a destination holds.

use std::{collections::BTreeMap, io::Read as _, path::PathBuf};

use super::{
    BackupError,
    destination::{Destination, DestinationError, Summed},
    manifest::{self, MANIFESTS, Manifest, Part, Segment},
};
use crate::journal::{
    Identity, Point,
    carry::{self, Carried, VisitFrame},
};

/// A destination, and what is to be found there.
pub struct Shelf {
    pub(super) destination: Box<dyn Destination>,
}

/// A backup, by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The last record that it holds.
    pub position: u64,
    /// What it is called: its position and some digits of its hash.
    pub name: String,
    /// The object that is its manifest.
    pub object: String,
}

/// Which backup is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The one that reaches furthest; of several that reach as far, the one that was made last.
    #[default]
    Newest,
    /// The one of this name.
    Named(String),
}

impl Shelf {
    /// What a destination holds.
    pub fn new(destination: Box<dyn Destination>) -> Self {
        Self { destination }
    }

    /// What people call the destination.
    pub fn name(&self) -> &str {
        self.destination.name()
    }

    /// The backups there are, by position. Nothing is read of them.
    ///
    /// # Errors
    /// When the destination fails.
    pub fn entries(&self) -> Result<Vec<Entry>, BackupError> {
        let objects = self.destination.list(MANIFESTS)?.into_iter();
        let entry = |object: String| manifest::named(&object).map(|(position, name)| Entry { position, name, object });
        let mut entries: Vec<Entry> = objects.filter_map(|object| entry(object.name)).collect();
        entries.sort_unstable();
        Ok(entries)
    }

    /// The manifest of a backup.
    ///
    /// # Errors
    /// When it is damaged or gone, or the destination fails.
    pub fn manifest(&self, entry: &Entry) -> Result<Manifest, BackupError> {
        let mut bytes = Vec::new();
        let content = self.destination.get(&entry.object)?;
        let mut content = content.ok_or_else(|| BackupError::Gone { object: entry.object.clone() })?;
        content.read_to_end(&mut bytes).map_err(DestinationError::at("read", &entry.object))?;
        Manifest::decode(&entry.object, &bytes)
    }

    /// The backup that is meant.
    ///
    /// # Errors
    /// When there is none, its manifest is damaged, or the destination fails.
    pub fn choose(&self, choice: &Choice) -> Result<(Entry, Manifest), BackupError> {
        let mut entries = self.entries()?;
        let destination = self.name().to_owned();
        match choice {
            Choice::Newest => {
                let furthest = entries.last().map(|entry| entry.position);
                entries.retain(|entry| Some(entry.position) == furthest);
            }
            Choice::Named(name) => {
                entries.retain(|entry| entry.name == *name);
                if entries.is_empty() {
                    return Err(BackupError::Unknown { destination, name: name.clone() });
                }
            }
        }
        let read = |entry: Entry| self.manifest(&entry).map(|manifest| (entry, manifest));
        let read = entries.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let latest = read.into_iter().max_by_key(|(_, manifest)| manifest.taken_at);
        latest.ok_or(BackupError::None { destination })
    }

    /// The newest backup whose manifest can be read. None where there is no backup at all.
    pub(super) fn newest_readable(
        &self,
        passed_over: &mut Vec<String>,
    ) -> Result<Option<(Entry, Manifest)>, BackupError> {
        let (mut found, mut damage): (Option<(Entry, Manifest)>, _) = (None, None);
        for entry in self.entries()?.into_iter().rev() {
            if found.as_ref().is_some_and(|(found, _)| found.position > entry.position) {
                break;
            }
            match self.manifest(&entry) {
                Ok(manifest) if found.as_ref().is_some_and(|(_, found)| found.taken_at > manifest.taken_at) => {}
                Ok(manifest) => found = Some((entry, manifest)),
                Err(error) if error.is_damage() => {
                    passed_over.push(error.to_string());
                    damage = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match damage {
            // Whose backups these are cannot be said any more.
            Some(damage) if found.is_none() => Err(damage),
            _ => Ok(found),
        }
    }

    /// The objects of a folder, with their sizes and when they were put.
    pub(super) fn present(&self, folder: &str) -> Result<BTreeMap<String, (u64, i64)>, BackupError> {
        let objects = self.destination.list(folder)?.into_iter();
        Ok(objects.map(|object| (object.name, (object.size, object.modified))).collect())
    }

    /// Reads an object whole, if it is what it should be.
    pub(super) fn read(&self, part: &Part, bytes: &mut Vec<u8>) -> Result<(), BackupError> {
        bytes.clear();
        self.stream(part, |content| {
            content.read_to_end(bytes).map_err(DestinationError::at("read", &part.object))?;
            Ok(())
        })
    }

    /// Has an object read by `take`, and then finds out whether it is what it should be. What `take` says counts only where the object is.
    pub(super) fn stream<T>(
        &self,
        part: &Part,
        take: impl FnOnce(&mut Summed<'_>) -> Result<T, BackupError>,
    ) -> Result<T, BackupError> {
        let content = self.destination.get(&part.object)?;
        let mut content = content.ok_or_else(|| BackupError::Gone { object: part.object.clone() })?;
        let mut summed = Summed::new(&mut content);
        let taken = take(&mut summed);
        if !matches!(taken, Err(BackupError::Destination(_))) {
            std::io::copy(&mut summed, &mut std::io::sink()).map_err(DestinationError::at("read", &part.object))?;
            let damaged = |reason| BackupError::Damaged { object: part.object.clone(), reason };
            summed.is(part).map_err(damaged)?;
        }
        taken
    }

    pub(super) fn identity(&self, manifest: &Manifest) -> Result<Identity, BackupError> {
        let mut bytes = Vec::new();
        self.read(&manifest.identity, &mut bytes)?;
        let identity = carry::decode_identity(&self.called(&manifest.identity), &bytes)?;
        if super::hex(&identity.id) == manifest.directory {
            return Ok(identity);
        }
        let reason = format!("it is not the identity of data directory {}", manifest.directory);
        Err(BackupError::Damaged { object: manifest.identity.object.clone(), reason })
    }

    /// Reads a segment into `bytes` and verifies it: that it is what the manifest says, that it continues `before`, and every frame.
    pub(super) fn segment(
        &self,
        identity: &Identity,
        segment: &Segment,
        before: &Point,
        bytes: &mut Vec<u8>,
        visit: &mut VisitFrame<'_>,
    ) -> Result<Carried, BackupError> {
        self.read(&segment.part, bytes)?;
        let carried = carry::check(identity, &self.called(&segment.part), bytes, before, visit)?;
        if segment.end() == Some(carried.end) && segment.first == carried.start.next.get() {
            return Ok(carried);
        }
        let reason = "the manifest says that it begins or ends elsewhere".to_owned();
        Err(BackupError::Damaged { object: segment.part.object.clone(), reason })
    }

    /// What an object is called in errors of the journal.
    pub(super) fn called(&self, part: &Part) -> PathBuf {
        PathBuf::from(format!("{}/{}", self.name().trim_end_matches('/'), part.object))
    }
}
