//! Compiles the protobuf files without protoc, and writes the descriptors that reflection serves.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use prost::Message as _;

const PUBLIC: &[&str] = &[
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
