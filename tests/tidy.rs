//! What the code keeps away from: who may look into which room, and where time, randomness and statuses come from.
//!
//! Every rule reads the sources as text, without comments and the content of strings, and names file and line. Every rule is
//! shown a bad snippet too, so that one that has gone blind is noticed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at once"
)]

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

/// The longest file.
const FILE_LINES: usize = 500;
/// The longest function: what one can read at a sitting.
const FUNCTION_LINES: usize = 70;
/// What the domain may use from outside.
const DOMAIN_MAY_USE: [&str; 3] = ["rust_decimal", "chrono", "thiserror"];
/// Ambient time, randomness and sleep.
const AMBIENT: [&str; 5] = ["SystemTime::now", "Utc::now", "Local::now", "thread::sleep", "getrandom::"];
/// What is not finished.
const UNFINISHED: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

#[test]
fn the_domain_uses_nothing_but_itself() {
    check(domain_edges);
}

#[test]
fn the_journal_does_not_know_the_domain() {
    check(|source| room_edges(source, "src/journal", &["domain", "backup", "engine", "grpc", "server", "cli"]));
}

#[test]
fn backups_know_the_journal_alone() {
    check(|source| room_edges(source, "src/backup", &["domain", "engine", "history", "grpc", "server", "cli"]));
}

#[test]
fn the_engine_does_not_know_how_it_is_reached() {
    check(|source| room_edges(source, "src/engine", &["grpc", "server", "cli"]));
}

#[test]
fn the_history_does_not_know_the_engine() {
    check(history_edges);
}

#[test]
fn the_services_do_not_know_the_journal() {
    check(|source| room_edges(source, "src/grpc", &["journal", "server", "cli"]));
}

#[test]
fn the_client_knows_nothing_of_the_server() {
    let server = ["codec", "config", "clock", "engine", "grpc", "history", "journal", "metrics", "server", "cli"];
    check(|source| room_edges(source, "src/client", &server));
}

#[test]
fn only_the_conversion_makes_a_status() {
    check(statuses);
}

#[test]
fn time_and_randomness_come_from_the_clock() {
    check(ambient);
}

#[test]
fn files_are_of_a_size() {
    check(file_length);
}

#[test]
fn functions_can_be_read_at_a_sitting() {
    check(function_length);
}

#[test]
fn every_file_says_what_it_is() {
    check(opening_comment);
}

#[test]
fn nothing_is_left_unfinished() {
    check(unfinished);
}

#[test]
fn every_rule_sees_a_bad_snippet() {
    let long_file = "//! x\n".to_owned() + &"\n".repeat(FILE_LINES);
    let long_function = format!("//! x\nfn f() {{\n{}}}\n", "\n".repeat(FUNCTION_LINES));
    let journal = |source: &Source| room_edges(source, "src/journal", &["domain"]);
    let bad: [(&str, &str, &Rule, usize); 18] = [
        ("src/domain/a.rs", "//! x\nuse tokio::time;", &domain_edges, 2),
        ("src/domain/a.rs", "//! x\nuse crate::clock::now;", &domain_edges, 2),
        ("src/domain/a.rs", "//! x\nuse crate::{\n    domain::Money,\n    journal,\n};", &domain_edges, 4),
        ("src/domain/a.rs", "//! x\nfn f() { ::prost::Message::x() }", &domain_edges, 2),
        ("src/journal/a.rs", "//! x\n\n\nuse crate::domain::Money;", &journal, 4),
        ("src/journal/a.rs", "//! x\nuse crate::{journal::{Lsn, Epoch}, domain};", &journal, 2),
        ("src/history/a.rs", "//! x\nuse crate::{codec, engine::Engine};", &history_edges, 2),
        ("src/engine/a.rs", "//! x\nfn f() -> Status { tonic::Status::ok(\"\") }", &statuses, 2),
        ("src/grpc/services.rs", "//! x\nlet f = Status::internal;", &statuses, 2),
        ("src/engine/a.rs", "//! x\nlet now = chrono::Utc::now();", &ambient, 2),
        ("src/engine/a.rs", "//! x\nuse std::thread;\nfn f() { thread::sleep(d) }", &ambient, 3),
        ("src/cli/a.rs", "//! x\ngetrandom::fill(&mut key)", &ambient, 2),
        ("src/a.rs", &long_file, &file_length, FILE_LINES + 1),
        ("src/a.rs", &long_function, &function_length, 2),
        ("src/a.rs", "use std::fmt;", &opening_comment, 1),
        ("src/a.rs", "//! x\nfn f() { todo!() }", &unfinished, 2),
        ("src/a.rs", "//! x\nlet a = r#\"\"#; dbg!(a);", &unfinished, 2),
        ("src/a.rs", "//! x\nlet c = '\"'; let d: &'a str = unimplemented!();", &unfinished, 2),
    ];
    for (path, text, rule, line) in bad {
        let found = rule(&Source::new(path, text));
        assert!(found.iter().any(|finding| finding.line == line), "nothing found on line {line} of {path}:\n{text}");
    }
}

