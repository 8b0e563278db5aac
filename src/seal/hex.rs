//! Bytes as lower-case hexadecimal digits, the one way in which seals and proofs write them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// So many bytes, written as twice as many digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex<const N: usize>(pub [u8; N]);

/// A hash of BLAKE3.
pub type Hash = Hex<32>;

/// Any number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HexBytes(pub Vec<u8>);

/// A text that is not what was to be written in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHex {
    /// Something else than `0-9a-f`.
    #[error("only the digits 0-9 and a-f are taken")]
    Digit,
    /// Too few or too many digits.
    #[error("{found} digits, where there are {wanted}")]
    Length {
        /// How many there are.
        found: usize,
        /// How many there should be.
        wanted: usize,
    },
}

fn value(digit: u8) -> Result<u8, InvalidHex> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(InvalidHex::Digit),
    }
}

fn parse(text: &str) -> Result<Vec<u8>, InvalidHex> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(InvalidHex::Length { found: text.len(), wanted: text.len() + 1 });
    }
    pairs.iter().map(|[high, low]| Ok(value(*high)? << 4 | value(*low)?)).collect()
}

fn show(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = InvalidHex;

    fn from_str(text: &str) -> Result<Self, InvalidHex> {
        if text.len() != 2 * N {
            return Err(InvalidHex::Length { found: text.len(), wanted: 2 * N });
        }
        parse(text)?.try_into().map(Self).map_err(|_| InvalidHex::Length { found: text.len(), wanted: 2 * N })
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.0, f)
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.0, f)
    }
}

impl<const N: usize> TryFrom<String> for Hex<N> {
    type Error = InvalidHex;

    fn try_from(text: String) -> Result<Self, InvalidHex> {
        text.parse()
    }
}

impl<const N: usize> From<Hex<N>> for String {
    fn from(hex: Hex<N>) -> Self {
        hex.to_string()
    }
}

impl fmt::Display for HexBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.0, f)
    }
}

impl TryFrom<String> for HexBytes {
    type Error = InvalidHex;

    fn try_from(text: String) -> Result<Self, InvalidHex> {
        parse(&text).map(Self)
    }
}

impl From<HexBytes> for String {
    fn from(hex: HexBytes) -> Self {
        hex.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_way_to_write_bytes() {
        assert_eq!("00ff0a".parse(), Ok(Hex([0, 255, 10])));
        assert_eq!(Hex([0, 255, 10]).to_string(), "00ff0a");
        assert_eq!("00FF0A".parse::<Hex<3>>(), Err(InvalidHex::Digit));
        assert_eq!("00ff".parse::<Hex<3>>(), Err(InvalidHex::Length { found: 4, wanted: 6 }));
        assert_eq!("+0 1".parse::<Hex<2>>(), Err(InvalidHex::Digit));
        assert_eq!(HexBytes::try_from("é".to_owned()), Err(InvalidHex::Digit));
        assert!(HexBytes::try_from("0".to_owned()).is_err());
    }
}
