//! What was decided, so that a repeat gets the first answer and a later command finds what it is about.

use std::{
    hash::{BuildHasherDefault, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::DashMap;

use super::{archive::Archive, archive::ArchiveError, filter::Filter};
use crate::{
    codec::Fingerprint,
    domain::{Event, Fact, Key, Known, MerchantId},
    journal::Lsn,
};

/// Every decided order and request, by fingerprint: the recent ones in memory, all others in the archive.
///
/// An entry is made and changed while the merchant is locked; whoever holds the merchant sees all of its entries. It leaves memory
/// only once the archive knows it for good, and is in the filter before that. So what is neither in memory nor in the filter was
/// never decided, and only a hit of the filter asks the disk, which is done before the merchant is locked.
pub(super) struct Decided {
    key: [u8; 16],
    recent: DashMap<Fingerprint, Recent, BuildHasherDefault<AsItIs>>,
    orders: AtomicU64,
    archived: Filter,
    archive: Option<Arc<dyn Archive>>,
    /// How often entries have left memory: what was read from the archive before is not to be trusted after.
    evictions: AtomicU64,
}

/// What is known, and the position of the last record about it. Few bytes: a table that grows moves all of them.
struct Recent {
    known: Box<Known>,
    lsn: Lsn,
}

/// What the archive told of a fingerprint, before the merchant was locked.
pub(super) struct Recalled {
    known: Option<Known>,
    /// The archive was asked, in this period between evictions.
    asked: Option<u64>,
}

/// Memory and archive have changed since the archive was asked; it has to be asked again.
pub(super) struct AskAgain;

/// How many orders and requests are in memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) orders: u64,
    pub(super) requests: u64,
}

impl Decided {
    pub(super) fn new(key: [u8; 16], shards: usize, archive: Option<Arc<dyn Archive>>) -> Self {
        Self {
            key,
            recent: DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), shards),
            orders: AtomicU64::new(0),
            archived: Filter::new(),
            archive,
            evictions: AtomicU64::new(0),
        }
    }

    pub(super) fn fingerprint(&self, merchant: &MerchantId, key: Key<'_>) -> Fingerprint {
        Fingerprint::of(self.key, merchant, key)
    }

    pub(super) const fn archive(&self) -> Option<&Arc<dyn Archive>> {
        self.archive.as_ref()
    }

    /// Takes over what the archive knows already.
    pub(super) fn fill_filter(&self) -> Result<(), ArchiveError> {
        match &self.archive {
            Some(archive) => archive.fingerprints(&mut |fingerprint| self.archived.insert(fingerprint)),
            None => Ok(()),
        }
    }

    /// Asks the archive, where memory cannot tell. To be called while no merchant is locked.
    pub(super) fn recall(&self, fingerprint: Fingerprint) -> Result<Recalled, ArchiveError> {
        let period = self.evictions.load(Ordering::SeqCst);
        match &self.archive {
            Some(archive) if !self.recent.contains_key(&fingerprint) && self.archived.contains(fingerprint) => {
                Ok(Recalled { known: archive.known(fingerprint)?, asked: Some(period) })
            }
            _ => Ok(Recalled { known: None, asked: None }),
        }
    }

    /// What is known under a fingerprint, handed over to be looked at; to be called while the merchant is locked.
    pub(super) fn find<T>(
        &self,
        fingerprint: Fingerprint,
        recalled: &Recalled,
        look: impl FnOnce(Option<&Known>) -> T,
    ) -> Result<T, AskAgain> {
        if let Some(recent) = self.recent.get(&fingerprint) {
            return Ok(look(Some(&recent.known)));
        }
        match recalled.asked {
            Some(period) if period == self.evictions.load(Ordering::SeqCst) => Ok(look(recalled.known.as_ref())),
            None if !self.archived.contains(fingerprint) => Ok(look(None)),
            _ => Err(AskAgain),
        }
    }

    /// Remembers a decision, at the position of its record.
    pub(super) fn remember(&self, fingerprint: Fingerprint, first: Event, lsn: Lsn) {
        self.put(fingerprint, Known::new(first), lsn);
    }

    /// Remembers what is known already, as a checkpoint tells.
    pub(super) fn put(&self, fingerprint: Fingerprint, known: Known, lsn: Lsn) {
        let order = known.first.fact.order().is_some();
        if self.recent.insert(fingerprint, Recent { known: Box::new(known), lsn }).is_none() && order {
            self.orders.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes note of a later fact about something that is known, as it was found when that fact was decided: it may have left
    /// memory since.
    pub(super) fn follow(&self, fingerprint: Fingerprint, mut known: Known, later: &Fact, lsn: Lsn) {
        known.follow(later);
        self.put(fingerprint, known, lsn);
    }

    /// The same in recovery, where each record is met in order and perhaps again: what is in memory is brought up to date. Answers
    /// whether it was in memory.
    pub(super) fn replay_later(&self, fingerprint: Fingerprint, later: &Fact, lsn: Lsn) -> bool {
        let recent = self.recent.get_mut(&fingerprint);
        recent.is_some_and(|mut recent| {
            if recent.lsn < lsn {
                recent.known.follow(later);
                recent.lsn = lsn;
            }
            true
        })
    }

    /// Remembers a decision in recovery, where a checkpoint may have told of it already. Answers whether it is the same one.
    pub(super) fn replay(&self, fingerprint: Fingerprint, first: Event, lsn: Lsn) -> bool {
        if let Some(recent) = self.recent.get(&fingerprint) {
            return recent.known.first == first;
        }
        self.remember(fingerprint, first, lsn);
        true
    }

    /// Lets go of what the archive knows for good, once there is more in memory than there should be. Answers how many entries went.
    pub(super) fn evict(&self, keep: usize, last: Lsn) -> usize {
        let Some(archive) = self.archive.as_ref().filter(|_| self.recent.len() > keep) else { return 0 };
        // A record decides about one thing, most of the time: so half of what may stay does.
        let recent_enough = Lsn::new(last.get().saturating_sub(keep as u64 / 2));
        let up_to = archive.durable().min(recent_enough);
        self.evictions.fetch_add(1, Ordering::SeqCst);
        let (mut evicted, mut orders) = (0, 0);
        self.recent.retain(|fingerprint, recent| {
            if recent.lsn > up_to {
                return true;
            }
            self.archived.insert(*fingerprint);
            evicted += 1;
            orders += u64::from(recent.known.first.fact.order().is_some());
            false
        });
        self.orders.fetch_sub(orders, Ordering::Relaxed);
        // After a long way to catch up most of the table is empty. In the long run as much comes as goes, and its size is right.
        if evicted > self.recent.len() {
            self.recent.shrink_to_fit();
        }
        evicted
    }

    /// All fingerprints in memory now.
    pub(super) fn fingerprints(&self) -> Vec<Fingerprint> {
        self.recent.iter().map(|entry| *entry.key()).collect()
    }

    /// Looks at an entry in memory and the position of the last record about it.
    pub(super) fn get<T>(&self, fingerprint: Fingerprint, look: impl FnOnce(&Known, Lsn) -> T) -> Option<T> {
        self.recent.get(&fingerprint).map(|recent| look(&recent.known, recent.lsn))
    }

    pub(super) fn counts(&self) -> Counts {
        let orders = self.orders.load(Ordering::Relaxed);
        Counts { orders, requests: (self.recent.len() as u64).saturating_sub(orders) }
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
