//! Records as they are shown.

use super::{value::amount, *};
use crate::proto::journal::{
    Amount, AppealOpened, AppealOutcome, AppealResolved, BalanceAdjusted, Beneficiary, CategoriesSet, Charge,
    ClosingStarted, Cycle, DeductionReason, GuaranteeChange, GuaranteeModified, HoldLifted, HoldPlaced, Income,
    MarginDeducted, MarginPaid, MerchantClosed, MerchantImported, MerchantReopened, OrderClassified, OrderImported,
    OrderReversed, PaymentReturned, PendingProfit, Policy, PolicySet, ProfitSettled, Receipt, ReleaseCompleted,
    WarningRaised, WithdrawalFailed, Withdrawn,
    balance_adjusted::Direction,
    margin_deducted::Disputed,
    merchant_imported::{ImportedOrder, ImportedRelease},
    policy::{CategoryMinimum, QuotaBasis, QuotaCounts, Tier},
    warning_raised::{Lasting, QuotaUse, Warning},
};

const NOON: i64 = 1_767_268_800_000_000; // 2026-01-01T12:00:00Z

fn some(cents: i128) -> Option<Amount> {
    Some(Amount { low: cents as u64, high: (cents >> 64) as i64 })
}

fn classified() -> Fact {
    let receipt = Receipt {
        policy_version: 1,
        multiple: 3,
        quota: some(30_000),
        day_total_before: some(0),
        day_total_after: some(6_000),
        resets_at: NOON,
    };
    let order = OrderClassified {
        order_id: "o-1".into(),
        price: 6_000,
        profit: 5,
        completed_at: NOON,
        day: 20_454,
        cycle: Cycle::Quick.into(),
        settles_at: NOON,
        receipt: Some(receipt),
    };
    Fact { effective_at: NOON, kind: Some(Kind::OrderClassified(order)) }
}

fn settled() -> Fact {
    let income = Income { to_debt: some(1), to_gap: None, to_available: some(1 << 70) };
    let settled =
        ProfitSettled { settles_at: NOON, day: 20_452, cycle: Cycle::Standard.into(), orders: 2, income: Some(income) };
    Fact { effective_at: NOON, kind: Some(Kind::ProfitSettled(settled)) }
}

fn record(body: Option<Body>) -> Record {
    Record { recorded_at: NOON + 500_000, caller: String::new(), body, approval: None }
}

fn of_merchant(facts: Vec<Fact>) -> Record {
    record(Some(Body::Merchant(MerchantFacts { merchant_id: "m-1".into(), facts })))
}

#[test]
fn a_record_is_one_line() {
    assert_eq!(
        line(12, &of_merchant(vec![settled(), classified()])),
        "12 2026-01-01T12:00:00.500Z m-1 profit_settled effective_at=2026-01-01T12:00:00Z \
         settles_at=2026-01-01T12:00:00Z day=20452 cycle=T+7 orders=2 income.to_debt=0.01 income.to_gap=0.00 \
         income.to_available=11805916207174113034.24 | order_classified effective_at=2026-01-01T12:00:00Z \
         order_id=o-1 price=60.00 profit=0.05 completed_at=2026-01-01T12:00:00Z day=20454 cycle=T+2 \
         settles_at=2026-01-01T12:00:00Z receipt.policy_version=1 receipt.multiple=3 receipt.quota=300.00 \
         receipt.day_total_before=0.00 receipt.day_total_after=60.00 receipt.resets_at=2026-01-01T12:00:00Z"
    );
}

#[test]
fn a_record_is_one_json_object() {
    let text = json(12, &of_merchant(vec![settled()])).to_string();
    assert_eq!(
        text,
        r#"{"lsn":12,"recorded_at":"2026-01-01T12:00:00.500Z","merchant_id":"m-1","facts":[{"fact":"profit_settled","effective_at":"2026-01-01T12:00:00Z","settles_at":"2026-01-01T12:00:00Z","day":20452,"cycle":"T+7","orders":2,"income":{"to_debt":"0.01","to_gap":"0.00","to_available":"11805916207174113034.24"}}]}"#
    );
}

fn rules() -> Policy {
    Policy {
        base_multiple: 1,
        tiers: vec![Tier { above: 3_000_000, multiple: 10 }, Tier { above: 100_000, multiple: 3 }],
        quota_counts: QuotaCounts::All.into(),
        quota_basis: QuotaBasis::Frozen.into(),
        quick_days: 2,
        standard_days: 7,
        release_after: 7 * 86_400_000_000,
        max_lateness: 86_400_000_000,
        max_ahead: 5_000_000,
        appeal_window: 3_600_000_000,
        ..Policy::default()
    }
}

