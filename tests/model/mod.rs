//! An independent model of the rules: guarantee, quota, time, settlement, money in and out, deductions, holds, closing, policy,
//! four eyes, and what is safe to repeat.
//!
//! It exists to be compared with the engine, so it shares nothing with it: own amounts, own calendar, own everything. It
//! is written to be obviously right and nothing else. It keeps every order and every fact a merchant ever had and adds them up
//! anew for every question; it copies a merchant before every command, and throws the copy away when the command is refused or
//! only a preview; it keeps a copy of the merchant after every fact, to answer for the past.
//!
//! Driving it beside an engine:
//!
//! ```text
//! let mut run = Executor::new(&trace);
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
    clippy::too_many_arguments,
    reason = "test code, shared by several test binaries, each of which uses a part of it; cents are written 1_000_00"
)]

pub mod alter;
pub mod answers;
pub mod api;
pub mod commands;
pub mod draws;
pub mod due;
pub mod history;
pub mod import;
pub mod ledger;
pub mod merchant;
pub mod moves;
pub mod past;
pub mod plain;
pub mod policy;
pub mod proposals;
pub mod proposing;
pub mod reads;
pub mod repeats;
pub mod replay;
pub mod strategy;
pub mod trace;

use std::collections::BTreeMap;
use std::sync::Arc;

use answers::{Classified, MerchantState, ModelAnswer, Modified, Receipt};
use api::{ClassifyRequest, Cycle, ModelRefusal, ModifyRequest, PolicyRequest, Request};
use history::History;
use ledger::{Fact, Kind};
use merchant::{Kept, ModelMerchant, Order};
use plain::{cents, is_id, money};
pub use policy::{Basis, Counts, ModelPolicy};
use policy::{Policies, PolicyVersion};
use proposals::Proposal;
use reads::Query;

/// The largest guarantee a request can carry, in dollars.
pub const LARGEST_GUARANTEE: u64 = 999_999_999_999;

/// How much there may be of what is kept per merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub releases: usize,
    pub holds: usize,
    pub appeals: usize,
    pub categories: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { releases: 1_000, holds: 64, appeals: 1_000, categories: 64 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    pub policies: Policies,
    pub policy_requests: BTreeMap<String, (PolicyRequest, ModelAnswer)>,
    pub limits: Limits,
    /// Microseconds since 1970.
    pub now: i64,
    pub merchants: BTreeMap<String, ModelMerchant>,
    /// All there ever were, in the order they were made.
    pub proposals: Vec<Arc<Proposal>>,
}

impl Model {
    pub fn new(policy: ModelPolicy, now: i64) -> Self {
        Self::with_limits(policy, now, Limits::default())
    }

    pub fn with_limits(policy: ModelPolicy, now: i64, limits: Limits) -> Self {
        let policies = Policies::new(policy, now);
        let (policy_requests, merchants) = (BTreeMap::new(), BTreeMap::new());
        Self { policies, policy_requests, limits, now, merchants, proposals: Vec::new() }
    }

    /// The version in force now.
    pub fn version(&self) -> &PolicyVersion {
        self.policies.version_at(self.now)
    }

    /// The policy in force now.
    pub fn policy(&self) -> &ModelPolicy {
        &self.version().policy
    }

