//! Where random histories are drawn from. Small grids, so that equality, deficits, take-backs and repeats are common.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::draws::{
    any_asking, any_breakage, any_brings, any_decision, any_effective, any_move, any_past, any_proposal,
};
use super::plain::{DAY, HOUR, SECOND, instant};
use super::trace::{Alteration, Completed, Flaw, Guarantee, Jump, Options, Price, Profit, Step, Trace};
use super::{Basis, Counts, LARGEST_GUARANTEE, Limits, ModelPolicy};

/// A history under any policy.
pub fn any_trace() -> impl Strategy<Value = Trace> {
    any_policy().prop_flat_map(trace_under)
}

/// A history of 50 to 300 steps over 3 to 5 merchants.
pub fn trace_under(policy: ModelPolicy) -> impl Strategy<Value = Trace> {
    (3..=5_u8, any_start(), select(vec![4, 16])).prop_flat_map(move |(merchants, start, jumps)| {
        let policy = policy.clone();
        let parts = (imports(merchants), vec(any_step(merchants, jumps), 50..=295), any_limits());
        parts.prop_map(move |(imports, steps, limits)| Trace {
            policy: policy.clone(),
            limits,
            start,
            steps: imports.into_iter().flatten().chain(steps).collect(),
        })
    })
}

/// A long history over many merchants, each of which has as much to tell as in a short one.
pub fn long_trace(steps: usize) -> impl Strategy<Value = Trace> {
    (any_policy(), any_start(), any_limits()).prop_flat_map(move |(policy, start, limits)| {
        vec(any_step(24, 12), steps).prop_map(move |steps| Trace { policy: policy.clone(), limits, start, steps })
    })
}

pub fn any_policy() -> impl Strategy<Value = ModelPolicy> {
    let tiers = vec![ModelPolicy::default().tiers, vec![], vec![(100_00, 2), (300_00, 7)]];
    let durations = || vec![None, None, Some(1), Some(HOUR), Some(3 * DAY), Some(10 * DAY)];
    let rules = (
        select(vec![Counts::All, Counts::Quick]),
        select(vec![Basis::Guarantee, Basis::Frozen]),
        select(vec![1, 1, 2]),
        select(tiers),
        select(vec![None, None, Some(300), Some(LARGEST_GUARANTEE)]),
        select(vec![false, false, true]),
    );
    let times = (
        select(vec![0, 0, 1, HOUR, 5 * HOUR + HOUR / 2, 8 * HOUR, 16 * HOUR, DAY - 1]),
        select(vec![(2, 7), (2, 7), (1, 3), (3, 30)]),
        select(vec![7 * DAY, 7 * DAY, HOUR, 0]),
        select(vec![DAY, 2 * DAY, 7 * DAY, 7 * DAY, HOUR, 0]),
        select(vec![5 * SECOND, 5 * SECOND, 0, 60 * SECOND]),
        select(vec![30 * DAY, DAY, 0]),
        select(durations()),
    );
    let warnings = (select(durations()), select(durations()), select(vec![None, Some(1), Some(50), Some(100)]));
    let variant = (rules, times, warnings).prop_map(|(rules, times, (warn_gap_after, warn_debt_after, percent))| {
        let (counts, basis, base_multiple, tiers, max_guarantee, minimums) = rules;
        let (day_start, days, release_after, max_lateness, max_ahead, appeal_window, clean_record) = times;
        let minimums: &[(&str, u64)] = if minimums { &[("books", 50), ("jewels", 300)] } else { &[] };
        ModelPolicy {
            base_multiple,
            tiers,
            counts,
            basis,
            day_start,
            quick_days: days.0,
            standard_days: days.1,
            release_after,
            max_guarantee,
            max_lateness,
            max_ahead,
            appeal_window,
            clean_record,
            category_minimums: minimums.iter().map(|(name, dollars)| ((*name).to_owned(), *dollars)).collect(),
            warn_gap_after,
            warn_debt_after,
            warn_quota_percent: percent,
        }
    });
    prop_oneof![
        2 => Just(ModelPolicy::default()),
        1 => Just(ModelPolicy { max_lateness: 7 * DAY, ..ModelPolicy::default() }),
        1 => Just(ModelPolicy { day_start: 8 * HOUR, ..ModelPolicy::default() }),
        5 => variant,
    ]
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let small = |releases| Limits { releases, holds: 2, appeals: 1, categories: 2 };
    select(vec![Limits::default(), small(1), small(2)])
}

fn any_start() -> impl Strategy<Value = i64> {
    let days = select(vec!["2024-02-28T00:00:00Z", "2016-12-31T00:00:00Z", "2025-06-15T00:00:00Z"]);
    let within = prop_oneof![Just(0), Just(1), Just(DAY - 1), Just(DAY - 3 * SECOND), 0..DAY];
    (days, within).prop_map(|(day, within)| instant(day) + within)
}

fn imports(merchants: u8) -> impl Strategy<Value = Vec<Option<Step>>> {
    let import = |merchant| option::weighted(0.6, import_of(merchant, any_options()));
    (0..merchants).map(import).collect::<Vec<_>>()
}

