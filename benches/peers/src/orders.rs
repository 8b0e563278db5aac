//! What all peers are given: merchants and orders, the same in every run, and what has to be answered.

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

/// A settlement day, in microseconds.
pub const DAY: i64 = 86_400_000_000;
/// How many merchants there are.
pub const MERCHANTS: u32 = 100_000;
/// Of a hundred orders, how many are repeats of an earlier one.
const REPEATS: u64 = 2;
/// Among how many of the latest orders repeats are chosen.
const REMEMBERED: usize = 100_000;
/// Historical profits in cents, on both sides of every bound.
const PROFITS: [u64; 10] = [0, 99_999, 100_000, 100_001, 499_999, 500_000, 500_001, 3_000_000, 3_000_001, 12_345_678];

/// Numbers that look random and are the same in every run (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.throw() % bound
    }
}

/// A merchant as it is before the first order.
#[derive(Clone, Copy)]
pub struct Merchant {
    pub number: u32,
    pub guarantee_dollars: u64,
    pub profit_cents: u64,
}

impl Merchant {
    pub fn quota_cents(&self) -> u64 {
        let multiple = match self.profit_cents {
            3_000_001.. => 10,
            500_001.. => 5,
            100_001.. => 3,
            _ => 1,
        };
        self.guarantee_dollars * 100 * multiple
    }
}

/// The merchants that are brought in; one in ten of all is not, and has no guarantee.
pub fn merchants() -> Vec<Merchant> {
    let mut dice = Dice::new(0x5eed);
    let all = (0..MERCHANTS).map(|number| {
        let profit_cents = PROFITS[dice.below(PROFITS.len() as u64) as usize];
        Merchant { number, guarantee_dollars: 100 + dice.below(4_901), profit_cents }
    });
    all.filter(|merchant| merchant.number % 10 != 3).collect()
}

pub fn merchant_id(number: u32) -> String {
    format!("merchant-{number:06}")
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Order {
    pub merchant: u32,
    pub id: u128,
    pub price_cents: u64,
    pub profit_cents: u64,
    /// In microseconds since 1970.
    pub completed_at: i64,
}

impl Order {
    pub fn order_id(&self) -> String {
        format!("{:032x}", self.id)
    }
}

pub fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Makes orders: merchants by Zipf's law with exponent 1, ids at random, two of a hundred repeated.
pub struct Orders {
    dice: Dice,
    /// Sums of 1/rank.
    sums: Vec<f64>,
    latest: Vec<Order>,
    made: usize,
    now: i64,
    conflicts: bool,
}

impl Orders {
    /// With `conflicts`, half of the repeats have another price.
    #[allow(clippy::disallowed_methods, reason = "orders are completed now, and this is no engine")]
    pub fn new(seed: u64, conflicts: bool) -> Self {
        let mut sum = 0.0;
        let add = |rank| {
            sum += 1.0 / f64::from(rank);
            sum
        };
        let sums = (1..=MERCHANTS).map(add).collect();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
        Self { dice: Dice::new(seed), sums, latest: Vec::new(), made: 0, now, conflicts }
    }

    pub fn take(&mut self, count: usize) -> Vec<Order> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Repeats no order from before.
    pub fn forget(&mut self) {
        self.latest.clear();
        self.made = 0;
    }

    fn next(&mut self) -> Order {
        if !self.latest.is_empty() && self.dice.below(100) < REPEATS {
            let mut known = self.latest[self.dice.below(self.latest.len() as u64) as usize];
            if self.conflicts && self.dice.below(2) == 0 {
                known.price_cents += 1;
            }
            return known;
        }
        let order = self.new_order();
        if self.latest.len() < REMEMBERED {
            self.latest.push(order);
        } else {
            self.latest[self.made % REMEMBERED] = order;
        }
        self.made += 1;
        order
    }

    fn new_order(&mut self) -> Order {
        let dice = &mut self.dice;
        let total = self.sums[self.sums.len() - 1];
        let point = (dice.throw() >> 11) as f64 / (1_u64 << 53) as f64 * total;
        let rank = self.sums.partition_point(|sum| *sum < point) as u64;
        // Ranks are scattered, so that busy merchants are no neighbours in any table.
        let merchant = (rank * 7_919 % u64::from(MERCHANTS)) as u32;
        let price_cents = 100 + dice.below(19_901);
        let profit_cents = dice.below(price_cents + 1);
        // Most within the last minute, one in ten up to 20 hours late.
        let late = if dice.below(10) == 0 { 20 * 3_600_000_000 } else { 60_000_000 };
        let completed_at = self.now - dice.below(late) as i64;
        let id = u128::from(dice.throw()) << 64 | u128::from(dice.throw());
        Order { merchant, id, price_cents, profit_cents, completed_at }
    }
}

/// What a peer says of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub said: Said,
    /// The day number on which it settles.
    pub day: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Quick { replayed: bool },
    Standard { replayed: bool },
    Conflict,
}

impl Answer {
    pub const CONFLICT: Self = Self { said: Said::Conflict, day: 0 };

    /// Two days or seven after the day of completion.
    pub fn of(quick: bool, replayed: bool, day: i64) -> Self {
        Self { said: if quick { Said::Quick { replayed } } else { Said::Standard { replayed } }, day }
    }
}

/// The rules once more, as plainly as can be: what all peers have to agree with.
#[derive(Default)]
pub struct Model {
    quotas: HashMap<u32, u64>,
    totals: HashMap<(u32, i64), u64>,
    known: HashMap<(u32, u128), (Order, Answer)>,
    pending: HashMap<u32, BTreeMap<i64, u64>>,
}

impl Model {
    pub fn new(merchants: &[Merchant]) -> Self {
        let quotas = merchants.iter().map(|merchant| (merchant.number, merchant.quota_cents())).collect();
        Self { quotas, ..Self::default() }
    }

    pub fn classify(&mut self, order: &Order) -> Answer {
        if let Some((first, answer)) = self.known.get(&(order.merchant, order.id)) {
            let quick = matches!(answer.said, Said::Quick { .. });
            return if first == order { Answer::of(quick, true, answer.day) } else { Answer::CONFLICT };
        }
        let day = order.completed_at.div_euclid(DAY);
        let total = self.totals.entry((order.merchant, day)).or_default();
        *total += order.price_cents;
        let quick = *total <= self.quotas.get(&order.merchant).copied().unwrap_or(0);
        let answer = Answer::of(quick, false, day + if quick { 2 } else { 7 });
        self.known.insert((order.merchant, order.id), (*order, answer));
        *self.pending.entry(order.merchant).or_default().entry(answer.day).or_default() += order.profit_cents;
        answer
    }

    /// Profit that has not settled, by the day on which it will.
    pub fn pending(&self, merchant: u32) -> BTreeMap<i64, u64> {
        let pending = self.pending.get(&merchant).into_iter().flatten();
        pending.map(|(day, cents)| (*day, *cents)).filter(|(_, cents)| *cents > 0).collect()
    }
}
