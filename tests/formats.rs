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

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tonic::{Request, Response};
use tplus::{
    clock::{Clock, ManualClock},
    engine::{Engine, Options},
    grpc::{EngineSlot, Services},
    history::{self, History},
    journal::{FileOptions, FileStore, NewDirectory, Workers, inspect},
    proto::{
        orders::order_service_server::OrderService as _,
        v1::{
            self, clock_service_server::ClockService as _, dispute_service_server::DisputeService as _,
            guarantee_service_server::GuaranteeService as _, margin_service_server::MarginService as _,
            merchant_service_server::MerchantService as _, policy_service_server::PolicyService as _,
        },
    },
    server::OnDisk,
};

const KEY: [u8; 16] = [2; 16];
/// 2026-01-01T12:00:00Z, in seconds.
const NOON: i64 = 1_767_268_800;
const DAY: i64 = 86_400;
const MERCHANTS: [&str; 3] = ["ann", "bo", "cy"];

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

struct World {
    runtime: tokio::runtime::Runtime,
    engine: Arc<Engine>,
    services: Services,
}

impl World {
    fn open(dir: &Path) -> Self {
        let create =
            NewDirectory { id: [1; 16], fingerprint_key: KEY, attributes: vec![("clock".into(), "manual".into())] };
        let files = FileOptions {
            segment_size: 16 << 10,
            create: Some(create),
            workers: Workers::Caller,
            ..FileOptions::default()
        };
        let store = Arc::new(FileStore::open(dir, files).unwrap());
        let history = History::open(history::Options {
            dir: dir.join("history"),
            directory_id: [1; 16],
            fingerprint_key: KEY,
            ..history::Options::default()
        });
        let history = history.unwrap();
        let clock = |floor| Ok(Clock::Manual(ManualClock::start(NOON * 1_000_000, floor)));
        let options = Options {
            archive: Some(Arc::new(OnDisk(history.clone()))),
            background: false,
            workers: Workers::Caller,
            ..Options::default()
        };
        let (engine, _) = Engine::open(store, KEY, clock, options).unwrap();
        let slot = EngineSlot::new();
        slot.fill(Arc::clone(&engine), history);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, engine, services: Services::new(Arc::new(slot)) }
    }

    /// The answer to a call. Whatever it waits for is made durable meanwhile.
    fn told<T>(&self, call: impl Future<Output = Result<Response<T>, tonic::Status>>) -> T {
        let committed = async {
            loop {
                self.engine.journal().commit();
                tokio::task::yield_now().await;
            }
        };
        let told = self.runtime.block_on(async {
            tokio::select! { biased; told = call => told, () = committed => unreachable!("it never ends") }
        });
        told.unwrap().into_inner()
    }

    /// A line for each merchant: what it is worth.
    fn books(&self) -> String {
        let mut books = String::from("merchant guarantee frozen releasing available pending debt profit entries\n");
        for merchant in MERCHANTS {
            let asked = v1::GetMarginRequest { merchant_id: merchant.into(), as_of: None };
            let margin = self.told(self.services.get_margin(Request::new(asked)));
            let v1::GetMarginResponse { guarantee, frozen, releasing_total, available, pending_total, debt, .. } =
                &margin;
            let (profit, entries) = (&margin.historical_profit, margin.entries);
            writeln!(
                books,
                "{merchant} {guarantee} {frozen} {releasing_total} {available} {pending_total} {debt} {profit} {entries}"
            )
            .unwrap();
        }
        books
    }
}

macro_rules! call {
    ($world:ident.$method:ident($message:ident { $($field:ident: $value:expr),* $(,)? })) => {
        $world.told($world.services.$method(Request::new(v1::$message { $($field: $value.into(),)* ..v1::$message::default() })))
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
    let told = world.told(world.services.get_policy(Request::new(v1::GetPolicyRequest::default())));
    v1::Policy { base_multiple: 2, ..told.policy.unwrap().policy.unwrap() }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn write() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let world = World::open(&data);
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
            let world = World::open(&data);
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
