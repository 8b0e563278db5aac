//! What a batch of records makes of the history: all rows of all trees, written together.

use std::collections::{HashMap, hash_map::Entry as Slot};

use prost::Message as _;

use super::{
    Clock, Entry, HistoryError, Kind, ReleaseEnd, ReleaseRow, Sums,
    keys::{self, Dated, Number},
    rows,
    states::{State, States},
    trees::Trees,
};
use crate::{
    codec::{Fingerprint, Malformed, decode_event, decode_policy, decode_standing, encode_merchant, encode_standing},
    domain::{Cycle, Day, Event, Fact, MerchantId, Money, Release, Timeline, Timestamp},
    journal::Lsn,
    proto::journal::{
        self as pb, HistoryId, HistoryPolicy, HistoryRecord, MerchantFacts, PolicySet, Record, record::Body,
    },
};

/// How many facts lie between two snapshots of a merchant.
pub(super) const SNAPSHOT_EVERY: u64 = 64;

/// What is worked on: the files as they are, and what is known of them in memory.
pub(super) struct Desk<'a> {
    pub(super) trees: &'a Trees,
    pub(super) key: [u8; 16],
    pub(super) states: &'a mut States,
    pub(super) timeline: &'a mut Option<Timeline>,
}

/// The rows of a batch. Those of `ids`, `releases`, `days` and `quick` are read once and written once, however many facts change
/// them.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) touched: HashMap<MerchantId, State>,
    pub(super) entries: Vec<([u8; 12], Vec<u8>)>,
    pub(super) snapshots: Vec<([u8; 12], Vec<u8>)>,
    pub(super) ids: HashMap<Fingerprint, HistoryId>,
    pub(super) later: Vec<([u8; 20], [u8; 8])>,
    pub(super) dates: Vec<([u8; 21], [u8; 0])>,
    pub(super) kinds: Vec<([u8; 13], [u8; 0])>,
    pub(super) releases: HashMap<[u8; 12], ReleaseRow>,
    pub(super) events: Vec<([u8; 8], Vec<u8>)>,
    pub(super) policies: Vec<([u8; 8], Vec<u8>)>,
    pub(super) days: HashMap<(Clock, Day), Sums>,
    pub(super) quick: HashMap<(Day, Number), Money>,
    /// Merchants that were opened, with their numbers.
    pub(super) opened: Vec<(MerchantId, Number)>,
    /// How many merchants there are.
    pub(super) merchants: u64,
    /// How many facts there are.
    pub(super) facts: u64,
    /// The last record, and a hash of it.
    pub(super) applied: Lsn,
    pub(super) last_record: [u8; 32],
}

/// What a fact is part of.
struct Whole<'a> {
    lsn: Lsn,
    recorded_at: Timestamp,
    caller: &'a str,
}

impl Draft {
    /// Nothing yet, behind a record.
    pub(super) fn behind(applied: Lsn, merchants: u64, facts: u64) -> Self {
        Self { merchants, facts, applied, ..Self::default() }
    }

    /// Adds the next record.
    pub(super) fn add(&mut self, desk: &mut Desk<'_>, lsn: Lsn, bytes: &[u8]) -> Result<(), HistoryError> {
        if lsn != self.applied.next() {
            return Err(HistoryError::Journal(format!("position {lsn} came behind position {}", self.applied)));
        }
        let record = Record::decode(bytes)?;
        let whole = Whole { lsn, recorded_at: Timestamp::from_micros(record.recorded_at), caller: &record.caller };
        let row = match record.body.ok_or_else(|| Malformed::missing("body"))? {
            Body::Merchant(facts) => self.add_facts(desk, &whole, facts)?,
            Body::PolicySet(set) => self.add_policy(desk, &whole, set)?,
            Body::ClockLease(_) | Body::ClockAdvanced(_) => HistoryRecord::default(),
        };
        self.events.push((keys::lsn(lsn), row.encode_to_vec()));
        self.applied = lsn;
        self.last_record = *blake3::hash(bytes).as_bytes();
        Ok(())
    }

    fn add_policy(
        &mut self,
        desk: &mut Desk<'_>,
        whole: &Whole<'_>,
        set: PolicySet,
    ) -> Result<HistoryRecord, HistoryError> {
        let in_force = decode_policy(set.clone())?;
        let policy_version = in_force.version;
        match &mut *desk.timeline {
            Some(timeline) => timeline.push(in_force),
            none => *none = Some(Timeline::new(in_force)),
        }
        let (lsn, recorded_at) = (whole.lsn.get(), whole.recorded_at.micros());
        let row = HistoryPolicy { policy: Some(set), lsn, recorded_at };
        self.policies.push((policy_version.to_be_bytes(), row.encode_to_vec()));
        Ok(HistoryRecord { policy_version, ..HistoryRecord::default() })
    }

