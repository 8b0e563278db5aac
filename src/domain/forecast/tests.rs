//! A forecast against what time brings about.

use std::time::Duration;

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::domain::{
    Context, Id, ImportMerchant, ImportedRelease, InForce, Limits, PendingToImport, PlaceHold, Policy, Stage, Text,
    as_of, decide,
};

const NOW: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);

fn later(hours: u64) -> Timestamp {
    NOW.after(Duration::from_secs(hours * 3_600))
}

fn cents() -> impl Strategy<Value = Money> {
    (1..10_000_i128).prop_map(Money::from_cents)
}

prop_compose! {
    /// A merchant in debt, with a gap, or with money on its way, that may be closing.
    fn merchant()(
        debt in option::of(cents()),
        gap in 0..100_u64,
        releasing in vec((cents(), 1..20_u64), 0..4),
        pending in vec((cents(), 1..20_u64, any::<bool>()), 0..6),
        closing in any::<bool>(),
    ) -> (Merchant, Timeline) {
        let warned = Policy { warn_gap_after: Some(Duration::from_secs(7_200)), warn_debt_after: Some(Duration::from_secs(3_600)), ..Policy::default() };
        let policies = Timeline::new(InForce::first(warned, NOW));
        let release = |(amount, hours)| ImportedRelease { amount, due_at: later(hours) };
        let pending = pending.into_iter().map(|(profit, hours, quick)| {
            let cycle = if quick { Cycle::Quick } else { Cycle::Standard };
            PendingToImport { settles_at: later(hours), cycle, orders: 1, profit }
        });
        let gap = if releasing.is_empty() && !closing { gap } else { 0 };
        let import = ImportMerchant {
            debt: debt.unwrap_or_default(),
            guarantee: Money::from_dollars(gap),
            releasing: releasing.into_iter().map(release).collect(),
            pending: pending.collect(),
            ..ImportMerchant::empty(Id::parse("i").unwrap())
        };
        let context = Context { now: NOW, policies: &policies, limits: Limits::default(), subject: None };
        let mut merchant = Merchant::default();
        decide(&import.validated().unwrap(), &merchant, &context).unwrap().changes.apply_to(&mut merchant);
        if closing {
            merchant.stage = Stage::Closing;
        }
        (merchant, policies)
    }
}

proptest! {
    #[test]
    fn it_comes_as_foreseen((merchant, policies) in merchant()) {
        let forecast = merchant.forecast(&policies);
        prop_assert_eq!(forecast.items.len(), merchant.pending.len() + merchant.releases.len());
        prop_assert!(forecast.items.is_sorted_by_key(|item| item.due_at));
        for (item, next) in forecast.items.iter().zip(forecast.items.iter().skip(1).map(Some).chain([None])) {
            if next.is_none_or(|next| next.due_at > item.due_at) {
                prop_assert_eq!(as_of(&merchant, item.due_at, &policies).available, item.available);
            }
        }
        let all: Money = forecast.items.iter().map(|item| item.income.total()).sum();
        prop_assert_eq!(all, merchant.pending() + merchant.releasing());
    }

    #[test]
    fn what_is_held_cannot_be_foreseen((mut merchant, policies) in merchant()) {
        let context = Context { now: NOW, policies: &policies, limits: Limits::default(), subject: None };
        let hold = PlaceHold::new(Id::parse("h").unwrap(), Text::parse("why").unwrap()).unwrap();
        decide(&hold, &merchant, &context).unwrap().changes.apply_to(&mut merchant);
        let forecast = merchant.forecast(&policies);
        prop_assert_eq!(forecast.held, merchant.releasing());
        prop_assert!(forecast.items.iter().all(|item| matches!(item.kind, Foreseeable::Settlement(_))));
    }
}