    pub fn today(&self) -> i64 {
        self.policies.day_of(self.now)
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
            merchant.apply_due(self.now, &self.policies);
        }
    }

    fn record_due_of(&mut self, history: &History) {
        match history.merchant_id() {
            Some(id) => {
                if let Some(merchant) = self.merchants.get_mut(id) {
                    merchant.apply_due(self.now, &self.policies);
                }
            }
            None if history.is_about_all() => self.apply_all_due(),
            None => {}
        }
    }

    /// The merchant as of now, with everything due applied, on a copy; an empty one if it was never opened.
    pub fn peek(&self, merchant: &str) -> ModelMerchant {
        let mut copy = self.merchants.get(merchant).cloned().unwrap_or_default();
        copy.apply_due(self.now, &self.policies);
        copy
    }

    /// Answers any request.
    pub fn handle(&mut self, request: &Request) -> Result<ModelAnswer, ModelRefusal> {
        match request {
            Request::Classify(request) => self.classify(request),
            Request::Modify(request) => self.modify_guarantee(request),
            Request::Import(request) => self.import(request),
            Request::Command(request) => self.command(request),
            Request::SetPolicy(request) => self.set_policy(request),
            Request::Propose(request) => self.propose(request),
            Request::Decide(request) => self.decide(request),
            Request::Read { merchant_id } => self.margin(merchant_id).map(ModelAnswer::Margin),
            Request::Ask(query) => {
                // What is read from the history is recorded first, as far as it is due. No balance depends on it.
                if let Query::History(history) = query {
                    history.check_shape()?;
                    self.record_due_of(history);
                }
                self.ask(query).map(ModelAnswer::Told)
            }
            Request::Advance { to } => {
                self.advance(*to);
                Ok(ModelAnswer::Advanced { now: self.now })
            }
            Request::Restart | Request::Checkpoint => Ok(ModelAnswer::Done),
        }
    }

    pub fn classify(&mut self, request: &ClassifyRequest) -> Result<ModelAnswer, ModelRefusal> {
        // The shape.
        check(is_id(&request.merchant_id), malformed("merchant_id"))?;
        check(is_id(&request.order_id), malformed("order_id"))?;
        let price = positive(&request.price, "price")?;
        let profit = match given(&request.profit) {
            None => price,
            Some(text) => cents(text).ok_or(malformed("profit"))?,
        };
        check(profit <= price, malformed("profit"))?;

        // A known id, before any other check.
        let mut merchant = self.peek(&request.merchant_id);
        if let Some(known) = merchant.orders.iter().find(|order| order.id == request.order_id) {
            check(known.price == price, ModelRefusal::Conflict { field: "price" })?;
            check(known.profit == profit, ModelRefusal::Conflict { field: "profit" })?;
            let same_time = request.completed_at.is_none_or(|at| at == known.completed_at);
            check(same_time, ModelRefusal::Conflict { field: "completed_at" })?;
            return Ok(ModelAnswer::Classified(Classified { replayed: true, ..known.answer.clone() }));
        }

        // A new order. Its day follows the calendar in force when it was completed, all else the policy in force now.
        self.check_not_after(request.not_after)?;
        let version = self.version();
        let policy = &version.policy;
        let completed_at = request.completed_at.unwrap_or(self.now);
        check(completed_at >= self.now - policy.max_lateness, ModelRefusal::TooOld)?;
        check(completed_at <= self.now + policy.max_ahead, ModelRefusal::TooFarAhead)?;

        let calendar = self.policies.at(completed_at);
        let day = calendar.day_of(completed_at);
        let before = merchant.day_total(day, policy.counts);
        let cycle = if price + before <= merchant.quota(policy) { Cycle::Quick } else { Cycle::Standard };
        let settles_at = match cycle {
            Cycle::Quick => calendar.start_of(day + policy.quick_days),
            Cycle::Standard => calendar.start_of(day + policy.standard_days),
        };
        let counted = policy.counts == Counts::All || cycle == Cycle::Quick;
        let after = if counted { before + price } else { before };
        let receipt = merchant.receipt(version, before, after, self.policies.start_of(day + 1));
        let answer = Classified { cycle, settles_at, completed_at, replayed: false, receipt: receipt.clone() };
        merchant.orders.push(Order {
            id: request.order_id.clone(),
            price,
            profit,
            completed_at,
            day,
            cycle,
            settles_at,
            settled: false,
            imported: false,
            reversed: 0,
            uncounted: 0,
            profit_reversed: 0,
            answer: answer.clone(),
            recorded_at: self.now,
            entry: merchant.next_entry(),
        });
        merchant.wake(true);
        let mut fact = Fact::new(Kind::OrderClassified, profit, completed_at).about(&request.order_id);
        fact.receipt = Some(receipt);
        merchant.record(fact, self.now);
        self.warn_of_use(&mut merchant, day, after);
        merchant.apply_due(self.now, &self.policies); // an order that came so late settles at once
        self.keep(&request.merchant_id, merchant, request.validate_only);
        Ok(ModelAnswer::Classified(answer))
    }

    pub fn modify_guarantee(&mut self, request: &ModifyRequest) -> Result<ModelAnswer, ModelRefusal> {
        check(is_id(&request.merchant_id), malformed("merchant_id"))?;
        let dollars = request.guarantee.ok_or(malformed("guarantee"))?;
        check(dollars <= LARGEST_GUARANTEE, malformed("guarantee"))?;
        check(is_id(&request.request_id), malformed("request_id"))?;
        let wanted = i128::from(dollars) * 100;
        let asked = Request::Modify(request.clone());
        let common = Common::of(&request.merchant_id, &request.request_id, request.validate_only, request.not_after);
        self.once(common, asked, true, |model, merchant| {
            let (policy, previous) = (model.policy(), merchant.guarantee);
            check(policy.max_guarantee.is_none_or(|max| dollars <= max), ModelRefusal::GuaranteeAboveMaximum)?;
            let raises = wanted > previous;
            check(!raises || merchant.state == MerchantState::Open, ModelRefusal::ClosingAlready)?;
            if wanted < previous {
                check(wanted >= policy.required(&merchant.categories), ModelRefusal::BelowRequired)?;
                check(merchant.has_clean_record(policy, model.now), ModelRefusal::NoCleanRecord)?;
            }
            let moved = merchant.set_guarantee(wanted, model.now, policy.release_after);
            let room = merchant.open_releases().count() <= model.limits.releases || moved.release.is_none();
            check(room, ModelRefusal::TooManyReleases)?;
            let receipt = model.receipt_of_today(merchant);
            let answer = Modified {
                guarantee: money(merchant.guarantee),
                previous_guarantee: money(previous),
                frozen: money(merchant.frozen),
                gap: money(merchant.gap()),
                available: money(merchant.available),
                taken_from_releasing: money(moved.from_releasing),
                taken_from_available: money(moved.from_available),
                release: moved.release.map(|release| release.shown()),
                modified_at: model.now,
                replayed: false,
                receipt: receipt.clone(),
            };
            let by = (wanted - previous).abs();
            merchant.record(
                Fact::new(Kind::GuaranteeModified, by, model.now).asked(&request.request_id, &receipt),
                model.now,
            );
            let used = merchant.day_total(model.today(), policy.counts);
            model.warn_of_use(merchant, model.today(), used);
            Ok(ModelAnswer::Modified(answer))
        })
    }

    /// Runs a command that has a request_id: answers a known one again, or else checks, acts, and does what this made due.
    fn once(
        &mut self,
        common: Common<'_>,
        asked: Request,
        opens: bool,
        act: impl FnOnce(&Self, &mut ModelMerchant) -> Result<ModelAnswer, ModelRefusal>,
    ) -> Result<ModelAnswer, ModelRefusal> {
        let mut merchant = self.peek(common.merchant_id);
        if let Some(known) = merchant.kept.get(common.request_id) {
            repeats::check_same(&known.asked, &asked)?;
            return Ok(known.answer.clone().again());
        }
        self.check_not_after(common.not_after)?;
        check(opens || self.merchants.contains_key(common.merchant_id), ModelRefusal::NotFound)?;
        let answer = act(self, &mut merchant)?;
        merchant.apply_due(self.now, &self.policies);
        merchant.kept.insert(common.request_id.to_owned(), Kept { asked, answer: answer.clone() });
        self.keep(common.merchant_id, merchant, common.validate_only);
        Ok(answer)
    }

    /// What is in force, and today's total, which most commands leave as it is.
    fn receipt_of_today(&self, merchant: &ModelMerchant) -> Receipt {
        let (version, today) = (self.version(), self.today());
        let total = merchant.day_total(today, version.policy.counts);
        merchant.receipt(version, total, total, self.policies.start_of(today + 1))
    }

    /// Right behind an order or a change of the guarantee: a warning when as much of the quota of the day is used as policy says,
    /// once for each day. An import is neither.
    fn warn_of_use(&self, merchant: &mut ModelMerchant, day: i64, used: i128) {
        let policy = self.policy();
        let (Some(percent), quota) = (policy.warn_quota_percent, merchant.quota(policy)) else { return };
        if quota > 0 && used * 100 >= i128::from(percent) * quota && merchant.warned_days.insert(day) {
            merchant.record(Fact::new(Kind::WarningRaised, used, merchant.last_effective()), self.now);
        }
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

/// What all commands with a request_id have.
#[derive(Debug, Clone, Copy)]
struct Common<'a> {
    merchant_id: &'a str,
    request_id: &'a str,
    validate_only: bool,
    not_after: Option<i64>,
}

impl<'a> Common<'a> {
    fn of(merchant_id: &'a str, request_id: &'a str, validate_only: bool, not_after: Option<i64>) -> Self {
        Self { merchant_id, request_id, validate_only, not_after }
    }
}

fn check(holds: bool, refusal: ModelRefusal) -> Result<(), ModelRefusal> {
    if holds { Ok(()) } else { Err(refusal) }
}

fn malformed(field: &'static str) -> ModelRefusal {
    ModelRefusal::Malformed { field }
}

/// An amount above 0.
fn positive(text: &str, field: &'static str) -> Result<i128, ModelRefusal> {
    cents(text).filter(|amount| *amount > 0).ok_or(malformed(field))
}

/// On the wire an absent text and an empty one are the same.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
