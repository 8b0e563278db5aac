//! What a batch of records makes of the history: all rows of all trees, written together.

use std::sync::Mutex;

use prost::Message as _;

use super::{
    HistoryError, ids,
    keys::Number,
    pack::Packed,
    part::{Part, Whole, Work},
    record::{Read, Says},
    states::{Place, States},
    trees::{Ledger, View},
    writer::Writer,
};
use crate::{
    codec::{Malformed, decode_policy},
    domain::{MerchantId, Timeline, Timestamp},
    journal::Lsn,
    proto::journal::{HistoryPolicy, PolicySet},
};

/// With how many records of facts a second thread is worth it; tests have it work on anything.
const MANY: usize = if cfg!(test) { 2 } else { 1 << 14 };

/// What is worked on: what is written, and what is known of it in memory.
pub(super) struct Desk<'a> {
    pub(super) writer: &'a mut Writer,
    pub(super) key: [u8; 16],
    pub(super) states: &'a mut States,
    pub(super) timeline: &'a mut Option<Timeline>,
}

/// The rows of a batch.
#[derive(Default)]
pub(super) struct Draft {
    /// What is written about merchants.
    pub(super) part: Part,
    /// What the records say, and the position of the first one.
    pub(super) first: Lsn,
    pub(super) records: Vec<Packed>,
    pub(super) policies: Vec<(u64, Vec<u8>)>,
    /// Merchants that were opened, with their numbers.
    pub(super) opened: Vec<(MerchantId, Number)>,
    /// How far the history is with it.
    pub(super) ledger: Ledger,
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
        self.add_merchants(desk, &wholes, &order)
    }

    /// Adds what happened to merchants, by their places: where it is much, one half in a thread beside the other.
    fn add_merchants(
        &mut self,
        desk: &mut Desk<'_>,
        wholes: &[Whole<'_>],
        order: &[(Place, usize)],
    ) -> Result<(), HistoryError> {
        if order.is_empty() {
            return Ok(());
        }
        let timeline = desk.timeline.as_ref();
        let timeline = timeline.ok_or_else(|| Malformed("a fact before the first policy".to_owned()))?;
        let writer = Mutex::new(&mut *desk.writer);
        let work = Work { writer: &writer, key: desk.key, timeline, wholes };
        let middle = order.get(order.len() / 2).map_or(0, |(place, _)| *place);
        let cut = if order.len() < MANY { 0 } else { order.partition_point(|(place, _)| *place < middle) };
        let (before, behind) = order.split_at(cut);
        let [states_before, states_behind] = desk.states.split(if cut == 0 { 0 } else { middle });
        let parts = std::thread::scope(|scope| {
            let beside = (cut > 0).then(|| scope.spawn(|| Part::of(&work, before, states_before)));
            let here = Part::of(&work, behind, states_behind);
            let beside = beside.map(|beside| beside.join().map_err(|_| panicked()).flatten());
            [beside, Some(here)]
        });
        for part in parts.into_iter().flatten() {
            self.take(part?);
        }
        Ok(())
    }

    /// Takes up what is written about some merchants.
    fn take(&mut self, mut part: Part) {
        self.ledger.facts += part.facts;
        for (at, packed) in part.packed.drain(..) {
            if let Some(record) = self.records.get_mut(at) {
                *record = packed;
            }
        }
        self.part.add(part);
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

    /// What is to be moved among the ids because of those that are new.
    pub(super) fn ids(&mut self, view: &View) -> Result<ids::Change, HistoryError> {
        let ids = std::mem::take(&mut self.part.ids);
        ids::Change::of(view, ids, self.ledger.applied.get(), &mut self.ledger.cursors)
    }
}

fn panicked() -> HistoryError {
    HistoryError::Failed("a thread that works on a batch panicked".to_owned())
}
