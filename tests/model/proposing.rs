//! Proposals in random histories, in terms of what was proposed before, and how they become concrete.

use super::Model;
use super::api::{Action, Caller, Change, Command, Decide, PolicyRequest, Propose, Request, Verdict};
use super::moves::{Breakage, Move};
use super::plain::DAY;
use super::policy::ModelPolicy;
use super::proposals::{Proposal, ProposalState};
use super::trace::{Alteration, Effective, Executor, Options, merchant_name};

/// What is proposed.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// A deduction or an adjustment.
    Move {
        merchant: u8,
        action: Move,
    },
    Policy {
        policy: Box<ModelPolicy>,
        effective: Effective,
        expected: Option<i64>,
    },
    /// What was asked for directly, or proposed, before.
    Earlier(usize),
    /// Something with one thing wrong about its shape.
    Broken(Move, Breakage),
    /// With a wish that only a direct request may have: a preview, or else a limit in time.
    Wishing(Move, bool),
    Nothing,
}

/// What a proposal and its change are called.
#[derive(Debug, Clone, Copy)]
pub enum Ids {
    Same,
    Apart,
    /// The proposal as one was called before, counted from the first.
    Known(usize),
}

/// Who speaks.
#[derive(Debug, Clone, Copy)]
pub enum Who {
    Caller(Caller),
    /// Who has made the proposal.
    Proposer,
    /// One who has not.
    Another(bool),
    /// Nobody is asked who he is.
    Nobody,
}

/// One of the proposals there are.
#[derive(Debug, Clone)]
pub enum Which {
    /// Counted backwards over those that are open, or if there is none over those that are kept.
    Open(usize),
    /// Counted backwards over all there ever were.
    Any(usize),
    Unknown(String),
}

impl Which {
    pub fn id(&self, model: &Model) -> String {
        self.of(model).map_or_else(|| self.unknown(), |proposal| proposal.id.clone())
    }

    pub fn of<'a>(&self, model: &'a Model) -> Option<&'a Proposal> {
        let is_open = |proposal: &&Proposal| proposal.state(model.now) == ProposalState::Open;
        let counted = |back: &usize, all: Vec<&'a Proposal>| match all.len() {
            0 => None,
            count => Some(all[count - 1 - back % count]),
        };
        match self {
            Self::Open(back) => {
                let open = counted(back, model.kept_proposals().filter(is_open).collect());
                open.or_else(|| counted(back, model.kept_proposals().collect()))
            }
            Self::Any(back) => counted(back, model.proposals.iter().map(|one| &**one).collect()),
            Self::Unknown(_) => None,
        }
    }

    fn unknown(&self) -> String {
        match self {
            Self::Unknown(id) => id.clone(),
            _ => "nothing".into(),
        }
    }
}

impl Who {
    fn of(self, proposal: Option<&Proposal>) -> Option<Caller> {
        let proposer = proposal.map_or(Caller::Ann, |proposal| proposal.by);
        match self {
            Self::Caller(caller) => Some(caller),
            Self::Proposer => Some(proposer),
            Self::Another(next) => Some(if next { proposer.next() } else { proposer.next().next() }),
            Self::Nobody => None,
        }
    }
}

impl Executor {
    pub(super) fn propose(&self, who: Who, wanted: &Wanted, ids: Ids, options: &Options) -> Request {
        let (fresh, all) = (self.fresh_request_id(), &self.model.proposals);
        let (request_id, own_id) = match ids {
            Ids::Known(number) if !all.is_empty() => (all[number % all.len()].id.clone(), fresh),
            Ids::Known(_) | Ids::Same => (fresh.clone(), fresh),
            Ids::Apart => (fresh.clone(), format!("c-{fresh}")),
        };
        Request::Propose(Propose {
            caller: who.of(None),
            change: self.wanted(wanted, &own_id),
            request_id,
            not_after: options.not_after.map(|offset| self.model.now + offset),
        })
    }

