//! The program as systemd runs it: it says when it is ready, that it is alive, and that it stops.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod served;

use std::{
    io::{BufRead as _, BufReader},
    os::unix::net::UnixDatagram,
    process::{Child, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tplus::{client::Client, proto::v1::GetClockRequest};

/// A service manager that listens.
struct Manager {
    socket: UnixDatagram,
    root: TempDir,
}

impl Manager {
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(root.path().join("notify")).unwrap();
        // Nothing takes this long; without it a test that fails would not end.
        socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        Self { socket, root }
    }

    fn start(&self, environment: &[(&str, &str)]) -> Child {
        let data = self.root.path().join("data");
        served::tplus(&[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            "off",
            "--data-dir",
            data.to_str().unwrap(),
        ])
        .env("NOTIFY_SOCKET", self.root.path().join("notify"))
        .env_remove("WATCHDOG_USEC")
        .env_remove("WATCHDOG_PID")
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
    }

    fn hears(&self) -> String {
        let mut told = [0; 1_024];
        let len = self.socket.recv(&mut told).unwrap();
        String::from_utf8(told[..len].to_vec()).unwrap().trim_end().to_owned()
    }
}

fn terminate(child: &Child) {
    rustix::process::kill_process(Pid::from_child(child), Signal::TERM).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_when_it_answers_alive_while_it_does_and_says_that_it_stops() {
    let manager = Manager::new();
    let mut child = manager.start(&[("WATCHDOG_USEC", "50000")]);
    assert_eq!(manager.hears(), "STATUS=recovering");
    let ready = manager.hears();
    let address = ready.strip_prefix("READY=1\nSTATUS=serving gRPC on ").unwrap();
    Client::builder(format!("http://{address}")).build().unwrap().call(GetClockRequest {}).await.unwrap();
    let banner =
        BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).find(|line| line.contains("gRPC"));
    assert!(banner.unwrap().ends_with(address));

    for _ in 0..3 {
        assert_eq!(manager.hears(), "WATCHDOG=1");
    }
    terminate(&child);
    // Signs of life that were on their way, and then the end.
    let last = (0..100_000).map(|_| manager.hears()).find(|told| told != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1\nSTATUS=draining"));
    // Nobody listens any more, and it ends all the same.
    drop(manager.socket);
    assert!(child.wait().unwrap().success());
}

#[test]
fn without_a_watchdog_there_is_no_sign_of_life() {
    let manager = Manager::new();
    let mut child = manager.start(&[]);
    assert_eq!(manager.hears(), "STATUS=recovering");
    assert!(manager.hears().starts_with("READY=1\n"));
    terminate(&child);
    assert_eq!(manager.hears(), "STOPPING=1\nSTATUS=draining");
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_settings_beside_the_unit_are_settings() {
    let manager = Manager::new();
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/systemd/tplus.toml");
    let mut child = manager.start(&[("TPLUS_CONFIG", config)]);
    assert_eq!(manager.hears(), "STATUS=recovering");
    assert!(manager.hears().starts_with("READY=1\n"));
    terminate(&child);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_socket_that_nobody_listens_to_is_no_reason_not_to_serve() {
    let manager = Manager::new();
    let nowhere = manager.root.path().join("nowhere");
    let mut child = manager.start(&[("NOTIFY_SOCKET", nowhere.to_str().unwrap())]);
    let banner =
        BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).find(|line| line.contains("gRPC"));
    assert!(banner.is_some());
    terminate(&child);
    assert!(child.wait().unwrap().success());
}
