//! Backups of the real program, restored elsewhere: what was answered before a backup began is in it, what is restored is what was there, and
//! what is damaged is found.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test may stop at once"
)]

mod crash;
mod cuts;
mod damage;
mod drill;
mod lines;
mod load;
mod program;
#[cfg(feature = "s3")]
mod s3;
#[path = "../served/mod.rs"]
mod served;

use std::{collections::BTreeSet, fs};

use load::{Load, Sold, all_answered_again};
use program::{LISTEN, Place, SMALL, backup, field, lsn, ok, restore, state_hash, verified};
use served::Server;
use tempfile::TempDir;

/// How many sellers there are at once.
const SELLERS: u64 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_restored_elsewhere_with_the_same_state() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    load::archived(root.path()).await;
    let (_server, address) = Server::start(root.path(), &LISTEN, &SMALL);
    let load = Load::start(&address, SELLERS);
    let mut taken: Vec<(serde_json::Value, Vec<Sold>)> = Vec::new();
    for round in 1..=4 {
        load.until(round * 1_000).await;
        let answered = load.answered();
        let dest = place.dest.clone();
        let data = place.data.clone();
        let told = tokio::task::spawn_blocking(move || backup(&data, &dest)).await.unwrap();
        taken.push((told, answered));
    }
    load.stop().await;

    let (last, _) = taken.last().unwrap();
    assert!(field(last, "segments") > 2, "segments rolled: {last}");
    for pair in taken.windows(2) {
        let (before, after) = (&pair[0].0, &pair[1].0);
        assert!(lsn(before) < lsn(after));
        // The last segment, those that are new, and a checkpoint: nothing that lay there before.
        let most = field(after, "segments") - field(before, "segments") + 3;
        assert!(field(after, "objects_put") <= most, "{after} behind {before}");
    }
    let listed = ok(&["backup", "list", "--from", &place.dest]);
    assert_eq!(listed.lines().count(), taken.len(), "{listed}");

    for (place_in_row, (told, answered)) in taken.iter().enumerate() {
        let name = told["name"].as_str().unwrap();
        ok(&["backup", "verify", "--from", &place.dest, "--at", name]);
        if place_in_row % 2 == 0 {
            continue;
        }
        let elsewhere = TempDir::new().unwrap();
        let data = elsewhere.path().join("data");
        restore(&place.dest, &data, &["--at", name]);
        verified(&data);
        let original = state_hash(&place.data, Some(lsn(told)));
        assert_eq!(original, state_hash(&data, Some(lsn(told))), "at the position of the backup");
        assert_eq!(original, state_hash(&data, None), "where the clock goes on nothing else changes");
        let (_server, address) = Server::start(elsewhere.path(), &LISTEN, &SMALL);
        all_answered_again(&address, answered).await;
    }
}

#[tokio::test]
async fn a_backup_of_a_stopped_directory_holds_all_of_it_and_nothing_is_put_twice() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    let sold = load::sold(root.path(), &[], 300).await;
    let first = backup(&place.data, &place.dest);
    let records = program::dump(&place.data);
    assert_eq!(lsn(&first), records.last().unwrap()["lsn"].as_u64().unwrap());
    let names: BTreeSet<_> = place.objects();
    let second = backup(&place.data, &place.dest);
    assert_eq!((lsn(&second), field(&second, "objects_put")), (lsn(&first), 0));
    let added: Vec<_> = place.objects().difference(&names).cloned().collect();
    assert_eq!(added.len(), 1, "a manifest alone: {added:?}");

    let elsewhere = TempDir::new().unwrap();
    restore(&place.dest, &elsewhere.path().join("data"), &[]);
    let (_server, address) = Server::start(elsewhere.path(), &LISTEN, &SMALL);
    all_answered_again(&address, &sold).await;
}

/// The directory that the formats are tested with: something of everything, on the manual clock.
#[test]
fn everything_that_can_happen_comes_back() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/journal-1/data");
    program::copy(golden.as_ref(), &place.data);
    let told = backup(&place.data, &place.dest);
    let data = root.path().join("restored");
    for (number, more) in [&[] as &[&str], &["--without-checkpoint"]].into_iter().enumerate() {
        let data = data.with_extension(number.to_string());
        restore(&place.dest, &data, more);
        verified(&data);
        assert_eq!(state_hash(&place.data, None), state_hash(&data, None));
        let (before, after) = (program::dump(&place.data), program::dump(&data));
        assert_eq!(before, after[..before.len()]);
        assert_eq!(after.len(), before.len() + 1, "and where the clock stands");
        assert_eq!(lsn(&told), before.len() as u64);
    }
}

#[tokio::test]
async fn pruning_keeps_what_is_kept_whole() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    for number in 0..4 {
        load::sold_from(root.path(), &SMALL, number * 2_000, 600).await;
        backup(&place.data, &place.dest);
    }
    let names: Vec<String> = place.names();
    assert_eq!(names.len(), 4);
    let before = place.objects();
    ok(&["backup", "prune", "--from", &place.dest, "--keep", "2", "--dry-run", "--grace", "0s"]);
    ok(&["backup", "prune", "--from", &place.dest, "--keep", "1", "--older-than", "1h", "--grace", "0s"]);
    assert_eq!(place.objects(), before, "nothing is so old, and a dry run removes nothing");
    fs::write(root.path().join("dest/segments/left-by-a-crash"), "half").unwrap();
    ok(&["backup", "prune", "--from", &place.dest, "--keep", "2"]);
    assert_eq!(place.names(), names[2..]);
    assert!(root.path().join("dest/segments/left-by-a-crash").exists(), "it might be named soon");
    ok(&["backup", "prune", "--from", &place.dest, "--keep", "2", "--grace", "0s"]);
    assert!(!root.path().join("dest/segments/left-by-a-crash").exists());
    assert!(place.objects().len() < before.len());
    for name in place.names() {
        ok(&["backup", "verify", "--from", &place.dest, "--at", &name]);
    }
    ok(&["backup", "prune", "--from", &place.dest, "--older-than", "0s", "--grace", "0s"]);
    assert_eq!(place.names(), names[3..], "the newest stays in any case");
    restore(&place.dest, &root.path().join("restored"), &[]);
}
