//! What clients sent and were answered, and what the rules make of it at any engine time. Nothing in it knows the wall clock.

use std::collections::BTreeMap;

use tplus::proto::v1::{
    ClassifyOrderRequest, ClassifyOrderResponse, EntryKind, GetMarginResponse, MarginEntry, Release, SettlementCycle,
};

use crate::{
    calls::{Answer, Request, cents, micros},
    wall,
};

/// Micros.
const DAY: i64 = wall::DAY * 1_000_000;

/// A request; its answer is missing while nobody knows what became of it.
#[derive(Clone)]
pub struct Sent {
    pub request: Request,
    pub answer: Option<Answer>,
}

/// Everything about one merchant, in the order in which it was sent: one request is under way at a time.
#[derive(Default)]
pub struct Ledger {
    pub sent: Vec<Sent>,
    /// The latest engine time that an answer told, in microseconds.
    pub latest: i64,
}

/// What is to be seen of a merchant at an instant.
#[derive(Debug, Default, PartialEq, Eq)]
struct Balances {
    pending: i128,
    historical: i128,
    guarantee: i128,
    frozen: i128,
    available: i128,
    releasing: Vec<(u64, i64, i128)>,
    /// Of the settlement day that ends then: all orders, and those on T+2.
    day: i64,
    used: (i128, i128),
}

impl Ledger {
    fn answers(&self) -> impl Iterator<Item = (&Request, &Answer)> {
        self.sent.iter().filter_map(|sent| Some((&sent.request, sent.answer.as_ref()?)))
    }

    fn orders(&self) -> impl Iterator<Item = (&ClassifyOrderRequest, &ClassifyOrderResponse)> {
        self.answers().filter_map(|(request, answer)| match (request, answer) {
            (Request::Order(request), Answer::Order(answer)) => Some((request, answer)),
            _ => None,
        })
    }

    fn releases(&self) -> impl Iterator<Item = &Release> {
        self.answers().filter_map(|(_, answer)| match answer {
            Answer::Guarantee(answer) => answer.release.as_ref(),
            _ => None,
        })
    }

    /// The guarantee as it was last answered, in dollars.
    pub fn guarantee(&self) -> u64 {
        let last = self.answers().filter_map(|(_, answer)| match answer {
            Answer::Guarantee(answer) => Some(cents(&answer.guarantee) / 100),
            _ => None,
        });
        last.last().map_or(0, |dollars| dollars.try_into().unwrap())
    }

    /// How many orders, settlements and releases there are until an instant, the last two come due.
    pub fn figures(&self, until: i64) -> (usize, usize, usize) {
        let settled = self.orders().filter(|(_, answer)| micros(answer.settles_at.as_ref()) <= until).count();
        let released = self.releases().filter(|release| micros(release.due_at.as_ref()) <= until).count();
        (self.orders().count(), settled, released)
    }

    /// The balances are what the answers make at that instant: nothing is early, late, twice or missing.
    pub fn check_margin(&self, margin: &GetMarginResponse) {
        let quota = margin.quota.as_ref().unwrap();
        let at = micros(margin.as_of.as_ref());
        let releasing = margin.releasing.iter().map(release);
        let seen = Balances {
            pending: cents(&margin.pending_total),
            historical: cents(&margin.historical_profit),
            guarantee: cents(&margin.guarantee),
            frozen: cents(&margin.frozen),
            available: cents(&margin.available),
            releasing: releasing.collect(),
            day: micros(quota.resets_at.as_ref()),
            used: (cents(&quota.used_all), cents(&quota.used_quick)),
        };
        assert_eq!(seen, self.balances(at), "{} at {at}: what is seen, and what should be", margin.merchant_id);
    }

    fn balances(&self, at: i64) -> Balances {
        let mut now = Balances { day: end_of_day(at), ..Balances::default() };
        for (request, answer) in self.answers() {
            match (request, answer) {
                (_, Answer::Import(answer)) => {
                    (now.historical, now.available) = (cents(&answer.historical_profit), cents(&answer.available));
                }
                (_, Answer::Guarantee(answer)) => {
                    now.guarantee = cents(&answer.guarantee);
                    now.frozen = now.guarantee;
                    now.available -= cents(&answer.taken_from_available);
                }
                (Request::Pay(request), _) => now.available += cents(&request.amount),
                (Request::Withdraw(request), _) => now.available -= cents(&request.amount),
                (Request::Order(request), Answer::Order(answer)) => now.add(at, request, answer),
                (request, answer) => panic!("{request:?} is answered by {answer:?}"),
            }
        }
        for release in self.releases().map(release) {
            if release.1 <= at {
                now.available += release.2;
            } else {
                now.releasing.push(release);
            }
        }
        now
    }

