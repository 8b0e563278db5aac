//! Requests to commands. All bad fields of a request are reported together.

mod account;
mod dispute;
mod fields;
mod guarantee;
mod import;
mod order;
mod policy;
mod read;
mod standing;

pub use account::{adjust_balance, fail_withdrawal, pay_margin, return_payment, withdraw};
pub use dispute::{deduct_margin, open_appeal, resolve_appeal};
pub use guarantee::modify_guarantee;
pub use import::import_merchant;
pub use order::{classify_order, reverse_order};
pub use policy::set_policy;
pub use read::{
    AsOf, advance_clock, batch_get_guarantees, get_cash_forecast, get_margin, get_merchant, get_policy, list_policies,
    quote_guarantee,
};
pub use standing::{close_merchant, lift_hold, place_hold, reopen_merchant, set_categories};

use fields::{Field, Fields, any_id};
