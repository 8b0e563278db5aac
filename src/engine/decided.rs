//! What was decided, so that a repeat gets the first answer.

use std::{
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::atomic::{AtomicU64, Ordering},
};

use dashmap::DashMap;
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::domain::{Event, Fact, Key, MerchantId};

/// Every decided order and request, by a fingerprint of merchant and id.
///
/// The fingerprint has 128 bits under a random key of the data directory: nobody outside can make two ids collide, and by
/// chance two of 10¹² ids do with a probability below 10⁻¹⁴.
///
/// An entry is made while the merchant is locked and never changes; whoever holds the merchant sees all of its entries.
pub(super) struct Decided {
    key: [u8; 16],
    facts: DashMap<Fingerprint, Event, BuildHasherDefault<AsItIs>>,
    orders: AtomicU64,
}

/// A fingerprint of merchant and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) u128);

impl Fingerprint {
    /// The upper and the lower 64 bits.
    #[allow(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
    pub(super) const fn halves(self) -> (u64, u64) {
        ((self.0 >> 64) as u64, self.0 as u64)
    }

    pub(super) const fn from_halves(high: u64, low: u64) -> Self {
        Self((high as u128) << 64 | low as u128)
    }
}

/// How many orders and requests are remembered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) orders: u64,
    pub(super) requests: u64,
}

impl Decided {
    pub(super) fn new(key: [u8; 16], shards: usize) -> Self {
        let facts = DashMap::with_hasher_and_shard_amount(BuildHasherDefault::default(), shards);
        Self { key, facts, orders: AtomicU64::new(0) }
    }

    pub(super) fn fingerprint(&self, merchant: &MerchantId, key: Key<'_>) -> Fingerprint {
        let (kind, id) = match key {
            Key::Order(id) => (0, id.as_str()),
            Key::Request(id) => (1, id.as_str()),
        };
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(&[kind]);
        hasher.write(merchant.as_str().as_bytes());
        // No id has a zero byte, so no two pairs of ids are the same bytes.
        hasher.write(&[0]);
        hasher.write(id.as_bytes());
        Fingerprint(hasher.finish128().as_u128())
    }

    /// Looks at what was decided under a fingerprint.
    pub(super) fn get<T>(&self, fingerprint: Fingerprint, look: impl FnOnce(&Event) -> T) -> Option<T> {
        self.facts.get(&fingerprint).map(|event| look(event.value()))
    }

    /// Remembers a decision; a second one under the same fingerprint is the same one, seen again by recovery.
    pub(super) fn remember(&self, fingerprint: Fingerprint, event: Event) {
        let order = matches!(event.fact, Fact::OrderClassified(_));
        if self.facts.insert(fingerprint, event).is_none() && order {
            self.orders.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All fingerprints there are now.
    pub(super) fn fingerprints(&self) -> Vec<Fingerprint> {
        self.facts.iter().map(|entry| *entry.key()).collect()
    }

    pub(super) fn counts(&self) -> Counts {
        let orders = self.orders.load(Ordering::Relaxed);
        Counts { orders, requests: (self.facts.len() as u64).saturating_sub(orders) }
    }
}

impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        #[allow(clippy::cast_possible_truncation, reason = "any 64 of the 128 bits spread equally well")]
        state.write_u64(self.0 as u64);
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
