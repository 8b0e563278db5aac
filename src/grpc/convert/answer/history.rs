//! What was, as the API shows it.

use super::{cycle, dispute::split, income, margin::lifetime, receipt, release, timestamp};
use crate::{
    domain::{
        AppealOutcome, Beneficiary, DeductionReason, Disputed, Fact, MarginDeducted, MerchantId, Money,
        OrderClassified, Release, Standing, Timestamp, Warning,
    },
    history::{Balances, DaySums, Entry, Found, Position, ReleaseEnd, ReleaseRow, Sums, Told},
    proto::v1,
};

/// A margin entry.
pub fn entry(entry: &Entry) -> v1::MarginEntry {
    let fact = &entry.event.fact;
    v1::MarginEntry {
        merchant_id: entry.merchant.to_string(),
        number: entry.number,
        kind: i32::from(entry.kind().number()),
        amount: fact.amount().to_string(),
        balances: Some(balances(&entry.balances)),
        recorded_at: Some(timestamp(entry.recorded_at)),
        effective_at: Some(timestamp(entry.event.effective_at)),
        request_id: fact.request_id().map(ToString::to_string).unwrap_or_default(),
        subject_id: fact.subject_id(),
        text: fact.text().to_owned(),
        caller: entry.caller.clone(),
        position: entry.position().to_string(),
        receipt: fact.receipt().map(receipt),
        reference: fact.reference().to_owned(),
        split: deduction_of(fact).map(|fact| split(fact.split)),
        refilled: deduction_of(fact).map(|fact| fact.refilled.to_string()).unwrap_or_default(),
        warning: warning(fact).into(),
    }
}

const fn deduction_of(fact: &Fact) -> Option<&MarginDeducted> {
    match fact {
        Fact::MarginDeducted(fact) => Some(fact),
        _ => None,
    }
}

fn warning(fact: &Fact) -> v1::WarningKind {
    match fact {
        Fact::WarningRaised(fact) => match fact.warning {
            Warning::Gap { .. } => v1::WarningKind::Gap,
            Warning::Debt { .. } => v1::WarningKind::Debt,
            Warning::QuotaUse { .. } => v1::WarningKind::QuotaUse,
        },
        _ => v1::WarningKind::Unspecified,
    }
}

fn balances(balances: &Balances) -> v1::Balances {
    v1::Balances {
        guarantee: balances.guarantee.to_string(),
        frozen: balances.frozen.to_string(),
        gap: balances.gap.to_string(),
        releasing: balances.releasing.to_string(),
        available: balances.available.to_string(),
        pending: balances.pending.to_string(),
        debt: balances.debt.to_string(),
        historical_profit: balances.historical_profit.to_string(),
    }
}

/// An order and what became of it by an instant; none if it is no order.
pub fn order(found: &Found, now: Timestamp) -> Option<v1::Order> {
    let (order, imported, settled): (&OrderClassified, bool, bool) = match &found.entry.event.fact {
        Fact::OrderClassified(order) => (order, false, false),
        Fact::OrderImported(fact) => (&fact.order, true, fact.settled),
        _ => return None,
    };
    let (reversed, profit_reversed) = match found.standing {
        Standing::Reversed { amount, profit } => (amount, profit),
        _ => (Money::ZERO, Money::ZERO),
    };
    let state = if reversed == order.price {
        v1::OrderState::Reversed
    } else if settled || order.settles_at <= now {
        v1::OrderState::Settled
    } else {
        v1::OrderState::Pending
    };
    Some(v1::Order {
        merchant_id: found.entry.merchant.to_string(),
        order_id: order.order_id.to_string(),
        price: order.price.to_string(),
        profit: order.profit.to_string(),
        completed_at: Some(timestamp(order.completed_at)),
        cycle: cycle(order.cycle).into(),
        settles_at: Some(timestamp(order.settles_at)),
        state: state.into(),
        reversed: reversed.to_string(),
        profit_reversed: profit_reversed.to_string(),
        imported,
        receipt: Some(receipt(&order.receipt)),
        recorded_at: Some(timestamp(found.entry.recorded_at)),
        entry: found.entry.number,
    })
}

