//! Policies.

use std::time::Duration;

use super::{dollars, timestamp};
use crate::{
    domain::{InForce, Policy, QuotaBasis, QuotaCounts, Tier},
    engine::Announced,
    proto::v1,
};

/// What was announced.
pub fn policy_announced(announced: &Announced) -> v1::SetPolicyResponse {
    v1::SetPolicyResponse { policy: Some(version(&announced.in_force)), replayed: announced.replayed }
}

/// A version of the policy.
pub fn policy(in_force: &InForce, latest_version: u64) -> v1::GetPolicyResponse {
    v1::GetPolicyResponse { policy: Some(version(in_force)), latest_version }
}

/// A page of versions.
pub fn policies<'a>(versions: impl Iterator<Item = &'a InForce>, next_page_token: String) -> v1::ListPoliciesResponse {
    v1::ListPoliciesResponse { policies: versions.map(version).collect(), next_page_token }
}

fn version(in_force: &InForce) -> v1::PolicyVersion {
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

fn rules(policy: &Policy) -> v1::Policy {
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

fn duration(duration: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default() }
}
