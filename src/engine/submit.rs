//! The synchronous core: one command, under the lock of its merchant.

use std::borrow::Cow;

use dashmap::Entry;
use prost::Message as _;

use super::{Answer, Cell, Engine, EngineError, Request, codec::encode_event, deadlines::Look, time::Given};
use crate::{
    domain::{Command, Context, Event, Fact, InForce, Margin, Merchant, MerchantId, Rejection, Timestamp, decide},
    journal::{AppendError, Lsn},
    proto::journal::{MerchantFacts, Record, record::Body},
};

/// What a command or a read came to, and the position that has to be durable before anybody may learn of it.
#[derive(Debug)]
pub struct Submitted<T> {
    /// The answer, or the refusal.
    pub result: Result<T, EngineError>,
    /// The last position of everything it rests on.
    pub rests_on: Lsn,
}

impl Engine {
    /// Decides on a command and puts what follows into the journal's buffer, in the order of decisions. The result must not
    /// leave before the journal is durable up to [`Submitted::rests_on`], be it an answer, a repeat or a refusal.
    pub fn submit<C: Command>(&self, request: &Request<C>) -> Submitted<Answer<C::Fact>> {
        let mut rests_on = Lsn::ZERO;
        let result = self.try_submit(request, &mut rests_on);
        Submitted { result, rests_on }
    }

    fn try_submit<C: Command>(&self, request: &Request<C>, rests_on: &mut Lsn) -> Result<Answer<C::Fact>, EngineError> {
        let fingerprint = self.decided.fingerprint(&request.merchant, request.command.key());
        let policy = self.policy.load();
        let _in_flight = self.time.in_flight();
        let entry = self.merchants.entry(request.merchant.clone());
        let unknown = Cell::default();
        let cell = match &entry {
            Entry::Occupied(known) => known.get(),
            Entry::Vacant(_) => &unknown,
        };
        let Given { now, rests_on: clock } = self.time.now(&self.journal)?;
        *rests_on = clock.max(policy.lsn).max(cell.lsn);

        if let Some(first) = self.decided.get(fingerprint, |event| self.repeat(&request.command, event)) {
            return Ok(first?);
        }
        check_not_after(request.not_after, now)?;
        let mut draft = Draft::of(&cell.merchant);
        draft.catch_up(now);
        let context = Context { now, in_force: &policy.in_force, limits: self.limits };
        let (fact, event) = decide(&request.command, &draft.merchant, &context)?;
        let answer = Answer { fact, effective_at: event.effective_at, replayed: false };
        if request.validate_only {
            return Ok(answer);
        }
        draft.add(event.clone(), now);
        let changes = draft.into_changes();
        let lsn = self.append(&request.merchant, &request.caller, now, &changes)?;
        let recorded = Recorded;
        *rests_on = lsn;
        self.decided.remember(fingerprint, event.clone());
        self.commit(&request.merchant, &mut entry.or_default(), changes, lsn, &policy.in_force);
        drop(recorded);
        self.tell_cycle(&event.fact, false);
        Ok(answer)
    }

    /// The first answer again, or a refusal because the content differs.
    fn repeat<C: Command>(&self, command: &C, event: &Event) -> Result<Answer<C::Fact>, Rejection> {
        let fact = command.recall(&event.fact)?.clone();
        self.tell_cycle(&event.fact, true);
        Ok(Answer { fact, effective_at: event.effective_at, replayed: true })
    }

    fn tell_cycle(&self, fact: &Fact, replayed: bool) {
        if let Fact::OrderClassified(order) = fact {
            self.observer.classified(order.cycle, replayed);
        }
    }

    /// Makes happen what has come due for a merchant, without a command: the position and the number of the facts. `None`:
    /// nothing had.
    pub(super) fn submit_due(&self, look: &Look) -> Result<Option<(Lsn, usize)>, AppendError> {
        let Look { at, merchant } = look;
        let policy = self.policy.load();
        let _in_flight = self.time.in_flight();
        let cell = self.merchants.get_mut(merchant);
        // A look that is not the planned one was overtaken by an earlier one.
        let Some(mut cell) = cell.filter(|cell| cell.next_look == Some(*at)) else { return Ok(None) };
        let now = self.time.now(&self.journal)?.now;
        if now < *at {
            // Time stands still while the disk is full: the look stays planned.
            return Err(AppendError::NoRoom);
        }
        let mut draft = Draft::of(&cell.merchant);
        draft.catch_up(now);
        let changes = draft.into_changes();
        if changes.events.is_empty() {
            cell.next_look = None;
            cell.merchant.forget_days_before(policy.in_force.oldest_day_kept(now));
            self.schedule(merchant, &mut cell, &policy.in_force);
            return Ok(None);
        }
        let lsn = self.append(merchant, "", now, &changes)?;
        let recorded = Recorded;
        let facts = changes.events.len();
        cell.next_look = None;
        self.commit(merchant, &mut cell, changes, lsn, &policy.in_force);
        drop(recorded);
        Ok(Some((lsn, facts)))
    }

