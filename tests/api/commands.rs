//! Every command, taken and repeated.

use std::time::Duration;

use tplus::{
    domain::{Category, Money, Policy},
    grpc::convert,
    proto::v1::{adjust_balance_response::Effect, deduct_margin_request::Reference, *},
};

use crate::{
    calls::{Call as _, behaves, told},
    support::{Setup, TestServer, guarantee, hours, import, instant, order, start_server, start_server_with},
};

pub(crate) fn pay(request_id: &str, amount: &str) -> PayMarginRequest {
    PayMarginRequest {
        merchant_id: "m".into(),
        amount: amount.into(),
        request_id: request_id.into(),
        ..PayMarginRequest::default()
    }
}

pub(crate) fn withdraw(request_id: &str, amount: &str) -> WithdrawRequest {
    WithdrawRequest {
        merchant_id: "m".into(),
        amount: amount.into(),
        request_id: request_id.into(),
        ..WithdrawRequest::default()
    }
}

pub(crate) fn reverse(request_id: &str, order_id: &str, amount: &str) -> ReverseOrderRequest {
    ReverseOrderRequest {
        merchant_id: "m".into(),
        order_id: order_id.into(),
        amount: amount.into(),
        request_id: request_id.into(),
        ..ReverseOrderRequest::default()
    }
}

pub(crate) fn deduct(request_id: &str, amount: &str) -> DeductMarginRequest {
    DeductMarginRequest {
        merchant_id: "m".into(),
        amount: amount.into(),
        reason: DeductionReason::LowQuality.into(),
        reference: Some(Reference::Dispute("case 7".into())),
        beneficiary: Beneficiary::Buyer.into(),
        request_id: request_id.into(),
        ..DeductMarginRequest::default()
    }
}

pub(crate) fn appeal(request_id: &str, deduction_id: &str) -> OpenAppealRequest {
    OpenAppealRequest {
        merchant_id: "m".into(),
        deduction_id: deduction_id.into(),
        request_id: request_id.into(),
        ..OpenAppealRequest::default()
    }
}

pub(crate) fn resolve(request_id: &str, deduction_id: &str, amount: &str) -> ResolveAppealRequest {
    ResolveAppealRequest {
        merchant_id: "m".into(),
        deduction_id: deduction_id.into(),
        outcome: AppealOutcome::Overturned.into(),
        amount: amount.into(),
        request_id: request_id.into(),
        ..ResolveAppealRequest::default()
    }
}

pub(crate) fn hold(request_id: &str) -> PlaceHoldRequest {
    PlaceHoldRequest {
        merchant_id: "m".into(),
        reason: "under review".into(),
        request_id: request_id.into(),
        ..PlaceHoldRequest::default()
    }
}

pub(crate) fn lift(request_id: &str, hold_id: &str) -> LiftHoldRequest {
    LiftHoldRequest {
        merchant_id: "m".into(),
        hold_id: hold_id.into(),
        request_id: request_id.into(),
        ..LiftHoldRequest::default()
    }
}

pub(crate) fn categories(request_id: &str, categories: &[&str]) -> SetCategoriesRequest {
    SetCategoriesRequest {
        merchant_id: "m".into(),
        categories: categories.iter().map(|category| (*category).to_owned()).collect(),
        request_id: request_id.into(),
        ..SetCategoriesRequest::default()
    }
}

pub(crate) fn close(request_id: &str) -> CloseMerchantRequest {
    CloseMerchantRequest { merchant_id: "m".into(), request_id: request_id.into(), ..CloseMerchantRequest::default() }
}

pub(crate) fn reopen(request_id: &str) -> ReopenMerchantRequest {
    ReopenMerchantRequest { merchant_id: "m".into(), request_id: request_id.into(), ..ReopenMerchantRequest::default() }
}

/// The merchant `m` with this much available.
pub(crate) async fn with_available(server: &TestServer, available: &str) {
    server.import(import("m", "import", "", available)).await.expect("it is imported");
}

fn split(income: Option<Income>) -> [String; 3] {
    let Income { to_debt, to_gap, to_available } = income.expect("an income is told");
    [to_debt, to_gap, to_available]
}

