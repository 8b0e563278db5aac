//! The history against a plain list of the same facts, and its life: stops, kills, damage, and journals that are not its own.

mod life;
mod reads;
mod rows;
mod speed;
mod world;

use std::{path::Path, sync::Arc, time::Duration};

use super::{History, Options};
use crate::journal::{self, AppendError, Journal, Lsn, MemoryStore, Store};
use world::World;

/// The key of the fingerprints.
const KEY: [u8; 16] = [7; 16];

fn options(dir: &Path) -> Options {
    Options {
        dir: dir.join("history"),
        directory_id: [1; 16],
        fingerprint_key: KEY,
        cache_bytes: 8 << 20,
        // So few that states are read back all the time.
        cached_merchants: 4,
        batch_bytes: 4 << 10,
        // So that both ways of writing take turns.
        many_bytes: 3 << 10,
        linger: Duration::ZERO,
        sync_every: Duration::from_millis(20),
        retry_every: Duration::from_millis(20),
    }
}

fn open_journal(store: impl Store + 'static) -> Journal {
    let store: Arc<dyn Store> = Arc::new(store);
    let tail = store.recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| ()).unwrap();
    Journal::start(store, tail, journal::Options::default()).unwrap()
}

/// A journal in memory with everything that a world recorded.
fn journal_of(world: &World) -> Journal {
    let journal = open_journal(MemoryStore::new());
    append(&journal, &world.records);
    journal
}

fn append(journal: &Journal, records: &[Vec<u8>]) {
    for record in records {
        // A store in files may have to prepare room first.
        while let Err(refused) = journal.append(record) {
            assert!(matches!(refused, AppendError::NoRoom), "{refused}");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
    journal.wait_durable_blocking(journal.last()).unwrap();
}

/// A history that has applied all of a journal.
fn filled(dir: &Path, journal: &Journal) -> History {
    filled_by(options(dir), journal)
}

fn filled_by(options: Options, journal: &Journal) -> History {
    let history = History::open(options).unwrap();
    history.start(journal, journal.durable()).unwrap();
    history
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn caught_up(history: &History, journal: &Journal) {
    wait(history.caught_up(journal.durable(), Duration::from_secs(30))).unwrap();
}
