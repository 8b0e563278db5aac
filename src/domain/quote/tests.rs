//! A quote against the rules themselves: the guarantee is set, and the orders are classified.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::domain::{
    ClassifyOrder, Command, Context, Cycle, Id, ImportMerchant, ImportedRelease, InForce, Limits, ModifyGuarantee,
    Policy, QuotaCounts, decide,
};

const NOW: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);

fn context(policies: &Timeline) -> Context<'_> {
    Context { now: NOW, policies, limits: Limits::default(), subject: None }
}

fn make<C: Command>(merchant: &mut Merchant, command: &C, policies: &Timeline) -> C::Fact {
    let decision = decide(command, merchant, &context(policies)).expect("it is taken");
    decision.changes.apply_to(merchant);
    merchant.check().expect("money is conserved");
    decision.fact
}

fn all_quick(merchant: &Merchant, prices: &[Money], policies: &Timeline) -> bool {
    let mut merchant = merchant.clone();
    let mut orders = prices.iter().enumerate().map(|(number, price)| {
        let id = Id::parse(&format!("quoted-{number}")).expect("an id");
        make(&mut merchant, &ClassifyOrder::new(id, *price, None, None).expect("valid"), policies).cycle
    });
    orders.all(|cycle| cycle == Cycle::Quick)
}

fn with_guarantee(merchant: &Merchant, dollars: u64, policies: &Timeline) -> Merchant {
    let mut merchant = merchant.clone();
    let command = ModifyGuarantee::new(Id::parse("quoted").expect("an id"), dollars).expect("valid");
    make(&mut merchant, &command, policies);
    merchant
}

fn cents(most: i128) -> impl Strategy<Value = Money> {
    (1..=most).prop_map(Money::from_cents)
}

fn policy() -> impl Strategy<Value = Policy> {
    let counts = prop_oneof![Just(QuotaCounts::All), Just(QuotaCounts::Quick)];
    let basis = prop_oneof![Just(QuotaBasis::Guarantee), Just(QuotaBasis::Frozen)];
    (counts, basis).prop_map(|(counts, basis)| Policy { counts, basis, ..Policy::default() })
}

/// A merchant with or without a gap, with orders of today.
fn merchant() -> impl Strategy<Value = (ImportMerchant, Vec<Money>)> {
    let profit = prop_oneof![Just(0), Just(100_001), Just(3_000_001)].prop_map(Money::from_cents);
    let money = (profit, 0..300_u64, 0..30_000_i128, cents(20_000), any::<bool>(), 0..30_000_i128);
    let import = money.prop_map(|(historical_profit, dollars, available, releasing, gap, frozen)| {
        let guarantee = Money::from_dollars(dollars);
        let import = ImportMerchant { historical_profit, guarantee, ..ImportMerchant::empty(Id::parse("i").unwrap()) };
        if gap {
            return ImportMerchant { frozen: Money::from_cents(frozen).min(guarantee), ..import };
        }
        let releasing =
            vec![ImportedRelease { amount: releasing, due_at: NOW.after(std::time::Duration::from_secs(1)) }];
        ImportMerchant { frozen: guarantee, available: Money::from_cents(available), releasing, ..import }
    });
    (import, vec(cents(20_000), 0..4))
}

proptest! {
    #[test]
    fn a_quote_suffices_and_a_dollar_less_does_not(
        policy in policy(),
        (import, orders) in merchant(),
        prices in vec(cents(40_000), 1..5),
    ) {
        let policies = Timeline::new(InForce::first(policy.clone(), NOW));
        let mut merchant = Merchant::default();
        make(&mut merchant, &import.validated().expect("valid"), &policies);
        for (number, price) in orders.iter().enumerate() {
            let id = Id::parse(&format!("order-{number}")).unwrap();
            make(&mut merchant, &ClassifyOrder::new(id, *price, None, None).unwrap(), &policies);
        }
        let quote = merchant.quote(&prices, NOW, &policies);
        let Some(guarantee) = quote.guarantee else {
            let too_little = matches!(quote.obstacle, Some(Obstacle::TooLittleToFreeze { .. }));
            prop_assert!(too_little);
            let highest = with_guarantee(&merchant, Money::MAX_INPUT_DOLLARS, &policies);
            prop_assert!(!all_quick(&highest, &prices, &policies));
            return Ok(());
        };
        let dollars = guarantee.input_cents() / 100;
        let raised = with_guarantee(&merchant, dollars, &policies);
        prop_assert!(all_quick(&raised, &prices, &policies));
        prop_assert!(!all_quick(&with_guarantee(&merchant, dollars - 1, &policies), &prices, &policies));
        // Where nothing has to be raised, the present guarantee suffices, and only there.
        prop_assert_eq!(quote.raise.is_zero(), all_quick(&merchant, &prices, &policies));
        let shown = raised.margin(NOW, &policies);
        prop_assert_eq!((quote.quota, quote.multiple), (shown.quota.limit, shown.multiple));
        prop_assert_eq!(quote.day_total, policy.counted(shown.quota.used));
        if !quote.raise.is_zero() {
            prop_assert_eq!(quote.covered, raised.frozen - merchant.frozen);
        }
    }
}
