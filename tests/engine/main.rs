//! The engine from outside, through its public API: what time, a disk that is slow, full or broken, a crash, and many threads at
//! once can do to it. The rules themselves are tested elsewhere.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod archive;
mod background;
mod checkpoints;
mod due;
mod durability;
mod manual;
mod overload;
mod policy;
mod proposals;
mod rig;
mod room;
mod time;
mod told;
