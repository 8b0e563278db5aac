//! One merchant: what is remembered, what is due, where the money is.

use std::collections::{BTreeMap, BTreeSet};

use super::api::{
    Classified, Cycle, Imported, ModelMargin, Modified, Receipt, ShownNextMultiple, ShownPending, ShownQuota,
    ShownRelease,
};
use super::plain::{DAY, money};
use super::{Basis, Counts, ModelPolicy};

/// An order that was accepted. It stays here for ever.
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
    pub answer: Classified,
}

/// Money that has left the guarantee and is on its way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub amount: i128,
    pub created_at: i64,
    pub due_at: i64,
    /// Counts the releases of the merchant: tells which of two of the same instant was created later.
    pub number: u64,
}

impl Release {
    pub fn shown(&self) -> ShownRelease {
        ShownRelease { amount: money(self.amount), created_at: self.created_at, due_at: self.due_at }
    }
}

/// What a request_id stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    Modify { dollars: u64, answer: Modified },
    Import { answer: Imported },
}

/// What a change of the guarantee moved.
pub struct Moved {
    pub from_releasing: i128,
    pub from_available: i128,
    pub release: Option<Release>,
}

/// All amounts in cents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelMerchant {
    pub imported_profit: i128,
    pub imported_available: i128,
    /// Every order ever accepted, in the order of acceptance.
    pub orders: Vec<Order>,
    /// Every request_id ever accepted.
    pub kept: BTreeMap<String, Kept>,
    pub guarantee: i128,
    pub frozen: i128,
    pub available: i128,
    pub debt: i128,
    /// The open releases, in the order of creation.
    pub releases: Vec<Release>,
    pub releases_created: u64,
    pub gap_since: Option<i64>,
}

/// Something that falls due, ordered as it has to be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    Settlement { day: i64, cycle: Cycle, order: usize },
    Release { number: u64 },
}

impl ModelMerchant {
    pub fn gap(&self) -> i128 {
        self.guarantee - self.frozen
    }

    pub fn releasing(&self) -> i128 {
        self.releases.iter().map(|release| release.amount).sum()
    }

    pub fn settled_profit(&self) -> i128 {
        self.orders.iter().filter(|order| order.settled).map(|order| order.profit).sum()
    }

    pub fn pending_profit(&self) -> i128 {
        self.orders.iter().filter(|order| !order.settled).map(|order| order.profit).sum()
    }

    pub fn historical_profit(&self) -> i128 {
        self.imported_profit + self.settled_profit()
    }

