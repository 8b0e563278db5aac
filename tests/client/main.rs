//! The client in Rust, against the real program and against servers that misbehave on purpose.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../served/mod.rs"]
mod served;

mod broken;
mod calls;
mod proxy;
mod scripted;
mod tls;
