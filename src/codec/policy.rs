//! Policies.

use std::time::Duration;

use super::{
    Malformed,
    fact::{decode_id, decode_text},
    input, required,
};
use crate::{
    domain::{Announcement, Calendar, InForce, Policy, QuotaBasis, QuotaCounts, Tier, Timestamp},
    proto::journal::{
        self as pb,
        policy::{QuotaBasis as PbBasis, QuotaCounts as PbCounts},
    },
};

/// A policy as it is written.
pub(crate) fn encode_policy(in_force: &InForce) -> pb::PolicySet {
    let announcement = in_force.announcement.as_ref();
    pb::PolicySet {
        version: in_force.version,
        effective_at: in_force.effective_at.micros(),
        policy: Some(encode_rules(&in_force.policy)),
        request_id: announcement.map(|it| it.request_id.as_str().into()).unwrap_or_default(),
        effective_asked: announcement.and_then(|it| it.effective_asked).map(Timestamp::micros),
        announced_at: announcement.map_or(in_force.effective_at, |it| it.announced_at).micros(),
        reason: announcement.map(|it| it.reason.as_str().into()).unwrap_or_default(),
    }
}

/// A policy as it was written.
///
/// # Errors
/// When a field is missing or out of bounds.
pub(crate) fn decode_policy(set: pb::PolicySet) -> Result<InForce, Malformed> {
    let policy = decode_rules(required("policy", set.policy)?)?;
    let announcement = (!set.request_id.is_empty()).then(|| {
        Ok(Announcement {
            request_id: decode_id(&set.request_id)?,
            announced_at: Timestamp::from_micros(set.announced_at),
            effective_asked: set.effective_asked.map(Timestamp::from_micros),
            reason: decode_text(&set.reason)?,
        })
    });
    let effective_at = Timestamp::from_micros(set.effective_at);
    Ok(InForce { version: set.version, effective_at, policy, announcement: announcement.transpose()? })
}

pub(super) fn encode_rules(policy: &Policy) -> pb::Policy {
    let tier = |tier: &Tier| pb::policy::Tier { above: tier.above.input_cents(), multiple: tier.multiple };
    let counts = match policy.counts {
        QuotaCounts::All => PbCounts::All,
        QuotaCounts::Quick => PbCounts::Quick,
    };
    let basis = match policy.basis {
        QuotaBasis::Guarantee => PbBasis::Guarantee,
        QuotaBasis::Frozen => PbBasis::Frozen,
    };
    let minimums = policy.category_minimums.iter().map(|(category, guarantee)| pb::policy::CategoryMinimum {
        category: category.as_str().into(),
        guarantee: guarantee.input_cents(),
    });
    pb::Policy {
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
        appeal_window: micros(policy.appeal_window),
        clean_record: policy.clean_record.map(micros),
        category_minimums: minimums.collect(),
        warn_gap_after: policy.warn_gap_after.map(micros),
        warn_debt_after: policy.warn_debt_after.map(micros),
        warn_quota_percent: policy.warn_quota_percent,
    }
}

pub(super) fn decode_rules(policy: pb::Policy) -> Result<Policy, Malformed> {
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
    let minimum = |minimum: &pb::policy::CategoryMinimum| -> Result<_, Malformed> {
        Ok((decode_id(&minimum.category)?, input(minimum.guarantee)))
    };
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
        appeal_window: duration(policy.appeal_window)?,
        clean_record: policy.clean_record.map(duration).transpose()?,
        category_minimums: policy.category_minimums.iter().map(minimum).collect::<Result<_, _>>()?,
        warn_gap_after: policy.warn_gap_after.map(duration).transpose()?,
        warn_debt_after: policy.warn_debt_after.map(duration).transpose()?,
        warn_quota_percent: policy.warn_quota_percent,
    };
    policy.validated().map_err(|invalid| Malformed(format!("policy: {invalid}")))
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
    use crate::domain::{Id, Text};

    #[test]
    fn a_policy_survives() {
        let month = Some(Duration::from_secs(30 * 24 * 3600));
        let policy = Policy {
            max_guarantee: Some(input(1_000_000)),
            clean_record: month,
            category_minimums: [(Id::parse("toys").unwrap(), input(50_000))].into(),
            warn_gap_after: month,
            warn_debt_after: month,
            warn_quota_percent: Some(80),
            ..Policy::default()
        };
        let announcement = Announcement {
            request_id: Id::parse("r").unwrap(),
            announced_at: Timestamp::from_micros(4),
            effective_asked: Some(Timestamp::from_micros(5)),
            reason: Text::parse("more toys").unwrap(),
        };
        let first = InForce::first(policy, Timestamp::from_micros(5));
        let before = InForce { version: 3, announcement: Some(announcement), ..first };
        assert_eq!(decode_policy(encode_policy(&before)), Ok(before));
    }
}
