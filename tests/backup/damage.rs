//! Objects that are not as they were put.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{
    load,
    program::{Place, SMALL, backup, ok, refused, restore, run},
};

/// What can become of a file, and how that is done.
type Way = (&'static str, fn(&Path));

const WAYS: [Way; 4] = [
    ("a flipped bit", |path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(path, bytes).unwrap();
    }),
    ("a lost byte", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    }),
    ("more than there was", |path| {
        let mut bytes = fs::read(path).unwrap();
        bytes.extend_from_slice(&[0; 512]);
        fs::write(path, bytes).unwrap();
    }),
    ("gone", |path| fs::remove_file(path).unwrap()),
];

#[tokio::test]
async fn any_damaged_object_is_named_and_nothing_is_restored_of_it() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    load::archived(root.path()).await;
    let told = backup(&place.data, &place.dest);
    assert!(told["segments"].as_u64().unwrap() > 2 && told["checkpoints"].as_u64() == Some(1), "{told}");
    let (target, whole) = (root.path().join("restored"), root.path().join("whole"));
    crate::program::copy(place.dest.as_ref(), &whole);
    for object in place.objects().into_iter().filter(|object| !object.starts_with("manifests/")) {
        for (way, damage) in WAYS {
            let path = Path::new(&place.dest).join(&object);
            damage(&path);
            let said = refused(&["backup", "verify", "--from", &place.dest], 3);
            assert!(said.contains(&object), "{way}: {said}");
            let into = target.to_str().unwrap();
            let said = refused(&["restore", "--from", &place.dest, "--data-dir", into], 3);
            assert!(said.contains(&object), "{way}: {said}");
            assert_eq!(said.contains("--without-checkpoint"), object.starts_with("checkpoints/"), "{said}");
            assert_nothing_at(&target);
            fs::copy(whole.join(&object), &path).unwrap();
        }
    }
    ok(&["backup", "verify", "--from", &place.dest]);
    let checkpoint = place.objects().into_iter().find(|object| object.starts_with("checkpoints/")).unwrap();
    fs::remove_file(Path::new(&place.dest).join(checkpoint)).unwrap();
    restore(&place.dest, &target, &["--without-checkpoint"]);
}

fn assert_nothing_at(target: &Path) {
    assert!(!target.exists() && !target.with_extension("restoring").exists(), "something was left");
}

#[tokio::test]
async fn a_damaged_manifest_is_no_backup_and_stops_no_later_one() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    load::sold(root.path(), &[], 50).await;
    let first = backup(&place.data, &place.dest);
    load::sold_from(root.path(), &[], 100, 50).await;
    backup(&place.data, &place.dest);
    let manifests = || place.objects().into_iter().filter(|object| object.starts_with("manifests/"));
    let newest = Path::new(&place.dest).join(manifests().next_back().unwrap());
    WAYS[0].1(&newest);
    for args in [&["backup", "verify"] as &[&str], &["backup", "list"], &["backup", "prune", "--keep", "1"]] {
        let said = refused(&[args, &["--from", &place.dest]].concat(), 3);
        assert!(said.contains("manifests/"), "{said}");
    }
    ok(&["backup", "verify", "--from", &place.dest, "--at", first["name"].as_str().unwrap()]);
    let again = run(&["backup", "--data-dir", place.data.to_str().unwrap(), "--to", &place.dest]);
    assert_eq!(again.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&again.stderr).contains("warning: manifests/"));
    fs::remove_file(newest).unwrap();
    ok(&["backup", "verify", "--from", &place.dest]);
}

#[tokio::test]
async fn what_is_removed_from_a_destination_is_put_again() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    load::sold(root.path(), &SMALL, 3_000).await;
    backup(&place.data, &place.dest);
    let objects = place.objects();
    for object in objects.iter().filter(|object| !object.starts_with("manifests/")) {
        fs::remove_file(Path::new(&place.dest).join(object)).unwrap();
    }
    refused(&["backup", "verify", "--from", &place.dest], 3);
    backup(&place.data, &place.dest);
    for name in place.names() {
        ok(&["backup", "verify", "--from", &place.dest, "--at", &name]);
    }
}

#[tokio::test]
async fn a_damaged_data_directory_is_not_backed_up() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    load::sold(root.path(), &SMALL, 3_000).await;
    let oldest = fs::read_dir(place.data.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let oldest = oldest.filter(|path| path.extension().is_some_and(|end| end == "seg")).min().unwrap();
    let mut bytes = fs::read(&oldest).unwrap();
    bytes[3_000] ^= 1;
    fs::write(&oldest, bytes).unwrap();
    let said = refused(&["backup", "--data-dir", place.data.to_str().unwrap(), "--to", &place.dest], 3);
    assert!(said.contains("damaged at byte"), "{said}");
    assert!(!place.objects().iter().any(|object| object.starts_with("manifests/")));
}
