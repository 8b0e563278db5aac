//! tplus: a settlement engine for marketplaces.
#![doc = include_str!("../ARCHITECTURE.md")]

mod background;
pub mod backup;
pub mod cli;
pub mod clock;
pub mod codec;
pub mod config;
pub mod domain;
pub mod engine;
pub mod grpc;
pub mod history;
pub mod journal;
pub mod metrics;
pub mod proto;
pub mod server;
