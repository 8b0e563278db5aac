//! What one asks for and another has to approve.
//!
//! A proposal holds a change as it was asked for (a policy with the version that it follows). Approving it makes the change then, decided by the rules and the state of that instant; until
//! then nothing has happened. Proposals are few and made by people, so all that are open are kept together, and those that have ended for a while.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Change, Rejection, RequestId, Text, Timestamp, change::Bounds};

/// A change that somebody has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its place among all that there ever were, from 1.
    pub number: u64,
    /// The request that made it; unique over all proposals that are kept.
    pub id: RequestId,
    /// The change.
    pub change: Change,
    /// Who asked for it; never empty.
    pub proposed_by: Arc<str>,
    /// When.
    pub proposed_at: Timestamp,
    /// The last instant at which it may be approved.
    pub expires_at: Timestamp,
    /// How it ended, if somebody has ended it.
    pub closing: Option<Closing>,
}

/// How a proposal ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// When.
    pub at: Timestamp,
    /// By whom; never empty.
    pub by: Arc<str>,
    /// How.
    pub verdict: ProposalVerdict,
    /// Why; may be empty, and always is if it was approved.
    pub reason: Text,
}

/// What somebody made of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposalVerdict {
    /// The change was made.
    Approved,
    /// Somebody who might have approved it did not want it.
    Rejected,
    /// Who had proposed it did not want it any more.
    Withdrawn,
}

/// How a proposal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProposalState {
    /// It may be approved.
    Open,
    /// It can be approved no more: nobody did in time.
    Expired,
    /// Somebody has ended it.
    Closed(ProposalVerdict),
}

impl std::fmt::Display for ProposalState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Expired => "expired",
            Self::Closed(ProposalVerdict::Approved) => "approved",
            Self::Closed(ProposalVerdict::Rejected) => "rejected",
            Self::Closed(ProposalVerdict::Withdrawn) => "withdrawn",
        })
    }
}

impl Proposal {
    /// How it stands at an instant.
    pub fn state(&self, now: Timestamp) -> ProposalState {
        match &self.closing {
            Some(closing) => ProposalState::Closed(closing.verdict),
            None if now > self.expires_at => ProposalState::Expired,
            None => ProposalState::Open,
        }
    }

    /// When it has ended or will have, whatever happens.
    fn ends_at(&self) -> Timestamp {
        self.closing.as_ref().map_or(self.expires_at, |closing| closing.at)
    }

    /// Whether it has not ended so long ago that it is as if it had never been.
    pub fn is_kept(&self, now: Timestamp) -> bool {
        now <= self.ends_at().after(Proposals::KEPT_FOR)
    }

    fn check_open(&self, now: Timestamp) -> Result<(), Rejection> {
        match self.state(now) {
            ProposalState::Open => Ok(()),
            ProposalState::Expired => Err(Rejection::ProposalExpired { expired_at: self.expires_at }),
            state @ ProposalState::Closed(_) => Err(Rejection::ProposalClosed { state }),
        }
    }
}

/// All proposals that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposals {
    by_number: BTreeMap<u64, Proposal>,
    numbers: BTreeMap<RequestId, u64>,
    /// The number of the latest that there ever was.
    latest: u64,
}

