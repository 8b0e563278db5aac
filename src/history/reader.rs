//! Reading.

use std::sync::Arc;

use fjall::{Iter, Keyspace, Readable as _, Slice, Snapshot};
use prost::Message as _;

use super::{
    Clock, DaySums, Entry, Events, Found, HistoryError, Kind, Order, ReleaseRow, Wanted,
    keys::{self, Number},
    rows::{self, decode_number},
    shared::Shared,
    trees::{Trees, meta},
};
use crate::{
    codec::{Fingerprint, decode_standing},
    domain::{Day, Key, Merchant, MerchantId, Money, OrderId, RequestId, Timestamp},
    journal::Lsn,
    proto::journal::HistoryId,
};

/// The history up to one position of the journal; see [`History::reader`](super::History::reader).
///
/// Reads block on the disk: not to be called from async code. All of them fail with [`HistoryError::Damaged`] where the files are not
/// what was written, and with [`HistoryError::Store`] where they cannot be read. A merchant that was never opened has nothing.
pub struct Reader {
    view: Result<View, HistoryError>,
    shared: Arc<Shared>,
}

/// The files as they were at one moment.
pub(super) struct View {
    snapshot: Snapshot,
    pub(super) trees: Arc<Trees>,
    pub(super) applied: Lsn,
    key: [u8; 16],
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { view: View::of(&shared), shared }
    }

    /// Everything up to here is in it; [`Lsn::ZERO`] where the files cannot be read.
    pub fn applied(&self) -> Lsn {
        self.view.as_ref().map_or(Lsn::ZERO, |view| view.applied)
    }

    /// Runs a read.
    pub(super) fn read<T>(&self, read: impl FnOnce(&View) -> Result<T, HistoryError>) -> Result<T, HistoryError> {
        self.shared.note_damage(|| read(self.view.as_ref().map_err(Clone::clone)?))
    }

    /// The entry of a merchant with this number.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn entry(&self, merchant: &MerchantId, number: u64) -> Result<Option<Entry>, HistoryError> {
        let _ = (merchant, number);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// Entries of a merchant: of some kinds, or all where none is named; that count from `from` on and before `to`; in this order of
    /// their numbers; behind the number `after`, if one is given; at most `limit`.
    ///
    /// # Errors
    /// See [`Reader`].
    #[allow(clippy::too_many_arguments, reason = "the filters of a list")]
    pub fn entries(
        &self,
        merchant: &MerchantId,
        kinds: &[Kind],
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        order: Order,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Entry>, HistoryError> {
        let _ = (merchant, kinds, from, to, order, after, limit);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// An order of a merchant.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn order(&self, merchant: &MerchantId, id: &OrderId) -> Result<Option<Found>, HistoryError> {
        self.read(|view| view.known(merchant, Key::Order(id)))
    }

    /// What a request about a merchant did.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn request(&self, merchant: &MerchantId, id: &RequestId) -> Result<Option<Found>, HistoryError> {
        self.read(|view| view.known(merchant, Key::Request(id)))
    }

    /// The facts about an earlier fact, oldest first, at most `limit`; and how many there are in all.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn later(&self, merchant: &MerchantId, number: u64, limit: usize) -> Result<(Vec<Entry>, u64), HistoryError> {
        let _ = (merchant, number, limit);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// Orders of a merchant that settle from `from` on and before `to`, by settlement date and then by number; behind the order with
    /// this date and number, if one is given; at most `limit`.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn orders(
        &self,
        merchant: &MerchantId,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        order: Order,
        after: Option<(Timestamp, u64)>,
        limit: usize,
    ) -> Result<Vec<Found>, HistoryError> {
        let _ = (merchant, from, to, order, after, limit);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// Deductions, appeals, holds, or anything else of one kind but classified orders, with what became of them.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn of_kind(
        &self,
        merchant: &MerchantId,
        kind: Kind,
        order: Order,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Found>, HistoryError> {
        let _ = (merchant, kind, order, after, limit);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// The merchant as the facts leave it that count from, or were recorded at, this instant or before. What was due by then and
    /// recorded later is not applied. None before it was opened.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn as_of(&self, merchant: &MerchantId, clock: Clock, at: Timestamp) -> Result<Option<Merchant>, HistoryError> {
        let _ = (merchant, clock, at);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// A release of a merchant.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn release(&self, merchant: &MerchantId, number: u64) -> Result<Option<ReleaseRow>, HistoryError> {
        let _ = (merchant, number);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// The releases of a merchant, by number.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn releases(
        &self,
        merchant: &MerchantId,
        order: Order,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<ReleaseRow>, HistoryError> {
        let _ = (merchant, order, after, limit);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// Merchants, by id.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn merchants(&self, after: Option<&MerchantId>, limit: usize) -> Result<Vec<MerchantId>, HistoryError> {
        let _ = (after, limit);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// A settlement day over all merchants.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn day(&self, clock: Clock, day: Day) -> Result<DaySums, HistoryError> {
        let _ = (clock, day);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// The profit that settled on T+2 for orders completed on this settlement day or later, less what was reversed after
    /// settlement, by merchant; of one merchant or of all.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn quick_settled(
        &self,
        from_day: Day,
        merchant: Option<&MerchantId>,
    ) -> Result<Vec<(MerchantId, Money)>, HistoryError> {
        let _ = (from_day, merchant);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// The settlements of a merchant that were due from `from` on and before `to`, by when they were due.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn settled(&self, merchant: &MerchantId, from: Timestamp, to: Timestamp) -> Result<Vec<Entry>, HistoryError> {
        let _ = (merchant, from, to);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// What happened behind a place in the journal, in its order; at most `limit` things, and fewer where much had to be looked at
    /// that was not wanted.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn events(&self, after: (Lsn, u32), wanted: &Wanted, limit: usize) -> Result<Events, HistoryError> {
        let _ = (after, wanted, limit);
        Err(HistoryError::Failed("not yet".to_owned()))
    }

    /// Hands over all facts of a merchant, in order, until `visit` answers false.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn facts(&self, merchant: &MerchantId, visit: &mut dyn FnMut(&Entry) -> bool) -> Result<(), HistoryError> {
        let _ = (merchant, visit);
        Err(HistoryError::Failed("not yet".to_owned()))
    }
}

