//! What was decided, so that a repeat gets the first answer and a later command finds what it is about.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{
    archive::Archive,
    archive::ArchiveError,
    filter::Filter,
    ids::{Ids, Place},
    kept::Kept,
};
use crate::{
    codec::{DecidedFact, Fingerprint, Malformed, decode_fact, is_order},
    domain::{Event, Fact, Key, Known, MerchantId, Standing},
    journal::Lsn,
};

/// Every decided order and request, by fingerprint: the recent ones in memory, all others in the archive.
///
/// An entry is made and changed while the merchant is locked; whoever holds the merchant sees all of its entries. It leaves memory
/// only once the archive knows it for good, and is in the filter before that. So what is neither in memory nor in the filter was
/// never decided, and only a hit of the filter asks the disk, which is done before the merchant is locked.
pub(super) struct Decided {
    key: [u8; 16],
    recent: Mutex<Recent>,
    archive: Option<Arc<dyn Archive>>,
    /// Up to where the archive was known to know everything when it was asked last.
    archived_up_to: AtomicU64,
    /// It was too far behind then, which is told once.
    was_behind: AtomicBool,
    /// How often entries have left memory: what was read from the archive before is not to be trusted after.
    evictions: AtomicU64,
}

/// What is in memory. Facts are kept as they were written, since few of them are ever asked for again.
pub(super) struct Recent {
    ids: Ids,
    kept: Kept,
    /// What later facts are about.
    changed: HashMap<Fingerprint, Changed, BuildHasherDefault<AsItIs>>,
    orders: u64,
    /// What has left.
    archived: Filter,
}

/// What is known of something that a later fact is about, and the position of the last record about it.
struct Changed {
    known: Known,
    lsn: Lsn,
}

/// Marks the place of an order; others are requests.
const ORDER: u64 = 1 << 63;
/// Marks the place of what has changed.
const CHANGED: u64 = 1 << 62;

/// What the archive told of a fingerprint, before the merchant was locked.
pub(super) struct Recalled {
    known: Option<Known>,
    /// The archive was asked, in this period between evictions.
    asked: Option<u64>,
}

/// Why it cannot be said what is known.
pub(super) enum Unclear {
    /// Memory and archive have changed since the archive was asked; it has to be asked again.
    AskAgain,
    /// What is in memory is no fact.
    Malformed(Malformed),
}

/// How many orders and requests are in memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) orders: u64,
    pub(super) requests: u64,
}

impl Decided {
    pub(super) fn new(key: [u8; 16], archive: Option<Arc<dyn Archive>>) -> Self {
        let (ids, kept, archived) = (Ids::new(), Kept::new(), Filter::new());
        let recent = Recent { ids, kept, changed: HashMap::default(), orders: 0, archived };
        Self {
            key,
            recent: Mutex::new(recent),
            archive,
            archived_up_to: AtomicU64::new(0),
            was_behind: AtomicBool::new(false),
            evictions: AtomicU64::new(0),
        }
    }

    pub(super) fn fingerprint(&self, merchant: &MerchantId, key: Key<'_>) -> Fingerprint {
        Fingerprint::of(self.key, merchant, key)
    }

    pub(super) const fn archive(&self) -> Option<&Arc<dyn Archive>> {
        self.archive.as_ref()
    }

    /// Whether the archive is more than so many records behind the last one.
    pub(super) fn is_behind(&self, last: Lsn, most: u64) -> bool {
        let behind = |up_to: u64| last.get().saturating_sub(up_to) > most;
        let Some(archive) = self.archive.as_ref().filter(|_| behind(self.archived_up_to.load(Ordering::Relaxed)))
        else {
            return false;
        };
        // Only then it is asked.
        let durable = archive.durable().get();
        self.archived_up_to.store(durable, Ordering::Relaxed);
        let is_behind = behind(durable);
        if is_behind != self.was_behind.swap(is_behind, Ordering::Relaxed) {
            let last = last.get();
            if is_behind {
                tracing::warn!(
                    durable,
                    last,
                    most,
                    "the history is too far behind: commands wait for it or are refused"
                );
            } else {
                tracing::info!(durable, last, "the history has caught up far enough: commands are taken again");
            }
        }
        is_behind
    }

