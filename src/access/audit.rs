//! The audit log: attempts that were refused, one JSON object a line. (What was done stands in the journal, with who asked for it.)
//!
//! Whoever is refused must not be able to fill the disk or hold anybody up. So a line that finds the queue full is counted instead of written, and
//! the file is put aside when it has its size; of those that were put aside the oldest goes.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Denied;
use crate::{
    clock::{OsTime, TimeSource as _},
    domain::Timestamp,
};

/// How many bytes a file has before it is put aside.
const FILE_BYTES: u64 = 16 << 20;

/// How many files are kept that were put aside.
const KEPT: u32 = 8;

/// How many lines may wait to be written.
const QUEUE: usize = 4_096;

/// How much of what somebody says of himself is written, in bytes: enough for all that makes sense.
const FIELD_BYTES: usize = 256;

/// How many lines in a second may be about nobody known, and how many at once: somebody whom no one knows must not push out what others did.
const OF_NOBODY: (NonZeroU32, NonZeroU32) = (NonZeroU32::new(10).unwrap(), NonZeroU32::new(100).unwrap());

/// What somebody tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Who, as far as it is known.
    pub caller: String,
    /// From where.
    pub peer: Option<SocketAddr>,
    /// The method.
    pub method: String,
    /// About whom, if it came so far.
    pub merchant: String,
}

/// A line of the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// When, on the wall clock, as RFC 3339.
    pub at: String,
    /// Who, as far as it is known; empty otherwise.
    pub caller: String,
    /// From where; empty, if that is not known.
    pub peer: String,
    /// The method.
    pub method: String,
    /// About whom, if it came so far.
    pub merchant: String,
    /// Why not.
    pub why: String,
    /// How many lines before this one are missing, because there were too many at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Where attempts are written that were refused; clones write to the same.
#[derive(Clone, Default)]
pub struct AuditLog {
    writer: Option<Arc<Writer>>,
    refused: Arc<AtomicU64>,
}

impl AuditLog {
    /// Goes on with the file at this path, or begins it.
    ///
    /// # Errors
    /// When the file or the thread that writes it is not to be had.
    pub fn open(path: &Path) -> io::Result<Self> {
        let output = Output::open(path.to_owned())?;
        let (lines, queue) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new().name("tplus-audit".into()).spawn(move || write(queue, output))?;
        let writer = Writer::new(lines, Some(thread));
        Ok(Self { writer: Some(Arc::new(writer)), refused: Arc::default() })
    }

    /// How many attempts were refused since the start.
    pub fn refused_ever(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Writes down that an attempt was refused.
    pub(super) fn refused(&self, attempt: Attempt, denied: &Denied) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let Attempt { caller, peer, method, merchant } = attempt;
        tracing::debug!(caller, ?peer, method, merchant, why = %denied, "an attempt was refused");
        let Some(writer) = &self.writer else { return };
        let (caller, method, merchant) = (cut(&caller), cut(&method), cut(&merchant));
        let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
        let at = Timestamp::from_micros(OsTime.wall()).to_string();
        writer.write(Refused { at, caller, peer, method, merchant, why: cut(&denied.to_string()), missing: 0 });
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("refused", &self.refused_ever()).finish_non_exhaustive()
    }
}

/// As much of a text as is written.
fn cut(text: &str) -> String {
    let end = (0..=FIELD_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text.get(..end).unwrap_or_default().to_owned()
}

struct Writer {
    lines: Mutex<Option<SyncSender<Refused>>>,
    of_nobody: DefaultDirectRateLimiter,
    missing: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    fn new(lines: SyncSender<Refused>, thread: Option<JoinHandle<()>>) -> Self {
        let (rate, burst) = OF_NOBODY;
        Self {
            lines: Mutex::new(Some(lines)),
            of_nobody: RateLimiter::direct(Quota::per_second(rate).allow_burst(burst)),
            missing: AtomicU64::new(0),
            thread: Mutex::new(thread),
        }
    }

    fn write(&self, line: Refused) {
        if line.caller.is_empty() && self.of_nobody.check().is_err() {
            self.missing.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let missing = self.missing.swap(0, Ordering::Relaxed);
        let sent = self.lines.lock().as_ref().is_some_and(|lines| lines.try_send(Refused { missing, ..line }).is_ok());
        if !sent {
            self.missing.fetch_add(missing + 1, Ordering::Relaxed);
        }
    }
}

impl Drop for Writer {
    /// What waits is written.
    fn drop(&mut self) {
        drop(self.lines.lock().take());
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the audit log has panicked");
        }
    }
}

fn write(queue: Receiver<Refused>, mut output: Output) {
    let mut lost = 0;
    for line in queue {
        let missing = line.missing + lost;
        match output.write(&Refused { missing, ..line }) {
            Ok(()) => lost = 0,
            Err(error) => {
                if lost == 0 {
                    tracing::error!(%error, "the audit log cannot be written");
                }
                lost = missing + 1;
            }
        }
    }
}

struct Output {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Output {
    fn open(path: PathBuf) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path)?;
        let mut bytes = file.seek(SeekFrom::End(0))?;
        if bytes > 0 {
            // A line that was cut short stays by itself.
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                bytes += 1;
            }
        }
        Ok(Self { path, file, bytes })
    }

    fn write(&mut self, line: &Refused) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        if self.bytes >= FILE_BYTES {
            self.put_aside()?;
        }
        if let Err(error) = self.file.write_all(text.as_bytes()) {
            // Part of it may be there.
            *self = Self::open(self.path.clone())?;
            return Err(error);
        }
        self.bytes += u64::try_from(text.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// `refused.jsonl` becomes `refused.jsonl.1`, that becomes `.2`, and so on.
    fn put_aside(&mut self) -> io::Result<()> {
        for number in (1..KEPT).rev() {
            let from = aside(&self.path, number);
            if from.exists() {
                fs::rename(from, aside(&self.path, number + 1))?;
            }
        }
        fs::rename(&self.path, aside(&self.path, 1))?;
        *self = Self::open(self.path.clone())?;
        Ok(())
    }
}

