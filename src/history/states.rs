//! The states of merchants that the filler works on.

use std::collections::HashMap;

use prost::Message as _;

use super::{
    HistoryError, Sums,
    keys::{self, Number, Tree},
    pack::{BLOCK, Facts, block_start, count},
    trees::View,
};
use crate::{
    codec::decode_merchant,
    domain::{Day, Merchant, MerchantId},
    proto::journal::CheckpointMerchant,
};

/// A merchant after its last fact.
pub(super) struct State {
    pub(super) number: Number,
    pub(super) id: MerchantId,
    pub(super) merchant: Merchant,
    /// What it adds to the sums over all merchants, as far as they know.
    pub(super) sums: Sums,
    /// The days by both clocks of the changes that the sums do not know yet.
    pub(super) days: Option<[Day; 2]>,
    /// The batch that it was used for last.
    used: u64,
}

/// The number of the last fact of a merchant.
pub(super) fn last_fact(view: &View, of: Number) -> Result<u64, HistoryError> {
    match view.range(keys::entries(of, 0), keys::entries(of, u64::MAX)).next_back() {
        Some(row) => {
            let (key, row) = row.into_inner()?;
            Ok(keys::number(&key)?.saturating_add(count(&row)?).saturating_sub(1))
        }
        None => Ok(0),
    }
}

/// A merchant after so many facts: the snapshot before, and the facts since.
pub(super) fn after(view: &View, of: Number, facts: u64) -> Result<Merchant, HistoryError> {
    let base = facts - facts % BLOCK;
    let mut merchant = match base {
        0 => Merchant::default(),
        base => {
            let row = view.get(keys::numbered(Tree::Snapshots, of, base))?;
            let row = row.ok_or_else(|| HistoryError::damaged("no snapshot"))?;
            decode_merchant(CheckpointMerchant::decode(&*row)?)?.1
        }
    };
    if base < facts {
        for row in view.range(keys::entries(of, block_start(facts)), keys::entries(of, facts)) {
            let (key, row) = row.into_inner()?;
            for line in Facts::new(keys::number(&key)?, &row)? {
                let line = line?;
                if line.number <= facts {
                    merchant.apply(&line.event()?);
                }
            }
        }
    }
    if merchant.facts() == facts {
        Ok(merchant)
    } else {
        Err(HistoryError::damaged(format!("a merchant has facts missing before fact {facts}")))
    }
}

impl State {
    /// A merchant that was never opened.
    fn new(id: MerchantId, number: Number) -> Self {
        Self { number, id, merchant: Merchant::default(), sums: Sums::default(), days: None, used: 0 }
    }

    /// What the files hold of a merchant; none if they do not know it.
    fn load(view: &View, id: &MerchantId) -> Result<Option<Self>, HistoryError> {
        let Some(row) = view.get(keys::merchant(id.as_str()))? else { return Ok(None) };
        let number = Number::from_be_bytes((*row).try_into().map_err(|_| keys::too_short())?);
        let merchant = after(view, number, last_fact(view, number)?)?;
        let sums = Sums::of(&merchant);
        Ok(Some(Self { sums, merchant, ..Self::new(id.clone(), number) }))
    }
}

/// Where a state lies as long as no batch ends.
pub(super) type Place = usize;

/// States that lie side by side, and the place of the first one.
pub(super) type Stretch<'a> = (Place, &'a mut [State]);

/// The states that were worked on last.
pub(super) struct States {
    places: HashMap<MerchantId, Place, foldhash::quality::RandomState>,
    states: Vec<State>,
    most: usize,
    batch: u64,
}

impl States {
    /// Holds about this many at most between batches.
    pub(super) fn new(most: usize) -> Self {
        Self { places: HashMap::default(), states: Vec::new(), most, batch: 0 }
    }

    /// The state in a place.
    #[allow(clippy::indexing_slicing, reason = "places are handed out for states alone")]
    pub(super) fn at(&mut self, place: Place) -> &mut State {
        &mut self.states[place]
    }

    /// The place of a merchant, which is taken from memory or the files; or opened, under the next number.
    pub(super) fn place(
        &mut self,
        id: &str,
        next: Number,
        view: impl FnOnce() -> Result<View, HistoryError>,
    ) -> Result<(Place, bool), HistoryError> {
        let id = MerchantId::parse(id).map_err(|error| crate::codec::Malformed(error.to_string()))?;
        if let Some(place) = self.places.get(&id).copied() {
            self.at(place).used = self.batch;
            return Ok((place, false));
        }
        let loaded = State::load(&view()?, &id)?;
        let (is_new, place) = (loaded.is_none(), self.states.len());
        let state = loaded.unwrap_or_else(|| State::new(id.clone(), next));
        self.states.push(State { used: self.batch, ..state });
        self.places.insert(id, place);
        Ok((place, is_new))
    }

    /// The states below a place and those from it on, each with the lowest place.
    pub(super) fn split(&mut self, at: Place) -> [Stretch<'_>; 2] {
        let at = at.min(self.states.len());
        let (below, from) = self.states.split_at_mut(at);
        [(0, below), (at, from)]
    }

    /// The batch is drafted: lets go of the states that were not used for longest, where there are too many.
    pub(super) fn end_batch(&mut self) {
        self.batch += 1;
        if self.states.len() <= self.most {
            return;
        }
        // So many go at once that this is seldom done.
        let kept = self.most - self.most / 4;
        let mut used: Vec<_> = self.states.iter().map(|state| state.used).collect();
        used.sort_unstable_by(|a, b| b.cmp(a));
        let oldest = used.get(kept).copied().unwrap_or_default();
        let mut room = kept - used.partition_point(|used| *used > oldest).min(kept);
        self.states.retain(|state| {
            let fits = state.used > oldest || (state.used == oldest && room > 0);
            room -= usize::from(fits && state.used == oldest);
            fits
        });
        self.places = self.states.iter().enumerate().map(|(place, state)| (state.id.clone(), place)).collect();
    }
}