    /// What is in memory, to look for many ids at once.
    pub(super) fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for who has it alone.
    pub(super) fn recent_mut(&mut self) -> &mut Recent {
        self.recent.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of fingerprints.
    pub(super) const fn key(&self) -> [u8; 16] {
        self.key
    }

    /// Takes over what the archive knows already.
    pub(super) fn fill_filter(&self) -> Result<(), ArchiveError> {
        match &self.archive {
            Some(archive) => {
                let mut recent = self.recent();
                archive.fingerprints(&mut |fingerprint| recent.archived.insert(fingerprint))
            }
            None => Ok(()),
        }
    }

    /// Asks the archive, where memory cannot tell. To be called while no merchant is locked.
    pub(super) fn recall(&self, fingerprint: Fingerprint) -> Result<Recalled, ArchiveError> {
        let period = self.evictions.load(Ordering::SeqCst);
        let perhaps = {
            let recent = self.recent();
            !recent.contains(fingerprint) && recent.perhaps_archived(fingerprint)
        };
        match &self.archive {
            Some(archive) if perhaps => Ok(Recalled { known: archive.known(fingerprint)?, asked: Some(period) }),
            _ => Ok(Recalled { known: None, asked: None }),
        }
    }

    /// What is known under a fingerprint; to be called while the merchant is locked.
    pub(super) fn find(&self, fingerprint: Fingerprint, recalled: &Recalled) -> Result<Option<Known>, Unclear> {
        let recent = self.recent();
        if let Some(known) = recent.known(fingerprint).map_err(Unclear::Malformed)? {
            return Ok(Some(known));
        }
        match recalled.asked {
            Some(period) if period == self.evictions.load(Ordering::SeqCst) => Ok(recalled.known.clone()),
            None if !recent.perhaps_archived(fingerprint) => Ok(None),
            _ => Err(Unclear::AskAgain),
        }
    }

    /// Lets go of what the archive knows for good, once there is more in memory than there should be. Answers how many entries went.
    pub(super) fn evict(&self, keep: usize, last: Lsn) -> usize {
        let Some(archive) = self.archive.as_ref().filter(|_| self.recent().ids.len() > keep) else { return 0 };
        // A record decides about one thing, most of the time: so half of what may stay does.
        let recent_enough = Lsn::new(last.get().saturating_sub(keep as u64 / 2));
        let up_to = archive.durable().min(recent_enough);
        let (end, pieces) = {
            let recent = self.recent();
            let (old, facts) = recent.kept.up_to(up_to);
            // Every entry has to be looked at: not for a few that may go.
            if facts * LEAST_SHARE < recent.ids.len() && recent.changed.len() * LEAST_SHARE < recent.ids.len() {
                return 0;
            }
            (old.end, recent.ids.pieces())
        };
        self.evictions.fetch_add(1, Ordering::SeqCst);
        // Piece by piece, so that nobody waits long.
        let evicted = (0..pieces).map(|piece| self.recent().evict(piece, (end, up_to))).sum();
        self.recent().kept.drop_before(end);
        evicted
    }

    /// Hands over all that is in memory, piece by piece: what has come and not gone by the time when its piece has its turn.
    pub(super) fn walk<E>(&self, mut visit: impl FnMut(Vec<DecidedFact>) -> Result<(), E>) -> Result<(), E> {
        let pieces = self.recent().ids.pieces();
        // The guard is gone before anybody writes.
        (0..pieces).try_for_each(|piece| {
            let facts = self.recent().piece(piece);
            visit(facts)
        })
    }

    pub(super) fn counts(&self) -> Counts {
        let recent = self.recent();
        Counts { orders: recent.orders, requests: (recent.ids.len() as u64).saturating_sub(recent.orders) }
    }
}

/// Letting go is worth a walk over everything when one entry of so many goes.
const LEAST_SHARE: usize = 16;

impl Recent {
    /// Brings what is looked at for a fingerprint near to the processor. What it answers means nothing.
    pub(super) fn touch(&self, fingerprint: Fingerprint) -> u64 {
        self.ids.touch(fingerprint) ^ self.archived.touch(fingerprint)
    }

    /// Whether the archive has to be asked for what is not in memory.
    pub(super) fn perhaps_archived(&self, fingerprint: Fingerprint) -> bool {
        self.archived.contains(fingerprint)
    }

    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.ids.get(fingerprint).is_some()
    }

    /// What is in memory under a fingerprint.
    pub(super) fn known(&self, fingerprint: Fingerprint) -> Result<Option<Known>, Malformed> {
        let Some(place) = self.ids.get(fingerprint) else { return Ok(None) };
        if place.get() & CHANGED != 0 {
            return Ok(self.changed.get(&fingerprint).map(|changed| changed.known.clone()));
        }
        let (_, fact) = self.kept_at(place)?;
        decode_fact(fact).map(|first| Some(Known::new(first)))
    }

