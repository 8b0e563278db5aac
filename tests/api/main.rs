//! The public API, called over gRPC as clients do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod calls;
mod chunks;
mod commands;
mod errors;
mod faults;
mod imports;
mod overload;
mod policies;
mod process;
mod reads;
mod refusals;
mod rules;
