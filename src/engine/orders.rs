//! The hot path: many orders, in runs of some dozens.
//!
//! What [`Engine::submit`] does for one command, a run does for many orders with one look at the clock and at the policies, and one
//! turn at each lock; and the processor waits for memory for many of them at once. That is what counts at millions of orders a second.
//! An order that is not alone in what it brings about, which is seldom, is left to `submit`.

use std::{array, hint::black_box, slice, time::Duration};

use dashmap::{RwLockWriteGuard, SharedValue};
use hashbrown::raw::RawTable;
use parking_lot::MutexGuard;

use super::{
    Answer, Cell, Engine, EngineError, Merchants, Request, Submitted,
    decided::Recent,
    overloaded,
    policies::Policies,
    room::Room,
    submit::{Recorded, check_not_after},
    time::Given,
};
use crate::{
    codec::{Fingerprint, OrderRecord},
    domain::{
        ClassifyOrder, Command as _, Context, Cycle, Dates, MerchantId, OrderClassified, Timestamp, Verdict,
        decide_alone,
    },
    journal::{Appender, Lsn},
    trace,
};

/// An order of a merchant.
#[derive(Clone, Debug)]
pub struct Order {
    /// The merchant.
    pub merchant: MerchantId,
    /// The order.
    pub command: ClassifyOrder,
}

/// How to treat orders: see [`Request`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Who asks; empty, if nobody was asked who he is.
    pub caller: String,
    /// Decide, but change and remember nothing.
    pub validate_only: bool,
    /// Refuse an order that is not known when this has passed.
    pub not_after: Option<Timestamp>,
}

impl Request<ClassifyOrder> {
    /// The order, and how to treat it.
    pub fn into_order(self) -> (Order, Manner) {
        let Self { merchant, command, caller, validate_only, not_after } = self;
        (Order { merchant, command }, Manner { caller, validate_only, not_after })
    }
}

impl Manner {
    /// An order as a command of its own.
    pub fn request(&self, order: &Order) -> Request<ClassifyOrder> {
        Request {
            merchant: order.merchant.clone(),
            command: order.command.clone(),
            caller: self.caller.clone(),
            validate_only: self.validate_only,
            not_after: self.not_after,
        }
    }
}

/// What came of an order.
pub type Told<'a> = Result<&'a Classified, EngineError>;

/// The answer for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    /// The answer.
    pub verdict: Verdict,
    /// It was known already.
    pub replayed: bool,
}

impl From<Answer<OrderClassified>> for Classified {
    fn from(Answer { fact, replayed, .. }: Answer<OrderClassified>) -> Self {
        Self { verdict: fact.verdict(), replayed }
    }
}

/// The most orders that are decided with one turn at each lock: some ten microseconds' worth.
const RUN: usize = 64;

/// The totals of a day are looked at again more than so long after its end, see [`crate::domain::Policy::DAYS_KEPT`].
const KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