#[test]
fn a_policy_shows_its_rules() {
    let set =
        PolicySet { version: 1, effective_at: NOON, announced_at: NOON, policy: Some(rules()), ..PolicySet::default() };
    assert_eq!(
        line(1, &record(Some(Body::PolicySet(set)))),
        "1 2026-01-01T12:00:00.500Z - policy_set version=1 effective_at=2026-01-01T12:00:00Z \
         announced_at=2026-01-01T12:00:00Z policy.base_multiple=1 policy.tiers.1.above=30000.00 \
         policy.tiers.1.multiple=10 policy.tiers.2.above=1000.00 policy.tiers.2.multiple=3 policy.quota_counts=all \
         policy.quota_basis=frozen policy.day_start=0s policy.quick_days=2 policy.standard_days=7 \
         policy.release_after=7days policy.max_lateness=1day policy.max_ahead=5s policy.appeal_window=1h \
         policy.category_minimums=none"
    );
}

#[test]
fn a_later_policy_shows_who_asked_for_what() {
    let minimum = CategoryMinimum { category: "toys".into(), guarantee: 50_000 };
    let policy = Policy {
        tiers: vec![],
        max_guarantee: Some(100),
        clean_record: Some(86_400_000_000),
        category_minimums: vec![minimum],
        warn_gap_after: Some(60_000_000),
        warn_debt_after: Some(1_000_000),
        warn_quota_percent: Some(80),
        ..rules()
    };
    let set = PolicySet {
        version: 2,
        effective_at: NOON,
        policy: Some(policy),
        request_id: "r".into(),
        effective_asked: Some(NOON),
        announced_at: NOON - 1,
        reason: "more toys".into(),
    };
    let said = line(2, &record(Some(Body::PolicySet(set))));
    assert!(
        said.contains(
            " request_id=r effective_asked=2026-01-01T12:00:00Z announced_at=2026-01-01T11:59:59.999999Z \
             reason=\"more toys\" policy."
        ),
        "{said}"
    );
    assert!(
        said.ends_with(
            " policy.max_guarantee=1.00 policy.max_lateness=1day policy.max_ahead=5s policy.appeal_window=1h \
             policy.clean_record=1day policy.category_minimums.1.category=toys \
             policy.category_minimums.1.guarantee=500.00 policy.warn_gap_after=1m policy.warn_debt_after=1s \
             policy.warn_quota_percent=80"
        ),
        "{said}"
    );
}

/// The fact as it stands in a line, without when it counts from.
#[track_caller]
fn shown(kind: Kind, expected: &str) {
    let fact = Fact { effective_at: NOON, kind: Some(kind) };
    let line = line(1, &of_merchant(vec![fact]));
    let (_, said) = line.split_once(" m-1 ").unwrap();
    assert_eq!(said.replace(" effective_at=2026-01-01T12:00:00Z", ""), expected);
}

fn request() -> String {
    "r".into()
}

fn income_of_one() -> Option<Income> {
    Some(Income { to_debt: None, to_gap: some(1), to_available: None })
}

fn charge_of_one() -> Option<Charge> {
    Some(Charge { from_available: None, to_debt: some(1) })
}

const INCOME: &str = "income.to_debt=0.00 income.to_gap=0.01 income.to_available=0.00";
const CHARGE: &str = "charge.from_available=0.00 charge.to_debt=0.01";

#[test]
fn orders_are_shown() {
    let Some(Kind::OrderClassified(order)) = classified().kind else { panic!("an order") };
    let order = OrderClassified { receipt: None, ..order };
    let imported = OrderImported { order: Some(order), settled: true };
    shown(
        Kind::OrderImported(imported),
        "order_imported settled=true order_id=o-1 price=60.00 profit=0.05 completed_at=2026-01-01T12:00:00Z day=20454 \
         cycle=T+2 settles_at=2026-01-01T12:00:00Z",
    );
    let reversed = OrderReversed {
        request_id: request(),
        order_id: "o-1".into(),
        amount: 100,
        profit: 50,
        profit_asked: Some(50),
        reason: "broken | \u{1b}[31m".into(),
        day: 3,
        cycle: Cycle::Standard.into(),
        settles_at: NOON,
        charge: charge_of_one(),
        uncounted: 1,
        reversed: 200,
        profit_reversed: 60,
        receipt: None,
    };
    shown(
        Kind::OrderReversed(reversed),
        &format!(
            r#"order_reversed request_id=r order_id=o-1 amount=1.00 profit=0.50 profit_asked=0.50 reason="broken | \u{{1b}}[31m" day=3 cycle=T+7 settles_at=2026-01-01T12:00:00Z {CHARGE} uncounted=0.01 reversed=2.00 profit_reversed=0.60"#
        ),
    );
}

