//! What people write.

use std::{fmt, sync::Arc};

/// A line that somebody wrote: at most 500 characters, none of them a control character. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Text(Option<Arc<str>>);

/// A text that is too long or not one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has to be one line of at most 500 characters")]
pub struct InvalidText;

impl Text {
    /// The longest text, in characters.
    pub const MAX_CHARS: usize = 500;

    /// Takes a line.
    ///
    /// # Errors
    /// When it is too long or has control characters.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        if text.chars().count() > Self::MAX_CHARS || text.chars().any(char::is_control) {
            Err(InvalidText)
        } else {
            Ok(Self((!text.is_empty()).then(|| text.into())))
        }
    }

    /// The line.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_line_of_bounded_length() {
        let longest = "ä".repeat(500);
        for good in ["", "Two parcels, one lost", &longest] {
            assert_eq!(Text::parse(good).unwrap().as_str(), good);
        }
        let too_long = "x".repeat(501);
        for bad in ["a\nb", "\u{0}", "\u{7f}", &too_long] {
            assert_eq!(Text::parse(bad), Err(InvalidText), "{bad:?}");
        }
    }
}