fn taken(charge: Option<Charge>) -> [String; 2] {
    let Charge { from_available, to_debt } = charge.expect("a charge is told");
    [from_available, to_debt]
}

#[tokio::test]
async fn an_order_is_reversed() {
    let server = start_server().await;
    with_available(&server, "").await;
    server.classify(ClassifyOrderRequest { profit: "10".into(), ..order("m", "o", "100") }).await.unwrap();
    server.classify(order("m", "p", "100")).await.unwrap();
    let call = ReverseOrderRequest { profit: "3".into(), reason: "refund".into(), ..reverse("r", "o", "40") };
    let others = [
        ("order_id", ReverseOrderRequest { order_id: "p".into(), ..call.clone() }),
        ("amount", ReverseOrderRequest { amount: "40.01".into(), ..call.clone() }),
        ("profit", ReverseOrderRequest { profit: String::new(), ..call.clone() }),
        ("reason", ReverseOrderRequest { reason: "refunds".into(), ..call.clone() }),
    ];
    let answer = behaves(&server, call, &others).await;
    assert_eq!((&*answer.profit, &*answer.reversed, &*answer.profit_reversed), ("3.00", "40.00", "3.00"));
    assert_eq!((&*answer.uncounted, answer.charge), ("40.00", None));
    assert_eq!(instant(answer.reversed_at), server.noon);
    let receipt = answer.receipt.unwrap();
    assert_eq!((&*receipt.day_total_before, &*receipt.day_total_after), ("200.00", "160.00"));
    let settled = server.noon.after(hours(7 * 24));
    server.advance_to(settled).await.unwrap();
    let rest = reverse("s", "o", "60.00").send(&server).await.unwrap();
    assert_eq!((&*rest.profit, &*rest.reversed, &*rest.profit_reversed), ("7.00", "100.00", "10.00"));
    assert_eq!((taken(rest.charge), &*rest.uncounted), (["7.00".to_owned(), "0.00".to_owned()], "0.00"));
}

#[tokio::test]
async fn a_guarantee_is_modified() {
    let server = start_server().await;
    with_available(&server, "50").await;
    behaves(&server, guarantee("m", "r", 70), &[("guarantee", guarantee("m", "r", 71))]).await;
}

#[tokio::test]
async fn a_payment_comes_in_and_is_returned() {
    let server = start_server().await;
    server.modify(guarantee("m", "g", 30)).await.unwrap();
    let call = PayMarginRequest { reference: "transfer 1".into(), ..pay("p", "100") };
    let others = [
        ("amount", PayMarginRequest { amount: "100.01".into(), ..call.clone() }),
        ("reference", PayMarginRequest { reference: String::new(), ..call.clone() }),
    ];
    let paid = behaves(&server, call, &others).await;
    assert_eq!(split(paid.income), ["0.00", "30.00", "70.00"]);
    assert_eq!((instant(paid.paid_at), &*paid.receipt.unwrap().quota), (server.noon, "30.00"));

    let call = ReturnPaymentRequest {
        merchant_id: "m".into(),
        payment_id: "p".into(),
        reason: "no cover".into(),
        request_id: "r".into(),
        ..ReturnPaymentRequest::default()
    };
    let others = [
        ("payment_id", ReturnPaymentRequest { payment_id: "q".into(), ..call.clone() }),
        ("reason", ReturnPaymentRequest { reason: String::new(), ..call.clone() }),
    ];
    let returned = behaves(&server, call, &others).await;
    assert_eq!((&*returned.amount, taken(returned.charge)), ("100.00", ["70.00".to_owned(), "30.00".to_owned()]));
    assert_eq!(instant(returned.returned_at), server.noon);
}

