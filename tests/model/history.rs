//! What is asked about the past. Lists are answered whole; a driver that pages through them puts the pages together.

use super::answers::{
    AppealState, MerchantState, ModelMargin, OrderState, ReleaseState, ShownAppeal, ShownDeduction, ShownExposure,
    ShownHold, ShownMerchant, ShownOrder, ShownOrderHistory, ShownReleaseStatus, ShownStatement, ShownStatementLine,
    ShownTotals, ShownTrialBalance,
};
use super::api::{Cycle, ModelRefusal};
use super::ledger::{Entry, Kind, Lifetime};
use super::merchant::{Deduction, Hold, ModelMerchant, Order, Release};
use super::plain::{DAY, date, money, signed};
use super::policy::{Policies, PolicyVersion};
use super::{Model, check, malformed};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum History {
    Margin { merchant_id: String, at: i64, clock: FactClock },
    Entry { merchant_id: String, number: u64 },
    Entries { merchant_id: String, kinds: Vec<Kind>, from: Option<i64>, to: Option<i64>, paging: Paging },
    Order { merchant_id: String, order_id: String },
    Orders { merchant_id: String, from: Option<i64>, to: Option<i64>, paging: Paging },
    Deduction { merchant_id: String, deduction_id: String },
    Deductions { merchant_id: String, paging: Paging },
    Appeal { merchant_id: String, deduction_id: String },
    Appeals { merchant_id: String, state: Option<AppealState>, paging: Paging },
    Hold { merchant_id: String, hold_id: String },
    Holds { merchant_id: String, standing_only: bool, paging: Paging },
    Release { merchant_id: String, number: u64 },
    Releases { merchant_id: String, state: Option<ReleaseState>, paging: Paging },
    Merchants { state: Option<MerchantState>, paging: Paging },
    Policies { paging: Paging },
    Statement { merchant_id: String, day: i64, paging: Paging },
    TrialBalance { day: Option<i64>, clock: FactClock },
    Exposure { window: i64, merchant_id: Option<String> },
}

impl History {
    /// What is refused before anything is looked at.
    pub fn check_shape(&self) -> Result<(), ModelRefusal> {
        match self {
            // They count from 1; 0 is none given.
            Self::Entry { number: 0, .. } | Self::Release { number: 0, .. } => Err(malformed("number")),
            _ => Ok(()),
        }
    }

    /// The one merchant it is about.
    pub fn merchant_id(&self) -> Option<&String> {
        match self {
            Self::Margin { merchant_id, .. }
            | Self::Entry { merchant_id, .. }
            | Self::Entries { merchant_id, .. }
            | Self::Order { merchant_id, .. }
            | Self::Orders { merchant_id, .. }
            | Self::Deduction { merchant_id, .. }
            | Self::Deductions { merchant_id, .. }
            | Self::Appeal { merchant_id, .. }
            | Self::Appeals { merchant_id, .. }
            | Self::Hold { merchant_id, .. }
            | Self::Holds { merchant_id, .. }
            | Self::Release { merchant_id, .. }
            | Self::Releases { merchant_id, .. }
            | Self::Statement { merchant_id, .. } => Some(merchant_id),
            Self::Exposure { merchant_id, .. } => merchant_id.as_ref(),
            Self::Merchants { .. } | Self::Policies { .. } | Self::TrialBalance { .. } => None,
        }
    }