/// A deduction and how it stands; `outcome` is that of its appeal, if that is resolved. None if it is no deduction.
pub fn deduction(found: &Found, outcome: Option<AppealOutcome>) -> Option<v1::Deduction> {
    let Fact::MarginDeducted(fact) = &found.entry.event.fact else { return None };
    Some(v1::Deduction {
        merchant_id: found.entry.merchant.to_string(),
        deduction_id: fact.request_id.to_string(),
        amount: fact.split.total().to_string(),
        overturned: overturned(found.standing).to_string(),
        reason: deduction_reason(fact.reason).into(),
        reference: Some(match &fact.disputed {
            Disputed::Order(order_id) => v1::deduction::Reference::OrderId(order_id.to_string()),
            Disputed::Dispute(dispute) => v1::deduction::Reference::Dispute(dispute.to_string()),
        }),
        beneficiary: beneficiary(fact.beneficiary).into(),
        note: fact.note.to_string(),
        split: Some(split(fact.split)),
        refilled: fact.refilled.to_string(),
        deducted_at: Some(timestamp(found.entry.event.effective_at)),
        appeal_until: Some(timestamp(fact.appeal_until)),
        appeal: appeal_state(found.standing, outcome).into(),
        entry: found.entry.number,
    })
}

/// An appeal: what opened it, what it is about, and what resolved it.
pub fn appeal(opened: &Entry, deduction: &Found, resolved: Option<&Entry>) -> Option<v1::Appeal> {
    let (Fact::AppealOpened(fact), Fact::MarginDeducted(deducted)) = (&opened.event.fact, &deduction.entry.event.fact)
    else {
        return None;
    };
    let resolution = resolved.and_then(|entry| match &entry.event.fact {
        Fact::AppealResolved(fact) => Some((entry.event.effective_at, fact)),
        _ => None,
    });
    Some(v1::Appeal {
        merchant_id: opened.merchant.to_string(),
        deduction_id: fact.deduction_id.to_string(),
        state: appeal_state(deduction.standing, resolution.map(|(_, fact)| fact.outcome)).into(),
        statement: fact.statement.to_string(),
        opened_at: Some(timestamp(opened.event.effective_at)),
        resolved_at: resolution.map(|(at, _)| timestamp(at)),
        reason: resolution.map(|(_, fact)| fact.reason.to_string()).unwrap_or_default(),
        deducted: deducted.split.total().to_string(),
        overturned: overturned(deduction.standing).to_string(),
    })
}

const fn overturned(standing: Standing) -> Money {
    match standing {
        Standing::Resolved { overturned } => overturned,
        _ => Money::ZERO,
    }
}

const fn appeal_state(standing: Standing, outcome: Option<AppealOutcome>) -> v1::AppealState {
    match (standing, outcome) {
        (Standing::Appealed, _) => v1::AppealState::Open,
        (Standing::Resolved { .. }, Some(AppealOutcome::Overturned)) => v1::AppealState::Overturned,
        (Standing::Resolved { .. }, _) => v1::AppealState::Upheld,
        _ => v1::AppealState::Unspecified,
    }
}

pub(super) const fn deduction_reason(reason: DeductionReason) -> v1::DeductionReason {
    match reason {
        DeductionReason::Fraud => v1::DeductionReason::Fraud,
        DeductionReason::LateDelivery => v1::DeductionReason::LateDelivery,
        DeductionReason::LowQuality => v1::DeductionReason::LowQuality,
        DeductionReason::IntellectualProperty => v1::DeductionReason::IntellectualProperty,
        DeductionReason::DisputeCompensation => v1::DeductionReason::DisputeCompensation,
        DeductionReason::Other => v1::DeductionReason::Other,
    }
}

pub(super) const fn beneficiary(beneficiary: Beneficiary) -> v1::Beneficiary {
    match beneficiary {
        Beneficiary::Buyer => v1::Beneficiary::Buyer,
        Beneficiary::Platform => v1::Beneficiary::Platform,
    }
}

/// A hold, and what lifted it.
pub fn hold(placed: &Entry, lifted: Option<&Entry>) -> Option<v1::Hold> {
    let Fact::HoldPlaced(fact) = &placed.event.fact else { return None };
    let lifting = lifted.and_then(|entry| match &entry.event.fact {
        Fact::HoldLifted(fact) => Some((entry.event.effective_at, fact.reason.to_string())),
        _ => None,
    });
    let (lifted_at, lift_reason) = lifting.unzip();
    Some(v1::Hold {
        merchant_id: placed.merchant.to_string(),
        hold_id: fact.request_id.to_string(),
        reason: fact.reason.to_string(),
        placed_at: Some(timestamp(placed.event.effective_at)),
        lifted_at: lifted_at.map(timestamp),
        lift_reason: lift_reason.unwrap_or_default(),
    })
}

