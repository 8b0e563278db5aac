//! The real program with its metrics on.
#![allow(dead_code, unreachable_pub, clippy::panic, reason = "every test takes what it needs, and may stop at once")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// How long a server may take until it is ready. Far more than it needs.
const READY: Duration = Duration::from_secs(120);

/// A server that runs, and is killed at the latest when this goes away.
pub struct Watched {
    child: Child,
    /// Where gRPC is served, like `http://127.0.0.1:1234`.
    pub grpc: String,
    /// Where metrics are, like `127.0.0.1:1235`.
    pub metrics: String,
}

/// The program with these arguments, and none of our settings in its environment.
pub fn tplus(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tplus"));
    let ours = std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_string_lossy().starts_with("TPLUS_"));
    for name in ours {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null());
    command
}

impl Watched {
    /// Serves `root/data` on free ports; what the server says on stderr goes to `root/stderr`.
    pub fn start(root: &Path, args: &[&str]) -> Self {
        Self::start_in(root, args, &[])
    }

    /// The same, with this in its environment.
    pub fn start_in(root: &Path, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let any = "127.0.0.1:0";
        let mut child = tplus(&["serve", "--listen", any, "--metrics-listen", any, "--data-dir"])
            .arg(root.join("data"))
            .args(args)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(root.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, said) = mpsc::channel();
        // Everything is read, so that the server never waits for us.
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.for_each(|line| drop(sender.send(line)));
        });
        let mut server = Self { child, grpc: String::new(), metrics: String::new() };
        while server.grpc.is_empty() || server.metrics.is_empty() {
            let line = said.recv_timeout(READY).unwrap_or_else(|_| {
                panic!("it is not ready: {}", std::fs::read_to_string(root.join("stderr")).unwrap())
            });
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                ["gRPC", address] => server.grpc = format!("http://{address}"),
                ["metrics", url] => server.metrics = url.replace("http://", "").replace("/metrics", ""),
                _ => {}
            }
        }
        server
    }

    /// What a scraper gets.
    pub fn scrape(&self) -> String {
        let mut stream = TcpStream::connect(&self.metrics).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// One of its figures.
    pub fn figure(&self, name: &str) -> f64 {
        let text = self.scrape();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }

    /// Stops it where it is, and answers when all of it stands.
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
        let stands = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::UNTRACED).unwrap();
        assert!(stands.is_some_and(|(_, status)| status.stopped()), "{stands:?}");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends it as a supervisor would, and answers whether it ended well.
    pub fn stop(mut self) -> bool {
        self.signal(Signal::TERM);
        self.child.wait().unwrap().success()
    }

    /// Ends it as a power cut would: nothing is flushed, nobody is told.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
