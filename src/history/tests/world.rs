//! A few merchants to whom everything happens that can, written down as a plain list.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use prost::Message as _;

use super::KEY;
use crate::{
    codec::{Fingerprint, encode_event, encode_policy},
    domain::{
        AdjustBalance, AppealOutcome, Beneficiary, Category, ClassifyOrder, CloseMerchant, Command, Context, Cycle,
        DeductMargin, DeductionReason, Direction, Disputed, Event, FailWithdrawal, ImportMerchant, ImportedOrder,
        ImportedRelease, InForce, Key, Known, LiftHold, Limits, Merchant, MerchantId, ModifyGuarantee, Money,
        OpenAppeal, OrderId, PayMargin, PlaceHold, Policy, ReopenMerchant, RequestId, ResolveAppeal, ReturnPayment,
        ReverseOrder, SetCategories, Text, Timeline, Timestamp, Withdraw, decide,
    },
    history::Balances,
    history::{Entry, Kind},
    journal::Lsn,
    proto::journal::{ClockLease, MerchantFacts, Record, record::Body},
};

pub(super) const HOUR: Duration = Duration::from_secs(3_600);
/// 2026-03-01T12:00:00Z.
pub(super) const NOON: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);

/// Numbers that look random and are the same in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let len = from.len() as u64;
        if len == 0 { None } else { from.get(self.below(len) as usize).cloned() }
    }
}

/// An entry, and the merchant after it.
#[derive(Clone)]
pub(super) struct Noted {
    pub(super) entry: Entry,
    pub(super) after: Merchant,
}

pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) now: Timestamp,
    pub(super) timeline: Timeline,
    pub(super) merchants: BTreeMap<MerchantId, Merchant>,
    pub(super) known: HashMap<Fingerprint, Known>,
    /// All facts, in the order of the journal.
    pub(super) notes: Vec<Noted>,
    /// Policies, with their records.
    pub(super) policies: Vec<(InForce, Lsn, Timestamp)>,
    pub(super) records: Vec<Vec<u8>>,
    orders: Vec<(MerchantId, OrderId)>,
    requests: HashMap<Kind, Vec<(MerchantId, RequestId)>>,
    ids: u64,
}

impl World {
    /// A world after so many things were tried.
    pub(super) fn after(seed: u64, steps: usize) -> Self {
        let first = InForce::first(Policy { warn_quota_percent: Some(50), ..Policy::default() }, NOON);
        let mut world = Self {
            dice: Dice(seed | 1),
            now: NOON,
            timeline: Timeline::new(first.clone()),
            merchants: BTreeMap::new(),
            known: HashMap::new(),
            notes: vec![],
            policies: vec![],
            records: vec![],
            orders: vec![],
            requests: HashMap::new(),
            ids: 0,
        };
        world.announce(first);
        (0..steps).for_each(|_| world.step());
        world
    }

    pub(super) fn last(&self) -> Lsn {
        Lsn::new(self.records.len() as u64)
    }

    pub(super) fn notes_of<'a>(&'a self, merchant: &'a MerchantId) -> impl DoubleEndedIterator<Item = &'a Noted> {
        self.notes.iter().filter(move |noted| noted.entry.merchant == *merchant)
    }

    fn record(&mut self, caller: &str, body: Body) {
        let record =
            Record { recorded_at: self.now.micros(), caller: caller.to_owned(), body: Some(body), approval: None };
        self.records.push(record.encode_to_vec());
    }

    fn announce(&mut self, policy: InForce) {
        self.record("", Body::PolicySet(encode_policy(&policy)));
        self.policies.push((policy, self.last(), self.now));
    }

    /// Tries something; what is refused leaves nothing.
    pub(super) fn step(&mut self) {
        let forward = [0, 1, 60_000_000, 3_600_000_000, 20_000_000_000, 200_000_000_000];
        let forward = self.dice.pick(&forward).unwrap();
        self.now = self.now.after(Duration::from_micros(forward));
        let merchant = MerchantId::parse(&format!("m{}", self.dice.below(6))).unwrap();
        match self.dice.below(30) {
            0 => self.record("", Body::ClockLease(ClockLease { until: self.now.after(HOUR).micros() })),
            1 => self.another_policy(),
            2..=9 => self.order(&merchant),
            10..=12 => self.reverse(),
            13..=15 => {
                let dollars = self.dice.below(12) * 10;
                let request = self.request();
                self.execute(&merchant, &ModifyGuarantee::new(request, dollars).unwrap());
            }
            16 | 17 => self.pay(&merchant),
            18 | 19 => self.withdraw(&merchant),
            20 | 21 => self.give_back(),
            22 | 23 => self.deduct(&merchant),
            24 | 25 => self.appeal(),
            26 | 27 => self.hold(&merchant),
            28 => self.adjust(&merchant),
            _ => self.stand(&merchant),
        }
    }

