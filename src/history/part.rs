//! What a batch writes about some of its merchants.

use std::{
    collections::{HashMap, hash_map::Entry as Slot},
    sync::{Mutex, PoisonError},
};

use prost::Message as _;

use super::{
    Balances, Clock, HistoryError, ReleaseEnd, ReleaseRow, Sums,
    ids::{self, Id},
    keys::{self, Number, Tree},
    pack::{Noted, Packed},
    rows,
    sheet::Sheet,
    states::{Place, State, Stretch},
    trees::View,
    writer::Writer,
};
use crate::{
    codec::{Fingerprint, Malformed, decode_fact, decode_standing, encode_standing, next_fact},
    domain::{Cycle, Day, Event, Fact, Key, Merchant, MerchantId, Money, Release, Timeline, Timestamp},
    journal::Lsn,
    proto::journal::HistoryStanding,
};

/// A record with facts.
pub(super) struct Whole<'a> {
    /// Which of the records of the batch it is.
    pub(super) at: usize,
    pub(super) lsn: Lsn,
    pub(super) recorded_at: Timestamp,
    pub(super) caller: &'a str,
    pub(super) facts: &'a [u8],
}

/// What adding facts takes beside their merchants.
pub(super) struct Work<'a> {
    pub(super) writer: &'a Mutex<&'a mut Writer>,
    pub(super) key: [u8; 16],
    pub(super) timeline: &'a Timeline,
    pub(super) wholes: &'a [Whole<'a>],
}

impl Work<'_> {
    /// All that was ever written.
    fn view(&self) -> Result<View, HistoryError> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).view()
    }
}

/// The rows about some merchants. Those of standings, releases and days are read once and written once, however many facts change them.
#[derive(Default)]
pub(super) struct Part {
    pub(super) sheets: Vec<(Number, Box<Sheet>)>,
    pub(super) ids: Vec<Id>,
    pub(super) standings: HashMap<Fingerprint, HistoryStanding>,
    pub(super) later: Vec<([u8; 21], [u8; 8])>,
    pub(super) releases: HashMap<(Number, u64), ReleaseRow>,
    pub(super) days: HashMap<(Clock, Day), Sums>,
    pub(super) quick: HashMap<(Day, Number), Money>,
    /// What records say, by which of the batch they are.
    pub(super) packed: Vec<(usize, Packed)>,
    /// How many facts there are.
    pub(super) facts: u64,
    /// The ids, as far as they were looked for.
    found: HashMap<u128, u64>,
    looked: usize,
}

impl Part {
    /// What happened to these merchants, which lie in these places; the first state is that in the lowest of them.
    pub(super) fn of(
        work: &Work<'_>,
        order: &[(Place, usize)],
        (first, states): Stretch<'_>,
    ) -> Result<Self, HistoryError> {
        let mut part = Self::default();
        for of_merchant in order.chunk_by(|(a, _), (b, _)| a == b) {
            let state = of_merchant.first().and_then(|(place, _)| states.get_mut(place - first));
            let Some(state) = state else { continue };
            let records = of_merchant.iter().filter_map(|(_, whole)| work.wholes.get(*whole));
            part.add_merchant(work, state, records)?;
        }
        Ok(part)
    }

    /// Adds what is written about others.
    pub(super) fn add(&mut self, other: Self) {
        self.sheets.extend(other.sheets);
        self.ids.extend(other.ids);
        self.standings.extend(other.standings);
        self.later.extend(other.later);
        self.releases.extend(other.releases);
        self.quick.extend(other.quick);
        for (key, change) in other.days {
            self.days.entry(key).or_default().add(&change);
        }
    }

    /// Adds all that happened to a merchant.
    fn add_merchant<'a>(
        &mut self,
        work: &Work<'_>,
        state: &mut State,
        records: impl Iterator<Item = &'a Whole<'a>>,
    ) -> Result<(), HistoryError> {
        let mut sheet = Box::<Sheet>::default();
        for whole in records {
            let (merchant, first) = (state.number, state.merchant.facts() + 1);
            let (mut facts, mut count) = (whole.facts, 0);
            while let Some(raw) = next_fact(&mut facts) {
                self.add_fact(work, whole, (state, &mut sheet), (count, raw))?;
                count += 1;
            }
            if !facts.is_empty() {
                return Err(Malformed("something among facts that is none".to_owned()).into());
            }
            self.facts += u64::from(count);
            self.packed.push((whole.at, Packed::Facts { merchant, first, count }));
        }
        self.add_sums(state);
        sheet.finish();
        self.sheets.push((state.number, sheet));
        Ok(())
    }

    fn add_fact(
        &mut self,
        work: &Work<'_>,
        whole: &Whole<'_>,
        (state, sheet): (&mut State, &mut Sheet),
        (index, raw): (u32, &[u8]),
    ) -> Result<(), HistoryError> {
        let event = decode_fact(raw)?;
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
        sheet.add(&state.id, &state.merchant, &noted);
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
        work: &Work<'_>,
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
    fn standing(&mut self, work: &Work<'_>, of: Fingerprint) -> Result<Option<HistoryStanding>, HistoryError> {
        for id in self.ids.get(self.looked..).unwrap_or_default() {
            self.found.insert(id.fingerprint, id.number);
        }
        self.looked = self.ids.len();
        let new = |number| HistoryStanding { number, standing: None, later: 0 };
        if let Some(number) = self.found.get(&of.get()) {
            return Ok(Some(new(*number)));
        }
        let view = work.view()?;
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
        work: &Work<'_>,
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

    fn release(&mut self, work: &Work<'_>, of: Number, number: u64) -> Result<&mut ReleaseRow, HistoryError> {
        match self.releases.entry((of, number)) {
            Slot::Occupied(row) => Ok(row.into_mut()),
            Slot::Vacant(place) => {
                let row = work.view()?.get(keys::numbered(Tree::Releases, of, number))?;
                let row = row.ok_or_else(|| HistoryError::damaged("a release that was never created"))?;
                Ok(place.insert(rows::decode_release(number, &row)?))
            }
        }
    }
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
