//! Changes that one proposes and another approves.
//!
//! An approval is no record of its own: the record of the change names the proposal, so that both happen or none does. Whoever decides on a proposal
//! holds all of them until that is in the journal; they are few, and no order comes near them.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    Announced, Answer, Engine, EngineError, PolicyRequest, Request, Submitted,
    submit::{Recorded, check_not_after},
    time::append,
};
use crate::{
    codec::{Malformed, decode_closing, decode_proposal, encode_approval, encode_closing, encode_proposal},
    domain::{
        BalanceAdjusted, Change, Closing, Command, Id, MarginDeducted, MerchantId, Proposal, ProposalVerdict,
        Proposals, Rejection, RequestId, SetPolicy, Text, Timestamp,
    },
    journal::Lsn,
    proto::journal::{Approval, Record, record::Body},
};

/// All proposals that are kept, and the position of the last record about one.
#[derive(Default)]
pub(super) struct Proposed(Mutex<Kept>);

#[derive(Clone, Default)]
struct Kept {
    proposals: Proposals,
    lsn: Lsn,
}

impl Proposed {
    pub(super) const fn new(proposals: Proposals, lsn: Lsn) -> Self {
        Self(Mutex::new(Kept { proposals, lsn }))
    }

    /// As they stand by all records that have been appended.
    pub(super) fn kept(&self) -> (Proposals, Lsn) {
        let Kept { proposals, lsn } = self.lock().clone();
        (proposals, lsn)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a record says of them, in a recovery. A checkpoint may have seen it already.
    pub(super) fn replay(&mut self, lsn: Lsn, record: &Record) -> Result<(), Malformed> {
        let Kept { proposals, lsn: seen } = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if lsn <= *seen {
            return Ok(());
        }
        let (at, by) = (Timestamp::from_micros(record.recorded_at), record.caller.as_str());
        let (id, closing) = match (&record.body, &record.approval) {
            (Some(Body::ProposalMade(made)), _) => {
                proposals.made(decode_proposal(made.clone(), at, by)?);
                *seen = lsn;
                return Ok(());
            }
            (Some(Body::ProposalClosed(closed)), _) => decode_closing(closed, at, by)?,
            (_, Some(approval)) => approved(approval, by)?,
            _ => return Ok(()),
        };
        if !proposals.closed(&id, closing) {
            return Err(Malformed(format!("the proposal {id} was not open")));
        }
        *seen = lsn;
        Ok(())
    }
}

/// The end of a proposal whose change was made.
fn approved(approval: &Approval, by: &str) -> Result<(RequestId, Closing), Malformed> {
    let id = Id::parse(&approval.proposal_id).map_err(|invalid| Malformed(invalid.to_string()))?;
    let at = Timestamp::from_micros(approval.approved_at);
    Ok((id, approval_at(at, by)))
}

fn approval_at(at: Timestamp, by: &str) -> Closing {
    Closing { at, by: by.into(), verdict: ProposalVerdict::Approved, reason: Text::default() }
}

/// A change that somebody asks for and another has to approve.
#[derive(Clone, Debug)]
pub struct ProposalRequest {
    /// Makes it known; unique over all proposals that are kept.
    pub id: RequestId,
    /// What is asked for.
    pub change: Change,
    /// Who asks.
    pub caller: String,
    /// How long it may be approved.
    pub lasts: Duration,
    /// Refuse a proposal that is not known when this has passed.
    pub not_after: Option<Timestamp>,
}

/// An end that somebody wants for a proposal.
#[derive(Clone, Debug)]
pub struct VerdictRequest {
    /// The proposal.
    pub id: RequestId,
    /// Its number, so that none is meant but the one that was looked at.
    pub number: u64,
    /// What shall become of it.
    pub verdict: ProposalVerdict,
    /// Who asks.
    pub caller: String,
    /// Why; not looked at where it is approved.
    pub reason: Text,
    /// Refuse it when this has passed, unless it is a repeat.
    pub not_after: Option<Timestamp>,
}

/// A proposal as it stands after a request about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalAnswer {
    /// The proposal.
    pub proposal: Proposal,
    /// The request was known already.
    pub replayed: bool,
    /// What its approval brought about; none without one.
    pub made: Option<Made>,
    /// Engine time by then.
    pub now: Timestamp,
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// Money was deducted.
    Deduction(Answer<MarginDeducted>),
    /// A balance was adjusted.
    Adjustment(Answer<BalanceAdjusted>),
    /// A policy was announced.
    Policy(Announced),
}

impl Made {
    const fn replayed(&self) -> bool {
        match self {
            Self::Deduction(answer) => answer.replayed,
            Self::Adjustment(answer) => answer.replayed,
            Self::Policy(announced) => announced.replayed,
        }
    }
}

/// What came of a look at a proposal that shall be approved.
enum Approving {
    /// Its change was made.
    Done(ProposalAnswer),
    /// It had been before.
    Known(ProposalAnswer),
}

