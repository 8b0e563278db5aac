//! Policies.

use std::collections::{BTreeMap, HashMap};

use tonic::Status;

use super::{Field, Fields, history::merchants};
use crate::{
    domain::{
        Calendar, Category, InvalidId, InvalidPolicy, MerchantId, Money, Policy, QuotaBasis, QuotaCounts, SetPolicy,
        Tier,
    },
    engine::PolicyRequest,
    proto::v1::{self, SetPolicyRequest},
};

/// A policy to be announced.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn set_policy(request: &SetPolicyRequest) -> Result<PolicyRequest, Status> {
    let mut fields = Fields::default();
    let set = announcement(&mut fields, request);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let read = set.map(|set| PolicyRequest {
        set,
        // Who asks is known to the service.
        caller: String::new(),
        validate_only: request.validate_only,
        not_after,
    });
    fields.unless_bad(read)
}

/// The announcement itself.
pub(super) fn announcement(fields: &mut Fields, request: &SetPolicyRequest) -> Option<SetPolicy> {
    let policy = policy(fields, request.policy.as_ref());
    let effective_at = fields.instant("effective_at", request.effective_at.as_ref());
    let expected_version = Some(request.expected_version).filter(|version| *version != 0);
    let reason = fields.text("reason", &request.reason);
    let request_id = fields.id("request_id", &request.request_id);
    let (request_id, policy) = request_id.zip(policy)?;
    Some(SetPolicy { request_id, policy, effective_at, expected_version, reason })
}

/// A policy to be tried, and the merchants to try it on; none: on all.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn evaluate_policy(request: &v1::EvaluatePolicyRequest) -> Result<(Policy, Vec<MerchantId>), Status> {
    let mut fields = Fields::default();
    let policy = policy(&mut fields, request.policy.as_ref());
    let merchants = merchants(&mut fields, "merchant_ids", &request.merchant_ids);
    fields.unless_bad(policy.map(|policy| (policy, merchants)))
}

/// The rules. What the domain finds wrong with them is told by the names of the API.
pub(super) fn policy(fields: &mut Fields, given: Option<&v1::Policy>) -> Option<Policy> {
    let given = fields.present("policy", given)?;
    let counts = fields.choice("policy.quota_counts", given.quota_counts, |counts| match counts {
        v1::QuotaCounts::Unspecified => None,
        v1::QuotaCounts::All => Some(QuotaCounts::All),
        v1::QuotaCounts::Quick => Some(QuotaCounts::Quick),
    });
    let basis = fields.choice("policy.quota_basis", given.quota_basis, |basis| match basis {
        v1::QuotaBasis::Unspecified => None,
        v1::QuotaBasis::Guarantee => Some(QuotaBasis::Guarantee),
        v1::QuotaBasis::Frozen => Some(QuotaBasis::Frozen),
    });
    // What is bad has been blamed; the published value stands in for it while the rest is judged.
    let published = Policy::default();
    let mut duration =
        |field, given: &Option<_>, published| fields.required_duration(field, given.as_ref()).unwrap_or(published);
    let day_start = duration("policy.day_start", &given.day_start, published.calendar.day_start);
    let release_after = duration("policy.release_after", &given.release_after, published.release_after);
    let max_lateness = duration("policy.max_lateness", &given.max_lateness, published.max_lateness);
    let max_ahead = duration("policy.max_ahead", &given.max_ahead, published.max_ahead);
    let appeal_window = duration("policy.appeal_window", &given.appeal_window, published.appeal_window);
    let policy = Policy {
        base_multiple: given.base_multiple,
        tiers: tiers(fields, &given.tiers),
        counts: counts.unwrap_or(published.counts),
        basis: basis.unwrap_or(published.basis),
        calendar: Calendar { day_start },
        quick_days: given.quick_days,
        standard_days: given.standard_days,
        release_after,
        max_guarantee: given.max_guarantee.map(Money::from_dollars),
        max_lateness,
        max_ahead,
        appeal_window,
        clean_record: fields.duration("policy.clean_record", given.clean_record.as_ref()),
        category_minimums: category_minimums(fields, &given.category_minimums),
        warn_gap_after: fields.duration("policy.warn_gap_after", given.warn_gap_after.as_ref()),
        warn_debt_after: fields.duration("policy.warn_debt_after", given.warn_debt_after.as_ref()),
        warn_quota_percent: given.warn_quota_percent,
    };
    policy.misfits().into_iter().for_each(|InvalidPolicy { key, reason }| fields.blame_named(field_of(&key), reason));
    policy.validated().ok()
}

/// The tiers; none while an amount of them is bad, as they are judged against each other.
fn tiers(fields: &mut Fields, given: &[v1::MultipleTier]) -> Vec<Tier> {
    let tier = |(index, given): (usize, &v1::MultipleTier)| {
        let item = Field::item("policy.tiers", index);
        let above = fields.amount(item.dot("above"), &given.above);
        let tier = Tier { above: above.unwrap_or_default(), multiple: given.multiple };
        fields.judged_item(item, tier.check());
        above.map(|_| tier)
    };
    let read: Vec<Option<Tier>> = given.iter().enumerate().map(tier).collect();
    read.into_iter().collect::<Option<_>>().unwrap_or_default()
}

fn category_minimums(fields: &mut Fields, given: &HashMap<String, u64>) -> BTreeMap<Category, Money> {
    let minimum = |(category, dollars): (&String, &u64)| {
        let category = fields.read("policy.category_minimums", Category::parse(category).map_err(in_a_key))?;
        Some((category, Money::from_dollars(*dollars)))
    };
    given.iter().filter_map(minimum).collect()
}

fn in_a_key(reason: InvalidId) -> String {
    format!("has a key that {reason}")
}

/// The field of the API that says what a key of the policy file says.
fn field_of(key: &str) -> String {
    let field = match key {
        "calendar.day_start" => "day_start",
        "settlement.quick_days" => "quick_days",
        "settlement.standard_days" => "standard_days",
        "guarantee.release_after" => "release_after",
        "guarantee.maximum" => "max_guarantee",
        "guarantee.clean_record" => "clean_record",
        "orders.max_lateness" => "max_lateness",
        "orders.max_ahead" => "max_ahead",
        "appeals.window" => "appeal_window",
        "categories" => "category_minimums",
        "warnings.gap_after" => "warn_gap_after",
        "warnings.debt_after" => "warn_debt_after",
        "warnings.quota_percent" => "warn_quota_percent",
        // The multiples and their tiers have the same names behind their section.
        other => other.strip_prefix("quota.").unwrap_or(other),
    };
    format!("policy.{field}")
}
