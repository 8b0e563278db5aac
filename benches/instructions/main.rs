//! How many instructions the core paths take: time is noisy, instructions are not.
//!
//! `just instructions` compares with what `expected.toml` expects, `just instructions --write` writes it anew.
//!
//! Each path runs in a process of its own under callgrind, which counts nothing but what [`counted`] is handed, on its thread: no
//! preparation, no kernel, no other thread. To add a path, add it to [`paths::PATHS`] and write the file anew.
#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a bench that cannot go on may fail")]

mod callgrind;
mod expected;
mod paths;
#[path = "../support/mod.rs"]
mod support;

use std::{collections::BTreeMap, process::ExitCode, thread};

use expected::{Expected, Verdict};
use paths::{PATHS, Path};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).filter(|arg| *arg != "--bench").collect::<Vec<_>>()[..] {
        ["--path", name] => {
            let path = PATHS.iter().find(|path| path.name == name).expect("a path of this name");
            (path.run)();
            ExitCode::SUCCESS
        }
        ["--check"] => check(),
        ["--write"] => {
            Expected::now(&count_all()).write();
            ExitCode::SUCCESS
        }
        // Among all other benches, whose build is not the one that is counted.
        _ => {
            println!("`just instructions` counts");
            ExitCode::SUCCESS
        }
    }
}

/// The part of a path that is counted: callgrind knows it by this name.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

/// Compares every path with what is expected of it, and tells all before it fails.
fn check() -> ExitCode {
    let expected = Expected::read();
    if let Some(why) = expected.not_comparable() {
        println!("not compared: {why}");
        return ExitCode::SUCCESS;
    }
    let found = count_all();
    println!("{:<28} {:>14} {:>14} {:>8}", "instructions for one", "expected", "counted", "");
    let mut failed = false;
    for Path { name, .. } in PATHS {
        let count = found[*name];
        let (before, change, verdict) = expected.judge(name, count);
        println!("{name:<28} {before:>14} {count:>14.1} {change:>+7.2}% {verdict}");
        failed |= verdict == Verdict::Dearer;
    }
    if expected.is_behind(&found) {
        println!("benches/instructions/expected.toml is behind; `just instructions --write` writes it anew");
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Counts all paths, as many at once as there are processors.
fn count_all() -> BTreeMap<&'static str, f64> {
    let processes = thread::available_parallelism().map_or(1, usize::from);
    // The smaller of two: a lock that was not free, or a page that another thread gave back, only ever adds.
    let count = |path: &Path| {
        let least = callgrind::count(path.name).min(callgrind::count(path.name));
        (path.name, least as f64 / path.of as f64)
    };
    let mut counts = BTreeMap::new();
    for paths in PATHS.chunks(processes) {
        thread::scope(|scope| {
            let counting: Vec<_> = paths.iter().map(|path| scope.spawn(move || count(path))).collect();
            counts.extend(counting.into_iter().map(|count| count.join().expect("counted")));
        });
    }
    counts
}
