//! A classified order within a row of facts: most of it follows from the order before.

use super::{
    bytes::{Rest, put, put_bytes, put_signed, too_large},
    facts::later,
};
use crate::{
    domain::{Cycle, Day, Money, OrderClassified, OrderId, Receipt, Timestamp},
    history::HistoryError,
};

/// What differs from what could be expected.
mod differs {
    /// It was completed at another time than that from which it counts.
    pub(super) const COMPLETED: u16 = 1;
    pub(super) const DAY: u16 = 1 << 1;
    /// Orders of its cycle settle at another time than the one before.
    pub(super) const SETTLES: u16 = 1 << 2;
    pub(super) const POLICY: u16 = 1 << 3;
    pub(super) const MULTIPLE: u16 = 1 << 4;
    pub(super) const QUOTA: u16 = 1 << 5;
    /// The total of the day is not what the order before left.
    pub(super) const TOTAL: u16 = 1 << 6;
    /// The price did not count.
    pub(super) const UNCOUNTED: u16 = 1 << 7;
    /// The total grew by something else than the price or nothing.
    pub(super) const COUNTED: u16 = 1 << 8;
    pub(super) const RESETS: u16 = 1 << 9;
    /// The merchant earns something else than the price.
    pub(super) const PROFIT: u16 = 1 << 10;
    /// It settles on T+7.
    pub(super) const STANDARD: u16 = 1 << 11;
}

/// What the next order is compared with.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    day: i32,
    quick_settles_at: i64,
    standard_settles_at: i64,
    policy_version: u64,
    multiple: u32,
    quota: i128,
    total: i128,
    resets_at: i64,
}

/// An order as it was read, its id still within the row.
#[derive(Clone, Debug)]
pub(super) struct Order<'a> {
    id: &'a str,
    price: i128,
    profit: i128,
    completed_at: i64,
    cycle: Cycle,
    settles_at: i64,
    total_before: i128,
    after: Before,
}

/// The bit, where two things differ.
fn mark<T: PartialEq>(bit: u16, a: T, b: T) -> u16 {
    if a == b { 0 } else { bit }
}

impl Before {
    fn settles_at(&mut self, cycle: Cycle) -> &mut i64 {
        match cycle {
            Cycle::Quick => &mut self.quick_settles_at,
            Cycle::Standard => &mut self.standard_settles_at,
        }
    }

    /// Adds an order to a row.
    pub(super) fn put(&mut self, row: &mut Vec<u8>, effective_at: i64, order: &OrderClassified) {
        let (price, profit, receipt) = (order.price.cents(), order.profit.cents(), &order.receipt);
        let (quota, total, after) =
            (receipt.quota.cents(), receipt.day_total_before.cents(), receipt.day_total_after.cents());
        let (completed_at, settles_at) = (order.completed_at.micros(), order.settles_at.micros());
        let resets_at = receipt.resets_at.micros();
        let counted = after.wrapping_sub(total);
        let settled_before = *self.settles_at(order.cycle);
        let mut mask = mark(differs::COMPLETED, completed_at, effective_at)
            | mark(differs::DAY, order.day.0, self.day)
            | mark(differs::SETTLES, settles_at, settled_before)
            | mark(differs::POLICY, receipt.policy_version, self.policy_version)
            | mark(differs::MULTIPLE, receipt.multiple, self.multiple)
            | mark(differs::QUOTA, quota, self.quota)
            | mark(differs::TOTAL, total, self.total)
            | mark(differs::RESETS, resets_at, self.resets_at)
            | mark(differs::PROFIT, profit, price)
            | mark(differs::STANDARD, order.cycle, Cycle::Quick);
        if counted == 0 {
            mask |= differs::UNCOUNTED;
        } else if counted != price {
            mask |= differs::COUNTED;
        }
        row.extend_from_slice(&mask.to_le_bytes());
        put_bytes(row, order.order_id.as_str().as_bytes());
        put_signed(row, price);
        let difference = |a: i64, b: i64| i128::from(a) - i128::from(b);
        let parts = [
            (differs::COMPLETED, difference(completed_at, effective_at)),
            (differs::DAY, difference(order.day.0.into(), self.day.into())),
            (differs::SETTLES, difference(settles_at, settled_before)),
            (differs::MULTIPLE, difference(receipt.multiple.into(), self.multiple.into())),
            (differs::QUOTA, quota.wrapping_sub(self.quota)),
            (differs::TOTAL, total.wrapping_sub(self.total)),
            (differs::COUNTED, counted),
            (differs::RESETS, difference(resets_at, self.resets_at)),
            (differs::PROFIT, profit),
        ];
        parts.iter().filter(|(bit, _)| mask & bit != 0).for_each(|(_, part)| put_signed(row, *part));
        if mask & differs::POLICY != 0 {
            put(row, receipt.policy_version);
        }
        *self.settles_at(order.cycle) = settles_at;
        (self.day, self.policy_version, self.multiple) = (order.day.0, receipt.policy_version, receipt.multiple);
        (self.quota, self.total, self.resets_at) = (quota, after, resets_at);
    }

