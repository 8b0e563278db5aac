//! tplus: a settlement engine for marketplaces.
#![doc = include_str!("../ARCHITECTURE.md")]

pub mod access;
mod background;
pub mod build;
pub mod cli;
pub mod clock;
pub mod codec;
pub mod config;
pub mod domain;
pub mod engine;
pub mod export;
pub mod grpc;
pub mod history;
pub mod journal;
pub mod metrics;
pub mod proto;
pub mod seal;
pub mod server;
pub mod trace;