impl Proposals {
    /// How long they are kept after they have ended, so that an id means the same proposal for at least as long. What they brought about is
    /// remembered for ever, as everything is.
    pub const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);
    /// How long a proposal may be open at most.
    pub const LONGEST: Duration = Self::KEPT_FOR;

    /// Proposals as they stood.
    pub fn restored(latest: u64, proposals: impl IntoIterator<Item = Proposal>) -> Self {
        let by_number: BTreeMap<_, _> = proposals.into_iter().map(|proposal| (proposal.number, proposal)).collect();
        let numbers = by_number.values().map(|proposal| (proposal.id.clone(), proposal.number)).collect();
        Self { by_number, numbers, latest }
    }

    /// The number of the latest that there ever was; 0: there was none.
    pub const fn latest(&self) -> u64 {
        self.latest
    }

    /// Those behind a number, in the order in which they were made.
    pub fn after(&self, number: u64) -> impl Iterator<Item = &Proposal> {
        self.by_number.range(number.saturating_add(1)..).map(|(_, proposal)| proposal)
    }

    /// A proposal that is kept at an instant, whether others have been let go of by then or not.
    ///
    /// # Errors
    /// [`Rejection::ProposalNotFound`].
    pub fn get(&self, id: &RequestId, now: Timestamp) -> Result<&Proposal, Rejection> {
        let found = self.numbers.get(id).and_then(|number| self.by_number.get(number));
        found.filter(|proposal| proposal.is_kept(now)).ok_or(Rejection::ProposalNotFound)
    }

    /// The same, and not one that has got its id since somebody looked.
    fn numbered(&self, (id, number): (&RequestId, u64), now: Timestamp) -> Result<&Proposal, Rejection> {
        let found = self.get(id, now)?;
        if found.number == number { Ok(found) } else { Err(Rejection::ProposalNotFound) }
    }

    /// The first answer again, when the proposal is known.
    ///
    /// # Errors
    /// [`Rejection::Conflict`] when the first one had other content, or was somebody else's.
    pub fn recall(
        &self,
        (id, change): (&RequestId, &Change),
        by: &str,
        now: Timestamp,
    ) -> Result<Option<&Proposal>, Rejection> {
        let Ok(known) = self.get(id, now) else { return Ok(None) };
        let same = |field, holds| if holds { Ok(()) } else { Err(Rejection::Conflict { field }) };
        same("change", known.change.is(change))?;
        same("proposed_by", *known.proposed_by == *by)?;
        Ok(Some(known))
    }

    /// Decides on a proposal that is not known; `lasts` is how long it may be approved.
    ///
    /// # Errors
    /// When nobody is known to ask, or too many are open.
    pub fn propose(
        &self,
        (id, change): (&RequestId, &Change),
        by: &str,
        now: Timestamp,
        lasts: Duration,
    ) -> Result<Proposal, Rejection> {
        check_known(by)?;
        self.check_room(change.bounds(), by, now)?;
        Ok(Proposal {
            number: self.latest + 1,
            id: id.clone(),
            change: change.clone(),
            proposed_by: by.into(),
            proposed_at: now,
            expires_at: now.after(lasts.min(Self::LONGEST)),
            closing: None,
        })
    }

    fn check_room(&self, bounds: &'static Bounds, by: &str, now: Timestamp) -> Result<(), Rejection> {
        let kept = self.by_number.values().filter(|other| other.is_kept(now) && other.change.bounds() == bounds);
        let (mut open_of_one, mut open, mut kept_of_one, mut all) = (0, 0, 0, 0);
        for other in kept {
            let (is_open, is_his) = (other.state(now) == ProposalState::Open, *other.proposed_by == *by);
            all += 1;
            open += usize::from(is_open);
            kept_of_one += usize::from(is_his);
            open_of_one += usize::from(is_open && is_his);
        }
        for (there, limit, what) in [
            (open_of_one, bounds.open_of_one, "open proposals of this caller"),
            (open, bounds.open, "open proposals"),
            (kept_of_one, bounds.kept_of_one, "proposals of this caller that are open or ended within 30 days"),
            (all, bounds.kept, "proposals that are open or ended within 30 days"),
        ] {
            if there >= limit {
                return Err(Rejection::TooManyProposals { limit, what });
            }
        }
        Ok(())
    }

    /// The proposal, if this one may approve it now, or it was approved already.
    ///
    /// # Errors
    /// When there is none, it is his own, or it has ended otherwise.
    pub fn to_approve(
        &self,
        (id, number): (&RequestId, u64),
        by: &str,
        now: Timestamp,
    ) -> Result<&Proposal, Rejection> {
        check_known(by)?;
        let proposal = self.numbered((id, number), now)?;
        if *proposal.proposed_by == *by {
            return Err(Rejection::OwnProposal);
        }
        match proposal.state(now) {
            ProposalState::Closed(ProposalVerdict::Approved) => Ok(proposal),
            _ => proposal.check_open(now).map(|()| proposal),
        }
    }

    /// Decides on the end of a proposal without the change. Answers whether it is known already.
    ///
    /// # Errors
    /// When there is none, it is somebody else's to withdraw, or it has ended otherwise.
    pub fn close(&self, (id, number): (&RequestId, u64), closing: &Closing) -> Result<bool, Rejection> {
        check_known(&closing.by)?;
        let proposal = self.numbered((id, number), closing.at)?;
        if closing.verdict == ProposalVerdict::Withdrawn && proposal.proposed_by != closing.by {
            return Err(Rejection::NotYourProposal);
        }
        let same = |known: &Closing| {
            (&known.by, known.verdict, &known.reason) == (&closing.by, closing.verdict, &closing.reason)
        };
        if proposal.closing.as_ref().is_some_and(same) {
            return Ok(true);
        }
        proposal.check_open(closing.at).map(|()| false)
    }

    /// Takes up a proposal that was made, and lets go of those that have ended long ago.
    pub fn made(&mut self, proposal: Proposal) {
        let now = proposal.proposed_at;
        // First, for it may be called as one of these was.
        let ended: Vec<_> = self.by_number.values().filter(|old| !old.is_kept(now)).map(|old| old.number).collect();
        ended.into_iter().for_each(|number| self.forget(number));
        self.latest = proposal.number;
        self.numbers.insert(proposal.id.clone(), proposal.number);
        self.by_number.insert(proposal.number, proposal);
    }

    fn forget(&mut self, number: u64) {
        if let Some(proposal) = self.by_number.remove(&number) {
            self.numbers.remove(&proposal.id);
        }
    }

    /// Takes down how a proposal ended. Answers whether there is one that was not ended yet.
    pub fn closed(&mut self, id: &RequestId, closing: Closing) -> bool {
        let proposal = self.numbers.get(id).and_then(|number| self.by_number.get_mut(number));
        let Some(proposal) = proposal.filter(|proposal| proposal.closing.is_none()) else { return false };
        proposal.closing = Some(closing);
        true
    }
}

