//! Every refusal of the commands about a merchant's money and standing, with what a program can read from it.

use tplus::{
    domain::{Category, Limits, Money, Policy},
    proto::v1::*,
};

use crate::{
    calls::{Call, told},
    commands::{
        appeal, categories, close, deduct, hold, lift, pay, reopen, resolve, reverse, with_available, withdraw,
    },
    support::{Setup, TestServer, guarantee, hours, order, start_server, start_server_with},
};

/// Refused, and so without any effect.
async fn refused<C: Call>(server: &TestServer, call: C, said: &str) {
    let before = server.margin("m").await.expect("the merchant is open");
    assert_eq!(told(call.clone().send(server).await), said);
    assert_eq!(told(call.tried().send(server).await), said, "tried out, it is refused alike");
    assert_eq!(server.margin("m").await.expect("the merchant is open"), before);
}

async fn taken<C: Call>(server: &TestServer, call: C) -> C::Answer {
    call.send(server).await.expect("it is taken")
}

#[tokio::test]
async fn reversals() {
    let server = start_server().await;
    with_available(&server, "").await;
    server.classify(ClassifyOrderRequest { profit: "10".into(), ..order("m", "o", "100") }).await.unwrap();
    refused(&server, reverse("r", "p", "1"), "NOT_FOUND ORDER_NOT_FOUND tplus.v1.Order=p").await;
    // A request is no order.
    refused(&server, reverse("r", "import", "1"), "NOT_FOUND ORDER_NOT_FOUND tplus.v1.Order=import").await;
    taken(&server, reverse("r", "o", "40")).await;
    let exceeds =
        |field: &str, left: &str| format!("FAILED_PRECONDITION REVERSAL_EXCEEDS_ORDER field={field} left:{left}");
    refused(&server, reverse("s", "o", "60.01"), &exceeds("amount", "60.00")).await;
    let profit = |amount, profit: &str| ReverseOrderRequest { profit: profit.into(), ..reverse("s", "o", amount) };
    refused(&server, profit("50", "6.01"), &exceeds("profit", "6.00")).await;
    refused(&server, profit("60", "5.99"), &exceeds("profit", "6.00")).await;
    taken(&server, profit("60", "6")).await;
}

#[tokio::test]
async fn payments_and_withdrawals() {
    let server = start_server().await;
    with_available(&server, "10").await;
    let give_back = |request_id: &str, payment: &str| ReturnPaymentRequest {
        merchant_id: "m".into(),
        payment_id: payment.into(),
        request_id: request_id.into(),
        ..ReturnPaymentRequest::default()
    };
    let fail = |request_id: &str, withdrawal: &str| FailWithdrawalRequest {
        merchant_id: "m".into(),
        withdrawal_id: withdrawal.into(),
        request_id: request_id.into(),
        ..FailWithdrawalRequest::default()
    };
    let insufficient = "FAILED_PRECONDITION INSUFFICIENT_AVAILABLE field=amount available:10.00";
    refused(&server, withdraw("w", "10.01"), insufficient).await;
    taken(&server, withdraw("w", "10")).await;
    taken(&server, pay("p", "5")).await;
    for unknown in ["x", "w"] {
        let said = format!("NOT_FOUND PAYMENT_NOT_FOUND tplus.v1.Payment={unknown}");
        refused(&server, give_back("r", unknown), &said).await;
    }
    for unknown in ["x", "p"] {
        let said = format!("NOT_FOUND WITHDRAWAL_NOT_FOUND tplus.v1.Withdrawal={unknown}");
        refused(&server, fail("f", unknown), &said).await;
    }
    taken(&server, give_back("r", "p")).await;
    let said = "FAILED_PRECONDITION PAYMENT_RETURNED subject=payment_id";
    refused(&server, give_back("s", "p"), said).await;
    taken(&server, fail("f", "w")).await;
    let said = "FAILED_PRECONDITION WITHDRAWAL_FAILED subject=withdrawal_id";
    refused(&server, fail("g", "w"), said).await;
    // Another merchant's are not there.
    pay("q", "5").about("other").send(&server).await.unwrap();
    refused(&server, give_back("s", "q"), "NOT_FOUND PAYMENT_NOT_FOUND tplus.v1.Payment=q").await;
}