impl View {
    fn of(shared: &Shared) -> Result<Self, HistoryError> {
        let trees = shared.trees()?;
        let snapshot = trees.db.snapshot();
        let applied = snapshot.get(&trees.meta, meta::APPLIED)?.map_or(Ok(0), |row| decode_number(&row))?;
        Ok(Self { snapshot, trees, applied: Lsn::new(applied), key: shared.options.fingerprint_key })
    }

    pub(super) fn get(&self, tree: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Slice>, HistoryError> {
        Ok(self.snapshot.get(tree, key)?)
    }

    pub(super) fn range<const LEN: usize>(&self, tree: &Keyspace, first: [u8; LEN], last: [u8; LEN]) -> Iter {
        self.snapshot.range(tree, first..=last)
    }

    /// The number of a merchant within the history.
    pub(super) fn number(&self, merchant: &MerchantId) -> Result<Option<Number>, HistoryError> {
        let row = self.get(&self.trees.merchants, merchant.as_str())?;
        row.map(|row| Ok(Number::from_be_bytes((*row).try_into().map_err(|_| keys::too_short())?))).transpose()
    }

    fn known(&self, merchant: &MerchantId, key: Key<'_>) -> Result<Option<Found>, HistoryError> {
        let Some(row) = self.get(&self.trees.ids, keys::id(Fingerprint::of(self.key, merchant, key)))? else {
            return Ok(None);
        };
        let id = HistoryId::decode(&*row)?;
        let row = self.get(&self.trees.entries, keys::fact(id.merchant, id.number))?;
        let row = row.ok_or_else(|| HistoryError::damaged("an id without its entry"))?;
        let entry = rows::decode_entry(merchant, id.number, &row)?;
        Ok(Some(Found { entry, standing: decode_standing(id.standing) }))
    }
}
