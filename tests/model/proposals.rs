//! Four eyes: what one caller proposes another approves. Written from what the API and docs/security.md promise.
//!
//! It forgets nothing: what has ended too long ago is only not found any more.

use super::answers::ModelAnswer;
use super::api::{Caller, Change, Decide, ModelRefusal, Propose, Request, Verdict};
use super::commands::{LONGEST_TEXT, command_shape};
use super::plain::{DAY, HOUR, cents, is_id, money};
use super::policy::policy_shape;
use super::{Model, check, malformed, repeats};
use std::sync::Arc;

/// How long a proposal may be approved, the last instant included.
pub const OPEN_FOR: i64 = 72 * HOUR;
/// How long it is kept after its end.
pub const KEPT_FOR: i64 = 30 * DAY;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProposalState {
    Open,
    Approved,
    Rejected,
    Withdrawn,
    Expired,
}

/// A proposal as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownProposal {
    pub proposal_id: String,
    pub change: Change,
    pub proposed_by: String,
    pub proposed_at: i64,
    pub expires_at: i64,
    pub state: ProposalState,
    pub closed_by: String,
    pub closed_at: Option<i64>,
    pub reason: String,
}

/// A proposal, and how it was ended by somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub id: String,
    pub change: Change,
    pub by: Caller,
    pub at: i64,
    pub closed: Option<Closed>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub verdict: Verdict,
    pub by: Caller,
    pub at: i64,
    pub reason: String,
    /// What came of the change, if it was approved.
    pub result: Option<Box<ModelAnswer>>,
}

impl Proposal {
    /// The last instant at which it may be approved.
    pub fn expires_at(&self) -> i64 {
        self.at + OPEN_FOR
    }

    pub fn state(&self, now: i64) -> ProposalState {
        match &self.closed {
            Some(closed) => match closed.verdict {
                Verdict::Approve => ProposalState::Approved,
                Verdict::Reject => ProposalState::Rejected,
                Verdict::Withdraw => ProposalState::Withdrawn,
            },
            None if now > self.expires_at() => ProposalState::Expired,
            None => ProposalState::Open,
        }
    }

    /// The last instant at which it is kept, if nobody ends it meanwhile.
    pub fn kept_until(&self) -> i64 {
        self.closed.as_ref().map_or(self.expires_at(), |closed| closed.at) + KEPT_FOR
    }

    fn is_kept(&self, now: i64) -> bool {
        now <= self.kept_until()
    }

    pub fn shown(&self, now: i64) -> ShownProposal {
        let closed = self.closed.as_ref();
        ShownProposal {
            proposal_id: self.id.clone(),
            change: self.change.clone().written_out(),
            proposed_by: self.by.name().into(),
            proposed_at: self.at,
            expires_at: self.expires_at(),
            state: self.state(now),
            closed_by: closed.map_or(String::new(), |closed| closed.by.name().into()),
            closed_at: closed.map(|closed| closed.at),
            reason: closed.map_or(String::new(), |closed| closed.reason.clone()),
        }
    }
}

impl Model {
    pub fn propose(&mut self, request: &Propose) -> Result<ModelAnswer, ModelRefusal> {
        check(is_id(&request.request_id), malformed("request_id"))?;
        let change = request.change.as_ref().ok_or(malformed("change"))?;
        change.check_shape()?;
        let caller = request.caller.ok_or(ModelRefusal::IdentityRequired)?;

        if let Some(known) = self.kept_proposal(&request.request_id) {
            check(known.by == caller, ModelRefusal::OtherProposer)?;
            check(repeats::is_same_change(&known.change, change), ModelRefusal::Conflict { field: "change" })?;
            return Ok(ModelAnswer::Proposed { proposal: known.shown(self.now), replayed: true });
        }
        // As if it were made now.
        self.check_not_made(change, request.not_after)?;
        self.check_bounds(change, caller)?;
        let mut change = change.clone();
        if let Change::Policy(policy) = &mut change
            && policy.expected_version == 0
        {
            policy.expected_version = self.policies.latest().version;
        }
        let proposal = Proposal { id: request.request_id.clone(), change, by: caller, at: self.now, closed: None };
        let answer = ModelAnswer::Proposed { proposal: proposal.shown(self.now), replayed: false };
        self.proposals.push(Arc::new(proposal));
        Ok(answer)
    }

    /// Of each kind only so many are open and kept, by one and by all.
    fn check_bounds(&self, change: &Change, caller: Caller) -> Result<(), ModelRefusal> {
        let is_policy = |change: &Change| matches!(change, Change::Policy(_));
        let alike: Vec<_> =
            self.kept_proposals().filter(|other| is_policy(&other.change) == is_policy(change)).collect();
        let his = alike.iter().filter(|other| other.by == caller);
        let open = |other: &&&Proposal| other.state(self.now) == ProposalState::Open;
        let counts = [his.clone().filter(open).count(), alike.iter().filter(open).count(), his.count(), alike.len()];
        let bounds = if is_policy(change) { [10, 50, 50, 200] } else { [100, 1_000, 5_000, 50_000] };
        check(counts.iter().zip(bounds).all(|(count, bound)| *count < bound), ModelRefusal::TooManyProposals)
    }

