//! Where commands, imports and questions of random histories are drawn from.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::answers::{AppealState, MerchantState, ReleaseState};
use super::api::{Caller, Verdict};
use super::history::{FactClock, Paging};
use super::ledger::Kind;
use super::moves::{Asking, Breakage, Brings, Move, Pick, Sum};
use super::past::{PastAbout, PastAsking, When};
use super::plain::{DAY, HOUR, SECOND};
use super::proposals::ProposalState;
use super::proposing::{Ids, Wanted, Which, Who};
use super::strategy::{any_options, any_policy, bad_amount, bad_id, texts};
use super::trace::{Effective, Options, Step};

fn any_pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        9 => (0..3_usize).prop_map(Pick::Known),
        2 => (0..12_usize).prop_map(Pick::Known),
        1 => (0..40_usize).prop_map(Pick::Any),
    ]
}

/// Amounts of an order or of a deduction.
fn any_part() -> impl Strategy<Value = Sum> {
    prop_oneof![
        5 => (-1..=0_i64).prop_map(Sum::Left),
        1 => Just(Sum::Left(1)),
        5 => Just(Sum::Third),
        2 => texts(&["0.01", "1", "33.33", "5.0", "10"]).prop_map(Sum::Text),
    ]
}

fn any_sum() -> impl Strategy<Value = Sum> {
    let text = texts(&["0.01", "1", "10.5", "50", "100", "250", "999.99", "1000", "2500"]);
    prop_oneof![
        12 => text.prop_map(Sum::Text),
        4 => (-1..=1_i64).prop_map(Sum::Available),
        2 => (-1..=1_i64).prop_map(Sum::Debt),
        2 => (-1..=1_i64).prop_map(Sum::Gap),
        2 => (-1..=1_i64).prop_map(Sum::Frozen),
        2 => (-1..=1_i64).prop_map(Sum::Releasing),
        2 => (-1..=1_i64).prop_map(Sum::All),
    ]
}

fn any_withdrawal() -> impl Strategy<Value = Sum> {
    prop_oneof![4 => (-1..=1_i64).prop_map(Sum::Available), 3 => Just(Sum::Third), 1 => any_sum()]
}

/// Some categories of which policy may require something, and some of which it does not.
fn any_categories() -> impl Strategy<Value = Vec<String>> {
    let all = ["books", "jewels", "phones", "toys"].map(str::to_owned).to_vec();
    prop_oneof![1 => Just(Vec::new()), 6 => proptest::sample::subsequence(all, 1..=3)]
}

pub fn any_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        12 => (any_pick(), any_part(), option::weighted(0.3, any_part()))
            .prop_map(|(order, amount, profit)| Move::Reverse { order, amount, profit }),
        6 => any_sum().prop_map(Move::Pay),
        4 => any_pick().prop_map(Move::Return),
        7 => any_withdrawal().prop_map(Move::Withdraw),
        4 => any_pick().prop_map(Move::Fail),
        4 => (any::<bool>(), any_sum()).prop_map(|(credit, amount)| Move::Adjust { credit, amount }),
        8 => (any_sum(), 1..=6_i32, option::of(any_pick()), any::<bool>())
            .prop_map(|(amount, reason, about, buyer)| Move::Deduct { amount, reason, about, buyer }),
        7 => any_pick().prop_map(Move::Appeal),
        8 => (any_pick(), prop::bool::weighted(0.3), option::weighted(0.7, any_part()))
            .prop_map(|(deduction, upheld, amount)| Move::Resolve { deduction, upheld, amount }),
        4 => Just(Move::Hold),
        6 => any_pick().prop_map(Move::Lift),
        3 => any_categories().prop_map(Move::Categories),
        5 => Just(Move::Close),
        3 => Just(Move::Reopen),
    ]
}

pub fn any_breakage() -> impl Strategy<Value = Breakage> {
    prop_oneof![
        bad_id().prop_map(Breakage::Merchant),
        bad_id().prop_map(Breakage::Request),
        prop_oneof![bad_amount(), texts(&["0", "0.00"])].prop_map(Breakage::Amount),
        bad_id().prop_map(Breakage::Subject),
        Just(Breakage::LongText),
        Just(Breakage::Missing),
    ]
}

