//! The synchronous core: one command, under the lock of its merchant.

use dashmap::Entry;
use prost::Message as _;

use super::{
    Answer, Cell, Engine, EngineError, Request,
    deadlines::Look,
    decided::{Recalled, Unclear},
    policies::Policies,
    time::Given,
};
use crate::{
    codec::{Fingerprint, encode_event},
    domain::{
        Changes, Command, Context, Decision, Event, Fact, Key, Known, MerchantId, Rejection, Timestamp, catch_up,
        decide,
    },
    journal::{AppendError, Lsn},
    proto::journal::{self as pb, Approval, MerchantFacts, Record, record::Body},
    trace,
};

/// What a command or a read came to, and the position that has to be durable before anybody may learn of it.
#[derive(Debug)]
pub struct Submitted<T> {
    /// The answer, or the refusal.
    pub result: Result<T, EngineError>,
    /// The last position of everything it rests on.
    pub rests_on: Lsn,
}

/// What the archive told of a command, before its merchant was locked: of its own id, and of what it is about.
struct Asked {
    own: (Fingerprint, Recalled),
    subject: Option<(Fingerprint, Recalled)>,
}

/// What a command is about, as it was found while the merchant was locked.
type Subject = (Fingerprint, Known);

/// Why there was no answer while the merchant was locked.
enum Interrupted {
    AskAgain,
    Failed(EngineError),
}

impl<E: Into<EngineError>> From<E> for Interrupted {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Unclear> for Interrupted {
    fn from(unclear: Unclear) -> Self {
        match unclear {
            Unclear::AskAgain => Self::AskAgain,
            Unclear::Malformed(error) => Self::Failed(error.into()),
        }
    }
}

impl Engine {
    /// Decides on a command and puts what follows into the journal's buffer, in the order of decisions. The result must not
    /// leave before the journal is durable up to [`Submitted::rests_on`], be it an answer, a repeat or a refusal.
    pub fn submit<C: Command>(&self, request: &Request<C>) -> Submitted<Answer<C::Fact>> {
        self.submit_approved(request, None)
    }

    /// The same for a command that its caller has approved and not proposed.
    pub(super) fn submit_approved<C: Command>(
        &self,
        request: &Request<C>,
        approval: Option<&Approval>,
    ) -> Submitted<Answer<C::Fact>> {
        let mut rests_on = Lsn::ZERO;
        loop {
            let asked = match self.ask_archive(request) {
                Ok(asked) => asked,
                Err(error) => return Submitted { result: Err(error), rests_on },
            };
            let result = match self.try_submit((request, approval), asked, &mut rests_on) {
                Ok(answer) => Ok(answer),
                Err(Interrupted::AskAgain) => continue,
                Err(Interrupted::Failed(error)) => Err(error),
            };
            return Submitted { result, rests_on };
        }
    }

    fn ask_archive<C: Command>(&self, request: &Request<C>) -> Result<Asked, EngineError> {
        let ask = |key| {
            let fingerprint = self.decided.fingerprint(&request.merchant, key);
            self.decided.recall(fingerprint).map(|recalled| (fingerprint, recalled))
        };
        Ok(Asked { own: ask(request.command.key())?, subject: request.command.subject().map(ask).transpose()? })
    }