    pub fn decide(&mut self, request: &Decide) -> Result<ModelAnswer, ModelRefusal> {
        check(is_id(&request.proposal_id), malformed("proposal_id"))?;
        let spoken = request.verdict != Verdict::Approve;
        let reason = if spoken { request.reason.clone() } else { String::new() };
        check(reason.chars().count() <= LONGEST_TEXT, malformed("reason"))?;
        let caller = request.caller.ok_or(ModelRefusal::IdentityRequired)?;
        let known = self.kept_proposal(&request.proposal_id).ok_or(ModelRefusal::UnknownProposal)?;
        match request.verdict {
            Verdict::Withdraw => check(known.by == caller, ModelRefusal::NotTheProposer)?,
            Verdict::Approve => check(known.by != caller, ModelRefusal::ApproverIsProposer)?,
            // It comes to the same as to withdraw it.
            Verdict::Reject => {}
        }
        if let Some(closed) = &known.closed {
            let same = closed.verdict == request.verdict;
            // It is the same approval whoever gives it.
            let same_words = !spoken || (closed.by == caller && closed.reason == reason);
            check(same && same_words, ModelRefusal::ProposalClosed)?;
            return Ok(decided(known, self.now).again());
        }
        check(known.state(self.now) == ProposalState::Open, ModelRefusal::ProposalExpired)?;
        let change = known.change.clone();
        let result = match request.verdict {
            Verdict::Approve => {
                self.check_not_made(&change, request.not_after)?;
                Some(Box::new(self.make_approved(&change, caller)?))
            }
            _ => {
                self.check_not_after(request.not_after)?;
                None
            }
        };
        let now = self.now;
        let open = self.proposals.iter_mut().rev().find(|one| one.id == request.proposal_id).unwrap();
        let closed = Closed { verdict: request.verdict, by: caller, at: now, reason, result };
        Arc::make_mut(open).closed = Some(closed);
        Ok(decided(open, now))
    }

    /// The proposals that are kept, in the order they were made.
    pub fn kept_proposals(&self) -> impl DoubleEndedIterator<Item = &Proposal> {
        self.proposals.iter().filter(|proposal| proposal.is_kept(self.now)).map(|proposal| &**proposal)
    }

    pub fn kept_proposal(&self, id: &str) -> Option<&Proposal> {
        self.kept_proposals().find(|proposal| proposal.id == id)
    }

    pub fn proposal(&self, id: &str) -> Result<ShownProposal, ModelRefusal> {
        check(is_id(id), malformed("proposal_id"))?;
        Ok(self.kept_proposal(id).ok_or(ModelRefusal::UnknownProposal)?.shown(self.now))
    }

    pub fn list_proposals(&self, merchant_id: &str, state: Option<ProposalState>) -> Vec<ShownProposal> {
        let about = |proposal: &&Proposal| {
            merchant_id.is_empty() || proposal.change.merchant_id().is_some_and(|about| about == merchant_id)
        };
        let all = self.kept_proposals().filter(about).map(|proposal| proposal.shown(self.now));
        all.filter(|shown| state.is_none_or(|state| shown.state == state)).collect()
    }

    /// Refuses what a change would be refused for now, and one that was made already: that is told first, as it is of any repeat.
    fn check_not_made(&mut self, change: &Change, not_after: Option<i64>) -> Result<(), ModelRefusal> {
        let tried = match change.clone() {
            Change::Command(mut command) => {
                (command.validate_only, command.not_after) = (true, not_after);
                Request::Command(command)
            }
            Change::Policy(mut policy) => {
                (policy.validate_only, policy.not_after) = (true, not_after);
                Request::SetPolicy(policy)
            }
        };
        let answer = self.handle(&tried)?;
        check(!answer.is_replay(), ModelRefusal::DecidedAlready)
    }

    fn make_approved(&mut self, change: &Change, approver: Caller) -> Result<ModelAnswer, ModelRefusal> {
        let answer = self.handle(&change.clone().directly())?;
        if let Change::Command(command) = change {
            let merchant = self.merchants.get_mut(&command.merchant_id).unwrap();
            let asked = |recorded: &&mut Arc<_>| super::ledger::is_of(recorded, &command.request_id);
            let entry = merchant.entries.iter_mut().rev().find(asked).unwrap();
            Arc::make_mut(entry).entry.caller = approver.name().into();
        }
        Ok(answer)
    }
}

fn decided(proposal: &Proposal, now: i64) -> ModelAnswer {
    let result = proposal.closed.as_ref().and_then(|closed| closed.result.clone());
    ModelAnswer::Decided { proposal: proposal.shown(now), result, replayed: false }
}

impl Change {
    fn check_shape(&self) -> Result<(), ModelRefusal> {
        let (validate_only, not_after) = match self {
            Self::Command(command) => {
                command_shape(command)?;
                (command.validate_only, command.not_after)
            }
            Self::Policy(policy) => {
                policy_shape(policy)?;
                (policy.validate_only, policy.not_after)
            }
        };
        check(!validate_only, malformed("validate_only"))?;
        check(not_after.is_none(), malformed("not_after"))
    }

    /// With amounts as all of them are shown.
    fn written_out(mut self) -> Self {
        if let Self::Command(command) = &mut self {
            command.action.amounts().into_iter().for_each(|text| *text = money(cents(text).unwrap()));
        }
        self
    }

    /// The merchant it is about; none, if it is about all.
    pub fn merchant_id(&self) -> Option<&String> {
        match self {
            Self::Command(command) => Some(&command.merchant_id),
            Self::Policy(_) => None,
        }
    }

    /// The request that makes it, if nobody has to approve it.
    pub fn directly(self) -> Request {
        match self {
            Self::Command(command) => Request::Command(command),
            Self::Policy(policy) => Request::SetPolicy(policy),
        }
    }
}
