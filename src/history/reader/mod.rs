//! Reading.

mod events;
mod lists;
mod past;

use std::{ops::Bound, sync::Arc};

use fjall::{Iter, Keyspace, Readable as _, Slice, Snapshot};
use prost::Message as _;

use super::{
    Entry, Found, HistoryError, Kind, ReleaseRow,
    keys::{self, Number},
    rows::{self, decode_number},
    shared::Shared,
    trees::{Trees, meta},
};
use crate::{
    codec::{Fingerprint, decode_standing},
    domain::{Key, MerchantId, OrderId, RequestId, Standing},
    journal::Lsn,
    proto::journal::{CheckpointMerchant, HistoryId},
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
struct View {
    snapshot: Snapshot,
    trees: Arc<Trees>,
    applied: Lsn,
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
    fn read<T>(&self, read: impl FnOnce(&View) -> Result<T, HistoryError>) -> Result<T, HistoryError> {
        self.shared.note_damage(|| read(self.view.as_ref().map_err(Clone::clone)?))
    }

    /// The entry of a merchant with this number.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn entry(&self, merchant: &MerchantId, number: u64) -> Result<Option<Entry>, HistoryError> {
        self.read(|view| {
            let Some(of) = view.number(merchant)? else { return Ok(None) };
            let row = view.get(&view.trees.entries, keys::fact(of, number))?;
            row.map(|row| rows::decode_entry(merchant, number, &row)).transpose()
        })
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

    /// A release of a merchant.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn release(&self, merchant: &MerchantId, number: u64) -> Result<Option<ReleaseRow>, HistoryError> {
        self.read(|view| {
            let Some(of) = view.number(merchant)? else { return Ok(None) };
            let row = view.get(&view.trees.releases, keys::fact(of, number))?;
            row.map(|row| rows::decode_release(number, &row)).transpose()
        })
    }

    /// Merchants by id, behind this one if one is given; at most `limit`.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn merchants(&self, after: Option<&MerchantId>, limit: usize) -> Result<Vec<MerchantId>, HistoryError> {
        self.read(|view| {
            let start = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.as_str()));
            let rows = view.snapshot.range::<&str, _>(&view.trees.merchants, (start, Bound::Unbounded)).take(limit);
            rows.map(|row| parse_merchant(&row.key()?)).collect()
        })
    }
}

impl View {
    fn of(shared: &Shared) -> Result<Self, HistoryError> {
        let trees = shared.trees()?;
        let snapshot = trees.db.snapshot();
        let applied = snapshot.get(&trees.meta, meta::APPLIED)?.map_or(Ok(0), |row| decode_number(&row))?;
        Ok(Self { snapshot, trees, applied: Lsn::new(applied), key: shared.options.fingerprint_key })
    }

    fn get(&self, tree: &Keyspace, key: impl AsRef<[u8]>) -> Result<Option<Slice>, HistoryError> {
        Ok(self.snapshot.get(tree, key)?)
    }

    fn range<const LEN: usize>(&self, tree: &Keyspace, first: [u8; LEN], last: [u8; LEN]) -> Iter {
        self.snapshot.range(tree, first..=last)
    }

    /// The number of a merchant within the history.
    fn number(&self, merchant: &MerchantId) -> Result<Option<Number>, HistoryError> {
        let row = self.get(&self.trees.merchants, merchant.as_str())?;
        row.map(|row| Ok(Number::from_be_bytes((*row).try_into().map_err(|_| keys::too_short())?))).transpose()
    }

    /// The entry with this number, which has to be there.
    fn entry(&self, merchant: &MerchantId, of: Number, number: u64) -> Result<Entry, HistoryError> {
        rows::decode_entry(merchant, number, &self.row(of, number)?)
    }

    fn not_there(number: u64) -> HistoryError {
        HistoryError::damaged(format!("fact {number} of a merchant is not there"))
    }

    /// The row of an entry that has to be there.
    fn row(&self, of: Number, number: u64) -> Result<Slice, HistoryError> {
        let row = self.get(&self.trees.entries, keys::fact(of, number))?;
        row.ok_or_else(|| Self::not_there(number))
    }

    /// What the head of a merchant says.
    fn head(&self, of: Number) -> Result<CheckpointMerchant, HistoryError> {
        let row = self.get(&self.trees.heads, keys::merchant(of))?;
        let row = row.ok_or_else(|| HistoryError::damaged("a merchant without its head"))?;
        Ok(CheckpointMerchant::decode(&*row)?)
    }

    /// The id of a merchant.
    fn merchant(&self, of: Number) -> Result<MerchantId, HistoryError> {
        parse_merchant(self.head(of)?.merchant_id.as_bytes())
    }

    /// An entry with what became of it.
    fn found(&self, entry: Entry) -> Result<Found, HistoryError> {
        let fact = &entry.event.fact;
        // What becomes of an appeal is told by the deduction.
        let named = if entry.kind() == Kind::AppealOpened { fact.subject() } else { fact.key() };
        let standing = match named {
            Some(key) => self.id(&entry.merchant, key)?.map_or(Standing::Unchanged, |id| decode_standing(id.standing)),
            None => Standing::Unchanged,
        };
        Ok(Found { entry, standing })
    }

    fn id(&self, merchant: &MerchantId, key: Key<'_>) -> Result<Option<HistoryId>, HistoryError> {
        let row = self.get(&self.trees.ids, keys::id(Fingerprint::of(self.key, merchant, key)))?;
        row.map(|row| Ok(HistoryId::decode(&*row)?)).transpose()
    }

    fn known(&self, merchant: &MerchantId, key: Key<'_>) -> Result<Option<Found>, HistoryError> {
        let Some(id) = self.id(merchant, key)? else { return Ok(None) };
        self.found(self.entry(merchant, id.merchant, id.number)?).map(Some)
    }
}

fn parse_merchant(id: &[u8]) -> Result<MerchantId, HistoryError> {
    let id = std::str::from_utf8(id).ok().and_then(|id| MerchantId::parse(id).ok());
    id.ok_or_else(|| HistoryError::damaged("a merchant whose id is none"))
}
