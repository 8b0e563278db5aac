//! Facts and balances to answers.

mod account;
mod clock;
mod dispute;
mod guarantee;
mod history;
mod margin;
mod merchant;
mod order;
mod policy;
mod proposal;

pub use account::{balance_adjusted, margin_paid, payment_returned, withdrawal_failed, withdrawn};
pub use clock::{clock, clock_advanced};
pub use dispute::{appeal_opened, appeal_resolved, margin_deducted};
pub use guarantee::{guarantee_modified, guarantees, quote};
pub use history::{
    appeal, deduction, entry, exposure, hold, merchant_exposure, nothing_more, order, release_state, release_status,
    statement_line, told, trial_balance as sums,
};
pub use margin::{cash_forecast, margin};
pub use merchant::{
    categories_set, closing_started, hold_lifted, hold_placed, merchant, merchant_imported, merchant_reopened,
    ranked_merchant,
};
pub use order::{order_classified, order_result, order_reversed, ordinary_result};
pub use policy::{evaluated, policies, policy, policy_announced, policy_version, rules};
pub use proposal::{proposal, proposal_approved, proposal_made, proposal_rejected, proposal_withdrawn};

use std::time::Duration;

use crate::{
    domain::{Charge, Cycle, GuaranteeChange, Income, Money, Receipt, Release, Stage, Timestamp},
    proto::v1,
};

/// An instant, as protobuf says it.
pub fn timestamp(instant: Timestamp) -> prost_types::Timestamp {
    let (seconds, micros) = (instant.micros().div_euclid(1_000_000), instant.micros().rem_euclid(1_000_000));
    prost_types::Timestamp { seconds, nanos: i32::try_from(micros * 1_000).unwrap_or_default() }
}

fn duration(duration: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default() }
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

fn income(income: Income) -> v1::Income {
    v1::Income {
        to_debt: income.to_debt.to_string(),
        to_gap: income.to_gap.to_string(),
        to_available: income.to_available.to_string(),
    }
}

fn charge(charge: Charge) -> v1::Charge {
    v1::Charge { from_available: charge.from_available.to_string(), to_debt: charge.to_debt.to_string() }
}

fn release(release: &Release) -> v1::Release {
    v1::Release {
        amount: release.amount.to_string(),
        created_at: Some(timestamp(release.created_at)),
        due_at: Some(timestamp(release.due_at)),
        number: release.number,
    }
}

/// What a lowering set on its way back; none when nothing was frozen above the new guarantee.
fn released(change: &GuaranteeChange, created_at: Timestamp) -> Option<v1::Release> {
    (!change.released.is_zero()).then(|| v1::Release {
        amount: change.released.to_string(),
        created_at: Some(timestamp(created_at)),
        due_at: Some(timestamp(change.release_due_at)),
        number: change.release_number,
    })
}

const fn cycle(cycle: Cycle) -> v1::SettlementCycle {
    match cycle {
        Cycle::Quick => v1::SettlementCycle::Quick,
        Cycle::Standard => v1::SettlementCycle::Standard,
    }
}

const fn state(stage: Stage) -> v1::MerchantState {
    match stage {
        Stage::Open => v1::MerchantState::Open,
        Stage::Closing => v1::MerchantState::Closing,
        Stage::Closed => v1::MerchantState::Closed,
    }
}

/// An amount of whole dollars, as guarantees and policies have it.
fn dollars(amount: Money) -> u64 {
    amount.input_cents() / 100
}
