//! Restores to a position and to a moment, held against what the journal of the original says.

use std::{collections::BTreeMap, path::Path};

use prost::Message as _;
use serde_json::Value;
use tempfile::TempDir;
use tplus::{
    domain::Timestamp,
    journal::{Batch, Epoch, FileOptions, FileStore, Lsn, NewDirectory, Store as _, Workers, carry::Source},
    proto::{
        journal::{ClockLease, MerchantFacts, Record, record::Body},
        v1::{
            AdvanceClockRequest, GetClockRequest, GetMarginRequest, clock_service_client::ClockServiceClient,
            margin_service_client::MarginServiceClient,
        },
    },
};

use crate::{
    SELLERS,
    load::{self, Load, connect},
    program::{LISTEN, Place, SMALL, backup, dump, field, lsn, ok, refused, restore, state_hash, verified},
    served::Server,
};

/// A directory that several sellers have sold in at once, and its records.
async fn lived(root: &Path) -> (Place, Vec<Value>) {
    let place = Place::new(root);
    let (server, address) = Server::start(root, &LISTEN, &SMALL);
    let load = Load::start(&address, SELLERS);
    load.until(2_500).await;
    load.stop().await;
    server.kill();
    backup(&place.data, &place.dest);
    let records = dump(&place.data);
    (place, records)
}

fn recorded_at(record: &Value) -> Timestamp {
    Timestamp::parse(record["recorded_at"].as_str().unwrap()).unwrap()
}

