//! Facts and balances to answers.

use crate::{
    clock::Mode,
    domain::{
        Cycle, GuaranteeModified, Margin, MerchantId, MerchantImported, NextMultiple, OrderClassified, PendingOfDay,
        Receipt, Release, Timestamp,
    },
    engine::Answer,
    proto::v1,
};

/// The answer for an order.
pub fn order_classified(answer: &Answer<OrderClassified>) -> v1::ClassifyOrderResponse {
    let fact = &answer.fact;
    v1::ClassifyOrderResponse {
        cycle: cycle(fact.cycle).into(),
        settles_at: Some(timestamp(fact.settles_at)),
        completed_at: Some(timestamp(fact.completed_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
    }
}

/// What a change of the guarantee did.
pub fn guarantee_modified(answer: &Answer<GuaranteeModified>) -> v1::ModifyGuaranteeResponse {
    let fact = &answer.fact.change;
    let release = (!fact.released.is_zero()).then(|| v1::Release {
        amount: fact.released.to_string(),
        created_at: Some(timestamp(answer.effective_at)),
        due_at: Some(timestamp(fact.release_due_at)),
        number: fact.release_number,
    });
    v1::ModifyGuaranteeResponse {
        guarantee: fact.guarantee.to_string(),
        previous_guarantee: fact.previous.to_string(),
        frozen: fact.frozen.to_string(),
        gap: fact.guarantee.less_at_most(fact.frozen).to_string(),
        available: fact.available.to_string(),
        taken_from_releasing: fact.from_releasing.to_string(),
        taken_from_available: fact.from_available.to_string(),
        release,
        modified_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&answer.fact.receipt)),
    }
}

/// What was imported.
pub fn merchant_imported(answer: &Answer<MerchantImported>) -> v1::ImportMerchantResponse {
    let fact = &answer.fact;
    v1::ImportMerchantResponse {
        historical_profit: fact.historical_profit.to_string(),
        available: fact.available.to_string(),
        multiple: fact.receipt.multiple,
        policy_version: fact.receipt.policy_version,
        imported_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        ..Default::default()
    }
}

/// The balances of a merchant.
pub fn margin(merchant: &MerchantId, margin: &Margin) -> v1::GetMarginResponse {
    v1::GetMarginResponse {
        merchant_id: merchant.to_string(),
        as_of: Some(timestamp(margin.as_of)),
        guarantee: margin.guarantee.to_string(),
        frozen: margin.frozen.to_string(),
        gap: margin.gap.to_string(),
        gap_since: margin.gap_since.map(timestamp),
        releasing: margin.releasing.iter().map(release).collect(),
        releasing_total: margin
            .releasing
            .iter()
            .map(|release| release.amount)
            .sum::<crate::domain::Money>()
            .to_string(),
        available: margin.available.to_string(),
        pending: margin.pending.iter().map(pending).collect(),
        pending_total: margin.pending.iter().map(|of| of.pending.profit).sum::<crate::domain::Money>().to_string(),
        debt: margin.debt.to_string(),
        historical_profit: margin.historical_profit.to_string(),
        multiple: margin.multiple,
        next_multiple: margin.next_multiple.as_ref().map(next_multiple),
        quota: Some(quota(margin)),
        ..Default::default()
    }
}

/// The engine's time.
pub fn clock(now: Timestamp, mode: Mode) -> v1::GetClockResponse {
    let mode = match mode {
        Mode::System => v1::ClockMode::System,
        Mode::Manual => v1::ClockMode::Manual,
    };
    v1::GetClockResponse { now: Some(timestamp(now)), mode: mode.into() }
}

/// The engine's time after a move.
pub fn clock_advanced(now: Timestamp) -> v1::AdvanceClockResponse {
    v1::AdvanceClockResponse { now: Some(timestamp(now)) }
}

/// An instant, as protobuf says it.
pub fn timestamp(instant: Timestamp) -> prost_types::Timestamp {
    let (seconds, micros) = (instant.micros().div_euclid(1_000_000), instant.micros().rem_euclid(1_000_000));
    prost_types::Timestamp { seconds, nanos: i32::try_from(micros * 1_000).unwrap_or_default() }
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

fn receipt(receipt: &Receipt) -> v1::Receipt {
    v1::Receipt {
        policy_version: receipt.policy_version,
        multiple: receipt.multiple,
        quota: receipt.quota.to_string(),
        day_total_before: receipt.day_total_before.to_string(),
        day_total_after: receipt.day_total_after.to_string(),
        remaining: receipt.remaining().to_string(),
        resets_at: Some(timestamp(receipt.resets_at)),
    }
}

fn release(release: &Release) -> v1::Release {
    v1::Release {
        amount: release.amount.to_string(),
        created_at: Some(timestamp(release.created_at)),
        due_at: Some(timestamp(release.due_at)),
        number: release.number,
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

const fn cycle(cycle: Cycle) -> v1::SettlementCycle {
    match cycle {
        Cycle::Quick => v1::SettlementCycle::Quick,
        Cycle::Standard => v1::SettlementCycle::Standard,
    }
}
