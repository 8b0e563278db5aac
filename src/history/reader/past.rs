//! The state of the past: of one merchant, and of all.

use std::collections::BTreeMap;

use prost::Message as _;

use super::Reader;
use crate::{
    domain::{Day, Merchant, MerchantId, Money, Timestamp},
    history::{
        Clock, DaySums, Entry, HistoryError, Order, Sums,
        keys::{self, Number},
        rows, states,
    },
    journal::Lsn,
    proto::journal::HistoryDay,
};

impl Reader {
    /// The merchant as the facts leave it that count from, or were recorded at, this instant or before. What was due by then and
    /// recorded later is not applied. None before it was opened.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn as_of(&self, merchant: &MerchantId, clock: Clock, at: Timestamp) -> Result<Option<Merchant>, HistoryError> {
        self.read(|view| {
            let Some(of) = view.number(merchant)? else { return Ok(None) };
            let after = Timestamp::from_micros(at.micros().saturating_add(1));
            match view.first_from(of, clock, after)? - 1 {
                0 => Ok(None),
                facts => states::after(&view.rows, of, facts).map(Some),
            }
        })
    }

    /// A settlement day over all merchants.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn day(&self, clock: Clock, day: Day) -> Result<DaySums, HistoryError> {
        self.read(|view| {
            let mut sums = DaySums::default();
            for row in view.rows.range(keys::day(clock, Day(i32::MIN)), keys::day(clock, day)) {
                let (key, row) = row.into_inner()?;
                let change = Sums::decode(HistoryDay::decode(&*row)?)?;
                if *key == keys::day(clock, day) {
                    sums.change = change;
                } else {
                    sums.opening.add(&change);
                }
            }
            sums.closing = sums.opening.clone();
            sums.closing.add(&sums.change);
            Ok(sums)
        })
    }

    /// The profit that settled on T+2, here or before an import, for orders completed on this settlement day or later, less what was
    /// reversed after settlement: of one merchant or of all. Without those for whom it is nothing, by id.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn quick_settled(
        &self,
        from_day: Day,
        merchant: Option<&MerchantId>,
    ) -> Result<Vec<(MerchantId, Money)>, HistoryError> {
        self.read(|view| {
            let only = match merchant.map(|merchant| view.number(merchant)).transpose()? {
                Some(None) => return Ok(vec![]),
                Some(only) => only,
                None => None,
            };
            let mut sums = BTreeMap::<Number, Money>::new();
            let first = keys::quick(from_day, 0, Lsn::ZERO);
            for row in view.rows.range(first, keys::quick(Day(i32::MAX), Number::MAX, Lsn::new(u64::MAX))) {
                let (key, row) = row.into_inner()?;
                let of = keys::quick_merchant(&key)?;
                if only.is_none_or(|only| only == of) {
                    *sums.entry(of).or_default() += rows::decode_amount(&row)?;
                }
            }
            sums.retain(|_, sum| !sum.is_zero());
            let named = sums.into_iter().map(|(of, sum)| Ok((view.merchant(of)?, sum)));
            let mut named: Vec<_> = named.collect::<Result<_, HistoryError>>()?;
            named.sort();
            Ok(named)
        })
    }

    /// Hands over all facts of a merchant, in order, until `visit` answers false.
    ///
    /// # Errors
    /// See [`Reader`].
    pub fn facts(&self, merchant: &MerchantId, visit: &mut dyn FnMut(&Entry) -> bool) -> Result<(), HistoryError> {
        self.read(|view| {
            let Some(of) = view.number(merchant)? else { return Ok(()) };
            view.scan(of, (1, u64::MAX), Order::OldestFirst, &mut |line| Ok(visit(&line.entry(merchant)?)))
        })
    }
}
