//! Reading.

mod events;
mod lists;
mod past;

use std::sync::Arc;

use prost::Message as _;

use super::{
    Entry, Found, HistoryError, Kind, ReleaseRow, ids,
    keys::{self, Number, Tree},
    pack::{Facts, Line, block_start},
    rows,
    shared::Shared,
    trees,
};
use crate::{
    codec::{Fingerprint, decode_standing},
    domain::{Event, Key, MerchantId, OrderId, RequestId, Standing},
    journal::Lsn,
    proto::journal::HistoryStanding,
};

/// The history up to one position of the journal; see [`History::reader`](super::History::reader).
///
/// Reads block on the disk: not to be called from async code. All of them fail with [`HistoryError::Damaged`] where the files are not
/// what was written, and with [`HistoryError::Store`] where they cannot be read. A merchant that was never opened has nothing.
pub struct Reader {
    view: Result<View, HistoryError>,
    shared: Arc<Shared>,
}

/// The rows as they were at one moment, and the key of the fingerprints.
struct View {
    rows: trees::View,
    key: [u8; 16],
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { view: View::of(&shared), shared }
    }

    /// Everything up to here is in it; [`Lsn::ZERO`] where the files cannot be read.
    pub fn applied(&self) -> Lsn {
        self.view.as_ref().map_or(Lsn::ZERO, |view| view.rows.ledger.applied)
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
            view.rows.line(of, number, |line| line.entry(merchant))
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
            let row = view.rows.get(keys::numbered(Tree::Releases, of, number))?;
            row.map(|row| rows::decode_release(number, &row)).transpose()
        })
    }

    /// Merchants by id, behind this one if one is given; at most `limit`.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn merchants(&self, after: Option<&MerchantId>, limit: usize) -> Result<Vec<MerchantId>, HistoryError> {
        self.read(|view| {
            let start = after.map_or_else(|| vec![Tree::Merchants as u8], |id| keys::merchant(id.as_str()));
            let rows = view.rows.behind(&start, &[Tree::Merchants as u8 + 1]).take(limit);
            rows.map(|row| parse_merchant(keys::ending_text(&row.key()?))).collect()
        })
    }
}

/// The fact with this number, which has to be there.
pub(super) fn fact(view: &trees::View, of: Number, number: u64) -> Result<Event, HistoryError> {
    view.line(of, number, |line| line.event())?.ok_or_else(|| not_there(number))
}

/// What later facts made of the one under this fingerprint.
pub(super) fn standing(view: &trees::View, fingerprint: Fingerprint) -> Result<Standing, HistoryError> {
    let row = view.get(keys::standing(fingerprint))?;
    let standing = row.map(|row| HistoryStanding::decode(&*row)).transpose()?;
    Ok(standing.map_or(Standing::Unchanged, |row| decode_standing(row.standing)))
}

fn not_there(number: u64) -> HistoryError {
    HistoryError::damaged(format!("fact {number} of a merchant is not there"))
}

impl trees::View {
    /// Hands over the fact with this number, if there is one. A row that holds it is the last one that begins with it or before.
    fn line<T>(
        &self,
        of: Number,
        number: u64,
        read: impl FnOnce(&Line<'_>) -> Result<T, HistoryError>,
    ) -> Result<Option<T>, HistoryError> {
        let row = self.range(keys::entries(of, block_start(number)), keys::entries(of, number)).next_back();
        let Some(row) = row else { return Ok(None) };
        let (key, row) = row.into_inner()?;
        for line in Facts::new(keys::number(&key)?, &row)? {
            let line = line?;
            if line.number == number {
                return read(&line).map(Some);
            }
        }
        Ok(None)
    }
}

impl View {
    fn of(shared: &Shared) -> Result<Self, HistoryError> {
        Ok(Self { rows: shared.trees()?.view()?, key: shared.options.fingerprint_key })
    }

    /// The number of a merchant within the history.
    fn number(&self, merchant: &MerchantId) -> Result<Option<Number>, HistoryError> {
        let row = self.rows.get(keys::merchant(merchant.as_str()))?;
        row.map(|row| Ok(Number::from_be_bytes((*row).try_into().map_err(|_| keys::too_short())?))).transpose()
    }

    /// The entry with this number, which has to be there.
    fn entry(&self, merchant: &MerchantId, of: Number, number: u64) -> Result<Entry, HistoryError> {
        self.rows.line(of, number, |line| line.entry(merchant))?.ok_or_else(|| not_there(number))
    }

    /// The id of a merchant.
    fn merchant(&self, of: Number) -> Result<MerchantId, HistoryError> {
        let row = self.rows.get(keys::name(of))?;
        parse_merchant(&row.ok_or_else(|| HistoryError::damaged("a merchant without its id"))?)
    }

    /// An entry with what became of it.
    fn found(&self, entry: Entry) -> Result<Found, HistoryError> {
        let fact = &entry.event.fact;
        // What becomes of an appeal is told by the deduction.
        let named = if entry.kind() == Kind::AppealOpened { fact.subject() } else { fact.key() };
        let standing = match named {
            Some(key) => standing(&self.rows, Fingerprint::of(self.key, &entry.merchant, key))?,
            None => Standing::Unchanged,
        };
        Ok(Found { entry, standing })
    }

    fn known(&self, merchant: &MerchantId, key: Key<'_>) -> Result<Option<Found>, HistoryError> {
        let Some(id) = ids::find(&self.rows, Fingerprint::of(self.key, merchant, key))? else { return Ok(None) };
        self.found(self.entry(merchant, id.merchant, id.number)?).map(Some)
    }
}

pub(super) fn parse_merchant(id: &[u8]) -> Result<MerchantId, HistoryError> {
    let id = std::str::from_utf8(id).ok().and_then(|id| MerchantId::parse(id).ok());
    id.ok_or_else(|| HistoryError::damaged("a merchant whose id is none"))
}