/// Four eyes are those of two whose names are known.
fn check_known(caller: &str) -> Result<(), Rejection> {
    if caller.is_empty() { Err(Rejection::IdentityRequired) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Beneficiary, DeductMargin, DeductionReason, Disputed, Id, Money};

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    fn start() -> Timestamp {
        Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
    }

    fn id(name: &str) -> RequestId {
        Id::parse(name).unwrap()
    }

    fn deduction(dollars: u64) -> Change {
        let disputed = Disputed::Dispute(Text::parse("d-1").unwrap());
        let (reason, whom) = (DeductionReason::Fraud, Beneficiary::Buyer);
        let amount = Money::from_dollars(dollars);
        let command = DeductMargin::new(id("r"), amount, reason, disputed, whom, Text::default()).unwrap();
        Change::Deduction(Id::parse("m").unwrap(), command)
    }

    fn with(proposals: &mut Proposals, name: &str, at: Timestamp) {
        let made = proposals.propose((&id(name), &deduction(900)), "sub:ann", at, 3 * DAY).unwrap();
        proposals.made(made);
    }

    fn closing(by: &str, verdict: ProposalVerdict, at: Timestamp) -> Closing {
        Closing { at, by: by.into(), verdict, reason: Text::default() }
    }

    #[test]
    fn another_may_approve_until_it_expires_and_the_proposer_never() {
        let mut proposals = Proposals::default();
        with(&mut proposals, "p", start());
        let last = start().after(3 * DAY);
        for now in [start(), last] {
            assert_eq!(proposals.to_approve((&id("p"), 1), "sub:bob", now).unwrap().id, id("p"));
            assert_eq!(proposals.to_approve((&id("p"), 1), "sub:ann", now), Err(Rejection::OwnProposal));
            assert_eq!(proposals.to_approve((&id("p"), 1), "", now), Err(Rejection::IdentityRequired));
            assert_eq!(proposals.to_approve((&id("q"), 1), "sub:bob", now), Err(Rejection::ProposalNotFound));
            assert_eq!(proposals.to_approve((&id("p"), 2), "sub:bob", now), Err(Rejection::ProposalNotFound));
        }
        let late = last.after(Duration::from_micros(1));
        let expired = Rejection::ProposalExpired { expired_at: last };
        assert_eq!(proposals.to_approve((&id("p"), 1), "sub:bob", late), Err(expired));
        assert_eq!(proposals.get(&id("p"), late).unwrap().state(late), ProposalState::Expired);
    }

    #[test]
    fn a_proposal_is_known_by_its_id_to_who_made_it() {
        let mut proposals = Proposals::default();
        with(&mut proposals, "p", start());
        let recall = |name, dollars, by| {
            let known = proposals.recall((&id(name), &deduction(dollars)), by, start());
            known.map(|known| known.map(|known| known.number))
        };
        assert_eq!(recall("p", 900, "sub:ann"), Ok(Some(1)));
        let other = |field| Err(Rejection::Conflict { field });
        assert_eq!(recall("p", 901, "sub:ann"), other("change"));
        assert_eq!(recall("p", 900, "sub:bob"), other("proposed_by"));
        assert_eq!(recall("q", 900, "sub:bob"), Ok(None));
    }

    #[test]
    fn it_ends_once() {
        use ProposalVerdict::{Approved, Rejected, Withdrawn};
        let now = start().after(DAY);
        for (verdict, by) in [(Rejected, "sub:bob"), (Withdrawn, "sub:ann"), (Approved, "sub:bob")] {
            let mut proposals = Proposals::default();
            with(&mut proposals, "p", start());
            let end = closing(by, verdict, now);
            assert_eq!(
                proposals.close((&id("p"), 1), &closing("sub:bob", Withdrawn, now)),
                Err(Rejection::NotYourProposal)
            );
            assert_eq!(proposals.close((&id("p"), 1), &end), Ok(false));
            assert!(proposals.closed(&id("p"), end.clone()));
            assert!(!proposals.closed(&id("p"), end.clone()), "only once");
            assert_eq!(proposals.close((&id("p"), 1), &Closing { at: now.after(DAY), ..end }), Ok(true), "a repeat");
            let state = ProposalState::Closed(verdict);
            let no = Err(Rejection::ProposalClosed { state });
            assert_eq!(proposals.close((&id("p"), 1), &closing("sub:eve", Rejected, now)), no);
            let approved = proposals.to_approve((&id("p"), 1), "sub:eve", now).map(|_| ());
            assert_eq!(approved.is_ok(), verdict == Approved, "an approval may be repeated");
        }
    }

    #[test]
    fn nobody_known_proposes_anything() {
        let nobody = Proposals::default().propose((&id("p"), &deduction(1)), "", start(), DAY);
        assert_eq!(nobody, Err(Rejection::IdentityRequired));
    }

    /// Many of each, to see which bound is met at which number: by how many people, and whether each is ended at once.
    #[test]
    fn nobody_takes_the_places_of_all_and_all_of_them_are_bounded() {
        let Bounds { open_of_one, open, kept_of_one, kept } = Bounds::OF_MONEY;
        for (people, ended, limit, what) in [
            (1, false, open_of_one, "open proposals of this caller"),
            (11, false, open, "open proposals"),
            (1, true, kept_of_one, "proposals of this caller that are open or ended within 30 days"),
            (11, true, kept, "proposals that are open or ended within 30 days"),
        ] {
            let mut proposals = Proposals::default();
            // Who proposes counts them all, so it is done only where it decides.
            for number in 1..=u64::try_from(limit).unwrap() {
                let proposed_by: Arc<str> = format!("sub:{}", number % people).into();
                let id = id(&format!("p{number}"));
                let expires_at = start().after(3 * DAY);
                let change = deduction(900);
                let closing = ended.then(|| closing("sub:bob", ProposalVerdict::Rejected, start()));
                let made = Proposal { number, id, change, proposed_by, proposed_at: start(), expires_at, closing };
                proposals.latest = number;
                proposals.numbers.insert(made.id.clone(), number);
                proposals.by_number.insert(number, made);
            }
            let propose = |by, at| proposals.propose((&id("p"), &deduction(1)), by, at, DAY).map(|made| made.number);
            assert_eq!(propose("sub:0", start()), Err(Rejection::TooManyProposals { limit, what }));
            let other = propose("sub:other", start());
            assert_eq!(other.is_ok(), people == 1, "{what}: {other:?}");
            assert!(propose("sub:0", start().after(40 * DAY)).is_ok(), "{what}: they are past by then");
        }
    }

    #[test]
    fn what_has_ended_is_let_go_of_after_a_while() {
        let mut proposals = Proposals::default();
        with(&mut proposals, "expires", start());
        with(&mut proposals, "ends", start());
        assert!(proposals.closed(&id("ends"), closing("sub:bob", ProposalVerdict::Rejected, start().after(DAY))));
        let kept = |proposals: &Proposals| proposals.after(0).map(|kept| kept.id.to_string()).collect::<Vec<_>>();
        with(&mut proposals, "b", start().after(31 * DAY));
        assert_eq!(kept(&proposals), ["expires", "ends", "b"]);
        with(&mut proposals, "c", start().after(32 * DAY));
        assert_eq!(kept(&proposals), ["expires", "b", "c"]);
        with(&mut proposals, "d", start().after(34 * DAY));
        assert_eq!(proposals.after(0).map(|kept| kept.id.as_str()).collect::<Vec<_>>(), ["b", "c", "d"]);
        assert_eq!(proposals.after(4).map(|kept| kept.number).collect::<Vec<_>>(), [5]);
        let restored = Proposals::restored(proposals.latest(), proposals.after(0).cloned().collect::<Vec<_>>());
        assert_eq!(restored, proposals);
    }

    #[test]
    fn what_ended_too_long_ago_is_not_there_though_nothing_has_been_proposed_since() {
        let mut proposals = Proposals::default();
        with(&mut proposals, "p", start());
        let last = start().after(3 * DAY + Proposals::KEPT_FOR);
        let late = last.after(Duration::from_micros(1));
        let seen = |now| proposals.get(&id("p"), now).map(|known| known.number);
        assert_eq!((seen(last), seen(late)), (Ok(1), Err(Rejection::ProposalNotFound)));
        let end = |at| proposals.close((&id("p"), 1), &closing("sub:ann", ProposalVerdict::Withdrawn, at));
        assert_eq!(end(last), Err(Rejection::ProposalExpired { expired_at: start().after(3 * DAY) }));
        assert_eq!(end(late), Err(Rejection::ProposalNotFound));
        assert_eq!(proposals.to_approve((&id("p"), 1), "sub:bob", late), Err(Rejection::ProposalNotFound));
        // The id may be used for something else then.
        assert_eq!(proposals.recall((&id("p"), &deduction(901)), "sub:bob", late), Ok(None));
        with(&mut proposals, "p", late);
        assert_eq!(proposals.get(&id("p"), late).map(|known| known.number), Ok(2));
        assert_eq!(proposals.after(0).map(|kept| kept.number).collect::<Vec<_>>(), [2]);
    }
}
