//! What happened, in the order of the journal.

use std::collections::{HashMap, hash_map::Entry as Slot};

use prost::Message as _;

use super::{Reader, View, not_there};
use crate::{
    codec::decode_policy,
    domain::{MerchantId, Timestamp},
    history::{
        Events, HistoryError, Position, Told, ToldPolicy, Wanted,
        keys::{self, Number, Tree},
        pack::{Packed, Records, Rest},
    },
    journal::Lsn,
    proto::journal::HistoryPolicy,
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
            let (applied, mut looked) = (view.rows.ledger.applied, 0);
            if after.0 > applied {
                return Ok(events);
            }
            // The row in which the place lies begins before it.
            let before = view.rows.range(keys::events(Lsn::ZERO), keys::events(after.0)).next_back();
            let start = before.map(|row| row.key()).transpose()?;
            let start = start.as_deref().unwrap_or(&[Tree::Events as u8]);
            for row in view.rows.range(start, &keys::events(applied)[..]) {
                let (key, row) = row.into_inner()?;
                let mut lsn = Lsn::new(keys::number(&key)?);
                for record in Records(Rest(&row)) {
                    let record = record?;
                    let begin = if lsn == after.0 { after.1.saturating_add(1) } else { 0 };
                    if lsn >= after.0 {
                        let places = Places { lsn, record, begin };
                        let more = view.look_at(&places, wanted, &mut merchants, limit, &mut unwanted, &mut events)?;
                        looked += 1;
                        if !more || looked >= RECORDS {
                            return Ok(events);
                        }
                    }
                    lsn = lsn.next();
                }
            }
            Ok(events)
        })
    }
}

/// A record, and from which of its facts on it is looked at.
struct Places {
    lsn: Lsn,
    record: Packed,
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
        let (of, first, count) = match record {
            Packed::Facts { merchant, first, count } if *count > 0 => (*merchant, *first, *count),
            _ => {
                if let (Packed::Policy(version), 0) = (record, *begin)
                    && wanted.merchants.is_empty()
                    && wanted.kinds.is_empty()
                {
                    if events.items.len() >= limit {
                        return Ok(false);
                    }
                    events.items.push(Told::Policy(Box::new(self.policy(*version)?)));
                }
                events.position = events.position.max((*lsn, 0).into());
                return Ok(true);
            }
        };
        if merchants.only && !merchants.known.contains_key(&of) {
            events.position = events.position.max((*lsn, count - 1).into());
            return Ok(true);
        }
        for index in *begin..count {
            if events.items.len() >= limit || *unwanted >= UNWANTED {
                return Ok(false);
            }
            let number = first.saturating_add(u64::from(index));
            let told = self.rows.line(of, number, |line| {
                if !wanted.kinds.is_empty() && !wanted.kinds.contains(&line.kind) {
                    return Ok(None);
                }
                let id = match merchants.known.entry(of) {
                    Slot::Occupied(id) => id.into_mut(),
                    Slot::Vacant(place) => place.insert(self.merchant(of)?),
                };
                line.entry(id).map(Some)
            })?;
            match told.ok_or_else(|| not_there(number))? {
                Some(entry) => events.items.push(Told::Entry(Box::new(entry))),
                None => *unwanted += 1,
            }
            events.position = (*lsn, index).into();
        }
        Ok(true)
    }

    fn policy(&self, version: u64) -> Result<ToldPolicy, HistoryError> {
        let row = self.rows.get(keys::policy(version))?;
        let row = HistoryPolicy::decode(&*row.ok_or_else(|| HistoryError::damaged("a policy that is not there"))?)?;
        let set = row.policy.ok_or_else(|| HistoryError::damaged("a policy without its rules"))?;
        let recorded_at = Timestamp::from_micros(row.recorded_at);
        Ok(ToldPolicy { policy: decode_policy(set)?, lsn: Lsn::new(row.lsn), recorded_at })
    }
}
