//! Engines to measure.
#![allow(dead_code, reason = "each bench uses its part")]

use std::{path::PathBuf, sync::Arc};

use tempfile::TempDir;
use tplus::{
    clock::{Clock, ManualClock},
    domain::{ClassifyOrder, Command, Id, ModifyGuarantee, Money, Timestamp},
    engine::{Engine, EngineError, Options, Request},
    journal::{FileOptions, FileStore, NewDirectory, Store},
};

/// Where time starts.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_767_258_000_000_000);

/// A directory on the disk that the build uses, not in memory.
pub(crate) fn directory() -> TempDir {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    tempfile::tempdir_in(target).expect("a directory")
}

/// A store in files.
pub(crate) fn file_store(dir: &TempDir) -> FileStore {
    let create = NewDirectory { id: [1; 16], fingerprint_key: [2; 16], attributes: Vec::new() };
    let options = FileOptions { create: Some(create), ..FileOptions::default() };
    FileStore::open(dir.path(), options).expect("a store")
}

/// An engine over a store, with a manual clock.
pub(crate) fn engine(store: impl Store) -> Arc<Engine> {
    let clock = |floor| Ok(Clock::Manual(ManualClock::start(START.micros(), floor)));
    let options = Options { max_in_flight: 1 << 20, checkpoint_every: u64::MAX, ..Options::default() };
    Engine::open(Arc::new(store), [3; 16], clock, options).expect("an engine").0
}

/// Submits, and tries again while the next journal file is being prepared. Waits for the disk now and then, so that the queue
/// stays short.
pub(crate) fn submit<C: Command>(engine: &Engine, request: &Request<C>) {
    loop {
        let submitted = engine.submit(request);
        match submitted.result {
            Ok(_) if !submitted.rests_on.get().is_multiple_of(1_000) => return,
            Ok(_) => return engine.journal().wait_durable_blocking(submitted.rests_on).expect("durable"),
            Err(EngineError::ReadOnly { .. }) => {
                engine.journal().wait_durable_blocking(engine.journal().last()).expect("durable");
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// An order of a merchant.
pub(crate) fn order(merchant: u64, order: u64) -> Request<ClassifyOrder> {
    let id = Id::parse(&format!("order-{order:016}")).expect("an id");
    let command = ClassifyOrder::new(id, Money::from_cents(1_999), None, None).expect("valid");
    request(merchant, command)
}

/// A guarantee of a merchant, in dollars.
pub(crate) fn guarantee(merchant: u64, id: &str, dollars: u64) -> Request<ModifyGuarantee> {
    request(merchant, ModifyGuarantee::new(Id::parse(id).expect("an id"), dollars).expect("valid"))
}

/// A command for a merchant.
pub(crate) fn request<C>(merchant: u64, command: C) -> Request<C> {
    let merchant = Id::parse(&format!("merchant-{merchant:08}")).expect("an id");
    Request { merchant, command, caller: String::new(), validate_only: false, not_after: None }
}