/// How a change is to be made.
#[derive(Clone, Copy)]
struct Making<'a> {
    caller: &'a str,
    approval: Option<&'a Approval>,
    validate_only: bool,
    not_after: Option<Timestamp>,
}

impl Making<'_> {
    fn request<C: Command + Clone>(&self, merchant: &MerchantId, command: &C) -> Request<C> {
        Request {
            merchant: merchant.clone(),
            command: command.clone(),
            caller: self.caller.to_owned(),
            validate_only: self.validate_only,
            not_after: self.not_after,
        }
    }
}

impl Engine {
    /// Takes a proposal, and answers when that is durable. What would be refused now is not taken.
    ///
    /// # Errors
    /// See [`EngineError`]; a refusal by the rules is one of them.
    pub async fn propose(&self, request: &ProposalRequest) -> Result<ProposalAnswer, EngineError> {
        let _permit = self.permit()?;
        self.check_lag()?;
        self.next_segment(1).await;
        let mut rests_on = Lsn::ZERO;
        let result = self.look_ahead(request, &mut rests_on);
        let result = result.and_then(|change| {
            let request = ProposalRequest { change, ..request.clone() };
            self.about_proposals(&mut rests_on, |kept, rests_on| self.try_propose(&request, kept, rests_on))
        });
        self.once_durable(Submitted { result, rests_on }).await
    }

    /// Ends a proposal: makes its change, by the rules and the state of now, or sees to it that nobody does any more. Answers when that is durable.
    ///
    /// # Errors
    /// See [`EngineError`]; a refusal by the rules is one of them, and leaves the proposal open.
    pub async fn decide_proposal(&self, request: &VerdictRequest) -> Result<ProposalAnswer, EngineError> {
        let _permit = self.permit()?;
        self.check_lag()?;
        self.next_segment(1).await;
        let mut rests_on = Lsn::ZERO;
        let result = match request.verdict {
            ProposalVerdict::Approved => self.approve(request, &mut rests_on),
            ProposalVerdict::Rejected | ProposalVerdict::Withdrawn => {
                self.about_proposals(&mut rests_on, |kept, rests_on| self.try_close(request, kept, rests_on))
            }
        };
        self.once_durable(Submitted { result, rests_on }).await
    }

    /// What a look at the proposals gives, once everything that it rests on is durable.
    ///
    /// # Errors
    /// When too much is in flight, or the journal has failed.
    pub async fn proposals<T>(&self, look: impl FnOnce(&Proposals, Timestamp) -> T) -> Result<T, EngineError> {
        let _permit = self.permit()?;
        let (seen, rests_on) = {
            let kept = self.proposals.lock();
            let given = self.time.now(&self.journal)?;
            (look(&kept.proposals, given.now), given.rests_on.max(kept.lsn))
        };
        self.journal.wait_durable(rests_on).await?;
        Ok(seen)
    }

    /// Decides while nobody else does.
    fn about_proposals<T>(
        &self,
        rests_on: &mut Lsn,
        decide: impl FnOnce(&mut Kept, &mut Lsn) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut kept = self.proposals.lock();
        *rests_on = kept.lsn.max(*rests_on);
        decide(&mut kept, rests_on)
    }

    /// Sees whether what is proposed would be refused now, unless it is known. Answers the change as it is to be kept: of a policy with the
    /// version that it is meant to follow, since it replaces all of that.
    fn look_ahead(&self, request: &ProposalRequest, rests_on: &mut Lsn) -> Result<Change, EngineError> {
        let ProposalRequest { id, change, caller, not_after, .. } = request;
        let known = self.about_proposals(rests_on, |kept, rests_on| {
            let now = self.time_for(rests_on)?;
            Ok(kept.proposals.recall((id, change), caller, now)?.map(|known| known.change.clone()))
        })?;
        if let Some(known) = known {
            return Ok(known);
        }
        let making = Making { caller, approval: None, validate_only: true, not_after: *not_after };
        let made = self.make(change, making, rests_on)?;
        if made.replayed() {
            return Err(Rejection::DecidedAlready.into());
        }
        Ok(match (change, made) {
            (Change::Policy(set), Made::Policy(Announced { in_force, .. })) => {
                Change::Policy(SetPolicy { expected_version: Some(in_force.version - 1), ..set.clone() })
            }
            _ => change.clone(),
        })
    }

    fn try_propose(
        &self,
        request: &ProposalRequest,
        kept: &mut Kept,
        rests_on: &mut Lsn,
    ) -> Result<ProposalAnswer, EngineError> {
        let ProposalRequest { id, change, caller, lasts, not_after } = request;
        let _in_flight = self.time.in_flight();
        let now = self.time_for(rests_on)?;
        if let Some(known) = kept.proposals.recall((id, change), caller, now)? {
            return Ok(ProposalAnswer { proposal: known.clone(), replayed: true, made: None, now });
        }
        check_not_after(*not_after, now)?;
        let proposal = kept.proposals.propose((id, change), caller, now, *lasts)?;
        let lsn = append(&self.journal, now, caller, Body::ProposalMade(encode_proposal(&proposal)))?;
        let recorded = Recorded;
        kept.proposals.made(proposal.clone());
        (kept.lsn, *rests_on) = (lsn, lsn);
        drop(recorded);
        Ok(ProposalAnswer { proposal, replayed: false, made: None, now })
    }

