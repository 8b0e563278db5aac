//! The name of an order or a request under which it is remembered.

use std::hash::{Hash, Hasher};

use siphasher::sip128::SipHasher13;

use crate::domain::{Key, MerchantId};

/// A fingerprint of merchant and id: 128 bits under a random key of the data directory. Nobody outside can make two ids collide,
/// and by chance two of 10¹² ids do with a probability below 10⁻¹⁴.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// The fingerprint of an order or a request of a merchant.
    pub fn of(key: [u8; 16], merchant: &MerchantId, id: Key<'_>) -> Self {
        let (kind, merchant, id) = match id {
            Key::Order(id) => (0, merchant.as_bytes(), id.as_bytes()),
            Key::Request(id) => (1, merchant.as_bytes(), id.as_bytes()),
        };
        // All of it at once: the hasher is quick with many bytes, and slow with many pieces.
        let mut bytes = [kind; 2 + 2 * MerchantId::MAX_LEN];
        let (_, rest) = bytes.split_at_mut(1);
        let (of_merchant, rest) = rest.split_at_mut(merchant.len());
        let (of_id, _) = rest.split_at_mut((1 + id.len()).min(rest.len()));
        of_merchant.copy_from_slice(merchant);
        if let Some((zero, of_id)) = of_id.split_first_mut() {
            // No id has a zero byte, so no two pairs of ids are the same bytes.
            *zero = 0;
            of_id.copy_from_slice(id);
        }
        let (all, _) = bytes.split_at(2 + merchant.len() + id.len());
        Self(SipHasher13::new_with_key(&key).hash(all).as_u128())
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
