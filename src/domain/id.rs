//! Names that come from outside.

use std::{fmt, marker::PhantomData, sync::Arc};

/// An id from outside: 1 to 64 characters of `A-Z a-z 0-9 . _ : -`. `Kind` keeps ids of different things apart.
pub struct Id<Kind>(Chars, PhantomData<fn() -> Kind>);

/// The most characters of an id that are kept in place: a UUID's 36, and two to fill the word.
const IN_PLACE: usize = 38;

/// The characters of an id. Most ids are short: with them an order is decided without asking for memory.
#[derive(Clone)]
enum Chars {
    Short { len: u8, bytes: [u8; IN_PLACE] },
    Long(Arc<[u8]>),
}

impl Chars {
    fn new(text: &[u8]) -> Self {
        let mut bytes = [0; IN_PLACE];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(text);
                Self::Short { len, bytes }
            }
            _ => Self::Long(text.into()),
        }
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Self::Long(bytes) => bytes,
        }
    }
}

/// Which merchant; unique within the service.
pub type MerchantId = Id<kind::Merchant>;
/// Which order; unique within the merchant.
pub type OrderId = Id<kind::Order>;
/// Which request; unique within the merchant over all methods, and apart from order ids.
pub type RequestId = Id<kind::Request>;

/// A category of goods that a merchant trades in.
pub type Category = Id<kind::Category>;

/// 1 for every byte that is no character of an id.
static FORBIDDEN: [u8; 256] = forbidden();

#[allow(clippy::indexing_slicing, reason = "below 128, and when it is compiled")]
const fn forbidden() -> [u8; 256] {
    let mut table = [1; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-') {
            table[byte as usize] = 0;
        }
        byte += 1;
    }
    table
}

/// The kinds of ids: types without values.
mod kind {
    /// Names a category of goods.
    pub enum Category {}
    /// Names a merchant.
    pub enum Merchant {}
    /// Names an order of a merchant.
    pub enum Order {}
    /// Names a request about a merchant.
    pub enum Request {}
}

/// A text that is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an id of 1 to 64 characters of A-Z a-z 0-9 . _ : -")]
pub struct InvalidId;

impl<Kind> Id<Kind> {
    /// The longest id, in characters, which are bytes too.
    pub const MAX_LEN: usize = 64;

    /// Takes a text as an id.
    ///
    /// # Errors
    /// When it is empty, too long, or has a character that ids have not.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        Self::parse_bytes(text.as_bytes())
    }

    /// The same for a text that is not known to be one.
    ///
    /// # Errors
    /// As [`Id::parse`].
    pub fn parse_bytes(text: &[u8]) -> Result<Self, InvalidId> {
        // A table, and no exit on the way: a few instructions for each character.
        let bad = text.iter().fold(0, |bad, byte| bad | FORBIDDEN.get(usize::from(*byte)).copied().unwrap_or(1));
        if (1..=Self::MAX_LEN).contains(&text.len()) && bad == 0 {
            Ok(Self(Chars::new(text), PhantomData))
        } else {
            Err(InvalidId)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // They are ASCII.
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The characters, a byte each.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl<Kind> Clone for Id<Kind> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<Kind> PartialEq for Id<Kind> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            // All bytes at once: those behind the last one are zero.
            (Chars::Short { len, bytes }, Chars::Short { len: other_len, bytes: other }) => {
                len == other_len && bytes == other
            }
            (chars, other) => chars.as_bytes() == other.as_bytes(),
        }
    }
}

impl<Kind> Eq for Id<Kind> {}

impl<Kind> PartialOrd for Id<Kind> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<Kind> Ord for Id<Kind> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl<Kind> std::hash::Hash for Id<Kind> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(self.as_bytes());
    }
}

impl<Kind> fmt::Display for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<Kind> fmt::Debug for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked() {
        let longest = "x".repeat(64);
        for good in ["a", "A.b_c:d-9", &longest] {
            assert_eq!(MerchantId::parse(good).unwrap().as_str(), good);
        }
        let too_long = "x".repeat(65);
        for bad in ["", " ", "a b", "a/b", "ä", "a\n", "\u{0}", &too_long] {
            assert_eq!(MerchantId::parse(bad), Err(InvalidId), "{bad:?}");
        }
    }
}
