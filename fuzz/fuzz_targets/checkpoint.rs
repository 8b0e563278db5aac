//! See `properties::checkpoint`.
#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code, reason = "each target has its own")]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::checkpoint(bytes));
