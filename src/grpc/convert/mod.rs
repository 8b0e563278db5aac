//! Between the public API and the domain: requests to commands, facts to answers, refusals to statuses.
//!
//! Whatever bytes a client sends, nothing in here panics, and every refusal says why in a form a program can read.

mod answer;
mod page;
mod request;
mod status;
#[cfg(test)]
mod tests;

pub use answer::*;
pub use page::{Cursor, Page, Paged, page};
pub use request::*;
pub use status::{
    DOMAIN, REASONS, Reason, busy, code_name, denied, explain, failed, failed_about, failed_about_proposal,
    failed_about_thing, history_failed, in_the_future, incomplete_message, merchant_not_found, not_admitted, not_ready,
    not_there, policy_not_found, position_ahead, reason, slow_watcher, status_in, too_late, within,
};
