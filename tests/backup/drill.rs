//! The drill of docs/backup.md, as it stands there.

use std::{path::Path, process::Command};

use tempfile::TempDir;

use crate::{
    SELLERS,
    load::Load,
    program::{LISTEN, Place, SMALL},
    served::Server,
};

const GUIDE: &str = include_str!("../../docs/backup.md");

/// The script behind the heading.
fn script() -> String {
    let behind = GUIDE.split_once("## The drill").unwrap().1;
    let script = behind.split_once("```sh\n").unwrap().1;
    script.split_once("```").unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drill_passes_beside_a_server_under_load_and_fails_where_it_should() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    let (_server, address) = Server::start(root.path(), &LISTEN, &SMALL);
    let load = Load::start(&address, SELLERS);
    // More than one segment, so that there is one that is not put anew.
    load.until(4_500).await;
    let drill = || {
        let bin = Path::new(env!("CARGO_BIN_EXE_tplus")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut sh = Command::new("sh");
        sh.arg("-c").arg(script()).env("PATH", path).env("DATA", &place.data).env("DEST", &place.dest);
        sh.env("TRY", root.path().join("try"));
        tokio::task::spawn_blocking(move || sh.output().unwrap())
    };
    for _ in 0..2 {
        let output = drill().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("the drill has passed"), "{said}");
        assert!(!root.path().join("try").exists(), "nothing is left of it");
    }
    load.stop().await;
    for segment in std::fs::read_dir(Path::new(&place.dest).join("segments")).unwrap() {
        let segment = segment.unwrap().path();
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[600] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
    }
    let output = drill().await.unwrap();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
