//! Data directories that are kept in the tree, and how they are opened.
#![allow(dead_code, unreachable_pub, reason = "every test takes what it needs")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tonic::{Request, Response, Status};
use tplus::{
    access::Session,
    clock::{Clock, ManualClock},
    engine::{Engine, Options},
    grpc::{EngineSlot, Services},
    history::{self, History},
    journal::{FileOptions, FileStore, NewDirectory, Workers},
    proto::v1::{self, margin_service_server::MarginService as _},
    server::OnDisk,
};

pub const KEY: [u8; 16] = [2; 16];
/// 2026-01-01T12:00:00Z, in seconds.
pub const NOON: i64 = 1_767_268_800;
pub const DAY: i64 = 86_400;
pub const MERCHANTS: [&str; 3] = ["ann", "bo", "cy"];

/// Where they are.
pub fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A data directory that is open, and the services that tell of it.
pub struct World {
    runtime: tokio::runtime::Runtime,
    pub engine: Arc<Engine>,
    pub services: Services,
}

impl World {
    /// Opens it, or says why it is refused.
    pub fn open(dir: &Path) -> Result<Self, String> {
        let create =
            NewDirectory { id: [1; 16], fingerprint_key: KEY, attributes: vec![("clock".into(), "manual".into())] };
        let files = FileOptions {
            segment_size: 16 << 10,
            create: Some(create),
            workers: Workers::Caller,
            ..FileOptions::default()
        };
        let store = FileStore::open(dir, files).map_err(|error| error.to_string())?;
        let history = History::open(history::Options {
            dir: dir.join("history"),
            directory_id: [1; 16],
            fingerprint_key: KEY,
            ..history::Options::default()
        });
        let history = history.map_err(|error| error.to_string())?;
        let clock = |floor| Ok(Clock::Manual(ManualClock::start(NOON * 1_000_000, floor)));
        let options = Options {
            archive: Some(Arc::new(OnDisk(history.clone()))),
            background: false,
            workers: Workers::Caller,
            ..Options::default()
        };
        let opened = Engine::open(Arc::new(store), KEY, clock, options);
        let (engine, _) = opened.map_err(|error| error.to_string())?;
        let slot = EngineSlot::new();
        slot.fill(Arc::clone(&engine), history);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Ok(Self { runtime, engine, services: Services::new(Arc::new(slot)) })
    }

    /// The answer to a call. Whatever it waits for is made durable meanwhile.
    pub fn ask<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
        let committed = async {
            loop {
                self.engine.journal().commit();
                tokio::task::yield_now().await;
            }
        };
        let told = self.runtime.block_on(async {
            tokio::select! { biased; told = call => told, () = committed => unreachable!("it never ends") }
        });
        told.map(Response::into_inner)
    }

    /// The same, which goes well.
    pub fn told<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> T {
        self.ask(call).unwrap()
    }

    /// A line for each merchant: what it is worth.
    pub fn books(&self) -> String {
        let mut books = String::from("merchant guarantee frozen releasing available pending debt profit entries\n");
        for merchant in MERCHANTS {
            let question = v1::GetMarginRequest { merchant_id: merchant.into(), as_of: None };
            let margin = self.told(self.services.get_margin(admitted(question)));
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

/// A call as the gate lets it through where nobody is asked who he is.
pub fn admitted<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Session::anybody());
    request
}

/// Copies all that is in a directory.
pub fn copy(from: &Path, to: &Path) {
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