#[tokio::test]
async fn a_withdrawal_goes_out_and_comes_back() {
    let server = start_server().await;
    with_available(&server, "100").await;
    let call = WithdrawRequest { reference: "transfer 2".into(), ..withdraw("w", "60") };
    let others = [
        ("amount", WithdrawRequest { amount: "60.01".into(), ..call.clone() }),
        ("reference", WithdrawRequest { reference: String::new(), ..call.clone() }),
    ];
    let withdrawn = behaves(&server, call, &others).await;
    assert_eq!((&*withdrawn.available, instant(withdrawn.withdrawn_at)), ("40.00", server.noon));

    let call = FailWithdrawalRequest {
        merchant_id: "m".into(),
        withdrawal_id: "w".into(),
        reason: "account closed".into(),
        request_id: "f".into(),
        ..FailWithdrawalRequest::default()
    };
    let others = [
        ("withdrawal_id", FailWithdrawalRequest { withdrawal_id: "v".into(), ..call.clone() }),
        ("reason", FailWithdrawalRequest { reason: String::new(), ..call.clone() }),
    ];
    let failed = behaves(&server, call, &others).await;
    assert_eq!((&*failed.amount, split(failed.income)), ("60.00", ["0.00", "0.00", "60.00"].map(str::to_owned)));
    assert_eq!(server.margin("m").await.unwrap().available, "100.00");
}

#[tokio::test]
async fn an_operator_credits_and_debits() {
    let server = start_server().await;
    with_available(&server, "10").await;
    let debit = AdjustBalanceRequest {
        merchant_id: "m".into(),
        direction: AdjustmentDirection::Debit.into(),
        amount: "15".into(),
        reason: "fee".into(),
        reference: "invoice 3".into(),
        request_id: "d".into(),
        ..AdjustBalanceRequest::default()
    };
    let credit = AdjustmentDirection::Credit.into();
    let others = [
        ("direction", AdjustBalanceRequest { direction: credit, ..debit.clone() }),
        ("amount", AdjustBalanceRequest { amount: "16".into(), ..debit.clone() }),
        ("reason", AdjustBalanceRequest { reason: "fees".into(), ..debit.clone() }),
        ("reference", AdjustBalanceRequest { reference: String::new(), ..debit.clone() }),
    ];
    let answer = behaves(&server, debit.clone(), &others).await;
    let Some(Effect::Charge(charge)) = answer.effect else { panic!("a debit is a charge") };
    assert_eq!(taken(Some(charge)), ["10.00", "5.00"]);
    let call = AdjustBalanceRequest { direction: credit, amount: "7".into(), ..debit }.named("c");
    let answer = behaves(&server, call, &[]).await;
    let Some(Effect::Income(income)) = answer.effect else { panic!("a credit is an income") };
    assert_eq!(split(Some(income)), ["5.00", "0.00", "2.00"]);
}

#[tokio::test]
async fn money_is_deducted_and_an_appeal_is_heard() {
    let server = start_server().await;
    with_available(&server, "1150").await;
    server.modify(guarantee("m", "g1", 1_100)).await.unwrap();
    server.modify(guarantee("m", "g2", 1_000)).await.unwrap();
    // Frozen 1000, releasing 100, available 50.
    let call = DeductMarginRequest { note: "parcel 9".into(), ..deduct("d", "900") };
    let order = |id: &str| Some(Reference::OrderId(id.into()));
    let others = [
        ("amount", DeductMarginRequest { amount: "901".into(), ..call.clone() }),
        ("reason", DeductMarginRequest { reason: DeductionReason::Fraud.into(), ..call.clone() }),
        ("order_id", DeductMarginRequest { reference: order("o"), ..call.clone() }),
        ("beneficiary", DeductMarginRequest { beneficiary: Beneficiary::Platform.into(), ..call.clone() }),
        ("note", DeductMarginRequest { note: String::new(), ..call.clone() }),
    ];
    let deducted = behaves(&server, call, &others).await;
    let split_of = deducted.split.unwrap();
    assert_eq!((&*split_of.from_releasing, &*split_of.from_frozen), ("100.00", "800.00"));
    assert_eq!((&*split_of.from_available, &*split_of.to_debt, &*deducted.refilled), ("0.00", "0.00", "50.00"));
    assert_eq!(instant(deducted.appeal_until), server.noon.after(hours(30 * 24)));

    deduct("e", "1").send(&server).await.unwrap();
    let call = OpenAppealRequest { statement: "it was delivered".into(), ..appeal("a", "d") };
    let others = [
        ("deduction_id", OpenAppealRequest { deduction_id: "e".into(), ..call.clone() }),
        ("statement", OpenAppealRequest { statement: String::new(), ..call.clone() }),
    ];
    assert_eq!(instant(behaves(&server, call, &others).await.opened_at), server.noon);

    let call = ResolveAppealRequest { reason: "partly".into(), ..resolve("r", "d", "300") };
    let upheld = AppealOutcome::Upheld.into();
    let others = [
        ("deduction_id", ResolveAppealRequest { deduction_id: "e".into(), ..call.clone() }),
        ("outcome", ResolveAppealRequest { outcome: upheld, amount: String::new(), ..call.clone() }),
        ("amount", ResolveAppealRequest { amount: String::new(), ..call.clone() }),
        ("reason", ResolveAppealRequest { reason: String::new(), ..call.clone() }),
    ];
    let resolved = behaves(&server, call, &others).await;
    assert_eq!(
        (&*resolved.overturned, split(resolved.income)),
        ("300.00", ["0.00", "300.00", "0.00"].map(str::to_owned))
    );

    appeal("b", "e").send(&server).await.unwrap();
    let call = ResolveAppealRequest { outcome: upheld, ..resolve("s", "e", "") };
    assert_eq!(behaves(&server, call, &[]).await.overturned, "0.00");
}

