//! What the paths are expected to cost, and where that holds.

use std::{
    collections::BTreeMap,
    env, fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Serialize};

/// How much dearer a path may become, in percent. Counts of one build differ by up to 2; this leaves room for what the compiler
/// lays out differently when something else changes.
const DEARER: f64 = 4.0;
/// How much cheaper, before the file is said to be behind: the gain is to be kept.
const CHEAPER: f64 = 4.0;

/// The file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Expected {
    /// Another compiler lays out other code.
    rustc: String,
    /// The library in C is chosen by its allocator.
    target: String,
    instructions: BTreeMap<String, f64>,
}

/// How a count compares.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Same,
    Cheaper,
    Dearer,
    New,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "",
            Self::Cheaper => "cheaper",
            Self::Dearer => "DEARER",
            Self::New => "new",
        })
    }
}

impl Expected {
    pub(crate) fn now(counts: &BTreeMap<&'static str, f64>) -> Self {
        let instructions = counts.iter().map(|(name, count)| ((*name).to_owned(), (count * 10.0).round() / 10.0));
        Self { rustc: rustc(), target: target(), instructions: instructions.collect() }
    }

    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(file()).expect("benches/instructions/expected.toml");
        toml::from_str(&text).expect("the expected counts")
    }

    pub(crate) fn write(&self) {
        let text = toml::to_string(self).expect("TOML");
        let opening = "# Instructions of the core paths, for one order, record or chunk. Written by `just instructions --write`.\n";
        fs::write(file(), format!("{opening}{text}")).expect("written");
    }

    /// Why counts of here cannot be compared with these, if so.
    pub(crate) fn not_comparable(&self) -> Option<String> {
        let (rustc, target) = (rustc(), target());
        let here = format!("{rustc} for {target}");
        let there = format!("{} for {}", self.rustc, self.target);
        (here != there).then(|| format!("this is {here}, and the expected counts are of {there}"))
    }

    /// What was expected, by how many percent a count is above it, and whether that is much.
    pub(crate) fn judge(&self, name: &str, count: f64) -> (f64, f64, Verdict) {
        let Some(&before) = self.instructions.get(name) else { return (0.0, 0.0, Verdict::New) };
        let change = (count / before - 1.0) * 100.0;
        let verdict = match change {
            _ if change > DEARER => Verdict::Dearer,
            _ if change < -CHEAPER => Verdict::Cheaper,
            _ => Verdict::Same,
        };
        (before, change, verdict)
    }

    /// Whether a path has become cheaper, come, or gone.
    pub(crate) fn is_behind(&self, counts: &BTreeMap<&'static str, f64>) -> bool {
        counts.len() != self.instructions.len()
            || counts.iter().any(|(name, count)| matches!(self.judge(name, *count).2, Verdict::Cheaper | Verdict::New))
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/expected.toml")
}

fn rustc() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().expect("rustc");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The processor as far as it matters: libraries choose their code by its features, of which valgrind shows AVX2 and no later.
fn target() -> String {
    #[cfg(target_arch = "x86_64")]
    let features = if std::arch::is_x86_feature_detected!("avx2") { " with AVX2" } else { "" };
    #[cfg(not(target_arch = "x86_64"))]
    let features = "";
    format!("{} {}{features}", env::consts::OS, env::consts::ARCH)
}