    fn add_facts(
        &mut self,
        desk: &mut Desk<'_>,
        whole: &Whole<'_>,
        facts: MerchantFacts,
    ) -> Result<HistoryRecord, HistoryError> {
        let id = MerchantId::parse(&facts.merchant_id).map_err(|error| Malformed(error.to_string()))?;
        let mut state = self.take(desk, &id)?;
        let (merchant, first) = (state.number, state.merchant.facts() + 1);
        let count = facts.facts.len();
        for (index, fact) in (0..).zip(facts.facts) {
            self.add_fact(desk, whole, &id, &mut state, (index, decode_event(fact)?))?;
        }
        state.lsn = whole.lsn;
        self.facts += count as u64;
        self.touched.insert(id, state);
        let count = u32::try_from(count).map_err(|_| Malformed("a record of too many facts".to_owned()))?;
        Ok(HistoryRecord { merchant, first, count, policy_version: 0 })
    }

    /// Takes a state out of the batch, memory or the files, or opens a merchant.
    fn take(&mut self, desk: &mut Desk<'_>, id: &MerchantId) -> Result<State, HistoryError> {
        if let Some(state) = self.touched.remove(id).or_else(|| desk.states.take(id)) {
            return Ok(state);
        }
        if let Some(state) = State::load(desk.trees, id)? {
            return Ok(state);
        }
        self.merchants += 1;
        let number = Number::try_from(self.merchants).map_err(|_| Malformed("too many merchants".to_owned()))?;
        self.opened.push((id.clone(), number));
        Ok(State::new(number))
    }

    fn add_fact(
        &mut self,
        desk: &mut Desk<'_>,
        whole: &Whole<'_>,
        id: &MerchantId,
        state: &mut State,
        (index, event): (u32, Event),
    ) -> Result<(), HistoryError> {
        let before = moves_releases(&event.fact).then(|| state.merchant.releases().to_vec());
        state.merchant.apply(&event);
        let number = state.merchant.facts();
        if let Some(before) = before {
            self.compare_releases(desk.trees, state, &before, &event)?;
        }
        self.add_sums(desk, whole, state, &event)?;
        self.add_known(desk, id, (state.number, number), &event.fact)?;
        self.arrange(state.number, number, &event.fact);
        self.add_quick(state.number, &event.fact);
        if number.is_multiple_of(SNAPSHOT_EVERY) {
            let snapshot = encode_merchant(id, &state.merchant, whole.lsn).encode_to_vec();
            self.snapshots.push((keys::fact(state.number, number), snapshot));
        }
        let entry = Entry {
            merchant: id.clone(),
            number,
            event,
            recorded_at: whole.recorded_at,
            caller: whole.caller.to_owned(),
            lsn: whole.lsn,
            index,
            balances: state.sums.balances,
        };
        self.entries.push((keys::fact(state.number, number), rows::encode_entry(&entry)));
        Ok(())
    }

    /// What the fact changed counts for its days by both clocks.
    fn add_sums(
        &mut self,
        desk: &Desk<'_>,
        whole: &Whole<'_>,
        state: &mut State,
        event: &Event,
    ) -> Result<(), HistoryError> {
        let timeline = desk.timeline.as_ref();
        let timeline = timeline.ok_or_else(|| Malformed("a fact before the first policy".to_owned()))?;
        let after = Sums::of(&state.merchant);
        let mut change = after.clone();
        change.subtract(&state.sums);
        state.sums = after;
        for (clock, at) in [(Clock::Effective, event.effective_at), (Clock::Recorded, whole.recorded_at)] {
            self.days.entry((clock, timeline.day_of(at))).or_default().add(&change);
        }
        Ok(())
    }

