//! Policies on their way out and in.

use std::collections::BTreeMap;

use super::*;
use crate::{
    domain::{Calendar, Category, InForce, Policy, QuotaBasis, QuotaCounts, Tier},
    proto::v1::SetPolicyRequest,
};

fn micros(most: u64) -> impl Strategy<Value = Duration> {
    (1..=most).prop_map(Duration::from_micros)
}

const YEAR: u64 = 365 * 86_400_000_000;

prop_compose! {
    fn any_policy()(
        (counts, basis, quick_days, standard_days) in (
            prop_oneof![Just(QuotaCounts::All), Just(QuotaCounts::Quick)],
            prop_oneof![Just(QuotaBasis::Guarantee), Just(QuotaBasis::Frozen)],
            1..15_u32,
            15..=30_u32,
        ),
        amounts in proptest::collection::btree_set(0..99_999_999_999_999_i128, 0..8),
        (day_start, release_after, max_lateness, max_ahead) in (
            micros(86_399_999_999), micros(YEAR), micros(7 * 86_400_000_000), micros(60_000_000),
        ),
        max_guarantee in option::of(0..=Money::MAX_INPUT_DOLLARS),
        (appeal_window, clean_record, warn_gap_after, warn_debt_after) in (
            micros(YEAR), option::of(micros(YEAR)), option::of(micros(YEAR)), option::of(micros(YEAR)),
        ),
        minimums in vec(("[a-z.:]{1,9}", 1..10_000_u64), 0..5),
        warn_quota_percent in option::of(1..=100_u32),
    ) -> Policy {
        let minimums = minimums.iter();
        let minimums: BTreeMap<_, _> = minimums
            .map(|(name, dollars)| (Category::parse(name).unwrap(), Money::from_dollars(*dollars)))
            .collect();
        let tier = |(number, cents): (usize, &i128)| {
            Tier { above: Money::from_cents(*cents), multiple: u32::try_from(number).unwrap() + 2 }
        };
        let mut tiers: Vec<_> = amounts.iter().enumerate().map(tier).collect();
        tiers.reverse();
        Policy {
            base_multiple: 1,
            tiers,
            counts,
            basis,
            calendar: Calendar { day_start },
            quick_days,
            standard_days,
            release_after,
            max_guarantee: max_guarantee.map(Money::from_dollars),
            max_lateness,
            max_ahead,
            appeal_window,
            clean_record,
            category_minimums: minimums,
            warn_gap_after,
            warn_debt_after,
            warn_quota_percent,
        }
    }
}

proptest! {
    #[test]
    fn a_policy_survives_the_way_out_and_in(rules in any_policy()) {
        let shown = policy(&InForce::first(rules.clone(), Timestamp::from_micros(0)), 1);
        let mut rules_shown = shown.policy.and_then(|version| version.policy).unwrap();
        // In any order.
        rules_shown.tiers.reverse();
        let request = SetPolicyRequest { policy: Some(rules_shown), request_id: "p".into(), ..Default::default() };
        prop_assert_eq!(set_policy(&request).unwrap().set.policy, rules);
    }
}

#[test]
fn a_change_names_what_it_is_based_on() {
    let shown = policy(&InForce::first(Policy::default(), Timestamp::from_micros(0)), 1);
    let rules = shown.policy.and_then(|version| version.policy);
    let request = |expected_version| SetPolicyRequest {
        policy: rules.clone(),
        request_id: "p".into(),
        expected_version,
        ..SetPolicyRequest::default()
    };
    let expected = |version| set_policy(&request(version)).unwrap().set.expected_version;
    assert_eq!((expected(0), expected(3)), (None, Some(3)));
}
