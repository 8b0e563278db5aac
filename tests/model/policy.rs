//! The rules as data, their versions, and the calendar that follows from them.

use std::collections::BTreeMap;

use super::api::{ModelRefusal, PolicyRequest};
use super::plain::{DAY, SECOND, is_id};
use super::{Model, check, repeats};
use crate::model::answers::ModelAnswer;

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

/// The settings of policy that the rules name. The default is the published rules. Durations are microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPolicy {
    pub base_multiple: u32,
    /// Historical profit strictly above this many cents has this multiple; rising.
    pub tiers: Vec<(i128, u32)>,
    pub counts: Counts,
    pub basis: Basis,
    /// From 00:00 UTC to the start of the settlement day.
    pub day_start: i64,
    pub quick_days: i64,
    pub standard_days: i64,
    pub release_after: i64,
    /// In whole dollars.
    pub max_guarantee: Option<u64>,
    /// How far a completion may lie back.
    pub max_lateness: i64,
    /// How far ahead of now a completion may lie.
    pub max_ahead: i64,
    pub appeal_window: i64,
    pub clean_record: Option<i64>,
    /// In whole dollars.
    pub category_minimums: BTreeMap<String, u64>,
    pub warn_gap_after: Option<i64>,
    pub warn_debt_after: Option<i64>,
    pub warn_quota_percent: Option<u32>,
}

impl Default for ModelPolicy {
    fn default() -> Self {
        Self {
            base_multiple: 1,
            tiers: vec![(1_000_00, 3), (5_000_00, 5), (30_000_00, 10)],
            counts: Counts::All,
            basis: Basis::Guarantee,
            day_start: 0,
            quick_days: 2,
            standard_days: 7,
            release_after: 7 * DAY,
            max_guarantee: None,
            max_lateness: DAY,
            max_ahead: 5 * SECOND,
            appeal_window: 30 * DAY,
            clean_record: None,
            category_minimums: BTreeMap::new(),
            warn_gap_after: None,
            warn_debt_after: None,
            warn_quota_percent: None,
        }
    }
}

impl ModelPolicy {
    /// The settlement day an instant lies in, by this calendar.
    pub fn day_of(&self, instant: i64) -> i64 {
        (instant - self.day_start).div_euclid(DAY)
    }

    /// The instant a settlement day starts at, by this calendar.
    pub fn start_of(&self, day: i64) -> i64 {
        day * DAY + self.day_start
    }

    pub fn multiple(&self, historical_profit: i128) -> u32 {
        let mut multiple = self.base_multiple;
        for (above, then) in &self.tiers {
            if historical_profit > *above {
                multiple = *then;
            }
        }
        multiple
    }

    /// In cents.
    pub fn required(&self, categories: &[String]) -> i128 {
        let one = |category| self.category_minimums.get(category).map_or(0, |dollars| i128::from(*dollars) * 100);
        categories.iter().map(one).max().unwrap_or(0)
    }

    /// The bounds that the public API names.
    pub fn is_valid(&self) -> bool {
        let duration = |limit: i64| move |length: i64| (0..=limit).contains(&length);
        let year = duration(365 * DAY);
        // Those that may be absent are above 0: the API does not say so, but absent is what 0 would mean.
        let some_time = |length: i64| length > 0 && year(length);
        let multiple = |multiple: u32| (1..=1_000).contains(&multiple);
        let above_base = self.tiers.first().is_none_or(|(_, first)| *first >= self.base_multiple);
        multiple(self.base_multiple)
            && self.tiers.len() <= 32
            && above_base
            && self.tiers.iter().all(|(_, higher)| multiple(*higher))
            && self.tiers.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1)
            && (0..DAY).contains(&self.day_start)
            && self.quick_days >= 1
            && self.quick_days < self.standard_days
            && self.standard_days <= 30
            && year(self.release_after)
            && duration(7 * DAY)(self.max_lateness)
            && duration(60 * SECOND)(self.max_ahead)
            && year(self.appeal_window)
            && self.clean_record.is_none_or(some_time)
            && self.warn_gap_after.is_none_or(some_time)
            && self.warn_debt_after.is_none_or(some_time)
            && self.warn_quota_percent.is_none_or(|percent| (1..=100).contains(&percent))
            && self.category_minimums.len() <= 1_000
            && self.category_minimums.iter().all(|(category, dollars)| is_id(category) && *dollars > 0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    pub version: u64,
    pub policy: ModelPolicy,
    pub effective_at: i64,
    pub announced_at: i64,
    pub request_id: String,
    pub reason: String,
}

/// All versions there are, oldest first; the last may only be announced yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies(pub Vec<PolicyVersion>);

impl Policies {
    pub fn new(policy: ModelPolicy, from: i64) -> Self {
        let (request_id, reason) = (String::new(), String::new());
        Self(vec![PolicyVersion { version: 1, policy, effective_at: from, announced_at: from, request_id, reason }])
    }

