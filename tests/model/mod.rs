//! An independent model of the rules: guarantee, quota, time, settlement, and what is safe to repeat.
//!
//! It exists to be compared with the engine, so it shares nothing with it: own amounts, own calendar, own everything. It
//! is written to be obviously right and nothing else. It keeps every order a merchant ever had and adds them up anew for
//! every question; it settles order by order; it copies a merchant before every command, and throws the copy away when
//! the command is refused or only a preview.
//!
//! Driving it beside an engine:
//!
//! ```text
//! let mut run = Executor::new(trace.policy, trace.start);
//! for step in &trace.steps {
//!     let Executed { request, expected } = run.execute(step);     // plain strings and numbers
//!     let actual = /* send `request` to the engine, bring its answer into the shape of `expected` */;
//!     assert_eq!(actual, expected, "{request:?}");
//! }
//! ```
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::inconsistent_digit_grouping,
    clippy::large_enum_variant,
    reason = "test code, shared by several test binaries, each of which uses a part of it; cents are written 1_000_00"
)]

pub mod api;
pub mod merchant;
pub mod plain;
pub mod replay;
pub mod strategy;
pub mod trace;

use std::collections::BTreeMap;

use api::{
    Classified, ClassifyRequest, Cycle, ImportRequest, Imported, ModelAnswer, ModelMargin, ModelRefusal, Modified,
    ModifyRequest, Request,
};
use merchant::{Kept, ModelMerchant, Order};
use plain::{DAY, SECOND, cents, is_id, money};

/// What the price of an order is compared with the quota together with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    All,
    Quick,
}

/// What the multiple is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    Guarantee,
    Frozen,
}

/// The settings of policy that the rules name. The default is the published rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPolicy {
    pub counts: Counts,
    pub basis: Basis,
    /// Historical profit strictly above this many cents has this multiple; rising. Below all of them it is 1.
    pub tiers: Vec<(i128, u32)>,
    /// Microseconds from 00:00 UTC to the start of the settlement day.
    pub day_start: i64,
    /// Microseconds that a completion may lie back.
    pub max_lateness: i64,
    /// In whole dollars.
    pub max_guarantee: Option<u64>,
    pub max_releases: usize,
}

impl Default for ModelPolicy {
    fn default() -> Self {
        Self {
            counts: Counts::All,
            basis: Basis::Guarantee,
            tiers: vec![(1_000_00, 3), (5_000_00, 5), (30_000_00, 10)],
            day_start: 0,
            max_lateness: DAY,
            max_guarantee: None,
            max_releases: 1_000,
        }
    }
}

impl ModelPolicy {
    /// The settlement day an instant lies in.
    pub fn day_of(&self, instant: i64) -> i64 {
        (instant - self.day_start).div_euclid(DAY)
    }

    /// The instant a settlement day starts at.
    pub fn start_of(&self, day: i64) -> i64 {
        day * DAY + self.day_start
    }

    pub fn multiple(&self, historical_profit: i128) -> u32 {
        let mut multiple = 1;
        for (above, then) in &self.tiers {
            if historical_profit > *above {
                multiple = *then;
            }
        }
        multiple
    }
}

/// How far ahead of now a completion may lie.
pub const MAX_AHEAD: i64 = 5 * SECOND;

/// The largest guarantee a request can carry, in dollars.
pub const LARGEST_GUARANTEE: u64 = 999_999_999_999;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub policy: ModelPolicy,
    /// Microseconds since 1970.
    pub now: i64,
    pub merchants: BTreeMap<String, ModelMerchant>,
}

impl Model {
    pub fn new(policy: ModelPolicy, now: i64) -> Self {
        Self { policy, now, merchants: BTreeMap::new() }
    }

    /// Moves now and applies nothing: each command and read first applies what is due for its merchant.
    pub fn advance(&mut self, to: i64) {
        assert!(to >= self.now, "time never runs backwards");
        self.now = to;
    }

    /// What a background task does: applies what is due for every merchant. May be called at any time or never; no answer
    /// depends on it.
    pub fn apply_all_due(&mut self) {
        for merchant in self.merchants.values_mut() {
            merchant.apply_due(self.now);
        }
    }

    /// The merchant as of now, with everything due applied, on a copy; an empty one if it was never opened.
    pub fn peek(&self, merchant: &str) -> ModelMerchant {
        let mut copy = self.merchants.get(merchant).cloned().unwrap_or_default();
        copy.apply_due(self.now);
        copy
    }

