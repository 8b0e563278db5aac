//! What happened, in the order of the journal.

use std::collections::HashMap;

use prost::Message as _;

use super::{Reader, View};
use crate::{
    codec::decode_policy,
    domain::{MerchantId, Timestamp},
    history::{
        Events, HistoryError, Position, Told, ToldPolicy, Wanted,
        keys::{self, Number},
        rows::{self, Head},
    },
    journal::Lsn,
    proto::journal::{HistoryPolicy, HistoryRecord},
};

/// How many records one call looks at.
const RECORDS: usize = 16_384;
/// How many entries one call looks at that are not wanted.
const UNWANTED: usize = 4_096;

/// The merchants that are wanted or have been met, by number.
struct Merchants {
    only: bool,
    known: HashMap<Number, MerchantId>,
}

impl Reader {
    /// What happened behind a place in the journal, in its order; at most `limit` things, and fewer where much had to be looked at
    /// that was not wanted: then the position has moved, and the next call goes on there.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn events(&self, after: Position, wanted: &Wanted, limit: usize) -> Result<Events, HistoryError> {
        let position = after;
        let after: (Lsn, u32) = position.into();
        self.read(|view| {
            let mut merchants = Merchants { only: !wanted.merchants.is_empty(), known: HashMap::new() };
            for id in &wanted.merchants {
                if let Some(of) = view.number(id)? {
                    merchants.known.insert(of, id.clone());
                }
            }
            let mut events = Events { items: vec![], position };
            let mut unwanted = 0;
            let (first, last) = (keys::lsn(after.0), keys::lsn(view.applied));
            let rows = (first <= last).then(|| view.range(&view.trees.events, first, last));
            for row in rows.into_iter().flatten().take(RECORDS) {
                let (key, row) = row.into_inner()?;
                let lsn = Lsn::new(keys::number(&key)?);
                let record = HistoryRecord::decode(&*row)?;
                let begin = if lsn == after.0 { after.1.saturating_add(1) } else { 0 };
                let places = Places { lsn, record, begin };
                if !view.look_at(&places, wanted, &mut merchants, limit, &mut unwanted, &mut events)? {
                    break;
                }
            }
            Ok(events)
        })
    }
}

/// A record, and from which of its facts on it is looked at.
struct Places {
    lsn: Lsn,
    record: HistoryRecord,
    begin: u32,
}

impl View {
    /// Looks at a record. Answers whether there may be more.
    fn look_at(
        &self,
        places: &Places,
        wanted: &Wanted,
        merchants: &mut Merchants,
        limit: usize,
        unwanted: &mut usize,
        events: &mut Events,
    ) -> Result<bool, HistoryError> {
        let Places { lsn, record, begin } = places;
        if record.count == 0 {
            let told = record.policy_version != 0 && wanted.merchants.is_empty() && wanted.kinds.is_empty();
            if told && *begin == 0 {
                if events.items.len() >= limit {
                    return Ok(false);
                }
                events.items.push(Told::Policy(Box::new(self.policy(record.policy_version)?)));
            }
            events.position = events.position.max((*lsn, 0).into());
            return Ok(true);
        }
        let last = record.count - 1;
        let of = record.merchant;
        if merchants.only && !merchants.known.contains_key(&of) {
            events.position = events.position.max((*lsn, last).into());
            return Ok(true);
        }
        for index in *begin..record.count {
            if events.items.len() >= limit || *unwanted >= UNWANTED {
                return Ok(false);
            }
            let number = record.first + u64::from(index);
            let row = self.row(of, number)?;
            let (head, _) = Head::split(&row)?;
            if wanted.kinds.is_empty() || wanted.kinds.contains(&head.kind) {
                let id = match merchants.known.get(&of) {
                    Some(id) => id,
                    None => merchants.known.entry(of).or_insert(self.merchant(of)?),
                };
                events.items.push(Told::Entry(Box::new(rows::decode_entry(id, number, &row)?)));
            } else {
                *unwanted += 1;
            }
            events.position = (*lsn, index).into();
        }
        Ok(true)
    }

    fn policy(&self, version: u64) -> Result<ToldPolicy, HistoryError> {
        let row = self.get(&self.trees.policies, version.to_be_bytes())?;
        let row = HistoryPolicy::decode(&*row.ok_or_else(|| HistoryError::damaged("a policy that is not there"))?)?;
        let set = row.policy.ok_or_else(|| HistoryError::damaged("a policy without its rules"))?;
        let recorded_at = Timestamp::from_micros(row.recorded_at);
        Ok(ToldPolicy { policy: decode_policy(set)?, lsn: Lsn::new(row.lsn), recorded_at })
    }
}
