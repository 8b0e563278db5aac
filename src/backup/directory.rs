//! A destination in a file system.

use std::{
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use super::{
    destination::{Destination, DestinationError, Object, Summed},
    hex,
    manifest::Part,
};
use crate::clock::random_bytes;

/// Where objects are written before they get their names.
pub(super) const UNFINISHED: &str = "unfinished/";
/// How much is written at once.
const PIECE: usize = 1 << 20;

/// A directory. Every object is a file, synced under another name before it gets its own; and then the name is synced.
pub(super) struct Directory {
    root: PathBuf,
    name: String,
}

impl Directory {
    pub(super) fn open(root: &Path, name: &str, to_write: bool) -> Result<Self, DestinationError> {
        let refused = DestinationError::at("use", name);
        if root.join("journal").is_dir() {
            return Err(refused("it is a data directory"));
        }
        if to_write {
            make(&root.join(UNFINISHED)).map_err(DestinationError::at("create", name))?;
        } else if !root.is_dir() {
            return Err(refused("there is no such directory"));
        }
        Ok(Self { root: root.to_owned(), name: name.to_owned() })
    }

    fn path(&self, object: &str) -> PathBuf {
        self.root.join(object)
    }

    fn write(&self, path: &Path, part: &Part, content: &mut dyn Read) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        let mut content = Summed::new(content);
        let mut piece = vec![0; PIECE];
        loop {
            let read = content.read(&mut piece)?;
            if read == 0 {
                break;
            }
            file.write_all(piece.get(..read).unwrap_or_default())?;
        }
        content.is(part).map_err(io::Error::other)?;
        file.sync_all()
    }
}

/// Makes a directory and those it is in, and their names durable: that of the last one in any case, since an earlier attempt may have made it
/// and ended before.
pub(super) fn make(dir: &Path) -> io::Result<()> {
    let mut missing: Vec<&Path> =
        dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists()).collect();
    if missing.is_empty() {
        missing.push(dir);
    }
    fs::create_dir_all(dir)?;
    missing.into_iter().try_for_each(sync_name)
}

/// Makes the name of a file or a directory durable.
pub(super) fn sync_name(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

impl Destination for Directory {
    fn name(&self) -> &str {
        &self.name
    }

    fn put(&self, part: &Part, content: &mut dyn Read) -> Result<(), DestinationError> {
        let path = self.path(&part.object);
        let mut put = || {
            let unfinished = self.root.join(UNFINISHED).join(hex(&random_bytes::<16>()?));
            path.parent().map_or(Ok(()), make)?;
            if let Err(error) = self.write(&unfinished, part, content) {
                // What cannot be removed is found by the next prune; the first error is the one to tell.
                fs::remove_file(&unfinished).unwrap_or_default();
                return Err(error);
            }
            fs::rename(&unfinished, &path)?;
            sync_name(&path)
        };
        put().map_err(DestinationError::at("put", path.display()))
    }

    /// The folders, and their own names: an object that was found may have got its name from an attempt that was killed before it was synced.
    fn settle(&self, folders: &[&str]) -> Result<(), DestinationError> {
        folders.iter().map(|folder| self.path(folder)).filter(|folder| folder.is_dir()).try_for_each(|folder| {
            let settle = || File::open(&folder)?.sync_all().and_then(|()| sync_name(&folder));
            settle().map_err(DestinationError::at("sync", folder.display()))
        })
    }

    fn get(&self, object: &str) -> Result<Option<Box<dyn Read + '_>>, DestinationError> {
        let path = self.path(object);
        match File::open(&path) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DestinationError::at("open", path.display())(error)),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<Object>, DestinationError> {
        let dir = self.path(folder);
        let look = |entry: fs::DirEntry| -> io::Result<Option<Object>> {
            let about = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                about => about?,
            };
            let Some(name) = entry.file_name().to_str().map(str::to_owned).filter(|_| about.is_file()) else {
                return Ok(None);
            };
            let modified = about.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let modified = i64::try_from(modified.as_micros()).unwrap_or(i64::MAX);
            Ok(Some(Object { name: format!("{folder}{name}"), size: about.len(), modified }))
        };
        let list = || match fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries?.filter_map(|entry| entry.and_then(look).transpose()).collect(),
        };
        list().map_err(DestinationError::at("list", dir.display()))
    }

    fn remove(&self, object: &str) -> Result<(), DestinationError> {
        let path = self.path(object);
        let remove = || match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| sync_name(&path)),
        };
        remove().map_err(DestinationError::at("remove", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_is_not_what_it_is_said_to_be_is_not_put() {
        let dir = tempfile::tempdir().unwrap();
        let place = Directory::open(&dir.path().join("a/b"), "there", true).unwrap();
        let part = Part::of("segments/1-", b"content");
        for wrong in [b"contend".as_slice(), b"conten", b"content "] {
            assert!(place.put(&part, &mut &*wrong).is_err());
        }
        assert!(place.get(&part.object).unwrap().is_none());
        assert!(place.list(UNFINISHED).unwrap().is_empty() && place.list("segments/").unwrap().is_empty());
        place.put(&part, &mut b"content".as_slice()).unwrap();
        let mut read = String::new();
        place.get(&part.object).unwrap().unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, "content");
        let listed = place.list("segments/").unwrap();
        assert_eq!(listed.iter().map(|object| (&object.name, object.size)).collect::<Vec<_>>(), [(&part.object, 7)]);
        place.remove(&part.object).unwrap();
        place.remove(&part.object).unwrap();
        assert!(place.get(&part.object).unwrap().is_none());
    }

    #[test]
    fn a_data_directory_and_one_that_is_not_there_are_no_places_for_backups() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Directory::open(&dir.path().join("none"), "none", false).is_err());
        fs::create_dir(dir.path().join("journal")).unwrap();
        assert!(Directory::open(dir.path(), "data", true).is_err());
    }
}