#[tokio::test]
async fn categories_require_a_guarantee() {
    let minimums = [("toys", 50), ("food", 500)];
    let minimums = minimums.map(|(name, dollars)| (Category::parse(name).unwrap(), Money::from_dollars(dollars)));
    let policy = Policy { category_minimums: minimums.into(), ..Policy::default() };
    let server = start_server_with(Setup { policy, ..Setup::default() }).await;
    let call = categories("c", &["toys", "food", "else"]);
    let answer = behaves(&server, call, &[("categories", categories("c", &["toys", "food"]))]).await;
    assert_eq!((&*answer.required_guarantee, &*answer.shortfall), ("500.00", "500.00"));
    assert_eq!(instant(answer.set_at), server.noon);
    // The order in which they are named says nothing.
    assert!(categories("c", &["else", "food", "toys"]).send(&server).await.unwrap().replayed);
    let margin = server.margin("m").await.unwrap();
    assert_eq!(margin.categories, ["else", "food", "toys"]);
}

#[tokio::test]
async fn a_hold_is_placed_and_lifted() {
    let server = start_server().await;
    with_available(&server, "10").await;
    let call = hold("h");
    let placed = behaves(&server, call.clone(), &[("reason", PlaceHoldRequest { reason: "?".into(), ..call })]).await;
    assert_eq!(instant(placed.placed_at), server.noon);
    hold("i").send(&server).await.unwrap();

    let call = LiftHoldRequest { reason: "all is well".into(), ..lift("l", "h") };
    let others = [
        ("hold_id", LiftHoldRequest { hold_id: "i".into(), ..call.clone() }),
        ("reason", LiftHoldRequest { reason: String::new(), ..call.clone() }),
    ];
    assert_eq!(instant(behaves(&server, call, &others).await.lifted_at), server.noon);
    let standing = server.margin("m").await.unwrap().holds;
    assert_eq!(standing.iter().map(|hold| &*hold.hold_id).collect::<Vec<_>>(), ["i"]);
}

#[tokio::test]
async fn a_merchant_closes_and_comes_back() {
    let server = start_server().await;
    with_available(&server, "70").await;
    server.modify(guarantee("m", "g", 50)).await.unwrap();
    let call = CloseMerchantRequest { reason: "moves on".into(), ..close("c") };
    let others = [("reason", CloseMerchantRequest { reason: String::new(), ..call.clone() })];
    let closing = behaves(&server, call, &others).await;
    assert_eq!((&*closing.previous_guarantee, instant(closing.closing_at)), ("50.00", server.noon));
    let release = closing.release.unwrap();
    assert_eq!((&*release.amount, release.number), ("50.00", 1));
    assert_eq!(server.margin("m").await.unwrap().state(), MerchantState::Closing);
    server.advance_to(server.noon.after(hours(7 * 24))).await.unwrap();
    assert_eq!(server.margin("m").await.unwrap().state(), MerchantState::Closed);

    let call = ReopenMerchantRequest { reason: "is back".into(), ..reopen("r") };
    let others = [("reason", ReopenMerchantRequest { reason: String::new(), ..call.clone() })];
    behaves(&server, call, &others).await;
    assert_eq!(server.margin("m").await.unwrap().state(), MerchantState::Open);
}