#[test]
fn no_rule_sees_ghosts() {
    let text = "//! crate::domain, todo!, Utc::now\n\
                /* thread::sleep /* Status::ok */ tokio::x */\n\
                fn f<'a>(x: &'a str) -> char { \"Status::ok tokio:: todo!\"; br##\"dbg! \"# getrandom::\"##; '\\'' }\n\
                use crate::proto::journal::Record; // crate::journal\n\
                use super::domain;\n";
    for path in ["src/domain/a.rs", "src/journal/a.rs", "src/grpc/a.rs", "src/engine/a.rs"] {
        let source = Source::new(path, text);
        let mut found = [statuses, ambient, file_length, function_length, opening_comment, unfinished]
            .map(|rule: fn(&Source) -> Vec<Finding>| rule(&source))
            .concat();
        found.extend(room_edges(&source, "src/journal", &["domain"]));
        found.extend(room_edges(&source, "src/grpc", &["journal"]));
        assert!(found.is_empty(), "{}", listed(&found));
    }
    assert!(statuses(&Source::new("src/grpc/convert/status.rs", "//! x\nStatus::ok()")).is_empty());
    assert!(ambient(&Source::new("src/clock/source.rs", "//! x\nSystemTime::now()")).is_empty());
    assert!(
        domain_edges(&Source::new("src/domain/a.rs", "//! x\nuse chrono::Utc;\nuse crate::domain::Day;")).is_empty()
    );
}

/// Finds what it forbids in a source file.
type Rule = dyn Fn(&Source) -> Vec<Finding>;

/// A source file.
struct Source {
    path: String,
    /// As it is.
    text: String,
    /// Without comments and the content of strings, line by line where it was.
    code: String,
    /// Its whole module is compiled for tests alone.
    for_tests: bool,
}

/// Something that a rule forbids.
#[derive(Clone)]
struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: code_of(text), for_tests: false }
    }

    /// Whether it lies in a room: the folder of this name, or the file.
    fn is_in(&self, room: &str) -> bool {
        self.path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    }

    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }

    /// A finding for each place in the code where this stands as words of its own.
    fn mentions(&self, words: &str) -> Vec<Finding> {
        let found = self.code.match_indices(words).filter(|(at, _)| !ends_in_word(&self.code[..*at]));
        found.map(|(at, _)| self.finding(line_at(&self.code, at), format!("mentions {words}"))).collect()
    }

    /// The rooms that are named behind `crate::`, also within braces, each with its line.
    fn rooms(&self) -> Vec<(usize, String)> {
        let mut rooms = Vec::new();
        for (at, path) in self.code.match_indices("crate::").filter(|(at, _)| !ends_in_word(&self.code[..*at])) {
            let start = at + path.len();
            let Some(group) = self.code[start..].strip_prefix('{') else {
                rooms.push((line_at(&self.code, start), word_at(&self.code[start..])));
                continue;
            };
            let (mut depth, mut expects) = (0, true);
            for (offset, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => expects = true,
                    c if is_word(c) && depth == 0 && expects => {
                        rooms.push((line_at(&self.code, start + 1 + offset), word_at(&group[offset..])));
                        expects = false;
                    }
                    _ => {}
                }
            }
        }
        rooms
    }
}

fn domain_edges(source: &Source) -> Vec<Finding> {
    if !source.is_in("src/domain") || source.for_tests {
        return vec![];
    }
    let others = source.rooms().into_iter().filter(|(_, room)| room != "domain");
    let mut found: Vec<_> =
        others.map(|(line, room)| source.finding(line, format!("the domain looks into crate::{room}"))).collect();
    for name in dependencies().iter().filter(|name| !DOMAIN_MAY_USE.contains(&name.as_str())) {
        found.extend(source.mentions(&format!("{name}::")));
    }
    found
}

fn room_edges(source: &Source, room: &str, forbidden: &[&str]) -> Vec<Finding> {
    if !source.is_in(room) {
        return vec![];
    }
    let seen = source.rooms().into_iter().filter(|(_, other)| forbidden.contains(&other.as_str()));
    seen.map(|(line, other)| source.finding(line, format!("{room} looks into crate::{other}"))).collect()
}

/// A projection of the journal: it reads what was recorded, and nothing that runs.
fn history_edges(source: &Source) -> Vec<Finding> {
    room_edges(source, "src/history", &["engine", "clock", "grpc", "server", "cli", "config", "metrics"])
}

fn statuses(source: &Source) -> Vec<Finding> {
    if source.is_in("src/grpc/convert") {
        return vec![];
    }
    let made = source.code.match_indices("Status::").filter(|(at, path)| {
        let next = source.code[at + path.len()..].chars().next();
        !ends_in_word(&source.code[..*at]) && next.is_some_and(|next| next.is_ascii_lowercase())
    });
    made.map(|(at, _)| source.finding(line_at(&source.code, at), "makes a Status; that is for src/grpc/convert"))
        .collect()
}

fn ambient(source: &Source) -> Vec<Finding> {
    if source.is_in("src/clock") {
        return vec![];
    }
    AMBIENT.iter().flat_map(|words| source.mentions(words)).collect()
}