    /// Answers any request.
    pub fn handle(&mut self, request: &Request) -> Result<ModelAnswer, ModelRefusal> {
        match request {
            Request::Classify(request) => self.classify(request),
            Request::Modify(request) => self.modify_guarantee(request),
            Request::Import(request) => self.import(request),
            Request::Read { merchant_id } => self.margin(merchant_id).map(ModelAnswer::Margin),
            Request::Advance { to } => {
                self.advance(*to);
                Ok(ModelAnswer::Advanced { now: self.now })
            }
            Request::Restart | Request::Checkpoint => Ok(ModelAnswer::Done),
        }
    }

    pub fn classify(&mut self, request: &ClassifyRequest) -> Result<ModelAnswer, ModelRefusal> {
        // The shape.
        check(is_id(&request.merchant_id), ModelRefusal::MalformedMerchantId)?;
        check(is_id(&request.order_id), ModelRefusal::MalformedOrderId)?;
        let price = cents(&request.price).ok_or(ModelRefusal::MalformedPrice)?;
        check(price > 0, ModelRefusal::MalformedPrice)?;
        let profit = match given(&request.profit) {
            None => price,
            Some(text) => cents(text).ok_or(ModelRefusal::MalformedProfit)?,
        };
        check(profit <= price, ModelRefusal::MalformedProfit)?;

        // A known id, before any other check.
        let mut merchant = self.peek(&request.merchant_id);
        if let Some(known) = merchant.orders.iter().find(|order| order.id == request.order_id) {
            check(known.price == price, ModelRefusal::Conflict { field: "price" })?;
            check(known.profit == profit, ModelRefusal::Conflict { field: "profit" })?;
            let same_time = request.completed_at.is_none_or(|at| at == known.completed_at);
            check(same_time, ModelRefusal::Conflict { field: "completed_at" })?;
            return Ok(ModelAnswer::Classified(Classified { replayed: true, ..known.answer.clone() }));
        }

        // A new order.
        self.check_not_after(request.not_after)?;
        let completed_at = request.completed_at.unwrap_or(self.now);
        check(completed_at >= self.now - self.policy.max_lateness, ModelRefusal::TooOld)?;
        check(completed_at <= self.now + MAX_AHEAD, ModelRefusal::TooFarAhead)?;

        let day = self.policy.day_of(completed_at);
        let before = merchant.day_total(day, self.policy.counts);
        let cycle = if price + before <= merchant.quota(&self.policy) { Cycle::Quick } else { Cycle::Standard };
        let settles_at = match cycle {
            Cycle::Quick => self.policy.start_of(day + 2),
            Cycle::Standard => self.policy.start_of(day + 7),
        };
        let counted = self.policy.counts == Counts::All || cycle == Cycle::Quick;
        let after = if counted { before + price } else { before };
        let receipt = merchant.receipt(&self.policy, day, before, after);
        let answer = Classified { cycle, settles_at, completed_at, replayed: false, receipt };
        merchant.orders.push(Order {
            id: request.order_id.clone(),
            price,
            profit,
            completed_at,
            day,
            cycle,
            settles_at,
            settled: false,
            answer: answer.clone(),
        });
        merchant.apply_due(self.now); // an order that came so late settles at once
        self.keep(&request.merchant_id, merchant, request.validate_only);
        Ok(ModelAnswer::Classified(answer))
    }

