//! The fields of a message, read by hand.

/// The key of a field of up to number 15 that is a number.
pub(crate) const fn number(field: u8) -> u8 {
    field << 3
}

/// The key of a field of up to number 15 that is a text, bytes or a message.
pub(crate) const fn message(field: u8) -> u8 {
    field << 3 | 2
}

/// The rest of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The key of a field, if its number is below 16, or the first byte of whatever else it is.
    #[inline]
    pub(crate) fn key(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// Takes a key, if it is the next one.
    #[inline]
    pub(crate) fn key_if(&mut self, key: u8) -> bool {
        let next = self.0.split_first().filter(|(byte, _)| **byte == key);
        next.map(|(_, rest)| self.0 = rest).is_some()
    }

    /// A number.
    #[inline]
    pub(crate) fn varint(&mut self) -> Option<u64> {
        match self.0.split_first() {
            Some((byte, rest)) if *byte < 0x80 => {
                self.0 = rest;
                Some((*byte).into())
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Option<u64> {
        // Eight bytes at once: nearly all numbers end within them.
        if let Some(eight) = self.0.first_chunk() {
            let word = u64::from_le_bytes(*eight);
            let ends = !word & 0x8080_8080_8080_8080;
            if ends != 0 {
                let len = ends.trailing_zeros() / 8 + 1;
                self.0 = self.0.get(len as usize..)?;
                return Some(gather(word & u64::MAX >> (64 - 8 * len)));
            }
        }
        self.longest_varint()
    }

    fn longest_varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.key()?;
            if shift == 63 && byte > 1 {
                return None;
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A text, bytes or a message, if its key is the next one.
    #[inline]
    pub(crate) fn bytes_of(&mut self, field: u8) -> Option<&'a [u8]> {
        if self.key_if(message(field)) { self.bytes() } else { None }
    }

    /// A number, or 0 if its key is not the next one.
    #[inline]
    pub(crate) fn number_or_0(&mut self, field: u8) -> Option<u64> {
        if self.key_if(number(field)) { self.varint() } else { Some(0) }
    }

    /// A text, bytes or a message.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.varint()?;
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// The lower seven bits of eight bytes, one behind the other.
#[inline]
const fn gather(bytes: u64) -> u64 {
    let pairs = bytes & 0x007f_007f_007f_007f | (bytes & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    fours & 0x0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// As the generated code reads and writes them, wherever they end.
        #[test]
        fn numbers_are_read_as_prost_reads_them(number: u64, bits in 0..64_u32, behind: Vec<u8>) {
            let number = number >> bits;
            let mut bytes = Vec::new();
            prost::encoding::encode_varint(number, &mut bytes);
            bytes.extend_from_slice(&behind);
            let mut fields = Fields(&bytes);
            prop_assert_eq!((fields.varint(), fields.0), (Some(number), &*behind));
        }

        #[test]
        fn any_bytes_are_a_number_to_both_or_to_none(bytes in prop::collection::vec(prop_oneof![0x80..=0xff_u8, any::<u8>()], 0..12)) {
            let mut rest = &*bytes;
            let expected = prost::encoding::decode_varint(&mut rest).ok();
            prop_assert_eq!(Fields(&bytes).varint(), expected);
        }
    }
}
