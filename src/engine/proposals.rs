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
        Proposals, Rejection, RequestId, Text, Timestamp,
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
        self.about_proposals(|kept, rests_on| self.try_propose(request, kept, rests_on)).await
    }

    /// Ends a proposal: makes its change, by the rules and the state of now, or sees to it that nobody does any more. Answers when that is durable.
    ///
    /// # Errors
    /// See [`EngineError`]; a refusal by the rules is one of them, and leaves the proposal open.
    pub async fn decide_proposal(&self, request: &VerdictRequest) -> Result<ProposalAnswer, EngineError> {
        self.about_proposals(|kept, rests_on| match request.verdict {
            ProposalVerdict::Approved => self.try_approve(request, kept, rests_on),
            ProposalVerdict::Rejected | ProposalVerdict::Withdrawn => self.try_close(request, kept, rests_on),
        })
        .await
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

    async fn about_proposals(
        &self,
        decide: impl FnOnce(&mut Kept, &mut Lsn) -> Result<ProposalAnswer, EngineError>,
    ) -> Result<ProposalAnswer, EngineError> {
        let _permit = self.permit()?;
        self.check_lag()?;
        self.next_segment(1).await;
        let submitted = {
            let mut kept = self.proposals.lock();
            let mut rests_on = kept.lsn;
            let result = decide(&mut kept, &mut rests_on);
            Submitted { result, rests_on }
        };
        self.once_durable(submitted).await
    }

    fn try_propose(
        &self,
        request: &ProposalRequest,
        kept: &mut Kept,
        rests_on: &mut Lsn,
    ) -> Result<ProposalAnswer, EngineError> {
        let ProposalRequest { id, change, caller, lasts, not_after } = request;
        let now = self.time_for(rests_on)?;
        if let Some(known) = kept.proposals.recall((id, change), caller, now)? {
            return Ok(ProposalAnswer { proposal: known.clone(), replayed: true, made: None, now });
        }
        let making = Making { caller, approval: None, validate_only: true, not_after: *not_after };
        if self.make(change, making, rests_on)?.replayed() {
            return Err(Rejection::DecidedAlready.into());
        }
        let _in_flight = self.time.in_flight();
        let now = self.time_for(rests_on)?;
        check_not_after(*not_after, now)?;
        let proposal = kept.proposals.propose((id, change), caller, now, *lasts)?;
        let lsn = append(&self.journal, now, caller, Body::ProposalMade(encode_proposal(&proposal)))?;
        let recorded = Recorded;
        kept.proposals.made(proposal.clone());
        (kept.lsn, *rests_on) = (lsn, lsn);
        drop(recorded);
        Ok(ProposalAnswer { proposal, replayed: false, made: None, now })
    }

    fn try_approve(
        &self,
        request: &VerdictRequest,
        kept: &mut Kept,
        rests_on: &mut Lsn,
    ) -> Result<ProposalAnswer, EngineError> {
        let VerdictRequest { id, caller, not_after, .. } = request;
        let now = {
            let _in_flight = self.time.in_flight();
            self.time_for(rests_on)?
        };
        let proposal = kept.proposals.to_approve(id, caller, now)?.clone();
        let approval = encode_approval(&proposal, now);
        // The decision is a moment later than the look, and may be too late.
        let not_after = not_after.map_or(proposal.expires_at, |limit| limit.min(proposal.expires_at));
        // What was approved already is known, and nothing but its answer is wanted.
        let known = proposal.closing.is_some();
        let making = Making { caller, approval: Some(&approval), validate_only: known, not_after: Some(not_after) };
        let made = self.make(&proposal.change, making, rests_on)?;
        if known {
            return Ok(ProposalAnswer { proposal, replayed: true, made: Some(made), now });
        }
        if made.replayed() {
            return Err(Rejection::DecidedAlready.into());
        }
        kept.proposals.closed(id, approval_at(now, caller));
        // The position of the change, which was recorded last.
        kept.lsn = *rests_on;
        let proposal = kept.proposals.get(id, now)?.clone();
        Ok(ProposalAnswer { proposal, replayed: false, made: Some(made), now })
    }

    fn try_close(
        &self,
        request: &VerdictRequest,
        kept: &mut Kept,
        rests_on: &mut Lsn,
    ) -> Result<ProposalAnswer, EngineError> {
        let VerdictRequest { id, verdict, caller, reason, not_after } = request;
        let _in_flight = self.time.in_flight();
        let now = self.time_for(rests_on)?;
        let closing = Closing { at: now, by: caller.as_str().into(), verdict: *verdict, reason: reason.clone() };
        let replayed = kept.proposals.close(id, &closing)?;
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
        fn told<T>(submitted: Submitted<T>, rests_on: &mut Lsn) -> Result<T, EngineError> {
            *rests_on = submitted.rests_on.max(*rests_on);
            submitted.result
        }
        let approval = making.approval;
        match change {
            Change::Deduction(merchant, command) => {
                let submitted = self.submit_approved(&making.request(merchant, command), approval);
                told(submitted, rests_on).map(Made::Deduction)
            }
            Change::Adjustment(merchant, command) => {
                let submitted = self.submit_approved(&making.request(merchant, command), approval);
                told(submitted, rests_on).map(Made::Adjustment)
            }
            Change::Policy(set) => {
                let Making { validate_only, not_after, .. } = making;
                let caller = making.caller.to_owned();
                let request = PolicyRequest { set: set.clone(), caller, validate_only, not_after };
                told(self.announce(&request, approval), rests_on).map(Made::Policy)
            }
        }
    }
}
