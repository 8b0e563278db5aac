//! What is answered: amounts are texts with exactly two decimals, instants are microseconds since 1970. Field by field the answers
//! follow the public API, so that a driver compares them whole.

use super::api::{Beneficiary, Cycle};
use super::ledger::Entry;
use super::policy::PolicyVersion;
use super::proposals::ShownProposal;
use super::reads::Told;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelAnswer {
    Classified(Classified),
    Modified(Modified),
    Imported(Imported),
    Commanded(Commanded),
    PolicySet {
        policy: PolicyVersion,
        replayed: bool,
    },
    Proposed {
        proposal: ShownProposal,
        replayed: bool,
    },
    /// What became of a proposal, and of its change if it was approved.
    Decided {
        proposal: ShownProposal,
        result: Option<Box<ModelAnswer>>,
        replayed: bool,
    },
    Margin(ModelMargin),
    Told(Told),
    Advanced {
        now: i64,
    },
    Done,
}

impl ModelAnswer {
    /// Whether a request was known already.
    pub fn is_replay(&self) -> bool {
        match self {
            Self::Classified(answer) => answer.replayed,
            Self::Modified(answer) => answer.replayed,
            Self::Imported(answer) => answer.replayed,
            Self::Commanded(answer) => answer.replayed,
            Self::PolicySet { replayed, .. } | Self::Proposed { replayed, .. } | Self::Decided { replayed, .. } => {
                *replayed
            }
            _ => false,
        }
    }

