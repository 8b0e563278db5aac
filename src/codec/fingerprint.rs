//! The name of an order or a request under which it is remembered.

use std::hash::{Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::domain::{Key, MerchantId};

/// A fingerprint of merchant and id: 128 bits under a random key of the data directory. Nobody outside can make two ids collide,
/// and by chance two of 10¹² ids do with a probability below 10⁻¹⁴.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// The fingerprint of an order or a request of a merchant.
    pub fn of(key: [u8; 16], merchant: &MerchantId, id: Key<'_>) -> Self {
        let (kind, id) = match id {
            Key::Order(id) => (0, id.as_str()),
            Key::Request(id) => (1, id.as_str()),
        };
        let mut hasher = SipHasher24::new_with_key(&key);
        hasher.write(&[kind]);
        hasher.write(merchant.as_str().as_bytes());
        // No id has a zero byte, so no two pairs of ids are the same bytes.
        hasher.write(&[0]);
        hasher.write(id.as_bytes());
        Self(hasher.finish128().as_u128())
    }

    /// As a number.
    pub const fn get(self) -> u128 {
        self.0
    }

    /// The fingerprint with this number.
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// The upper and the lower 64 bits.
    #[allow(clippy::cast_possible_truncation, reason = "the two halves of 128 bits")]
    pub const fn halves(self) -> (u64, u64) {
        ((self.0 >> 64) as u64, self.0 as u64)
    }

    /// The fingerprint with these halves.
    pub const fn from_halves((high, low): (u64, u64)) -> Self {
        Self((high as u128) << 64 | low as u128)
    }
}

impl Hash for Fingerprint {
    /// Any 64 of the 128 bits spread equally well.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.halves().1);
    }
}