/// Often nothing; else something that may contradict itself or the time.
pub fn any_brings() -> impl Strategy<Value = Brings> {
    let instants = vec![-DAY, -1, 0, 1, HOUR, DAY, 2 * DAY, 7 * DAY, 7 * DAY + 1];
    let release = (texts(&["0.01", "20", "100"]), select(instants.clone()));
    let bulk = (select(instants), any::<bool>(), 1..=3_u64, texts(&["0", "7.5", "300"]));
    let order = (
        0..12_u8,
        texts(&["10", "50", "99.99"]),
        option::of(texts(&["0", "5", "10"])),
        select(vec![0, -1, -HOUR, -DAY, -3 * DAY, -8 * DAY, 5 * SECOND, 5 * SECOND + 1]),
        select(vec![1, HOUR, DAY, 2 * DAY, 7 * DAY]),
    );
    let some = (
        select(vec![(0, ""), (100, "100"), (100, "40"), (100, ""), (500, "500.00"), (100, "100.01")]),
        select(vec!["", "", "0", "25.5"]),
        vec(release, 0..3),
        vec(bulk, 0..3),
        vec(order, 0..4),
    )
        .prop_map(|((guarantee, frozen), debt, releasing, pending, orders)| Brings {
            guarantee,
            frozen: Some(frozen.into()),
            debt: Some(debt.into()),
            releasing,
            pending,
            orders,
        });
    prop_oneof![1 => Just(Brings::default()), 1 => some]
}

pub fn any_effective() -> impl Strategy<Value = Effective> {
    prop_oneof![
        5 => Just(Effective::Omitted),
        2 => (-1..=1_i64).prop_map(|by| Effective::In(SECOND + by)),
        2 => select(vec![0, HOUR, DAY, 3 * DAY]).prop_map(Effective::In),
        4 => (1..=2_i64, prop_oneof![4 => Just(0_i64), 1 => -1..=1_i64])
            .prop_map(|(days, offset)| Effective::DayStart { days, offset }),
        1 => (-1..=1_i64).prop_map(Effective::AfterLatest),
    ]
}

pub fn any_asking(merchants: u8) -> impl Strategy<Value = Asking> {
    // One of them is never opened.
    let merchant = || 0..=merchants;
    let price = prop_oneof![
        2 => texts(&["0.01", "10", "100", "1000", "999999999999.99"]).prop_map(Sum::Text),
        2 => (-1..=1_i64).prop_map(Sum::Left),
        1 => Just(Sum::Third),
        1 => texts(&["0", "-1", ""]).prop_map(Sum::Text),
    ];
    prop_oneof![
        3 => merchant().prop_map(Asking::Forecast),
        3 => (merchant(), vec(price, 1..=3)).prop_map(|(merchant, prices)| Asking::Quote(merchant, prices)),
        1 => vec(merchant(), 1..=4).prop_map(Asking::Guarantees),
        2 => merchant().prop_map(Asking::Merchant),
        1 => (0..=4_u64).prop_map(Asking::Policy),
        3 => any_which().prop_map(Asking::Proposal),
        3 => (option::of(merchant()), any_proposal_state(), select(vec![0, 1, 2, 7, 1_000])).prop_map(
            |(merchant, state, page_size)| Asking::Proposals { merchant, state, page_size }
        ),
    ]
}

fn any_proposal_state() -> impl Strategy<Value = Option<ProposalState>> {
    use ProposalState::{Approved, Expired, Open, Rejected, Withdrawn};
    select(vec![
        None,
        None,
        None,
        Some(Open),
        Some(Open),
        Some(Approved),
        Some(Rejected),
        Some(Withdrawn),
        Some(Expired),
    ])
}

fn any_which() -> impl Strategy<Value = Which> {
    prop_oneof![
        12 => (0..3_usize).prop_map(Which::Open),
        6 => (0..12_usize).prop_map(Which::Any),
        2 => prop_oneof![3 => texts(&["nothing"]), 1 => bad_id()].prop_map(Which::Unknown),
    ]
}

/// A deduction or an adjustment.
fn any_proposable() -> impl Strategy<Value = Move> {
    prop_oneof![
        1 => (any::<bool>(), any_sum()).prop_map(|(credit, amount)| Move::Adjust { credit, amount }),
        1 => (any_sum(), 1..=6_i32, option::of(any_pick()), any::<bool>())
            .prop_map(|(amount, reason, about, buyer)| Move::Deduct { amount, reason, about, buyer }),
    ]
}

pub fn any_proposal(merchants: u8) -> impl Strategy<Value = Step> {
    let who = prop_oneof![12 => select(Caller::ALL.to_vec()).prop_map(Who::Caller), 1 => Just(Who::Nobody)];
    let expected = option::weighted(0.5, prop_oneof![4 => Just(0), 1 => Just(1_i64)]);
    let wanted = prop_oneof![
        18 => (0..merchants, any_proposable()).prop_map(|(merchant, action)| Wanted::Move { merchant, action }),
        8 => (any_policy().prop_map(Box::new), any_effective(), expected)
            .prop_map(|(policy, effective, expected)| Wanted::Policy { policy, effective, expected }),
        4 => (0..6_usize).prop_map(Wanted::Earlier),
        1 => (any_proposable(), any_breakage()).prop_map(|(action, breakage)| Wanted::Broken(action, breakage)),
        1 => (any_proposable(), any::<bool>()).prop_map(|(action, preview)| Wanted::Wishing(action, preview)),
        1 => Just(Wanted::Nothing),
    ];
    let ids = prop_oneof![8 => Just(Ids::Same), 8 => Just(Ids::Apart), 3 => (0..3_usize).prop_map(Ids::Known)];
    (who, wanted, ids, any_options()).prop_map(|(who, wanted, ids, options)| Step::Propose {
        who,
        wanted,
        ids,
        options,
    })
}

