//! The orders of a load, drawn before anything is sent.

use super::{
    Popularity,
    draw::{Draws, scattered},
};
use crate::{
    cli::bench::options::{Merchants, Mode, Plan},
    proto::v1::CompletedOrder,
};

/// How many digits an order's id has.
pub(super) const ID_DIGITS: usize = 16;
/// How far behind the nearest possible order a repeat may lie.
const REPEAT_WINDOW: u32 = 16_384;
/// When late orders were completed, in seconds ago: within what the published policy still takes, for some hours to come.
const LATENESS: (i64, u32) = (3_600, 19 * 3_600);
/// What orders cost, in cents.
const PRICES: (u32, u32) = (100, 19_900);

/// An order but for its id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drawn {
    merchant: u32,
    price: u32,
    profit: u32,
    completed_at: Option<i64>,
    /// The order before it that it is a repeat of.
    pub(super) repeat_of: Option<u32>,
}

impl Drawn {
    /// As it is sent, with an id that is no id yet.
    pub(super) fn order(&self) -> CompletedOrder {
        let dollars = |cents: u32| format!("{}.{:02}", cents / 100, cents % 100);
        CompletedOrder {
            merchant_id: merchant_id(self.merchant),
            order_id: "0".repeat(ID_DIGITS),
            price: dollars(self.price),
            profit: dollars(self.profit),
            completed_at: self.completed_at.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
        }
    }
}

/// The id of a merchant.
pub(super) fn merchant_id(number: u32) -> String {
    format!("m{number:07}")
}

/// Whether a merchant puts up a guarantee; every run and every part of the program finds the same.
pub(in crate::cli::bench) fn has_guarantee(merchant: u32, merchants: &Merchants) -> bool {
    !Draws::new(0, u64::from(merchant)).chance(merchants.without_guarantee)
}

/// As [`has_guarantee`], by the id; of others than ours nothing is known.
pub(in crate::cli::bench) fn guaranteed(merchant_id: &str, merchants: &Merchants) -> Option<bool> {
    let number = merchant_id.strip_prefix('m')?.parse().ok()?;
    Some(has_guarantee(number, merchants))
}

/// Orders of a connection, one after the other.
pub(super) fn draw(plan: &Plan, popularity: &Popularity, connection: u32, now: i64, count: u32) -> Vec<Drawn> {
    let mut draws = Draws::new(plan.seed, u64::from(connection) + 1);
    let nearest = nearest_repeat(plan);
    let mut drawn: Vec<Drawn> = Vec::with_capacity(count as usize);
    for at in 0..count {
        let repeated = at.checked_sub(nearest).filter(|_| draws.chance(plan.repeats)).and_then(|latest| {
            let source = latest - draws.below(REPEAT_WINDOW.min(latest) + 1).min(latest);
            let order = *drawn.get(source as usize)?;
            Some(Drawn { repeat_of: order.repeat_of.or(Some(source)), ..order })
        });
        drawn.push(repeated.unwrap_or_else(|| fresh(plan, popularity, now, &mut draws)));
    }
    drawn
}

fn fresh(plan: &Plan, popularity: &Popularity, now: i64, draws: &mut Draws) -> Drawn {
    let price = PRICES.0 + draws.below(PRICES.1);
    let late = plan.late > 0.0 && draws.chance(plan.late);
    Drawn {
        merchant: popularity.draw(draws),
        price,
        profit: price / 10,
        completed_at: late.then(|| now - LATENESS.0 - i64::from(draws.below(LATENESS.1))),
        repeat_of: None,
    }
}

/// How far behind an order its repeat comes at least: in a stream the next, since orders are decided one after the other; among calls far
/// enough that the first is answered, as a rule.
fn nearest_repeat(plan: &Plan) -> u32 {
    match (plan.mode, plan.rate) {
        (Mode::Stream, _) => 1,
        (_, None) => plan.in_flight.saturating_mul(plan.chunk).saturating_mul(4),
        (_, Some(rate)) => u32::try_from(rate / u64::from(plan.connections)).unwrap_or(u32::MAX).max(4_096),
    }
}

/// The id of an order, by its number: hexadecimal digits that look like any, and never the same for two numbers of a seed.
pub(super) fn id(key: u64, number: u64) -> [u8; ID_DIGITS] {
    let scattered = scattered(number.wrapping_add(key));
    let mut digits = [0; ID_DIGITS];
    let (high, low) = digits.split_at_mut(ID_DIGITS / 2);
    high.copy_from_slice(&hex((scattered >> 32) as u32));
    low.copy_from_slice(&hex(scattered as u32));
    digits
}

/// Eight digits at once: each half of a byte in a byte of its own, and then those from ten on moved up to the letters.
fn hex(number: u32) -> [u8; 8] {
    let spread = u64::from(number);
    let spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    let spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = (spread.wrapping_add(0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    spread.wrapping_add(0x3030_3030_3030_3030).wrapping_add(letters.wrapping_mul(0x27)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_are_those_of_format() {
        for number in [0, 1, 0x9abc_def0, 0x0123_4567, u32::MAX, 0xa0a0_0a0a] {
            assert_eq!(hex(number), format!("{number:08x}").as_bytes(), "{number:x}");
        }
    }

    #[test]
    fn merchants_are_told_by_their_id() {
        let merchants = Merchants { count: 10, zipf: None, without_guarantee: 0.5, guarantee: 1 };
        for number in [0, 9, 12_345_678] {
            assert_eq!(guaranteed(&merchant_id(number), &merchants), Some(has_guarantee(number, &merchants)));
        }
        assert_eq!(guaranteed("shop", &merchants), None);
    }
}
