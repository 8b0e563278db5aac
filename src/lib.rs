//! tplus: a settlement engine for marketplaces.
#![doc = include_str!("../ARCHITECTURE.md")]

#[cfg(feature = "server")]
mod background;
#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "server")]
pub mod clock;
#[cfg(feature = "server")]
pub mod codec;
#[cfg(feature = "server")]
pub mod config;
pub mod domain;
#[cfg(feature = "server")]
pub mod engine;
#[cfg(feature = "server")]
pub mod grpc;
#[cfg(feature = "server")]
pub mod history;
#[cfg(feature = "server")]
pub mod journal;
#[cfg(feature = "server")]
pub mod metrics;
pub mod proto;
pub mod reasons;
#[cfg(feature = "server")]
pub mod server;
