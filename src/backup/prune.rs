//! Removing backups, and what no backup needs any more.

use std::{collections::BTreeSet, time::Duration};

use super::{
    BackupError,
    directory::UNFINISHED,
    shelf::{Entry, Shelf},
    take::{CHECKPOINTS, IDENTITIES, SEGMENTS},
};

/// Which backups are removed: those that every rule that is given lets go. The newest stays in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// So many of the newest stay.
    pub keep: Option<usize>,
    /// What was made less than this ago stays.
    pub older_than: Option<Duration>,
    /// Objects that no backup names stay as long as this: one that is being made may be about to name them.
    pub grace: Duration,
    /// Only say what would be removed.
    pub dry_run: bool,
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Backups, oldest first.
    pub backups: Vec<Entry>,
    /// Objects that none of the others names, and their bytes.
    pub objects: (u64, u64),
    /// Backups that stay.
    pub kept: usize,
}

/// Removes backups, and then the objects that none of the others names. `now` is the time of the wall clock, in microseconds.
///
/// # Errors
/// When the destination fails, or a manifest is damaged: what it names cannot be told then, and nothing is removed.
pub fn prune(shelf: &Shelf, rule: &Rule, now: i64) -> Result<Pruned, BackupError> {
    // Objects first: of what is put later nothing is removed.
    let mut objects = Vec::new();
    for folder in [SEGMENTS, CHECKPOINTS, IDENTITIES, UNFINISHED] {
        objects.append(&mut shelf.destination.list(folder)?);
    }
    let read = |entry: Entry| shelf.manifest(&entry).map(|manifest| (entry, manifest));
    let mut all = shelf.entries()?.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    all.sort_by_key(|(entry, manifest)| (entry.position, manifest.taken_at));
    let is_older =
        |at: i64, age: Duration| now.saturating_sub(at) >= i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    let count = all.len();
    let goes = |place: usize, taken_at: i64| {
        let newer = count - 1 - place;
        newer >= rule.keep.unwrap_or(1).max(1) && rule.older_than.is_none_or(|age| is_older(taken_at, age))
    };
    let (mut going, mut staying) = (Vec::new(), Vec::new());
    for (place, (entry, manifest)) in all.into_iter().enumerate() {
        if goes(place, manifest.taken_at) { going.push(entry) } else { staying.push(manifest) }
    }
    let named: BTreeSet<&str> =
        staying.iter().flat_map(|manifest| manifest.parts()).map(|part| part.object.as_str()).collect();
    objects.retain(|object| !named.contains(object.name.as_str()) && is_older(object.modified, rule.grace));
    if !rule.dry_run {
        // What names objects goes before they do.
        going.iter().try_for_each(|entry| shelf.destination.remove(&entry.object))?;
        objects.iter().try_for_each(|object| shelf.destination.remove(&object.name))?;
    }
    let bytes = objects.iter().map(|object| object.size).sum();
    Ok(Pruned { backups: going, objects: (objects.len() as u64, bytes), kept: staying.len() })
}
