//! Questions about the past in random histories, in terms of what happened, and how they become concrete.

use super::Model;
use super::answers::{AppealState, MerchantState, ReleaseState};
use super::history::{FactClock, History, Paging};
use super::ledger::Kind;
use super::merchant::ModelMerchant;
use super::plain::DAY;
use super::trace::merchant_name;

/// What is asked about a merchant, or about all.
#[derive(Debug, Clone)]
pub struct PastAsking {
    pub merchant: u8,
    pub about: PastAbout,
    pub paging: Paging,
}

#[derive(Debug, Clone)]
pub enum PastAbout {
    Margin(When, FactClock),
    Entry(u64),
    Entries(Vec<Kind>, Option<When>, Option<When>),
    Order(usize),
    /// Settlement days from today.
    Orders(Option<i64>, Option<i64>),
    Deduction(usize),
    Deductions,
    Appeal(usize),
    Appeals(Option<AppealState>),
    Hold(usize),
    Holds(bool),
    Release(u64),
    Releases(Option<ReleaseState>),
    Merchants(Option<MerchantState>),
    Policies,
    /// Settlement days from today.
    Statement(i64),
    /// Settlement days ago; nothing: now.
    TrialBalance(Option<i64>, FactClock),
    /// Days, and whether only this merchant.
    Exposure(i64, bool),
}

/// An instant of the past.
#[derive(Debug, Clone, Copy)]
pub enum When {
    Now(i64),
    /// This many thousandths of the time that has passed.
    Share(i64),
    /// When an entry counts from, or was recorded; and this many microseconds.
    Entry(usize, FactClock, i64),
}

impl When {
    fn resolve(self, model: &Model, merchant: &ModelMerchant) -> i64 {
        let began = model.policies.0[0].effective_at;
        match self {
            Self::Now(more) => model.now + more,
            Self::Share(thousandths) => began + (model.now - began) / 1_000 * thousandths,
            Self::Entry(back, clock, more) => {
                let Some(last) = merchant.entries.len().checked_sub(1) else { return began };
                let entry = &merchant.entries[last - back % (last + 1)].entry;
                let at = if clock == FactClock::Effective { entry.effective_at } else { entry.recorded_at };
                (at + more).min(model.now)
            }
        }
    }
}

impl PastAsking {
    pub fn resolve(&self, model: &Model) -> History {
        let merchant_id = merchant_name(self.merchant);
        let merchant = model.peek(&merchant_id);
        let today = model.today();
        let paging = self.paging;
        let pick = |back: usize, all: Vec<&String>| match all.len() {
            0 => "id-1".to_owned(),
            count => all[count - 1 - back % count].clone(),
        };
        let deductions = || merchant.deductions.iter().map(|deduction| &deduction.id).collect();
        match self.about.clone() {
            PastAbout::Margin(when, clock) => {
                History::Margin { at: when.resolve(model, &merchant), merchant_id, clock }
            }
            PastAbout::Entry(number) => History::Entry { merchant_id, number },
            PastAbout::Entries(kinds, from, to) => {
                let at = |when: Option<When>| when.map(|when| when.resolve(model, &merchant));
                History::Entries { from: at(from), to: at(to), merchant_id, kinds, paging }
            }
            PastAbout::Order(back) => {
                let order_id = pick(back, merchant.orders.iter().map(|order| &order.id).collect());
                History::Order { merchant_id, order_id }
            }
            PastAbout::Orders(from, to) => {
                let day = |days: Option<i64>| days.map(|days| today + days);
                History::Orders { merchant_id, from: day(from), to: day(to), paging }
            }
            PastAbout::Deduction(back) => History::Deduction { merchant_id, deduction_id: pick(back, deductions()) },
            PastAbout::Deductions => History::Deductions { merchant_id, paging },
            PastAbout::Appeal(back) => History::Appeal { merchant_id, deduction_id: pick(back, deductions()) },
            PastAbout::Appeals(state) => History::Appeals { merchant_id, state, paging },
            PastAbout::Hold(back) => {
                let hold_id = pick(back, merchant.holds.iter().map(|hold| &hold.id).collect());
                History::Hold { merchant_id, hold_id }
            }
            PastAbout::Holds(standing_only) => History::Holds { merchant_id, standing_only, paging },
            PastAbout::Release(number) => History::Release { merchant_id, number },
            PastAbout::Releases(state) => History::Releases { merchant_id, state, paging },
            PastAbout::Merchants(state) => {
                History::Merchants { state, paging: Paging { newest_first: false, ..paging } }
            }
            PastAbout::Policies => History::Policies { paging: Paging { newest_first: false, ..paging } },
            PastAbout::Statement(days) => {
                let paging = Paging { newest_first: false, ..paging };
                History::Statement { merchant_id, day: today + days, paging }
            }
            PastAbout::TrialBalance(ago, clock) => History::TrialBalance { day: ago.map(|ago| today - ago), clock },
            PastAbout::Exposure(days, only) => {
                History::Exposure { window: days * DAY, merchant_id: only.then_some(merchant_id) }
            }
        }
    }
}
