//! The engine's time.

use super::timestamp;
use crate::{clock::Mode, domain::Timestamp, proto::v1};

/// The engine's time.
pub fn clock(now: Timestamp, mode: Mode) -> v1::GetClockResponse {
    let mode = match mode {
        Mode::System => v1::ClockMode::System,
        Mode::Manual => v1::ClockMode::Manual,
    };
    v1::GetClockResponse { now: Some(timestamp(now)), mode: mode.into() }
}

/// The engine's time after a move.
pub fn clock_advanced(now: Timestamp) -> v1::AdvanceClockResponse {
    v1::AdvanceClockResponse { now: Some(timestamp(now)) }
}