#[test]
fn imports_are_shown() {
    let order = ImportedOrder {
        order_id: "o".into(),
        price: 2,
        profit: 1,
        completed_at: NOON,
        cycle: Cycle::Quick.into(),
        settles_at: NOON,
    };
    let pending = PendingProfit { settles_at: NOON, day: 3, cycle: Cycle::Standard.into(), orders: 4, profit: some(5) };
    let imported = MerchantImported {
        request_id: request(),
        historical_profit: 100,
        debt: 3,
        guarantee: 200,
        frozen: 200,
        releasing: vec![ImportedRelease { amount: 7, due_at: NOON }, ImportedRelease { amount: 8, due_at: NOON }],
        pending: vec![pending],
        orders: vec![order],
        ..MerchantImported::default()
    };
    shown(
        Kind::MerchantImported(imported),
        "merchant_imported request_id=r historical_profit=1.00 available=0.00 debt=0.03 guarantee=2.00 frozen=2.00 \
         releasing.1.amount=0.07 releasing.1.due_at=2026-01-01T12:00:00Z releasing.2.amount=0.08 \
         releasing.2.due_at=2026-01-01T12:00:00Z pending.1.settles_at=2026-01-01T12:00:00Z pending.1.day=3 \
         pending.1.cycle=T+7 pending.1.orders=4 pending.1.profit=0.05 orders.1.order_id=o orders.1.price=0.02 \
         orders.1.profit=0.01 orders.1.completed_at=2026-01-01T12:00:00Z orders.1.cycle=T+2 \
         orders.1.settles_at=2026-01-01T12:00:00Z",
    );
}

#[test]
fn money_that_comes_and_goes_is_shown() {
    let paid = MarginPaid { request_id: request(), income: income_of_one(), reference: "wire 7".into(), receipt: None };
    shown(Kind::MarginPaid(paid), &format!("margin_paid request_id=r {INCOME} reference=\"wire 7\""));
    let returned = PaymentReturned {
        request_id: request(),
        payment_id: "p".into(),
        charge: charge_of_one(),
        ..PaymentReturned::default()
    };
    shown(Kind::PaymentReturned(returned), &format!("payment_returned request_id=r payment_id=p {CHARGE} reason=\"\""));
    let withdrawn =
        Withdrawn { request_id: request(), amount: 1, reference: "w".into(), available: some(9), receipt: None };
    shown(Kind::Withdrawn(withdrawn), "withdrawn request_id=r amount=0.01 reference=w available=0.09");
    let failed = WithdrawalFailed {
        request_id: request(),
        withdrawal_id: "w".into(),
        income: income_of_one(),
        reason: "closed".into(),
        receipt: None,
    };
    shown(
        Kind::WithdrawalFailed(failed),
        &format!("withdrawal_failed request_id=r withdrawal_id=w {INCOME} reason=closed"),
    );
    let adjusted = |direction| BalanceAdjusted {
        request_id: request(),
        direction: Some(direction),
        reason: "goodwill".into(),
        ..BalanceAdjusted::default()
    };
    shown(
        Kind::BalanceAdjusted(adjusted(Direction::Credit(income_of_one().unwrap()))),
        &format!("balance_adjusted request_id=r {} reason=goodwill reference=\"\"", INCOME.replace("income", "credit")),
    );
    shown(
        Kind::BalanceAdjusted(adjusted(Direction::Debit(charge_of_one().unwrap()))),
        &format!("balance_adjusted request_id=r {} reason=goodwill reference=\"\"", CHARGE.replace("charge", "debit")),
    );
}

#[test]
fn deductions_and_appeals_are_shown() {
    let deducted = MarginDeducted {
        request_id: request(),
        reason: DeductionReason::LateDelivery.into(),
        disputed: Some(Disputed::OrderId("o".into())),
        beneficiary: Beneficiary::Buyer.into(),
        note: "late".into(),
        from_frozen: some(4),
        refilled: some(3),
        appeal_until: NOON,
        ..MarginDeducted::default()
    };
    let split = "from_releasing=0.00 from_frozen=0.04 from_available=0.00 to_debt=0.00 refilled=0.03 \
                 appeal_until=2026-01-01T12:00:00Z";
    shown(
        Kind::MarginDeducted(deducted.clone()),
        &format!("margin_deducted request_id=r reason=late_delivery order_id=o beneficiary=buyer note=late {split}"),
    );
    let of_dispute = MarginDeducted { disputed: Some(Disputed::Dispute("case 1".into())), ..deducted };
    shown(
        Kind::MarginDeducted(of_dispute),
        &format!(
            "margin_deducted request_id=r reason=late_delivery dispute=\"case 1\" beneficiary=buyer note=late {split}"
        ),
    );
    let opened =
        AppealOpened { request_id: request(), deduction_id: "d".into(), statement: "it's wrong".into(), receipt: None };
    shown(Kind::AppealOpened(opened), "appeal_opened request_id=r deduction_id=d statement=\"it's wrong\"");
    let resolved = AppealResolved {
        request_id: request(),
        deduction_id: "d".into(),
        outcome: AppealOutcome::Overturned.into(),
        amount_asked: Some(2),
        income: income_of_one(),
        all_overturned: false,
        reason: "right".into(),
        receipt: None,
    };
    shown(
        Kind::AppealResolved(resolved),
        &format!(
            "appeal_resolved request_id=r deduction_id=d outcome=overturned amount_asked=0.02 {INCOME} \
             all_overturned=false reason=right"
        ),
    );
}