    pub fn modify_guarantee(&mut self, request: &ModifyRequest) -> Result<ModelAnswer, ModelRefusal> {
        check(is_id(&request.merchant_id), ModelRefusal::MalformedMerchantId)?;
        check(is_id(&request.request_id), ModelRefusal::MalformedRequestId)?;
        let dollars = request.guarantee.ok_or(ModelRefusal::MalformedGuarantee)?;
        check(dollars <= LARGEST_GUARANTEE, ModelRefusal::MalformedGuarantee)?;

        let mut merchant = self.peek(&request.merchant_id);
        match merchant.kept.get(&request.request_id) {
            None => {}
            Some(Kept::Import { .. }) => return Err(ModelRefusal::Conflict { field: "request_id" }),
            Some(Kept::Modify { dollars: known, answer }) => {
                check(*known == dollars, ModelRefusal::Conflict { field: "guarantee" })?;
                return Ok(ModelAnswer::Modified(Modified { replayed: true, ..answer.clone() }));
            }
        }

        self.check_not_after(request.not_after)?;
        check(self.policy.max_guarantee.is_none_or(|max| dollars <= max), ModelRefusal::GuaranteeAboveMaximum)?;

        let previous = merchant.guarantee;
        let moved = merchant.set_guarantee(i128::from(dollars) * 100, self.now);
        check(merchant.releases.len() <= self.policy.max_releases || moved.release.is_none(), {
            ModelRefusal::TooManyReleases
        })?;
        let today = self.policy.day_of(self.now);
        let total = merchant.day_total(today, self.policy.counts);
        let answer = Modified {
            guarantee: money(merchant.guarantee),
            previous_guarantee: money(previous),
            frozen: money(merchant.frozen),
            gap: money(merchant.gap()),
            available: money(merchant.available),
            taken_from_releasing: money(moved.from_releasing),
            taken_from_available: money(moved.from_available),
            release: moved.release.map(|release| release.shown()),
            modified_at: self.now,
            replayed: false,
            receipt: merchant.receipt(&self.policy, today, total, total),
        };
        merchant.kept.insert(request.request_id.clone(), Kept::Modify { dollars, answer: answer.clone() });
        self.keep(&request.merchant_id, merchant, request.validate_only);
        Ok(ModelAnswer::Modified(answer))
    }

    pub fn import(&mut self, request: &ImportRequest) -> Result<ModelAnswer, ModelRefusal> {
        check(is_id(&request.merchant_id), ModelRefusal::MalformedMerchantId)?;
        let historical = given(&request.historical_profit).unwrap_or("0");
        let historical = cents(historical).ok_or(ModelRefusal::MalformedHistoricalProfit)?;
        let available = given(&request.available).unwrap_or("0");
        let available = cents(available).ok_or(ModelRefusal::MalformedAvailable)?;
        check(is_id(&request.request_id), ModelRefusal::MalformedRequestId)?;

        let mut merchant = self.peek(&request.merchant_id);
        match merchant.kept.get(&request.request_id) {
            None => {}
            Some(Kept::Modify { .. }) => return Err(ModelRefusal::Conflict { field: "request_id" }),
            Some(Kept::Import { answer }) => {
                let same = merchant.imported_profit == historical;
                check(same, ModelRefusal::Conflict { field: "historical_profit" })?;
                check(merchant.imported_available == available, ModelRefusal::Conflict { field: "available" })?;
                return Ok(ModelAnswer::Imported(Imported { replayed: true, ..answer.clone() }));
            }
        }

        self.check_not_after(request.not_after)?;
        check(!self.merchants.contains_key(&request.merchant_id), ModelRefusal::MerchantExists)?;

        merchant.imported_profit = historical;
        merchant.imported_available = available;
        merchant.available = available;
        let answer = Imported {
            historical_profit: money(historical),
            available: money(available),
            multiple: self.policy.multiple(historical),
            policy_version: 1,
            imported_at: self.now,
            replayed: false,
        };
        merchant.kept.insert(request.request_id.clone(), Kept::Import { answer: answer.clone() });
        self.keep(&request.merchant_id, merchant, request.validate_only);
        Ok(ModelAnswer::Imported(answer))
    }

    pub fn margin(&self, merchant_id: &str) -> Result<ModelMargin, ModelRefusal> {
        check(is_id(merchant_id), ModelRefusal::MalformedMerchantId)?;
        check(self.merchants.contains_key(merchant_id), ModelRefusal::NotFound)?;
        Ok(self.peek(merchant_id).shown(merchant_id, &self.policy, self.now))
    }

    /// Panics when a merchant's books are wrong, as they stand and as they would stand with everything due applied.
    pub fn check_invariants(&self) {
        for (id, merchant) in &self.merchants {
            merchant.check_invariants(id);
            self.peek(id).check_invariants(id);
        }
    }

    fn check_not_after(&self, not_after: Option<i64>) -> Result<(), ModelRefusal> {
        check(not_after.is_none_or(|limit| self.now <= limit), ModelRefusal::NotAfterPassed)
    }

    fn keep(&mut self, id: &str, merchant: ModelMerchant, validate_only: bool) {
        if !validate_only {
            self.merchants.insert(id.to_owned(), merchant);
        }
    }
}

fn check(holds: bool, refusal: ModelRefusal) -> Result<(), ModelRefusal> {
    if holds { Ok(()) } else { Err(refusal) }
}

/// On the wire an absent text and an empty one are the same.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
