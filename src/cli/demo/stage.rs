//! Where the story is played: the server, the commands, what is shown of them, and what is claimed.

use std::{env, ffi::OsString, fs, iter, process::Command};

use serde_json::Value;
use tempfile::TempDir;
use tonic::transport::Endpoint;

use crate::cli::{
    self, Exit, Failure,
    ask::{Kept, Out},
    journal,
    paint::{Paint, Tone, width, wrapped},
    print,
    started::{Started, program},
    target::Server,
};

/// What is told stands off from what it is told about.
const INDENT: &str = "    ";

/// The segments of the journal, in bytes: small ones, which are made in no time.
const SEGMENT: &str = "1048576";

/// A server, and somebody who tells what it does.
pub(super) struct Stage {
    // Before the directory that it serves.
    started: Option<Started>,
    server: Server,
    directory: TempDir,
    start: &'static str,
    paint: Paint,
    acts: u32,
    /// The last line was a claim, which what follows stands off from.
    claimed: bool,
    checks: u32,
    wrong: u32,
}

/// What came back.
pub(super) struct Seen {
    answer: Value,
}

impl Stage {
    /// Starts a server whose clock begins there.
    pub(super) fn open(start: &'static str) -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Failed, error).during("cannot make a data directory");
        let directory = TempDir::with_prefix("tplus-demo-").map_err(failed)?;
        let nowhere = Server::at(&Endpoint::from_static("http://127.0.0.1:0"));
        let paint = Paint::of_stdout();
        Ok(Self {
            started: None,
            server: nowhere,
            directory,
            start,
            paint,
            acts: 0,
            claimed: false,
            checks: 0,
            wrong: 0,
        })
    }

    /// How much was claimed, and how much of it is not true.
    pub(super) const fn count(&self) -> (u32, u32) {
        (self.checks, self.wrong)
    }

    /// Begins another part.
    pub(super) fn act(&mut self, title: &str) -> Result<(), Failure> {
        self.acts += 1;
        self.claimed = false;
        print(&format!("\n{}\n", self.paint.text(Tone::Strong, &format!("{}. {title}", self.acts))))
    }