    /// The receipts of a day follow one upon the other from nothing on: a day has one total, and one quota.
    pub fn check_days(&self) {
        let mut days: BTreeMap<i64, i128> = BTreeMap::new();
        for (request, answer) in self.orders() {
            let receipt = answer.receipt.as_ref().unwrap();
            let [before, after, quota] =
                [&receipt.day_total_before, &receipt.day_total_after, &receipt.quota].map(|amount| cents(amount));
            let (completed, day) = (micros(answer.completed_at.as_ref()), micros(receipt.resets_at.as_ref()));
            assert_eq!(day, end_of_day(completed), "another day: {answer:?}");
            let total = days.entry(day).or_default();
            assert_eq!(before, *total, "the day does not go on where it was: {answer:?}");
            assert_eq!(after, before + cents(&request.price), "{answer:?}");
            *total = after;
            let (cycle, days) =
                if after <= quota { (SettlementCycle::Quick, 2) } else { (SettlementCycle::Standard, 7) };
            assert_eq!(answer.cycle(), cycle, "{answer:?}");
            assert_eq!(micros(answer.settles_at.as_ref()), day + (days - 1) * DAY, "{answer:?}");
        }
    }

    /// What was written down: all that was answered and all that has come due, each once, and nothing before its time.
    pub fn check_entries(&self, entries: &[MarginEntry], now: i64) {
        let mut recorded = i64::MIN;
        for (number, entry) in (1..).zip(entries) {
            let (at, effective) = (micros(entry.recorded_at.as_ref()), micros(entry.effective_at.as_ref()));
            assert_eq!(entry.number, number);
            assert!(recorded <= at && at <= now, "recorded after {recorded} and before {now}: {entry:?}");
            assert!(effective <= at, "before its time: {entry:?}");
            recorded = at;
        }
        let of = |kind| entries.iter().filter(move |entry| entry.kind() == kind);
        let asked = of(EntryKind::OrderClassified)
            .chain(of(EntryKind::GuaranteeModified))
            .chain(of(EntryKind::MerchantImported))
            .chain(of(EntryKind::MarginPaid))
            .chain(of(EntryKind::Withdrawn));
        assert_eq!(asked.count(), self.answers().count(), "entries of what was asked for");

        let mut due: BTreeMap<i64, i128> = BTreeMap::new();
        for (request, answer) in self.orders() {
            let at = micros(answer.settles_at.as_ref());
            if at <= now {
                *due.entry(at).or_default() += cents(&request.profit);
            }
        }
        let mut settled: BTreeMap<i64, i128> = BTreeMap::new();
        for entry in of(EntryKind::ProfitSettled) {
            *settled.entry(micros(entry.effective_at.as_ref())).or_default() += cents(&entry.amount);
        }
        assert_eq!(settled, due, "what has settled, and what was due until {now}");

        let due = self.releases().map(release).filter(|release| release.1 <= now).map(|(_, at, amount)| (at, amount));
        let released = of(EntryKind::ReleaseCompleted);
        let released = released.map(|entry| (micros(entry.effective_at.as_ref()), cents(&entry.amount)));
        assert_eq!(released.collect::<Vec<_>>(), due.collect::<Vec<_>>(), "what is released, and was due until {now}");
    }
}

impl Balances {
    fn add(&mut self, at: i64, request: &ClassifyOrderRequest, answer: &ClassifyOrderResponse) {
        let due = micros(answer.settles_at.as_ref()) <= at;
        let profit = cents(&request.profit);
        if due {
            self.historical += profit;
            self.available += profit;
        } else {
            self.pending += profit;
        }
        if micros(answer.receipt.as_ref().unwrap().resets_at.as_ref()) == self.day {
            let price = cents(&request.price);
            self.used.0 += price;
            self.used.1 += if answer.cycle() == SettlementCycle::Quick { price } else { 0 };
        }
    }
}

/// Number, due, amount; seven days after it was made.
fn release(release: &Release) -> (u64, i64, i128) {
    let due = micros(release.due_at.as_ref());
    assert_eq!(due, micros(release.created_at.as_ref()) + 7 * DAY, "{release:?}");
    (release.number, due, cents(&release.amount))
}

fn end_of_day(at: i64) -> i64 {
    (at.div_euclid(DAY) + 1) * DAY
}