    pub fn is_about_all(&self) -> bool {
        matches!(self, Self::TrialBalance { .. } | Self::Exposure { merchant_id: None, .. })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactClock {
    Effective,
    Recorded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    pub newest_first: bool,
    /// For the driver: how many to ask for at once.
    pub page_size: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Past {
    Margin(ModelMargin),
    Entries(Vec<Entry>),
    Order(ShownOrderHistory),
    Orders(Vec<ShownOrder>),
    Deductions(Vec<ShownDeduction>),
    Appeals(Vec<ShownAppeal>),
    Holds(Vec<ShownHold>),
    Releases(Vec<ShownReleaseStatus>),
    Merchants(Vec<ShownMerchant>),
    Policies(Vec<PolicyVersion>),
    Statement(ShownStatement),
    TrialBalance(ShownTrialBalance),
    Exposure { from_day: String, total: ShownExposure, merchants: u64, worst: Vec<(String, ShownExposure)> },
}

impl Model {
    pub fn past(&self, history: &History) -> Result<Past, ModelRefusal> {
        let unknown = |field| ModelRefusal::Unknown { field };
        Ok(match history {
            History::Margin { merchant_id, at, clock } => {
                let merchant = self.known(merchant_id)?;
                check(*at <= self.now, ModelRefusal::OutOfRange)?;
                let then = merchant.as_of(*at, *clock, &self.policies).ok_or(ModelRefusal::NotFound)?;
                // What was announced only later was no part of an answer then.
                let known = match clock {
                    FactClock::Effective => self.policies.clone(),
                    FactClock::Recorded => self.policies.announced_by(*at),
                };
                Past::Margin(then.shown(merchant_id, &known, *at))
            }
            History::Entry { merchant_id, number } => {
                let merchant = self.known(merchant_id)?;
                let found = merchant.entries.iter().find(|recorded| recorded.entry.number == *number);
                Past::Entries(vec![found.ok_or(unknown("number"))?.entry.clone()])
            }
            History::Entries { merchant_id, kinds, from, to, paging } => {
                let merchant = self.known(merchant_id)?;
                let wanted = |entry: &Entry| {
                    (kinds.is_empty() || kinds.contains(&entry.kind))
                        && from.is_none_or(|from| entry.effective_at >= from)
                        && to.is_none_or(|to| entry.effective_at < to)
                };
                let all = merchant.entries.iter().map(|recorded| recorded.entry.clone());
                Past::Entries(paging.ordered(all.filter(wanted).collect()))
            }
            History::Order { merchant_id, order_id } => {
                let merchant = self.known(merchant_id)?;
                let order = merchant.orders.iter().find(|order| order.id == *order_id).ok_or(unknown("order_id"))?;
                let of_it = |entry: &Entry| entry.kind == Kind::OrderReversed && entry.subject_id == *order_id;
                let all = merchant.entries.iter().map(|recorded| recorded.entry.clone());
                let reversals = all.filter(of_it).collect();
                Past::Order(ShownOrderHistory { order: order.shown(merchant_id), reversals })
            }
            History::Orders { merchant_id, from, to, paging } => {
                let merchant = self.known(merchant_id)?;
                let within = |order: &&Order| {
                    let date = settlement_date(order.settles_at);
                    from.is_none_or(|from| date >= from) && to.is_none_or(|to| date <= to)
                };
                let mut orders: Vec<&Order> = merchant.orders.iter().filter(within).collect();
                // By the instant: orders that were decided here and settle on one date settle in one instant, imported ones need not.
                orders.sort_by_key(|order| (order.settles_at, order.entry));
                Past::Orders(paging.ordered(orders.iter().map(|order| order.shown(merchant_id)).collect()))
            }
            History::Deduction { merchant_id, deduction_id } => {
                let merchant = self.known(merchant_id)?;
                let found = merchant.deductions.iter().find(|deduction| deduction.id == *deduction_id);
                Past::Deductions(vec![found.ok_or(unknown("deduction_id"))?.shown()])
            }
            History::Deductions { merchant_id, paging } => {
                let merchant = self.known(merchant_id)?;
                Past::Deductions(paging.ordered(merchant.deductions.iter().map(Deduction::shown).collect()))
            }
            History::Appeal { merchant_id, deduction_id } => {
                let merchant = self.known(merchant_id)?;
                let found = merchant.deductions.iter().find(|deduction| deduction.id == *deduction_id);
                let appeal = found.and_then(Deduction::shown_appeal).ok_or(unknown("deduction_id"))?;
                Past::Appeals(vec![appeal])
            }
            History::Appeals { merchant_id, state, paging } => {
                let merchant = self.known(merchant_id)?;
                let mut deductions: Vec<&Deduction> =
                    merchant.deductions.iter().filter(|deduction| deduction.appeal.is_some()).collect();
                deductions.sort_by_key(|deduction| deduction.appeal.as_ref().map(|appeal| appeal.number));
                let all = deductions.iter().filter_map(|deduction| deduction.shown_appeal());
                let wanted = |appeal: &ShownAppeal| state.is_none_or(|state| appeal.state == state);
                Past::Appeals(paging.ordered(all.filter(wanted).collect()))
            }
            History::Hold { merchant_id, hold_id } => {
                let merchant = self.known(merchant_id)?;
                let found = merchant.holds.iter().find(|hold| hold.id == *hold_id);
                Past::Holds(vec![found.ok_or(unknown("hold_id"))?.shown()])
            }
            History::Holds { merchant_id, standing_only, paging } => {
                let merchant = self.known(merchant_id)?;
                let all = merchant.holds.iter().filter(|hold| !standing_only || hold.lifted.is_none());
                Past::Holds(paging.ordered(all.map(Hold::shown).collect()))
            }
            History::Release { merchant_id, number } => {
                let merchant = self.known(merchant_id)?;
                let found = merchant.releases.iter().find(|release| release.number == *number);
                let release = found.ok_or(unknown("number"))?;
                Past::Releases(vec![release.status(merchant.is_held(), self.now)])
            }
            History::Releases { merchant_id, state, paging } => {
                let merchant = self.known(merchant_id)?;
                let held = merchant.is_held();
                let all = merchant.releases.iter().filter(|release| state.is_none_or(|state| release.state == state));
                Past::Releases(paging.ordered(all.map(|release| release.status(held, self.now)).collect()))
            }
            History::Merchants { state, paging } => {
                let all = self.merchants.keys().map(|id| self.merchant(id));
                let mut all: Vec<ShownMerchant> = all.collect::<Result<_, _>>()?;
                all.retain(|merchant| state.is_none_or(|state| merchant.state == state));
                Past::Merchants(paging.ordered(all))
            }
            History::Policies { paging } => Past::Policies(paging.ordered(self.policies.0.clone())),
            History::Statement { merchant_id, day, paging } => {
                Past::Statement(self.known(merchant_id)?.statement(merchant_id, *day, *paging, &self.policies))
            }
            History::TrialBalance { day, clock } => Past::TrialBalance(self.trial_balance(*day, *clock)),
            History::Exposure { window, merchant_id } => self.exposure(*window, merchant_id.as_deref())?,
        })
    }

    fn trial_balance(&self, day: Option<i64>, clock: FactClock) -> ShownTrialBalance {
        let day_or_today = day.unwrap_or(self.today());
        let (from, to) = (self.policies.start_of(day_or_today), self.policies.start_of(day_or_today + 1));
        let at = |instant: i64| -> Vec<ModelMerchant> {
            let all = self.merchants.keys().map(|id| self.peek(id));
            all.filter_map(|merchant| merchant.up_to(instant.min(self.now), clock)).collect()
        };
        let (opening, closing) = (at(from - 1), at(to - 1));
        let flows = |all: &[ModelMerchant]| {
            let mut sum = Lifetime::default();
            all.iter().for_each(|merchant| sum.extend(merchant.lifetime()));
            sum
        };
        ShownTrialBalance {
            day: date(day_or_today),
            merchants: closing.len() as u64,
            opening: totals(&opening),
            flows: flows(&closing).less(&flows(&opening)).shown(),
            closing: totals(&closing),
            flows_to_date: flows(&closing).shown(),
        }
    }

    fn exposure(&self, window: i64, only: Option<&str>) -> Result<Past, ModelRefusal> {
        let from_day = self.policies.day_of(self.now - window);
        let ids: Vec<String> = match only {
            Some(id) => self.known(id).map(|_| vec![id.to_owned()])?,
            None => self.merchants.keys().cloned().collect(),
        };
        let mut all = Vec::new();
        let (mut quick, mut covered, mut uncovered) = (0, 0, 0);
        for id in ids {
            let merchant = self.peek(&id);
            let orders = merchant.orders.iter().filter(|order| order.settled);
            let orders = orders.filter(|order| order.cycle == Cycle::Quick && order.day >= from_day);
            let bulks = merchant.bulks.iter().filter(|bulk| bulk.settled);
            let bulks = bulks.filter(|bulk| bulk.cycle == Cycle::Quick && bulk.day >= from_day);
            let settled = orders.map(|order| order.profit - order.profit_reversed).sum::<i128>()
                + bulks.map(|bulk| bulk.profit).sum::<i128>();
            let behind = merchant.frozen + merchant.releasing();
            let lacks = (settled - behind).max(0);
            // What stands behind nothing covers nothing.
            if settled > 0 {
                (quick, covered, uncovered) = (quick + settled, covered + behind, uncovered + lacks);
                all.push((id, settled, behind, lacks));
            }
        }
        all.sort_by_key(|(id, _, _, lacks)| (-lacks, id.clone()));
        let shown = |quick, covered, uncovered| ShownExposure {
            quick_settled: money(quick),
            covered_by: money(covered),
            uncovered: money(uncovered),
        };
        Ok(Past::Exposure {
            from_day: date(from_day),
            total: shown(quick, covered, uncovered),
            merchants: all.len() as u64,
            worst: all.into_iter().map(|(id, quick, covered, lacks)| (id, shown(quick, covered, lacks))).collect(),
        })
    }
}

impl Paging {
    fn ordered<T>(self, mut all: Vec<T>) -> Vec<T> {
        if self.newest_first {
            all.reverse();
        }
        all
    }
}

impl ModelMerchant {
    /// The merchant as it was; the merchant itself has everything due by now applied. Nothing if it was not open yet.
    pub fn as_of(&self, at: i64, clock: FactClock, policies: &Policies) -> Option<Self> {
        let mut then = self.up_to(at, clock)?;
        then.apply_due(at, policies);
        Some(then)
    }

    /// The merchant with the facts up to then, and nothing that was only due.
    fn up_to(&self, at: i64, clock: FactClock) -> Option<Self> {
        let by = |entry: &Entry| match clock {
            FactClock::Effective => entry.effective_at,
            FactClock::Recorded => entry.recorded_at,
        };
        let count = self.entries.iter().filter(|recorded| by(&recorded.entry) <= at).count();
        let last = self.entries[..count].last()?;
        let mut then = last.after.clone();
        then.entries = self.entries[..count].to_vec();
        Some(then)
    }

    fn statement(&self, id: &str, day: i64, paging: Paging, policies: &Policies) -> ShownStatement {
        let lines = self.entries.iter().filter_map(|recorded| recorded.line.clone());
        let mut lines: Vec<_> = lines.filter(|(settles_at, _)| settlement_date(*settles_at) == day).collect();
        lines.sort_by_key(|(settles_at, line)| (*settles_at, line.entry));
        let begun = |line: ShownStatementLine| ShownStatementLine {
            completed_day: policies.start_of(line.completed_day),
            ..line
        };
        let lines: Vec<_> = lines.into_iter().map(|(_, line)| begun(line)).collect();
        let mut listed: Vec<_> = self.orders.iter().filter(|order| settlement_date(order.settles_at) == day).collect();
        listed.sort_by_key(|order| (order.settles_at, order.entry));
        let bulks = self.bulks.iter().filter(|bulk| !bulk.settled);
        let bulks = bulks.filter(|bulk| settlement_date(bulk.settles_at) == day);
        let pending = listed.iter().filter(|order| !order.settled);
        let pending: i128 = pending.map(|order| order.profit - order.profit_reversed).sum::<i128>()
            + bulks.map(|bulk| bulk.profit).sum::<i128>();
        ShownStatement {
            orders_settled: lines.iter().map(|line| line.orders).sum(),
            profit_settled: money(lines.iter().map(|line| super::plain::amount(&line.profit)).sum()),
            lines,
            profit_pending: money(pending),
            orders: paging.ordered(listed.iter().map(|order| order.shown(id)).collect()),
        }
    }
}

impl Order {
    pub fn shown(&self, merchant_id: &str) -> ShownOrder {
        ShownOrder {
            merchant_id: merchant_id.into(),
            order_id: self.id.clone(),
            price: money(self.price),
            profit: money(self.profit),
            completed_at: self.completed_at,
            cycle: self.cycle,
            settles_at: self.settles_at,
            state: match () {
                () if self.reversed == self.price => OrderState::Reversed,
                () if self.settled => OrderState::Settled,
                () => OrderState::Pending,
            },
            reversed: money(self.reversed),
            profit_reversed: money(self.profit_reversed),
            imported: self.imported,
            receipt: self.answer.receipt.clone(),
            recorded_at: self.recorded_at,
            entry: self.entry,
        }
    }
}

impl Deduction {
    fn shown(&self) -> ShownDeduction {
        ShownDeduction {
            deduction_id: self.id.clone(),
            amount: money(self.amount),
            overturned: money(self.overturned),
            reason: self.request.reason,
            about: self.request.about.clone().unwrap(),
            beneficiary: self.request.beneficiary.unwrap(),
            note: self.request.note.clone(),
            split: self.split.clone(),
            refilled: money(self.refilled),
            deducted_at: self.at,
            appeal_until: self.appeal_until,
            appeal: self.appeal.as_ref().map(|appeal| appeal.state),
            entry: self.entry,
        }
    }

    fn shown_appeal(&self) -> Option<ShownAppeal> {
        let appeal = self.appeal.as_ref()?;
        Some(ShownAppeal {
            deduction_id: self.id.clone(),
            state: appeal.state,
            statement: appeal.statement.clone(),
            opened_at: appeal.opened_at,
            resolved_at: appeal.resolved.as_ref().map(|(at, _)| *at),
            reason: appeal.resolved.as_ref().map(|(_, reason)| reason.clone()).unwrap_or_default(),
            deducted: money(self.amount),
            overturned: money(self.overturned),
        })
    }
}

impl Hold {
    fn shown(&self) -> ShownHold {
        ShownHold {
            hold_id: self.id.clone(),
            reason: self.reason.clone(),
            placed_at: self.placed_at,
            lifted_at: self.lifted.as_ref().map(|(at, _)| *at),
            lift_reason: self.lifted.as_ref().map(|(_, reason)| reason.clone()).unwrap_or_default(),
        }
    }
}

impl Release {
    fn status(&self, held: bool, now: i64) -> ShownReleaseStatus {
        ShownReleaseStatus {
            release: self.shown(),
            original_amount: money(self.original),
            state: self.state,
            held: held && self.is_open() && self.due_at <= now,
            ended_at: self.ended_at,
            entry: self.entry,
        }
    }
}

/// The settlement date: of the instant, in UTC.
const fn settlement_date(settles_at: i64) -> i64 {
    settles_at.div_euclid(DAY)
}

fn totals(all: &[ModelMerchant]) -> ShownTotals {
    let sum = |amount: fn(&ModelMerchant) -> i128| all.iter().map(amount).sum::<i128>();
    let (frozen, releasing) = (sum(|merchant| merchant.frozen), sum(ModelMerchant::releasing));
    let (available, debt) = (sum(|merchant| merchant.available), sum(|merchant| merchant.debt));
    ShownTotals {
        frozen: money(frozen),
        releasing: money(releasing),
        available: money(available),
        debt: money(debt),
        held: signed(frozen + releasing + available - debt),
        pending: money(sum(ModelMerchant::pending_profit)),
    }
}
