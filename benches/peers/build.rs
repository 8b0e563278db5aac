//! Compiles the public API, as any client would.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../../proto");
    let services = ["order_service", "merchant_service", "margin_service"].map(|name| format!("tplus/v1/{name}.proto"));
    let files = protox::compile(services, ["../../proto"])?;
    tonic_prost_build::configure().build_server(false).compile_fds(files)?;
    Ok(())
}