/// What a file is called that was put aside as the n-th youngest.
fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The files of an audit log that are there, the oldest first.
pub fn files(path: &Path) -> Vec<PathBuf> {
    let aside = (1..=KEPT).rev().map(|number| aside(path, number));
    aside.chain([path.to_owned()]).filter(|file| file.exists()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn lines(path: &Path) -> Vec<Refused> {
        let texts = files(path).into_iter().map(|file| fs::read_to_string(file).unwrap());
        texts
            .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
            .collect()
    }

    fn attempt(method: &str) -> Attempt {
        Attempt { caller: "sub:a\"b".into(), method: method.into(), ..Attempt::default() }
    }

    #[test]
    fn what_was_refused_is_there_after_the_end_and_the_file_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("refused.jsonl");
        for method in ["first", "second"] {
            let log = AuditLog::open(&path).unwrap();
            log.refused(attempt(method), &Denied::NoCredentials);
            assert_eq!(log.refused_ever(), 1);
        }
        let lines = lines(&path);
        let told: Vec<_> = lines.iter().map(|line| (line.method.as_str(), line.caller.as_str())).collect();
        assert_eq!(told, [("first", "sub:a\"b"), ("second", "sub:a\"b")]);
        assert!(lines.iter().all(|line| line.why == Denied::NoCredentials.to_string() && line.missing == 0));
    }

    #[test]
    fn a_full_file_is_put_aside_and_the_oldest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("refused.jsonl");
        for number in 0..KEPT + 3 {
            let mut output = Output::open(path.clone()).unwrap();
            output.bytes = FILE_BYTES;
            let denied = Denied::NoTokens.to_string();
            let line = Refused {
                at: String::new(),
                caller: String::new(),
                peer: String::new(),
                method: number.to_string(),
                merchant: String::new(),
                why: denied,
                missing: 0,
            };
            output.write(&line).unwrap();
        }
        let numbers: Vec<_> = lines(&path).into_iter().map(|line| line.method).collect();
        let kept: Vec<_> = (2..KEPT + 3).map(|number| number.to_string()).collect();
        assert_eq!(numbers, kept);
    }

    #[test]
    fn a_line_that_was_cut_short_stays_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("refused.jsonl");
        fs::write(&path, "{\"at\":\"2026").unwrap();
        AuditLog::open(&path).unwrap().refused(attempt("next"), &Denied::NoCredentials);
        let text = fs::read_to_string(&path).unwrap();
        let whole: Refused = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        assert_eq!(whole.method, "next");
    }

    #[test]
    fn however_much_somebody_says_a_line_is_short() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("refused.jsonl");
        let long = "ä".repeat(1 << 20);
        let attempt = Attempt { method: long.clone(), merchant: long.clone(), caller: long, peer: None };
        AuditLog::open(&path).unwrap().refused(attempt, &Denied::NoCredentials);
        assert!(fs::metadata(&path).unwrap().len() < 2_000);
    }

    #[test]
    fn whom_nobody_knows_does_not_push_others_out() {
        let (lines, queue) = sync_channel(10_000);
        let writer = Writer::new(lines, None);
        let line = |caller: &str| Refused {
            at: String::new(),
            caller: caller.into(),
            peer: String::new(),
            method: String::new(),
            merchant: String::new(),
            why: String::new(),
            missing: 0,
        };
        (0..5_000).for_each(|_| writer.write(line("")));
        (0..50).for_each(|_| writer.write(line("sub:a")));
        drop(writer);
        let lines: Vec<_> = queue.iter().collect();
        assert_eq!(lines.iter().filter(|line| !line.caller.is_empty()).count(), 50);
        // Those at once, and some more if this takes seconds.
        assert!(lines.len() < 1_000, "{}", lines.len());
        assert_eq!(lines.iter().map(|line| 1 + line.missing).sum::<u64>(), 5_050);
    }

    #[test]
    fn lines_that_find_no_place_are_counted() {
        let (lines, queue) = sync_channel(1);
        let writer = Writer::new(lines, None);
        let line = |method: &str| Refused {
            at: String::new(),
            caller: "sub:a".into(),
            peer: String::new(),
            method: method.into(),
            merchant: String::new(),
            why: String::new(),
            missing: 0,
        };
        ["a", "b", "c"].iter().for_each(|method| writer.write(line(method)));
        assert_eq!(queue.recv().unwrap().method, "a");
        writer.write(line("d"));
        let next = queue.recv().unwrap();
        assert_eq!((next.method.as_str(), next.missing), ("d", 2));
    }
}
