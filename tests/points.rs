//! Real files, a real process, and a real SIGKILL at exactly the n-th change of the disk, or an error there: for every n, also while the
//! process recovers from the one before.
//!
//! A child is this test program again, as [`child`]. It says on stdout what it was answered, and the parent holds the next child to it.
//! `TPLUS_POINTS` says how many points are tried.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at once"
)]

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tplus::{
    clock::{Clock, ManualClock},
    domain::{ClassifyOrder, Id, ModifyGuarantee, Money},
    engine::{Engine, Options, Request},
    journal::{Disk, DiskFile, FileOptions, FileStore, Held, NewDirectory, Open, OsDisk, inspect},
};

/// What happens at the point: a kill, or an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evil {
    Kill,
    Fail,
}

/// The operating system's disk, until it has been changed so often.
#[derive(Debug)]
struct Deadly {
    left: AtomicU64,
    evil: Evil,
}

impl Deadly {
    /// Called before each change.
    fn change(&self) -> io::Result<()> {
        if self.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return Ok(());
        }
        if self.evil == Evil::Kill {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
            std::thread::park();
        }
        say("failed");
        Err(io::Error::other("an injected fault"))
    }
}

/// A disk that children share with the files they open.
#[derive(Clone, Debug)]
struct Points(Arc<Deadly>);

struct PointFile(Box<dyn DiskFile>, Points);

impl Disk for Points {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        if matches!(how, Open::New | Open::Anew) {
            self.0.change()?;
        }
        Ok(Box::new(PointFile(OsDisk.open(path, how)?, self.clone())))
    }
    fn len(&self, path: &Path) -> io::Result<u64> {
        OsDisk.len(path)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        OsDisk.exists(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        OsDisk.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.change()?;
        OsDisk.create_dir(dir)
    }
    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.change()?;
        OsDisk.remove_dir(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.change()?;
        OsDisk.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.change()?;
        OsDisk.link(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.change()?;
        OsDisk.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.change()?;
        OsDisk.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Held>> {
        OsDisk.lock(path)
    }
}

impl DiskFile for PointFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        self.0.read_at(bytes, at)
    }
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let half = bytes.len() / 1024 * 512;
        // The first half is written already when it strikes.
        self.0.write_at(&bytes[..half], at)?;
        self.1.0.change()?;
        self.0.write_at(&bytes[half..], at + half as u64)
    }
    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.1.0.change()?;
        self.0.set_len(len)
    }
    fn sync_data(&mut self) -> io::Result<()> {
        self.1.0.change()?;
        self.0.sync_data()
    }
    fn sync_all(&mut self) -> io::Result<()> {
        self.1.0.change()?;
        self.0.sync_all()
    }
}

const VARIABLE: &str = "TPLUS_POINT";
/// How many orders a child sends that were not sent before.
const ORDERS: u64 = 12;

/// `TPLUS_POINT`: the directory, how many orders were sent before, the point, and what happens there.
#[test]
fn child() {
    let Ok(told) = std::env::var(VARIABLE) else { return };
    let mut parts = told.split(' ');
    let mut next = || parts.next().expect("four parts");
    let (dir, sent, point, evil) = (next(), next().parse::<u64>().unwrap(), next().parse().unwrap(), next());
    let evil = if evil == "kill" { Evil::Kill } else { Evil::Fail };
    let disk = Points(Arc::new(Deadly { left: AtomicU64::new(point), evil }));
    let outcome = work(Path::new(dir), sent, disk);
    say(&outcome.err().unwrap_or_else(|| "ended".into()));
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    writeln!(out, "\n{line}").unwrap();
    out.flush().unwrap();
}

