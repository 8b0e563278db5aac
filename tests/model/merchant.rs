//! One merchant: what is remembered, where the money is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::answers::{
    AppealState, Classified, MerchantState, ModelAnswer, Receipt, ReleaseState, ShownCharge, ShownIncome, ShownRelease,
    ShownSplit,
};
use super::api::{Cycle, Deduct};
use super::ledger::Recorded;
use super::plain::money;
use super::policy::{Basis, Counts, ModelPolicy, PolicyVersion};

/// An order that was accepted or came with an import. It stays here for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: String,
    pub price: i128,
    pub profit: i128,
    pub completed_at: i64,
    /// The settlement day of `completed_at`.
    pub day: i64,
    pub cycle: Cycle,
    pub settles_at: i64,
    pub settled: bool,
    pub imported: bool,
    /// What has gone back of the price, and how much of that left the day's total.
    pub reversed: i128,
    pub uncounted: i128,
    pub profit_reversed: i128,
    pub answer: Classified,
    pub recorded_at: i64,
    pub entry: u64,
}

/// Imported profit that has not settled, of orders nobody knows here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulk {
    pub day: i64,
    pub cycle: Cycle,
    pub settles_at: i64,
    pub orders: u64,
    pub profit: i128,
    pub settled: bool,
}

/// Money that has left the guarantee and is or was on its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// What is left of it, or what became income.
    pub amount: i128,
    pub original: i128,
    pub created_at: i64,
    pub due_at: i64,
    /// Counts the releases of the merchant: tells which of two of the same instant was created later.
    pub number: u64,
    pub state: ReleaseState,
    pub ended_at: Option<i64>,
    pub entry: u64,
}

impl Release {
    pub fn shown(&self) -> ShownRelease {
        ShownRelease {
            amount: money(self.amount),
            created_at: self.created_at,
            due_at: self.due_at,
            number: self.number,
        }
    }

    pub fn is_open(&self) -> bool {
        self.state == ReleaseState::Open
    }
}

/// A payment or a withdrawal, known by its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub amount: i128,
    /// Returned or failed.
    pub undone: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub id: String,
    pub reason: String,
    pub placed_at: i64,
    pub lifted: Option<(i64, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deduction {
    pub id: String,
    pub amount: i128,
    pub request: Deduct,
    pub split: ShownSplit,
    pub refilled: i128,
    pub at: i64,
    pub appeal_until: i64,
    pub entry: u64,
    pub overturned: i128,
    pub appeal: Option<Appeal>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appeal {
    /// Counts the appeals of the merchant.
    pub number: usize,
    pub state: AppealState,
    pub statement: String,
    pub opened_at: i64,
    pub resolved: Option<(i64, String)>,
}

/// What a request_id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub asked: super::api::Request,
    pub answer: ModelAnswer,
}

/// What a change of the guarantee moved.
#[derive(Debug, Clone, Default)]
pub struct Moved {
    pub from_releasing: i128,
    pub from_available: i128,
    pub release: Option<Release>,
}

/// All amounts in cents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelMerchant {
    pub imported_profit: i128,
    /// Every order ever accepted, in the order of acceptance.
    pub orders: Vec<Order>,
    pub bulks: Vec<Bulk>,
    /// Every request_id ever accepted.
    pub kept: BTreeMap<String, Kept>,
    pub guarantee: i128,
    pub frozen: i128,
    pub available: i128,
    pub debt: i128,
    /// All releases there ever were, in the order of creation.
    pub releases: Vec<Release>,
    pub gap_since: Option<i64>,
    pub debt_since: Option<i64>,
    pub gap_warned: bool,
    pub debt_warned: bool,
    /// The settlement days whose use of the quota was warned of.
    pub warned_days: BTreeSet<i64>,
    pub payments: BTreeMap<String, Transfer>,
    pub withdrawals: BTreeMap<String, Transfer>,
    pub holds: Vec<Hold>,
    pub deductions: Vec<Deduction>,
    pub categories: Vec<String>,
    pub state: MerchantState,
    /// Everything that ever happened.
    pub entries: Vec<Arc<Recorded>>,
}

impl ModelMerchant {
    pub fn gap(&self) -> i128 {
        self.guarantee - self.frozen
    }

    pub fn open_releases(&self) -> impl Iterator<Item = &Release> {
        self.releases.iter().filter(|release| release.is_open())
    }

    pub fn releasing(&self) -> i128 {
        self.open_releases().map(|release| release.amount).sum()
    }

