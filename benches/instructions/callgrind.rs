//! Running a path under callgrind.

use std::{env, fs, process::Command};

/// How many instructions the counted part of a path takes.
pub(crate) fn count(path: &str) -> u64 {
    let dir = crate::support::directory();
    let file = dir.path().join("callgrind");
    let valgrind = env::var_os("VALGRIND").unwrap_or_else(|| "valgrind".into());
    let output = Command::new(valgrind)
        .args(["--tool=callgrind", "--toggle-collect=instructions::counted"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(env::current_exe().expect("its own path"))
        .args(["--path", path])
        // Nothing of the caller's environment: where the stack begins depends on it.
        .env_clear()
        .envs(env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("VALGRIND_"))))
        .output()
        .expect("valgrind");
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    let counts = fs::read_to_string(file).expect("what callgrind has counted");
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: "));
    let total = total.and_then(|total| total.trim().parse().ok()).expect("a total");
    assert!(total > 0, "{path}: nothing was counted");
    total
}