    /// The balances of a merchant, with everything applied that has come due, on a copy: a read writes nothing.
    pub fn read_margin(&self, merchant: &MerchantId) -> Submitted<Margin> {
        let policy = self.policy.load();
        let _in_flight = self.time.in_flight();
        let cell = self.merchants.get(merchant);
        let given = match self.time.now(&self.journal) {
            Ok(given) => given,
            Err(fault) => return Submitted { result: Err(fault.into()), rests_on: Lsn::ZERO },
        };
        let rests_on = given.rests_on.max(policy.lsn).max(cell.as_ref().map_or(Lsn::ZERO, |cell| cell.lsn));
        let Some(copy) = cell.map(|cell| cell.merchant.clone()) else {
            return Submitted { result: Err(Rejection::MerchantNotFound.into()), rests_on };
        };
        let mut draft = Draft::of(&copy);
        draft.catch_up(given.now);
        Submitted { result: Ok(draft.merchant.margin(given.now, &policy.in_force)), rests_on }
    }

    fn append(&self, id: &MerchantId, caller: &str, now: Timestamp, changes: &Changes) -> Result<Lsn, AppendError> {
        let facts = changes.events.iter().map(encode_event).collect();
        let body = Body::Merchant(MerchantFacts { merchant_id: id.as_str().into(), facts });
        let record = Record { recorded_at: now.micros(), caller: caller.into(), body: Some(body) };
        self.journal.append(&record.encode_to_vec())
    }

    /// Makes recorded changes part of the state.
    fn commit(&self, id: &MerchantId, cell: &mut Cell, changes: Changes, lsn: Lsn, in_force: &InForce) {
        match changes.after {
            Some(after) => cell.merchant = after,
            None => changes.events.iter().for_each(|event| cell.merchant.apply(event)),
        }
        cell.lsn = lsn;
        self.schedule(id, cell, in_force);
    }

    /// Sees to it that the background task looks at a merchant when it has to.
    pub(super) fn schedule(&self, id: &MerchantId, cell: &mut Cell, in_force: &InForce) {
        let due = cell.merchant.next_due_at();
        let forget = cell.merchant.oldest_day().map(|day| in_force.forgotten_at(day));
        if let Some(at) = due.into_iter().chain(forget).min()
            && cell.next_look.is_none_or(|planned| at < planned)
        {
            cell.next_look = Some(at);
            self.deadlines.push(Look { at, merchant: id.clone() });
        }
    }
}

fn check_not_after(not_after: Option<Timestamp>, now: Timestamp) -> Result<(), Rejection> {
    match not_after {
        Some(not_after) if now > not_after => Err(Rejection::Expired { not_after, now }),
        _ => Ok(()),
    }
}

/// Held while a record is in the journal and not yet in memory. A panic in between would leave an engine that contradicts its
/// journal and goes on serving; only a recovery can put that right, so the process ends.
struct Recorded;

impl Drop for Recorded {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// Facts that are about to be recorded together, and the merchant as they leave it.
struct Draft<'a> {
    merchant: Cow<'a, Merchant>,
    events: Vec<Event>,
}

/// The same, ready to be recorded. No state: the facts are applied in place, which spares the copy where nothing was due.
struct Changes {
    events: Vec<Event>,
    after: Option<Merchant>,
}

impl<'a> Draft<'a> {
    const fn of(merchant: &'a Merchant) -> Self {
        Self { merchant: Cow::Borrowed(merchant), events: Vec::new() }
    }

    /// Adds what has come due.
    fn catch_up(&mut self, now: Timestamp) {
        while let Some(event) = self.merchant.next_due(now) {
            self.merchant.to_mut().apply(&event);
            self.events.push(event);
        }
    }

    /// Adds the fact that was asked for, and what it brings about at once.
    fn add(&mut self, event: Event, now: Timestamp) {
        let due_at_once = event.fact.due_at().is_some_and(|at| at <= now);
        if due_at_once || matches!(self.merchant, Cow::Owned(_)) {
            self.merchant.to_mut().apply(&event);
        }
        self.events.push(event);
        if due_at_once {
            self.catch_up(now);
        }
    }

    fn into_changes(self) -> Changes {
        let after = match self.merchant {
            Cow::Borrowed(_) => None,
            Cow::Owned(after) => Some(after),
        };
        Changes { events: self.events, after }
    }
}
