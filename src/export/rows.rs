//! Rows out of facts.

use std::borrow::Cow;

use super::table::Cell;
use crate::{
    domain::{Cycle, Day, Event, Fact, Lifetime, Merchant, Money, OrderClassified, Timestamp},
    history::{Balances, Kind},
    proto::v1::EntryKind,
};

/// Where a fact stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) lsn: u64,
    /// Which of the facts of its record it is, from 0.
    pub(super) fact: u32,
    pub(super) merchant: &'a str,
    pub(super) caller: &'a str,
    pub(super) recorded_at: Timestamp,
    /// The settlement days of both clocks.
    pub(super) recorded_day: Day,
    pub(super) effective_day: Day,
}

/// The row of an order or a reversal; none for any other fact.
pub(super) fn order<'a>(place: &Place<'a>, event: &'a Event) -> Option<Vec<Cell<'a>>> {
    let none = Money::ZERO;
    let (kind, order, reason, price, profit) = match &event.fact {
        Fact::OrderClassified(order) => ("CLASSIFIED", Terms::of(order), "", order.price, order.profit),
        Fact::OrderImported(fact) => {
            let kind = if fact.settled { "IMPORTED_SETTLED" } else { "IMPORTED" };
            (kind, Terms::of(&fact.order), "", fact.order.price, fact.order.profit)
        }
        Fact::OrderReversed(fact) => {
            let terms = Terms {
                order_id: fact.order_id.as_str(),
                cycle: fact.cycle,
                completed_at: Cell::Nothing,
                day: fact.day,
                settles_at: fact.settles_at,
            };
            ("REVERSED", terms, fact.reason.as_str(), none - fact.amount, none - fact.profit)
        }
        _ => return None,
    };
    let receipt = event.fact.receipt()?;
    Some(vec![
        Cell::Integer(place.lsn),
        Cell::Integer(place.fact.into()),
        Cell::Text(place.merchant.into()),
        Cell::Text(order.order_id.into()),
        Cell::Text(kind.into()),
        event.fact.request_id().map_or(Cell::Nothing, |id| Cell::text(id.as_str())),
        Cell::Amount(price),
        Cell::Amount(profit),
        Cell::Text(if order.cycle == Cycle::Quick { "QUICK" } else { "STANDARD" }.into()),
        order.completed_at,
        Cell::Date(order.day),
        Cell::Instant(order.settles_at),
        Cell::Instant(place.recorded_at),
        Cell::Date(place.recorded_day),
        Cell::Instant(event.effective_at),
        Cell::Date(place.effective_day),
        Cell::Integer(receipt.policy_version),
        Cell::Integer(receipt.multiple.into()),
        Cell::Amount(receipt.quota),
        Cell::Amount(receipt.day_total_before),
        Cell::Amount(receipt.day_total_after),
        Cell::text(reason),
        Cell::text(place.caller),
    ])
}

/// What of an order every row about it says.
struct Terms<'a> {
    order_id: &'a str,
    cycle: Cycle,
    completed_at: Cell<'a>,
    day: Day,
    settles_at: Timestamp,
}

impl<'a> Terms<'a> {
    fn of(order: &'a OrderClassified) -> Self {
        Self {
            order_id: order.order_id.as_str(),
            cycle: order.cycle,
            completed_at: Cell::Instant(order.completed_at),
            day: order.day,
            settles_at: order.settles_at,
        }
    }
}

/// The row of any fact, which makes of one state another.
pub(super) fn entry<'a>(place: &Place<'a>, event: &'a Event, before: &State, merchant: &Merchant) -> Vec<Cell<'a>> {
    let after = State::of(merchant);
    let (flow, flow_amount) = before.flow_to(&after);
    let mut row = vec![
        Cell::Integer(place.lsn),
        Cell::Integer(place.fact.into()),
        Cell::Text(place.merchant.into()),
        Cell::Integer(merchant.facts()),
        Cell::Text(Cow::Borrowed(kind(&event.fact))),
        Cell::Amount(event.fact.amount()),
        Cell::text(flow),
        Cell::Amount(flow_amount),
        event.fact.request_id().map_or(Cell::Nothing, |id| Cell::text(id.as_str())),
        Cell::text(event.fact.subject_id()),
        Cell::text(event.fact.reference()),
        Cell::text(event.fact.text()),
        Cell::Instant(place.recorded_at),
        Cell::Date(place.recorded_day),
        Cell::Instant(event.effective_at),
        Cell::Date(place.effective_day),
        Cell::text(place.caller),
    ];
    let balances = amounts(&after.balances);
    row.extend(balances.map(Cell::Amount));
    row.extend(balances.into_iter().zip(amounts(&before.balances)).map(|(after, before)| Cell::Amount(after - before)));
    row
}

/// The kind as the API names it.
fn kind(fact: &Fact) -> &'static str {
    let name = EntryKind::try_from(i32::from(Kind::of(fact).number())).unwrap_or_default().as_str_name();
    name.strip_prefix("ENTRY_KIND_").unwrap_or(name)
}

/// What of a merchant the rows are about.
pub(super) struct State {
    balances: Balances,
    lifetime: Lifetime,
}

impl State {
    pub(super) fn of(merchant: &Merchant) -> Self {
        Self { balances: Balances::of(merchant), lifetime: merchant.lifetime().clone() }
    }

    /// Which flow of the trial balance leads from here to there, and how much; every fact is at most one.
    fn flow_to(&self, after: &Self) -> (&'static str, Money) {
        let mut changes = flows(&self.lifetime).into_iter().zip(flows(&after.lifetime));
        let changed = changes.find(|((_, before), (_, after))| before != after);
        changed.map_or(("", Money::ZERO), |((name, before), (_, after))| (name, after - before))
    }
}

fn amounts(balances: &Balances) -> [Money; 8] {
    let Balances { guarantee, frozen, gap, releasing, available, pending, debt, historical_profit } = *balances;
    [guarantee, frozen, gap, releasing, available, pending, debt, historical_profit]
}

/// The flows, as GetTrialBalance names them.
fn flows(lifetime: &Lifetime) -> [(&'static str, Money); 11] {
    let Lifetime {
        settled,
        imported,
        paid_in,
        credited,
        withdrawals_failed,
        overturned,
        withdrawn,
        deducted,
        reversed,
        payments_returned,
        debited,
    } = lifetime.clone();
    [
        ("settled", settled),
        ("imported", imported),
        ("paid_in", paid_in),
        ("credited", credited),
        ("withdrawals_failed", withdrawals_failed),
        ("overturned", overturned),
        ("withdrawn", withdrawn),
        ("deducted", deducted),
        ("reversed", reversed),
        ("payments_returned", payments_returned),
        ("debited", debited),
    ]
}
