//! Exact amounts of money.

use std::{
    fmt::{self, Write as _},
    iter::Sum,
    ops::{Add, AddAssign, Sub, SubAssign},
};

use rust_decimal::Decimal;

/// An exact amount of US dollars, in cents.
///
/// 128 bits: an amount that is accepted from outside is below 10¹⁴ cents, so no sum of amounts that could ever be recorded
/// comes near the limit, and nothing that was accepted can overflow later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

impl Money {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The smallest amount above zero.
    pub const CENT: Self = Self(1);
    /// The largest amount that is accepted from outside: 999,999,999,999.99 dollars.
    pub const MAX_INPUT: Self = Self(99_999_999_999_999);
    /// The largest number of whole dollars that is accepted from outside.
    pub const MAX_INPUT_DOLLARS: u64 = 999_999_999_999;

    /// An amount of cents.
    pub const fn from_cents(cents: i128) -> Self {
        Self(cents)
    }

    /// An amount of whole dollars.
    pub const fn from_dollars(dollars: u64) -> Self {
        Self(dollars as i128 * 100)
    }

    /// The amount in cents.
    pub const fn cents(self) -> i128 {
        self.0
    }

    /// The amount in cents as the journal keeps what came from outside, which fits by [`Money::MAX_INPUT`].
    pub fn input_cents(self) -> u64 {
        u64::try_from(self.0).unwrap_or(u64::MAX)
    }

    /// Reads an amount from outside: `[0-9]{1,12}(\.[0-9]{1,2})?`.
    ///
    /// # Errors
    /// Anything else, so also signs, exponents, blanks and a third decimal, is no amount.
    pub fn parse(text: &str) -> Result<Self, InvalidAmount> {
        Self::parse_bytes(text.as_bytes())
    }

    /// The same for a text that is not known to be one.
    ///
    /// # Errors
    /// As [`Money::parse`].
    pub fn parse_bytes(text: &[u8]) -> Result<Self, InvalidAmount> {
        let point = text.iter().position(|byte| *byte == b'.');
        let (dollars, cents) = match point.and_then(|at| text.split_at_checked(at)) {
            Some((dollars, cents)) => (dollars, cents.get(1..).unwrap_or_default()),
            None => (text, b"0".as_slice()),
        };
        if !(1..=12).contains(&dollars.len()) || !(1..=2).contains(&cents.len()) {
            return Err(InvalidAmount);
        }
        let dollars = number(dollars)?;
        let cents = number(cents)? * if cents.len() == 1 { 10 } else { 1 };
        Ok(Self(i128::from(dollars * 100 + cents)))
    }

    /// This amount times a whole number.
    pub const fn times(self, factor: u32) -> Self {
        Self(self.0 * factor as i128)
    }

    /// The share of this amount that a part is of a whole, in cents, rounded down; nothing where the whole is zero. Exact for
    /// amounts from outside: their product is below 10²⁸.
    pub fn share(self, part: Self, whole: Self) -> Self {
        Self((self.0 * part.0).checked_div(whole.0).unwrap_or(0))
    }

    /// This amount less another, but never below zero.
    pub fn less_at_most(self, other: Self) -> Self {
        Self((self.0 - other.0).max(0))
    }

    /// The dollars, without the cents; nothing below zero.
    pub fn whole_dollars(self) -> u64 {
        u64::try_from(self.0 / 100).unwrap_or(0)
    }

    /// Whether there are no cents beside the dollars.
    pub const fn is_whole_dollars(self) -> bool {
        self.0 % 100 == 0
    }

    /// Whether this is exactly nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// A text or number that is no amount of money with at most two decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an amount of the form [0-9]{{1,12}}(\\.[0-9]{{1,2}})?")]
pub struct InvalidAmount;

impl TryFrom<Decimal> for Money {
    type Error = InvalidAmount;

    fn try_from(decimal: Decimal) -> Result<Self, InvalidAmount> {
        let decimal = decimal.normalize();
        let zeros = 2_u32.checked_sub(decimal.scale()).ok_or(InvalidAmount)?;
        decimal.mantissa().checked_mul(10_i128.pow(zeros)).map(Self).ok_or(InvalidAmount)
    }
}

impl fmt::Display for Money {
    /// Always with two decimals: `1000.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_char('-')?;
        }
        let cents = self.0.unsigned_abs();
        let (dollars, cents) = (cents / 100, cents % 100);
        match u64::try_from(dollars) {
            // Nearly all there are; answers are full of them.
            Ok(dollars) => write!(f, "{dollars}")?,
            Err(_) => write!(f, "{dollars}")?,
        }
        f.write_char('.')?;
        f.write_char(digit(cents / 10))?;
        f.write_char(digit(cents % 10))
    }
}

/// The number that up to 12 digits say. Without an exit on the way, since they nearly always are digits.
fn number(digits: &[u8]) -> Result<u64, InvalidAmount> {
    let (mut number, mut bad) = (0_u64, false);
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        bad |= digit > 9;
        number = number.wrapping_mul(10).wrapping_add(digit.into());
    }
    if bad { Err(InvalidAmount) } else { Ok(number) }
}

fn digit(below_ten: u128) -> char {
    u8::try_from(below_ten).map_or('?', |digit| char::from(b'0' + digit))
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (text, cents) in [("0", 0), ("0.1", 10), ("007.05", 705), ("999999999999.99", Money::MAX_INPUT.cents())] {
            assert_eq!(Money::parse(text).map(Money::cents), Ok(cents), "{text}");
        }
    }

    proptest! {
        #[test]
        fn amounts_are_what_a_decimal_says(text in "[0-9]{0,13}(\\.[0-9]{0,3})?") {
            let form = has_form(&text);
            let decimal = form.then(|| Decimal::from_str_exact(&text).unwrap()).ok_or(InvalidAmount);
            prop_assert_eq!(Money::parse(&text), decimal.and_then(Money::try_from));
        }
    }

    /// Whether a text of digits and a point has the form of an amount.
    fn has_form(text: &str) -> bool {
        let (dollars, cents) = text.split_once('.').unwrap_or((text, "0"));
        (1..=12).contains(&dollars.len()) && (1..=2).contains(&cents.len())
    }

    #[test]
    fn anything_else_is_no_amount() {
        let odd = "|.|1.|.5|-1|+1|-0|1e9|0.001|1.000|1 | 1|1,5|NaN|inf|0x1|1_000|١|1000000000000|1.2.3|\u{0}";
        for text in odd.split('|').chain([&*"9".repeat(40)]) {
            assert_eq!(Money::parse(text), Err(InvalidAmount), "{text:?}");
        }
    }

    #[test]
    fn amounts_are_shown_with_two_decimals() {
        assert_eq!(Money::from_cents(5).to_string(), "0.05");
        assert_eq!(Money::from_dollars(1000).to_string(), "1000.00");
        assert_eq!(Money::from_cents(-150).to_string(), "-1.50");
    }
}
