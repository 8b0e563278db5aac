//! Spans of calls, for a collector that speaks OTLP; with the feature `otlp`, and nothing at all without it.
//!
//! ```text
//!   tplus.v1.OrderService/ClassifyOrder        merchant, method, code, reason, cycle
//!     ├─ room      waiting for room in the engine or the journal
//!     ├─ decide    deciding: locks, rules, the journal's buffer
//!     └─ durable   waiting until what it rests on is on disk
//! ```
//!
//! The layer [`Trace`] looks first whether a call is to be traced: its caller says so in `traceparent`, or the lot does where there is none.
//! One that is not costs that look. One that is carries its [`Call`] along as what belongs to its task, where the engine finds it;
//! whoever goes on in another task takes it there. There is no span per order, and no more than so many stages of a call.

#[cfg(feature = "otlp")]
mod call;
#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod layer;
#[cfg(not(feature = "otlp"))]
mod off;

#[cfg(not(feature = "otlp"))]
pub use self::off::{Call, Exporter, StartError, Trace, about, classified, current, stage, start, timed};
#[cfg(feature = "otlp")]
pub use self::{
    call::{Call, about, classified, current, stage, timed},
    export::{Exporter, StartError, start},
    layer::{Answer, Trace, TracedBody},
};

/// Waiting for room in the engine or the journal.
pub const ROOM: &str = "room";
/// Deciding: locks, rules, the journal's buffer.
pub const DECIDE: &str = "decide";
/// Waiting until what an answer rests on is on disk.
pub const DURABLE: &str = "durable";
