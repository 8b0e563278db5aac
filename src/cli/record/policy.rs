//! Policies.

use serde_json::{Value, json};

use super::value::{cents, duration, instant, present};
use crate::proto::journal::{
    Policy, PolicySet,
    policy::{CategoryMinimum, QuotaBasis, QuotaCounts, Tier},
};

/// An announced policy. The first one was asked for by no request.
pub(super) fn set(set: &PolicySet) -> Value {
    let asked = !set.request_id.is_empty();
    json!({
        "version": set.version,
        "effective_at": instant(set.effective_at),
        "request_id": asked.then_some(&set.request_id),
        "effective_asked": set.effective_asked.map(instant),
        "announced_at": instant(set.announced_at),
        "reason": asked.then_some(&set.reason),
        "policy": set.policy.as_ref().map(rules),
    })
}

pub(super) fn rules(policy: &Policy) -> Value {
    let tier = |tier: &Tier| json!({ "above": cents(tier.above), "multiple": tier.multiple });
    let minimum =
        |minimum: &CategoryMinimum| json!({ "category": minimum.category, "guarantee": cents(minimum.guarantee) });
    let counts = match policy.quota_counts() {
        QuotaCounts::All => "all",
        QuotaCounts::Quick => "quick",
        QuotaCounts::Unspecified => "unknown",
    };
    let basis = match policy.quota_basis() {
        QuotaBasis::Guarantee => "guarantee",
        QuotaBasis::Frozen => "frozen",
        QuotaBasis::Unspecified => "unknown",
    };
    let rules = json!({
        "base_multiple": policy.base_multiple,
        "tiers": policy.tiers.iter().map(tier).collect::<Value>(),
        "quota_counts": counts,
        "quota_basis": basis,
        "day_start": duration(policy.day_start),
        "quick_days": policy.quick_days,
        "standard_days": policy.standard_days,
        "release_after": duration(policy.release_after),
        "max_guarantee": policy.max_guarantee.map(cents),
        "max_lateness": duration(policy.max_lateness),
        "max_ahead": duration(policy.max_ahead),
        "appeal_window": duration(policy.appeal_window),
        "clean_record": policy.clean_record.map(duration),
        "category_minimums": policy.category_minimums.iter().map(minimum).collect::<Value>(),
        "warn_gap_after": policy.warn_gap_after.map(duration),
        "warn_debt_after": policy.warn_debt_after.map(duration),
        "warn_quota_percent": policy.warn_quota_percent,
    });
    present(rules).into()
}