#[tokio::test]
async fn appeals() {
    let limits = Limits { open_appeals: 1, ..Limits::default() };
    let server = start_server_with(Setup { limits, ..Setup::default() }).await;
    with_available(&server, "100").await;
    for id in ["d", "e"] {
        taken(&server, deduct(id, "10")).await;
    }
    let unknown = "NOT_FOUND DEDUCTION_NOT_FOUND tplus.v1.Deduction=x";
    refused(&server, appeal("a", "x"), unknown).await;
    refused(&server, resolve("r", "x", ""), unknown).await;
    refused(&server, resolve("r", "d", ""), "NOT_FOUND APPEAL_NOT_FOUND tplus.v1.Appeal=d").await;
    taken(&server, appeal("a", "d")).await;
    let said = "FAILED_PRECONDITION TOO_MANY_APPEALS subject=merchant_id limit:1";
    refused(&server, appeal("b", "e"), said).await;
    let said = "FAILED_PRECONDITION APPEALED_ALREADY subject=deduction_id";
    refused(&server, appeal("b", "d"), said).await;
    let said = "FAILED_PRECONDITION OVERTURN_EXCEEDS_DEDUCTION field=amount deducted:10.00";
    refused(&server, resolve("r", "d", "10.01"), said).await;
    taken(&server, resolve("r", "d", "10")).await;
    let said = "FAILED_PRECONDITION APPEAL_RESOLVED subject=deduction_id";
    refused(&server, resolve("s", "d", "1"), said).await;
    let said = "FAILED_PRECONDITION APPEALED_ALREADY subject=deduction_id";
    refused(&server, appeal("b", "d"), said).await;

    // The last instant is in time, the next is not.
    let until = server.noon.after(hours(30 * 24));
    server.advance_to(until).await.unwrap();
    taken(&server, appeal("b", "e").tried()).await;
    server.advance_to(until.after(std::time::Duration::from_micros(1))).await.unwrap();
    let said = format!("FAILED_PRECONDITION APPEAL_TOO_LATE subject=deduction_id until:{until}");
    refused(&server, appeal("b", "e"), &said).await;
}

#[tokio::test]
async fn holds() {
    let limits = Limits { holds: 1, ..Limits::default() };
    let server = start_server_with(Setup { limits, ..Setup::default() }).await;
    with_available(&server, "10").await;
    taken(&server, hold("h")).await;
    let said = "FAILED_PRECONDITION TOO_MANY_HOLDS subject=merchant_id limit:1";
    refused(&server, hold("i"), said).await;
    let said = "FAILED_PRECONDITION MERCHANT_HELD subject=merchant_id holds:1";
    refused(&server, withdraw("w", "1"), said).await;
    refused(&server, lift("l", "x"), "NOT_FOUND HOLD_NOT_FOUND tplus.v1.Hold=x").await;
    taken(&server, lift("l", "h")).await;
    let said = "FAILED_PRECONDITION HOLD_LIFTED subject=hold_id";
    refused(&server, lift("k", "h"), said).await;
    taken(&server, withdraw("w", "1")).await;
}

#[tokio::test]
async fn categories_and_their_minimums() {
    let limits = Limits { categories: 1, ..Limits::default() };
    let minimums = [(Category::parse("toys").unwrap(), Money::from_dollars(50))];
    let policy = Policy { category_minimums: minimums.into(), ..Policy::default() };
    let server = start_server_with(Setup { limits, policy, ..Setup::default() }).await;
    with_available(&server, "100").await;
    let said = "FAILED_PRECONDITION TOO_MANY_CATEGORIES field=categories limit:1";
    refused(&server, categories("c", &["toys", "food"]), said).await;
    taken(&server, guarantee("m", "g1", 80)).await;
    taken(&server, categories("c", &["toys"])).await;
    let said = "FAILED_PRECONDITION BELOW_CATEGORY_MINIMUM field=guarantee required:50.00";
    refused(&server, guarantee("m", "g2", 49), said).await;
    taken(&server, guarantee("m", "g2", 50)).await;
    // Closing is not held up by it.
    taken(&server, close("close")).await;
}

#[tokio::test]
async fn a_record_that_is_not_clean() {
    let policy = Policy { clean_record: Some(hours(24)), ..Policy::default() };
    let server = start_server_with(Setup { policy, ..Setup::default() }).await;
    with_available(&server, "100").await;
    taken(&server, guarantee("m", "g1", 50)).await;
    taken(&server, deduct("d", "1")).await;
    let from = server.noon.after(hours(24));
    let said = |open: u32| {
        format!("FAILED_PRECONDITION NO_CLEAN_RECORD subject=merchant_id open_appeals:{open} possible_from:{from}")
    };
    refused(&server, guarantee("m", "g2", 49), &said(0)).await;
    refused(&server, close("c"), &said(0)).await;
    let clean = server.margin("m").await.unwrap().clean_record.unwrap();
    assert_eq!((clean.possible_from.map(|at| at.seconds), clean.open_appeals), (Some(from.micros() / 1_000_000), 0));
    taken(&server, appeal("a", "d")).await;
    server.advance_to(from).await.unwrap();
    refused(&server, guarantee("m", "g2", 49), &said(1)).await;
    let clean = server.margin("m").await.unwrap().clean_record.unwrap();
    assert_eq!((clean.possible_from, clean.open_appeals), (None, 1));
    taken(&server, resolve("r", "d", "")).await;
    taken(&server, guarantee("m", "g2", 49)).await;
}

#[tokio::test]
async fn closing() {
    let server = start_server().await;
    with_available(&server, "100").await;
    let said = "FAILED_PRECONDITION MERCHANT_NOT_CLOSING subject=merchant_id";
    refused(&server, reopen("r"), said).await;
    taken(&server, close("c")).await;
    let said = "FAILED_PRECONDITION MERCHANT_CLOSING subject=merchant_id";
    refused(&server, close("d"), said).await;
    refused(&server, guarantee("m", "g", 1), said).await;
    taken(&server, guarantee("m", "g", 0)).await;
    taken(&server, reopen("r")).await;
}
