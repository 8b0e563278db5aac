//! The real program, served from a real directory on a real socket.
#![allow(dead_code, unreachable_pub, reason = "every test takes what it needs")]

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal};

/// How long a server may take until it is ready. Far more than it needs.
const READY: Duration = Duration::from_secs(120);

/// The program with these arguments, and none of our settings in its environment.
pub fn tplus(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tplus"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TPLUS_") {
            command.env_remove(name);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// A server that runs. It is killed, as the power cut would do it, at the latest when this goes away.
pub struct Server {
    child: Child,
    addresses: Receiver<String>,
}

impl Server {
    /// Starts serving `root/data`; what the server says on stderr goes to `root/stderr`.
    pub fn spawn(root: &Path, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let data = root.join("data");
        let stderr = OpenOptions::new().create(true).append(true).open(root.join("stderr")).unwrap();
        let mut child = tplus(&["serve", "--metrics-listen", "off", "--data-dir", data.to_str().unwrap()])
            .args(args)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        Self { child, addresses: banner(stdout) }
    }

    /// Starts serving and waits until the server is ready; answers its address, like `http://127.0.0.1:1234`.
    pub fn start(root: &Path, args: &[&str], environment: &[(&str, &str)]) -> (Self, String) {
        let started = Self::try_start(root, args, environment);
        started.unwrap_or_else(|said| panic!("the server is not ready:\n{said}"))
    }

    /// The same, or what it said when it would not.
    pub fn try_start(root: &Path, args: &[&str], environment: &[(&str, &str)]) -> Result<(Self, String), String> {
        let server = Self::spawn(root, args, environment);
        match server.addresses.recv_timeout(READY) {
            Ok(address) => Ok((server, address)),
            Err(_) => Err(last_lines(&root.join("stderr"))),
        }
    }

    /// Stops it where it is, or lets it go on.
    pub fn suspend(&self, suspended: bool) {
        let signal = if suspended { Signal::STOP } else { Signal::CONT };
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether it is stopped, all of it.
    pub fn is_suspended(&self) -> bool {
        let state = |task: &Path| {
            let stat = std::fs::read_to_string(task.join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").map(|(_, fields)| fields.starts_with('T'))
        };
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        tasks.map(|task| state(&task.unwrap().path())).all(|stopped| stopped == Some(true))
    }

    /// The memory that it has, in bytes.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Tells it to stop, and waits until it has.
    pub fn stop(mut self) {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Ends it as a power cut would: nothing is flushed, nobody is told.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The address behind the word gRPC of the banner. Everything is read, so that the server never waits for us.
fn banner(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some((_, address)) = line.split_once("gRPC") {
                let address = address.trim().trim_start_matches("http://");
                drop(sender.send(format!("http://{address}")));
            }
        }
    });
    receiver
}

fn last_lines(file: &Path) -> String {
    let lines: Vec<String> = BufReader::new(File::open(file).unwrap()).lines().map_while(Result::ok).collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
