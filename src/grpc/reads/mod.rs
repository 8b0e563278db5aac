//! Reads that need the history: make sure that it is complete, ask it, convert.

mod balances;
mod disputes;
mod entries;
mod evaluate;
mod exposure;
mod merchants;
mod orders;
mod watch;

use std::{sync::Arc, time::Duration};

use tonic::Status;

pub(super) use watch::{Events, Watchers};

use super::convert;
use crate::{
    domain::{MerchantId, Timestamp},
    engine::Engine,
    history::{History, HistoryError, Reader},
};

/// An engine and its history.
#[derive(Clone)]
pub(super) struct Past {
    engine: Arc<Engine>,
    history: Arc<History>,
}

/// How long a read waits for a history that is behind.
const PATIENCE: Duration = Duration::from_secs(5);

impl Past {
    pub(super) const fn new(engine: Arc<Engine>, history: Arc<History>) -> Self {
        Self { engine, history }
    }

    /// The time, and a history in which everything about a merchant is recorded that was due by then.
    async fn of(&self, merchant: &MerchantId) -> Result<(Timestamp, Reader), Status> {
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