    fn request(&mut self) -> RequestId {
        self.ids += 1;
        RequestId::parse(&format!("r{}", self.ids)).unwrap()
    }

    fn money(&mut self) -> Money {
        Money::from_cents(i128::from(1 + self.dice.below(9_000)))
    }

    /// Something that was asked for before, of a kind.
    fn earlier(&mut self, kind: Kind) -> Option<(MerchantId, RequestId)> {
        self.requests.get(&kind).and_then(|earlier| self.dice.pick(earlier))
    }

    fn another_policy(&mut self) {
        if self.policies.len() >= 4 {
            return;
        }
        let mut policy = self.timeline.latest().policy.clone();
        policy.calendar.day_start = HOUR * self.dice.below(24) as u32;
        let latest = self.timeline.latest();
        let set = crate::domain::SetPolicy {
            request_id: RequestId::parse(&format!("p{}", self.policies.len())).unwrap(),
            policy,
            effective_at: None,
            expected_version: Some(latest.version),
            reason: Text::default(),
        };
        if let Ok(next) = self.timeline.announce(&set, self.now) {
            self.timeline.push(next.clone());
            self.announce(next);
        }
    }

    fn order(&mut self, merchant: &MerchantId) {
        self.ids += 1;
        let id = OrderId::parse(&format!("o{}", self.ids)).unwrap();
        let (price, late) = (self.money(), HOUR * self.dice.below(30) as u32);
        let completed_at = (self.dice.below(2) == 0).then(|| self.now.before(late));
        if self.execute(merchant, &ClassifyOrder::new(id.clone(), price, None, completed_at).unwrap()) {
            self.orders.push((merchant.clone(), id));
        }
    }

    fn reverse(&mut self) {
        let Some((merchant, order)) = self.dice.pick(&self.orders) else { return };
        let (request, amount) = (self.request(), self.money());
        self.execute(&merchant, &ReverseOrder::new(request, order, amount, None, Text::default()).unwrap());
    }

    fn pay(&mut self, merchant: &MerchantId) {
        let (request, amount) = (self.request(), self.money());
        self.execute(merchant, &PayMargin::new(request, amount, Text::default()).unwrap());
    }

    fn withdraw(&mut self, merchant: &MerchantId) {
        let (request, amount) = (self.request(), self.money());
        self.execute(merchant, &Withdraw::new(request, amount, Text::default()).unwrap());
    }

    fn give_back(&mut self) {
        let (request_id, reason) = (self.request(), Text::default());
        if self.dice.below(2) == 0 {
            if let Some((merchant, payment_id)) = self.earlier(Kind::MarginPaid) {
                self.execute(&merchant, &ReturnPayment { request_id, payment_id, reason });
            }
        } else if let Some((merchant, withdrawal_id)) = self.earlier(Kind::Withdrawn) {
            self.execute(&merchant, &FailWithdrawal { request_id, withdrawal_id, reason });
        }
    }

    fn deduct(&mut self, merchant: &MerchantId) {
        let (request, amount) = (self.request(), self.money());
        let disputed = Disputed::Dispute(Text::parse("d").unwrap());
        let (reason, beneficiary) = (DeductionReason::Fraud, Beneficiary::Buyer);
        let command = DeductMargin::new(request, amount, reason, disputed, beneficiary, Text::default());
        self.execute(merchant, &command.unwrap());
    }

    fn appeal(&mut self) {
        let Some((merchant, deduction_id)) = self.earlier(Kind::MarginDeducted) else { return };
        let request_id = self.request();
        if self.dice.below(2) == 0 {
            self.execute(&merchant, &OpenAppeal { request_id, deduction_id, statement: Text::default() });
        } else {
            let amount = (self.dice.below(2) == 0).then_some(Money::CENT);
            let outcome = AppealOutcome::Overturned;
            let command = ResolveAppeal::new(request_id, deduction_id, outcome, amount, Text::default());
            self.execute(&merchant, &command.unwrap());
        }
    }

