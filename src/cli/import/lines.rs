//! The lines of a file, one at a time, so that its size does not matter.
//!
//! A CSV row is one line too: nothing that is taken can hold the end of a line. So a quote that is never closed spoils its own
//! line and not all that follow, and the line that an error names is the line that an editor shows.

use std::io::{self, BufRead, Read as _};

/// The longest line that is kept, in bytes; it has room for three times what a server takes in one message.
const LONGEST: u64 = 16 << 20;

/// A line of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) at: u64,
    /// How many bytes of the file are read with it.
    pub(super) end: u64,
    /// What stands there; nothing if it is too long.
    pub(super) text: Result<Vec<u8>, TooLong>,
}

/// A line of more than 16 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the line is longer than {} MiB", LONGEST >> 20)]
pub(super) struct TooLong;

/// Reads line after line.
pub(super) struct Lines<Input> {
    input: Input,
    at: u64,
    end: u64,
}

impl<Input: BufRead> Lines<Input> {
    /// From the first line on.
    pub(super) const fn of(input: Input) -> Self {
        Self { input, at: 0, end: 0 }
    }

    fn line(&mut self) -> io::Result<Option<Line>> {
        let mut text = Vec::new();
        let mut taken = (&mut self.input).take(LONGEST + 1).read_until(b'\n', &mut text)?;
        if taken == 0 {
            return Ok(None);
        }
        self.at += 1;
        let mut text = Ok(text);
        if let Ok(cut) = &text
            && !cut.ends_with(b"\n")
            && cut.len() as u64 > LONGEST
        {
            text = Err(TooLong);
            taken += self.input.skip_until(b'\n')?;
        }
        self.end += taken as u64;
        Ok(Some(Line { at: self.at, end: self.end, text: text.map(|text| self.bare(&text)) }))
    }

    /// Without the end of the line, blanks around it, and the mark that some programs put at the beginning of a file.
    fn bare(&self, text: &[u8]) -> Vec<u8> {
        let text = text.strip_prefix("\u{feff}".as_bytes()).filter(|_| self.at == 1).unwrap_or(text);
        text.trim_ascii().to_vec()
    }
}

impl<Input: BufRead> Iterator for Lines<Input> {
    type Item = io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line().transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, repeat};

    use super::*;

    #[test]
    fn lines_are_numbered_and_measured() {
        let lines: Vec<Line> = Lines::of("\u{feff}a\r\n\n b".as_bytes()).map(Result::unwrap).collect();
        let line = |at, end, text: &str| Line { at, end, text: Ok(text.into()) };
        assert_eq!(lines, [line(1, 6, "a"), line(2, 7, ""), line(3, 9, "b")]);
    }

    #[test]
    fn a_line_without_end_is_not_kept_and_does_not_hide_the_next() {
        let long = repeat(b'x').take(3 * LONGEST).chain(&b"\nnext\n"[..]);
        let lines: Vec<Line> = Lines::of(BufReader::new(long)).map(Result::unwrap).collect();
        assert_eq!(lines[0], Line { at: 1, end: 3 * LONGEST + 1, text: Err(TooLong) });
        assert_eq!(lines[1], Line { at: 2, end: 3 * LONGEST + 6, text: Ok("next".into()) });
        assert_eq!(lines.len(), 2);
        let longest = repeat(b'x').take(LONGEST).chain(&b"\n"[..]);
        assert!(Lines::of(BufReader::new(longest)).next().unwrap().unwrap().text.is_ok());
    }
}