/// A step; of about a hundred, that many move time.
/// A history that is asked about its past as it goes on.
pub fn trace_with_past() -> impl Strategy<Value = Trace> {
    (any_trace(), vec((0..300_usize, any_past(3)), 20..=60)).prop_map(|(mut trace, asked)| {
        for (at, asking) in asked {
            let at = at % (trace.steps.len() + 1);
            trace.steps.insert(at, Step::AskPast(asking));
        }
        trace
    })
}

pub fn any_step(merchants: u8, jumps: u32) -> impl Strategy<Value = Step> {
    let merchant = 0..merchants;
    prop_oneof![
        40 => (merchant.clone(), any_price(), any_profit(), any_completed(), any_options()).prop_map(
            |(merchant, price, profit, completed, options)| Step::Classify { merchant, price, profit, completed, options }
        ),
        16 => (merchant.clone(), any_guarantee(), any_options())
            .prop_map(|(merchant, guarantee, options)| Step::Modify { merchant, guarantee, options }),
        3 => (merchant.clone()).prop_flat_map(|merchant| import_of(merchant, any_options())),
        20 => (any_back(), any_alteration()).prop_map(|(back, alteration)| Step::Repeat { back, alteration }),
        3 => (merchant.clone(), any_flaw()).prop_map(|(merchant, flaw)| Step::Malformed { merchant, flaw }),
        jumps => any_jump(merchants).prop_map(Step::Advance),
        36 => (merchant.clone(), any_move(), any_options())
            .prop_map(|(merchant, action, options)| Step::Command { merchant, action, options }),
        3 => (any_policy().prop_map(Box::new), any_effective(), option::weighted(0.3, 0..=1_i64), any_options()).prop_map(
            |(policy, effective, expected, options)| Step::SetPolicy { policy, effective, expected, options }
        ),
        4 => any_proposal(merchants),
        5 => any_decision(),
        8 => any_asking(merchants).prop_map(Step::Ask),
        10 => merchant.prop_map(|merchant| Step::Read { merchant }),
        1 => Just(Step::Restart),
        1 => Just(Step::Checkpoint),
    ]
}

fn import_of(merchant: u8, options: impl Strategy<Value = Options>) -> impl Strategy<Value = Step> {
    let historical = texts(&[
        "0",
        "999.99",
        "1000",
        "1000.01",
        "4999.99",
        "5000.00",
        "5000.01",
        "29999.99",
        "30000",
        "30000.01",
        "999999999999.99",
        "",
    ]);
    let available = texts(&["0", "0.01", "50", "100", "300.5", "1000", "2500.00", "999999999999.99", ""]);
    let parts = (option::weighted(0.8, historical), option::weighted(0.8, available), any_brings(), options);
    parts.prop_map(move |(historical_profit, available, brings, options)| {
        // Something available contradicts a gap or a debt: rarely both.
        let alone = brings.guarantee == 0 || brings.debt.is_some();
        let available = available.filter(|text| alone || text.len() < 3);
        Step::Import { merchant, historical_profit, available, brings, options }
    })
}

pub fn texts(all: &[&str]) -> impl Strategy<Value = String> + use<> {
    select(all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
}

pub fn any_options() -> impl Strategy<Value = Options> {
    let not_after = prop_oneof![
        40 => Just(None),
        6 => select(vec![0, 1, SECOND, DAY]).prop_map(Some),
        2 => select(vec![-1, -SECOND, -DAY]).prop_map(Some),
    ];
    (prop::bool::weighted(0.1), not_after).prop_map(|(validate_only, not_after)| Options { validate_only, not_after })
}

fn any_price() -> impl Strategy<Value = Price> {
    let small = texts(&[
        "0.01",
        "0.1",
        "1",
        "9.99",
        "10",
        "10.00",
        "33.33",
        "40",
        "50",
        "60",
        "99.99",
        "100",
        "100.01",
        "150",
        "250.5",
        "300",
        "500",
        "000000001000.00",
    ]);
    let large = texts(&["3000", "4999.99", "5000", "10000.01", "30000"]);
    prop_oneof![
        60 => small.prop_map(Price::Text),
        4 => large.prop_map(Price::Text),
        1 => Just(Price::Text("999999999999.99".into())),
        14 => (-1..=1_i64).prop_map(Price::QuotaLeft),
        6 => (-1..=1_i64).prop_map(Price::ToThreshold),
    ]
}

fn any_profit() -> impl Strategy<Value = Profit> {
    prop_oneof![
        8 => Just(Profit::Omitted),
        1 => Just(Profit::Empty),
        2 => Just(Profit::Zero),
        2 => Just(Profit::Whole),
        4 => (1..=100_u8).prop_map(Profit::Percent),
    ]
}

fn any_completed() -> impl Strategy<Value = Completed> {
    prop_oneof![
        10 => Just(Completed::Omitted),
        1 => (0..8 * DAY).prop_map(Completed::Ago),
        6 => (0..=1_000_i64).prop_map(Completed::Late),
        2 => select(vec![-5 * SECOND - 1, -5 * SECOND, -5 * SECOND + 1, -6 * SECOND, -1, 0, 1, DAY, DAY + 1])
            .prop_map(Completed::Ago),
        3 => (-1..=1_i64).prop_map(Completed::OverLateness),
        3 => (0..=8_i64, -1..=1_i64).prop_map(|(days_ago, offset)| Completed::DayStart { days_ago, offset }),
    ]
}

fn any_guarantee() -> impl Strategy<Value = Guarantee> {
    prop_oneof![
        30 => select(vec![0, 1, 50, 60, 100, 150, 200, 300, 301, 500, 1_000]).prop_map(Guarantee::Dollars),
        2 => select(vec![3_000, 10_000, LARGEST_GUARANTEE - 1, LARGEST_GUARANTEE]).prop_map(Guarantee::Dollars),
        2 => Just(Guarantee::Current),
        3 => Just(Guarantee::Frozen),
        8 => Just(Guarantee::LessOne),
    ]
}

fn any_back() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0..4_usize, 1 => 0..300_usize]
}

