//! The server under load: one that runs, or one that is started for it.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;
use tonic::transport::Endpoint;

use super::{
    options::Options,
    usage::{Process, directory_bytes},
};
use crate::cli::{
    Exit, Failure,
    started::{Started, program},
    target::Way,
};

/// How long metrics may take.
const SCRAPE: Duration = Duration::from_secs(5);
/// What the journal counts of the bytes that it writes.
const JOURNAL_BYTES: &str = "tplus_journal_batch_bytes_sum ";

/// A server under load.
#[derive(Debug)]
pub(super) struct Target {
    way: Way,
    pid: Option<u32>,
    data: Option<PathBuf>,
    // Before the directory that it serves.
    started: Option<Started>,
    _thrown_away: Option<TempDir>,
}

impl Target {
    /// The one that is asked for.
    pub(super) fn of(options: &Options) -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Failed, error).during("cannot make a data directory");
        match options.running.way()? {
            Some((way, pid)) => Ok(Self { way, pid, data: None, started: None, _thrown_away: None }),
            None => match &options.data_dir {
                Some(data) => Self::start(data),
                None => Self::start_in(TempDir::with_prefix("tplus-bench-").map_err(failed)?),
            },
        }
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

    fn spawn(command: Command, thrown_away: Option<TempDir>, data: Option<PathBuf>) -> Result<Self, Failure> {
        // It is asked to end by itself where its data stays.
        let started = Started::spawn(command, thrown_away.is_none())?;
        let endpoint = Endpoint::from_shared(format!("http://{}", started.authority()));
        Ok(Self {
            way: Way::plain(endpoint.map_err(|error| Failure::new(Exit::Failed, error))?),
            pid: Some(started.pid()),
            data,
            started: Some(started),
            _thrown_away: thrown_away,
        })
    }

    /// How it is reached.
    pub(super) const fn way(&self) -> &Way {
        &self.way
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
        let text = scrape(self.started.as_ref()?.metrics()?)?;
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

fn scrape(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, SCRAPE).ok()?;
    stream.set_read_timeout(Some(SCRAPE)).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}
