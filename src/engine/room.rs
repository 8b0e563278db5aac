//! Room for many commands at once.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{Engine, EngineError, overloaded};
use crate::journal::Lsn;

/// Room for commands in the engine, given back when it is dropped.
#[must_use = "room that is dropped is given back"]
pub struct Room {
    _permits: OwnedSemaphorePermit,
    /// The last position of everything that was decided in it.
    pub(super) rests_on: Lsn,
}

impl From<OwnedSemaphorePermit> for Room {
    fn from(permits: OwnedSemaphorePermit) -> Self {
        Self { _permits: permits, rests_on: Lsn::ZERO }
    }
}

impl Engine {
    /// Room for so many commands, if there is.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`].
    pub fn room_now(&self, commands: usize) -> Result<Room, EngineError> {
        let permits = Arc::clone(&self.permits).try_acquire_many_owned(self.permits_for(commands));
        permits.map(Room::from).map_err(|_| overloaded())
    }

    /// Room for so many commands, as soon as there is: in a part of the engine that only those share who wait for it.
    ///
    /// # Errors
    /// Never while the engine lives.
    pub async fn room_for(&self, commands: usize) -> Result<Room, EngineError> {
        let permits = Arc::clone(&self.patient).acquire_many_owned(self.permits_for(commands)).await;
        permits.map(Room::from).map_err(|_| overloaded())
    }

    /// A chunk that is larger than all there is gets all there is.
    fn permits_for(&self, commands: usize) -> u32 {
        u32::try_from(commands.min(self.max_in_flight)).unwrap_or(u32::MAX)
    }

    /// Waits until everything that was decided in a room is durable, and takes the room back.
    ///
    /// # Errors
    /// When the journal has failed: what was recorded and is not durable is open then, and a repeat after a restart tells.
    pub async fn durable(&self, room: Room) -> Result<(), EngineError> {
        Ok(self.journal.wait_durable(room.rests_on).await?)
    }
}