    /// Tells something.
    pub(super) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.stand_off()?;
        let lines = wrapped(text, width());
        print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
    }

    /// Starts the server, for the first time or again.
    pub(super) fn serve(&mut self) -> Result<(), Failure> {
        let data = self.directory.path().join("data");
        let data = data.to_string_lossy();
        let mut args = vec!["serve", "--data-dir", &data, "--clock", "manual", "--clock-start", self.start];
        self.typed(&args)?;
        args.extend(["--listen", "127.0.0.1:0", "--metrics-listen", "off", "--log-format", "human"]);
        let mut command = program("starting a server")?;
        // No setting of whoever looks on changes the story. Little is written in it, so little has to be prepared on the disk.
        for name in ours() {
            command.env_remove(name);
        }
        command.env("TPLUS_JOURNAL_SEGMENT_SIZE", SEGMENT);
        self.spawn(command, &args)
    }

    fn spawn(&mut self, mut command: Command, args: &[&str]) -> Result<(), Failure> {
        let failed = |error| Failure::new(Exit::Failed, error).during("cannot start a server");
        let log = self.directory.path().join("log");
        command.args(args).stderr(fs::File::create(&log).map_err(failed)?);
        let started = Started::spawn(command, false).map_err(|failure| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            failure.hint(format!("it said:\n{}", said.trim_end()))
        })?;
        let address = format!("http://{}", started.authority());
        self.server = Server::at(&Endpoint::from_shared(address).map_err(|error| Failure::new(Exit::Failed, error))?);
        self.started = Some(started);
        self.shown(Tone::Typed, &format!("export TPLUS_SERVER={}", self.server.address()))
    }

    /// Kills the server, and starts it again over what is on its disk.
    pub(super) fn kill(&mut self) -> Result<(), Failure> {
        if let Some(started) = self.started.take() {
            self.shown(Tone::Typed, &format!("kill -9 {}", started.pid()))?;
            started.kill();
        }
        self.serve()
    }

    /// Ends the server, and looks through what it leaves.
    pub(super) async fn verify(&mut self) -> Result<(), Failure> {
        if let Some(started) = self.started.take() {
            self.shown(Tone::Typed, &format!("kill {}", started.pid()))?;
            // While it drains it waits for who is connected, so we hear it say goodbye.
            let stopped = tokio::task::spawn_blocking(|| started.stop()).await;
            stopped.map_err(|error| Failure::new(Exit::Failed, error))?;
        }
        let data = self.directory.path().join("data");
        self.typed(&["journal", "verify", "--data-dir", &data.to_string_lossy()])?;
        let said = journal::verified(&data);
        let intact = said.as_ref().is_ok_and(|said| said.starts_with("intact: "));
        self.answered(&said.unwrap_or_else(|failure| failure.to_string()))?;
        self.claim(intact, "every byte of the journal is as it was written", "the journal is damaged")
    }

    /// Asks the server as somebody would at a prompt, and shows question and answer.
    pub(super) async fn run(&mut self, line: &[&str]) -> Result<Seen, Failure> {
        self.typed(line)?;
        let Kept { text, values } = self.ask(line).await?;
        self.answered(&text)?;
        Ok(Seen { answer: values.into_iter().next().unwrap_or_default() })
    }

    /// Asks for something that has to be refused with this reason.
    pub(super) async fn refused(&mut self, line: &[&str], reason: &str, claim: &str) -> Result<(), Failure> {
        self.typed(line)?;
        let said = self.ask(line).await.map_or_else(|failure| failure.to_string(), |kept| kept.text);
        self.answered(&said)?;
        self.claim(said.contains(&format!("({reason})")), claim, &said)
    }

    async fn ask(&self, line: &[&str]) -> Result<Kept, Failure> {
        // Said with the command, so that a variable that says otherwise is not even read.
        let server = ["--server", self.server.address()];
        let args = iter::once("tplus").chain(line.iter().copied()).chain(server).map(OsString::from);
        let command = cli::parse(args).map_err(|error| Failure::new(Exit::Failed, error))?.command;
        let Some(cli::Command::Ask(command)) = command else {
            return Err(Failure::new(Exit::Failed, format!("{line:?} asks no server")));
        };
        let mut out = Out::keeping(self.paint);
        command.ask(&self.server, &mut out).await?;
        Ok(out.kept())
    }

    /// Claims that something in an answer is so.
    pub(super) fn expect(&mut self, seen: &Seen, place: &str, expected: &str, claim: &str) -> Result<(), Failure> {
        let found = seen.at(place);
        self.claim(found == expected, claim, &format!("{place} is {found:?}, and not {expected:?}"))
    }

    /// Claims that two answers are the same.
    pub(super) fn same(&mut self, before: &Seen, after: &Seen, claim: &str) -> Result<(), Failure> {
        let (before, after) = (&before.answer, &after.answer);
        self.claim(before == after, claim, &format!("before: {before}, after: {after}"))
    }

    fn claim(&mut self, holds: bool, claim: &str, otherwise: &str) -> Result<(), Failure> {
        self.claimed = true;
        self.checks += 1;
        self.wrong += u32::from(!holds);
        let (mark, tone) = if holds { ("✓", Tone::Good) } else { ("✗", Tone::Bad) };
        let told = if holds { claim.to_owned() } else { format!("{claim} - NOT TRUE: {otherwise}") };
        let lines = wrapped(&told, width().saturating_sub(INDENT.len()));
        let marks = iter::once(self.paint.text(tone, mark)).chain(iter::repeat(" ".to_owned()));
        let lines = lines.iter().zip(marks).map(|(line, mark)| format!("  {mark} {}\n", self.paint.text(tone, line)));
        print(&lines.collect::<String>())
    }

    fn stand_off(&mut self) -> Result<(), Failure> {
        if std::mem::take(&mut self.claimed) { print("\n") } else { Ok(()) }
    }

    fn typed(&mut self, line: &[&str]) -> Result<(), Failure> {
        let line: Vec<String> = iter::once("tplus").chain(line.iter().copied()).map(quoted).collect();
        self.shown(Tone::Typed, &line.join(" "))
    }

    fn shown(&mut self, tone: Tone, line: &str) -> Result<(), Failure> {
        self.stand_off()?;
        print(&format!("{INDENT}{} {}\n", self.paint.text(Tone::Dim, "$"), self.paint.text(tone, line)))
    }

    fn answered(&self, text: &str) -> Result<(), Failure> {
        print(
            &text
                .lines()
                .map(|line| format!("{INDENT}{line}\n").replace(&format!("{INDENT}\n"), "\n"))
                .collect::<String>(),
        )
    }
}

impl Seen {
    /// What stands there, as a text; nothing where nothing stands.
    fn at(&self, place: &str) -> String {
        match self.answer.pointer(place) {
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        }
    }
}

/// The variables that mean something to us.
fn ours() -> impl Iterator<Item = OsString> {
    env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("TPLUS_"))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,".contains(c);
    if !word.is_empty() && word.chars().all(bare) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("--data-dir=/tmp/x_1"), "--data-dir=/tmp/x_1");
        assert_eq!(quoted("two words"), "'two words'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }

    /// A demo that cannot fail would show nothing.
    #[tokio::test]
    async fn a_claim_that_is_not_true_is_counted() {
        let mut stage = Stage::open("2026-01-01T09:00:00Z").unwrap_or_else(|failure| panic!("{failure}"));
        let seen = |answer: Value| Seen { answer };
        let one = seen(serde_json::json!({ "a": [{ "b": "1.00" }], "n": 3 }));
        stage.expect(&one, "/a/0/b", "1.00", "one").unwrap();
        stage.expect(&one, "/n", "3", "three").unwrap();
        stage.expect(&one, "/c", "", "nothing").unwrap();
        stage.same(&one, &one, "the same").unwrap();
        assert_eq!(stage.count(), (4, 0));
        stage.expect(&one, "/a/0/b", "2.00", "two").unwrap();
        stage.same(&one, &seen(Value::Null), "another").unwrap();
        assert_eq!(stage.count(), (6, 2));
    }
}
