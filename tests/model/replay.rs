//! Sends a file of order lines through the model, and makes such files up.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::answers::ModelAnswer;
use super::api::{ClassifyRequest, Cycle, ModelRefusal, ModifyRequest};
use super::merchant::ModelMerchant;
use super::plain::{SECOND, cents, instant, money};
use super::{Model, ModelPolicy};

pub const HEADER: &str = "order_id,line,seller_id,completed_at,price";

/// What a replay gave. Amounts as texts with two decimals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayReport {
    pub lines: u64,
    pub sellers: u64,
    pub quick: Tally,
    pub standard: Tally,
    pub refused: BTreeMap<ModelRefusal, u64>,
    /// The completion time of the last line at the latest: time is not moved on after it.
    pub now: i64,
    pub balances: Balances,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub orders: u64,
    pub price: String,
}

/// Summed over all merchants, with everything due by now applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balances {
    pub guarantee: String,
    pub frozen: String,
    pub gap: String,
    pub releasing: String,
    pub available: String,
    pub pending: String,
    pub debt: String,
    pub historical_profit: String,
}

/// Reads order lines and classifies each: the clock follows the completion times, never backwards; each seller gets the
/// guarantee (in dollars, if above 0) just before its first line; the order id is `order_id:line`, the profit the price.
/// Gives the model as well, to look into or to move on.
pub fn replay(csv: &str, guarantee: u64, policy: ModelPolicy) -> (Model, ReplayReport) {
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some(HEADER), "the columns are others than expected");
    let mut model = Model::new(policy, i64::MIN / 2);
    let (mut count, mut refused) = (0, BTreeMap::new());
    let (mut quick, mut standard) = ((0, 0), (0, 0));
    for line in lines {
        let [order, number, seller, completed_at, price] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("not five columns: {line}");
        };
        let completed_at = instant(completed_at);
        model.advance(completed_at.max(model.now));
        if guarantee > 0 && !model.merchants.contains_key(seller) {
            model.modify_guarantee(&ModifyRequest::new(seller, "guarantee", guarantee)).expect("the first guarantee");
        }
        let request = ClassifyRequest::new(seller, &format!("{order}:{number}"), price).completed_at(completed_at);
        count += 1;
        match model.classify(&request) {
            Ok(ModelAnswer::Classified(answer)) => {
                assert!(!answer.replayed, "a line occurs twice: {line}");
                let tally = if answer.cycle == Cycle::Quick { &mut quick } else { &mut standard };
                tally.0 += 1;
                tally.1 += cents(price).unwrap();
            }
            Ok(other) => panic!("no answer for an order: {other:?}"),
            Err(refusal) => *refused.entry(refusal).or_default() += 1,
        }
    }
    model.check_invariants();
    let report = ReplayReport {
        lines: count,
        sellers: model.merchants.len() as u64,
        quick: Tally { orders: quick.0, price: money(quick.1) },
        standard: Tally { orders: standard.0, price: money(standard.1) },
        refused,
        now: model.now,
        balances: balances(&model),
    };
    (model, report)
}

pub fn balances(model: &Model) -> Balances {
    let all: Vec<ModelMerchant> = model.merchants.keys().map(|id| model.peek(id)).collect();
    let sum = |amount: fn(&ModelMerchant) -> i128| money(all.iter().map(amount).sum());
    Balances {
        guarantee: sum(|merchant| merchant.guarantee),
        frozen: sum(|merchant| merchant.frozen),
        gap: sum(ModelMerchant::gap),
        releasing: sum(ModelMerchant::releasing),
        available: sum(|merchant| merchant.available),
        pending: sum(ModelMerchant::pending_profit),
        debt: sum(|merchant| merchant.debt),
        historical_profit: sum(ModelMerchant::historical_profit),
    }
}

/// Makes up order lines: some sellers sell much and most little, prices from 0.01 to about 500, now and then a line that
/// is out of order by up to a day. The same seed gives the same lines.
pub fn synthetic_csv(lines: u64, sellers: u64, seed: u64) -> String {
    let mut state = seed;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut text = format!("{HEADER}\n");
    let mut time = instant("2024-02-20T08:00:00Z") / SECOND;
    for line in 0..lines {
        time += random(1_800) as i64;
        let late = if random(20) == 0 { random(86_400) as i64 } else { 0 };
        let most = random(sellers) + 1;
        let seller = random(most);
        let price = random(500_00) * random(100) / 100 + 1;
        let (order, number) = (line / 2, line % 2 + 1);
        let completed_at = written((time - late) * SECOND);
        writeln!(text, "o{order},{number},s{seller},{completed_at},{}", money(i128::from(price))).unwrap();
    }
    text
}

/// Writes an instant of 2024 or later as `2024-02-20T08:00:00Z`: tries the dates one after another.
pub fn written(at: i64) -> String {
    for year in 2024..2100 {
        if instant(&format!("{}-01-01T00:00:00Z", year + 1)) <= at {
            continue;
        }
        let month = (1..=12).rev().find(|month| instant(&format!("{year}-{month:02}-01T00:00:00Z")) <= at).unwrap();
        let seconds = (at - instant(&format!("{year}-{month:02}-01T00:00:00Z"))) / SECOND;
        let (day, hour, minute) = (seconds / 86_400 + 1, seconds / 3_600 % 24, seconds / 60 % 60);
        return format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", seconds % 60);
    }
    panic!("too far in the future: {at}");
}
