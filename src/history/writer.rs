//! Writing batches: small ones at once, large ones in a thread beside the work on the next one.

use std::{sync::Arc, thread::JoinHandle};

use fjall::PersistMode;

use super::{
    HistoryError,
    draft::Draft,
    shared::Shared,
    trees::{Ledger, Trees, View},
};

/// Writes one batch after the other.
pub(super) struct Writer {
    shared: Arc<Shared>,
    trees: Arc<Trees>,
    /// How far the history is with what is written.
    written: Ledger,
    /// The batch that is on its way.
    writing: Option<JoinHandle<Result<Ledger, HistoryError>>>,
}

impl Writer {
    /// Nothing is on its way.
    pub(super) fn new(shared: &Arc<Shared>, trees: Arc<Trees>) -> Result<Self, HistoryError> {
        let written = trees.ledger()?;
        Ok(Self { shared: Arc::clone(shared), trees, written, writing: None })
    }

    /// How far the history is with what is known to be written.
    pub(super) const fn written(&self) -> &Ledger {
        &self.written
    }

    /// Whether a batch is on its way.
    pub(super) const fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    /// Waits for what is on its way.
    pub(super) fn settle(&mut self) -> Result<(), HistoryError> {
        if let Some(writing) = self.writing.take() {
            let ended = writing.join();
            self.written = ended.map_err(|_| HistoryError::Failed("a thread that writes panicked".to_owned()))??;
        }
        Ok(())
    }

    /// All that was given to be written, as it can be read.
    pub(super) fn view(&mut self) -> Result<View, HistoryError> {
        self.settle()?;
        self.trees.view()
    }

    /// Writes a batch, after the one before. One of many records is only begun.
    pub(super) fn write(&mut self, draft: Draft, are_many: bool) -> Result<(), HistoryError> {
        self.settle()?;
        self.shared.before_write()?;
        let (shared, trees, before) = (Arc::clone(&self.shared), Arc::clone(&self.trees), self.written.clone());
        if !are_many {
            self.written = write(&shared, &trees, draft, before, false)?;
            return Ok(());
        }
        let thread = std::thread::Builder::new().name("tplus-history-w".to_owned());
        let spawned = thread.spawn(move || write(&shared, &trees, draft, before, true));
        let error = |error| HistoryError::Store(format!("no thread to write with: {error}"));
        self.writing = Some(spawned.map_err(error)?);
        Ok(())
    }

    /// Has everything that is written be there for good.
    pub(super) fn sync(&mut self) -> Result<(), HistoryError> {
        self.settle()?;
        self.trees.db.persist(PersistMode::SyncAll)?;
        let durable = self.written.applied;
        self.shared.set_progress(|progress| progress.durable = durable);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Whoever opens the files next finds them let go of.
        if let Some(writing) = self.writing.take() {
            drop(writing.join());
        }
    }
}

/// Writes a batch behind another one, and tells of it.
fn write(
    shared: &Shared,
    trees: &Trees,
    mut draft: Draft,
    before: Ledger,
    are_many: bool,
) -> Result<Ledger, HistoryError> {
    (draft.ledger.cursors, draft.ledger.past_journal) = (before.cursors, before.past_journal);
    draft.write(trees, are_many, &|| shared.pass())?;
    if are_many {
        trees.db.persist(PersistMode::SyncAll)?;
    }
    let Ledger { applied, merchants, facts, .. } = draft.ledger;
    shared.set_progress(|progress| {
        (progress.applied, progress.merchants, progress.facts) = (applied, merchants, facts);
        progress.stuck = None;
        if are_many {
            progress.durable = applied;
        }
    });
    shared.pass();
    Ok(draft.ledger)
}
