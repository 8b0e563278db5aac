//! Names that come from outside.

use std::{fmt, marker::PhantomData, sync::Arc};

/// An id from outside: 1 to 64 characters of `A-Z a-z 0-9 . _ : -`. `Kind` keeps ids of different things apart.
pub struct Id<Kind>(Arc<str>, PhantomData<fn() -> Kind>);

/// Which merchant; unique within the service.
pub type MerchantId = Id<kind::Merchant>;
/// Which order; unique within the merchant.
pub type OrderId = Id<kind::Order>;
/// Which request; unique within the merchant over all methods, and apart from order ids.
pub type RequestId = Id<kind::Request>;

/// A category of goods that a merchant trades in.
pub type Category = Id<kind::Category>;

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
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-');
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into(), PhantomData))
        } else {
            Err(InvalidId)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<Kind> Clone for Id<Kind> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<Kind> PartialEq for Id<Kind> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
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
        self.0.cmp(&other.0)
    }
}

impl<Kind> std::hash::Hash for Id<Kind> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<Kind> std::borrow::Borrow<str> for Id<Kind> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<Kind> fmt::Display for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<Kind> fmt::Debug for Id<Kind> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
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