pub fn any_decision() -> impl Strategy<Value = Step> {
    let who = |proposer: u32, another: u32| {
        prop_oneof![
            proposer => Just(Who::Proposer),
            another => any::<bool>().prop_map(Who::Another),
            1 => Just(Who::Nobody),
        ]
    };
    let judged = prop_oneof![
        6 => (Just(Verdict::Approve), who(2, 18)),
        3 => (Just(Verdict::Reject), who(2, 10)),
        3 => (Just(Verdict::Withdraw), who(10, 2)),
    ];
    let long = "ä".repeat(501);
    let reason = prop_oneof![20 => texts(&["", "not now", "no"]), 1 => texts(&[&long, &long[2..]])];
    let not_after = prop_oneof![8 => Just(None), 1 => Just(Some(0)), 1 => Just(Some(-1))];
    (judged, any_which(), reason, not_after).prop_map(|((verdict, who), which, reason, not_after)| {
        let options = Options { validate_only: false, not_after };
        Step::Decide { who, verdict, which, reason, options }
    })
}

fn any_when() -> impl Strategy<Value = When> {
    let clock = select(vec![FactClock::Effective, FactClock::Recorded]);
    prop_oneof![
        2 => select(vec![0, 0, -1, -HOUR, -DAY]).prop_map(When::Now),
        4 => (0..=1_000_i64).prop_map(When::Share),
        6 => (0..30_usize, clock, -1..=1_i64).prop_map(|(back, clock, more)| When::Entry(back, clock, more)),
    ]
}

pub fn any_past(merchants: u8) -> impl Strategy<Value = PastAsking> {
    let clock = || select(vec![FactClock::Effective, FactClock::Recorded]);
    let kinds = select(vec![
        vec![],
        vec![],
        vec![Kind::OrderClassified],
        vec![Kind::ProfitSettled, Kind::ReleaseCompleted],
        vec![Kind::MarginDeducted, Kind::WarningRaised, Kind::MerchantClosed],
    ]);
    let days = || option::of(-3..=9_i64);
    let appeals = select(vec![None, None, Some(AppealState::Open), Some(AppealState::Overturned)]);
    let releases =
        select(vec![None, Some(ReleaseState::Open), Some(ReleaseState::Completed), Some(ReleaseState::Taken)]);
    let states = select(vec![None, None, Some(MerchantState::Open), Some(MerchantState::Closing)]);
    let about = prop_oneof![
        12 => (any_when(), clock()).prop_map(|(when, clock)| PastAbout::Margin(when, clock)),
        1 => (0..40_u64).prop_map(PastAbout::Entry),
        6 => (kinds, option::of(any_when()), option::of(any_when()))
            .prop_map(|(kinds, from, to)| PastAbout::Entries(kinds, from, to)),
        3 => (0..12_usize).prop_map(PastAbout::Order),
        3 => (days(), days()).prop_map(|(from, to)| PastAbout::Orders(from, to)),
        1 => (0..3_usize).prop_map(PastAbout::Deduction),
        1 => Just(PastAbout::Deductions),
        1 => (0..3_usize).prop_map(PastAbout::Appeal),
        1 => appeals.prop_map(PastAbout::Appeals),
        1 => (0..3_usize).prop_map(PastAbout::Hold),
        1 => any::<bool>().prop_map(PastAbout::Holds),
        1 => (0..6_u64).prop_map(PastAbout::Release),
        2 => releases.prop_map(PastAbout::Releases),
        2 => states.prop_map(PastAbout::Merchants),
        1 => Just(PastAbout::Policies),
        3 => (-5..=8_i64).prop_map(PastAbout::Statement),
        3 => (option::of(0..=10_i64), clock()).prop_map(|(ago, clock)| PastAbout::TrialBalance(ago, clock)),
        2 => (select(vec![0, 1, 3, 30]), any::<bool>()).prop_map(|(days, only)| PastAbout::Exposure(days, only)),
    ];
    let paging = (any::<bool>(), select(vec![0, 1, 2, 3, 7, 1_000]));
    let paging = paging.prop_map(|(newest_first, page_size)| Paging { newest_first, page_size });
    (0..=merchants, about, paging).prop_map(|(merchant, about, paging)| PastAsking { merchant, about, paging })
}
