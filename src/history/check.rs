//! Whether everything is there that was written last.

use super::{
    HistoryError,
    ids::{self, Id},
    keys,
    pack::{Facts, Packed, Records, Rest, block_start},
    states::last_fact,
    trees::{Trees, View},
};
use crate::{codec::Fingerprint, domain::MerchantId, journal::Lsn};

/// How many records at the end are looked at, at most: more than the store's own journals hold, of which one may be sealed beside the
/// one that is written, as the rows of a record take at least 48 bytes of them. What is older is in files that were synced and have
/// checks of their own.
const RECORDS: u64 = 2 * super::trees::STORE_JOURNAL / 48;

/// A fact that has to be there: of which merchant, its number, and the position of its record.
type Wanted = (keys::Number, u64, Lsn);

/// After a stop that was none, checks that the end of the history has no hole: every record, every fact of it, every id, and that
/// no merchant has facts beyond. What was written past the store's journal was synced before anything could follow it.
pub(super) fn end(trees: &Trees, key: [u8; 16]) -> Result<(), HistoryError> {
    let view = trees.view()?;
    let applied = view.ledger.applied;
    if applied == Lsn::ZERO || trees.is_clean()? {
        return Ok(());
    }
    tracing::info!(%applied, "the history was not stopped: its end is checked");
    let mut wanted = records(&view)?;
    wanted.sort_unstable();
    let mut ids = Vec::new();
    for facts in wanted.chunk_by(|(a, ..), (b, ..)| a == b) {
        facts_of(&view, key, facts, &mut ids)?;
    }
    ids.sort_unstable();
    match ids::missing(&view, ids)?.first() {
        Some(id) => Err(missing("id", id.number)),
        None => Ok(()),
    }
}

/// What the last records say.
fn records(view: &View) -> Result<Vec<Wanted>, HistoryError> {
    let applied = view.ledger.applied;
    // The last row that was written past the journal is looked at too.
    let from = view.ledger.past_journal.max(Lsn::new(applied.get().saturating_sub(RECORDS)));
    let before = view.range(keys::events(Lsn::ZERO), keys::events(from.max(Lsn::FIRST))).next_back();
    let before = before.ok_or_else(|| missing("record", from.get()))?.key()?;
    let mut expected = Lsn::new(keys::number(&before)?);
    let mut wanted = Vec::new();
    for row in view.range(keys::events(expected), keys::events(Lsn::new(u64::MAX))) {
        let (key, row) = row.into_inner()?;
        if *key != keys::events(expected) {
            return Err(missing("record", expected.get()));
        }
        for record in Records(Rest(&row)) {
            if let Packed::Facts { merchant, first, count } = record? {
                let numbers = first..first.saturating_add(count.into());
                wanted.extend(numbers.map(|number| (merchant, number, expected)));
            }
            expected = expected.next();
        }
    }
    if expected == applied.next() { Ok(wanted) } else { Err(missing("record", expected.get())) }
}

/// The facts of one merchant, which are the last ones that it has; notes the ids that they make known.
fn facts_of(view: &View, key: [u8; 16], wanted: &[Wanted], ids: &mut Vec<Id>) -> Result<(), HistoryError> {
    let (Some((merchant, first, _)), Some((_, last, _))) = (wanted.first(), wanted.last()) else { return Ok(()) };
    let id = name(view, *merchant)?;
    let mut expected = wanted.iter().peekable();
    for row in view.range(keys::entries(*merchant, block_start(*first)), keys::entries(*merchant, *last)) {
        let (row_key, row) = row.into_inner()?;
        for line in Facts::new(keys::number(&row_key)?, &row)? {
            let line = line?;
            let Some((_, number, lsn)) = expected.next_if(|(_, number, _)| *number <= line.number) else { continue };
            let event = line.event()?;
            if (line.number, line.lsn) != (*number, *lsn) {
                return Err(missing("fact", *number));
            }
            if let Some(named) = event.fact.key() {
                let fingerprint = Fingerprint::of(key, &id, named).get();
                ids.push(Id { fingerprint, merchant: *merchant, number: *number });
            }
        }
    }
    if let Some((_, number, _)) = expected.next() {
        return Err(missing("fact", *number));
    }
    if last_fact(view, *merchant)? == *last { Ok(()) } else { Err(missing("the end after fact", *last)) }
}

/// The id of a merchant, under which its number has to be found.
fn name(view: &View, number: keys::Number) -> Result<MerchantId, HistoryError> {
    let row = view.get(keys::name(number))?.ok_or_else(|| missing("merchant", number.into()))?;
    let id = super::reader::parse_merchant(&row)?;
    let known = view.get(keys::merchant(id.as_str()))?.ok_or_else(|| missing("merchant", number.into()))?;
    if *known == number.to_be_bytes() { Ok(id) } else { Err(missing("merchant", number.into())) }
}

fn missing(what: &str, number: u64) -> HistoryError {
    HistoryError::damaged(format!("{what} {number} is not there"))
}
