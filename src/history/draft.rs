//! What a batch of records makes of the history: all rows of all trees, written together.

use std::collections::{HashMap, hash_map::Entry as Slot};

use prost::Message as _;

use super::{
    Balances, Clock, HistoryError, ReleaseEnd, ReleaseRow, Sums,
    ids::{self, Id},
    keys::{self, Number, Tree},
    pack::{Noted, Packed},
    record::{RawFacts, Read, Says, event},
    rows,
    sheet::Sheet,
    states::{Place, State, States},
    trees::{Ledger, View},
    writer::Writer,
};
use crate::{
    codec::{Fingerprint, Malformed, decode_policy, decode_standing, encode_standing},
    domain::{Cycle, Day, Event, Fact, Key, Merchant, MerchantId, Money, Release, Timeline, Timestamp},
    journal::Lsn,
    proto::journal::{HistoryPolicy, HistoryStanding, PolicySet},
};

/// What is worked on: what is written, and what is known of it in memory.
pub(super) struct Desk<'a> {
    pub(super) writer: &'a mut Writer,
    pub(super) key: [u8; 16],
    pub(super) states: &'a mut States,
    pub(super) timeline: &'a mut Option<Timeline>,
}

/// The rows of a batch. Those of standings, releases and days are read once and written once, however many facts change them.
#[derive(Default)]
pub(super) struct Draft {
    /// What is written about each merchant.
    pub(super) sheets: Vec<(Number, Box<Sheet>)>,
    pub(super) ids: Vec<Id>,
    pub(super) standings: HashMap<Fingerprint, HistoryStanding>,
    pub(super) later: Vec<([u8; 21], [u8; 8])>,
    pub(super) releases: HashMap<(Number, u64), ReleaseRow>,
    /// What the records say, and the position of the first one.
    pub(super) first: Lsn,
    pub(super) records: Vec<Packed>,
    pub(super) policies: Vec<(u64, Vec<u8>)>,
    pub(super) days: HashMap<(Clock, Day), Sums>,
    pub(super) quick: HashMap<(Day, Number), Money>,
    /// Merchants that were opened, with their numbers.
    pub(super) opened: Vec<(MerchantId, Number)>,
    /// How far the history is with it.
    pub(super) ledger: Ledger,
    /// The ids of the batch, as far as they were looked for.
    found: HashMap<u128, u64>,
    looked: usize,
}

/// A record with facts.
struct Whole<'a> {
    /// Which of the records of the batch it is.
    at: usize,
    lsn: Lsn,
    recorded_at: Timestamp,
    caller: &'a str,
    facts: &'a [u8],
}

impl Draft {
    /// Nothing yet, behind what there is.
    pub(super) fn behind(ledger: Ledger) -> Self {
        Self { first: ledger.applied.next(), ledger, ..Self::default() }
    }

    /// Adds records that come next. Merchants know nothing of each other: so all facts of one are added before those of another, which
    /// spares most of the waiting for memory.
    pub(super) fn add<'a>(
        &mut self,
        desk: &mut Desk<'_>,
        records: impl Iterator<Item = (Lsn, &'a [u8])>,
    ) -> Result<(), HistoryError> {
        let (mut wholes, mut order) = (Vec::new(), Vec::new());
        for (lsn, bytes) in records {
            let applied = self.ledger.applied;
            if lsn != applied.next() {
                return Err(HistoryError::Journal(format!("position {lsn} came behind position {applied}")));
            }
            let Read { recorded_at, caller, says } = Read::of(bytes)?;
            let packed = match says {
                Says::Facts(merchant, facts) => {
                    order.push((self.place(desk, merchant)?, wholes.len()));
                    wholes.push(Whole { at: self.records.len(), lsn, recorded_at, caller, facts });
                    Packed::Nothing
                }
                Says::Policy(set) => self.add_policy(desk, (lsn, recorded_at), *set)?,
                Says::Nothing => Packed::Nothing,
            };
            self.records.push(packed);
            self.ledger.applied = lsn;
        }
        order.sort_unstable();
        for of_merchant in order.chunk_by(|(a, _), (b, _)| a == b) {
            let Some((place, _)) = of_merchant.first() else { continue };
            self.add_merchant(desk, *place, of_merchant.iter().filter_map(|(_, whole)| wholes.get(*whole)))?;
        }
        Ok(())
    }

