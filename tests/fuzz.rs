//! Any bytes at all: the corpus of the fuzz targets, and changes of it.
//!
//! `PROPTEST_CASES` says how many. `TPLUS_CORPUS=write` writes the corpus anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_update,
    reason = "a test may stop at once"
)]

#[path = "../fuzz/properties.rs"]
#[allow(unreachable_pub, reason = "shared with the fuzz targets")]
mod properties;

use std::{fs, path::PathBuf, sync::Arc};

use proptest::{prelude::*, sample::Index};
use prost::Message as _;
use tplus::{
    journal::{FileOptions, FileStore, Journal, Lsn, NewDirectory, Options, Store, inspect},
    proto::v1,
};

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// What is kept for a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no corpus for {target}");
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// What may happen to bytes on their way.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
    Cut(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<Index>;
    prop_oneof![
        6 => (place(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        2 => (place(), prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (place(), 1..40_usize).prop_map(|(at, len)| Change::Remove(at, len)),
        1 => (place(), 1..700_usize).prop_map(|(at, len)| Change::Repeat(at, len)),
        1 => place().prop_map(Change::Cut),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let place = |at: &Index| at.index(bytes.len() + 1);
    match change {
        Change::Flip(at, bit) => {
            let at = place(at);
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << bit);
        }
        Change::Insert(at, more) => {
            let at = place(at);
            drop(bytes.splice(at..at, more.iter().copied()));
        }
        Change::Remove(at, len) => {
            let at = place(at);
            let end = (at + len).min(bytes.len());
            bytes.drain(at..end);
        }
        Change::Repeat(at, len) => {
            let at = place(at);
            let end = (at + len).min(bytes.len());
            bytes.extend_from_within(at..end);
        }
        Change::Cut(at) => bytes.truncate(place(at)),
    }
}

/// Something of the corpus, changed; or anything.
fn any_bytes(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let known = (prop::sample::select(corpus(target)), prop::collection::vec(change(), 0..6));
    prop_oneof![
        9 => known.prop_map(|(mut bytes, changes)| {
            changes.iter().for_each(|change| apply(&mut bytes, change));
            bytes
        }),
        1 => prop::collection::vec(any::<u8>(), 0..600),
    ]
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4_000);
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_request_is_answered_or_refused_with_a_reason(bytes in any_bytes("request")) {
        properties::request(&bytes);
    }

    #[test]
    fn any_segment_is_read_or_refused(bytes in any_bytes("segment")) {
        properties::segment(&bytes);
    }

    #[test]
    fn any_checkpoint_is_read_or_refused(bytes in any_bytes("checkpoint")) {
        properties::checkpoint(&bytes);
    }

    #[test]
    fn any_settings_are_taken_or_refused(bytes in any_bytes("settings")) {
        properties::settings(&bytes);
    }
}

/// What is kept, as it is: all of it makes sense.
#[test]
fn the_corpus_is_taken() {
    if std::env::var_os("TPLUS_CORPUS").is_some() {
        write();
    }
    for (target, property) in [
        ("request", properties::request as fn(&[u8])),
        ("segment", properties::segment),
        ("checkpoint", properties::checkpoint),
        ("settings", properties::settings),
    ] {
        corpus(target).iter().for_each(|bytes| property(bytes));
    }
    // And checksums that are right stay as they are: `checks` knows the formats.
    for (target, check) in [
        ("segment", properties::checks::of_segment as fn(&[u8]) -> _),
        ("checkpoint", properties::checks::of_checkpoint),
    ] {
        for mut bytes in corpus(target) {
            assert!(check(&bytes) == bytes, "{target}");
            let byte = bytes.len() - 1;
            bytes[byte.min(700)] ^= 1;
            assert!(check(&bytes) != bytes, "{target}");
        }
    }
}

fn write() {
    let put = |target: &str, name: &str, bytes: &[u8]| fs::write(folder(target).join(name), bytes).unwrap();
    for (method, (name, message)) in (0_u8..).zip(messages()) {
        put("request", name, &[[method].as_slice(), &message].concat());
    }
    put("settings", "policy", tplus::config::PUBLISHED_POLICY.as_bytes());
    put("settings", "values", b"127.0.0.1:1\n2026-01-01T00:00:00Z\n5s\n262144\n64\n100\n");
    let dir = tempfile::tempdir().unwrap();
    let create = Some(NewDirectory { id: [1; 16], fingerprint_key: [2; 16], attributes: Vec::new() });
    let options = FileOptions { segment_size: 16 << 10, create, ..FileOptions::default() };
    let store = Arc::new(FileStore::open(dir.path(), options).unwrap());
    let tail = store.recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).unwrap();
    let journal = Journal::start(Arc::clone(&store) as _, tail, Options::default()).unwrap();
    for n in 0..40_usize {
        let lsn = journal.append(&vec![7; 20 + n * 13]).unwrap();
        journal.wait_durable_blocking(lsn).unwrap();
    }
    let mut checkpoint = store.begin_checkpoint(Lsn::FIRST).unwrap();
    (0..20_usize).for_each(|n| checkpoint.put(&vec![9; n * 11]).unwrap());
    checkpoint.commit(Lsn::new(2)).unwrap();
    let first = dir.path().join("journal/00000000000000000001.seg");
    put("segment", "some", &fs::read(first).unwrap());
    put(
        "checkpoint",
        "some",
        &fs::read(dir.path().join("checkpoints/00000000000000000001-00000000000000000002.ckpt")).unwrap(),
    );
    assert!(inspect::verify(dir.path()).is_ok());
}

/// A message of each method, in their order.
fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let (merchant_id, request_id, amount) = ("m".to_owned(), "r".to_owned(), "12.34".to_owned());
    let at = Some(prost_types::Timestamp { seconds: 1_772_366_400, nanos: 1_000 });
    macro_rules! message {
        ($name:literal, $message:ident { $($field:ident: $value:expr),* $(,)? }) => {
            ($name, v1::$message { $($field: $value,)* ..v1::$message::default() }.encode_to_vec())
        };
    }
    let order = v1::CompletedOrder {
        merchant_id: merchant_id.clone(),
        order_id: "o2".into(),
        price: "5".into(),
        profit: "1".into(),
        completed_at: at,
    };
    vec![
        message!(
            "classify_order",
            ClassifyOrderRequest {
                merchant_id: merchant_id.clone(),
                order_id: "o".into(),
                price: amount.clone(),
                profit: "1.5".into(),
                completed_at: at,
                not_after: at
            }
        ),
        message!("classify_orders", ClassifyOrdersRequest { orders: vec![order.clone(), order], with_receipts: true }),
        message!(
            "reverse_order",
            ReverseOrderRequest {
                merchant_id: merchant_id.clone(),
                request_id: "v".into(),
                order_id: "o".into(),
                amount: "1".into(),
                reason: "back".into()
            }
        ),
        message!(
            "modify_guarantee",
            ModifyGuaranteeRequest { merchant_id: merchant_id.clone(), request_id: "g".into(), guarantee: Some(100) }
        ),
        message!(
            "quote_guarantee",
            QuoteGuaranteeRequest { merchant_id: merchant_id.clone(), prices: vec![amount.clone()] }
        ),
        message!("batch_get_guarantees", BatchGetGuaranteesRequest { merchant_ids: vec![merchant_id.clone()] }),
        message!("get_margin", GetMarginRequest { merchant_id: merchant_id.clone() }),
        message!(
            "pay_margin",
            PayMarginRequest {
                merchant_id: merchant_id.clone(),
                request_id: "p".into(),
                amount: amount.clone(),
                reference: "bank".into()
            }
        ),
        message!(
            "return_payment",
            ReturnPaymentRequest { merchant_id: merchant_id.clone(), request_id: "b".into(), payment_id: "p".into() }
        ),
        message!(
            "withdraw",
            WithdrawRequest { merchant_id: merchant_id.clone(), request_id: "w".into(), amount: "1".into() }
        ),
        message!(
            "fail_withdrawal",
            FailWithdrawalRequest {
                merchant_id: merchant_id.clone(),
                request_id: "f".into(),
                withdrawal_id: "w".into()
            }
        ),
        message!(
            "adjust_balance",
            AdjustBalanceRequest {
                merchant_id: merchant_id.clone(),
                request_id: "a".into(),
                direction: 1,
                amount: amount.clone(),
                reason: "error".into()
            }
        ),
        message!(
            "deduct_margin",
            DeductMarginRequest {
                merchant_id: merchant_id.clone(),
                request_id: "d".into(),
                amount: "1".into(),
                reason: 1
            }
        ),
        message!(
            "open_appeal",
            OpenAppealRequest {
                merchant_id: merchant_id.clone(),
                request_id: "oa".into(),
                deduction_id: "d".into(),
                statement: "no".into()
            }
        ),
        message!(
            "resolve_appeal",
            ResolveAppealRequest {
                merchant_id: merchant_id.clone(),
                request_id: "ra".into(),
                deduction_id: "d".into(),
                outcome: 1
            }
        ),
        message!(
            "import_merchant",
            ImportMerchantRequest {
                merchant_id: "i".into(),
                request_id: request_id.clone(),
                historical_profit: amount.clone(),
                available: amount
            }
        ),
        message!(
            "set_categories",
            SetCategoriesRequest {
                merchant_id: merchant_id.clone(),
                request_id: "c".into(),
                categories: vec!["books".into()]
            }
        ),
        message!(
            "place_hold",
            PlaceHoldRequest { merchant_id: merchant_id.clone(), request_id: "h".into(), reason: "look".into() }
        ),
        message!(
            "lift_hold",
            LiftHoldRequest { merchant_id: merchant_id.clone(), request_id: "l".into(), hold_id: "h".into() }
        ),
        message!("close_merchant", CloseMerchantRequest { merchant_id: merchant_id.clone(), request_id: "x".into() }),
        message!("reopen_merchant", ReopenMerchantRequest { merchant_id: merchant_id, request_id: "y".into() }),
        message!("set_policy", SetPolicyRequest { request_id: request_id, policy: Some(v1::Policy::default()) }),
        message!("advance_clock", AdvanceClockRequest { to: at }),
    ]
}