fn work(dir: &Path, sent: u64, disk: Points) -> Result<(), String> {
    let create = NewDirectory { id: [1; 16], fingerprint_key: [2; 16], attributes: Vec::new() };
    let files =
        FileOptions { segment_size: 16 << 10, create: Some(create), disk: Arc::new(disk), ..FileOptions::default() };
    let store = FileStore::open(dir, files).map_err(|error| error.to_string())?;
    let clock = |floor| Ok(Clock::Manual(ManualClock::start(1_772_366_400_000_000, floor)));
    let options = Options { background: false, shards: 4, ..Options::default() };
    let (engine, _) = Engine::open(Arc::new(store), [2; 16], clock, options).map_err(|error| error.to_string())?;
    let merchant = || Id::parse("m").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    if sent == 0 {
        let change = ModifyGuarantee::new(Id::parse("g").unwrap(), 100).unwrap();
        let raise = Request {
            merchant: merchant(),
            command: change,
            caller: String::new(),
            validate_only: false,
            not_after: None,
        };
        runtime.block_on(engine.execute(raise)).map_err(|error| error.to_string())?;
    }
    for n in 0..sent + ORDERS {
        let id = Id::parse(&format!("o-{n}")).unwrap();
        let order = ClassifyOrder::new(id, Money::from_cents(i128::from(n) + 1), None, None).unwrap();
        let order = Request {
            merchant: merchant(),
            command: order,
            caller: String::new(),
            validate_only: false,
            not_after: None,
        };
        let answer = runtime.block_on(engine.execute(order)).map_err(|error| error.to_string())?;
        say(&format!("answered {n} {} {:?}", answer.replayed, answer.fact));
        if n == sent + ORDERS / 2 {
            // It may fail, and nothing else does for that.
            drop(engine.checkpoint());
        }
    }
    engine.check().unwrap();
    engine.close().map_err(|error| error.to_string())
}

/// What a child said, and whether it was struck.
fn run(dir: &Path, sent: u64, point: u64, evil: Evil) -> (BTreeMap<u64, (bool, String)>, bool) {
    let evil_name = if evil == Evil::Kill { "kill" } else { "fail" };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
        .env(VARIABLE, format!("{} {sent} {point} {evil_name}", dir.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut answers, mut failed) = (BTreeMap::new(), false);
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        failed |= line == "failed";
        if let Some(told) = line.strip_prefix("answered ") {
            let mut parts = told.splitn(3, ' ');
            let (n, replayed) = (parts.next().unwrap().parse().unwrap(), parts.next() == Some("true"));
            answers.insert(n, (replayed, parts.next().unwrap().to_owned()));
        }
    }
    let killed = !child.wait().unwrap().success();
    (answers, if evil == Evil::Kill { killed } else { failed })
}

#[test]
fn whatever_change_of_the_disk_is_the_last_what_was_answered_stands() {
    let points = std::env::var("TPLUS_POINTS").ok().map_or(160, |points| points.parse().expect("a number of points"));
    let mut struck = [0_u64; 2];
    for (place, evil) in [Evil::Kill, Evil::Fail].into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut known: BTreeMap<u64, String> = BTreeMap::new();
        let mut point = 0;
        for _ in 0..points / 2 {
            // Each start a point later, until none is reached: then from the first again.
            point += 1;
            let sent = known.keys().next_back().map_or(0, |last| last + 1);
            let (answers, was_struck) = run(&data, sent, point, evil);
            struck[place] += u64::from(was_struck);
            for (n, (replayed, fact)) in answers {
                match known.get(&n) {
                    Some(first) => assert_eq!((true, first), (replayed, &fact), "order {n}, {evil:?} at {point}"),
                    None => drop(known.insert(n, fact)),
                }
            }
            if data.join("identity").exists() {
                inspect::verify(&data).unwrap_or_else(|error| panic!("{evil:?} at {point}: {error}"));
            }
            if !was_struck {
                point = 0;
            }
        }
        let sent = known.keys().next_back().map_or(0, |last| last + 1);
        let (answers, was_struck) = run(&data, sent, u64::MAX, evil);
        assert!(!was_struck && answers.len() as u64 == sent + ORDERS);
        for (n, fact) in known {
            assert_eq!(answers.get(&n), Some(&(true, fact)), "order {n} at the end");
        }
    }
    println!("{} kills and {} errors", struck[0], struck[1]);
    assert!(struck.into_iter().all(|times| times > points / 4), "struck {struck:?} times");
}