/// Without their positions.
fn said(records: &[Value]) -> Vec<Value> {
    let bare = |record: &Value| {
        let mut record = record.clone();
        record.as_object_mut().unwrap().remove("lsn");
        record
    };
    records.iter().map(bare).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_to_a_record_there_is_what_there_was_then() {
    let root = TempDir::new().unwrap();
    let (place, records) = lived(root.path()).await;
    let count = records.len() as u64;
    for (number, at) in [1, 2, count / 3, count / 3 + 1, count / 2, count - 1, count].into_iter().enumerate() {
        let data = root.path().join(format!("restored-{number}"));
        restore(&place.dest, &data, &["--to-lsn", &at.to_string()]);
        verified(&data);
        let restored = dump(&data);
        let (kept, more) = restored.split_at(usize::try_from(at).unwrap());
        assert_eq!(kept, &records[..kept.len()], "up to lsn {at}");
        assert!(more.len() == 1 && more[0]["clock_lease"].is_object(), "{more:?}");
        let hash = state_hash(&data, None);
        assert_eq!(hash, state_hash(&place.data, Some(at)), "up to lsn {at}");
    }
    let beyond = (count + 1).to_string();
    let into = root.path().join("beyond");
    let args = ["restore", "--from", &place.dest, "--data-dir", into.to_str().unwrap(), "--to-lsn", &beyond];
    assert!(refused(&args, 2).contains("reaches to lsn"));
    assert!(!into.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_to_a_moment_there_is_what_had_been_recorded() {
    let root = TempDir::new().unwrap();
    let (place, records) = lived(root.path()).await;
    for place_in_row in [records.len() / 4, records.len() / 2, records.len() - 1] {
        let moment = recorded_at(&records[place_in_row]);
        let elsewhere = TempDir::new().unwrap();
        let data = elsewhere.path().join("data");
        restore(&place.dest, &data, &["--to-time", &moment.to_string()]);
        verified(&data);
        let restored = dump(&data);
        let wanted: Vec<Value> = records.iter().filter(|record| recorded_at(record) <= moment).cloned().collect();
        let (kept, more) = restored.split_at(wanted.len());
        assert_eq!(said(kept), said(&wanted), "up to {moment}");
        assert!(more.len() == 1 && more[0]["clock_lease"].is_object(), "{more:?}");

        let (_server, address) = Server::start(elsewhere.path(), &LISTEN, &SMALL);
        let channel = connect(&address).await;
        for (merchant, (orders, profit)) in pending(&wanted) {
            let request = GetMarginRequest { merchant_id: merchant.clone(), as_of: None };
            let margin = MarginServiceClient::new(channel.clone()).get_margin(request).await.unwrap().into_inner();
            let told = margin
                .pending
                .iter()
                .fold((0, 0), |(orders, profit), pending| (orders + pending.orders, profit + cents(&pending.profit)));
            assert_eq!(told, (orders, profit), "{merchant} at {moment}");
        }
    }
    let early = ["restore", "--from", &place.dest, "--data-dir", "nowhere", "--to-time", "1999-01-01T00:00:00Z"];
    assert!(refused(&early, 2).contains("so early"));
    let late = ["restore", "--from", &place.dest, "--data-dir", "nowhere", "--to-time", "2999-01-01T00:00:00Z"];
    assert!(refused(&late, 2).contains("reaches to"));
}

fn cents(dollars: &str) -> u64 {
    dollars.replace('.', "").parse().unwrap()
}

/// Orders and their profit by merchant, added up from the records: nothing of it has settled yet.
fn pending(records: &[Value]) -> BTreeMap<String, (u64, u64)> {
    let mut all: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for record in records.iter().filter(|record| record["facts"].is_array()) {
        for fact in record["facts"].as_array().unwrap().iter().filter(|fact| fact["fact"] == "order_classified") {
            let entry = all.entry(record["merchant_id"].as_str().unwrap().to_owned()).or_default();
            entry.0 += 1;
            entry.1 += cents(fact["profit"].as_str().unwrap());
        }
    }
    assert!(!all.is_empty());
    all
}

/// Makes a journal of these records by hand, or goes on with one, each inner list one frame.
fn written(dir: &Path, frames: &[&[Record]]) {
    let create = NewDirectory {
        id: [7; 16],
        fingerprint_key: [8; 16],
        attributes: vec![("clock".to_owned(), "system".to_owned())],
    };
    let options = FileOptions {
        segment_size: 16 << 10,
        create: Some(create),
        workers: Workers::Caller,
        ..FileOptions::default()
    };
    let store = FileStore::open(dir, options).unwrap();
    let tail = store.recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| ()).unwrap();
    let mut first = tail.last.next();
    for frame in frames {
        let mut batch = Batch::new(first, tail.epoch);
        for record in *frame {
            batch.push(&record.encode_to_vec());
        }
        store.commit(&batch).unwrap();
        first = batch.next();
    }
}

/// A journal with one segment that is so large at least.
#[cfg(feature = "s3")]
pub fn large(dir: &Path, bytes: usize) {
    let create = NewDirectory { id: [7; 16], fingerprint_key: [8; 16], attributes: vec![] };
    let options = FileOptions { create: Some(create), workers: Workers::Caller, ..FileOptions::default() };
    let store = FileStore::open(dir, options).unwrap();
    store.recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| ()).unwrap();
    let mut first = Lsn::FIRST;
    for at in (0..bytes).step_by(1 << 20) {
        let mut batch = Batch::new(first, Epoch::new(1));
        batch.push(&of(&"m".repeat(1 << 20), i64::try_from(at).unwrap()).encode_to_vec());
        store.commit(&batch).unwrap();
        first = batch.next();
    }
}

fn of(merchant: &str, recorded_at: i64) -> Record {
    let facts = MerchantFacts { merchant_id: merchant.to_owned(), facts: vec![] };
    Record { recorded_at, body: Some(Body::Merchant(facts)), ..Record::default() }
}

fn lease(recorded_at: i64, until: i64) -> Record {
    Record { recorded_at, body: Some(Body::ClockLease(ClockLease { until })), ..Record::default() }
}

fn decoded(dir: &Path) -> Vec<Record> {
    let mut records = Vec::new();
    let read = tplus::journal::inspect::read(dir, Lsn::FIRST, &mut |_, record| {
        records.push(Record::decode(record).unwrap());
        Ok(())
    });
    read.unwrap();
    records
}

/// Times are taken before positions, so they need not rise together.
#[test]
fn records_that_got_their_positions_late_move_up() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    let frames: [&[Record]; 5] = [
        &[lease(1_000, 9_000), of("a", 1_000)],
        &[of("a", 2_000), of("b", 5_000), of("a", 3_000)],
        &[of("c", 6_000)],
        &[of("d", 4_000), lease(9_500, 12_000), of("d", 5_001)],
        &[of("e", 5_000)],
    ];
    written(&place.data, &frames);
    backup(&place.data, &place.dest);
    let all: Vec<Record> = frames.concat();
    for micros in [1_000, 2_000, 2_999, 3_000, 4_500, 5_000, 5_001, 6_000, 9_499, 9_500] {
        let data = root.path().join(micros.to_string());
        let moment = Timestamp::from_micros(micros).to_string();
        restore(&place.dest, &data, &["--to-time", &moment]);
        let mut wanted: Vec<Record> = all.iter().filter(|record| record.recorded_at <= micros).cloned().collect();
        let latest = wanted.iter().map(|record| record.recorded_at).max().unwrap();
        let until = if micros < 9_500 { 9_000 } else { 12_000 };
        wanted.push(lease(latest, until));
        assert_eq!(decoded(&data), wanted, "up to {micros}");
        let told = verified(&data);
        assert!(told.contains(&format!("up to {moment}")), "{told}");
    }
    // A lease that is left out although a record under it is kept: the clock goes on behind the record.
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    written(&place.data, &[&[lease(1_000, 2_000), lease(4_000, 5_000), of("a", 3_500)]]);
    backup(&place.data, &place.dest);
    let data = root.path().join("restored");
    restore(&place.dest, &data, &["--to-time", &Timestamp::from_micros(3_999).to_string()]);
    assert_eq!(decoded(&data), [lease(1_000, 2_000), of("a", 3_500), lease(3_500, 3_500)]);
}

