//! Records again, in a recovery: applied while the next ones are read and verified.

use std::{
    hash::BuildHasher as _,
    hint::black_box,
    mem,
    ops::Range,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, ScopedJoinHandle},
};

use prost::Message as _;

use super::{Cell, IdHasher, recovery::State};
use crate::{
    codec::{Fingerprint, Malformed, WrittenOrder, decode_event, decode_policy, read_order},
    domain::{Event, Key, MerchantId, OrderClassified, Timestamp},
    journal::{Lsn, RecoverError, VisitError},
    proto::journal::{MerchantFacts, Record, record::Body},
};

/// Bytes of records that are handed over together.
const PORTION: usize = 16 << 10;
/// How long a record is at least, most of the time.
const LEAST: usize = 96;
/// Portions on their way. Few and small ones, which come back to be filled again, stay near to the processors.
const AHEAD: usize = 8;
/// How many orders are looked for at once.
const RUN: usize = 64;

/// Records one behind the other, as they were read.
struct Portion {
    bytes: Vec<u8>,
    records: Vec<Verified>,
}

impl Portion {
    /// Nothing yet. Growing bit by bit would move everything again and again.
    fn new() -> Self {
        Self { bytes: Vec::with_capacity(PORTION + PORTION / 8), records: Vec::with_capacity(PORTION / LEAST) }
    }
}

/// A record among others.
struct Verified {
    lsn: Lsn,
    range: Range<usize>,
    /// What it says, where it is of an order that stands alone.
    order: Option<Ordered>,
}

/// An order, and where it is looked for.
struct Ordered {
    id: Fingerprint,
    merchant: MerchantId,
    /// Of the merchant.
    hash: usize,
    order: OrderClassified,
    effective_at: Timestamp,
    /// Where the fact begins that is kept.
    fact: usize,
}

/// A record that makes no sense where it is.
struct Refused {
    lsn: Lsn,
    why: Malformed,
}

/// Reads records and has them applied to a state, which is handed back with what reading came to. Who reads also takes orders to pieces, which
/// is half of the work.
///
/// # Errors
/// When reading fails, or a record makes no sense.
pub(super) fn replay<T>(
    mut state: State,
    read: impl FnOnce(&mut dyn FnMut(Lsn, &[u8]) -> Result<(), VisitError>) -> Result<T, RecoverError>,
) -> Result<(State, T), RecoverError> {
    thread::scope(|scope| {
        let (sender, portions) = sync_channel(AHEAD);
        let (giver_back, emptied) = sync_channel(AHEAD);
        let (key, hasher) = (state.decided.key(), state.merchants.hasher().clone());
        let mut sending = Sending { sender, emptied, key, hasher, portion: Portion::new() };
        let applying = scope.spawn(move || apply(&mut state, portions, &giver_back).map(|()| state));
        let read = read(&mut |lsn, record| sending.send(lsn, record));
        // Whatever is wrong with a record came before what reading says.
        sending.end();
        let state = join(applying)?;
        read.map(|read| (state, read))
    })
}

struct Sending {
    sender: SyncSender<Portion>,
    emptied: Receiver<Portion>,
    key: [u8; 16],
    hasher: IdHasher,
    portion: Portion,
}

impl Sending {
    fn send(&mut self, lsn: Lsn, record: &[u8]) -> Result<(), VisitError> {
        let Portion { bytes, records } = &mut self.portion;
        let start = bytes.len();
        bytes.extend_from_slice(record);
        let range = start..bytes.len();
        let order = read_order(record).map(|WrittenOrder { merchant, order, effective_at, fact }| Ordered {
            id: Fingerprint::of(self.key, &merchant, Key::Order(&order.order_id)),
            hash: self.hasher.hash_one(&merchant) as usize,
            merchant,
            order,
            effective_at,
            // It ends with the record.
            fact: range.end - fact.len(),
        });
        records.push(Verified { lsn, range, order });
        if self.portion.bytes.len() < PORTION {
            return Ok(());
        }
        let next = self.emptied.try_recv().unwrap_or_else(|_| Portion::new());
        self.sender.send(mem::replace(&mut self.portion, next)).map_err(VisitError::new)
    }

    fn end(self) {
        // Nobody takes it only after a record that makes no sense, which is told then.
        drop(self.sender.send(self.portion));
    }
}

impl State {
    fn replay(&mut self, Portion { bytes, records }: &Portion) -> Result<(), Refused> {
        self.replayed_bytes += bytes.len() as u64;
        for run in records.chunks(RUN) {
            self.touch(run);
            for Verified { lsn, range, order } in run {
                let told = match order {
                    Some(order) => self.replay_order(*lsn, order, bytes.get(order.fact..range.end).unwrap_or_default()),
                    None => self.replay_record(*lsn, bytes.get(range.clone()).unwrap_or_default()),
                };
                told.map_err(|why| Refused { lsn: *lsn, why })?;
            }
        }
        Ok(())
    }

