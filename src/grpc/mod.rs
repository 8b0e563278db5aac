//! How it is reached: the services of `tplus.v1` over gRPC.
//!
//! The services are thin: [`convert`] turns a request into a command of the domain, the engine executes it, and [`convert`] turns
//! the outcome into an answer. [`convert`] is the only place that makes a [`tonic::Status`]. Nothing in here knows a rule, a
//! journal or a lock.

pub mod convert;
mod reads;
mod services;
mod slot;
pub mod wire;

pub use reads::Events;
pub use services::Services;
pub use slot::{EngineSlot, NotReady, Serving};
