//! The policies as every command sees them, and how another one is announced.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::{
    Engine, EngineError, Submitted, overloaded,
    submit::check_not_after,
    time::{Given, append_approved},
};
use crate::{
    codec::encode_policy,
    domain::{InForce, SetPolicy, Timeline, Timestamp},
    journal::{AppendError, Lsn},
    proto::journal::{Approval, record::Body},
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

    /// All policies whose records have been appended.
    pub(super) fn settled(&self) -> Arc<Policies> {
        let _announcing = self.announcing();
        self.peek()
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
    /// Who asks; empty, if nobody was asked who he is.
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
        let result = self.try_announce((request, None), &mut rests_on);
        if !request.validate_only && result.as_ref().is_ok_and(|announced| !announced.replayed) {
            self.after_announcement();
        }
        Submitted { result, rests_on }
    }

    /// Deadlines of warnings may have moved. Not under a lock that a command may wait for while it holds its merchant.
    pub(super) fn after_announcement(&self) {
        self.reschedule();
        self.signals.due.wake();
    }

    /// Announces a policy in the name of who asks for it, or of who has approved what another had proposed. What was announced wants
    /// [`Engine::after_announcement`].
    pub(super) fn try_announce(
        &self,
        (request, approval): (&PolicyRequest, Option<&Approval>),
        rests_on: &mut Lsn,
    ) -> Result<Announced, EngineError> {
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
            let lsn = append_approved(&self.journal, given.now, (&request.caller, approval), body)?;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        clock::{self, Clock, EngineClock, ManualClock, TestTime},
        domain::{ClassifyOrder, Id, MerchantId, Money, Policy, Text},
        engine::{Options, Request, time::append},
        journal::MemoryStore,
    };

    const HOUR: Duration = Duration::from_secs(3_600);

    fn set(name: &str, day_start: Duration) -> PolicyRequest {
        let mut policy = Policy::default();
        policy.calendar.day_start = day_start;
        let set = SetPolicy {
            request_id: Id::parse(name).unwrap(),
            policy,
            effective_at: None,
            expected_version: None,
            reason: Text::default(),
        };
        PolicyRequest { set, caller: String::new(), validate_only: false, not_after: None }
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    /// An announced earlier start of the day, not yet in force, must not keep the background task busy.
    #[test]
    fn an_announced_calendar_leaves_the_background_task_idle() {
        let start = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        let mut policy = Policy::default();
        policy.calendar.day_start = 8 * HOUR;
        let options = Options { shards: 4, background: false, policy: Some(policy), ..Options::default() };
        let clock = |floor| Ok(Clock::Manual(ManualClock::start(start.micros(), floor)));
        let (engine, _) = Engine::open(Arc::new(MemoryStore::new()), [7; 16], clock, options).unwrap();
        let order = ClassifyOrder::new(Id::parse("o").unwrap(), Money::from_dollars(1), None, None).unwrap();
        let merchant = MerchantId::parse("m").unwrap();
        let request =
            Request { merchant, command: order, caller: String::new(), validate_only: false, not_after: None };
        wait(engine.execute(request)).unwrap();
        // Nine days later at 03:00; by the calendar in force the day of the order is kept until 08:00.
        wait(engine.advance_clock(Timestamp::parse("2026-03-10T03:00:00Z").unwrap(), "")).unwrap();
        let settle = || (0..100).take_while(|_| engine.run_due().unwrap() > 0).count();
        assert!(settle() < 100, "before the announcement");
        let announced = wait(engine.set_policy(&set("s", Duration::ZERO))).unwrap();
        assert_eq!(announced.in_force.effective_at, Timestamp::parse("2026-03-10T08:00:00Z").unwrap());
        let looks = settle();
        engine.close().unwrap();
        assert!(looks < 100, "the background task looks at the merchant again and again, and all_settled never ends");
    }

    /// On a full disk time stands still; an announcement has to be refused like any other command.
    #[test]
    fn an_announcement_on_a_full_disk_ends() {
        let time = Arc::new(TestTime::new(Timestamp::parse("2026-03-01T12:00:00Z").unwrap().micros()));
        let source = Arc::clone(&time);
        let clock = move |floor| EngineClock::start(source, floor, clock::Options::default()).map(Clock::System);
        let options = Options { shards: 4, background: false, ..Options::default() };
        let store = MemoryStore::new();
        let (engine, _) = Engine::open(Arc::new(store.clone()), [7; 16], clock, options).unwrap();
        store.set_room(Some(3));
        time.advance(Duration::from_secs(5));
        let (sender, receiver) = std::sync::mpsc::channel();
        let other = Arc::clone(&engine);
        std::thread::spawn(move || drop(sender.send(wait(other.set_policy(&set("s", Duration::ZERO))))));
        let answer = receiver.recv_timeout(Duration::from_secs(5));
        assert!(matches!(answer, Ok(Err(EngineError::ReadOnly { .. }))), "{answer:?}");
    }

    /// A barrier that was put up for an announcement that is refused after all has to come down again.
    #[test]
    fn a_refused_announcement_leaves_no_barrier() {
        let time = Arc::new(TestTime::new(Timestamp::parse("2026-03-01T12:00:00Z").unwrap().micros()));
        let source = Arc::clone(&time);
        let clock = move |floor| EngineClock::start(source, floor, clock::Options::default()).map(Clock::System);
        let options = Options { shards: 4, background: false, ..Options::default() };
        let (engine, _) = Engine::open(Arc::new(MemoryStore::new()), [7; 16], clock, options).unwrap();
        // A machine on which every look at the clock takes 0.7 s, as under a stall between two of them.
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let stalls = Arc::clone(&time);
        let stalled = std::thread::spawn(move || {
            while stopped.try_recv().is_err() {
                stalls.advance(Duration::from_millis(700));
                std::thread::yield_now();
            }
        });
        let mut left = None;
        for n in 0..5_000 {
            let now = wait(engine.now()).unwrap();
            let mut request = set(&format!("s{n}"), Duration::ZERO);
            request.set.effective_at = Some(now.after(Duration::from_millis(3_000)));
            let refused = wait(engine.set_policy(&request)).is_err();
            if refused && engine.policies.peek().barrier.is_some() {
                left = Some(n);
                break;
            }
        }
        stop.send(()).unwrap();
        stalled.join().unwrap();
        assert_eq!(left, None, "the barrier stands for good: whoever decides after it spins, holding a merchant");
    }

    /// Between the append of a policy and its publication a checkpoint begins: it must hold the policy, or be replayed from it.
    #[test]
    fn a_checkpoint_does_not_pass_over_a_policy_that_is_being_announced() {
        let start = Timestamp::parse("2026-03-01T12:00:00Z").unwrap();
        let clock = |floor| Ok(Clock::Manual(ManualClock::start(start.micros(), floor)));
        let options = || Options { shards: 4, background: false, ..Options::default() };
        let store = MemoryStore::new();
        let (engine, _) = Engine::open(Arc::new(store.clone()), [7; 16], clock, options()).unwrap();
        // `try_announce`, held up between its append and its store.
        let alone = engine.policies.announcing();
        let before = engine.policies.peek();
        let in_force = before.timeline.announce(&set("s", HOUR).set, start).unwrap();
        let lsn = append(&engine.journal, start, "", Body::PolicySet(encode_policy(&in_force))).unwrap();
        let other = Arc::clone(&engine);
        let checkpoint = std::thread::spawn(move || other.checkpoint().map(|_| ()));
        std::thread::park_timeout(Duration::from_millis(500));
        let mut timeline = before.timeline.clone();
        timeline.push(in_force);
        engine.policies.current.store(Arc::new(Policies::new(timeline, lsn)));
        drop(alone);
        checkpoint.join().unwrap().unwrap();
        assert_eq!(wait(engine.policies()).unwrap().1.latest().version, 2);
        engine.close().unwrap();
        let store = store.crash(crate::journal::Unsynced::Kept);
        let (engine, _) = Engine::open(Arc::new(store), [7; 16], clock, options()).unwrap();
        let version = wait(engine.policies()).unwrap().1.latest().version;
        engine.close().unwrap();
        assert_eq!(version, 2, "the policy was answered and is gone");
    }
}
