//! Whether everything is there that was written last.

use prost::Message as _;

use super::{
    HistoryError, keys,
    rows::{Head, decode_entry},
    trees::{Trees, meta},
};
use crate::{
    codec::{Fingerprint, decode_merchant},
    domain::{Merchant, MerchantId},
    journal::Lsn,
    proto::journal::{CheckpointMerchant, HistoryId, HistoryRecord},
};

/// How many records at the end are looked at: more than the store's own journals hold, as the rows of a record take at least 256
/// bytes of them. What is older is in files that were synced and have checks of their own.
const RECORDS: u64 = super::trees::STORE_JOURNAL / 256;

/// A fact that has to be there: of which merchant, its number, and the position of its record.
type Wanted = (keys::Number, u64, Lsn);

/// After a stop that was none, checks that the end of the history has no hole: every record, every fact of it, every id, and the
/// heads of the merchants. Facts and ids are looked for in the order of their keys, which is several times as fast as in theirs.
pub(super) fn end(trees: &Trees, key: [u8; 16]) -> Result<(), HistoryError> {
    let applied = trees.applied()?;
    let clean = trees.meta.get(meta::CLEAN)?.is_some();
    if applied == Lsn::ZERO || (clean && trees.number(meta::CLEAN)? == applied.get()) {
        return Ok(());
    }
    tracing::info!(%applied, "the history was not stopped: its end is checked");
    let mut wanted = records(trees, applied)?;
    wanted.sort_unstable();
    let mut ids = Vec::new();
    for facts in wanted.chunk_by(|(a, ..), (b, ..)| a == b) {
        facts_of(trees, key, facts, &mut ids)?;
    }
    ids.sort_unstable();
    for (fingerprint, merchant, number) in ids {
        let row = trees.ids.get(keys::id(fingerprint))?.ok_or_else(|| missing("id", number))?;
        let known = HistoryId::decode(&*row)?;
        if (known.merchant, known.number) != (merchant, number) {
            return Err(missing("id", number));
        }
    }
    Ok(())
}

/// What the last records say.
fn records(trees: &Trees, applied: Lsn) -> Result<Vec<Wanted>, HistoryError> {
    let mut expected = Lsn::new(applied.get().saturating_sub(RECORDS)).next();
    let mut wanted = Vec::new();
    for row in trees.events.range(keys::lsn(expected)..=keys::lsn(Lsn::new(u64::MAX))) {
        let (at, row) = row.into_inner()?;
        if *at != keys::lsn(expected) {
            return Err(missing("record", expected.get()));
        }
        let record = HistoryRecord::decode(&*row)?;
        let numbers = record.first..record.first.saturating_add(record.count.into());
        wanted.extend(numbers.map(|number| (record.merchant, number, expected)));
        expected = expected.next();
    }
    if expected == applied.next() { Ok(wanted) } else { Err(missing("record", expected.get())) }
}

/// The facts of one merchant, which are the last ones that it has; notes the ids that they make known.
fn facts_of(
    trees: &Trees,
    key: [u8; 16],
    wanted: &[Wanted],
    ids: &mut Vec<(Fingerprint, keys::Number, u64)>,
) -> Result<(), HistoryError> {
    let Some((merchant, last, _)) = wanted.last() else { return Ok(()) };
    let (id, state) = head(trees, *merchant)?;
    for (_, number, lsn) in wanted {
        let row = trees.entries.get(keys::fact(*merchant, *number))?.ok_or_else(|| missing("fact", *number))?;
        let entry = decode_entry(&id, *number, &row)?;
        let (head, _) = Head::split(&row)?;
        if entry.lsn != *lsn || entry.kind() != head.kind {
            return Err(missing("fact", *number));
        }
        if let Some(named) = entry.event.fact.key() {
            ids.push((Fingerprint::of(key, &id, named), *merchant, *number));
        }
    }
    if state.facts() == *last { Ok(()) } else { Err(missing("the head after fact", *last)) }
}

/// A merchant as its head says, by which every fact must have been counted.
fn head(trees: &Trees, number: keys::Number) -> Result<(MerchantId, Merchant), HistoryError> {
    let row = trees.heads.get(keys::merchant(number))?.ok_or_else(|| missing("merchant", number.into()))?;
    let (id, merchant, _) = decode_merchant(CheckpointMerchant::decode(&*row)?)?;
    let known = trees.merchants.get(id.as_str())?.ok_or_else(|| missing("merchant", number.into()))?;
    if *known == keys::merchant(number) { Ok((id, merchant)) } else { Err(missing("merchant", number.into())) }
}

fn missing(what: &str, number: u64) -> HistoryError {
    HistoryError::damaged(format!("{what} {number} is not there"))
}
