//! What has to hold for any bytes that come from outside. Shared by the fuzz targets (`just fuzz`) and by `tests/fuzz.rs`, which tries the
//! corpus and changes of it, and needs no more than a compiler.

use std::{path::Path, sync::OnceLock};

use prost::Message;
use tonic::{Request, Status};
use tonic_types::StatusExt as _;
use tplus::{
    access::Session,
    clock::{Clock, ManualClock},
    config::{Config, PolicyFile, ServeArgs},
    engine::{Engine, Options},
    grpc::{EngineSlot, Services, wire::ClassifyOrdersRequest},
    history::{self, History},
    journal::{Identity, MemoryStore, inspect},
    proto::{
        orders::order_service_server::OrderService as _,
        v1::{
            self, clock_service_server::ClockService as _, dispute_service_server::DisputeService as _,
            guarantee_service_server::GuaranteeService as _, margin_service_server::MarginService as _,
            merchant_service_server::MerchantService as _, policy_service_server::PolicyService as _,
        },
    },
};

pub mod checks;

/// The id of the directory that the segments and checkpoints of the corpus are from.
const DIRECTORY: [u8; 16] = [1; 16];

struct World {
    services: Services,
    engine: std::sync::Arc<Engine>,
    runtime: tokio::runtime::Runtime,
    _history: tempfile::TempDir,
}

/// An engine that has seen all that was tried before.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let options = history::Options { dir: dir.path().to_owned(), ..history::Options::default() };
        let history = History::open(options).expect("a history");
        let clock = |floor| Ok(Clock::Manual(ManualClock::start(1_772_366_400_000_000, floor)));
        let store = std::sync::Arc::new(MemoryStore::new());
        let options = Options { background: false, ..Options::default() };
        let (engine, _) = Engine::open(store, [7; 16], clock, options).expect("an engine");
        let slot = EngineSlot::new();
        slot.fill(std::sync::Arc::clone(&engine), history);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        World { services: Services::new(std::sync::Arc::new(slot)), engine, runtime, _history: dir }
    })
}

/// A method and the bytes of its message: they are no message, or are answered, or are refused with a reason that a program can read. The
/// books are right afterwards.
pub fn request(bytes: &[u8]) {
    let Some((method, message)) = bytes.split_first() else { return };
    let World { services, engine, runtime, .. } = world();
    if let Some(Err(status)) = runtime.block_on(call(services, *method, message)) {
        let details = status.get_error_details();
        assert!(details.error_info().is_some_and(|info| !info.reason.is_empty()), "{status:?}");
        assert_ne!(status.code(), tonic::Code::Internal, "{status:?}");
    } else {
        engine.check().expect("the books are right");
    }
}

/// How many methods there are to choose from.
pub const METHODS: u8 = 23;

/// A call as the gate lets it through where nobody is asked who he is.
fn admitted<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Session::anybody());
    request
}

async fn call(services: &Services, method: u8, message: &[u8]) -> Option<Result<(), Status>> {
    macro_rules! methods {
        ($($number:literal => $method:ident($request:ty)),* $(,)?) => {
            match method % METHODS {
                $($number => {
                    let request = <$request>::decode(message).ok()?;
                    Some(services.$method(admitted(request)).await.map(drop))
                })*
                _ => None,
            }
        };
    }
    methods! {
        0 => classify_order(v1::ClassifyOrderRequest),
        1 => classify_orders(ClassifyOrdersRequest),
        2 => reverse_order(v1::ReverseOrderRequest),
        3 => modify_guarantee(v1::ModifyGuaranteeRequest),
        4 => quote_guarantee(v1::QuoteGuaranteeRequest),
        5 => batch_get_guarantees(v1::BatchGetGuaranteesRequest),
        6 => get_margin(v1::GetMarginRequest),
        7 => pay_margin(v1::PayMarginRequest),
        8 => return_payment(v1::ReturnPaymentRequest),
        9 => withdraw(v1::WithdrawRequest),
        10 => fail_withdrawal(v1::FailWithdrawalRequest),
        11 => adjust_balance(v1::AdjustBalanceRequest),
        12 => deduct_margin(v1::DeductMarginRequest),
        13 => open_appeal(v1::OpenAppealRequest),
        14 => resolve_appeal(v1::ResolveAppealRequest),
        15 => import_merchant(v1::ImportMerchantRequest),
        16 => set_categories(v1::SetCategoriesRequest),
        17 => place_hold(v1::PlaceHoldRequest),
        18 => lift_hold(v1::LiftHoldRequest),
        19 => close_merchant(v1::CloseMerchantRequest),
        20 => reopen_merchant(v1::ReopenMerchantRequest),
        21 => set_policy(v1::SetPolicyRequest),
        22 => advance_clock(v1::AdvanceClockRequest),
    }
}

fn identity() -> Identity {
    Identity { id: DIRECTORY, fingerprint_key: [2; 16], attributes: Vec::new() }
}

/// The bytes of a segment file, and the same with checksums that are right: they are whole, or end in a torn frame, or are refused.
pub fn segment(bytes: &[u8]) {
    let name = Path::new("00000000000000000001.seg");
    for bytes in [bytes, &checks::of_segment(bytes)] {
        for is_last in [false, true] {
            drop(inspect::check_segment(&identity(), name, bytes, is_last));
        }
    }
}

/// The bytes of a checkpoint, and the same with checksums that are right: they are whole, or are refused.
pub fn checkpoint(bytes: &[u8]) {
    let name = Path::new("00000000000000000001-00000000000000000002.ckpt");
    for bytes in [bytes, &checks::of_checkpoint(bytes)] {
        drop(inspect::check_checkpoint(&identity(), name, bytes));
    }
}

/// Texts, one in each line, as a policy file and as values of all settings: they are taken, or refused by name.
pub fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    drop(PolicyFile::parse(text));
    let names =
        ["LISTEN", "CLOCK_START", "CLOCK_MAX_STEP", "JOURNAL_SEGMENT_SIZE", "ENGINE_SHARDS", "SERVER_MAX_CONNECTIONS"];
    let values = names.iter().zip(text.lines()).map(|(name, value)| (format!("TPLUS_{name}"), value.to_owned()));
    if let Err(error) = Config::load(ServeArgs::default(), values) {
        assert!(!error.to_string().is_empty());
    }
}