    /// The same answer, given again.
    pub fn again(mut self) -> Self {
        match &mut self {
            Self::Classified(answer) => answer.replayed = true,
            Self::Modified(answer) => answer.replayed = true,
            Self::Imported(answer) => answer.replayed = true,
            Self::Commanded(answer) => answer.replayed = true,
            Self::PolicySet { replayed, .. } | Self::Proposed { replayed, .. } => *replayed = true,
            Self::Decided { result, replayed, .. } => {
                *replayed = true;
                *result = result.take().map(|made| Box::new(made.again()));
            }
            _ => {}
        }
        self
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub policy_version: u64,
    pub multiple: u32,
    pub quota: String,
    pub day_total_before: String,
    pub day_total_after: String,
    pub remaining: String,
    pub resets_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    pub cycle: Cycle,
    pub settles_at: i64,
    pub completed_at: i64,
    pub replayed: bool,
    pub receipt: Receipt,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRelease {
    pub amount: String,
    pub created_at: i64,
    pub due_at: i64,
    pub number: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modified {
    pub guarantee: String,
    pub previous_guarantee: String,
    pub frozen: String,
    pub gap: String,
    pub available: String,
    pub taken_from_releasing: String,
    pub taken_from_available: String,
    pub release: Option<ShownRelease>,
    pub modified_at: i64,
    pub replayed: bool,
    pub receipt: Receipt,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub historical_profit: String,
    pub available: String,
    pub multiple: u32,
    pub policy_version: u64,
    pub imported_at: i64,
    pub replayed: bool,
    pub guarantee: String,
    pub frozen: String,
    pub releasing: String,
    pub pending: String,
    pub debt: String,
    pub orders: u64,
    pub receipt: Receipt,
}

/// The answer to any other command: what it did, and what all of them tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commanded {
    pub effect: Effect,
    pub at: i64,
    pub replayed: bool,
    pub receipt: Receipt,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Reversed {
        profit: String,
        reversed: String,
        profit_reversed: String,
        charge: Option<ShownCharge>,
        uncounted: String,
    },
    Paid {
        income: ShownIncome,
    },
    Returned {
        amount: String,
        charge: ShownCharge,
    },
    Withdrawn {
        available: String,
    },
    Failed {
        amount: String,
        income: ShownIncome,
    },
    Credited(ShownIncome),
    Debited(ShownCharge),
    Deducted {
        split: ShownSplit,
        refilled: String,
        appeal_until: i64,
    },
    AppealOpened,
    AppealResolved {
        overturned: String,
        income: ShownIncome,
    },
    HoldPlaced,
    HoldLifted,
    CategoriesSet {
        required_guarantee: String,
        shortfall: String,
    },
    Closing {
        previous_guarantee: String,
        release: Option<ShownRelease>,
    },
    Reopened,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownIncome {
    pub to_debt: String,
    pub to_gap: String,
    pub to_available: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCharge {
    pub from_available: String,
    pub to_debt: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownSplit {
    pub from_releasing: String,
    pub from_frozen: String,
    pub from_available: String,
    pub to_debt: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelMargin {
    pub merchant_id: String,
    pub as_of: i64,
    pub guarantee: String,
    pub frozen: String,
    pub gap: String,
    pub gap_since: Option<i64>,
    /// First due first, then first created.
    pub releasing: Vec<ShownRelease>,
    pub releasing_total: String,
    pub available: String,
    /// First due first, then the older day, then QUICK.
    pub pending: Vec<ShownPending>,
    pub pending_total: String,
    pub debt: String,
    pub debt_since: Option<i64>,
    pub historical_profit: String,
    pub multiple: u32,
    pub next_multiple: Option<ShownNextMultiple>,
    pub quota: ShownQuota,
    /// Sorted.
    pub categories: Vec<String>,
    pub required_guarantee: String,
    pub shortfall: String,
    /// The holds that stand and when they were placed.
    pub holds: Vec<(String, i64)>,
    pub clean_record: Option<ShownCleanRecord>,
    pub state: MerchantState,
    pub lifetime: ShownLifetime,
    pub entries: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MerchantState {
    #[default]
    Open,
    Closing,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCleanRecord {
    pub possible_from: Option<i64>,
    pub open_appeals: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShownLifetime {
    pub settled: String,
    /// May be below 0.
    pub imported: String,
    pub paid_in: String,
    pub credited: String,
    pub withdrawals_failed: String,
    pub overturned: String,
    pub withdrawn: String,
    pub deducted: String,
    pub reversed: String,
    pub payments_returned: String,
    pub debited: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPending {
    pub settles_at: i64,
    pub cycle: Cycle,
    /// The instant the settlement day of completion starts at.
    pub completed_day: i64,
    pub orders: u64,
    pub profit: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownNextMultiple {
    pub multiple: u32,
    pub above: String,
    pub missing: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownQuota {
    pub limit: String,
    pub limit_by_frozen: String,
    pub limit_by_guarantee: String,
    pub used_all: String,
    pub used_quick: String,
    pub remaining: String,
    pub resets_at: i64,
    pub policy_version: u64,
}

/// GetMerchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownMerchant {
    pub merchant_id: String,
    pub state: MerchantState,
    pub guarantee: String,
    pub categories: Vec<String>,
    pub required_guarantee: String,
    pub shortfall: String,
    pub holds: u32,
    pub open_appeals: u32,
    pub historical_profit: String,
    pub multiple: u32,
    pub entries: u64,
}

/// GetCashForecast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownForecast {
    pub merchant_id: String,
    pub as_of: i64,
    pub available: String,
    pub items: Vec<ShownForecastItem>,
    pub held: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownForecastItem {
    pub due_at: i64,
    /// Otherwise a release completes.
    pub settles: bool,
    pub amount: String,
    pub income: ShownIncome,
    pub available: String,
}

/// QuoteGuarantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownQuote {
    pub guarantee: Option<u64>,
    /// What follows from the guarantee: raise, covered, quota. Absent when there is none.
    pub with_it: Option<[String; 3]>,
    pub multiple: u32,
    pub day_total: String,
    pub orders_total: String,
    pub resets_at: i64,
    pub policy_version: u64,
    pub obstacle: bool,
}

/// GetOrder, and an item of lists of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownOrder {
    pub merchant_id: String,
    pub order_id: String,
    pub price: String,
    pub profit: String,
    pub completed_at: i64,
    pub cycle: Cycle,
    pub settles_at: i64,
    pub state: OrderState,
    pub reversed: String,
    pub profit_reversed: String,
    pub imported: bool,
    pub receipt: Receipt,
    pub recorded_at: i64,
    pub entry: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderState {
    Pending,
    Settled,
    Reversed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AppealState {
    Open,
    Upheld,
    Overturned,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownDeduction {
    pub deduction_id: String,
    pub amount: String,
    pub overturned: String,
    pub reason: i32,
    pub about: super::api::About,
    pub beneficiary: Beneficiary,
    pub note: String,
    pub split: ShownSplit,
    pub refilled: String,
    pub deducted_at: i64,
    pub appeal_until: i64,
    pub appeal: Option<AppealState>,
    pub entry: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownAppeal {
    pub deduction_id: String,
    pub state: AppealState,
    pub statement: String,
    pub opened_at: i64,
    pub resolved_at: Option<i64>,
    pub reason: String,
    pub deducted: String,
    pub overturned: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownHold {
    pub hold_id: String,
    pub reason: String,
    pub placed_at: i64,
    pub lifted_at: Option<i64>,
    pub lift_reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReleaseState {
    Open,
    Completed,
    Taken,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownReleaseStatus {
    pub release: ShownRelease,
    pub original_amount: String,
    pub state: ReleaseState,
    pub held: bool,
    pub ended_at: Option<i64>,
    pub entry: u64,
}

/// GetSettlementStatement, without the orders, which are listed as pages are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownStatement {
    pub lines: Vec<ShownStatementLine>,
    pub orders_settled: u64,
    pub profit_settled: String,
    pub profit_pending: String,
    pub orders: Vec<ShownOrder>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownStatementLine {
    pub cycle: Cycle,
    pub completed_day: i64,
    pub orders: u64,
    pub profit: String,
    pub income: ShownIncome,
    pub settled_at: i64,
    pub entry: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownTrialBalance {
    pub day: String,
    pub merchants: u64,
    pub opening: ShownTotals,
    pub flows: ShownLifetime,
    pub closing: ShownTotals,
    pub flows_to_date: ShownLifetime,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownTotals {
    pub frozen: String,
    pub releasing: String,
    pub available: String,
    pub debt: String,
    /// May be below 0.
    pub held: String,
    pub pending: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownExposure {
    pub quick_settled: String,
    pub covered_by: String,
    pub uncovered: String,
}

/// GetOrder: the order and its reversals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownOrderHistory {
    pub order: ShownOrder,
    pub reversals: Vec<Entry>,
}
