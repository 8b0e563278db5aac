//! Two lines of history are never taken for one another.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{
    load,
    program::{Place, SMALL, backup, copy, refused, restore, state_hash, verified},
    served::tplus,
};

fn backup_refused(data: &Path, dest: &str) -> String {
    refused(&["backup", "--data-dir", data.to_str().unwrap(), "--to", dest], 1)
}

#[tokio::test]
async fn a_directory_that_is_another_or_went_another_way_is_refused() {
    let (root, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let place = Place::new(root.path());
    load::sold(root.path(), &[], 100).await;
    copy(&place.data, &other.path().join("data"));
    load::sold_from(root.path(), &[], 200, 100).await;
    backup(&place.data, &place.dest);
    let objects = place.objects();

    let behind = backup_refused(&other.path().join("data"), &place.dest);
    assert!(behind.contains("has lost records"), "{behind}");
    load::sold_from(other.path(), &[], 1_000, 300).await;
    let parted = backup_refused(&other.path().join("data"), &place.dest);
    assert!(parted.contains("its history parts from"), "{parted}");

    let restored = root.path().join("restored");
    restore(&place.dest, &restored, &[]);
    let said = backup_refused(&restored, &place.dest);
    assert!(said.contains("holds backups of data directory") && said.contains("it was restored from"), "{said}");
    assert_eq!(place.objects(), objects, "nothing was put");
    backup(&restored, &Place::new(other.path()).dest);
}

#[tokio::test]
async fn no_file_of_a_restored_directory_is_one_of_the_other() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    load::sold(root.path(), &SMALL, 3_000).await;
    backup(&place.data, &place.dest);
    let restored = root.path().join("restored");
    restore(&place.dest, &restored, &[]);
    let mut tried = 0;
    for dir in ["archive", "journal", "checkpoints"] {
        for mine in fs::read_dir(restored.join(dir)).unwrap().map(|entry| entry.unwrap().path()) {
            let name = mine.file_name().unwrap();
            let theirs = ["archive", "journal", "checkpoints"].map(|dir| place.data.join(dir).join(name));
            let Some(theirs) = theirs.iter().find(|path| path.exists()).filter(|_| name != "spare") else { continue };
            let whole = fs::read(&mine).unwrap();
            fs::copy(theirs, &mine).unwrap();
            let said = refused(&["journal", "verify", "--data-dir", restored.to_str().unwrap()], 3);
            assert!(said.contains("belongs to another data directory"), "{name:?}: {said}");
            fs::write(&mine, whole).unwrap();
            tried += 1;
        }
    }
    assert!(tried > 1);
    verified(&restored);
}

/// Somebody who is short of room removes what was backed up from the archive.
#[tokio::test]
async fn records_that_only_an_earlier_backup_has_stay_in_the_next() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    load::archived(root.path()).await;
    backup(&place.data, &place.dest);
    load::sold_from(root.path(), &SMALL, 0, 500).await;
    let state = state_hash(&place.data, None);
    let mut archived: Vec<_> = fs::read_dir(place.data.join("archive")).unwrap().map(|at| at.unwrap().path()).collect();
    archived.sort();
    assert!(!archived.is_empty());
    fs::remove_file(&archived[0]).unwrap();
    let said = backup_refused(&place.data, &format!("{}-elsewhere", place.dest));
    assert!(said.contains("a backup would have a hole"), "{said}");
    backup(&place.data, &place.dest);
    let restored = root.path().join("restored");
    restore(&place.dest, &restored, &[]);
    assert_eq!(state_hash(&restored, None), state);
}

#[tokio::test]
async fn a_restored_directory_is_never_put_where_something_is() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    load::sold(root.path(), &[], 20).await;
    backup(&place.data, &place.dest);
    let target = root.path().join("a/b/target");
    fs::create_dir_all(&target).unwrap();
    fs::write(target.join("mine"), "").unwrap();
    let args = ["restore", "--from", &place.dest, "--data-dir", target.to_str().unwrap()];
    assert!(refused(&args, 2).contains("is not empty"));
    fs::remove_file(target.join("mine")).unwrap();
    let in_the_way = target.with_extension("restoring");
    fs::create_dir(&in_the_way).unwrap();
    assert!(refused(&args, 2).contains("in the way"));
    fs::remove_dir(&in_the_way).unwrap();
    restore(&place.dest, &target, &[]);
    verified(&target);
    for dest in ["gs://bucket", "file://relative", "/nowhere/at/all"] {
        refused(&["backup", "verify", "--from", dest], 1);
    }
    let data = place.data.to_str().unwrap();
    assert!(backup_refused(&place.data, data).contains("it is a data directory"));
    if !cfg!(feature = "s3") {
        assert!(backup_refused(&place.data, "s3://bucket/prefix").contains("without the feature s3"));
    }
    let bare = tplus(&["backup", "--data-dir", data]).output().unwrap();
    assert_eq!(bare.status.code(), Some(2), "a destination is needed");
}
