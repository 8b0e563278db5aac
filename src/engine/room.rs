//! Room for many commands at once.

use std::{sync::Arc, time::Duration};

use tokio::{sync::OwnedSemaphorePermit, time::sleep};

use super::{Engine, EngineError, overloaded};
use crate::{journal::Lsn, trace};

/// How often who waits looks whether it still has to.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// More bytes than the record of most commands has.
const LARGE_RECORD: usize = 896;

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
    /// Whether somebody may have so many calls in the works, of so many in all, the one that he brings among both: no more than there is room
    /// left for others. One is always let in, to find out whether there is room for it.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`].
    pub fn admits(&self, calls: usize, of_all: usize) -> Result<(), EngineError> {
        if calls > 1 && calls + of_all > self.max_in_flight { Err(overloaded()) } else { Ok(()) }
    }

    /// Room for so many commands, if there is. Many at once leave a quarter of it to those who bring one.
    ///
    /// # Errors
    /// [`EngineError::Overloaded`].
    pub fn room_now(&self, commands: usize) -> Result<Room, EngineError> {
        self.check_lag()?;
        let left = if commands > 1 { self.max_in_flight / 4 } else { 0 };
        let wanted = self.permits_for(commands.min(self.max_in_flight - left));
        // Others may take some in between: it need not be exactly a quarter.
        if self.permits.available_permits() < wanted as usize + left {
            return Err(overloaded());
        }
        let permits = Arc::clone(&self.permits).try_acquire_many_owned(wanted);
        permits.map(Room::from).map_err(|_| overloaded())
    }

    /// Room for so many commands, as soon as there is: in a part of the engine that only those share who wait for it. Needs a runtime with time.
    ///
    /// # Errors
    /// Never while the engine lives.
    pub async fn room_for(&self, commands: usize) -> Result<Room, EngineError> {
        let permits = trace::stage(trace::ROOM, async {
            let permits = Arc::clone(&self.patient).acquire_many_owned(self.permits_for(commands)).await;
            while self.check_lag().is_err() && self.journal.fault().is_none() {
                sleep(LOOK_AGAIN).await;
            }
            self.wait_for_segment(commands).await;
            permits
        });
        let permits = permits.await;
        permits.map(Room::from).map_err(|_| overloaded())
    }

    /// Waits while there may be no room in the journal for so many commands because its next segment is still being prepared. Needs a runtime
    /// with time.
    pub async fn next_segment(&self, commands: usize) {
        trace::stage(trace::ROOM, self.wait_for_segment(commands)).await;
    }

    async fn wait_for_segment(&self, commands: usize) {
        while self.journal.is_short_of_room(commands.saturating_mul(LARGE_RECORD)) {
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether the archive is not so far behind that memory would have to hold too much of what it does not know yet. Who decides faster
    /// than the history can take it down may do so for a while, and not for ever.
    pub(super) fn check_lag(&self) -> Result<(), EngineError> {
        if self.decided.is_behind(self.journal.last(), self.max_lag) { Err(overloaded()) } else { Ok(()) }
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
        Ok(trace::stage(trace::DURABLE, self.journal.wait_durable(room.rests_on)).await?)
    }
}
