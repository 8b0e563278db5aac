//! Many commands at once, with one wait for the disk.

use std::sync::Arc;

use tokio::{sync::OwnedSemaphorePermit, task::yield_now};

use super::{Answer, Engine, EngineError, Request, Submitted, overloaded};
use crate::{domain::Command, journal::Lsn};

/// How many commands are decided before others have their turn on the thread: about a millisecond's worth.
const SLICE: usize = 256;

/// Room for commands in the engine, given back when it is dropped.
#[must_use = "room that is dropped is given back"]
pub struct Room {
    _permits: OwnedSemaphorePermit,
}

/// Commands that were decided one after the other, and are durable or will be.
pub struct Chunk<T> {
    results: Vec<Result<T, EngineError>>,
    rests_on: Lsn,
    _room: Room,
}

impl Engine {
    /// Room for so many commands, if there is.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`].
    pub fn room_now(&self, commands: usize) -> Result<Room, EngineError> {
        let permits = Arc::clone(&self.permits).try_acquire_many_owned(self.permits_for(commands));
        permits.map(|permits| Room { _permits: permits }).map_err(|_| overloaded())
    }

    /// Room for so many commands, as soon as there is: in a part of the engine that only those share who wait for it.
    ///
    /// # Errors
    /// Never while the engine lives.
    pub async fn room_for(&self, commands: usize) -> Result<Room, EngineError> {
        let permits = Arc::clone(&self.patient).acquire_many_owned(self.permits_for(commands)).await;
        permits.map(|permits| Room { _permits: permits }).map_err(|_| overloaded())
    }

    /// A chunk that is larger than all there is gets all there is.
    fn permits_for(&self, commands: usize) -> u32 {
        u32::try_from(commands.min(self.max_in_flight)).unwrap_or(u32::MAX)
    }

    /// Decides on commands in their order, each by itself: one that is refused leaves nothing, and the others are decided as if it
    /// had not been there. Lets others have their turn in between, so commands from elsewhere may come in between too.
    pub async fn submit_all<C: Command>(&self, requests: &[Request<C>], room: Room) -> Chunk<Answer<C::Fact>> {
        let mut chunk = Chunk { results: Vec::with_capacity(requests.len()), rests_on: Lsn::ZERO, _room: room };
        for (number, request) in requests.iter().enumerate() {
            if number > 0 && number.is_multiple_of(SLICE) {
                yield_now().await;
            }
            let Submitted { result, rests_on } = self.submit(request);
            chunk.rests_on = chunk.rests_on.max(rests_on);
            chunk.results.push(result);
        }
        chunk
    }

    /// Waits until everything that a chunk rests on is durable, and hands over an answer or a refusal for each command.
    ///
    /// # Errors
    /// When the journal has failed: what was recorded of the chunk is open then, and a repeat after a restart tells.
    pub async fn durable<T>(&self, chunk: Chunk<T>) -> Result<Vec<Result<T, EngineError>>, EngineError> {
        self.journal.wait_durable(chunk.rests_on).await?;
        Ok(chunk.results)
    }
}
