//! The manifests of the store, looked at before the store reads them.
//!
//! For each of its trees the store has a file `current` that names the manifest in force, `v` and a number, with its XXH3 checksum of 128 bits.
//! lsm-tree 3.1 writes that checksum and does not compare it: it reads the manifest as it is, and what makes no sense ends in an assertion whose
//! unwinding meets another, which ends the process. A bit that is wrong there is to cost the history only, which is built anew.

use std::{fs, io, path::Path};

use xxhash_rust::xxh3::xxh3_128;

use super::{HistoryError, trees::failed};

/// The number of a manifest, its checksum, and the kind of that.
const CURRENT: usize = 8 + 16 + 1;

/// Compares each manifest in force in a database with its checksum. A database that is not there has none.
///
/// # Errors
/// [`HistoryError::Damaged`], or a failing file system.
pub(super) fn check(database: &Path) -> Result<(), HistoryError> {
    let place = database.join("keyspaces");
    for tree in found(&place, fs::read_dir(&place))?.into_iter().flatten() {
        check_tree(&tree.map_err(|error| failed(&place, &error))?.path())?;
    }
    Ok(())
}

fn check_tree(tree: &Path) -> Result<(), HistoryError> {
    // One that was never finished has none, which the store knows how to deal with.
    let current = tree.join("current");
    let Some(bytes) = found(&current, fs::read(&current))? else { return Ok(()) };
    let bytes: [u8; CURRENT] = bytes.try_into().map_err(|_| damaged(&current))?;
    let (number, checksum, kind) = split(bytes);
    let manifest = tree.join(format!("v{number}"));
    match found(&manifest, fs::read(&manifest))? {
        Some(bytes) if kind == 0 && xxh3_128(&bytes) == checksum => Ok(()),
        _ => Err(damaged(&manifest)),
    }
}

fn split(current: [u8; CURRENT]) -> (u64, u128, u8) {
    let [n0, n1, n2, n3, n4, n5, n6, n7, checksum @ .., kind] = current;
    (u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]), u128::from_le_bytes(checksum), kind)
}

fn found<T>(file: &Path, read: io::Result<T>) -> Result<Option<T>, HistoryError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(file, &error)),
    }
}

fn damaged(file: &Path) -> HistoryError {
    HistoryError::damaged(format!("{} is not as it was written", file.display()))
}
