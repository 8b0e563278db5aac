//! What this program was built from, and how.

use std::fmt;

/// A build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// The version of the program.
    pub version: &'static str,
    /// The commit, in twelve digits; `-changed` behind it if a release was built from more than that. `unknown` without a repository.
    pub commit: &'static str,
    /// For which machine and system.
    pub target: &'static str,
    /// `release` or `debug`.
    pub profile: &'static str,
    /// The compiler, as `1.90.0 (1159e78c4 2025-09-14)`.
    pub rustc: &'static str,
}

/// This one.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    commit: env!("TPLUS_BUILD_COMMIT"),
    target: env!("TPLUS_BUILD_TARGET"),
    profile: env!("TPLUS_BUILD_PROFILE"),
    rustc: env!("TPLUS_BUILD_RUSTC"),
};

impl Build {
    /// The compiler's version alone.
    pub fn rustc_version(&self) -> &'static str {
        self.rustc.split_once(' ').map_or(self.rustc, |(version, _)| version)
    }
}

impl fmt::Display for Build {
    /// The version, and behind it a line for everything else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, commit, target, profile, rustc } = self;
        write!(f, "{version}\ncommit   {commit}\ntarget   {target}\nprofile  {profile}\nrustc    {rustc}")
    }
}
