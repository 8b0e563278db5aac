//! What is true: the rules as plain functions on plain data.
//!
//! [`Command::decide`] may refuse and changes nothing, [`Merchant::apply`] cannot fail, and [`Merchant::next_due`] tells what
//! time alone brings about. There is no clock, no I/O and no concurrency in here: every instant is an argument.

mod apply;
mod calendar;
mod command;
mod due;
mod event;
mod id;
mod margin;
mod merchant;
mod money;
mod policy;
mod rejection;
#[cfg(test)]
mod scripts;
mod time;

pub use calendar::{Calendar, Day};
pub use command::{ClassifyOrder, Command, Context, ImportMerchant, Key, Limits, ModifyGuarantee, decide};
pub use event::{
    Cycle, Event, Fact, GuaranteeModified, Income, MerchantImported, OrderClassified, ProfitSettled, Receipt,
    ReleaseCompleted,
};
pub use id::{Id, InvalidId, MerchantId, OrderId, RequestId};
pub use margin::{DayQuota, Margin, NextMultiple, PendingOfDay};
pub use merchant::{DayTotals, Imbalance, Lifetime, Merchant, Pending, Release};
pub use money::{InvalidAmount, Money};
pub use policy::{InForce, InvalidPolicy, Policy, QuotaBasis, QuotaCounts, Tier};
pub use rejection::Rejection;
pub use time::{InvalidTime, Timestamp};
