//! Between the public API and the domain: requests to commands, facts to answers, refusals to statuses.
//!
//! Whatever bytes a client sends, nothing in here panics, and every refusal says why in a form a program can read.

mod answer;
mod request;
mod status;
#[cfg(test)]
mod tests;

pub use answer::{clock, clock_advanced, guarantee_modified, margin, merchant_imported, order_classified, timestamp};
pub use request::{advance_clock, classify_order, get_margin, import_merchant, modify_guarantee};
pub use status::{DOMAIN, REASONS, Reason, code_name, explain, failed, failed_about, not_ready, reason};
