//! Formats last: data directories that earlier releases have written, each opened as it is.
//!
//! `tests/golden/journal-N` was written by the first release of format N. `TPLUS_GOLDEN=write` writes the one of the present format anew,
//! which is right only before that format is released.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_update,
    reason = "a test may stop at once"
)]

mod kept;

use std::fs;

use kept::{DAY, MERCHANTS, NOON, World, admitted, copy, golden};
use tplus::{
    journal::inspect,
    proto::{
        orders::order_service_server::OrderService as _,
        v1::{
            self, clock_service_server::ClockService as _, dispute_service_server::DisputeService as _,
            guarantee_service_server::GuaranteeService as _, margin_service_server::MarginService as _,
            merchant_service_server::MerchantService as _, policy_service_server::PolicyService as _,
        },
    },
};

macro_rules! call {
    ($world:ident.$method:ident($message:ident { $($field:ident: $value:expr),* $(,)? })) => {
        $world.told($world.services.$method(admitted(v1::$message { $($field: $value.into(),)* ..v1::$message::default() })))
    };
}

/// Something of everything.
fn live(world: &World) {
    let advance = |days: i64| {
        let to = prost_types::Timestamp { seconds: NOON + days * DAY, nanos: 0 };
        call!(world.advance_clock(AdvanceClockRequest { to: to }));
    };
    for (n, merchant) in MERCHANTS.into_iter().enumerate() {
        call!(world.import_merchant(ImportMerchantRequest {
            merchant_id: merchant,
            request_id: "import",
            historical_profit: format!("{}", 900 * n),
            available: "500",
        }));
        call!(world.modify_guarantee(ModifyGuaranteeRequest {
            merchant_id: merchant,
            request_id: "raise",
            guarantee: 300_u64
        }));
        for order in 0..25 {
            let (id, price) = (format!("first-{order}"), format!("{}.{:02}", 10 + order, order));
            call!(world.classify_order(ClassifyOrderRequest { merchant_id: merchant, order_id: id, price: price }));
        }
        call!(world.place_hold(PlaceHoldRequest { merchant_id: merchant, request_id: "hold", reason: "a look" }));
    }
    world.engine.checkpoint().unwrap();
    advance(3);
    for merchant in MERCHANTS {
        call!(world.lift_hold(LiftHoldRequest { merchant_id: merchant, request_id: "lift", hold_id: "hold" }));
        call!(world.pay_margin(PayMarginRequest { merchant_id: merchant, request_id: "pay", amount: "77.70" }));
        call!(world.withdraw(WithdrawRequest { merchant_id: merchant, request_id: "withdraw", amount: "10" }));
        let about = v1::deduct_margin_request::Reference::OrderId("first-1".into());
        call!(world.deduct_margin(DeductMarginRequest {
            merchant_id: merchant,
            request_id: "deduct",
            amount: "12.5",
            reason: 1,
            beneficiary: 1,
            reference: about
        }));
        call!(world.open_appeal(OpenAppealRequest {
            merchant_id: merchant,
            request_id: "appeal",
            deduction_id: "deduct",
            statement: "no"
        }));
        call!(world.reverse_order(ReverseOrderRequest {
            merchant_id: merchant,
            request_id: "back",
            order_id: "first-3",
            amount: "2"
        }));
        call!(world.modify_guarantee(ModifyGuaranteeRequest {
            merchant_id: merchant,
            request_id: "lower",
            guarantee: 200_u64
        }));
        for order in 0..25 {
            let id = format!("second-{order}");
            call!(world.classify_order(ClassifyOrderRequest {
                merchant_id: merchant,
                order_id: id,
                price: "99.99",
                profit: "9.99"
            }));
        }
    }
    call!(world.set_policy(SetPolicyRequest { request_id: "policy", policy: policy(world) }));
    world.engine.checkpoint().unwrap();
    advance(5);
    for merchant in MERCHANTS {
        for order in 0..25 {
            let id = format!("third-{order}");
            call!(world.classify_order(ClassifyOrderRequest { merchant_id: merchant, order_id: id, price: "1" }));
        }
    }
}

/// The one in force, with another multiple.
fn policy(world: &World) -> v1::Policy {
    let told = world.told(world.services.get_policy(admitted(v1::GetPolicyRequest::default())));
    v1::Policy { base_multiple: 2, ..told.policy.unwrap().policy.unwrap() }
}

fn write() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let world = World::open(&data).unwrap();
    live(&world);
    let books = world.books();
    world.engine.close().unwrap();
    drop(world);
    fs::remove_dir_all(data.join("history")).unwrap();
    let kept = golden().join("journal-1");
    drop(fs::remove_dir_all(&kept));
    copy(&data, &kept.join("data"));
    fs::write(kept.join("books.txt"), books).unwrap();
}

#[test]
fn what_earlier_releases_have_written_is_opened() {
    if std::env::var_os("TPLUS_GOLDEN").is_some() {
        write();
    }
    let formats: Vec<_> = fs::read_dir(golden()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!formats.is_empty());
    for kept in formats {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        copy(&kept.join("data"), &data);
        let report = inspect::verify(&data).unwrap();
        assert!(report.archived > 0 && report.live > 1 && report.checkpoints.len() == 2, "{report:?}");

        // From a checkpoint, and from the journal alone; twice, as it is written to by opening.
        for round in 0..4 {
            if round == 2 {
                fs::remove_dir_all(data.join("checkpoints")).unwrap();
                fs::remove_dir_all(data.join("history")).unwrap();
            }
            let world = World::open(&data).unwrap();
            let books = world.books();
            assert_eq!(books, fs::read_to_string(kept.join("books.txt")).unwrap(), "{}, {round}", kept.display());
            // What was decided then is known.
            let again = call!(world.classify_order(ClassifyOrderRequest {
                merchant_id: "bo",
                order_id: "second-7",
                price: "99.99",
                profit: "9.99"
            }));
            assert!(again.replayed);
            world.engine.close().unwrap();
        }
    }
}
