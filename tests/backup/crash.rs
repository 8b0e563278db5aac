//! A backup, and a restore, that are killed half-way.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    thread,
};

use tempfile::TempDir;

use crate::{
    load,
    program::{Place, SMALL, backup, ok, refused, restore, state_hash, verified},
    served::tplus,
};

/// How often it is tried to kill it before it has ended.
const TRIES: usize = 50;

/// Runs the program until `enough` is true, or it has ended by itself, and kills it. Answers whether it was killed.
fn killed(args: &[&str], enough: impl Fn() -> bool) -> bool {
    let spawned = tplus(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child: Child = spawned.unwrap();
    while !enough() {
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{args:?}");
            return false;
        }
        thread::yield_now();
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

fn count(dir: &Path) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_backup_that_was_killed_is_none_and_the_next_goes_on() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    load::sold(root.path(), &SMALL, 9_000).await;
    let dest = Path::new(&place.dest);
    let data = place.data.to_str().unwrap();
    let mut half_way = 0;
    for attempt in 0..TRIES {
        let args = ["backup", "--data-dir", data, "--to", &place.dest];
        let enough = 1 + attempt % 3;
        if killed(&args, || count(&dest.join("segments")) >= enough) && count(&dest.join("manifests")) == 0 {
            half_way += 1;
            assert_eq!(ok(&["backup", "list", "--from", &place.dest]), "");
            assert!(refused(&["backup", "verify", "--from", &place.dest], 1).contains("holds no backup"));
            refused(&["restore", "--from", &place.dest, "--data-dir", root.path().join("r").to_str().unwrap()], 1);
        } else {
            fs::remove_dir_all(dest).unwrap();
        }
        if half_way == 4 {
            break;
        }
    }
    assert!(half_way > 0, "it was never killed half-way");
    let there = count(&dest.join("segments")) as u64;
    let told = backup(&place.data, &place.dest);
    let objects = told["objects"].as_u64().unwrap();
    assert!(told["objects_put"].as_u64().unwrap() <= objects - there, "what lay there was put again: {told}");
    ok(&["backup", "verify", "--from", &place.dest]);
    ok(&["backup", "prune", "--from", &place.dest, "--keep", "1", "--grace", "0s"]);
    assert_eq!(count(&dest.join("unfinished")), 0, "what was left half written is gone");
    ok(&["backup", "verify", "--from", &place.dest]);
}

#[tokio::test]
async fn a_restore_that_was_killed_is_none_and_the_next_is_whole() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    load::sold(root.path(), &SMALL, 9_000).await;
    backup(&place.data, &place.dest);
    let target = root.path().join("restored");
    let archive = root.path().join("restored.restoring/archive");
    let args = ["restore", "--from", &place.dest, "--data-dir", target.to_str().unwrap()];
    let mut half_way = 0;
    for attempt in 0..TRIES {
        if half_way < 3 && killed(&args, || count(&archive) > attempt % 3) && archive.exists() {
            half_way += 1;
            assert!(!target.exists(), "half of it has the name");
        } else if target.exists() {
            fs::remove_dir_all(&target).unwrap();
        }
    }
    assert!(half_way > 0, "it was never killed half-way");
    restore(&place.dest, &target, &[]);
    verified(&target);
    assert!(!archive.exists() && !target.join("RESTORING").exists());
    assert_eq!(state_hash(&place.data, None), state_hash(&target, None));
}