    /// The place of a merchant, who may be opened by that.
    fn place(&mut self, desk: &mut Desk<'_>, merchant: &str) -> Result<Place, HistoryError> {
        let next = Number::try_from(self.ledger.merchants + 1);
        let next = next.map_err(|_| Malformed("too many merchants".to_owned()))?;
        let (place, is_new) = desk.states.place(merchant, next, || desk.writer.view())?;
        if is_new {
            self.ledger.merchants += 1;
            self.opened.push((desk.states.at(place).id.clone(), next));
        }
        Ok(place)
    }

    /// Adds all that happened to a merchant.
    fn add_merchant<'a>(
        &mut self,
        desk: &mut Desk<'_>,
        place: Place,
        records: impl Iterator<Item = &'a Whole<'a>>,
    ) -> Result<(), HistoryError> {
        let timeline = desk.timeline.as_ref();
        let timeline = timeline.ok_or_else(|| Malformed("a fact before the first policy".to_owned()))?;
        let mut work = Work { writer: desk.writer, key: desk.key, timeline, sheet: Box::default() };
        let state = desk.states.use_now(place);
        for whole in records {
            let (merchant, first) = (state.number, state.merchant.facts() + 1);
            let (mut facts, mut count) = (RawFacts::of(whole.facts), 0);
            while let Some(raw) = facts.next()? {
                self.add_fact(&mut work, whole, state, (count, raw))?;
                count += 1;
            }
            self.ledger.facts += u64::from(count);
            if let Some(packed) = self.records.get_mut(whole.at) {
                *packed = Packed::Facts { merchant, first, count };
            }
        }
        self.add_sums(state);
        work.sheet.finish();
        self.sheets.push((state.number, work.sheet));
        Ok(())
    }

    fn add_policy(
        &mut self,
        desk: &mut Desk<'_>,
        (lsn, recorded_at): (Lsn, Timestamp),
        set: PolicySet,
    ) -> Result<Packed, HistoryError> {
        let in_force = decode_policy(set.clone())?;
        let version = in_force.version;
        match &mut *desk.timeline {
            Some(timeline) => timeline.push(in_force),
            none => *none = Some(Timeline::new(in_force)),
        }
        let (lsn, recorded_at) = (lsn.get(), recorded_at.micros());
        let row = HistoryPolicy { policy: Some(set), lsn, recorded_at };
        self.policies.push((version, row.encode_to_vec()));
        Ok(Packed::Policy(version))
    }

    fn add_fact(
        &mut self,
        work: &mut Work<'_>,
        whole: &Whole<'_>,
        state: &mut State,
        (index, raw): (u32, &[u8]),
    ) -> Result<(), HistoryError> {
        let event = event(raw)?;
        let days = [event.effective_at, whole.recorded_at].map(|at| work.timeline.day_of(at));
        if state.days.is_some_and(|before| before != days) {
            self.add_sums(state);
        }
        state.days = Some(days);
        let before = moves_releases(&event.fact).then(|| state.merchant.releases().to_vec());
        state.merchant.apply(&event);
        if let Some(before) = before {
            self.compare_releases(work, (state.number, &state.merchant), &before, &event)?;
        }
        self.add_known(work, (&state.id, state.number, state.merchant.facts()), &event.fact)?;
        self.add_quick(state.number, &event.fact);
        let balances = Balances::of(&state.merchant);
        let Whole { lsn, recorded_at, caller, .. } = *whole;
        let noted = Noted { lsn, index, recorded_at, caller, event: &event, raw, balances };
        work.sheet.add(&state.id, &state.merchant, &noted);
        Ok(())
    }

    /// What changed since the sums were told last counts for the days on which it did, by both clocks.
    fn add_sums(&mut self, state: &mut State) {
        let Some([effective, recorded]) = state.days.take() else { return };
        let after = Sums::of(&state.merchant);
        let mut change = after.clone();
        change.subtract(&state.sums);
        state.sums = after;
        for key in [(Clock::Effective, effective), (Clock::Recorded, recorded)] {
            self.days.entry(key).or_default().add(&change);
        }
    }

    /// What the fact makes known, and what it makes of an earlier one.
    fn add_known(
        &mut self,
        work: &mut Work<'_>,
        (id, merchant, number): (&MerchantId, Number, u64),
        fact: &Fact,
    ) -> Result<(), HistoryError> {
        if let Some(key) = fact.key() {
            let fingerprint = Fingerprint::of(work.key, id, key).get();
            self.ids.push(Id { fingerprint, merchant, number });
        }
        let Some(subject) = fact.subject() else { return Ok(()) };
        let fingerprint = Fingerprint::of(work.key, id, subject);
        if !self.standings.contains_key(&fingerprint) {
            let standing = self.standing(work, fingerprint)?;
            self.standings.insert(fingerprint, standing.ok_or_else(|| unknown(id, subject))?);
        }
        let known = self.standings.get_mut(&fingerprint).ok_or_else(|| unknown(id, subject))?;
        known.standing = encode_standing(decode_standing(known.standing).after(fact));
        known.later += 1;
        self.later.push((keys::later(merchant, known.number, number), known.later.to_be_bytes()));
        Ok(())
    }

    /// How an earlier fact stands before this batch; none if it was never decided.
    fn standing(&mut self, work: &mut Work<'_>, of: Fingerprint) -> Result<Option<HistoryStanding>, HistoryError> {
        for id in self.ids.get(self.looked..).unwrap_or_default() {
            self.found.insert(id.fingerprint, id.number);
        }
        self.looked = self.ids.len();
        let new = |number| HistoryStanding { number, standing: None, later: 0 };
        if let Some(number) = self.found.get(&of.get()) {
            return Ok(Some(new(*number)));
        }
        let view = work.writer.view()?;
        match view.get(keys::standing(of))? {
            Some(row) => Ok(Some(HistoryStanding::decode(&*row)?)),
            None => Ok(ids::find(&view, of)?.map(|id| new(id.number))),
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
        work: &mut Work<'_>,
        (of, merchant): (Number, &Merchant),
        before: &[Release],
        event: &Event,
    ) -> Result<(), HistoryError> {
        let after = merchant.releases();
        for old in before {
            let left = after.iter().find(|release| release.number == old.number).map(|release| release.amount);
            if left == Some(old.amount) {
                continue;
            }
            let row = self.release(work, of, old.number)?;
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
                created_by: merchant.facts(),
                end: None,
            };
            self.releases.insert((of, new.number), row);
        }
        Ok(())
    }

    fn release(&mut self, work: &mut Work<'_>, of: Number, number: u64) -> Result<&mut ReleaseRow, HistoryError> {
        match self.releases.entry((of, number)) {
            Slot::Occupied(row) => Ok(row.into_mut()),
            Slot::Vacant(place) => {
                let row = work.writer.view()?.get(keys::numbered(Tree::Releases, of, number))?;
                let row = row.ok_or_else(|| HistoryError::damaged("a release that was never created"))?;
                Ok(place.insert(rows::decode_release(number, &row)?))
            }
        }
    }

    /// What is to be moved among the ids because of those that are new.
    pub(super) fn ids(&mut self, view: &View) -> Result<ids::Change, HistoryError> {
        let ids = std::mem::take(&mut self.ids);
        ids::Change::of(view, ids, self.ledger.applied.get(), &mut self.ledger.cursors)
    }
}

/// What adding a fact takes beside its merchant.
struct Work<'a> {
    writer: &'a mut Writer,
    key: [u8; 16],
    timeline: &'a Timeline,
    sheet: Box<Sheet>,
}

fn unknown(id: &MerchantId, subject: Key<'_>) -> HistoryError {
    Malformed(format!("merchant {id}: {subject:?} was never decided")).into()
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