    /// The price of all orders completed on a day, or of those of them on T+2.
    pub fn day_total(&self, day: i64, counts: Counts) -> i128 {
        self.orders
            .iter()
            .filter(|order| order.day == day)
            .filter(|order| counts == Counts::All || order.cycle == Cycle::Quick)
            .map(|order| order.price)
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

    pub fn receipt(&self, policy: &ModelPolicy, day: i64, before: i128, after: i128) -> Receipt {
        let quota = self.quota(policy);
        Receipt {
            policy_version: 1,
            multiple: self.multiple(policy),
            quota: money(quota),
            day_total_before: money(before),
            day_total_after: money(after),
            remaining: money((quota - after).max(0)),
            resets_at: policy.start_of(day + 1),
        }
    }

    /// Everything that will fall due, with its instant.
    fn outstanding(&self) -> Vec<(i64, Due)> {
        let mut all = Vec::new();
        for (index, order) in self.orders.iter().enumerate() {
            if !order.settled {
                all.push((order.settles_at, Due::Settlement { day: order.day, cycle: order.cycle, order: index }));
            }
        }
        for release in &self.releases {
            all.push((release.due_at, Due::Release { number: release.number }));
        }
        all
    }

    /// When something falls due next.
    pub fn next_due(&self) -> Option<i64> {
        self.outstanding().into_iter().map(|(at, _)| at).min()
    }

    /// Applies everything due by now, one after another.
    pub fn apply_due(&mut self, now: i64) {
        let mut due = self.outstanding();
        due.retain(|(at, _)| *at <= now);
        due.sort();
        for (_, item) in due {
            match item {
                Due::Settlement { order, .. } => {
                    self.orders[order].settled = true;
                    self.income(self.orders[order].profit);
                }
                Due::Release { number } => {
                    let position = self.releases.iter().position(|release| release.number == number).unwrap();
                    let release = self.releases.remove(position);
                    self.income(release.amount);
                }
            }
        }
    }

    /// Debt, then the gap, then available.
    pub fn income(&mut self, amount: i128) {
        let to_debt = amount.min(self.debt);
        self.debt -= to_debt;
        let to_gap = (amount - to_debt).min(self.gap());
        self.frozen += to_gap;
        self.available += amount - to_debt - to_gap;
        if self.gap() == 0 {
            self.gap_since = None;
        }
    }

    /// Sets the guarantee, when everything due by now was applied.
    pub fn set_guarantee(&mut self, guarantee: i128, now: i64) -> Moved {
        let raised = guarantee > self.guarantee;
        self.guarantee = guarantee;
        let mut moved = Moved { from_releasing: 0, from_available: 0, release: None };
        if raised {
            self.take_back(&mut moved);
        } else if self.frozen > guarantee {
            self.releases_created += 1;
            let release = Release {
                amount: self.frozen - guarantee,
                created_at: now,
                due_at: now + 7 * DAY,
                number: self.releases_created,
            };
            self.frozen = guarantee;
            self.releases.push(release.clone());
            moved.release = Some(release);
        }
        self.gap_since = if self.gap() == 0 { None } else { self.gap_since.or(Some(now)) };
        moved
    }

    /// Fills the gap from what is still releasing, the latest due and then the latest created first, then from available.
    fn take_back(&mut self, moved: &mut Moved) {
        let mut latest_first: Vec<usize> = (0..self.releases.len()).collect();
        latest_first.sort_by_key(|index| (self.releases[*index].due_at, self.releases[*index].number));
        latest_first.reverse();
        for index in latest_first {
            let taken = self.releases[index].amount.min(self.gap());
            self.releases[index].amount -= taken;
            self.frozen += taken;
            moved.from_releasing += taken;
        }
        self.releases.retain(|release| release.amount > 0);
        let taken = self.available.min(self.gap());
        self.available -= taken;
        self.frozen += taken;
        moved.from_available = taken;
    }

    /// What GetMargin shows, when everything due by now was applied.
    pub fn shown(&self, id: &str, policy: &ModelPolicy, now: i64) -> ModelMargin {
        let today = policy.day_of(now);
        let historical = self.historical_profit();
        let multiple = self.multiple(policy);
        let mut releases = self.releases.clone();
        releases.sort_by_key(|release| (release.due_at, release.number));
        let next = policy.tiers.iter().find(|(above, _)| historical <= *above);
        let limit = self.quota(policy);
        ModelMargin {
            merchant_id: id.to_owned(),
            as_of: now,
            guarantee: money(self.guarantee),
            frozen: money(self.frozen),
            gap: money(self.gap()),
            gap_since: self.gap_since,
            releasing: releases.iter().map(Release::shown).collect(),
            releasing_total: money(self.releasing()),
            available: money(self.available),
            pending: self.shown_pending(policy),
            pending_total: money(self.pending_profit()),
            debt: money(self.debt),
            historical_profit: money(historical),
            multiple,
            next_multiple: next.map(|(above, multiple)| ShownNextMultiple {
                multiple: *multiple,
                above: money(*above),
                missing: money(above - historical + 1),
            }),
            quota: ShownQuota {
                limit: money(limit),
                limit_by_frozen: money(self.frozen * i128::from(multiple)),
                limit_by_guarantee: money(self.guarantee * i128::from(multiple)),
                used_all: money(self.day_total(today, Counts::All)),
                used_quick: money(self.day_total(today, Counts::Quick)),
                remaining: money((limit - self.day_total(today, policy.counts)).max(0)),
                resets_at: policy.start_of(today + 1),
                policy_version: 1,
            },
        }
    }

    fn shown_pending(&self, policy: &ModelPolicy) -> Vec<ShownPending> {
        let pending = || self.orders.iter().filter(|order| !order.settled);
        let dates: BTreeSet<_> = pending().map(|order| (order.settles_at, order.day, order.cycle)).collect();
        let one = |(settles_at, day, cycle)| {
            let mine = || {
                pending().filter(move |order| (order.settles_at, order.day, order.cycle) == (settles_at, day, cycle))
            };
            ShownPending {
                settles_at,
                cycle,
                completed_day: policy.start_of(day),
                orders: mine().count() as u64,
                profit: money(mine().map(|order| order.profit).sum()),
            }
        };
        dates.into_iter().map(one).collect()
    }

    pub fn check_invariants(&self, id: &str) {
        for (name, amount) in [
            ("guarantee", self.guarantee),
            ("frozen", self.frozen),
            ("gap", self.gap()),
            ("available", self.available),
            ("debt", self.debt),
        ] {
            assert!(amount >= 0, "{id}: {name} is negative: {amount}");
        }
        assert!(self.frozen <= self.guarantee, "{id}: more frozen than guaranteed");
        assert!(self.releases.iter().all(|release| release.amount > 0), "{id}: an empty release");
        if self.gap() > 0 || self.debt > 0 {
            assert_eq!(self.available, 0, "{id}: available beside a gap or a debt");
        }
        if self.gap() > 0 {
            assert!(self.releases.is_empty(), "{id}: releasing beside a gap");
        }
        assert_eq!(self.gap() > 0, self.gap_since.is_some(), "{id}: since when is there a gap");
        assert_eq!(
            self.settled_profit() + self.imported_available,
            self.frozen + self.releasing() + self.available - self.debt,
            "{id}: money is not conserved"
        );
    }
}
