//! Between the public API and the domain: requests to commands, facts to answers, refusals to statuses.
//!
//! Whatever bytes a client sends, nothing in here panics, and every refusal says why in a form a program can read.

mod answer;
mod request;
mod status;
#[cfg(test)]
mod tests;

pub use answer::*;
pub use request::*;
pub use status::{
    DOMAIN, REASONS, Reason, code_name, explain, failed, failed_about, failed_about_thing, not_ready, policy_not_found,
    reason, unserved,
};
