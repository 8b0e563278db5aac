//! Whether everything is there that was written last.

use std::collections::{HashMap, hash_map::Entry as Slot};

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

/// How many records at the end are looked at: more than the store's own journals hold, as a record takes at least some 500 bytes
/// of them. What is older is in files that were synced and have checks of their own.
const RECORDS: u64 = super::trees::STORE_JOURNAL / 450;

/// After a stop that was none, checks that the end of the history has no hole: every record, every fact of it, every id, and the
/// heads of the merchants.
pub(super) fn end(trees: &Trees, key: [u8; 16]) -> Result<(), HistoryError> {
    let applied = trees.applied()?;
    let clean = trees.meta.get(meta::CLEAN)?.is_some();
    if applied == Lsn::ZERO || (clean && trees.number(meta::CLEAN)? == applied.get()) {
        return Ok(());
    }
    tracing::info!(%applied, "the history was not stopped: its end is checked");
    let first = Lsn::new(applied.get().saturating_sub(RECORDS)).next();
    let mut merchants = HashMap::new();
    let mut expected = first;
    for row in trees.events.range(keys::lsn(first)..=keys::lsn(Lsn::new(u64::MAX))) {
        let (at, row) = row.into_inner()?;
        if *at != keys::lsn(expected) {
            return Err(missing("record", expected.get()));
        }
        let record = HistoryRecord::decode(&*row)?;
        for number in record.first..record.first + u64::from(record.count) {
            fact(trees, key, &mut merchants, (record.merchant, number), expected)?;
        }
        expected = expected.next();
    }
    if expected != applied.next() {
        return Err(missing("record", expected.get()));
    }
    match merchants.values().find(|seen| seen.last != seen.facts) {
        Some(seen) => Err(missing("the head after fact", seen.last)),
        None => Ok(()),
    }
}

/// A merchant that the end is about.
struct Seen {
    id: MerchantId,
    /// How many facts there are, as its head says.
    facts: u64,
    /// The last one that was found.
    last: u64,
}

/// A merchant as its head says, by which every fact must have been counted.
fn head(trees: &Trees, number: keys::Number) -> Result<(MerchantId, Merchant), HistoryError> {
    let row = trees.heads.get(keys::merchant(number))?.ok_or_else(|| missing("merchant", number.into()))?;
    let (id, merchant, _) = decode_merchant(CheckpointMerchant::decode(&*row)?)?;
    let known = trees.merchants.get(id.as_str())?.ok_or_else(|| missing("merchant", number.into()))?;
    if *known == keys::merchant(number) { Ok((id, merchant)) } else { Err(missing("merchant", number.into())) }
}

fn fact(
    trees: &Trees,
    key: [u8; 16],
    merchants: &mut HashMap<keys::Number, Seen>,
    (merchant, number): (keys::Number, u64),
    lsn: Lsn,
) -> Result<(), HistoryError> {
    let seen = match merchants.entry(merchant) {
        Slot::Occupied(seen) => seen.into_mut(),
        Slot::Vacant(place) => {
            let (id, state) = head(trees, merchant)?;
            place.insert(Seen { id, facts: state.facts(), last: number })
        }
    };
    let id = &seen.id;
    seen.last = number;
    let row = trees.entries.get(keys::fact(merchant, number))?.ok_or_else(|| missing("fact", number))?;
    let entry = decode_entry(id, number, &row)?;
    let (head, _) = Head::split(&row)?;
    if entry.lsn != lsn || entry.kind() != head.kind {
        return Err(missing("fact", number));
    }
    let Some(named) = entry.event.fact.key() else { return Ok(()) };
    let row = trees.ids.get(keys::id(Fingerprint::of(key, id, named)))?.ok_or_else(|| missing("id", number))?;
    let known = HistoryId::decode(&*row)?;
    if (known.merchant, known.number) == (merchant, number) { Ok(()) } else { Err(missing("id", number)) }
}

fn missing(what: &str, number: u64) -> HistoryError {
    HistoryError::damaged(format!("{what} {number} is not there"))
}
