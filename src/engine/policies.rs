//! The policies as every command sees them, and how another one is announced.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::{
    Engine, EngineError, Submitted, overloaded,
    submit::check_not_after,
    time::{Given, append},
};
use crate::{
    codec::encode_policy,
    domain::{InForce, SetPolicy, Timeline, Timestamp},
    journal::{AppendError, Lsn},
    proto::journal::record::Body,
};

/// All policies, and the position of the last one's record.
#[derive(Clone, Debug)]
pub(super) struct Policies {
    pub(super) timeline: Timeline,
    pub(super) lsn: Lsn,
    /// One is being announced that comes into force at this instant: whoever has a time from then on has to wait for it.
    barrier: Option<Timestamp>,
}

impl Policies {
    pub(super) const fn new(timeline: Timeline, lsn: Lsn) -> Self {
        Self { timeline, lsn, barrier: None }
    }
}

/// Hands out the policies.
pub(super) struct Book {
    current: ArcSwap<Policies>,
    /// Held while one is being announced.
    announcing: Mutex<()>,
}

impl Book {
    pub(super) fn new(policies: Policies) -> Self {
        Self { current: ArcSwap::from_pointee(policies), announcing: Mutex::new(()) }
    }

    /// The policies for a decision at an instant, to be asked after the time was taken: then none that counts at that instant is
    /// missing. One that is announced meanwhile either is not in force by then, or has put up its barrier before that instant came.
    pub(super) fn at(&self, now: Timestamp) -> Arc<Policies> {
        loop {
            let policies = self.current.load_full();
            if policies.barrier.is_none_or(|barrier| now < barrier) {
                return policies;
            }
            drop(self.announcing());
        }
    }

    /// The policies for looking alone.
    pub(super) fn peek(&self) -> Arc<Policies> {
        self.current.load_full()
    }

    fn announcing(&self) -> MutexGuard<'_, ()> {
        self.announcing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often an announcement is tried anew whose instant came before its barrier stood.
const ATTEMPTS: usize = 8;

/// A barrier that stands while this does.
struct Barrier<'a> {
    book: &'a Book,
    before: &'a Arc<Policies>,
}

impl<'a> Barrier<'a> {
    fn put_up(book: &'a Book, before: &'a Arc<Policies>, at: Timestamp) -> Self {
        book.current.store(Arc::new(Policies { barrier: Some(at), ..Policies::clone(before) }));
        Self { book, before }
    }
}

impl Drop for Barrier<'_> {
    /// Takes it down, unless what it stood for has taken its place.
    fn drop(&mut self) {
        if self.book.current.load().barrier.is_some() {
            self.book.current.store(Arc::clone(self.before));
        }
    }
}

/// A request for another policy, and how to treat it.
#[derive(Clone, Debug)]
pub struct PolicyRequest {
    /// What is asked for.
    pub set: SetPolicy,
    /// Who asks; empty while nobody is authenticated.
    pub caller: String,
    /// Decide, but change and remember nothing.
    pub validate_only: bool,
    /// Refuse a request that is not known when this has passed.
    pub not_after: Option<Timestamp>,
}

/// A policy that was announced, or was already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The policy.
    pub in_force: InForce,
    /// It was known already.
    pub replayed: bool,
}

impl Engine {
    /// Announces another policy, and answers when that is durable.
    ///
    /// # Errors
    /// See [`EngineError`]; a refusal by the rules is one of them.
    pub async fn set_policy(&self, request: &PolicyRequest) -> Result<Announced, EngineError> {
        let _permit = self.permit()?;
        self.once_durable(self.announce(request)).await
    }

    fn announce(&self, request: &PolicyRequest) -> Submitted<Announced> {
        let mut rests_on = Lsn::ZERO;
        let result = self.try_announce(request, &mut rests_on);
        if result.as_ref().is_ok_and(|announced| !announced.replayed) {
            // Deadlines of warnings may have moved. Not under the lock that a command may wait for while it holds its merchant.
            self.reschedule();
            self.signals.due.wake();
        }
        Submitted { result, rests_on }
    }

    fn try_announce(&self, request: &PolicyRequest, rests_on: &mut Lsn) -> Result<Announced, EngineError> {
        let _in_flight = self.time.in_flight();
        let _alone = self.policies.announcing();
        let before = self.policies.peek();
        for _ in 0..ATTEMPTS {
            let given = self.time.now(&self.journal)?;
            *rests_on = given.rests_on.max(before.lsn);
            if let Some(known) = before.timeline.recall(&request.set)? {
                return Ok(Announced { in_force: known.clone(), replayed: true });
            }
            check_not_after(request.not_after, given.now)?;
            let in_force = before.timeline.announce(&request.set, given.now)?;
            if request.validate_only {
                return Ok(Announced { in_force, replayed: false });
            }
            let _barrier = Barrier::put_up(&self.policies, &before, in_force.effective_at);
            if self.time.peek() >= in_force.effective_at {
                // Too slow: somebody may have decided at that instant without having seen the barrier.
                continue;
            }
            let body = Body::PolicySet(encode_policy(&in_force));
            let lsn = append(&self.journal, given.now, &request.caller, body)?;
            let mut timeline = before.timeline.clone();
            timeline.push(in_force.clone());
            self.policies.current.store(Arc::new(Policies::new(timeline, lsn)));
            *rests_on = lsn;
            return Ok(Announced { in_force, replayed: false });
        }
        // Time stands still while the disk is full, and the clock has left it behind.
        Err(if self.journal.read_only() { AppendError::NoRoom.into() } else { overloaded() })
    }

    /// All policies, as of now.
    ///
    /// # Errors
    /// When too much is in flight, or the journal has failed.
    pub async fn policies(&self) -> Result<(Timestamp, Timeline), EngineError> {
        let _permit = self.permit()?;
        let (given, policies) = self.policies_now()?;
        self.journal.wait_durable(given.rests_on.max(policies.lsn)).await?;
        Ok((given.now, policies.timeline.clone()))
    }

    fn policies_now(&self) -> Result<(Given, Arc<Policies>), EngineError> {
        let _in_flight = self.time.in_flight();
        let given = self.time.now(&self.journal)?;
        Ok((given, self.policies.at(given.now)))
    }
}
