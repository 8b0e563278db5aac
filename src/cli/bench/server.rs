//! The server under load: one that runs, or one that is started for it.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use http::uri::Authority;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{
    options::Options,
    usage::{Process, directory_bytes},
};
use crate::cli::{Exit, Failure};

/// How long a server may take until it is ready.
const READY: Duration = Duration::from_secs(600);
/// How long metrics may take.
const SCRAPE: Duration = Duration::from_secs(5);
/// What the journal counts of the bytes that it writes.
const JOURNAL_BYTES: &str = "tplus_journal_batch_bytes_sum ";

/// A server under load.
#[derive(Debug)]
pub(super) struct Target {
    authority: Authority,
    pid: Option<u32>,
    metrics: Option<SocketAddr>,
    data: Option<PathBuf>,
    started: Option<Started>,
}

/// What there is of a server that was started, to be taken away again.
#[derive(Debug)]
struct Started {
    child: Child,
    /// It is asked to end by itself, since its data stays.
    gently: bool,
    _thrown_away: Option<TempDir>,
}

impl Drop for Started {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = self.gently && pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        if !asked {
            // It may have ended by itself.
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

impl Target {
    /// The one that is asked for.
    pub(super) fn of(options: &Options) -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Failed, error).during("cannot make a data directory");
        match &options.server {
            Some(uri) => Self::running(uri, options.server_pid),
            None => match &options.data_dir {
                Some(data) => Self::start(data),
                None => Self::start_in(TempDir::with_prefix("tplus-bench-").map_err(failed)?),
            },
        }
    }

    fn running(uri: &http::Uri, pid: Option<u32>) -> Result<Self, Failure> {
        let usable = uri.scheme_str().is_none_or(|scheme| scheme == "http");
        let authority = uri.authority().filter(|authority| usable && authority.port().is_some()).cloned();
        let authority = authority.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("--server {uri} is no address such as http://127.0.0.1:50051"))
        })?;
        Ok(Self { authority, pid, metrics: None, data: None, started: None })
    }

    /// Starts one that serves on this directory.
    fn start(data: &Path) -> Result<Self, Failure> {
        Self::spawn(serving(data)?, None, Some(data.to_owned()))
    }

    /// Starts one that serves on a directory that is thrown away in the end.
    pub(super) fn start_in(directory: TempDir) -> Result<Self, Failure> {
        let data = directory.path().to_owned();
        Self::spawn(serving(&data)?, Some(directory), Some(data))
    }

    /// Starts one that answers without a look at what it is asked.
    pub(super) fn start_empty() -> Result<Self, Failure> {
        let mut command = program("starting an empty server")?;
        command.args(["bench", "empty"]);
        Self::spawn(command, None, None)
    }

    fn spawn(mut command: Command, thrown_away: Option<TempDir>, data: Option<PathBuf>) -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Failed, error).during("cannot start a server");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let (stdout, pid) = (child.stdout.take(), child.id());
        let gently = thrown_away.is_none();
        let started = Some(Started { child, gently, _thrown_away: thrown_away });
        let (authority, metrics) = stdout
            .and_then(banner)
            .ok_or_else(|| Failure::new(Exit::Failed, "the server that was started did not become ready"))?;
        Ok(Self { authority, pid: Some(pid), metrics, data, started })
    }

    /// Where it listens.
    pub(super) const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether nobody else uses it.
    pub(super) const fn is_ours(&self) -> bool {
        self.started.is_some()
    }

    /// Where its data is, if that is known.
    pub(super) fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// What its process has used so far.
    pub(super) fn process(&self) -> Option<Process> {
        self.pid.and_then(Process::of)
    }

    /// What its journal has written so far.
    pub(super) fn journal_bytes(&self) -> Option<u64> {
        let text = scrape(self.metrics?)?;
        let value = text.lines().find_map(|line| line.strip_prefix(JOURNAL_BYTES))?;
        Some(value.trim().parse::<f64>().ok()? as u64)
    }

    /// What its data takes on disk.
    pub(super) fn disk_bytes(&self) -> Option<u64> {
        self.data.as_deref().map(directory_bytes)
    }
}

fn serving(data: &Path) -> Result<Command, Failure> {
    let mut command = program("starting a server")?;
    command.args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]);
    command.args(["--log-filter", "warn", "--data-dir"]).arg(data);
    Ok(command)
}

fn program(doing: &str) -> Result<Command, Failure> {
    let own = env::current_exe().map_err(|error| Failure::new(Exit::Failed, error).during(doing.to_owned()))?;
    Ok(Command::new(own))
}

/// Where the server says that it listens. Everything it says is read, so that it never waits for us.
fn banner(stdout: ChildStdout) -> Option<(Authority, Option<SocketAddr>)> {
    let (sender, said) = mpsc::channel();
    let read = move || {
        let mut grpc: Option<Authority> = None;
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("gRPC"), Some(address)) => grpc = address.parse().ok(),
                (Some("metrics"), Some(url)) => {
                    let address = url.strip_prefix("http://").and_then(|rest| rest.split('/').next());
                    let address = address.and_then(|address| address.parse().ok());
                    drop(grpc.take().map(|grpc| sender.send((grpc, address))));
                }
                _ => {}
            }
        }
    };
    drop(thread::Builder::new().name("banner".into()).spawn(read).ok()?);
    said.recv_timeout(READY).ok()
}

fn scrape(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, SCRAPE).ok()?;
    stream.set_read_timeout(Some(SCRAPE)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}
