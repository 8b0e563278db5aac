//! Removing tables little by little.
//!
//! The store removes the tables that a merge has replaced all at once, under the lock that every reader needs. Where the file system tells
//! the disk of unused blocks, some hundred megabytes take a second and more, and meanwhile no id can be looked up: the engine stands
//! still. So each table has a second name, in a directory beside. To remove the first costs nothing then; the second goes here, piece by
//! piece.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

use fjall::Keyspace;

use crate::journal::{OsDisk, remove_large};

/// How often is looked for tables that are new, or gone.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Removes tables as long as it lives.
pub(super) struct Removal {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Removal {
    /// Begins with what is there. `names` is where the second names are.
    pub(super) fn start(rows: &Keyspace, names: PathBuf) -> io::Result<Self> {
        let tables = Tables { first: rows.path().join("tables"), second: names };
        let (end, ended) = channel();
        let look = move || {
            // Without second names tables are removed as ever.
            let outcome = tables.begin().and_then(|()| {
                while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                    tables.look()?;
                }
                Ok(())
            });
            if let Err(error) = outcome {
                tracing::warn!(%error, dir = %tables.second.display(), "the history removes its tables all at once from here on");
            }
        };
        let thread = std::thread::Builder::new().name("tplus-history-r".to_owned()).spawn(look)?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        self.end = None;
        // What it had left to do, the next start does.
        self.thread.take().map(JoinHandle::join);
    }
}

struct Tables {
    first: PathBuf,
    second: PathBuf,
}

impl Tables {
    /// Removes what a process before has left.
    fn begin(&self) -> io::Result<()> {
        fs::create_dir_all(&self.second)?;
        names(&self.second)?.iter().try_for_each(|name| self.remove(name))?;
        self.look().map(|_| ())
    }

    /// Gives tables that are new their second names, and removes those that are gone. Answers how many have one now.
    fn look(&self) -> io::Result<usize> {
        let (there, named) = (names(&self.first)?, names(&self.second)?);
        for new in there.difference(&named) {
            match fs::hard_link(self.first.join(new), self.second.join(new)) {
                // It is gone already.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                linked => linked?,
            }
        }
        named.difference(&there).try_for_each(|gone| self.remove(gone))?;
        Ok(there.len())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        // What has its first name still loses only the second, which costs nothing.
        let path = self.second.join(name);
        if self.first.join(name).exists() { fs::remove_file(path) } else { remove_large(&OsDisk, &path) }
    }
}

fn names(dir: &Path) -> io::Result<BTreeSet<String>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_removed_once_they_have_lost_their_first_name() {
        let dir = tempfile::tempdir().unwrap();
        let tables = Tables { first: dir.path().join("first"), second: dir.path().join("second") };
        fs::create_dir(&tables.first).unwrap();
        let table = |n: usize| tables.first.join(n.to_string());
        (0..3).for_each(|n| fs::write(table(n), vec![7; 9 << 20]).unwrap());
        tables.begin().unwrap();
        assert_eq!(names(&tables.second).unwrap().len(), 3);
        fs::remove_file(table(1)).unwrap();
        assert_eq!(tables.look().unwrap(), 2);
        assert_eq!(names(&tables.second).unwrap().into_iter().collect::<Vec<_>>(), ["0", "2"]);

        // A process before has ended in between: what is gone is removed, and what is there is as it was.
        fs::remove_file(table(2)).unwrap();
        tables.begin().unwrap();
        assert_eq!(names(&tables.second).unwrap().into_iter().collect::<Vec<_>>(), ["0"]);
        assert_eq!(fs::read(table(0)).unwrap(), vec![7; 9 << 20]);
    }
}
