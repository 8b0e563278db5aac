//! The program, and what it says.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::Value;

use crate::served::tplus;

pub const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];
/// Small files, so that segments roll and are archived, and checkpoints are written.
pub const SMALL: [(&str, &str); 2] =
    [("TPLUS_JOURNAL_SEGMENT_SIZE", "262144"), ("TPLUS_CHECKPOINT_EVERY_BYTES", "65536")];

/// A data directory, and where its backups go.
pub struct Place {
    pub data: PathBuf,
    pub dest: String,
}

impl Place {
    pub fn new(root: &Path) -> Self {
        Self { data: root.join("data"), dest: root.join("dest").to_str().unwrap().to_owned() }
    }

    /// The objects there are, by their paths.
    pub fn objects(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for folder in fs::read_dir(&self.dest).unwrap() {
            let folder = folder.unwrap();
            for object in fs::read_dir(folder.path()).unwrap() {
                let name = object.unwrap().file_name().into_string().unwrap();
                found.insert(format!("{}/{name}", folder.file_name().to_str().unwrap()));
            }
        }
        found
    }

    /// The names of the backups, oldest first.
    pub fn names(&self) -> Vec<String> {
        let listed = ok(&["backup", "list", "--from", &self.dest, "--json"]);
        let name = |line: &str| serde_json::from_str::<Value>(line).unwrap()["name"].as_str().unwrap().to_owned();
        listed.lines().map(name).collect()
    }
}

pub fn run(args: &[&str]) -> Output {
    tplus(args).output().unwrap()
}

pub fn ok(args: &[&str]) -> String {
    let output = run(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it says when it ends with this code.
pub fn refused(args: &[&str], code: i32) -> String {
    let output = run(args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    assert!(said.starts_with("error: "), "{said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub fn backup(data: &Path, dest: &str) -> Value {
    serde_json::from_str(&ok(&["backup", "--data-dir", text(data), "--to", dest, "--json"])).unwrap()
}

pub fn restore(dest: &str, data: &Path, more: &[&str]) -> String {
    ok(&[&["restore", "--from", dest, "--data-dir", text(data)], more].concat())
}

pub fn verified(data: &Path) -> String {
    ok(&["journal", "verify", "--data-dir", text(data)])
}

pub fn state_hash(data: &Path, at: Option<u64>) -> String {
    let at = at.map(|at| at.to_string());
    let more: Vec<&str> = at.iter().flat_map(|at| ["--at", at]).collect();
    let told = ok(&[&["journal", "state-hash", "--data-dir", text(data)], more.as_slice()].concat());
    let hash = told.lines().next().and_then(|line| line.strip_prefix("state: ")).unwrap();
    assert_eq!(hash.len(), 64, "{told}");
    hash.to_owned()
}

/// The records of a journal, as JSON.
pub fn dump(data: &Path) -> Vec<Value> {
    let dumped = ok(&["journal", "dump", "--json", "--data-dir", text(data)]);
    dumped.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn field(told: &Value, name: &str) -> u64 {
    told[name].as_u64().unwrap_or_else(|| panic!("no {name} in {told}"))
}

pub fn lsn(told: &Value) -> u64 {
    field(told, "lsn")
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() { copy(&from, &to) } else { fs::copy(&from, &to).map(drop).unwrap() }
    }
}