#[test]
fn what_a_merchant_may_is_shown() {
    let change = GuaranteeChange {
        previous: 300,
        guarantee: 100,
        released: some(200),
        release_due_at: NOON,
        frozen: some(100),
        release_number: 4,
        ..GuaranteeChange::default()
    };
    let moved = "previous=3.00 guarantee=1.00 from_releasing=0.00 from_available=0.00 released=2.00 release=4 \
                 release_due_at=2026-01-01T12:00:00Z frozen=1.00 available=0.00";
    let modified = GuaranteeModified { request_id: request(), change: Some(change), receipt: None };
    shown(Kind::GuaranteeModified(modified), &format!("guarantee_modified request_id=r {moved}"));
    let closing = ClosingStarted { request_id: request(), change: Some(change), reason: "tired".into(), receipt: None };
    shown(Kind::ClosingStarted(closing), &format!("closing_started request_id=r reason=tired {moved}"));
    let held = HoldPlaced { request_id: request(), reason: "audit".into(), receipt: None };
    shown(Kind::HoldPlaced(held), "hold_placed request_id=r reason=audit");
    let lifted = HoldLifted { request_id: request(), hold_id: "h".into(), reason: "done".into(), receipt: None };
    shown(Kind::HoldLifted(lifted), "hold_lifted request_id=r hold_id=h reason=done");
    let set = |categories: &[&str]| CategoriesSet {
        request_id: request(),
        categories: categories.iter().map(ToString::to_string).collect(),
        required: 500,
        shortfall: 1,
        receipt: None,
    };
    shown(
        Kind::CategoriesSet(set(&["books", "toys"])),
        "categories_set request_id=r categories=books,toys required=5.00 shortfall=0.01",
    );
    shown(Kind::CategoriesSet(set(&[])), "categories_set request_id=r categories=none required=5.00 shortfall=0.01");
    let reopened = MerchantReopened { request_id: request(), reason: "rested".into(), receipt: None };
    shown(Kind::MerchantReopened(reopened), "merchant_reopened request_id=r reason=rested");
}

#[test]
fn what_comes_by_itself_is_shown() {
    let release = ReleaseCompleted { release: 2, due_at: NOON, income: income_of_one() };
    shown(
        Kind::ReleaseCompleted(release),
        &format!("release_completed release=2 due_at=2026-01-01T12:00:00Z {INCOME}"),
    );
    shown(Kind::MerchantClosed(MerchantClosed { policy_version: 2 }), "merchant_closed policy_version=2");
    let raised = |warning| Kind::WarningRaised(WarningRaised { warning: Some(warning), policy_version: 2 });
    let lasting = Lasting { since: NOON, due_at: NOON, amount: some(3) };
    let since = |what| {
        format!(
            "warning_raised {what}.since=2026-01-01T12:00:00Z {what}.due_at=2026-01-01T12:00:00Z {what}.amount=0.03 \
             policy_version=2"
        )
    };
    shown(raised(Warning::Gap(lasting)), &since("gap"));
    shown(raised(Warning::Debt(lasting)), &since("debt"));
    let used = QuotaUse { day: 3, used: some(8), quota: some(10) };
    shown(
        raised(Warning::QuotaUse(used)),
        "warning_raised quota_use.day=3 quota_use.used=0.08 quota_use.quota=0.10 policy_version=2",
    );
}

#[test]
fn negative_amounts_of_128_bits_are_read() {
    assert_eq!(amount(some(-150)), "-1.50");
}

#[test]
fn what_a_newer_release_wrote_is_said_to_be_unknown() {
    let unknown = Fact { effective_at: NOON, kind: None };
    assert!(line(3, &of_merchant(vec![unknown])).contains(" m-1 unknown_to_this_release effective_at="));
    assert!(line(4, &record(None)).ends_with(" - unknown_to_this_release"));
}

#[test]
fn who_asked_is_shown_and_whom_it_concerns_is_known() {
    let record = Record { caller: "ops".into(), ..of_merchant(vec![]) };
    assert_eq!(line(5, &record), "5 2026-01-01T12:00:00.500Z caller=ops m-1");
    assert!(concerns(&record, "m-1") && !concerns(&record, "m-2"));
}
