//! Writing large tables little by little.
//!
//! The store syncs a table when it is complete, which hands tens of megabytes to the disk at once: a commit of the journal that comes
//! right behind them waits for all of them, 30 ms and more. So they are synced while they grow.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

use fjall::Keyspace;

/// How many bytes of rows gather between two syncs: two milliseconds of a disk that writes a gigabyte a second.
const PIECE: usize = 2 << 20;
/// How many numbers of tables in a row may be missing: of tables that were given up, or merged into others already.
const GAP: u64 = 8;

/// Syncs all tables that come into being while it lives, at every few bytes that are written.
pub(super) struct Pace {
    /// Where the store keeps its tables, each under its number.
    tables: PathBuf,
    /// The number of the first table that may be growing.
    first: u64,
    unsynced: usize,
}

impl Pace {
    /// For what is written to these rows from now on.
    pub(super) fn of(rows: &Keyspace) -> Self {
        let tables = rows.path().join("tables");
        let names = fs::read_dir(&tables).into_iter().flatten().flatten();
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u64>().ok();
        let first = names.filter_map(number).max().map_or(0, |newest| newest + 1);
        Self { tables, first, unsynced: 0 }
    }

    /// Takes note of bytes that were written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.unsynced += bytes;
        if self.unsynced >= PIECE {
            self.unsynced = 0;
            if let Err(error) = self.sync() {
                // The store syncs every table itself, and tells if that fails.
                tracing::debug!(%error, dir = %self.tables.display(), "a table that grows could not be synced");
            }
        }
    }

    /// Answers how many tables there were to sync.
    fn sync(&self) -> io::Result<usize> {
        let (mut synced, mut missing) = (0, 0);
        for number in self.first.. {
            match File::open(self.tables.join(number.to_string())) {
                Ok(table) => {
                    table.sync_data()?;
                    (synced, missing) = (synced + 1, 0);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound && missing < GAP => missing += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
        }
        Ok(synced)
    }
}

#[cfg(test)]
mod tests {
    use fjall::{Database, KeyspaceCreateOptions};

    use super::*;

    /// Where the store keeps its tables is its own affair: a release that keeps them elsewhere is to be noticed.
    #[test]
    fn the_table_that_grows_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let db = Database::builder(dir.path()).open().unwrap();
        let rows = db.keyspace("rows", KeyspaceCreateOptions::default).unwrap();
        for earlier in 0..2 {
            let pace = Pace::of(&rows);
            assert_eq!(pace.sync().unwrap(), 0, "behind {earlier} tables");
            let mut table = rows.start_ingestion().unwrap();
            table.write("a", "row").unwrap();
            assert_eq!(pace.sync().unwrap(), 1);
            table.finish().unwrap();
        }
    }
}