#[tokio::test]
async fn request_ids_are_unique_over_all_methods() {
    let server = start_server().await;
    pay("r", "10").send(&server).await.unwrap();
    let reused = "ALREADY_EXISTS ID_REUSED field=request_id field:request_id";
    assert_eq!(told(withdraw("r", "10").send(&server).await), reused);
    assert_eq!(told(hold("r").send(&server).await), reused);
    assert_eq!(told(categories("r", &[]).send(&server).await), reused);
    assert_eq!(told(close("r").send(&server).await), reused);
    assert_eq!(told(deduct("r", "10").send(&server).await), reused);
    assert_eq!(told(appeal("r", "x").send(&server).await), reused);
    // Orders have ids of their own.
    server.classify(order("m", "r", "1")).await.unwrap();
}

/// The caller has given up on a withdrawal that was refused, and a copy of it is still under way.
#[tokio::test]
async fn a_delayed_duplicate_of_a_refused_withdrawal_comes_to_nothing() {
    let server = start_server().await;
    with_available(&server, "50").await;
    let minute = Duration::from_secs(60);
    let limited = withdraw("limited", "100").until(server.noon.after(minute));
    let unlimited = withdraw("unlimited", "100");
    for call in [&limited, &unlimited] {
        let refused = "FAILED_PRECONDITION INSUFFICIENT_AVAILABLE field=amount available:50.00";
        assert_eq!(told(call.clone().send(&server).await), refused);
    }
    pay("p", "150").send(&server).await.unwrap();
    let late = server.noon.after(2 * minute);
    server.advance_to(late).await.unwrap();
    let figures = format!("not_after:{} now:{late}", server.noon.after(minute));
    let refused = format!("FAILED_PRECONDITION NOT_AFTER_PASSED field=not_after {figures}");
    assert_eq!(told(limited.send(&server).await), refused);
    assert_eq!(server.margin("m").await.unwrap().available, "200.00");
    // Without a limit the copy is a request like any other, as a refusal is not remembered.
    assert_eq!(unlimited.send(&server).await.unwrap().available, "100.00");
}

#[tokio::test]
async fn requests_are_read_before_anything_else() {
    let server = start_server().await;
    let bad =
        DeductMarginRequest { amount: "0".into(), reason: 99, note: "a\nb".into(), ..DeductMarginRequest::default() };
    let fields =
        "field=merchant_id field=reason field=reference field=beneficiary field=note field=request_id field=amount";
    assert_eq!(told(bad.send(&server).await), format!("INVALID_ARGUMENT INVALID_FIELD {fields}"));
    let bad =
        AdjustBalanceRequest { not_after: Some(convert::timestamp(server.noon)), ..AdjustBalanceRequest::default() };
    let fields = "field=merchant_id field=direction field=amount field=reason field=request_id";
    assert_eq!(told(bad.send(&server).await), format!("INVALID_ARGUMENT INVALID_FIELD {fields}"));
    let bad = ResolveAppealRequest { outcome: AppealOutcome::Upheld.into(), ..resolve("r", "d", "1") };
    assert_eq!(told(bad.send(&server).await), "INVALID_ARGUMENT INVALID_FIELD field=amount");
    let bad = PlaceHoldRequest { reason: String::new(), ..hold("h") };
    assert_eq!(told(bad.send(&server).await), "INVALID_ARGUMENT INVALID_FIELD field=reason");
    let bad = categories("c", &["ok", "not ok", ""]);
    let fields = "field=categories[1] field=categories[2]";
    assert_eq!(told(bad.send(&server).await), format!("INVALID_ARGUMENT INVALID_FIELD {fields}"));
    assert_eq!(
        told(categories("c", &["a", "a"]).send(&server).await),
        "INVALID_ARGUMENT INVALID_FIELD field=categories"
    );
}
