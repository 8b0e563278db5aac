//! What is true: the rules as plain functions on plain data.
//!
//! [`Command::decide`] may refuse and changes nothing, [`Merchant::apply`] cannot fail, and [`Merchant::next_due`] tells what
//! time alone brings about. There is no clock, no I/O and no concurrency in here: every instant is an argument.

mod apply;
mod calendar;
mod change;
mod command;
mod draft;
mod due;
mod evaluate;
mod event;
mod forecast;
mod id;
mod known;
mod margin;
mod merchant;
mod money;
mod policy;
mod proposal;
mod quote;
mod rejection;
#[cfg(test)]
mod scripts;
mod text;
mod time;
mod timeline;

pub use calendar::{Calendar, Day};
pub use change::Change;
pub use command::{
    AdjustBalance, ClassifyOrder, CloseMerchant, Command, Context, DeductMargin, FailWithdrawal, ImportMerchant, Key,
    LiftHold, Limits, ModifyGuarantee, OpenAppeal, PayMargin, PendingToImport, PlaceHold, ReopenMerchant,
    ResolveAppeal, ReturnPayment, ReverseOrder, SetCategories, Withdraw,
};
pub use draft::{Changes, Decision, as_of, catch_up, decide, decide_alone};
pub use evaluate::{Evaluation, Outcome};
pub use event::{
    AppealOpened, AppealOutcome, AppealResolved, BalanceAdjusted, Beneficiary, CategoriesSet, Charge, ClosingStarted,
    Cycle, DeductionReason, DeductionSplit, Direction, Disputed, Event, Fact, GuaranteeChange, GuaranteeModified,
    HoldLifted, HoldPlaced, ImportedOrder, ImportedRelease, Income, MarginDeducted, MarginPaid, MerchantClosed,
    MerchantImported, MerchantReopened, OrderClassified, OrderImported, OrderReversed, PaymentReturned, ProfitSettled,
    Receipt, ReleaseCompleted, Verdict, Warning, WarningRaised, WithdrawalFailed, Withdrawn,
};
pub use forecast::{Forecast, Foreseeable, Foreseen};
pub use id::{Category, Id, InvalidId, MerchantId, OrderId, RequestId};
pub use known::{Known, OrderTerms, Standing};
pub use margin::{CleanRecord, DayQuota, Margin, NextMultiple, PendingOfDay};
pub use merchant::{DayTotals, Deduction, Hold, Imbalance, Lasting, Lifetime, Merchant, Pending, Release, Stage};
pub use money::{InvalidAmount, Money};
pub use policy::{Announcement, InForce, InvalidPolicy, Policy, QuotaBasis, QuotaCounts, Tier};
pub use proposal::{Closing, Proposal, ProposalState, ProposalVerdict, Proposals};
pub use quote::{Obstacle, Quote};
pub use rejection::{Rejection, Thing};
pub use text::{InvalidText, Text};
pub use time::{InvalidTime, Timestamp};
pub use timeline::{Dates, SetPolicy, Timeline};
