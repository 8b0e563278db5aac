//! Requests to commands. All bad fields of a request are reported together.

mod account;
mod dispute;
mod fields;
mod guarantee;
mod history;
mod import;
mod order;
mod policy;
mod proposal;
mod read;
mod standing;

pub use account::{adjust_balance, fail_withdrawal, pay_margin, return_payment, withdraw};
pub use dispute::{deduct_margin, open_appeal, resolve_appeal};
pub use guarantee::modify_guarantee;
pub use history::{
    Entries, ListOf, Merchants, Orders, Statement, Watch, after_order, appeal_state_wanted, by_number, by_request,
    exposure_wanted, get_order, list_appeals, list_deductions, list_entries, list_holds, list_merchants, list_orders,
    list_releases, order_cursor, rank_wanted, release_state_wanted, statement, trial_balance, watch, written_date,
};
pub use import::import_merchant;
pub use order::{classify_order, completed_order, instant, manner, reverse_order};
pub use policy::{evaluate_policy, set_policy};
pub use proposal::{Proposed, approve, named_proposal, proposals_wanted, propose, reject, withdraw_proposal};
pub use read::{
    AsOf, advance_clock, batch_get_guarantees, get_cash_forecast, get_margin, get_merchant, get_policy, quote_guarantee,
};
pub use standing::{close_merchant, lift_hold, place_hold, reopen_merchant, set_categories};

use fields::{Field, Fields, any_id};
