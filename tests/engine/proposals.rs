//! What one proposes and another approves: what holds at which instant, and what a crash leaves of it.

use std::time::Duration;

use tplus::{
    domain::{
        AdjustBalance, Beneficiary, Change, DeductMargin, DeductionReason, Direction, Disputed, Id, Money, Policy,
        Proposal, ProposalState, ProposalVerdict, Rejection, SetPolicy, Text,
    },
    engine::{EngineError, Made, PolicyRequest, ProposalAnswer, ProposalRequest, VerdictRequest},
    journal::{MemoryStore, Unsynced},
    proto::journal::record::Body,
};

use crate::rig::{DAY, NOON, Rig, guarantee, import, quiet, records, request, wait};

const ANN: &str = "sub:ann";
const BOB: &str = "sub:bob";

fn id<Kind>(name: &str) -> Id<Kind> {
    Id::parse(name).unwrap()
}

fn deduct(request: &str, dollars: u64) -> DeductMargin {
    let disputed = Disputed::Dispute(Text::parse("case").unwrap());
    let amount = Money::from_dollars(dollars);
    DeductMargin::new(id(request), amount, DeductionReason::Fraud, disputed, Beneficiary::Buyer, Text::default())
        .unwrap()
}

fn deduction(request: &str, dollars: u64) -> Change {
    Change::Deduction(id("m"), deduct(request, dollars))
}

fn credit(request: &str, dollars: u64) -> Change {
    let (amount, why) = (Money::from_dollars(dollars), Text::parse("slip").unwrap());
    Change::Adjustment(
        id("m"),
        AdjustBalance::new(id(request), Direction::Credit, amount, why, Text::default()).unwrap(),
    )
}

fn policy(request: &str, base_multiple: u32) -> SetPolicy {
    let policy = Policy { base_multiple, ..Policy::default() };
    let reason = Text::default();
    SetPolicy { request_id: id(request), policy, effective_at: None, expected_version: Some(1), reason }
}

impl Rig {
    /// With a merchant that has 1,000 dollars.
    fn with_money(store: &MemoryStore) -> Self {
        let rig = Self::manual(store, quiet());
        rig.execute(import("m", "seed", 1_000)).unwrap();
        rig
    }

    fn propose(&self, name: &str, change: Change) -> Result<ProposalAnswer, EngineError> {
        let (caller, lasts) = (ANN.to_owned(), 3 * DAY);
        wait(self.engine.propose(&ProposalRequest { id: id(name), change, caller, lasts, not_after: None }))
    }

    fn end(&self, name: &str, verdict: ProposalVerdict, caller: &str) -> Result<ProposalAnswer, EngineError> {
        let (id, caller, reason) = (id(name), caller.to_owned(), Text::default());
        let number =
            wait(self.engine.proposals(|all, now| all.get(&id, now).map_or(0, |proposal| proposal.number))).unwrap();
        let request = VerdictRequest { id, number, verdict, caller, reason, not_after: None };
        wait(self.engine.decide_proposal(&request))
    }

    fn approve(&self, name: &str, caller: &str) -> Result<ProposalAnswer, EngineError> {
        self.end(name, ProposalVerdict::Approved, caller)
    }

    fn proposals(&self) -> Vec<(Proposal, ProposalState)> {
        let look = |all: &tplus::domain::Proposals, now| {
            all.after(0).map(|proposal| (proposal.clone(), proposal.state(now))).collect()
        };
        wait(self.engine.proposals(look)).unwrap()
    }

    fn available(&self) -> Money {
        self.margin("m").available
    }
}

