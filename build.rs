//! Compiles the protobuf files without protoc, writes the descriptors that reflection serves, and notes what is built from what.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use prost::Message as _;

const PUBLIC: &[&str] = &[
    "tplus/v1/approval_service.proto",
    "tplus/v1/clock_service.proto",
    "tplus/v1/dispute_service.proto",
    "tplus/v1/event_service.proto",
    "tplus/v1/guarantee_service.proto",
    "tplus/v1/margin_service.proto",
    "tplus/v1/merchant_service.proto",
    "tplus/v1/order_service.proto",
    "tplus/v1/policy_service.proto",
];
/// Messages of which there are millions a second.
const BY_HAND: [&str; 4] =
    ["ClassifyOrdersRequest", "ClassifyOrdersResponse", "StreamClassifyOrdersRequest", "StreamClassifyOrdersResponse"];
const JOURNAL: &[&str] =
    &["tplus/journal/v1/checkpoint.proto", "tplus/journal/v1/history.proto", "tplus/journal/v1/record.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    note_build();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let server = env::var_os("CARGO_FEATURE_SERVER").is_some();

    let public = protox::compile(PUBLIC, ["proto"])?;
    fs::write(out.join("tplus_v1.bin"), public.encode_to_vec())?;
    tonic_prost_build::configure().build_server(server).compile_fds(public)?;
    if server { what_only_the_server_needs(&out) } else { Ok(()) }
}

fn what_only_the_server_needs(out: &Path) -> Result<(), Box<dyn Error>> {
    // The server of orders once more, with messages that are read and written by hand: see `grpc::wire`.
    let orders = protox::compile(["tplus/v1/order_service.proto"], ["proto"])?;
    let by_hand = out.join("by_hand");
    fs::create_dir_all(&by_hand)?;
    BY_HAND
        .iter()
        .fold(tonic_prost_build::configure(), |build, name| {
            build.extern_path(format!(".tplus.v1.{name}"), format!("crate::grpc::wire::{name}"))
        })
        .extern_path(".tplus.v1", "crate::proto::v1")
        .build_client(false)
        .out_dir(by_hand)
        .compile_fds(orders)?;

    let journal = protox::compile(JOURNAL, ["proto"])?;
    tonic_prost_build::configure().build_client(false).build_server(false).compile_fds(journal)?;
    Ok(())
}

/// What goes into a build, for `tplus version` and the metric of the same.
const SOURCES: [&str; 5] = ["src", "proto", "build.rs", "Cargo.toml", "Cargo.lock"];

/// Hands on what the compiler is and what it compiles.
fn note_build() {
    println!("cargo::rerun-if-env-changed=TPLUS_BUILD_COMMIT");
    let given = env::var("TPLUS_BUILD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(commit).unwrap_or_else(|| "unknown".into());
    let rustc = env::var_os("RUSTC").and_then(|rustc| output(Command::new(rustc).arg("--version")));
    let rustc = rustc.map(|said| said.trim_start_matches("rustc ").to_owned());
    println!("cargo::rustc-env=TPLUS_BUILD_COMMIT={commit}");
    println!("cargo::rustc-env=TPLUS_BUILD_RUSTC={}", rustc.unwrap_or_else(|| "unknown".into()));
    for name in ["TARGET", "PROFILE"] {
        println!("cargo::rustc-env=TPLUS_BUILD_{name}={}", env::var(name).unwrap_or_else(|_| "unknown".into()));
    }
}

/// The commit that is built, if this is a repository and git is there. Of a release, whether anything else went into it: looking for that
/// takes a run of this script for each change, which a build for tests does without.
fn commit() -> Option<String> {
    // Sources that lie in the repository of something else have no commit of their own.
    if !git(&["rev-parse", "--show-prefix"])?.is_empty() {
        return None;
    }
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    if env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return Some(commit);
    }
    SOURCES.iter().for_each(|path| println!("cargo::rerun-if-changed={path}"));
    let changed = git(&[&["--no-optional-locks", "status", "--porcelain", "--"], &SOURCES[..]].concat())?;
    Some(if changed.is_empty() { commit } else { commit + "-changed" })
}

fn git(args: &[&str]) -> Option<String> {
    output(Command::new("git").args(args))
}

/// What a command says, if it ends well.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
