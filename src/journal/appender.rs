//! The journal's buffer, held for one record after the other.

use std::mem;
use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use super::committer::{Shared, State};
use super::error::AppendError;
use super::frame::RECORD_PREFIX;
use super::position::Lsn;

/// Appends records while it holds the journal's buffer: others who append wait, and so does the committer with its next batch. So it
/// is to be held for microseconds, by who has many small records ready. When it goes, the committer learns of what there is.
pub struct Appender<'a> {
    shared: &'a Shared,
    state: Option<MutexGuard<'a, State>>,
    bytes: usize,
    refused: bool,
    wakes: bool,
}

impl<'a> Appender<'a> {
    pub(super) fn new(shared: &'a Shared, state: MutexGuard<'a, State>) -> Result<Self, AppendError> {
        if let Some(fault) = &state.fault {
            return Err(AppendError::Poisoned(fault.clone()));
        }
        if state.closing {
            return Err(AppendError::Closed);
        }
        Ok(Appender { shared, state: Some(state), bytes: 0, refused: false, wakes: true })
    }

    /// Leaves the committer asleep when it goes, if it sleeps: others follow, and with the last of them
    /// [`Journal::wake`](super::Journal::wake). Waking costs as much as some dozens of records, and few large batches less than many small ones.
    pub fn leave_asleep(&mut self) {
        self.wakes = false;
    }

    /// Puts a record behind all others and returns its position, as [`Journal::append`](super::Journal::append) does.
    ///
    /// # Errors
    /// Where nothing was appended: see [`AppendError`].
    pub fn append(&mut self, record: &[u8]) -> Result<Lsn, AppendError> {
        let Self { shared, state: Some(state), bytes, refused, .. } = self else { return Err(AppendError::Closed) };
        if record.len() > shared.max_record {
            return Err(AppendError::TooLarge { len: record.len(), max: shared.max_record });
        }
        let taken = RECORD_PREFIX + record.len();
        if !shared.fits(state, taken) {
            state.refused = taken;
            *refused = true;
            return Err(AppendError::NoRoom);
        }
        let lsn = state.filling.push(record);
        *bytes += record.len();
        shared.last.store(lsn.get(), Ordering::Release);
        Ok(lsn)
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else { return };
        self.shared.queued_bytes.fetch_add(self.bytes, Ordering::Relaxed);
        self.shared.appended_bytes.fetch_add(self.bytes as u64, Ordering::Relaxed);
        let asleep = self.wakes && !state.filling.is_empty() && mem::take(&mut state.idle);
        let full = self.refused && !self.shared.read_only.swap(true, Ordering::Relaxed);
        drop(state);
        if asleep {
            self.shared.work.notify_one();
        }
        if full {
            self.shared.observer.room_changed(true);
        }
    }
}