fn rejected<T: std::fmt::Debug>(result: Result<T, EngineError>) -> Rejection {
    match result {
        Err(EngineError::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_happens_until_another_approves() {
    let rig = Rig::with_money(&MemoryStore::new());
    let made = rig.propose("p", deduction("d", 300)).unwrap();
    assert!(!made.replayed && rig.propose("p", deduction("d", 300)).unwrap().replayed);
    assert_eq!(rejected(rig.propose("p", deduction("d", 301))), Rejection::Conflict { field: "change" });
    assert_eq!(rig.available(), Money::from_dollars(1_000));
    assert_eq!(rejected(rig.approve("p", ANN)), Rejection::OwnProposal);
    assert_eq!(rejected(rig.approve("p", "")), Rejection::IdentityRequired);
    assert_eq!(rejected(rig.approve("q", BOB)), Rejection::ProposalNotFound);
    let approved = rig.approve("p", BOB).unwrap();
    assert!(!approved.replayed && matches!(&approved.made, Some(Made::Deduction(answer)) if !answer.replayed));
    assert_eq!(rig.available(), Money::from_dollars(700));
    let again = rig.approve("p", BOB).unwrap();
    assert!(again.replayed && matches!(&again.made, Some(Made::Deduction(answer)) if answer.replayed));
    assert_eq!(rig.available(), Money::from_dollars(700), "once");
    let closed = Rejection::ProposalClosed { state: ProposalState::Closed(ProposalVerdict::Approved) };
    assert_eq!(rejected(rig.end("p", ProposalVerdict::Rejected, BOB)), closed);
}

#[test]
fn the_record_of_the_change_says_who_proposed_and_who_approved() {
    let rig = Rig::with_money(&MemoryStore::new());
    rig.propose("p", deduction("d", 300)).unwrap();
    rig.propose("q", Change::Policy(policy("s", 2))).unwrap();
    rig.approve("p", BOB).unwrap();
    rig.approve("q", BOB).unwrap();
    let records = records(&rig.store);
    let approved: Vec<_> = records.iter().filter(|record| record.approval.is_some()).collect();
    let [deducted, set] = approved.as_slice() else { panic!("two") };
    for (record, proposal) in [(deducted, "p"), (set, "q")] {
        let approval = record.approval.as_ref().unwrap();
        assert_eq!((record.caller.as_str(), approval.proposed_by.as_str()), (BOB, ANN));
        assert_eq!((approval.proposal_id.as_str(), approval.approved_at), (proposal, record.recorded_at));
    }
    assert!(matches!(deducted.body, Some(Body::Merchant(_))) && matches!(set.body, Some(Body::PolicySet(_))));
    let proposed = records.iter().filter(|record| matches!(record.body, Some(Body::ProposalMade(_))));
    assert!(proposed.map(|record| record.caller.as_str()).eq([ANN, ANN]));
}

#[test]
fn what_it_comes_to_is_decided_as_of_the_approval() {
    let rig = Rig::with_money(&MemoryStore::new());
    rig.propose("p", deduction("d", 300)).unwrap();
    rig.execute(guarantee("m", "g", 900)).unwrap();
    rig.advance(NOON.after(2 * DAY));
    let Some(Made::Deduction(answer)) = rig.approve("p", BOB).unwrap().made else { panic!("a deduction") };
    // Frozen by now, and so taken from there.
    assert_eq!(answer.fact.split.from_frozen, Money::from_dollars(300));
    assert_eq!(answer.effective_at, NOON.after(2 * DAY));
    // A policy that another one has overtaken is refused, though nobody had said which he has seen, and its proposal stays open.
    let unseen = SetPolicy { expected_version: None, ..policy("s", 2) };
    let proposed = rig.propose("q", Change::Policy(unseen.clone())).unwrap();
    assert!(matches!(&proposed.proposal.change, Change::Policy(kept) if kept.expected_version == Some(1)));
    assert!(rig.propose("q", Change::Policy(unseen)).unwrap().replayed);
    let request = PolicyRequest { set: policy("t", 3), caller: BOB.into(), validate_only: false, not_after: None };
    wait(rig.engine.set_policy(&request)).unwrap();
    assert_eq!(rejected(rig.approve("q", BOB)), Rejection::PolicyChanged { latest: 2 });
    assert_eq!(rig.proposals().last().unwrap().1, ProposalState::Open);
}

#[test]
fn it_expires_to_the_instant() {
    for (later, fits) in [(3 * DAY, true), (3 * DAY + Duration::from_micros(1), false)] {
        let rig = Rig::with_money(&MemoryStore::new());
        rig.propose("p", credit("c", 5)).unwrap();
        rig.advance(NOON.after(later));
        let approved = rig.approve("p", BOB);
        if fits {
            assert!(matches!(approved.unwrap().made, Some(Made::Adjustment(_))));
        } else {
            let expired = Rejection::ProposalExpired { expired_at: NOON.after(3 * DAY) };
            assert_eq!(rejected(approved), expired);
            assert_eq!(rejected(rig.end("p", ProposalVerdict::Rejected, BOB)), expired);
            assert_eq!(rig.available(), Money::from_dollars(1_000));
        }
    }
}

#[test]
fn what_would_be_refused_or_was_done_is_not_proposed() {
    let rig = Rig::with_money(&MemoryStore::new());
    let other = Change::Deduction(id("nobody"), deduct("d", 1));
    assert_eq!(rejected(rig.propose("p", other)), Rejection::MerchantNotFound);
    rig.execute(request("m", deduct("d", 300))).unwrap();
    assert_eq!(rejected(rig.propose("p", deduction("d", 300))), Rejection::DecidedAlready);
    assert_eq!(rejected(rig.propose("p", deduction("d", 301))), Rejection::Conflict { field: "amount" });
    // Done without the proposal: nobody has approved it.
    rig.propose("q", deduction("e", 300)).unwrap();
    rig.execute(request("m", deduct("e", 300))).unwrap();
    assert_eq!(rejected(rig.approve("q", BOB)), Rejection::DecidedAlready);
    assert_eq!(rig.proposals().last().unwrap().1, ProposalState::Open);
    assert_eq!(rig.available(), Money::from_dollars(400));
}

/// Whatever is durable is there again, by the journal alone and by a checkpoint with what follows it.
#[test]
fn proposals_survive() {
    for checkpoint in [None, Some(0), Some(1), Some(2), Some(3)] {
        let rig = Rig::with_money(&MemoryStore::new());
        let checkpoint_if = |step| {
            if checkpoint == Some(step) {
                rig.engine.checkpoint().unwrap();
            }
        };
        checkpoint_if(0);
        for (name, change) in [("p", deduction("d", 300)), ("q", credit("c", 5)), ("r", deduction("e", 1))] {
            rig.propose(name, change).unwrap();
        }
        rig.propose("s", Change::Policy(policy("s", 2))).unwrap();
        checkpoint_if(1);
        rig.approve("p", BOB).unwrap();
        rig.approve("s", BOB).unwrap();
        checkpoint_if(2);
        rig.end("q", ProposalVerdict::Rejected, BOB).unwrap();
        rig.end("r", ProposalVerdict::Withdrawn, ANN).unwrap();
        checkpoint_if(3);
        let (before, available) = (rig.proposals(), rig.available());
        assert_eq!(before.len(), 4);
        let store = rig.store.crash(Unsynced::Dropped);
        let again = Rig::manual(&store, quiet());
        assert_eq!((again.proposals(), again.available()), (before, available), "{checkpoint:?}");
        assert!(again.approve("p", BOB).unwrap().replayed);
        assert!(again.end("q", ProposalVerdict::Rejected, BOB).unwrap().replayed);
        assert_eq!(again.propose("t", credit("u", 5)).unwrap().proposal.number, 5);
    }
}

/// A full disk refuses and changes nothing.
#[test]
fn without_room_nothing_is_half_done() {
    let rig = Rig::with_money(&MemoryStore::new());
    rig.propose("p", deduction("d", 300)).unwrap();
    rig.store.set_room(Some(0));
    for refused in
        [rig.approve("p", BOB), rig.end("p", ProposalVerdict::Rejected, BOB), rig.propose("q", credit("c", 1))]
    {
        assert!(matches!(refused, Err(EngineError::ReadOnly { .. })), "{refused:?}");
    }
    rig.store.set_room(None);
    assert_eq!(rig.proposals().len(), 1);
    assert_eq!((rig.proposals()[0].1, rig.available()), (ProposalState::Open, Money::from_dollars(1_000)));
    let room = std::iter::repeat_with(|| rig.approve("p", BOB))
        .find(|approved| !matches!(approved, Err(EngineError::ReadOnly { .. })));
    room.unwrap().unwrap();
    assert_eq!(rig.available(), Money::from_dollars(700));
}

/// Of many who approve at once one does; of approval and rejection one holds, and the balance says which.
#[test]
fn it_ends_once_however_many_try() {
    for round in 0..50 {
        let rig = Rig::with_money(&MemoryStore::new());
        rig.propose("p", deduction("d", 300)).unwrap();
        let outcomes = std::thread::scope(|scope| {
            let tries = (0..4).map(|n| {
                let rig = &rig;
                scope.spawn(move || match n % 2 {
                    0 => rig.approve("p", &format!("sub:{n}")).map(|answer| answer.replayed),
                    _ => rig.end("p", ProposalVerdict::Rejected, &format!("sub:{n}")).map(|answer| answer.replayed),
                })
            });
            let tries: Vec<_> = tries.collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Ok(false)).count(), 1, "{round}: {outcomes:?}");
        let approved = rig.proposals()[0].1 == ProposalState::Closed(ProposalVerdict::Approved);
        assert_eq!(rig.available(), Money::from_dollars(if approved { 700 } else { 1_000 }));
    }
}

/// Who looks at a proposal and names it means that one, whatever has its id by then.
#[test]
fn what_is_approved_is_what_was_looked_at() {
    let rig = Rig::with_money(&MemoryStore::new());
    let shown = rig.propose("p", deduction("d", 1)).unwrap().proposal;
    rig.end("p", ProposalVerdict::Withdrawn, ANN).unwrap();
    assert_eq!(rejected(rig.propose("p", deduction("e", 900))), Rejection::Conflict { field: "change" });
    // Once it is past and another one has pushed it out, the id is free.
    rig.advance(NOON.after(30 * DAY + Duration::from_micros(1)));
    rig.propose("x", credit("x", 1)).unwrap();
    let again = rig.propose("p", deduction("e", 900)).unwrap().proposal;
    assert_eq!((shown.number, again.number), (1, 3));
    let (caller, reason) = (BOB.to_owned(), Text::default());
    for verdict in [ProposalVerdict::Approved, ProposalVerdict::Rejected] {
        let (id, number, caller, reason) = (shown.id.clone(), shown.number, caller.clone(), reason.clone());
        let request = VerdictRequest { id, number, verdict, caller, reason, not_after: None };
        assert_eq!(rejected(wait(rig.engine.decide_proposal(&request))), Rejection::ProposalNotFound);
    }
    assert_eq!(rig.available(), Money::from_dollars(1_000));
}

/// Live, after a checkpoint and by the journal alone it is the same, also where proposals were let go of.
#[test]
fn forgetting_is_the_same_live_and_recovered() {
    for checkpoint in [false, true] {
        let rig = Rig::with_money(&MemoryStore::new());
        for day in 0..80_u32 {
            rig.advance(NOON.after(DAY * day));
            let name = format!("p{day}");
            let set = SetPolicy { expected_version: None, ..policy(&name, 2 + day % 2) };
            rig.propose(&name, if day % 5 == 4 { Change::Policy(set) } else { credit(&name, 1) }).unwrap();
            if checkpoint && day % 7 == 3 {
                rig.engine.checkpoint().unwrap();
            }
            match day % 4 {
                0 => drop(rig.approve(&name, BOB).unwrap()),
                1 => drop(rig.end(&name, ProposalVerdict::Rejected, BOB).unwrap()),
                2 => drop(rig.end(&name, ProposalVerdict::Withdrawn, ANN).unwrap()),
                _ => {}
            }
        }
        let before = rig.proposals();
        let again = Rig::manual(&rig.store.crash(Unsynced::Dropped), quiet());
        assert!(before.len() < 80);
        assert_eq!(again.proposals(), before, "{checkpoint}");
    }
}