    fn try_submit<C: Command>(
        &self,
        (request, approval): (&Request<C>, Option<&Approval>),
        asked: Asked,
        rests_on: &mut Lsn,
    ) -> Result<Answer<C::Fact>, Interrupted> {
        let _in_flight = self.time.in_flight();
        let entry = self.merchants.entry(request.merchant.clone());
        let unknown = Cell::default();
        let cell = match &entry {
            Entry::Occupied(known) => known.get(),
            Entry::Vacant(_) => &unknown,
        };
        let Given { now, rests_on: clock } = self.time.now(&self.journal)?;
        let policies = self.policies.at(now);
        *rests_on = clock.max(policies.lsn).max(cell.lsn);

        let (fingerprint, recalled) = &asked.own;
        if let Some(known) = self.decided.find(*fingerprint, recalled)? {
            let first = self.repeat(&request.command, &known)?;
            self.tell_cycle(&known.first.fact, true);
            return Ok(first);
        }
        check_not_after(request.not_after, now)?;
        let (Decision { fact, event, changes }, subject) = self.decide(request, cell, &asked, now, &policies)?;
        let answer = Answer { fact, effective_at: event.effective_at, replayed: false };
        if request.validate_only {
            return Ok(answer);
        }
        let (lsn, facts) = self.append(&request.merchant, (&request.caller, approval), now, &changes)?;
        let recorded = Recorded;
        *rests_on = lsn;
        let written = changes.events.iter().zip(&facts);
        self.remember((&request.merchant, request.command.key(), *fingerprint), written, subject, lsn);
        self.commit(&request.merchant, &mut entry.or_default(), changes, lsn, &policies);
        drop(recorded);
        self.tell_cycle(&event.fact, false);
        Ok(answer)
    }

    fn decide<C: Command>(
        &self,
        request: &Request<C>,
        cell: &Cell,
        asked: &Asked,
        now: Timestamp,
        policies: &Policies,
    ) -> Result<(Decision<C::Fact>, Option<Subject>), Interrupted> {
        let context = Context { now, policies: &policies.timeline, limits: self.limits, subject: None };
        let Some((fingerprint, recalled)) = &asked.subject else {
            return Ok((decide(&request.command, &cell.merchant, &context)?, None));
        };
        let known = self.decided.find(*fingerprint, recalled)?;
        let decision = decide(&request.command, &cell.merchant, &Context { subject: known.as_ref(), ..context })?;
        Ok((decision, known.map(|known| (*fingerprint, known))))
    }

    /// The first answer again, or a refusal because the content differs.
    pub(super) fn repeat<C: Command>(&self, command: &C, known: &Known) -> Result<Answer<C::Fact>, Rejection> {
        let fact = command.recall(&known.first.fact)?.clone();
        Ok(Answer { fact, effective_at: known.first.effective_at, replayed: true })
    }

    fn tell_cycle(&self, fact: &Fact, replayed: bool) {
        if let Fact::OrderClassified(order) = fact {
            self.observer.classified(order.cycle, replayed, 1);
            trace::classified(order.cycle, replayed, 1);
        }
    }

    /// Makes happen what has come due for a merchant, without a command: the position and the number of the facts. `None`:
    /// nothing had.
    pub(super) fn submit_due(&self, look: &Look) -> Result<Option<(Lsn, usize)>, AppendError> {
        let Look { at, merchant } = look;
        let _in_flight = self.time.in_flight();
        let cell = self.merchants.get_mut(merchant);
        // A look that is not the planned one was overtaken by an earlier one.
        let Some(mut cell) = cell.filter(|cell| cell.next_look == Some(*at)) else { return Ok(None) };
        let now = self.time.now(&self.journal)?.now;
        if now < *at {
            // Time stands still while the disk is full: the look stays planned.
            return Err(AppendError::NoRoom);
        }
        cell.next_look = None;
        let done = self.record_due(merchant, &mut cell, now);
        if done.is_err() {
            cell.next_look = Some(*at);
        }
        done
    }

    /// Records what is due for a merchant by now, and plans the next look.
    fn record_due(
        &self,
        merchant: &MerchantId,
        cell: &mut Cell,
        now: Timestamp,
    ) -> Result<Option<(Lsn, usize)>, AppendError> {
        let policies = self.policies.at(now);
        let changes = catch_up(&cell.merchant, now, &policies.timeline);
        if changes.events.is_empty() {
            cell.merchant.forget_days_before(policies.timeline.oldest_day_kept(now));
            self.schedule(merchant, cell, &policies);
            return Ok(None);
        }
        let (lsn, _) = self.append(merchant, ("", None), now, &changes)?;
        let recorded = Recorded;
        let facts = changes.events.len();
        self.commit(merchant, cell, changes, lsn, &policies);
        drop(recorded);
        Ok(Some((lsn, facts)))
    }

