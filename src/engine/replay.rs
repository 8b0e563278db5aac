//! Records again, in a recovery: applied while the next ones are read and verified.

use std::{
    hint::black_box,
    mem,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, ScopedJoinHandle},
};

use prost::Message as _;

use super::{Merchants, recovery::State};
use crate::{
    codec::{Fingerprint, Malformed, WrittenOrder, decode_event, decode_policy, read_order},
    domain::{Event, Key, MerchantId, Timestamp},
    journal::{Lsn, RecoverError, VisitError},
    proto::journal::{MerchantFacts, Record, record::Body},
};

/// Bytes of records that are handed over together.
const PORTION: usize = 256 << 10;
/// Portions on their way.
const AHEAD: usize = 8;
/// How many orders are looked for at once.
const RUN: usize = 64;

/// Records one behind the other.
#[derive(Default)]
pub(super) struct Portion {
    bytes: Vec<u8>,
    /// The position of each, and where it ends.
    ends: Vec<(Lsn, usize)>,
}

impl Portion {
    fn push(&mut self, lsn: Lsn, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push((lsn, self.bytes.len()));
    }

    /// The records with their positions.
    pub(super) fn records(&self) -> impl Iterator<Item = (Lsn, &[u8])> {
        let starts = [0].into_iter().chain(self.ends.iter().map(|(_, end)| *end));
        starts.zip(&self.ends).map(|(start, (lsn, end))| (*lsn, self.bytes.get(start..*end).unwrap_or_default()))
    }
}

/// A record that makes no sense where it is.
struct Refused {
    lsn: Lsn,
    why: Malformed,
}

/// Reads records and has them applied to a state, which is handed back with what reading came to.
///
/// # Errors
/// When reading fails, or a record makes no sense.
pub(super) fn replay<T>(
    mut state: State,
    read: impl FnOnce(&mut dyn FnMut(Lsn, &[u8]) -> Result<(), VisitError>) -> Result<T, RecoverError>,
) -> Result<(State, T), RecoverError> {
    thread::scope(|scope| {
        let (sender, portions) = sync_channel(AHEAD);
        let applying = scope.spawn(move || apply(&mut state, &portions).map(|()| state));
        let mut sending = Sending { sender, portion: Portion::default() };
        let read = read(&mut |lsn, record| sending.send(lsn, record));
        // Whatever is wrong with a record came before what reading says.
        sending.end();
        let state = join(applying)?;
        read.map(|read| (state, read))
    })
}

struct Sending {
    sender: SyncSender<Portion>,
    portion: Portion,
}

impl Sending {
    fn send(&mut self, lsn: Lsn, record: &[u8]) -> Result<(), VisitError> {
        self.portion.push(lsn, record);
        if self.portion.bytes.len() < PORTION {
            return Ok(());
        }
        self.sender.send(mem::take(&mut self.portion)).map_err(VisitError::new)
    }

    fn end(self) {
        // Nobody takes it only after a record that makes no sense, which is told then.
        drop(self.sender.send(self.portion));
    }
}

impl State {
    fn replay(&mut self, portion: &Portion) -> Result<(), Refused> {
        let mut run = Vec::with_capacity(RUN);
        for (lsn, record) in portion.records() {
            self.replayed_bytes += record.len() as u64;
            if let Some(order) = read_order(record) {
                run.push(Look::at(self, lsn, order));
                if run.len() == RUN {
                    self.replay_orders(&mut run)?;
                }
            } else {
                self.replay_orders(&mut run)?;
                self.replay_record(lsn, record).map_err(|why| Refused { lsn, why })?;
            }
        }
        self.replay_orders(&mut run)
    }

    /// The records of orders, for whose places in memory the processor waits at once.
    fn replay_orders(&mut self, run: &mut Vec<Look<'_>>) -> Result<(), Refused> {
        let recent = self.decided.recent();
        let touched = run.iter().map(|look| recent.touch(look.id) ^ look.touch(&self.merchants));
        black_box(touched.fold(0, |all, one| all ^ one));
        drop(recent);
        run.drain(..).try_for_each(|look| {
            let lsn = look.lsn;
            self.replay_order(look).map_err(|why| Refused { lsn, why })
        })
    }

    /// As [`State::replay_facts`] does.
    fn replay_order(&mut self, Look { lsn, id, written }: Look<'_>) -> Result<(), Malformed> {
        let WrittenOrder { merchant, order, effective_at, fact } = written;
        let mut cell = self.merchants.entry(merchant.clone()).or_default();
        if lsn > cell.lsn {
            cell.merchant.apply_order(&order.terms(false), effective_at);
            cell.lsn = lsn;
        }
        let mut recent = self.decided.recent();
        match recent.known(id)? {
            None => recent.remember(id, fact, true, lsn),
            Some(known) if known.first == (Event { effective_at, fact: order.into() }) => {}
            Some(_) => return Err(decided_twice(&merchant)),
        }
        Ok(())
    }

    fn replay_record(&mut self, lsn: Lsn, record: &[u8]) -> Result<(), Malformed> {
        let record = Record::decode(record).map_err(|error| Malformed(error.to_string()))?;
        match record.body.ok_or_else(|| Malformed::missing("body"))? {
            Body::Merchant(facts) => self.replay_facts(lsn, facts)?,
            Body::PolicySet(set) => self.add_policy(decode_policy(set)?, lsn),
            Body::ClockLease(lease) => self.clock = Some(Timestamp::from_micros(lease.until)),
            Body::ClockAdvanced(advanced) => self.clock = Some(Timestamp::from_micros(advanced.to)),
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

/// An order, and where it is looked for.
struct Look<'a> {
    lsn: Lsn,
    id: Fingerprint,
    written: WrittenOrder<'a>,
}

impl<'a> Look<'a> {
    fn at(state: &State, lsn: Lsn, written: WrittenOrder<'a>) -> Self {
        let id = state.decided.fingerprint(&written.merchant, Key::Order(&written.order.order_id));
        Self { lsn, id, written }
    }

    /// Brings what is needed of the merchant near to the processor. What it answers means nothing.
    fn touch(&self, merchants: &Merchants) -> u64 {
        merchants.get(&self.written.merchant).map_or(0, |cell| cell.touch())
    }
}

fn apply(state: &mut State, portions: &Receiver<Portion>) -> Result<(), Refused> {
    portions.iter().try_for_each(|portion| state.replay(&portion))
}

fn join(applying: ScopedJoinHandle<'_, Result<State, Refused>>) -> Result<State, RecoverError> {
    match applying.join() {
        Ok(applied) => {
            applied.map_err(|Refused { lsn, why }| RecoverError::Visit { lsn, source: VisitError::new(why) })
        }
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
