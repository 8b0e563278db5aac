//! Where a merchant's money is, and where it will be.

use super::{cycle, income, merchant::count, release, state, timestamp};
use crate::{
    domain::{
        CleanRecord, Forecast, Foreseeable, Foreseen, Hold, Lifetime, Margin, MerchantId, Money, NextMultiple,
        PendingOfDay, Timestamp,
    },
    proto::v1,
};

/// The balances of a merchant.
pub fn margin(merchant: &MerchantId, margin: &Margin) -> v1::GetMarginResponse {
    let releasing: Money = margin.releasing.iter().map(|release| release.amount).sum();
    let pending_total: Money = margin.pending.iter().map(|of| of.pending.profit).sum();
    v1::GetMarginResponse {
        merchant_id: merchant.to_string(),
        as_of: Some(timestamp(margin.as_of)),
        guarantee: margin.guarantee.to_string(),
        frozen: margin.frozen.to_string(),
        gap: margin.gap.to_string(),
        gap_since: margin.gap_since.map(timestamp),
        releasing: margin.releasing.iter().map(release).collect(),
        releasing_total: releasing.to_string(),
        available: margin.available.to_string(),
        pending: margin.pending.iter().map(pending).collect(),
        pending_total: pending_total.to_string(),
        debt: margin.debt.to_string(),
        historical_profit: margin.historical_profit.to_string(),
        multiple: margin.multiple,
        next_multiple: margin.next_multiple.as_ref().map(next_multiple),
        quota: Some(quota(margin)),
        debt_since: margin.debt_since.map(timestamp),
        categories: margin.categories.iter().map(ToString::to_string).collect(),
        required_guarantee: margin.required.to_string(),
        shortfall: margin.shortfall.to_string(),
        holds: margin.holds.iter().map(hold).collect(),
        clean_record: margin.clean_record.map(|clean| clean_record(clean, margin.as_of)),
        state: state(margin.stage).into(),
        lifetime: Some(lifetime(&margin.lifetime)),
        entries: margin.entries,
    }
}

/// What comes due, and where it goes.
pub fn cash_forecast(merchant: &MerchantId, as_of: Timestamp, forecast: &Forecast) -> v1::GetCashForecastResponse {
    v1::GetCashForecastResponse {
        merchant_id: merchant.to_string(),
        as_of: Some(timestamp(as_of)),
        available: forecast.available.to_string(),
        items: forecast.items.iter().map(foreseen).collect(),
        held: forecast.held.to_string(),
    }
}

fn foreseen(item: &Foreseen) -> v1::ForecastItem {
    let kind = match item.kind {
        Foreseeable::Settlement(_) => v1::EntryKind::ProfitSettled,
        Foreseeable::Release(_) => v1::EntryKind::ReleaseCompleted,
    };
    v1::ForecastItem {
        due_at: Some(timestamp(item.due_at)),
        kind: kind.into(),
        amount: item.income.total().to_string(),
        income: Some(income(item.income)),
        available: item.available.to_string(),
    }
}

fn quota(margin: &Margin) -> v1::DayQuota {
    let quota = &margin.quota;
    v1::DayQuota {
        limit: quota.limit.to_string(),
        limit_by_frozen: quota.limit_by_frozen.to_string(),
        limit_by_guarantee: quota.limit_by_guarantee.to_string(),
        used_all: quota.used.all.to_string(),
        used_quick: quota.used.quick.to_string(),
        remaining: quota.remaining.to_string(),
        resets_at: Some(timestamp(quota.resets_at)),
        policy_version: quota.policy_version,
    }
}

fn pending(of: &PendingOfDay) -> v1::PendingSettlement {
    v1::PendingSettlement {
        settles_at: Some(timestamp(of.pending.settles_at)),
        cycle: cycle(of.pending.cycle).into(),
        completed_day: Some(timestamp(of.completed_day)),
        orders: of.pending.orders,
        profit: of.pending.profit.to_string(),
    }
}

fn next_multiple(next: &NextMultiple) -> v1::NextMultiple {
    v1::NextMultiple {
        multiple: next.tier.multiple,
        above: next.tier.above.to_string(),
        missing: next.missing.to_string(),
    }
}

fn hold(hold: &Hold) -> v1::StandingHold {
    v1::StandingHold { hold_id: hold.id.to_string(), placed_at: Some(timestamp(hold.placed_at)) }
}

/// An instant that has come stands against nothing any more.
fn clean_record(clean: CleanRecord, as_of: Timestamp) -> v1::CleanRecord {
    v1::CleanRecord {
        possible_from: Some(clean.from).filter(|from| *from > as_of).map(timestamp),
        open_appeals: count(clean.open_appeals),
    }
}

/// What came in and went out.
pub(super) fn lifetime(lifetime: &Lifetime) -> v1::Lifetime {
    v1::Lifetime {
        settled: lifetime.settled.to_string(),
        imported: lifetime.imported.to_string(),
        paid_in: lifetime.paid_in.to_string(),
        credited: lifetime.credited.to_string(),
        withdrawals_failed: lifetime.withdrawals_failed.to_string(),
        overturned: lifetime.overturned.to_string(),
        withdrawn: lifetime.withdrawn.to_string(),
        deducted: lifetime.deducted.to_string(),
        reversed: lifetime.reversed.to_string(),
        payments_returned: lifetime.payments_returned.to_string(),
        debited: lifetime.debited.to_string(),
    }
}