    fn wanted(&self, wanted: &Wanted, id: &str) -> Option<Change> {
        let command = |merchant: u8, action: &Move| {
            let merchant_id = merchant_name(merchant);
            Command::new(&merchant_id, id, action.resolve(&self.model.peek(&merchant_id)))
        };
        match wanted {
            Wanted::Move { merchant, action } => Some(Change::Command(command(*merchant, action))),
            Wanted::Policy { policy, effective, expected } => {
                let latest = self.model.policies.latest().version;
                let mut request = PolicyRequest::new(id, (**policy).clone());
                request.effective_at = self.effective(effective);
                request.expected_version =
                    expected.map_or(0, |by| u64::try_from(latest as i64 + by).unwrap_or_default());
                Some(Change::Policy(request))
            }
            Wanted::Earlier(back) => {
                let all: Vec<Change> = self.sent.iter().filter_map(proposable).collect();
                (!all.is_empty()).then(|| all[all.len() - 1 - back % all.len()].clone())
            }
            Wanted::Broken(action, breakage) => {
                let mut command = command(0, action);
                breakage.apply_to(&mut command);
                Some(Change::Command(command))
            }
            Wanted::Wishing(action, preview) => {
                let mut command = command(0, action);
                command.validate_only = *preview;
                command.not_after = (!preview).then_some(self.model.now + DAY);
                Some(Change::Command(command))
            }
            Wanted::Nothing => None,
        }
    }

    pub(super) fn decision(
        &self,
        who: Who,
        verdict: Verdict,
        which: &Which,
        reason: &str,
        options: &Options,
    ) -> Request {
        Request::Decide(Decide {
            caller: who.of(which.of(&self.model)),
            verdict,
            proposal_id: which.id(&self.model),
            reason: reason.into(),
            not_after: options.not_after.map(|offset| self.model.now + offset),
        })
    }

    pub(super) fn altered_proposal(&self, mut request: Propose, alteration: Alteration) -> Request {
        match alteration {
            Alteration::CompletedAt => request.caller = request.caller.map(Caller::next),
            Alteration::OmitCompletedAt => request.request_id.push('0'),
            Alteration::NotAfterPassed => request.not_after = Some(self.model.now - 1),
            Alteration::OtherMethod => {
                return request.change.clone().map_or(Request::Propose(request), Change::directly);
            }
            _ => {
                request.change = request.change.map(|change| match change {
                    Change::Command(command) => Change::Command(self.altered_command(command, alteration)),
                    Change::Policy(policy) => Change::Policy(self.altered_policy(policy, alteration)),
                });
            }
        }
        Request::Propose(request)
    }

    pub(super) fn altered_decision(&self, mut request: Decide, alteration: Alteration) -> Request {
        match alteration {
            Alteration::Amount | Alteration::OtherAmount => request.reason.push('!'),
            Alteration::Subject => request.caller = request.caller.map(Caller::next),
            Alteration::NotAfterPassed => request.not_after = Some(self.model.now - 1),
            Alteration::OtherMethod => {
                request.verdict = match request.verdict {
                    Verdict::Approve => Verdict::Reject,
                    Verdict::Reject | Verdict::Withdraw => Verdict::Approve,
                }
            }
            _ => {}
        }
        Request::Decide(request)
    }

    /// When the oldest proposal that is open expires, and when the next one is forgotten.
    pub(super) fn proposal_ends(&self, forgotten: bool) -> i64 {
        let model = &self.model;
        let end = |proposal: &Proposal| if forgotten { proposal.kept_until() } else { proposal.expires_at() };
        let all = model.proposals.iter().filter(|one| forgotten || one.state(model.now) == ProposalState::Open);
        all.map(|one| end(one)).filter(|end| (model.now..model.now + 40 * DAY).contains(end)).min().unwrap_or(model.now)
    }
}

/// A change that somebody has asked for, so that somebody may propose it.
fn proposable(request: &Request) -> Option<Change> {
    match request {
        Request::Command(command)
            if matches!(command.action, Action::DeductMargin(_) | Action::AdjustBalance { .. }) =>
        {
            Some(Change::Command(Command { validate_only: false, not_after: None, ..command.clone() }))
        }
        Request::SetPolicy(policy) => {
            Some(Change::Policy(PolicyRequest { validate_only: false, not_after: None, ..policy.clone() }))
        }
        Request::Propose(request) => request.change.clone(),
        _ => None,
    }
}