impl Engine {
    /// Decides on orders one after the other, each as [`Engine::submit`] would, and tells at once what came of each, in their order.
    /// Nobody outside may learn of it before the room is [durable](Engine::durable). `tell` is called under locks: it has to be quick, and
    /// must not come back to the engine.
    pub fn classify(&self, orders: &[Order], manner: &Manner, room: &mut Room, tell: &mut dyn FnMut(Told<'_>)) {
        let mut rest = orders;
        while !rest.is_empty() {
            let (run, _) = rest.split_at(RUN.min(rest.len()));
            let (told, position) = self.run(run, manner, tell);
            room.rests_on = room.rests_on.max(position);
            rest = rest.get(told..).unwrap_or_default();
            if told < run.len()
                && let Some((next, behind)) = rest.split_first()
            {
                let Submitted { result, rests_on: position } = self.submit(&manner.request(next));
                room.rests_on = room.rests_on.max(position);
                tell(result.map(Classified::from).as_ref().map_err(Clone::clone));
                rest = behind;
            }
        }
        self.journal.wake();
    }

    /// Decides on an order as [`Engine::execute`] would, and answers when everything the answer rests on is durable.
    ///
    /// # Errors
    /// See [`EngineError`]; a refusal by the rules is one of them.
    pub async fn classify_one(&self, order: &Order, manner: &Manner) -> Result<Classified, EngineError> {
        let mut room = self.room_now(1)?;
        self.next_segment(1).await;
        let mut told = None;
        let orders = slice::from_ref(order);
        trace::timed(trace::DECIDE, || self.classify(orders, manner, &mut room, &mut |one| told = Some(one.copied())));
        self.durable(room).await?;
        // One was asked, one is told.
        told.unwrap_or_else(|| Err(overloaded()))
    }

    /// Decides on orders up to the first that has to be left to `submit`. Answers how many.
    fn run(&self, orders: &[Order], manner: &Manner, tell: &mut dyn FnMut(Told<'_>)) -> (usize, Lsn) {
        if manner.validate_only || manner.caller.len() > OrderRecord::LONGEST_CALLER {
            return (0, Lsn::ZERO);
        }
        let mut looks: Vec<_> = orders.iter().map(|order| Look::at(self, order)).collect();
        let _in_flight = self.time.in_flight();
        let mut shards = Shards::lock(&self.merchants, &mut looks);
        let Ok(Given { now, rests_on: clock }) = self.time.now(&self.journal) else { return (0, Lsn::ZERO) };
        let policies = self.policies.at(now);
        let recent = self.decided.recent();
        let Ok(mut journal) = self.journal.appender() else { return (0, Lsn::ZERO) };
        journal.leave_asleep();
        black_box(shards.touch(&looks) ^ looks.iter().fold(0, |all, look| all ^ recent.touch(look.id)));
        let mut run = Run {
            engine: self,
            policies: &policies,
            context: Context { now, policies: &policies.timeline, limits: self.limits, subject: None },
            manner,
            recent,
            journal,
            record: OrderRecord::new(),
            dates: None,
            rests_on: clock.max(policies.lsn),
            tally: [[0; 2]; 2],
        };
        let _recorded = Recorded;
        let told = looks.iter().zip(orders).position(|(look, order)| {
            let told = shards.of(look).and_then(|shard| run.decide(look, order, shard));
            told.is_none_or(|told| {
                run.count(&told);
                tell(told.as_ref().map_err(Clone::clone));
                false
            })
        });
        run.report();
        (told.unwrap_or(orders.len()), run.rests_on)
    }
}

type Decided = Result<Classified, EngineError>;

/// Where an order is looked for.
struct Look {
    id: Fingerprint,
    /// Of the merchant.
    hash: u64,
    shard: usize,
    /// Which of the locked shards that is.
    locked: usize,
}

impl Look {
    fn at(engine: &Engine, Order { merchant, command }: &Order) -> Self {
        let hash = engine.merchants.hash_usize(merchant);
        let shard = engine.merchants.determine_shard(hash);
        Self { id: engine.decided.fingerprint(merchant, command.key()), hash: hash as u64, shard, locked: 0 }
    }
}

type Shard = RawTable<(MerchantId, SharedValue<Cell>)>;

/// The locked shards of all merchants of a run. Locked in the order of their numbers, so that no two runs wait for each other.
struct Shards<'a>(Vec<RwLockWriteGuard<'a, Shard>>);

impl<'a> Shards<'a> {
    fn lock(merchants: &'a Merchants, looks: &mut [Look]) -> Self {
        let mut wanted: Vec<_> = looks.iter_mut().collect();
        wanted.sort_unstable_by_key(|look| look.shard);
        let mut guards = Vec::with_capacity(wanted.len());
        for same in wanted.chunk_by_mut(|one, next| one.shard == next.shard) {
            let shard = same.first().and_then(|look| merchants.shards().get(look.shard));
            same.iter_mut().for_each(|look| look.locked = guards.len());
            guards.extend(shard.map(|shard| shard.write()));
        }
        Self(guards)
    }

    fn of(&mut self, look: &Look) -> Option<&mut Shard> {
        self.0.get_mut(look.locked).map(|guard| &mut **guard)
    }