/// A release and what became of it.
pub fn release_status(row: &ReleaseRow, now: Timestamp) -> v1::ReleaseStatus {
    let ReleaseRow { number, left, created_at, due_at, .. } = *row;
    let ended_at = row.end.map(|end| match end {
        ReleaseEnd::Completed(at) | ReleaseEnd::Taken(at) => at,
    });
    v1::ReleaseStatus {
        release: Some(release(&Release { number, amount: left, created_at, due_at })),
        original_amount: row.original.to_string(),
        state: release_state(row).into(),
        held: row.end.is_none() && due_at <= now,
        ended_at: ended_at.map(timestamp),
        entry: row.created_by,
    }
}

/// How a release stands.
pub const fn release_state(row: &ReleaseRow) -> v1::ReleaseState {
    match row.end {
        None => v1::ReleaseState::Open,
        Some(ReleaseEnd::Completed(_)) => v1::ReleaseState::Completed,
        Some(ReleaseEnd::Taken(_)) => v1::ReleaseState::Taken,
    }
}

/// A line of a settlement statement; none if the entry is no settlement. `completed_day` is when the day of completion began.
pub fn statement_line(entry: &Entry, completed_day: Timestamp) -> Option<v1::StatementLine> {
    let Fact::ProfitSettled(fact) = &entry.event.fact else { return None };
    Some(v1::StatementLine {
        cycle: cycle(fact.cycle).into(),
        completed_day: Some(timestamp(completed_day)),
        orders: fact.orders,
        profit: fact.income.total().to_string(),
        income: Some(income(fact.income)),
        settled_at: Some(timestamp(entry.event.effective_at)),
        entry: entry.number,
    })
}

/// All merchants added up for a day.
pub fn trial_balance(day: String, sums: &DaySums) -> v1::GetTrialBalanceResponse {
    let closing = &sums.closing;
    let difference = closing.lifetime.came_in() - closing.lifetime.went_out() - held(closing);
    v1::GetTrialBalanceResponse {
        day,
        merchants: u64::try_from(closing.merchants).unwrap_or_default(),
        opening: Some(totals(&sums.opening)),
        flows: Some(lifetime(&sums.change.lifetime)),
        closing: Some(totals(closing)),
        flows_to_date: Some(lifetime(&closing.lifetime)),
        difference: difference.to_string(),
    }
}

fn held(sums: &Sums) -> Money {
    let Balances { frozen, releasing, available, debt, .. } = sums.balances;
    frozen + releasing + available - debt
}

fn totals(sums: &Sums) -> v1::BalanceTotals {
    v1::BalanceTotals {
        frozen: sums.balances.frozen.to_string(),
        releasing: sums.balances.releasing.to_string(),
        available: sums.balances.available.to_string(),
        debt: sums.balances.debt.to_string(),
        held: held(sums).to_string(),
        pending: sums.balances.pending.to_string(),
    }
}

/// Something that was told to a watcher.
pub fn told(told: &Told) -> v1::WatchEventsResponse {
    use v1::watch_events_response::Event;
    let (recorded_at, event) = match told {
        Told::Entry(it) => (it.recorded_at, Event::Entry(entry(it))),
        Told::Policy(it) => (it.recorded_at, Event::Policy(super::policy_version(&it.policy))),
    };
    v1::WatchEventsResponse {
        position: told.position().to_string(),
        event: Some(event),
        recorded_at: Some(timestamp(recorded_at)),
    }
}

/// That a watcher has seen everything up to a position.
pub fn nothing_more(at: Position, now: Timestamp) -> v1::WatchEventsResponse {
    v1::WatchEventsResponse { position: at.to_string(), event: None, recorded_at: Some(timestamp(now)) }
}

/// What is at risk of a merchant, or of all: what was settled quickly, what stands behind it, and what of it is uncovered.
pub fn exposure(quick_settled: Money, covered_by: Money, uncovered: Money) -> v1::Exposure {
    v1::Exposure {
        quick_settled: quick_settled.to_string(),
        covered_by: covered_by.to_string(),
        uncovered: uncovered.to_string(),
    }
}

/// The exposure of one merchant.
pub fn merchant_exposure(merchant: &MerchantId, exposure: v1::Exposure) -> v1::MerchantExposure {
    v1::MerchantExposure { merchant_id: merchant.to_string(), exposure: Some(exposure) }
}