    /// The version in force at an instant. Before the first one came into force it is the first one.
    pub fn version_at(&self, instant: i64) -> &PolicyVersion {
        self.0.iter().rev().find(|version| version.effective_at <= instant).unwrap_or(&self.0[0])
    }

    pub fn at(&self, instant: i64) -> &ModelPolicy {
        &self.version_at(instant).policy
    }

    /// The settlement day of an instant, by the calendar in force at it. Calendars change between two days, so a day grows longer
    /// or shorter, and its number never falls.
    pub fn day_of(&self, instant: i64) -> i64 {
        self.at(instant).day_of(instant)
    }

    /// When a settlement day begins, as far as is announced: in the first calendar that has it begin while it is in force.
    pub fn start_of(&self, day: i64) -> i64 {
        let mut all = self.0.iter().enumerate().filter_map(|(index, version)| {
            let from = if index == 0 { i64::MIN } else { version.effective_at };
            let start = from.max(version.policy.start_of(day));
            let replaced = self.0.get(index + 1).is_some_and(|next| next.effective_at <= start);
            (!replaced).then_some(start)
        });
        all.next().unwrap()
    }

    /// The versions that were announced by then.
    pub fn announced_by(&self, instant: i64) -> Self {
        let mut all = self.0.clone();
        all.retain(|version| version.version == 1 || version.announced_at <= instant);
        Self(all)
    }

    pub fn latest(&self) -> &PolicyVersion {
        self.0.last().unwrap()
    }

    /// When a warning of something that has lasted since then falls due: as soon as the version in force says it has lasted too
    /// long, which may be when that version comes into force.
    pub fn warning_due(&self, since: i64, limit: fn(&ModelPolicy) -> Option<i64>) -> Option<i64> {
        let mut all = self.0.iter().enumerate().filter_map(|(index, version)| {
            let from = if index == 0 { i64::MIN } else { version.effective_at };
            let due = from.max(since + limit(&version.policy)?);
            let replaced = self.0.get(index + 1).is_some_and(|next| next.effective_at <= due);
            (!replaced).then_some(due)
        });
        all.next()
    }
}

/// What can be said without knowing what is in force.
pub fn policy_shape(request: &PolicyRequest) -> Result<(), ModelRefusal> {
    check(request.policy.is_valid(), ModelRefusal::Malformed { field: "policy" })?;
    check(request.reason.chars().count() <= 500, ModelRefusal::Malformed { field: "reason" })?;
    check(is_id(&request.request_id), ModelRefusal::Malformed { field: "request_id" })
}

/// How far ahead a version has to be announced.
pub const NOTICE: i64 = SECOND;

impl Model {
    pub fn set_policy(&mut self, request: &PolicyRequest) -> Result<ModelAnswer, ModelRefusal> {
        policy_shape(request)?;
        if let Some((known, answer)) = self.policy_requests.get(&request.request_id) {
            repeats::same_policy(known, request)?;
            return Ok(answer.clone().again());
        }
        self.check_not_after(request.not_after)?;
        let latest = self.policies.latest();
        let expected = [0, latest.version].contains(&request.expected_version);
        check(expected, ModelRefusal::OtherVersion)?;

        // A change of the calendar comes into force between two days of the calendar it replaces.
        let shifts = latest.policy.day_start != request.policy.day_start;
        let earliest = (self.now + NOTICE).max(latest.effective_at + 1);
        let boundary = |at: i64| latest.policy.start_of(latest.policy.day_of(at)) == at;
        let effective_at = match request.effective_at {
            Some(at) => at,
            None if shifts && !boundary(earliest) => latest.policy.start_of(latest.policy.day_of(earliest) + 1),
            None => earliest,
        };
        check(effective_at >= earliest, ModelRefusal::PolicyTooEarly)?;
        check(!shifts || boundary(effective_at), ModelRefusal::NotBetweenDays)?;

        let policy = PolicyVersion {
            version: latest.version + 1,
            policy: request.policy.clone(),
            effective_at,
            announced_at: self.now,
            request_id: request.request_id.clone(),
            reason: request.reason.clone(),
        };
        let answer = ModelAnswer::PolicySet { policy: policy.clone(), replayed: false };
        if !request.validate_only {
            self.policies.0.push(policy);
            self.policy_requests.insert(request.request_id.clone(), (request.clone(), answer.clone()));
        }
        Ok(answer)
    }
}