    /// Brings what is needed for some records near to the processor.
    fn touch(&mut self, run: &[Verified]) {
        let orders = || run.iter().filter_map(|record| record.order.as_ref());
        let recent = self.decided.recent_mut();
        let ids = orders().fold(0, |all, order| all ^ recent.touch(order.id));
        // The first that it may be: nearly always it is the one.
        let touched = |state: &mut Self, touch: fn(&Cell) -> u64| {
            let cells = orders().map(|order| state.cell(order.hash, |_| true).map_or(0, |cell| touch(cell)));
            cells.fold(0, |all, cell| all ^ cell)
        };
        black_box(ids ^ touched(self, Cell::touch) ^ touched(self, Cell::touch_lists));
    }

    /// A merchant by its hash.
    fn cell(&mut self, hash: usize, is_it: impl Fn(&MerchantId) -> bool) -> Option<&mut Cell> {
        let shard = self.merchants.determine_shard(hash);
        let shard = self.merchants.shards_mut().get_mut(shard)?.get_mut();
        shard.get_mut(hash as u64, |(id, _)| is_it(id)).map(|(_, cell)| cell.get_mut())
    }

    /// As [`State::replay_facts`] does.
    fn replay_order(&mut self, lsn: Lsn, told: &Ordered, fact: &[u8]) -> Result<(), Malformed> {
        let Ordered { id, merchant, hash, order, effective_at, .. } = told;
        let apply = |cell: &mut Cell| {
            if lsn > cell.lsn {
                cell.merchant.apply_order(&order.terms(false), *effective_at);
                cell.lsn = lsn;
            }
        };
        match self.cell(*hash, |id| id == merchant) {
            Some(cell) => apply(cell),
            None => apply(&mut self.merchants.entry(merchant.clone()).or_default()),
        }
        let recent = self.decided.recent_mut();
        match recent.known(*id)? {
            None => recent.remember(*id, fact, true, lsn),
            Some(known) if known.first == (Event { effective_at: *effective_at, fact: order.clone().into() }) => {}
            Some(_) => return Err(decided_twice(merchant)),
        }
        Ok(())
    }

    fn replay_record(&mut self, lsn: Lsn, record: &[u8]) -> Result<(), Malformed> {
        let record = Record::decode(record).map_err(|error| Malformed(error.to_string()))?;
        self.proposals.replay(lsn, &record)?;
        match record.body.ok_or_else(|| Malformed::missing("body"))? {
            Body::Merchant(facts) => self.replay_facts(lsn, facts)?,
            Body::PolicySet(set) => self.add_policy(decode_policy(set)?, lsn),
            Body::ClockLease(lease) => self.clock = Some(Timestamp::from_micros(lease.until)),
            Body::ClockAdvanced(advanced) => self.clock = Some(Timestamp::from_micros(advanced.to)),
            Body::ProposalMade(_) | Body::ProposalClosed(_) => {}
        }
        Ok(())
    }

    /// A state from a checkpoint may have seen the record already; what it has decided is the same in any case.
    fn replay_facts(&mut self, lsn: Lsn, facts: MerchantFacts) -> Result<(), Malformed> {
        let id = MerchantId::parse(&facts.merchant_id).map_err(|invalid| Malformed(invalid.to_string()))?;
        let mut cell = self.merchants.entry(id.clone()).or_default();
        let seen = lsn <= cell.lsn;
        let mut later = Vec::new();
        for fact in facts.facts {
            let written = fact.encode_to_vec();
            let event = decode_event(fact)?;
            if !seen {
                cell.merchant.apply(&event);
            }
            if let Some(key) = event.fact.key() {
                let fingerprint = self.decided.fingerprint(&id, key);
                if event.fact.subject().is_some() {
                    later.push(event.clone());
                }
                if !self.decided.recent().replay(fingerprint, &event, &written, lsn)? {
                    return Err(decided_twice(&id));
                }
            }
        }
        cell.lsn = cell.lsn.max(lsn);
        drop(cell);
        later.iter().try_for_each(|event| self.replay_later(&id, event, lsn))
    }

    /// A fact about an earlier one. Where that has left memory, the archive has to have seen this record before anybody asks.
    fn replay_later(&mut self, id: &MerchantId, event: &Event, lsn: Lsn) -> Result<(), Malformed> {
        let Some(subject) = event.fact.subject() else { return Ok(()) };
        if self.decided.recent().replay_later(self.decided.fingerprint(id, subject), &event.fact, lsn)? {
            Ok(())
        } else if self.decided.archive().is_some() {
            self.last_archived = lsn;
            Ok(())
        } else {
            Err(Malformed(format!("merchant {id}: {subject:?} was never decided")))
        }
    }
}

fn decided_twice(merchant: &MerchantId) -> Malformed {
    Malformed(format!("merchant {merchant}: an order or request was decided twice"))
}

fn apply(state: &mut State, portions: Receiver<Portion>, giver_back: &SyncSender<Portion>) -> Result<(), Refused> {
    portions.into_iter().try_for_each(|mut portion| {
        state.replay(&portion)?;
        portion.bytes.clear();
        portion.records.clear();
        // Nobody needs it at the end, or where there are more than can be on their way.
        drop(giver_back.try_send(portion));
        Ok(())
    })
}

fn join(applying: ScopedJoinHandle<'_, Result<State, Refused>>) -> Result<State, RecoverError> {
    match applying.join() {
        Ok(applied) => {
            applied.map_err(|Refused { lsn, why }| RecoverError::Visit { lsn, source: VisitError::new(why) })
        }
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