    fn kept_at(&self, place: Place) -> Result<(Lsn, &[u8]), Malformed> {
        self.kept.get(place.get() & !(ORDER | CHANGED)).ok_or_else(|| Malformed::missing("fact"))
    }

    /// Remembers a fact as it was written, and the position of its record.
    pub(super) fn remember(&mut self, fingerprint: Fingerprint, fact: &[u8], is_order: bool, lsn: Lsn) {
        let place = self.kept.push(lsn, fact) | if is_order { ORDER } else { 0 };
        let before = Place::new(place).and_then(|place| self.ids.put(fingerprint, place));
        self.orders += u64::from(before.is_none() && is_order);
    }

    /// Remembers what is known already, as a checkpoint tells.
    pub(super) fn restore(&mut self, decided: &DecidedFact) -> Result<(), Malformed> {
        let DecidedFact { fingerprint, fact, standing, lsn } = decided;
        if *standing == Standing::Unchanged {
            self.remember(*fingerprint, fact, is_order(fact), *lsn);
        } else {
            self.change(*fingerprint, Known { first: decode_fact(fact)?, standing: *standing }, *lsn);
        }
        Ok(())
    }

    /// Takes note of a later fact about something that is known, as it was found when that fact was decided: it may have left
    /// memory since.
    pub(super) fn follow(&mut self, fingerprint: Fingerprint, mut known: Known, later: &Fact, lsn: Lsn) {
        known.follow(later);
        self.change(fingerprint, known, lsn);
    }

    fn change(&mut self, fingerprint: Fingerprint, known: Known, lsn: Lsn) {
        let is_order = known.order().is_some();
        let place = CHANGED | if is_order { ORDER } else { 0 };
        let before = Place::new(place).and_then(|place| self.ids.put(fingerprint, place));
        self.orders += u64::from(before.is_none() && is_order);
        self.changed.insert(fingerprint, Changed { known, lsn });
    }

    /// The same in recovery, where each record is met in order and perhaps again: what is in memory is brought up to date. Answers
    /// whether it was in memory.
    pub(super) fn replay_later(&mut self, fingerprint: Fingerprint, later: &Fact, lsn: Lsn) -> Result<bool, Malformed> {
        let Some(place) = self.ids.get(fingerprint) else { return Ok(false) };
        if let Some(changed) = self.changed.get_mut(&fingerprint) {
            if changed.lsn < lsn {
                changed.known.follow(later);
                changed.lsn = lsn;
            }
        } else {
            let (_, fact) = self.kept_at(place)?;
            self.follow(fingerprint, Known::new(decode_fact(fact)?), later, lsn);
        }
        Ok(true)
    }

    /// Remembers a decision in recovery, where a checkpoint may have told of it already. Answers whether it is the same one.
    pub(super) fn replay(
        &mut self,
        fingerprint: Fingerprint,
        first: &Event,
        fact: &[u8],
        lsn: Lsn,
    ) -> Result<bool, Malformed> {
        if let Some(known) = self.known(fingerprint)? {
            return Ok(known.first == *first);
        }
        self.remember(fingerprint, fact, first.fact.order().is_some(), lsn);
        Ok(true)
    }

    /// Lets go of what came before a place, and has not changed after a position, in a piece.
    fn evict(&mut self, piece: usize, (end, up_to): (u64, Lsn)) -> usize {
        let Self { ids, changed, orders, archived, .. } = self;
        let mut evicted = 0;
        ids.retain(piece, |fingerprint, place| {
            let stays = if place.get() & CHANGED == 0 {
                place.get() & !ORDER >= end
            } else {
                changed.get(&fingerprint).is_some_and(|changed| changed.lsn > up_to)
            };
            if !stays {
                archived.insert(fingerprint);
                changed.remove(&fingerprint);
                evicted += 1;
                *orders -= u64::from(place.get() & ORDER != 0);
            }
            stays
        });
        evicted
    }

    fn piece(&self, number: usize) -> Vec<DecidedFact> {
        let decided = |(fingerprint, place): (Fingerprint, Place)| {
            if let Some(Changed { known, lsn }) = self.changed.get(&fingerprint) {
                return Some(DecidedFact::of(fingerprint, known, *lsn));
            }
            let (lsn, fact) = self.kept_at(place).ok()?;
            Some(DecidedFact { fingerprint, fact: fact.to_vec(), standing: Standing::Unchanged, lsn })
        };
        self.ids.piece(number).filter_map(decided).collect()
    }
}

/// Takes what is a good hash already.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
