//! Engine time as it is given out: never above what a restart is sure to go on from.

use std::{
    sync::{
        Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use prost::Message as _;

use crate::{
    clock::{Clock, Mode},
    domain::Timestamp,
    journal::{AppendError, Journal, Lsn},
    proto::journal::{ClockAdvanced, ClockLease, Record, record::Body},
};

/// How far ahead time is leased. After a crash engine time goes on at the end of the lease, so this is also how far it may run
/// ahead of the wall clock then; a lease a second while there is traffic costs nothing.
const LEASE: Duration = Duration::from_secs(1);

/// Gives out engine time, and sees to it that the journal knows an upper bound of it.
pub(super) struct Time {
    clock: Clock,
    /// The bound that the journal was told, and the position of the record that tells it.
    until: AtomicI64,
    record: AtomicU64,
    leasing: Mutex<()>,
    /// Held for reading by every command in flight, for writing by an advance of the manual clock.
    gate: RwLock<()>,
}

/// An instant, and the position that has to be durable before anybody outside may learn of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) now: Timestamp,
    pub(super) rests_on: Lsn,
}

impl Time {
    /// Time that goes on with a clock. `until` is the bound the journal already holds, told in the record at `record`.
    pub(super) fn new(clock: Clock, until: Timestamp, record: Lsn) -> Self {
        Self {
            clock,
            until: AtomicI64::new(until.micros()),
            record: AtomicU64::new(record.get()),
            leasing: Mutex::new(()),
            gate: RwLock::new(()),
        }
    }

    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The time, for waiting and measuring alone: it must not get into an answer or a fact.
    pub(super) fn peek(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.now())
    }

    /// The time, to be given out once the journal is durable up to `rests_on`. While the disk is full and no new lease can be
    /// written, time stands still at the end of the last one.
    pub(super) fn now(&self, journal: &Journal) -> Result<Given, AppendError> {
        let now = self.clock.now();
        if self.clock.mode() == Mode::System && now > self.until.load(Ordering::Acquire) {
            match self.extend(now, journal) {
                Ok(()) => {}
                Err(AppendError::NoRoom) => return Ok(self.given(self.until.load(Ordering::Acquire))),
                Err(fault) => return Err(fault),
            }
        }
        Ok(self.given(now))
    }

    fn given(&self, now: i64) -> Given {
        Given { now: Timestamp::from_micros(now), rests_on: Lsn::new(self.record.load(Ordering::Acquire)) }
    }

    fn extend(&self, now: i64, journal: &Journal) -> Result<(), AppendError> {
        let _leasing = self.leasing.lock().unwrap_or_else(PoisonError::into_inner);
        if now <= self.until.load(Ordering::Acquire) {
            return Ok(());
        }
        self.lease(Timestamp::from_micros(now), Timestamp::from_micros(now).after(LEASE), journal)
    }

    fn lease(&self, now: Timestamp, until: Timestamp, journal: &Journal) -> Result<(), AppendError> {
        let lsn = append(journal, now, Body::ClockLease(ClockLease { until: until.micros() }))?;
        // The record first: whoever sees the new bound also sees on what it rests.
        self.record.store(lsn.get(), Ordering::Release);
        self.until.store(until.micros(), Ordering::Release);
        Ok(())
    }

    /// Ends the lease at the present time, so that a restart goes on from here. No time may be given out afterwards.
    pub(super) fn end_lease(&self, journal: &Journal) -> Result<(), AppendError> {
        match self.clock.mode() {
            Mode::System => {
                let _leasing = self.leasing.lock().unwrap_or_else(PoisonError::into_inner);
                let now = self.peek();
                self.lease(now, now, journal)
            }
            Mode::Manual => Ok(()),
        }
    }

    /// To be held by a command while it takes its time and is recorded.
    pub(super) fn in_flight(&self) -> Option<RwLockReadGuard<'_, ()>> {
        (self.clock.mode() == Mode::Manual).then(|| self.gate.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Moves the manual clock, when no command is in flight.
    pub(super) fn advance(&self, to: Timestamp, journal: &Journal) -> Result<Advance, AppendError> {
        if self.clock.mode() == Mode::System {
            return Ok(Advance::NotManual);
        }
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let now = self.peek();
        if to < now {
            return Ok(Advance::Backwards { now });
        }
        if to > now {
            self.record_advance(to, journal)?;
            // Cannot fail: it is manual, and nobody else moves it while the gate is held.
            self.clock.advance(to.micros()).unwrap_or_default();
        }
        Ok(Advance::Done(self.given(to.micros())))
    }

    /// Records where the manual clock stands.
    pub(super) fn record_advance(&self, to: Timestamp, journal: &Journal) -> Result<(), AppendError> {
        let lsn = append(journal, to, Body::ClockAdvanced(ClockAdvanced { to: to.micros() }))?;
        self.record.store(lsn.get(), Ordering::Release);
        self.until.store(to.micros(), Ordering::Release);
        Ok(())
    }

    /// The bound that the journal was told.
    pub(super) fn until(&self) -> Timestamp {
        Timestamp::from_micros(self.until.load(Ordering::Acquire))
    }
}

/// What became of an advance of the clock.
#[derive(Clone, Copy, Debug)]
pub(super) enum Advance {
    Done(Given),
    NotManual,
    Backwards { now: Timestamp },
}

/// Appends a record that is about no merchant.
pub(super) fn append(journal: &Journal, now: Timestamp, body: Body) -> Result<Lsn, AppendError> {
    let record = Record { recorded_at: now.micros(), caller: String::new(), body: Some(body) };
    journal.append(&record.encode_to_vec())
}