/// Frames that are kept whole are as they were, with their hashes and epochs; what is put behind has an epoch of its own.
#[test]
fn the_chain_is_the_originals_up_to_where_the_lines_part() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    let frames: Vec<Vec<Record>> =
        (0..200).map(|n| (0..3).map(|m| of("merchant", 1_000 + 3 * n + m)).collect()).collect();
    let first = vec![lease(1_000, 9_000)];
    let frames: Vec<&[Record]> = [&first].into_iter().chain(&frames).map(Vec::as_slice).collect();
    written(&place.data, &frames);
    let told = backup(&place.data, &place.dest);
    assert!(field(&told, "segments") > 2, "{told}");
    let chains = |dir: &Path| -> Vec<(u64, [u8; 32], Epoch)> {
        let source = Source::open(dir).unwrap();
        let mut chains = Vec::new();
        for segment in source.segments().unwrap() {
            let read = source.read(&segment, &segment.start, &mut Vec::new(), &mut |frame| {
                let end = frame.end();
                chains.push((end.next.previous().get(), end.chain, end.epoch));
                Ok(())
            });
            read.unwrap();
        }
        chains
    };
    let original = chains(&place.data);
    let mut epochs = Vec::new();
    for (number, at) in [1 + 3 * 150, 3 * 150, lsn(&told), lsn(&told)].into_iter().enumerate() {
        let data = root.path().join(format!("restored-{number}"));
        restore(&place.dest, &data, &["--to-lsn", &at.to_string()]);
        let restored = chains(&data);
        let (last, kept) = restored.split_last().unwrap();
        assert_eq!(kept, &original[..kept.len()]);
        assert_eq!(kept.len(), original.iter().filter(|(end, ..)| *end <= at).count(), "whole frames are kept");
        assert_eq!(last.0, at + 1);
        assert!(last.2.get() > (1 << 32), "an epoch that nobody comes to by counting");
        epochs.push(last.2);
    }
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 4, "nor two who restore the same");
}

