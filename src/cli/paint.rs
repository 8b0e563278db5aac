//! Colour, for those who want it.

use std::io;

use anstyle::{AnsiColor, Style};

/// How a piece of text is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// As any other.
    Plain,
    /// What to look at first.
    Strong,
    /// What can be passed over.
    Dim,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Worth a look.
    Warn,
    /// What somebody would type.
    Typed,
}

/// Paints or leaves it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    coloured: bool,
}

impl Paint {
    /// Colours if stdout is a terminal that shows them, unless NO_COLOR or CLICOLOR=0 forbid it; CLICOLOR_FORCE=1 wants them anywhere.
    pub(super) fn of_stdout() -> Self {
        let choice = anstream::AutoStream::choice(&io::stdout());
        Self { coloured: choice != anstream::ColorChoice::Never }
    }

    /// The same of stderr.
    pub(super) fn of_stderr() -> Self {
        Self { coloured: anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never }
    }

    /// Paints, or leaves it, as is said.
    #[cfg(test)]
    pub(super) const fn coloured(coloured: bool) -> Self {
        Self { coloured }
    }

    /// The text in its tone.
    pub(super) fn text(self, tone: Tone, text: &str) -> String {
        let style = match tone {
            _ if !self.coloured || text.is_empty() => return text.to_owned(),
            Tone::Plain => return text.to_owned(),
            Tone::Strong => Style::new().bold(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Warn => AnsiColor::Yellow.on_default(),
            Tone::Typed => AnsiColor::Cyan.on_default(),
        };
        format!("{style}{text}{style:#}")
    }
}

/// How many characters fit into a line: those of the terminal, at most 100, which is also meant where there is none.
pub(super) fn width() -> usize {
    let columns = terminal_size::terminal_size().map_or(100, |(terminal_size::Width(columns), _)| columns);
    usize::from(columns).clamp(20, 100)
}

/// The text in lines of at most so many characters, broken between words; a longer word stays whole.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_painted_only_where_it_is_wanted() {
        assert_eq!(Paint::coloured(false).text(Tone::Bad, "no"), "no");
        assert_eq!(Paint::coloured(true).text(Tone::Good, "yes"), "\u{1b}[32myes\u{1b}[0m");
        assert_eq!(Paint::coloured(true).text(Tone::Plain, "so"), "so");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrapped("one two  three\nfour", 9), ["one two", "three", "four"]);
        assert_eq!(wrapped("a verylongword b", 5), ["a", "verylongword", "b"]);
        assert_eq!(wrapped("", 5), [""]);
    }
}
