//! Policies.

use std::time::Duration;

use super::{Malformed, input, required};
use crate::{
    domain::{Calendar, InForce, Policy, QuotaBasis, QuotaCounts, Tier, Timestamp},
    proto::journal::{
        self as pb,
        policy::{QuotaBasis as PbBasis, QuotaCounts as PbCounts},
    },
};

/// A policy as it is written.
pub(crate) fn encode_policy(in_force: &InForce) -> pb::PolicySet {
    let policy = &in_force.policy;
    let tier = |tier: &Tier| pb::policy::Tier { above: tier.above.input_cents(), multiple: tier.multiple };
    let counts = match policy.counts {
        QuotaCounts::All => PbCounts::All,
        QuotaCounts::Quick => PbCounts::Quick,
    };
    let basis = match policy.basis {
        QuotaBasis::Guarantee => PbBasis::Guarantee,
        QuotaBasis::Frozen => PbBasis::Frozen,
    };
    let policy = pb::Policy {
        base_multiple: policy.base_multiple,
        tiers: policy.tiers.iter().map(tier).collect(),
        quota_counts: counts.into(),
        quota_basis: basis.into(),
        day_start: micros(policy.calendar.day_start),
        quick_days: policy.quick_days,
        standard_days: policy.standard_days,
        release_after: micros(policy.release_after),
        max_guarantee: policy.max_guarantee.map(|maximum| maximum.input_cents()),
        max_lateness: micros(policy.max_lateness),
        max_ahead: micros(policy.max_ahead),
    };
    pb::PolicySet { version: in_force.version, effective_at: in_force.effective_at.micros(), policy: Some(policy) }
}

/// A policy as it was written.
///
/// # Errors
/// When a field is missing or out of bounds.
pub(crate) fn decode_policy(set: pb::PolicySet) -> Result<InForce, Malformed> {
    let policy = required("policy", set.policy)?;
    let counts = match PbCounts::try_from(policy.quota_counts) {
        Ok(PbCounts::All) => QuotaCounts::All,
        Ok(PbCounts::Quick) => QuotaCounts::Quick,
        Ok(PbCounts::Unspecified) | Err(_) => return Err(Malformed("quota_counts is unknown".into())),
    };
    let basis = match PbBasis::try_from(policy.quota_basis) {
        Ok(PbBasis::Guarantee) => QuotaBasis::Guarantee,
        Ok(PbBasis::Frozen) => QuotaBasis::Frozen,
        Ok(PbBasis::Unspecified) | Err(_) => return Err(Malformed("quota_basis is unknown".into())),
    };
    let tier = |tier: &pb::policy::Tier| Tier { above: input(tier.above), multiple: tier.multiple };
    let policy = Policy {
        base_multiple: policy.base_multiple,
        tiers: policy.tiers.iter().map(tier).collect(),
        counts,
        basis,
        calendar: Calendar { day_start: duration(policy.day_start)? },
        quick_days: policy.quick_days,
        standard_days: policy.standard_days,
        release_after: duration(policy.release_after)?,
        max_guarantee: policy.max_guarantee.map(input),
        max_lateness: duration(policy.max_lateness)?,
        max_ahead: duration(policy.max_ahead)?,
    };
    let policy = policy.validated().map_err(|invalid| Malformed(format!("policy: {invalid}")))?;
    Ok(InForce { version: set.version, effective_at: Timestamp::from_micros(set.effective_at), policy })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn duration(micros: i64) -> Result<Duration, Malformed> {
    u64::try_from(micros).map(Duration::from_micros).map_err(|_| Malformed(format!("{micros} µs is no duration")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_survives() {
        let policy = Policy { max_guarantee: Some(input(1_000_000)), ..Policy::default() };
        let before = InForce { version: 3, effective_at: Timestamp::from_micros(5), policy };
        assert_eq!(decode_policy(encode_policy(&before)), Ok(before));
    }
}