    /// Records what is due for one merchant by now, as far as there is room. Answers the time and the position that what there is rests on.
    pub(super) fn settle(&self, merchant: &MerchantId) -> Submitted<Timestamp> {
        let _in_flight = self.time.in_flight();
        let cell = self.merchants.get_mut(merchant);
        let given = match self.time.now(&self.journal) {
            Ok(given) => given,
            Err(fault) => return Submitted { result: Err(fault.into()), rests_on: Lsn::ZERO },
        };
        let Some(mut cell) = cell else {
            return Submitted { result: Err(Rejection::MerchantNotFound.into()), rests_on: given.rests_on };
        };
        let result = match self.record_due(merchant, &mut cell, given.now) {
            Ok(_) | Err(AppendError::NoRoom) => Ok(given.now),
            Err(fault) => Err(fault.into()),
        };
        Submitted { result, rests_on: given.rests_on.max(cell.lsn) }
    }

    /// Appends a record of changes. Answers its position, and the facts as they were written.
    fn append(
        &self,
        id: &MerchantId,
        (caller, approval): (&str, Option<&Approval>),
        now: Timestamp,
        changes: &Changes,
    ) -> Result<(Lsn, Vec<pb::Fact>), AppendError> {
        let facts = changes.events.iter().map(encode_event).collect();
        let body = Body::Merchant(MerchantFacts { merchant_id: id.as_str().into(), facts });
        let record =
            Record { recorded_at: now.micros(), caller: caller.into(), body: Some(body), approval: approval.cloned() };
        let lsn = self.journal.append(&record.encode_to_vec())?;
        let facts =
            if let Some(Body::Merchant(MerchantFacts { facts, .. })) = record.body { facts } else { Vec::new() };
        Ok((lsn, facts))
    }

    /// Remembers what was asked for, under its own key, and what became of what it is about.
    fn remember<'a>(
        &self,
        (id, own, fingerprint): (&MerchantId, Key<'_>, Fingerprint),
        facts: impl Iterator<Item = (&'a Event, &'a pb::Fact)>,
        subject: Option<Subject>,
        lsn: Lsn,
    ) {
        let mut recent = self.decided.recent();
        let mut asked = None;
        for (event, written) in facts {
            if let Some(key) = event.fact.key() {
                let fingerprint = if key == own { fingerprint } else { self.decided.fingerprint(id, key) };
                let is_order = event.fact.order().is_some();
                recent.remember(fingerprint, &written.encode_to_vec(), is_order, lsn);
                asked = asked.or_else(|| event.fact.subject().map(|_| &event.fact));
            }
        }
        if let Some((fact, (fingerprint, known))) = asked.zip(subject) {
            recent.follow(fingerprint, known, fact, lsn);
        }
    }

    /// Makes recorded changes part of the state.
    fn commit(&self, id: &MerchantId, cell: &mut Cell, changes: Changes, lsn: Lsn, policies: &Policies) {
        changes.apply_to(&mut cell.merchant);
        cell.lsn = lsn;
        self.schedule(id, cell, policies);
    }

    /// Sees to it that the background task looks at a merchant when it has to.
    pub(super) fn schedule(&self, id: &MerchantId, cell: &mut Cell, policies: &Policies) {
        let due = cell.merchant.next_due_at(&policies.timeline);
        let forget = cell.merchant.oldest_day().map(|day| policies.timeline.forgotten_at(day));
        if let Some(at) = due.into_iter().chain(forget).min()
            && cell.next_look.is_none_or(|planned| at < planned)
        {
            cell.next_look = Some(at);
            self.deadlines.push(Look { at, merchant: id.clone() });
        }
    }
}

pub(super) fn check_not_after(not_after: Option<Timestamp>, now: Timestamp) -> Result<(), Rejection> {
    match not_after {
        Some(not_after) if now > not_after => Err(Rejection::Expired { not_after, now }),
        _ => Ok(()),
    }
}

/// Held while a record is in the journal and not yet in memory. A panic in between would leave an engine that contradicts its
/// journal and goes on serving; only a recovery can put that right, so the process ends.
pub(super) struct Recorded;

impl Drop for Recorded {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}
