//! Starting the thread that fills the history, and keeping it going.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

use super::{
    HistoryError,
    filler::{Filler, Stop},
    shared::Shared,
    trees::mark_damaged,
};
use crate::{
    background::give_way,
    journal::{FollowError, Journal, Lsn, RecoverError},
};

/// How long to wait for a record that is durable, at most.
const AT_HAND: Duration = Duration::from_secs(10);
/// How much room there has to be before writing is tried again, in bytes: what the store writes at once.
const ROOM: u64 = 32 << 20;

/// Catches up to a position, and goes on in a thread.
pub(super) fn start(shared: &Arc<Shared>, journal: &Journal, at_least: Lsn) -> Result<JoinHandle<()>, HistoryError> {
    shared.begin();
    if at_least > journal.durable() {
        return Err(HistoryError::Behind { applied: journal.durable(), wanted: at_least });
    }
    if let Some(why) = contradiction(shared, journal)? {
        shared.begin_anew(why)?;
    }
    let mut filler = Filler::new(shared, journal)?;
    match filler.catch_up(at_least) {
        Ok(()) => {}
        Err(Stop::Ended) => return Err(HistoryError::Journal("the journal is closed".to_owned())),
        Err(Stop::Stuck(error) | Stop::Failed(error)) => return Err(noted(shared, error)),
    }
    let (shared, journal) = (Arc::clone(shared), journal.clone());
    let thread = std::thread::Builder::new().name("tplus-history".to_owned());
    let spawned = thread.spawn(move || {
        // It may lag; answers may not.
        give_way();
        let ran = catch_unwind(AssertUnwindSafe(|| keep_going(&shared, &journal, filler)));
        if ran.is_err() {
            fail(&shared, HistoryError::Failed("its thread panicked".to_owned()));
        }
    });
    spawned.map_err(|error| HistoryError::Failed(format!("its thread cannot be started: {error}")))
}

/// Why the journal cannot be what led to this history, if it cannot.
fn contradiction(shared: &Shared, journal: &Journal) -> Result<Option<&'static str>, HistoryError> {
    let trees = shared.trees()?;
    let ledger = trees.ledger()?;
    let applied = ledger.applied;
    if applied == Lsn::ZERO {
        return Ok(None);
    }
    if applied > journal.durable() {
        return Ok(Some("it is ahead of the journal"));
    }
    match journal.follow(applied).next(1, AT_HAND) {
        Ok(run) => {
            let hash = run.records().next().map(|(_, record)| blake3::hash(record));
            let same = hash.is_some_and(|hash| ledger.last_record == hash.as_bytes().as_slice());
            Ok((!same).then_some("the journal says something else"))
        }
        // What the journal let go of cannot be compared.
        Err(FollowError::Read(RecoverError::Missing { .. })) => Ok(None),
        Err(error) => Err(HistoryError::Journal(error.to_string())),
    }
}

/// Runs until the end is asked for, or the journal ends, or it cannot go on.
fn keep_going(shared: &Arc<Shared>, journal: &Journal, mut filler: Filler) {
    loop {
        let error = match filler.run() {
            Stop::Ended => return,
            Stop::Failed(error) => return fail(shared, error),
            Stop::Stuck(error) => error,
        };
        tracing::error!(%error, "the history is stuck; it is tried again, and can be read meanwhile");
        shared.set_progress(|progress| progress.stuck = Some(error.to_string()));
        drop(filler);
        match take_up_again(shared, journal) {
            Ok(again) => filler = again,
            Err(Stop::Failed(error)) => return fail(shared, error),
            Err(_) => return,
        }
    }
}

/// Opens the files again once there is room, as often as it takes or until the end is asked for. After a failed write the store
/// takes no more until it is opened again.
fn take_up_again(shared: &Arc<Shared>, journal: &Journal) -> Result<Filler, Stop> {
    while shared.asked_to_end(shared.options.retry_every).is_none() {
        let again = probe(shared).and_then(|()| shared.reopen()).and_then(|()| Filler::new(shared, journal));
        match again.map_err(Stop::from) {
            Ok(filler) => {
                tracing::info!("the history goes on");
                return Ok(filler);
            }
            Err(Stop::Stuck(error)) => shared.set_progress(|progress| progress.stuck = Some(error.to_string())),
            Err(stop) => return Err(stop),
        }
    }
    Err(Stop::Ended)
}

/// Tries whether there is room, without writing any of it: this is done again and again.
fn probe(shared: &Shared) -> Result<(), HistoryError> {
    shared.before_write()?;
    let path = shared.options.dir.join("probe");
    let reserved = File::create(&path).and_then(|file| match fallocate(&file, FallocateFlags::empty(), 0, ROOM) {
        // Then only writing tells.
        Err(Errno::OPNOTSUPP) => Ok(()),
        outcome => outcome.map_err(io::Error::from),
    });
    let removed = fs::remove_file(&path);
    reserved.and(removed).map_err(|error| HistoryError::Store(format!("{}: {error}", path.display())))
}

fn fail(shared: &Shared, error: HistoryError) {
    let error = noted(shared, error);
    tracing::error!(%error, "the history has ended; it can still be read");
    shared.set_progress(|progress| progress.failed = Some(error));
}

/// Damage has the history built anew at the next start.
fn noted(shared: &Shared, error: HistoryError) -> HistoryError {
    if matches!(error, HistoryError::Damaged(_)) {
        mark_damaged(&shared.options.dir);
    }
    error
}
