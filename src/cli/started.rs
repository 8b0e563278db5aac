//! A server that a command starts for itself, as a process of its own, and takes away again.

use std::{
    env,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use http::uri::Authority;
use rustix::process::{Pid, Signal, kill_process};

use super::{Exit, Failure};

/// How long a server may take until it is ready.
const READY: Duration = Duration::from_secs(600);

/// A server that was started. It ends at the latest when this goes away.
#[derive(Debug)]
pub(super) struct Started {
    child: Child,
    authority: Authority,
    metrics: Option<SocketAddr>,
    gently: bool,
}

/// This program, to be given arguments.
pub(super) fn program(doing: &str) -> Result<Command, Failure> {
    let own = env::current_exe().map_err(|error| Failure::new(Exit::Failed, error).during(doing.to_owned()))?;
    Ok(Command::new(own))
}

impl Started {
    /// Starts it and waits until it says where it listens. It is asked to end by itself if it is to end gently, and killed otherwise.
    pub(super) fn spawn(mut command: Command, gently: bool) -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Failed, error).during("cannot start a server");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let stdout = child.stdout.take();
        let mut started = Self { child, authority: Authority::from_static("localhost"), metrics: None, gently };
        (started.authority, started.metrics) = stdout
            .and_then(banner)
            .ok_or_else(|| Failure::new(Exit::Failed, "the server that was started did not become ready"))?;
        Ok(started)
    }

    /// Where it listens.
    pub(super) const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Where its metrics are.
    pub(super) const fn metrics(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut would: it is told nothing, and does nothing more.
    pub(super) fn kill(mut self) {
        self.gently = false;
    }

    /// Asks it to end, and waits until it has.
    pub(super) fn stop(mut self) {
        self.gently = true;
    }
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