fn any_alteration() -> impl Strategy<Value = Alteration> {
    select(vec![
        Alteration::Nothing,
        Alteration::Nothing,
        Alteration::Nothing,
        Alteration::Spelling,
        Alteration::Amount,
        Alteration::Amount,
        Alteration::OtherAmount,
        Alteration::OtherAmount,
        Alteration::OmitProfit,
        Alteration::Subject,
        Alteration::CompletedAt,
        Alteration::OmitCompletedAt,
        Alteration::AnsweredCompletedAt,
        Alteration::OtherMethod,
        Alteration::OtherMethod,
        Alteration::OtherMerchant,
        Alteration::ValidateOnly,
        Alteration::NotAfterPassed,
    ])
}

pub fn bad_id() -> impl Strategy<Value = String> {
    let long = "x".repeat(65);
    texts(&["", "a b", "a/b", "ä", "a\n", "a@b", "\0", &long])
}

pub fn bad_amount() -> impl Strategy<Value = String> {
    texts(&[
        "1.",
        ".5",
        ".",
        "1.234",
        "-1",
        "+1",
        "1e3",
        " 1",
        "1 ",
        "1,00",
        "1.2.3",
        "1234567890123",
        "0x1",
        "٣",
        "1.٣",
        "NaN",
        "0000000000001",
    ])
}

fn any_flaw() -> impl Strategy<Value = Flaw> {
    let of_orders_and_the_like = prop_oneof![
        bad_id().prop_map(Flaw::MerchantOfOrder),
        bad_id().prop_map(Flaw::MerchantOfModify),
        bad_id().prop_map(Flaw::MerchantOfImport),
        bad_id().prop_map(Flaw::MerchantOfRead),
        bad_id().prop_map(Flaw::Order),
        bad_id().prop_map(Flaw::RequestOfModify),
        bad_id().prop_map(Flaw::RequestOfImport),
        prop_oneof![bad_amount(), texts(&["", "0", "0.00", "000"])].prop_map(Flaw::Price),
        bad_amount().prop_map(Flaw::Profit),
        Just(Flaw::ProfitAbovePrice),
        Just(Flaw::NoGuarantee),
        select(vec![LARGEST_GUARANTEE + 1, u64::MAX]).prop_map(Flaw::Guarantee),
        bad_amount().prop_map(Flaw::HistoricalProfit),
        bad_amount().prop_map(Flaw::Available),
        (0..6_u8).prop_map(Flaw::Policy),
    ];
    prop_oneof![
        1 => of_orders_and_the_like,
        1 => (any_move(), any_breakage()).prop_map(|(action, breakage)| Flaw::Command(action, breakage)),
    ]
}

fn any_jump(merchants: u8) -> impl Strategy<Value = Jump> {
    let fixed =
        vec![0, 1, SECOND, HOUR, 12 * HOUR, DAY - 1, DAY, DAY + 1, 2 * DAY, 7 * DAY - 1, 7 * DAY, 7 * DAY + 1, 8 * DAY];
    prop_oneof![
        6 => select(fixed).prop_map(Jump::By),
        4 => (0..10 * SECOND).prop_map(Jump::By),
        6 => (0..DAY).prop_map(Jump::By),
        1 => (0..400 * DAY).prop_map(Jump::By),
        6 => (1..=2_i64, -1..=1_i64).prop_map(|(days, offset)| Jump::DayStart { days, offset }),
        2 => (3..=9_i64, -1..=1_i64).prop_map(|(days, offset)| Jump::DayStart { days, offset }),
        1 => (-1..=1_i64).prop_map(|offset| Jump::NextPolicy { offset }),
        6 => (0..merchants, -1..=1_i64).prop_map(|(merchant, offset)| Jump::NextDue { merchant, offset }),
        2 => (-1..=1_i64).prop_map(|offset| Jump::SevenDaysAfterChange { offset }),
        3 => (prop::bool::weighted(0.3), -1..=1_i64)
            .prop_map(|(forgotten, offset)| Jump::NextProposal { forgotten, offset }),
    ]
}