    /// What the fact makes known, and what it makes of an earlier one.
    fn add_known(
        &mut self,
        desk: &Desk<'_>,
        id: &MerchantId,
        (merchant, number): (Number, u64),
        fact: &Fact,
    ) -> Result<(), HistoryError> {
        if let Some(key) = fact.key() {
            let known = HistoryId { merchant, number, standing: None, later: 0 };
            self.ids.insert(Fingerprint::of(desk.key, id, key), known);
        }
        let Some(subject) = fact.subject() else { return Ok(()) };
        let known = match self.ids.entry(Fingerprint::of(desk.key, id, subject)) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(place) => {
                let row = desk.trees.ids.get(keys::id(*place.key()))?;
                let row = row.ok_or_else(|| Malformed(format!("merchant {id}: {subject:?} was never decided")))?;
                place.insert(HistoryId::decode(&*row)?)
            }
        };
        known.standing = encode_standing(decode_standing(known.standing).after(fact));
        known.later += 1;
        self.later.push((keys::later(merchant, known.number, number), known.later.to_be_bytes()));
        Ok(())
    }

    /// Orders are found by settlement date, and everything but classified orders by kind.
    fn arrange(&mut self, merchant: Number, number: u64, fact: &Fact) {
        let dated = match (fact, fact.order()) {
            (_, Some(order)) => Some((Dated::Orders, order.settles_at)),
            (Fact::ProfitSettled(fact), _) => Some((Dated::Settlements, fact.settles_at)),
            _ => None,
        };
        if let Some((dated, at)) = dated {
            self.dates.push((keys::date(merchant, dated, at, number), []));
        }
        let kind = Kind::of(fact);
        if kind != Kind::OrderClassified {
            self.kinds.push((keys::kind(merchant, kind, number), []));
        }
    }

    /// What settled on T+2, by the day of completion; also elsewhere, before an import.
    fn add_quick(&mut self, merchant: Number, fact: &Fact) {
        let (day, settled, reversed) = match fact {
            Fact::ProfitSettled(fact) if fact.cycle == Cycle::Quick => (fact.day, fact.income.total(), Money::ZERO),
            Fact::OrderImported(fact) if fact.settled && fact.order.cycle == Cycle::Quick => {
                (fact.order.day, fact.order.profit, Money::ZERO)
            }
            Fact::OrderReversed(fact) if fact.charge.is_some() && fact.cycle == Cycle::Quick => {
                (fact.day, Money::ZERO, fact.profit)
            }
            _ => return,
        };
        let sum = self.quick.entry((day, merchant)).or_default();
        *sum = *sum + settled - reversed;
    }

    /// What became of the releases that there were, and which there are now.
    fn compare_releases(
        &mut self,
        trees: &Trees,
        state: &State,
        before: &[Release],
        event: &Event,
    ) -> Result<(), HistoryError> {
        let (merchant, after) = (state.number, state.merchant.releases());
        for old in before {
            let left = after.iter().find(|release| release.number == old.number).map(|release| release.amount);
            if left == Some(old.amount) {
                continue;
            }
            let row = self.release(trees, merchant, old.number)?;
            let completed = matches!(&event.fact, Fact::ReleaseCompleted(fact) if fact.number == old.number);
            match left {
                Some(left) => row.left = left,
                None if completed => row.end = Some(ReleaseEnd::Completed(event.effective_at)),
                None => {
                    row.left = Money::ZERO;
                    row.end = Some(ReleaseEnd::Taken(event.effective_at));
                }
            }
        }
        let is_new = |release: &&Release| before.iter().all(|old| old.number != release.number);
        for new in after.iter().filter(is_new) {
            let row = ReleaseRow {
                number: new.number,
                original: new.amount,
                left: new.amount,
                created_at: new.created_at,
                due_at: new.due_at,
                created_by: state.merchant.facts(),
                end: None,
            };
            self.releases.insert(keys::fact(merchant, new.number), row);
        }
        Ok(())
    }

    fn release(&mut self, trees: &Trees, merchant: Number, number: u64) -> Result<&mut ReleaseRow, HistoryError> {
        match self.releases.entry(keys::fact(merchant, number)) {
            Slot::Occupied(row) => Ok(row.into_mut()),
            Slot::Vacant(place) => {
                let row = trees.releases.get(place.key())?;
                let row = row.ok_or_else(|| HistoryError::damaged("a release that was never created"))?;
                Ok(place.insert(rows::decode_release(number, &row)?))
            }
        }
    }

    /// The heads of the merchants that it touches.
    pub(super) fn heads(&self) -> Vec<([u8; 4], Vec<u8>)> {
        let head = |(id, state): (&MerchantId, &State)| {
            let head: pb::CheckpointMerchant = encode_merchant(id, &state.merchant, state.lsn);
            (keys::merchant(state.number), head.encode_to_vec())
        };
        self.touched.iter().map(head).collect()
    }
}

/// Whether a fact may create, shorten or end releases.
const fn moves_releases(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::GuaranteeModified(_)
            | Fact::ClosingStarted(_)
            | Fact::ReleaseCompleted(_)
            | Fact::MerchantImported(_)
            | Fact::MarginDeducted(_)
    )
}
