//! Policies.

use super::{dollars, duration, timestamp};
use crate::{
    domain::{InForce, Money, Outcome, Policy, QuotaBasis, QuotaCounts, Tier, Timestamp},
    engine::Announced,
    proto::v1,
};

/// What was announced.
pub fn policy_announced(announced: &Announced) -> v1::SetPolicyResponse {
    v1::SetPolicyResponse { policy: Some(policy_version(&announced.in_force)), replayed: announced.replayed }
}

/// A version of the policy.
pub fn policy(in_force: &InForce, latest_version: u64) -> v1::GetPolicyResponse {
    v1::GetPolicyResponse { policy: Some(policy_version(in_force)), latest_version }
}

/// A page of versions.
pub fn policies(versions: &[&InForce], next_page_token: String) -> v1::ListPoliciesResponse {
    let policies = versions.iter().map(|in_force| policy_version(in_force)).collect();
    v1::ListPoliciesResponse { policies, next_page_token }
}

/// A version and when it counts.
pub fn policy_version(in_force: &InForce) -> v1::PolicyVersion {
    let announcement = in_force.announcement.as_ref();
    v1::PolicyVersion {
        version: in_force.version,
        policy: Some(rules(&in_force.policy)),
        effective_at: Some(timestamp(in_force.effective_at)),
        announced_at: Some(timestamp(announcement.map_or(in_force.effective_at, |it| it.announced_at))),
        request_id: announcement.map(|it| it.request_id.to_string()).unwrap_or_default(),
        reason: announcement.map(|it| it.reason.to_string()).unwrap_or_default(),
    }
}

/// What another policy would have made of the past, up to now.
pub fn evaluated(outcome: &Outcome, now: Timestamp) -> v1::EvaluatePolicyResponse {
    let shift = |(settles_at, recorded, evaluated): (Timestamp, Money, Money)| v1::SettlementShift {
        settles_at: Some(timestamp(settles_at)),
        recorded: recorded.to_string(),
        evaluated: evaluated.to_string(),
    };
    v1::EvaluatePolicyResponse {
        as_of: Some(timestamp(now)),
        merchants: outcome.merchants,
        orders: outcome.orders,
        quick_recorded: outcome.quick_recorded,
        quick_evaluated: outcome.quick_evaluated,
        became_quick: outcome.became_quick.0,
        became_quick_profit: outcome.became_quick.1.to_string(),
        became_standard: outcome.became_standard.0,
        became_standard_profit: outcome.became_standard.1.to_string(),
        refused: outcome.refused,
        orders_refused: outcome.orders_refused,
        shifts: outcome.shifts().map(shift).collect(),
    }
}

/// The rules alone.
pub fn rules(policy: &Policy) -> v1::Policy {
    let counts = match policy.counts {
        QuotaCounts::All => v1::QuotaCounts::All,
        QuotaCounts::Quick => v1::QuotaCounts::Quick,
    };
    let basis = match policy.basis {
        QuotaBasis::Guarantee => v1::QuotaBasis::Guarantee,
        QuotaBasis::Frozen => v1::QuotaBasis::Frozen,
    };
    let minimums = policy.category_minimums.iter();
    v1::Policy {
        base_multiple: policy.base_multiple,
        tiers: policy.tiers.iter().map(tier).collect(),
        quota_counts: counts.into(),
        quota_basis: basis.into(),
        day_start: Some(duration(policy.calendar.day_start)),
        quick_days: policy.quick_days,
        standard_days: policy.standard_days,
        release_after: Some(duration(policy.release_after)),
        max_guarantee: policy.max_guarantee.map(dollars),
        max_lateness: Some(duration(policy.max_lateness)),
        max_ahead: Some(duration(policy.max_ahead)),
        appeal_window: Some(duration(policy.appeal_window)),
        clean_record: policy.clean_record.map(duration),
        category_minimums: minimums.map(|(category, minimum)| (category.to_string(), dollars(*minimum))).collect(),
        warn_gap_after: policy.warn_gap_after.map(duration),
        warn_debt_after: policy.warn_debt_after.map(duration),
        warn_quota_percent: policy.warn_quota_percent,
    }
}

fn tier(tier: &Tier) -> v1::MultipleTier {
    v1::MultipleTier { above: tier.above.to_string(), multiple: tier.multiple }
}
