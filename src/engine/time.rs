//! Engine time as it is given out: never above what a restart is sure to go on from.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use prost::Message as _;

use crate::{
    clock::{Clock, Mode},
    domain::Timestamp,
    journal::{AppendError, Journal, Lsn},
    proto::journal::{Approval, ClockAdvanced, ClockLease, Record, record::Body},
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
    /// Held from the append of such a record until both are stored.
    leasing: Mutex<()>,
    /// The lease has ended for good.
    ended: AtomicBool,
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
    /// Time that goes on with a clock. `until` is the bound that the journal holds already, durably.
    pub(super) fn new(clock: Clock, until: Timestamp) -> Self {
        Self {
            clock,
            until: AtomicI64::new(until.micros()),
            record: AtomicU64::new(Lsn::ZERO.get()),
            leasing: Mutex::new(()),
            ended: AtomicBool::new(false),
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
                // Another thread may have found room meanwhile: never ahead of the clock.
                Err(AppendError::NoRoom) => return Ok(self.given(now.min(self.until.load(Ordering::Acquire)))),
                Err(fault) => return Err(fault),
            }
        }
        // Looked at after the clock: whoever finds it open has a time from before its end.
        if self.ended.load(Ordering::SeqCst) {
            return Err(AppendError::Closed);
        }
        Ok(self.given(now))
    }

    fn given(&self, now: i64) -> Given {
        Given { now: Timestamp::from_micros(now), rests_on: Lsn::new(self.record.load(Ordering::Acquire)) }
    }

    fn extend(&self, now: i64, journal: &Journal) -> Result<(), AppendError> {
        let _leasing = self.leasing();
        if self.ended.load(Ordering::SeqCst) {
            return Err(AppendError::Closed);
        }
        if now <= self.until.load(Ordering::Acquire) {
            return Ok(());
        }
        self.lease(Timestamp::from_micros(now), Timestamp::from_micros(now).after(LEASE), journal)
    }

    fn lease(&self, now: Timestamp, until: Timestamp, journal: &Journal) -> Result<(), AppendError> {
        let lsn = append(journal, now, "", Body::ClockLease(ClockLease { until: until.micros() }))?;
        self.store(until, lsn);
        Ok(())
    }

    fn store(&self, until: Timestamp, record: Lsn) {
        // The record first: whoever sees the new bound also sees on what it rests.
        self.record.store(record.get(), Ordering::Release);
        self.until.store(until.micros(), Ordering::Release);
    }

    fn leasing(&self) -> MutexGuard<'_, ()> {
        self.leasing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the lease at the present time, so that a restart goes on from here. No later time is given out afterwards.
    pub(super) fn end_lease(&self, journal: &Journal) -> Result<(), AppendError> {
        match self.clock.mode() {
            Mode::System => {
                let _leasing = self.leasing();
                self.ended.store(true, Ordering::SeqCst);
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

    /// Moves the clock, which has to be manual, when no command is in flight.
    pub(super) fn advance(&self, to: Timestamp, caller: &str, journal: &Journal) -> Result<Advance, AppendError> {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let now = self.peek();
        if to < now {
            return Ok(Advance::Backwards(self.given(now.micros())));
        }
        if to > now {
            self.record_advance(to, caller, journal)?;
            // Cannot fail: it is manual, and nobody else moves it while the gate is held.
            self.clock.advance(to.micros()).unwrap_or_default();
        }
        Ok(Advance::Done(self.given(to.micros())))
    }

    /// Records where the manual clock stands.
    pub(super) fn record_advance(&self, to: Timestamp, caller: &str, journal: &Journal) -> Result<(), AppendError> {
        let _leasing = self.leasing();
        let lsn = append(journal, to, caller, Body::ClockAdvanced(ClockAdvanced { to: to.micros() }))?;
        self.store(to, lsn);
        Ok(())
    }

    /// The bound that the journal was told, by all records that have been appended.
    pub(super) fn until(&self) -> Timestamp {
        let _leasing = self.leasing();
        Timestamp::from_micros(self.until.load(Ordering::Acquire))
    }
}

/// What became of an advance of the clock.
#[derive(Clone, Copy, Debug)]
pub(super) enum Advance {
    Done(Given),
    /// Refused, as it stands here.
    Backwards(Given),
}

/// Appends a record that is about no merchant.
pub(super) fn append(journal: &Journal, now: Timestamp, caller: &str, body: Body) -> Result<Lsn, AppendError> {
    append_approved(journal, now, (caller, None), body)
}

/// The same for one that its caller may have approved and not proposed.
pub(super) fn append_approved(
    journal: &Journal,
    now: Timestamp,
    (caller, approval): (&str, Option<&Approval>),
    body: Body,
) -> Result<Lsn, AppendError> {
    let record =
        Record { recorded_at: now.micros(), caller: caller.into(), body: Some(body), approval: approval.cloned() };
    journal.append(&record.encode_to_vec())
}
