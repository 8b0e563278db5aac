//! Writing the state beside the journal, so that a start need not replay all of it.

use std::{sync::atomic::Ordering, time::Instant};

use prost::Message as _;

use super::Engine;
use crate::{
    codec::{encode_merchant, encode_policy, keep_proposal},
    journal::{CheckpointWriter, JournalFault, StoreError},
    proto::journal::{CheckpointGlobals, CheckpointItem, checkpoint_item::Item},
};

/// A checkpoint that was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Merchants, decided orders and requests, and the item for what is true of all.
    pub items: u64,
    /// Its size.
    pub bytes: u64,
}

/// Why a checkpoint was not written. The older ones stand.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The files could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it holds did not become durable.
    #[error(transparent)]
    Journal(#[from] JournalFault),
    /// The engine is being closed.
    #[error("the engine is being closed")]
    Stopped,
}

/// Writes a checkpoint while commands go on.
///
/// Replay will begin at the position after the last record of now. Every state that is written has seen the records up to
/// there: the walk over the merchants waits for each command that was recorded before it began, since that holds its merchant,
/// and what such a command has decided stands in the table by then. What a state has seen beyond, its own position tells.
pub(super) fn write(engine: &Engine) -> Result<Written, CheckpointError> {
    let (began, to_replay) = (Instant::now(), engine.to_replay());
    let start = engine.journal.last().next();
    let mut writer = engine.journal.store().begin_checkpoint(start)?;
    let mut items = 0;
    put(&mut *writer, Item::Globals(globals(engine)), &mut items)?;
    let merchants: Vec<_> = engine.merchants.iter().map(|cell| cell.key().clone()).collect();
    for id in merchants {
        go_on(engine)?;
        // The guard is gone before anything is written: a slow disk must not hold up the merchant.
        let item = engine.merchants.get(&id).map(|cell| encode_merchant(&id, &cell.merchant, cell.lsn));
        if let Some(merchant) = item {
            put(&mut *writer, Item::Merchant(merchant), &mut items)?;
        }
    }
    // What has left memory meanwhile is in the archive for good.
    engine.decided.walk(|decided| {
        go_on(engine)?;
        let decided = decided.map_err(|malformed| StoreError::Misuse(malformed.to_string()))?;
        put(&mut *writer, Item::Decided(decided), &mut items).map_err(CheckpointError::from)
    })?;
    let end = engine.journal.last();
    engine.journal.wait_durable_blocking(end)?;
    let info = writer.commit(end)?;
    engine.covered_bytes.fetch_add(to_replay, Ordering::Relaxed);
    let written = Written { items, bytes: info.bytes };
    engine.observer.checkpoint_written(written.items, written.bytes, began.elapsed());
    Ok(written)
}

/// A walk over all merchants can take longer than anyone waits for an end.
fn go_on(engine: &Engine) -> Result<(), CheckpointError> {
    if engine.signals.checkpoint.is_stopped() { Err(CheckpointError::Stopped) } else { Ok(()) }
}

fn globals(engine: &Engine) -> CheckpointGlobals {
    // None that is being announced just now may be missed: its record may lie before the place where replay will begin.
    let policies = engine.policies.settled();
    let (proposals, proposal_lsn) = engine.proposals.kept();
    CheckpointGlobals {
        policies: policies.timeline.versions().map(encode_policy).collect(),
        policy_lsn: policies.lsn.get(),
        clock: engine.time.until().micros(),
        proposals: proposals.after(0).map(keep_proposal).collect(),
        latest_proposal: proposals.latest(),
        proposal_lsn: proposal_lsn.get(),
    }
}

fn put(writer: &mut dyn CheckpointWriter, item: Item, items: &mut u64) -> Result<(), StoreError> {
    *items += 1;
    writer.put(&CheckpointItem { item: Some(item) }.encode_to_vec())
}