fn file_length(source: &Source) -> Vec<Finding> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES {
        return vec![];
    }
    vec![source.finding(lines, format!("the file has {lines} lines, at most {FILE_LINES} are wanted"))]
}

/// From the line of `fn` to the one of the brace that closes it.
fn function_length(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, _) in source.code.match_indices("fn ").filter(|(at, _)| !ends_in_word(&source.code[..*at])) {
        let (mut depth, mut end) = (0, None);
        for (offset, c) in source.code[at..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                // A declaration without a body.
                ';' if depth == 0 && is_balanced(&source.code[at..at + offset]) => break,
                _ => continue,
            }
            if c == '}' && depth <= 0 {
                end = Some(at + offset);
                break;
            }
        }
        let first = line_at(&source.code, at);
        let lines = end.map_or(0, |end| line_at(&source.code, end) - first + 1);
        if lines > FUNCTION_LINES {
            let name = word_at(&source.code[at + 3..]);
            let what = format!("fn {name} has {lines} lines, at most {FUNCTION_LINES} are wanted");
            found.push(source.finding(first, what));
        }
    }
    found
}

/// Whether all brackets are closed: a semicolon within them belongs to the type of an array.
fn is_balanced(signature: &str) -> bool {
    let count = |c| signature.matches(c).count();
    count('(') == count(')') && count('[') == count(']')
}

fn opening_comment(source: &Source) -> Vec<Finding> {
    if source.text.starts_with("//!") { vec![] } else { vec![source.finding(1, "the file does not begin with //!")] }
}

fn unfinished(source: &Source) -> Vec<Finding> {
    UNFINISHED.iter().flat_map(|words| source.mentions(words)).collect()
}

/// Applies a rule to every source file.
fn check(rule: impl Fn(&Source) -> Vec<Finding>) {
    let sources = sources();
    assert!(sources.len() > 10, "the sources are not found");
    let found: Vec<Finding> = sources.iter().flat_map(rule).collect();
    assert!(found.is_empty(), "\n{}\n", listed(&found));
}

fn listed(found: &[Finding]) -> String {
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let (mut folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) = (vec![top().join("src")], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let read = |file: &PathBuf| {
        let path = file.strip_prefix(top()).unwrap().to_str().unwrap().replace('\\', "/");
        Source::new(&path, &fs::read_to_string(file).unwrap())
    };
    let mut sources: Vec<Source> = files.iter().map(read).collect();
    let for_tests: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        source.for_tests = for_tests.iter().any(|module| source.is_in(module));
    }
    sources
}

/// The files of the modules that a file declares for tests alone.
fn test_modules(source: &Source) -> Vec<String> {
    let path = source.path.trim_end_matches(".rs");
    let folder = path.strip_suffix("/mod").unwrap_or(path);
    let declared = source.code.split("#[cfg(test)]").skip(1).filter_map(|code| code.trim_start().strip_prefix("mod "));
    declared.map(|code| format!("{folder}/{}", word_at(code))).collect()
}

/// The crates of `[dependencies]`, as code names them.
fn dependencies() -> Vec<String> {
    let manifest = fs::read_to_string(top().join("Cargo.toml")).unwrap();
    let section = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let names: Vec<String> = section
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim().replace('-', "_")))
        .filter(|name| name.chars().all(is_word))
        .collect();
    assert!(names.iter().any(|name| name == "tokio"), "the dependencies are not found");
    names
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn ends_in_word(code: &str) -> bool {
    code.chars().next_back().is_some_and(is_word)
}

fn word_at(code: &str) -> String {
    code.chars().take_while(|c| is_word(*c)).collect()
}

fn line_at(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// The text with every comment, and whatever stands between quotes, turned into blanks.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let hidden = hidden_length(rest, ends_in_word(&code));
        let (taken, after) = rest.split_at(if hidden == 0 { c.len_utf8() } else { hidden });
        if hidden == 0 {
            code.push(c);
        } else {
            code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    code
}

/// How many bytes of a comment, a string or a character begin here; 0 if none does.
fn hidden_length(rest: &str, within_word: bool) -> usize {
    let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return comment_length(rest);
    }
    let raw = rest.trim_start_matches(['b', 'c']).strip_prefix('r').filter(|_| !within_word);
    if let Some(raw) = raw.filter(|raw| raw.trim_start_matches('#').starts_with('"')) {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        return until(&format!("\"{}", "#".repeat(hashes)), rest.len() - raw.len() + hashes + 1);
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    // A lifetime has no quote behind its first letter.
    let mut after = rest.chars().skip(1);
    match (rest.starts_with('\''), after.next(), after.next()) {
        (true, Some('\\'), _) => quoted_length(rest, '\''),
        (true, Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 0,
    }
}

fn comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    for (at, _) in rest.char_indices() {
        if rest[at..].starts_with("/*") {
            depth += 1;
        } else if rest[at..].starts_with("*/") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + 2;
            }
        }
    }
    rest.len()
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = true; // The opening quote ends nothing.
    for (at, c) in rest.char_indices() {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}
