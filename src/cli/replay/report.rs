//! What a replay came to.

use std::{fmt, ops::AddAssign, time::Duration};

use serde_json::{Value, json};

use super::server::money;
use crate::{
    cli::call::CallError,
    domain::{Money, Timestamp},
    proto::v1::{GetMarginResponse, SettlementCycle},
};

/// A number of orders and the sum of their prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    orders: u64,
    price: Money,
}

impl AddAssign<Money> for Sum {
    fn add_assign(&mut self, price: Money) {
        self.orders += 1;
        self.price += price;
    }
}

/// The answers, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    quick: Sum,
    standard: Sum,
    /// Orders that were known before.
    pub(super) replayed: u64,
    /// Guarantees that were set, known ones too.
    pub(super) guarantees: u64,
    /// Guarantees that were set before.
    pub(super) guarantees_replayed: u64,
}

impl Tally {
    /// Counts the answer for an order; false when it is neither T+2 nor T+7.
    pub(super) fn count(&mut self, cycle: SettlementCycle, price: Money) -> bool {
        match cycle {
            SettlementCycle::Quick => self.quick += price,
            SettlementCycle::Standard => self.standard += price,
            SettlementCycle::Unspecified => return false,
        }
        true
    }

    fn orders(&self) -> u64 {
        self.quick.orders + self.standard.orders
    }
}

/// The balances of all sellers, added up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Balances {
    sellers: u64,
    guarantee: Money,
    frozen: Money,
    gap: Money,
    releasing: Money,
    available: Money,
    pending: Money,
    debt: Money,
    historical_profit: Money,
}

impl Balances {
    /// Adds those of one seller.
    pub(super) fn add(&mut self, margin: &GetMarginResponse) -> Result<(), CallError> {
        self.sellers += 1;
        self.guarantee += money(&margin.guarantee, "guarantee")?;
        self.frozen += money(&margin.frozen, "frozen")?;
        self.gap += money(&margin.gap, "gap")?;
        self.releasing += money(&margin.releasing_total, "releasing_total")?;
        self.available += money(&margin.available, "available")?;
        self.pending += money(&margin.pending_total, "pending_total")?;
        self.debt += money(&margin.debt, "debt")?;
        self.historical_profit += money(&margin.historical_profit, "historical_profit")?;
        Ok(())
    }

    fn named(&self) -> [(&'static str, Money); 8] {
        [
            ("guarantee", self.guarantee),
            ("frozen", self.frozen),
            ("gap", self.gap),
            ("releasing", self.releasing),
            ("available", self.available),
            ("pending", self.pending),
            ("debt", self.debt),
            ("historical_profit", self.historical_profit),
        ]
    }
}

/// All there is to tell in the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    /// The answers.
    pub(super) tally: Tally,
    /// The balances in the end.
    pub(super) balances: Balances,
    /// Where the clock stands in the end.
    pub(super) clock: Timestamp,
    /// How long the rows took.
    pub(super) took: Duration,
}

impl Report {
    fn per_second(&self) -> u64 {
        let micros = self.took.as_micros().max(1);
        u64::try_from(u128::from(self.tally.orders()) * 1_000_000 / micros).unwrap_or(u64::MAX)
    }

    /// The report as one JSON object.
    pub(super) fn json(&self) -> Value {
        let sum = |sum: Sum| json!({ "orders": sum.orders, "price": sum.price.to_string() });
        let balances = self.balances.named().map(|(name, amount)| (name.to_owned(), amount.to_string().into()));
        json!({
            "orders": self.tally.orders(),
            "replayed": self.tally.replayed,
            "quick": sum(self.tally.quick),
            "standard": sum(self.tally.standard),
            "guarantees": self.tally.guarantees,
            "guarantees_replayed": self.tally.guarantees_replayed,
            "sellers": self.balances.sellers,
            "balances": Value::Object(balances.into_iter().collect()),
            "clock": self.clock.to_string(),
            "milliseconds": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "orders_per_second": self.per_second(),
        })
    }
}

impl fmt::Display for Report {
    /// As a table for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { quick, standard, replayed, guarantees, guarantees_replayed } = self.tally;
        let price = quick.price + standard.price;
        writeln!(f, "{:<20}{:>10}{:>22}", "", "orders", "price")?;
        writeln!(f, "{:<20}{:>10}{:>22}", "T+2", quick.orders, quick.price.to_string())?;
        writeln!(f, "{:<20}{:>10}{:>22}", "T+7", standard.orders, standard.price.to_string())?;
        writeln!(f, "{:<20}{:>10}{:>22}", "all", self.tally.orders(), price.to_string())?;
        writeln!(f, "{:<20}{replayed:>10}\n", "known before")?;
        if guarantees > 0 {
            writeln!(f, "{:<20}{guarantees:>10}", "guarantees set")?;
            writeln!(f, "{:<20}{guarantees_replayed:>10}\n", "known before")?;
        }
        writeln!(f, "{} sellers, all together at {}", self.balances.sellers, self.clock)?;
        for (name, amount) in self.balances.named() {
            writeln!(f, "{:<30}{:>22}", name.replace('_', " "), amount.to_string())?;
        }
        writeln!(f, "\n{} orders/s in {:.1} s", self.per_second(), self.took.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut tally = Tally { replayed: 1, guarantees: 1, ..Tally::default() };
        assert!(tally.count(SettlementCycle::Quick, Money::from_cents(6_001)));
        assert!(tally.count(SettlementCycle::Standard, Money::from_dollars(50)));
        assert!(!tally.count(SettlementCycle::Unspecified, Money::CENT));
        let nothing = || "0.00".to_owned();
        let margin = GetMarginResponse {
            guarantee: "100.00".into(),
            frozen: nothing(),
            gap: "100.00".into(),
            releasing_total: nothing(),
            available: nothing(),
            pending_total: "110.01".into(),
            debt: nothing(),
            historical_profit: nothing(),
            ..GetMarginResponse::default()
        };
        let mut balances = Balances::default();
        balances.add(&margin).unwrap();
        Report { tally, balances, clock: Timestamp::from_micros(0), took: Duration::from_millis(500) }
    }

    #[test]
    fn a_report_is_a_table() {
        let table = report().to_string();
        for line in [
            "                        orders                 price",
            "T+2                          1                 60.01",
            "T+7                          1                 50.00",
            "all                          2                110.01",
            "known before                 1",
            "1 sellers, all together at 1970-01-01T00:00:00Z",
            "pending                                       110.01",
            "historical profit                               0.00",
            "4 orders/s in 0.5 s",
        ] {
            assert!(table.lines().any(|found| found == line), "{line:?} in\n{table}");
        }
    }

    #[test]
    fn a_report_is_a_json_object() {
        assert_eq!(
            report().json().to_string(),
            r#"{"orders":2,"replayed":1,"quick":{"orders":1,"price":"60.01"},"standard":{"orders":1,"price":"50.00"},"guarantees":1,"guarantees_replayed":0,"sellers":1,"balances":{"guarantee":"100.00","frozen":"0.00","gap":"100.00","releasing":"0.00","available":"0.00","pending":"110.01","debt":"0.00","historical_profit":"0.00"},"clock":"1970-01-01T00:00:00Z","milliseconds":500,"orders_per_second":4}"#
        );
    }

    #[test]
    fn an_answer_without_an_amount_is_named() {
        let error = Balances::default().add(&GetMarginResponse::default()).unwrap_err();
        assert_eq!(error.to_string(), "the answer has no usable guarantee");
    }
}
