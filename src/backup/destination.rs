//! A place that keeps objects.

use std::{
    error::Error,
    io::{self, Read},
};

use super::{directory::Directory, hex, manifest::Part};

/// Keeps objects by name: put whole or not at all, durable once put.
///
/// Names are paths of lower-case words, digits and `-`, with `/` between folder and object.
pub trait Destination {
    /// What people call it.
    fn name(&self) -> &str;

    /// Puts an object, in place of one that has the name. When this returns, it is durable.
    ///
    /// # Errors
    /// When the place fails, or `content` is not what `part` says; then there is nothing new under the name.
    fn put(&self, part: &Part, content: &mut dyn Read) -> Result<(), DestinationError>;

    /// Makes the names of all objects in these folders durable, whoever has put them. A place where whatever can be listed is durable has nothing to do.
    ///
    /// # Errors
    /// When the place fails.
    fn settle(&self, _folders: &[&str]) -> Result<(), DestinationError> {
        Ok(())
    }

    /// An object, to be read from its beginning on. None where there is none.
    ///
    /// # Errors
    /// When the place fails.
    fn get(&self, object: &str) -> Result<Option<Box<dyn Read + '_>>, DestinationError>;

    /// The objects in a folder, whose name ends in `/`, in any order.
    ///
    /// # Errors
    /// When the place fails.
    fn list(&self, folder: &str) -> Result<Vec<Object>, DestinationError>;

    /// Removes an object, durably; it may be gone already.
    ///
    /// # Errors
    /// When the place fails.
    fn remove(&self, object: &str) -> Result<(), DestinationError>;
}

/// An object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name, with its folder.
    pub name: String,
    /// Its size, in bytes.
    pub size: u64,
    /// When it was put, in microseconds since 1970-01-01T00:00:00Z, by the clock of the place.
    pub modified: i64,
}

/// A destination that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {object}: {source}")]
pub struct DestinationError {
    action: &'static str,
    object: String,
    source: Box<dyn Error + Send + Sync>,
}

impl DestinationError {
    pub(super) fn at<E: Into<Box<dyn Error + Send + Sync>>>(
        action: &'static str,
        object: impl ToString,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self { action, object: object.to_string(), source: source.into() }
    }
}

/// Opens the destination that a person has named: a directory, by its path or as `file://…`, or `s3://bucket/prefix`. `to_write` makes a
/// directory that is not there yet.
///
/// # Errors
/// When it cannot be had, or this build knows no such places.
pub fn open(named: &str, to_write: bool) -> Result<Box<dyn Destination>, DestinationError> {
    let refused = DestinationError::at("use", named);
    match named.split_once("://") {
        None => Ok(Box::new(Directory::open(named.as_ref(), named, to_write)?)),
        Some(("file", path)) if path.starts_with('/') => Ok(Box::new(Directory::open(path.as_ref(), named, to_write)?)),
        Some(("file", _)) => Err(refused("the path of a file:// address begins with /")),
        #[cfg(feature = "s3")]
        Some(("s3", place)) => Ok(Box::new(super::s3::Bucket::open(named, place)?)),
        #[cfg(not(feature = "s3"))]
        Some(("s3", _)) => Err(refused("this tplus was built without the feature s3")),
        Some((scheme, _)) => {
            Err(refused(format!("there is no {scheme}://; a path, file:// or s3:// can be used").as_str()))
        }
    }
}

/// Reads content and finds out what it is.
pub(super) struct Summed<'a> {
    content: &'a mut dyn Read,
    hasher: blake3::Hasher,
    size: u64,
}

impl<'a> Summed<'a> {
    pub(super) fn new(content: &'a mut dyn Read) -> Self {
        Self { content, hasher: blake3::Hasher::new(), size: 0 }
    }

    /// Whether all that was read is what it is said to be.
    pub(super) fn is(&self, part: &Part) -> Result<(), String> {
        if self.size != part.size {
            return Err(format!("it has {} bytes, and should have {}", self.size, part.size));
        }
        let found = hex(self.hasher.finalize().as_bytes());
        if found == part.blake3 {
            Ok(())
        } else {
            Err(format!("its BLAKE3 hash is {found}, and should be {}", part.blake3))
        }
    }
}

impl Read for Summed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(bytes)?;
        self.hasher.update(bytes.get(..read).unwrap_or_default());
        self.size += read as u64;
        Ok(read)
    }
}

impl Part {
    /// An object of these bytes, called by its folder, what is in it, and its hash.
    pub(super) fn of(prefix: &str, bytes: &[u8]) -> Self {
        let blake3 = hex(blake3::hash(bytes).as_bytes());
        Self { object: format!("{prefix}{blake3}"), size: bytes.len() as u64, blake3 }
    }
}
