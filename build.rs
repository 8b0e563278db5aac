//! Compiles the protobuf files without protoc, and writes the descriptors that reflection serves.

use std::{env, error::Error, fs, path::PathBuf};

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
const JOURNAL: &[&str] =
    &["tplus/journal/v1/checkpoint.proto", "tplus/journal/v1/history.proto", "tplus/journal/v1/record.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let public = protox::compile(PUBLIC, ["proto"])?;
    fs::write(out.join("tplus_v1.bin"), public.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(public)?;

    let journal = protox::compile(JOURNAL, ["proto"])?;
    tonic_prost_build::configure().build_client(false).build_server(false).compile_fds(journal)?;
    Ok(())
}