    /// Brings what is needed of the merchants near to the processor. What it answers means nothing.
    ///
    /// One thing for all of them and then the next, since the processor waits for many at once only if little else lies between them.
    fn touch(&self, looks: &[Look]) -> u64 {
        // The first that it may be: nearly always it is the one.
        let cell = |look: &Look| self.0.get(look.locked)?.get(look.hash, |_| true).map(|(_, cell)| cell.get());
        let cells: [_; RUN] = array::from_fn(|at| looks.get(at).and_then(cell));
        let cells = || cells.iter().flatten();
        let themselves = cells().fold(0, |all, cell| all ^ cell.touch());
        cells().fold(themselves, |all, cell| all ^ cell.touch_lists())
    }
}

/// What a run holds.
struct Run<'a> {
    engine: &'a Engine,
    policies: &'a Policies,
    context: Context<'a>,
    manner: &'a Manner,
    recent: MutexGuard<'a, Recent>,
    journal: Appender<'a>,
    record: OrderRecord,
    dates: Option<Dates>,
    /// The last position of everything that was looked at.
    rests_on: Lsn,
    /// How many orders were told to be of a cycle, for the first time and again.
    tally: [[u64; 2]; 2],
}

impl Run<'_> {
    /// Decides on an order. None: it has to be left to `submit`.
    fn decide(&mut self, look: &Look, order: &Order, shard: &mut Shard) -> Option<Decided> {
        let cell = shard.get_mut(look.hash, |(id, _)| *id == order.merchant).map(|(_, cell)| cell.get_mut());
        self.rests_on = self.rests_on.max(cell.as_ref().map_or(Lsn::ZERO, |cell| cell.lsn));
        match self.recent.known(look.id) {
            Ok(None) if self.recent.perhaps_archived(look.id) => return None,
            Ok(None) => {}
            Ok(Some(known)) => {
                let first = self.engine.repeat(&order.command, &known);
                return Some(first.map(Classified::from).map_err(Into::into));
            }
            Err(error) => return Some(Err(error.into())),
        }
        if let Err(expired) = check_not_after(self.manner.not_after, self.context.now) {
            return Some(Err(expired.into()));
        }
        if let Some(cell) = cell {
            return self.decide_new(look, order, cell);
        }
        let mut opened = Cell::default();
        let told = self.decide_new(look, order, &mut opened)?;
        if told.is_ok() {
            let merchants = &self.engine.merchants;
            let opened = (order.merchant.clone(), SharedValue::new(opened));
            shard.insert(look.hash, opened, |(id, _)| merchants.hash_usize(id) as u64);
        }
        Some(told)
    }

    /// The same for one that is not known.
    fn decide_new(&mut self, look: &Look, Order { merchant, command }: &Order, cell: &mut Cell) -> Option<Decided> {
        let decided = decide_alone(command, &cell.merchant, &self.context, &mut self.dates);
        let (effective_at, verdict) = match decided {
            Ok(alone) => alone?,
            Err(rejection) => return Some(Err(rejection.into())),
        };
        let terms = command.terms(&verdict);
        let times = (effective_at, self.context.now);
        self.record.put(
            &self.manner.caller,
            (merchant, command.order_id()),
            (terms.price, terms.profit),
            &verdict,
            times,
        );
        let lsn = match self.journal.append(self.record.record()) {
            Ok(lsn) => lsn,
            Err(error) => return Some(Err(error.into())),
        };
        self.rests_on = lsn;
        self.recent.remember(look.id, self.record.fact(), true, lsn);
        cell.merchant.apply_order(&terms, effective_at);
        cell.lsn = lsn;
        // A look that is planned comes in time for all that was there before.
        let in_time = verdict.settles_at.min(verdict.receipt.resets_at.after(KEPT));
        if cell.next_look.is_none_or(|planned| planned > in_time) {
            self.engine.schedule(merchant, cell, self.policies);
        }
        Some(Ok(Classified { verdict, replayed: false }))
    }

    fn count(&mut self, told: &Decided) {
        if let Ok(Classified { verdict, replayed }) = told {
            let [quick, standard] = &mut self.tally;
            let [first, again] = if verdict.cycle == Cycle::Quick { quick } else { standard };
            *if *replayed { again } else { first } += 1;
        }
    }

    fn report(&self) {
        for (cycle, [first, again]) in [Cycle::Quick, Cycle::Standard].into_iter().zip(self.tally) {
            for (replayed, orders) in [(false, first), (true, again)] {
                self.engine.observer.classified(cycle, replayed, orders);
                trace::classified(cycle, replayed, orders);
            }
        }
    }
}