    pub fn is_pending(&self) -> bool {
        self.orders.iter().any(|order| !order.settled) || self.bulks.iter().any(|bulk| !bulk.settled)
    }

    pub fn pending_profit(&self) -> i128 {
        let orders = self.orders.iter().filter(|order| !order.settled);
        let bulks = self.bulks.iter().filter(|bulk| !bulk.settled);
        orders.map(|order| order.profit - order.profit_reversed).sum::<i128>()
            + bulks.map(|bulk| bulk.profit).sum::<i128>()
    }

    pub fn open_appeals(&self) -> usize {
        let open =
            |deduction: &&Deduction| deduction.appeal.as_ref().is_some_and(|appeal| appeal.state == AppealState::Open);
        self.deductions.iter().filter(open).count()
    }

    pub fn standing_holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.iter().filter(|hold| hold.lifted.is_none())
    }

    pub fn is_held(&self) -> bool {
        self.standing_holds().next().is_some()
    }

    /// Nothing is pending, releasing or owed, and no appeal is open.
    pub fn is_done(&self) -> bool {
        !self.is_pending() && self.releasing() == 0 && self.debt == 0 && self.open_appeals() == 0
    }

    /// The price of all orders completed on a day, or of those of them on T+2.
    pub fn day_total(&self, day: i64, counts: Counts) -> i128 {
        self.orders
            .iter()
            .filter(|order| order.day == day)
            .filter(|order| counts == Counts::All || order.cycle == Cycle::Quick)
            .map(|order| order.price - order.uncounted)
            .sum()
    }

    pub fn multiple(&self, policy: &ModelPolicy) -> u32 {
        policy.multiple(self.historical_profit())
    }

    pub fn quota(&self, policy: &ModelPolicy) -> i128 {
        let basis = match policy.basis {
            Basis::Guarantee => self.guarantee,
            Basis::Frozen => self.frozen,
        };
        basis * i128::from(self.multiple(policy))
    }

    pub fn receipt(&self, version: &PolicyVersion, before: i128, after: i128, resets_at: i64) -> Receipt {
        let quota = self.quota(&version.policy);
        Receipt {
            policy_version: version.version,
            multiple: self.multiple(&version.policy),
            quota: money(quota),
            day_total_before: money(before),
            day_total_after: money(after),
            remaining: money((quota - after).max(0)),
            resets_at,
        }
    }

    /// From when on the guarantee may be lowered, as far as deductions go.
    pub fn clean_from(&self, days: i64) -> Option<i64> {
        let standing = self.deductions.iter().filter(|deduction| deduction.overturned < deduction.amount);
        standing.map(|deduction| deduction.at + days).max()
    }

    pub fn has_clean_record(&self, policy: &ModelPolicy, now: i64) -> bool {
        let Some(days) = policy.clean_record else { return true };
        self.open_appeals() == 0 && self.clean_from(days).is_none_or(|from| from <= now)
    }

    /// Debt, then the gap, then available.
    pub fn income(&mut self, amount: i128) -> ShownIncome {
        let to_debt = amount.min(self.debt);
        self.debt -= to_debt;
        let to_gap = (amount - to_debt).min(self.gap());
        self.frozen += to_gap;
        let to_available = amount - to_debt - to_gap;
        self.available += to_available;
        ShownIncome { to_debt: money(to_debt), to_gap: money(to_gap), to_available: money(to_available) }
    }

    /// What is available first, then debt.
    pub fn charge(&mut self, amount: i128) -> ShownCharge {
        let from_available = amount.min(self.available);
        self.available -= from_available;
        self.debt += amount - from_available;
        ShownCharge { from_available: money(from_available), to_debt: money(amount - from_available) }
    }

    /// Releasing, then frozen, then available, then debt; what stays available fills the gap that this left.
    pub fn deduct(&mut self, amount: i128, now: i64) -> (ShownSplit, i128) {
        let from_releasing = self.take_releasing(amount, now);
        let from_frozen = (amount - from_releasing).min(self.frozen);
        self.frozen -= from_frozen;
        let charge = self.charge(amount - from_releasing - from_frozen);
        let refilled = self.available.min(self.gap());
        self.available -= refilled;
        self.frozen += refilled;
        let split = ShownSplit {
            from_releasing: money(from_releasing),
            from_frozen: money(from_frozen),
            from_available: charge.from_available,
            to_debt: charge.to_debt,
        };
        (split, refilled)
    }

    /// Sets the guarantee, when everything due by now was applied.
    pub fn set_guarantee(&mut self, guarantee: i128, now: i64, release_after: i64) -> Moved {
        let raised = guarantee > self.guarantee;
        self.guarantee = guarantee;
        let mut moved = Moved::default();
        if raised {
            moved.from_releasing = self.take_releasing(self.gap(), now);
            self.frozen += moved.from_releasing;
            moved.from_available = self.available.min(self.gap());
            self.available -= moved.from_available;
            self.frozen += moved.from_available;
        } else if self.frozen > guarantee {
            let release = self.new_release(self.frozen - guarantee, now, now + release_after);
            self.frozen = guarantee;
            moved.release = Some(release);
        }
        moved
    }

    pub fn new_release(&mut self, amount: i128, created_at: i64, due_at: i64) -> Release {
        let release = Release {
            amount,
            original: amount,
            created_at,
            due_at,
            number: self.releases.len() as u64 + 1,
            state: ReleaseState::Open,
            ended_at: None,
            entry: self.next_entry(),
        };
        self.releases.push(release.clone());
        release
    }

    /// Takes at most this much from what is still releasing, the latest due and then the latest created first.
    fn take_releasing(&mut self, wanted: i128, now: i64) -> i128 {
        let mut latest_first: Vec<&mut Release> =
            self.releases.iter_mut().filter(|release| release.is_open()).collect();
        latest_first.sort_by_key(|release| (release.due_at, release.number));
        latest_first.reverse();
        let mut taken = 0;
        for release in latest_first {
            let part = release.amount.min(wanted - taken);
            release.amount -= part;
            taken += part;
            if release.amount == 0 {
                release.state = ReleaseState::Taken;
                release.ended_at = Some(now);
            }
        }
        taken
    }

    /// Notes when a gap or a debt began, and forgets it when it ended.
    pub fn mark_since(&mut self, at: i64) {
        self.gap_since = if self.gap() == 0 { None } else { self.gap_since.or(Some(at)) };
        self.debt_since = if self.debt == 0 { None } else { self.debt_since.or(Some(at)) };
        self.gap_warned &= self.gap_since.is_some();
        self.debt_warned &= self.debt_since.is_some();
    }

    pub fn check_invariants(&self, id: &str) {
        for (name, amount) in [
            ("guarantee", self.guarantee),
            ("frozen", self.frozen),
            ("gap", self.gap()),
            ("available", self.available),
            ("debt", self.debt),
            ("pending", self.pending_profit()),
            ("historical profit", self.historical_profit()),
        ] {
            assert!(amount >= 0, "{id}: {name} is negative: {amount}");
        }
        assert!(self.frozen <= self.guarantee, "{id}: more frozen than guaranteed");
        assert!(self.open_releases().all(|release| release.amount > 0), "{id}: an empty release");
        if self.gap() > 0 || self.debt > 0 {
            assert_eq!(self.available, 0, "{id}: available beside a gap or a debt");
        }
        if self.gap() > 0 {
            assert_eq!(self.releasing(), 0, "{id}: releasing beside a gap");
        }
        if self.state != MerchantState::Open {
            assert_eq!(self.guarantee, 0, "{id}: a guarantee in closing");
        }
        if self.state == MerchantState::Closed {
            assert!(self.is_done(), "{id}: closed with something left to be done");
        }
        for order in &self.orders {
            assert!((0..=order.price).contains(&order.reversed), "{id}: more reversed than paid");
            assert!((0..=order.profit).contains(&order.profit_reversed), "{id}: more profit reversed than earned");
            assert!(order.reversed < order.price || order.profit_reversed == order.profit, "{id}: profit is left over");
        }
        assert_eq!(self.gap() > 0, self.gap_since.is_some(), "{id}: since when is there a gap");
        assert_eq!(self.debt > 0, self.debt_since.is_some(), "{id}: since when is there a debt");
        assert_eq!(
            self.lifetime().held(),
            self.frozen + self.releasing() + self.available - self.debt,
            "{id}: money is not conserved"
        );
        for two in self.entries.windows(2) {
            let (one, next) = (&two[0].entry, &two[1].entry);
            assert_eq!(one.number + 1, next.number, "{id}: entries are not numbered");
            assert!(one.effective_at <= next.effective_at && one.recorded_at <= next.recorded_at, "{id}: time falls");
            assert!(next.effective_at <= next.recorded_at, "{id}: recorded before it counts");
        }
    }
}
