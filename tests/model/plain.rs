//! Amounts, instants and ids in the plainest form.

pub const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3_600 * SECOND;
pub const DAY: i64 = 24 * HOUR;

/// Reads `[0-9]{1,12}(\.[0-9]{1,2})?` as cents.
pub fn cents(text: &str) -> Option<i128> {
    let (dollars, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(dollars, 12) || !digits(fraction, 2) {
        return None;
    }
    let tens = if fraction.len() == 1 { 10 } else { 1 };
    Some(dollars.parse::<i128>().ok()? * 100 + fraction.parse::<i128>().ok()? * tens)
}

/// Writes cents with exactly two decimals.
pub fn money(cents: i128) -> String {
    assert!(cents >= 0, "no amount shown is negative: {cents}");
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Writes cents that may be below 0.
pub fn signed(cents: i128) -> String {
    if cents < 0 { format!("-{}", money(-cents)) } else { money(cents) }
}

/// Reads back what [`money`] wrote, of any length.
pub fn amount(shown: &str) -> i128 {
    shown.replace('.', "").parse().unwrap()
}

/// 1 to 64 characters of A-Z a-z 0-9 . _ : -
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
}

/// Reads `2016-10-10T11:43:22Z` as microseconds since 1970.
pub fn instant(text: &str) -> i64 {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "9999-99-99T99:99:99Z", "not an instant: {text}");
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut days = day - 1;
    for past in 1970..year {
        days += if leap(past) { 366 } else { 365 };
    }
    let february = if leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    days += months[..month as usize - 1].iter().sum::<i64>();
    days * DAY + (number(11, 13) * 3_600 + number(14, 16) * 60 + number(17, 19)) * SECOND
}

/// Writes a day, counted from 1970-01-01, as `2016-10-10`.
pub fn date(day: i64) -> String {
    let (mut year, mut month, mut left) = (1970, 1, day);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = |year: i64, month: usize| match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    while left >= length(year, month) {
        left -= length(year, month);
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
    assert!(left >= 0, "before 1970");
    format!("{year:04}-{month:02}-{:02}", left + 1)
}
