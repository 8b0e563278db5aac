//! The states of merchants that the filler works on.

use std::{collections::HashMap, mem};

use prost::Message as _;

use super::{
    HistoryError, Sums,
    keys::{self, Number},
    trees::Trees,
};
use crate::{
    codec::decode_merchant,
    domain::{Merchant, MerchantId},
    journal::Lsn,
    proto::journal::CheckpointMerchant,
};

/// A merchant after its last fact.
pub(super) struct State {
    pub(super) number: Number,
    pub(super) merchant: Merchant,
    /// What it adds to the sums over all merchants.
    pub(super) sums: Sums,
    /// The position of its last record.
    pub(super) lsn: Lsn,
}

impl State {
    /// A merchant that was never opened.
    pub(super) fn new(number: Number) -> Self {
        Self { number, merchant: Merchant::default(), sums: Sums::default(), lsn: Lsn::ZERO }
    }

    /// What the files hold of a merchant; none if they do not know it.
    pub(super) fn load(trees: &Trees, id: &MerchantId) -> Result<Option<Self>, HistoryError> {
        let Some(row) = trees.merchants.get(id.as_str())? else { return Ok(None) };
        let number = Number::from_be_bytes((*row).try_into().map_err(|_| keys::too_short())?);
        let head = trees.heads.get(keys::merchant(number))?;
        let head = head.ok_or_else(|| HistoryError::damaged("a merchant without its head"))?;
        let (found, merchant, lsn) = decode_merchant(CheckpointMerchant::decode(&*head)?)?;
        if found != *id {
            return Err(HistoryError::damaged("the head of another merchant"));
        }
        Ok(Some(Self { number, sums: Sums::of(&merchant), merchant, lsn }))
    }
}

/// The states that were worked on last, in two generations: what was not looked at while a whole generation filled up is let go of.
pub(super) struct States {
    recent: HashMap<MerchantId, State>,
    older: HashMap<MerchantId, State>,
    most: usize,
}

impl States {
    /// Holds about this many at most.
    pub(super) fn new(most: usize) -> Self {
        Self { recent: HashMap::new(), older: HashMap::new(), most }
    }

    /// Takes a state out, to be worked on.
    pub(super) fn take(&mut self, id: &MerchantId) -> Option<State> {
        self.recent.remove(id).or_else(|| self.older.remove(id))
    }

    /// Puts a state in, once it is written.
    pub(super) fn put(&mut self, id: MerchantId, state: State) {
        if self.recent.len() >= self.most.div_ceil(2) {
            self.older = mem::take(&mut self.recent);
        }
        self.recent.insert(id, state);
    }
}
