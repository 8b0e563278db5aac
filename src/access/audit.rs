//! The audit log: attempts that were refused, one JSON object a line. (What was done stands in the journal, with who asked for it.)
//!
//! Whoever is refused must not be able to fill the disk or hold anybody up. So a line that finds the queue full is counted instead of written, and
//! the file is put aside when it has its size; of those that were put aside the oldest goes.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

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
        let writer =
            Writer { lines: Mutex::new(Some(lines)), missing: AtomicU64::new(0), thread: Mutex::new(Some(thread)) };
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
        let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
        let at = Timestamp::from_micros(OsTime.wall()).to_string();
        writer.write(Refused { at, caller, peer, method, merchant, why: denied.to_string(), missing: 0 });
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("refused", &self.refused_ever()).finish_non_exhaustive()
    }
}

struct Writer {
    lines: Mutex<Option<SyncSender<Refused>>>,
    missing: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    fn write(&self, line: Refused) {
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
    let mut failed = false;
    for line in queue {
        let written = output.write(&line);
        match &written {
            Err(error) if !failed => tracing::error!(%error, "the audit log cannot be written"),
            _ => {}
        }
        failed = written.is_err();
    }
}

struct Output {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Output {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes })
    }

    fn write(&mut self, line: &Refused) -> io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        if self.bytes >= FILE_BYTES {
            self.put_aside()?;
        }
        self.file.write_all(text.as_bytes())?;
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
        *self = Self::open(std::mem::take(&mut self.path))?;
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
    fn lines_that_find_no_place_are_counted() {
        let (lines, queue) = sync_channel(1);
        let writer = Writer { lines: Mutex::new(Some(lines)), missing: AtomicU64::new(0), thread: Mutex::new(None) };
        let line = |method: &str| Refused {
            at: String::new(),
            caller: String::new(),
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
