//! A bearer token that lies in a file, where somebody else renews it.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::PathBuf};

use http::HeaderValue;
use parking_lot::Mutex;

/// The longest token, far above any that is in use: a file named by mistake is not sent about.
const LONGEST: u64 = 64 << 10;

/// A file with a token, read again when it changes.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    read: Mutex<Option<(Version, HeaderValue)>>,
}

/// What changes when a file is written or replaced: device and number of the file, size, seconds and nanoseconds of the last change.
type Version = (u64, u64, u64, i64, i64);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum TokenError {
    /// The file cannot be read.
    #[error("cannot read the token file {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in the file is no token.
    #[error("the token file {} {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
}

impl TokenFile {
    /// The token in this file.
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::new(None) }
    }

    /// `Bearer` and the token that is in the file now.
    pub(super) fn bearer(&self) -> Result<HeaderValue, TokenError> {
        let unreadable = |source| TokenError::Unreadable { path: self.path.clone(), source };
        let metadata = fs::metadata(&self.path).map_err(unreadable)?;
        let version = (metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec());
        let mut read = self.read.lock();
        match &*read {
            Some((known, bearer)) if *known == version => Ok(bearer.clone()),
            _ => {
                if metadata.size() > LONGEST {
                    return Err(self.unusable("is too large to be one token"));
                }
                let bearer = self.parsed(&fs::read_to_string(&self.path).map_err(unreadable)?)?;
                *read = Some((version, bearer.clone()));
                Ok(bearer)
            }
        }
    }

    fn parsed(&self, text: &str) -> Result<HeaderValue, TokenError> {
        let token = text.trim();
        if token.is_empty() {
            return Err(self.unusable("is empty"));
        }
        // What RFC 6750 lets a bearer token consist of.
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        let bearer = token.bytes().all(allowed).then(|| HeaderValue::try_from(format!("Bearer {token}")).ok());
        let mut bearer = bearer.flatten().ok_or_else(|| self.unusable("holds more than one token, or none"))?;
        bearer.set_sensitive(true);
        Ok(bearer)
    }

    fn unusable(&self, problem: &'static str) -> TokenError {
        TokenError::Unusable { path: self.path.clone(), problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_again_when_its_file_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "first\n").unwrap();
        let token = TokenFile::new(path.clone());
        assert_eq!(token.bearer().unwrap(), "Bearer first");
        assert_eq!(token.bearer().unwrap(), "Bearer first");
        // As whoever renews a token does it: beside the old one, and then in its place.
        fs::write(directory.path().join("new"), "other").unwrap();
        fs::rename(directory.path().join("new"), &path).unwrap();
        assert_eq!(token.bearer().unwrap(), "Bearer other");
        fs::remove_file(&path).unwrap();
        assert!(token.bearer().unwrap_err().to_string().starts_with("cannot read the token file "));
    }

    #[test]
    fn what_is_no_token_is_not_sent() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        for (content, problem) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("two tokens", "holds more than one token"),
            ("a\nb", "holds more than one token"),
            ("kéy", "holds more than one token"),
        ] {
            fs::write(&path, content).unwrap();
            let said = TokenFile::new(path.clone()).bearer().unwrap_err().to_string();
            assert!(said.contains(problem), "{content:?}: {said}");
        }
        fs::write(&path, vec![b'a'; 70_000]).unwrap();
        assert!(TokenFile::new(path).bearer().unwrap_err().to_string().contains("too large"));
    }

    #[test]
    fn a_token_is_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "secret").unwrap();
        let token = TokenFile::new(path);
        token.bearer().unwrap();
        assert!(!format!("{token:?}").contains("secret"));
    }
}