    /// Reads the next order of a row.
    pub(super) fn take<'a>(&mut self, rest: &mut Rest<'a>, effective_at: i64) -> Result<Order<'a>, HistoryError> {
        let mask = u16::from_le_bytes([rest.byte()?, rest.byte()?]);
        let (id, price) = (rest.text()?, rest.signed()?);
        let mut part = |bit: u16| if mask & bit == 0 { Ok(0) } else { rest.signed() };
        let cycle = if mask & differs::STANDARD == 0 { Cycle::Quick } else { Cycle::Standard };
        let completed_at = later(effective_at, part(differs::COMPLETED)?)?;
        self.day = narrow(part(differs::DAY)?.wrapping_add(self.day.into()))?;
        let settles_at = later(*self.settles_at(cycle), part(differs::SETTLES)?)?;
        *self.settles_at(cycle) = settles_at;
        self.multiple = narrow(part(differs::MULTIPLE)?.wrapping_add(self.multiple.into()))?;
        self.quota = self.quota.wrapping_add(part(differs::QUOTA)?);
        let total_before = self.total.wrapping_add(part(differs::TOTAL)?);
        let counted = part(differs::COUNTED)?;
        self.total = total_before.wrapping_add(match mask & (differs::UNCOUNTED | differs::COUNTED) {
            0 => price,
            _ => counted,
        });
        self.resets_at = later(self.resets_at, part(differs::RESETS)?)?;
        let profit = if mask & differs::PROFIT == 0 { price } else { part(differs::PROFIT)? };
        if mask & differs::POLICY != 0 {
            self.policy_version = rest.number()?;
        }
        Ok(Order { id, price, profit, completed_at, cycle, settles_at, total_before, after: self.clone() })
    }
}

fn narrow<T: TryFrom<i128>>(number: i128) -> Result<T, HistoryError> {
    T::try_from(number).map_err(|_| too_large())
}

impl TryFrom<&Order<'_>> for OrderClassified {
    type Error = HistoryError;

    fn try_from(order: &Order<'_>) -> Result<Self, HistoryError> {
        let after = &order.after;
        Ok(Self {
            order_id: OrderId::parse(order.id).map_err(|_| HistoryError::damaged("an order whose id is none"))?,
            price: Money::from_cents(order.price),
            profit: Money::from_cents(order.profit),
            completed_at: Timestamp::from_micros(order.completed_at),
            day: Day(after.day),
            cycle: order.cycle,
            settles_at: Timestamp::from_micros(order.settles_at),
            receipt: Receipt {
                policy_version: after.policy_version,
                multiple: after.multiple,
                quota: Money::from_cents(after.quota),
                day_total_before: Money::from_cents(order.total_before),
                day_total_after: Money::from_cents(after.total),
                resets_at: Timestamp::from_micros(after.resets_at),
            },
        })
    }
}