    fn hold(&mut self, merchant: &MerchantId) {
        let request_id = self.request();
        if self.dice.below(2) == 0 {
            self.execute(merchant, &PlaceHold::new(request_id, Text::parse("why").unwrap()).unwrap());
        } else if let Some((merchant, hold_id)) = self.earlier(Kind::HoldPlaced) {
            self.execute(&merchant, &LiftHold { request_id, hold_id, reason: Text::default() });
        }
    }

    fn adjust(&mut self, merchant: &MerchantId) {
        let (request, amount) = (self.request(), self.money());
        let direction = if self.dice.below(2) == 0 { Direction::Credit } else { Direction::Debit };
        let reason = Text::parse("why").unwrap();
        let command = AdjustBalance::new(request, direction, amount, reason, Text::default()).unwrap();
        self.execute(merchant, &command);
    }

    fn stand(&mut self, merchant: &MerchantId) {
        let (request_id, reason) = (self.request(), Text::default());
        match self.dice.below(4) {
            0 => self.execute(merchant, &CloseMerchant { request_id, reason }),
            1 => self.execute(merchant, &ReopenMerchant { request_id, reason }),
            2 => {
                let category = Category::parse("books").unwrap();
                self.execute(merchant, &SetCategories::new(request_id, vec![category]).unwrap())
            }
            _ => self.import(request_id),
        };
    }

    /// Only a merchant to whom nothing has happened can be imported.
    fn import(&mut self, request_id: RequestId) -> bool {
        let merchant = MerchantId::parse(&format!("i{}", self.dice.below(4))).unwrap();
        let order = |name: &str, cycle, settles_at| ImportedOrder {
            order_id: OrderId::parse(name).unwrap(),
            price: Money::from_cents(700),
            profit: Money::from_cents(500),
            completed_at: self.now.before(100 * HOUR),
            cycle,
            settles_at,
        };
        let orders = vec![
            order("x1", Cycle::Quick, self.now.before(40 * HOUR)),
            order("x2", Cycle::Standard, self.now.after(60 * HOUR)),
        ];
        let command = ImportMerchant {
            historical_profit: Money::from_cents(500),
            guarantee: Money::from_dollars(10),
            frozen: Money::from_dollars(10),
            releasing: vec![ImportedRelease { amount: Money::from_cents(300), due_at: self.now.after(30 * HOUR) }],
            orders,
            ..ImportMerchant::empty(request_id)
        };
        let imported = self.execute(&merchant, &command.validated().unwrap());
        if imported {
            self.orders.extend(["x1", "x2"].map(|id| (merchant.clone(), OrderId::parse(id).unwrap())));
        }
        imported
    }

    fn execute<C: Command>(&mut self, id: &MerchantId, command: &C) -> bool {
        let merchant = self.merchants.get(id).cloned().unwrap_or_default();
        let print = |key: Key<'_>| Fingerprint::of(KEY, id, key);
        let subject = command.subject().and_then(|key| self.known.get(&print(key)));
        let context = Context { now: self.now, policies: &self.timeline, limits: Limits::default(), subject };
        let Ok(decision) = decide(command, &merchant, &context) else { return false };
        let events = decision.changes.events;
        let facts = events.iter().map(encode_event).collect();
        let caller = if self.dice.below(2) == 0 { "clerk" } else { "" };
        self.record(caller, Body::Merchant(MerchantFacts { merchant_id: id.as_str().into(), facts }));
        for (index, event) in (0..).zip(events) {
            self.note(id, caller, index, event);
        }
        true
    }

    fn note(&mut self, id: &MerchantId, caller: &str, index: u32, event: Event) {
        let merchant = self.merchants.entry(id.clone()).or_default();
        merchant.apply(&event);
        if let Some(key) = event.fact.key() {
            self.known.insert(Fingerprint::of(KEY, id, key), Known::new(event.clone()));
            if let Key::Request(request) = key {
                self.requests.entry(Kind::of(&event.fact)).or_default().push((id.clone(), request.clone()));
            }
        }
        if let Some(subject) = event.fact.subject() {
            self.known.get_mut(&Fingerprint::of(KEY, id, subject)).unwrap().follow(&event.fact);
        }
        let entry = Entry {
            merchant: id.clone(),
            number: merchant.facts(),
            event,
            recorded_at: self.now,
            caller: caller.to_owned(),
            lsn: Lsn::new(self.records.len() as u64),
            index,
            balances: Balances::of(merchant),
        };
        self.notes.push(Noted { entry, after: merchant.clone() });
    }
}
