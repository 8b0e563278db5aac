//! Reads that need the history: make sure that it is complete, ask it, convert.

mod balances;
mod disputes;
mod entries;
mod evaluate;
mod exposure;
mod merchants;
mod orders;
mod rank;
mod watch;

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use tonic::Status;

pub use watch::Events;

use super::{convert, slot::Serving};
use crate::{
    domain::{MerchantId, Timestamp},
    engine::Engine,
    history::{History, HistoryError, Reader},
    trace,
};

/// An engine, its history, and what is shared by those who ask them.
#[derive(Clone)]
pub(super) struct Past {
    engine: Arc<Engine>,
    history: History,
    sharing: Sharing,
}

/// What there is a limited number of.
#[derive(Clone, Debug)]
pub(super) struct Sharing {
    /// One evaluation of a policy at a time: it takes a processor for as long as it lasts.
    evaluations: Arc<Semaphore>,
    /// One look at all merchants at a time.
    ranks: Arc<Semaphore>,
    /// Streams of events.
    watchers: Arc<Semaphore>,
}

impl Sharing {
    pub(super) fn new(watchers: usize) -> Self {
        let [evaluations, ranks, watchers] = [1, 1, watchers].map(|most| Arc::new(Semaphore::new(most)));
        Self { evaluations, ranks, watchers }
    }
}

/// How long a read waits for a history that is behind.
const PATIENCE: Duration = Duration::from_secs(5);

impl Past {
    pub(super) fn new(Serving { engine, history }: Serving, sharing: Sharing) -> Self {
        Self { engine, history, sharing }
    }

    /// The time, and a history in which everything about a merchant is recorded that was due by then.
    async fn of(&self, merchant: &MerchantId) -> Result<(Timestamp, Reader), Status> {
        trace::about(merchant);
        let settled = self.engine.settled(merchant).await;
        let (now, position) = settled.map_err(|error| convert::failed_about(merchant, error))?;
        self.history.caught_up(position, PATIENCE).await.map_err(convert::history_failed)?;
        Ok((now, self.history.reader()))
    }

    /// The same for all merchants.
    async fn of_all(&self) -> Result<(Timestamp, Reader), Status> {
        let (now, position) = self.engine.all_settled().await.map_err(convert::failed)?;
        self.history.caught_up(position, PATIENCE).await.map_err(convert::history_failed)?;
        Ok((now, self.history.reader()))
    }

    /// Reads about one merchant, on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        merchant: &MerchantId,
        read: impl FnOnce(&Reader, Timestamp) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, Status> {
        let (now, reader) = self.of(merchant).await?;
        blocking(move || read(&reader, now)).await
    }
}

/// Runs what may wait for the disk.
async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, HistoryError> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read.map_err(convert::history_failed),
        Err(broke_off) => Err(convert::history_failed(HistoryError::Failed(broke_off.to_string()))),
    }
}
