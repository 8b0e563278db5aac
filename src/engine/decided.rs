//! What was decided, so that a repeat gets the first answer and a later command finds what it is about.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, MutexGuard};
use prost::Message as _;

use super::{
    archive::Archive,
    archive::ArchiveError,
    filter::{self, Filter},
    ids::{Ids, Place},
    kept::{Entry, Kept},
};
use crate::{
    codec::{Fingerprint, Malformed, decode_fact, decode_standing, encode_event, encode_standing, is_order},
    domain::{Event, Fact, Key, Known, MerchantId},
    journal::Lsn,
    proto::journal::{DecidedFact, Standing},
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
    orders: u64,
    /// What has left.
    archived: Filter,
}

/// Marks the place of an order; others are requests.
const ORDER: u64 = 1 << 63;
/// How many leave with one turn at the lock: some ten microseconds' worth.
const LEAVE: usize = 128;

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
    /// Those that have left it.
    pub(super) filtered: u64,
}

impl Decided {
    pub(super) fn new(key: [u8; 16], archive: Option<Arc<dyn Archive>>) -> Self {
        let recent = Recent { ids: Ids::new(), kept: Kept::new(), orders: 0, archived: Filter::new() };
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
        self.recent.lock()
    }

    /// The same for a thread that runs when no other does. It never waits in the queue: the lock could be handed to it, and everybody
    /// would wait until it is its turn to run.
    fn recent_in_background(&self) -> MutexGuard<'_, Recent> {
        loop {
            if let Some(recent) = self.recent.try_lock() {
                return recent;
            }
            std::thread::yield_now();
        }
    }

    /// The same for who has it alone.
    pub(super) fn recent_mut(&mut self) -> &mut Recent {
        self.recent.get_mut()
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

    /// Lets go of what the archive knows for good, the oldest first, once there is more in memory than there should be. Answers how
    /// many entries went.
    pub(super) fn evict(&self, keep: usize, last: Lsn) -> usize {
        let is_full = || self.recent_in_background().ids.len() > keep;
        let Some(archive) = self.archive.as_ref().filter(|_| is_full()) else { return 0 };
        // A record decides about one thing, most of the time: so half of what may stay does.
        let recent_enough = Lsn::new(last.get().saturating_sub(keep as u64 / 2));
        let up_to = archive.durable().min(recent_enough);
        if !self.recent_in_background().kept.begins_up_to(up_to) {
            return 0;
        }
        self.evictions.fetch_add(1, Ordering::SeqCst);
        let mut evicted = 0;
        loop {
            self.make_room_in_the_filter();
            let mut recent = self.recent_in_background();
            let some = recent.evict(keep, up_to);
            // To whoever waits for it: this thread would take it again before they are awake.
            MutexGuard::unlock_fair(recent);
            match some {
                Some(some) => evicted += some,
                None => return evicted,
            }
        }
    }

    /// A large piece of the filter takes its time to make: nobody is to wait for that.
    fn make_room_in_the_filter(&self) {
        let wanted = {
            let archived = &self.recent_in_background().archived;
            (archived.room() < LEAVE).then(|| archived.next_piece())
        };
        if let Some(piece) = wanted.map(filter::Piece::new) {
            self.recent_in_background().archived.add(piece);
        }
    }

    /// Hands over all that is in memory, chunk by chunk: what has come and not gone by the time when its chunk has its turn. What
    /// changes meanwhile is met as it was, or as it is, or twice, the later last.
    pub(super) fn walk<E>(
        &self,
        mut visit: impl FnMut(Result<DecidedFact, Malformed>) -> Result<(), E>,
    ) -> Result<(), E> {
        let chunks = self.recent_in_background().kept.chunks();
        for chunk in chunks.filter_map(|number| self.recent_in_background().kept.chunk(number)) {
            for entry in chunk.entries() {
                // What is kept elsewhere by now may be kept behind the end of this walk.
                let fact = if entry.is_elsewhere() {
                    self.recent_in_background().entry(entry.fingerprint).map(Entry::encode)
                } else {
                    Some(entry.encode())
                };
                fact.map_or(Ok(()), &mut visit)?;
            }
        }
        Ok(())
    }

    pub(super) fn counts(&self) -> Counts {
        let recent = self.recent();
        Counts {
            orders: recent.orders,
            requests: (recent.ids.len() as u64).saturating_sub(recent.orders),
            filtered: recent.archived.len() as u64,
        }
    }
}

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
        self.place(fingerprint).is_some()
    }

    fn place(&self, fingerprint: Fingerprint) -> Option<Place> {
        self.ids.get(fingerprint, |place| is_at(&self.kept, place, fingerprint))
    }

    fn entry(&self, fingerprint: Fingerprint) -> Option<Entry<'_>> {
        self.kept.get(self.place(fingerprint)?.get() & !ORDER)
    }

    /// What is in memory under a fingerprint.
    pub(super) fn known(&self, fingerprint: Fingerprint) -> Result<Option<Known>, Malformed> {
        self.entry(fingerprint).map(|entry| entry.known()).transpose()
    }

    /// Remembers a fact as it was written, and the position of its record.
    pub(super) fn remember(&mut self, fingerprint: Fingerprint, fact: &[u8], is_order: bool, lsn: Lsn) {
        self.put(&Entry { fingerprint, lsn, standing: &[], fact }, is_order);
    }

    fn put(&mut self, entry: &Entry<'_>, is_order: bool) {
        let Self { ids, kept, orders, .. } = self;
        let place = kept.push(entry) | if is_order { ORDER } else { 0 };
        let Some(place) = Place::new(place) else { return };
        match ids.put(entry.fingerprint, place, |place| is_at(kept, place, entry.fingerprint)) {
            Some(before) => kept.forget(before.get() & !ORDER),
            None => *orders += u64::from(is_order),
        }
    }

    /// Remembers what is known already, as a checkpoint tells.
    pub(super) fn restore(&mut self, decided: &DecidedFact) {
        let DecidedFact { fingerprint_high, fingerprint_low, fact, standing, lsn } = decided;
        let fingerprint = Fingerprint::from_halves((*fingerprint_high, *fingerprint_low));
        let standing = standing.as_ref().map(Standing::encode_to_vec).unwrap_or_default();
        self.put(&Entry { fingerprint, lsn: Lsn::new(*lsn), standing: &standing, fact }, is_order(fact));
    }

    /// Takes note of a later fact about something that is known, as it was found when that fact was decided: it may have left
    /// memory since.
    pub(super) fn follow(&mut self, fingerprint: Fingerprint, mut known: Known, later: &Fact, lsn: Lsn) {
        known.follow(later);
        let standing = encode_standing(known.standing).as_ref().map(Standing::encode_to_vec).unwrap_or_default();
        let fact = encode_event(&known.first).encode_to_vec();
        self.put(&Entry { fingerprint, lsn, standing: &standing, fact: &fact }, known.order().is_some());
    }

    /// The same in recovery, where each record is met in order and perhaps again: what is in memory is brought up to date. Answers
    /// whether it was in memory.
    pub(super) fn replay_later(&mut self, fingerprint: Fingerprint, later: &Fact, lsn: Lsn) -> Result<bool, Malformed> {
        let Some(entry) = self.entry(fingerprint) else { return Ok(false) };
        if entry.lsn < lsn {
            let known = entry.known()?;
            self.follow(fingerprint, known, later, lsn);
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

    /// Lets go of some of the oldest whose last record is up to a position. Answers how many; none: no more are to go.
    fn evict(&mut self, keep: usize, up_to: Lsn) -> Option<usize> {
        let Self { ids, kept, orders, archived } = self;
        let (most, before) = (LEAVE.min(ids.len().saturating_sub(keep)), ids.len());
        let old: Vec<_> = std::iter::from_fn(|| kept.take_first(up_to)).take(most).collect();
        black_box(old.iter().fold(0, |all, (_, id)| all ^ ids.touch(*id) ^ archived.touch(*id)));
        for (place, fingerprint) in &old {
            // What is kept elsewhere by now stays.
            let Some(place) = ids.remove(*fingerprint, |there| there.get() & !ORDER == *place) else { continue };
            archived.insert(*fingerprint);
            *orders -= u64::from(place.get() & ORDER != 0);
        }
        (!old.is_empty()).then(|| before - ids.len())
    }
}

fn is_at(kept: &Kept, place: Place, fingerprint: Fingerprint) -> bool {
    kept.get(place.get() & !ORDER).is_some_and(|entry| entry.fingerprint == fingerprint)
}

impl Entry<'_> {
    fn known(&self) -> Result<Known, Malformed> {
        Ok(Known { first: decode_fact(self.fact)?, standing: decode_standing(self.standing()?) })
    }

    fn standing(&self) -> Result<Option<Standing>, Malformed> {
        let written = Some(self.standing).filter(|written| !written.is_empty());
        written.map(Standing::decode).transpose().map_err(|error| Malformed(error.to_string()))
    }

    /// As a checkpoint keeps it.
    pub(super) fn encode(self) -> Result<DecidedFact, Malformed> {
        let (fingerprint_high, fingerprint_low) = self.fingerprint.halves();
        let (fact, standing) = (self.fact.to_vec(), self.standing()?);
        Ok(DecidedFact { fingerprint_high, fingerprint_low, fact, standing, lsn: self.lsn.get() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        Cycle, Day, Id, Money, OrderClassified, OrderReversed, Receipt, Standing as Stands, Text, Timestamp,
    };

    fn fingerprint(n: u64) -> Fingerprint {
        Fingerprint::from_halves((n.wrapping_mul(0x9e37_79b9_7f4a_7c15), n))
    }

    const RECEIPT: Receipt = Receipt {
        policy_version: 1,
        multiple: 1,
        quota: Money::ZERO,
        day_total_before: Money::ZERO,
        day_total_after: Money::ZERO,
        resets_at: Timestamp::from_micros(0),
    };

    fn order(n: u64) -> Event {
        let at = Timestamp::from_micros(n.cast_signed());
        let order = OrderClassified {
            order_id: Id::parse(&format!("o-{n}")).unwrap(),
            price: Money::from_cents(7),
            profit: Money::from_cents(7),
            completed_at: at,
            day: Day(0),
            cycle: Cycle::Standard,
            settles_at: at,
            receipt: RECEIPT,
        };
        Event { effective_at: at, fact: order.into() }
    }

    fn reversal() -> Fact {
        Fact::from(OrderReversed {
            request_id: Id::parse("r").unwrap(),
            order_id: Id::parse("o").unwrap(),
            amount: Money::from_cents(3),
            profit: Money::from_cents(3),
            profit_asked: None,
            reason: Text::default(),
            day: Day(0),
            cycle: Cycle::Standard,
            settles_at: Timestamp::default(),
            charge: None,
            uncounted: Money::ZERO,
            reversed: Money::from_cents(3),
            profit_reversed: Money::from_cents(3),
            receipt: RECEIPT,
        })
    }

    /// Facts that change while a checkpoint goes through them are in it, as they are last, wherever they moved to.
    #[test]
    fn what_changes_during_a_walk_is_met() {
        let decided = Decided::new([7; 16], None);
        let remember = |n: u64| {
            let fact = encode_event(&order(n)).encode_to_vec();
            decided.recent().remember(fingerprint(n), &fact, true, Lsn::new(n));
        };
        let many = 60_000;
        (1..=many).for_each(remember);
        assert!(decided.recent().kept.chunks().count() > 3);
        let changed: Vec<_> = (1..=many).step_by(97).collect();
        let (mut met, mut begun) = (std::collections::HashMap::new(), false);
        let walked: Result<(), ()> = decided.walk(|fact| {
            let fact = fact.unwrap();
            met.insert(fact.fingerprint_low, fact);
            if !begun {
                begun = true;
                // Beyond the last chunk of this walk.
                (many + 1..2 * many).for_each(remember);
                for n in &changed {
                    let mut recent = decided.recent();
                    let known = recent.known(fingerprint(*n)).unwrap().unwrap();
                    recent.follow(fingerprint(*n), known, &reversal(), Lsn::new(9 * many));
                }
            }
            Ok(())
        });
        assert_eq!(walked, Ok(()));
        assert!((1..=many).all(|n| met.contains_key(&n)));
        let stands = |n: u64| decode_standing(met.get(&n).and_then(|fact| fact.standing));
        // The first one was met before it changed.
        assert!(changed.iter().skip(1).filter(|n| **n > many / 2).all(|n| stands(*n) != Stands::Unchanged));
        assert_eq!(decided.counts().orders, 2 * many - 1);
    }
}