    fn approve(&self, request: &VerdictRequest, rests_on: &mut Lsn) -> Result<ProposalAnswer, EngineError> {
        match self.about_proposals(rests_on, |kept, rests_on| self.try_approve(request, kept, rests_on))? {
            Approving::Done(answer) => {
                if matches!(answer.made, Some(Made::Policy(_))) {
                    self.after_announcement();
                }
                Ok(answer)
            }
            Approving::Known(answer) => {
                // The first answer may have left memory; nobody has to wait while it is looked up.
                let VerdictRequest { caller, not_after, .. } = request;
                let making = Making { caller, approval: None, validate_only: true, not_after: *not_after };
                let made = self.make(&answer.proposal.change, making, rests_on)?;
                Ok(ProposalAnswer { made: Some(made), ..answer })
            }
        }
    }

    fn try_approve(
        &self,
        request: &VerdictRequest,
        kept: &mut Kept,
        rests_on: &mut Lsn,
    ) -> Result<Approving, EngineError> {
        let VerdictRequest { id, number, caller, not_after, .. } = request;
        let now = {
            let _in_flight = self.time.in_flight();
            self.time_for(rests_on)?
        };
        let proposal = kept.proposals.to_approve((id, *number), caller, now)?.clone();
        if proposal.closing.is_some() {
            return Ok(Approving::Known(ProposalAnswer { proposal, replayed: true, made: None, now }));
        }
        let approval = encode_approval(&proposal, now);
        let ends = proposal.expires_at;
        // The decision is a moment later than the look, and may be too late.
        let bound = not_after.map_or(ends, |limit| limit.min(ends));
        let making = Making { caller, approval: Some(&approval), validate_only: false, not_after: Some(bound) };
        // From its record on until the proposal is closed, memory contradicts the journal.
        let recorded = Recorded;
        let made = self.make(&proposal.change, making, rests_on).map_err(|error| match error {
            EngineError::Rejected(Rejection::Expired { not_after, .. }) if not_after == ends => {
                Rejection::ProposalExpired { expired_at: ends }.into()
            }
            error => error,
        })?;
        if made.replayed() {
            return Err(Rejection::DecidedAlready.into());
        }
        kept.proposals.closed(id, approval_at(now, caller));
        // The position of the change, which was recorded last.
        kept.lsn = *rests_on;
        drop(recorded);
        let proposal = kept.proposals.get(id, now)?.clone();
        Ok(Approving::Done(ProposalAnswer { proposal, replayed: false, made: Some(made), now }))
    }

    fn try_close(
        &self,
        request: &VerdictRequest,
        kept: &mut Kept,
        rests_on: &mut Lsn,
    ) -> Result<ProposalAnswer, EngineError> {
        let VerdictRequest { id, number, verdict, caller, reason, not_after } = request;
        let _in_flight = self.time.in_flight();
        let now = self.time_for(rests_on)?;
        let closing = Closing { at: now, by: caller.as_str().into(), verdict: *verdict, reason: reason.clone() };
        let replayed = kept.proposals.close((id, *number), &closing)?;
        if !replayed {
            check_not_after(*not_after, now)?;
            let lsn = append(&self.journal, now, caller, Body::ProposalClosed(encode_closing(id, &closing)))?;
            let recorded = Recorded;
            kept.proposals.closed(id, closing);
            (kept.lsn, *rests_on) = (lsn, lsn);
            drop(recorded);
        }
        Ok(ProposalAnswer { proposal: kept.proposals.get(id, now)?.clone(), replayed, made: None, now })
    }

    fn time_for(&self, rests_on: &mut Lsn) -> Result<Timestamp, EngineError> {
        let given = self.time.now(&self.journal)?;
        *rests_on = given.rests_on.max(*rests_on);
        Ok(given.now)
    }

    fn make(&self, change: &Change, making: Making<'_>, rests_on: &mut Lsn) -> Result<Made, EngineError> {
        let approval = making.approval;
        let (result, also) = match change {
            Change::Deduction(merchant, command) => {
                let submitted = self.submit_approved(&making.request(merchant, command), approval);
                (submitted.result.map(Made::Deduction), submitted.rests_on)
            }
            Change::Adjustment(merchant, command) => {
                let submitted = self.submit_approved(&making.request(merchant, command), approval);
                (submitted.result.map(Made::Adjustment), submitted.rests_on)
            }
            Change::Policy(set) => {
                let Making { validate_only, not_after, .. } = making;
                let request =
                    PolicyRequest { set: set.clone(), caller: making.caller.to_owned(), validate_only, not_after };
                let mut also = Lsn::ZERO;
                let result = self.try_announce((&request, approval), &mut also);
                (result.map(Made::Policy), also)
            }
        };
        *rests_on = also.max(*rests_on);
        result
    }
}