/// A new segment may be seen before its name is durable. A power cut takes it back then, and the one before goes on, which had looked full.
#[test]
fn a_segment_that_a_power_cut_took_back_is_no_other_line() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    let full: Vec<Record> = (0..100).map(|n| of(&"m".repeat(100), n)).collect();
    written(&place.data, &[&full, &[of(&"m".repeat(10_000), 100)]]);
    let newest = place.data.join("journal/00000000000000000101.seg");
    let mut bytes = std::fs::read(&newest).unwrap();
    bytes[512..].fill(0);
    std::fs::write(&newest, bytes).unwrap();
    let told = backup(&place.data, &place.dest);
    assert_eq!((lsn(&told), field(&told, "segments")), (100, 2));
    let restored = root.path().join("early");
    restore(&place.dest, &restored, &[]);
    assert_eq!(decoded(&restored), full);

    std::fs::remove_file(newest).unwrap();
    written(&place.data, &[&[of("m", 101)]]);
    let told = backup(&place.data, &place.dest);
    assert_eq!((lsn(&told), field(&told, "segments")), (101, 1));
    ok(&["backup", "verify", "--from", &place.dest]);
    let restored = root.path().join("restored");
    restore(&place.dest, &restored, &[]);
    assert_eq!(decoded(&restored), [full, vec![of("m", 101)]].concat());
}

#[test]
fn a_start_long_after_the_last_record_needs_consent_as_ever() {
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    written(&place.data, &[&[lease(1_000_000, 2_000_000)]]);
    backup(&place.data, &place.dest);
    let elsewhere = TempDir::new().unwrap();
    restore(&place.dest, &elsewhere.path().join("data"), &[]);
    let refused = Server::try_start(elsewhere.path(), &LISTEN, &[]);
    assert!(refused.err().unwrap().contains("--accept-clock-gap"));
    let (_server, _) = Server::start(elsewhere.path(), &[&LISTEN[..], &["--accept-clock-gap"]].concat(), &[]);
}

#[tokio::test]
async fn a_manual_clock_stands_where_it_was_moved_to_last() {
    let manual = ["--listen", "127.0.0.1:0", "--clock", "manual", "--clock-start", "2026-01-31T12:00:00Z"];
    let root = TempDir::new().unwrap();
    let place = Place::new(root.path());
    let (server, address) = Server::start(root.path(), &manual, &[]);
    let channel = connect(&address).await;
    let noon = 1_769_860_800;
    for (number, seconds) in [(0, noon + 3_600), (1, noon + 7_200)] {
        load::sell(&channel, "m0", number).await;
        let to = Some(prost_types::Timestamp { seconds, nanos: 0 });
        ClockServiceClient::new(channel.clone()).advance_clock(AdvanceClockRequest { to }).await.unwrap();
    }
    load::sell(&channel, "m0", 2).await;
    server.kill();
    backup(&place.data, &place.dest);
    for (to_time, stands_at, orders) in [
        ("2026-01-31T12:59:59Z", noon, 1),
        ("2026-01-31T13:00:00Z", noon + 3_600, 2),
        ("2026-01-31T14:00:00Z", noon + 7_200, 3),
    ] {
        let elsewhere = TempDir::new().unwrap();
        let data = elsewhere.path().join("data");
        restore(&place.dest, &data, &["--to-time", to_time]);
        let told = ok(&["journal", "state-hash", "--data-dir", data.to_str().unwrap()]);
        assert!(told.contains(&format!("{orders} decided")), "{told}");
        assert!(Server::try_start(elsewhere.path(), &LISTEN, &[]).err().unwrap().contains("--clock manual"));
        let (_server, address) =
            Server::start(elsewhere.path(), &["--listen", "127.0.0.1:0", "--clock", "manual"], &[]);
        let clock = ClockServiceClient::new(connect(&address).await).get_clock(GetClockRequest {}).await.unwrap();
        assert_eq!(clock.into_inner().now.unwrap().seconds, stands_at);
    }
}
