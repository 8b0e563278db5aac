//! Merchants as such: how they come, stand and go.

use super::{receipt, released, state, timestamp};
use crate::{
    domain::{
        CategoriesSet, ClosingStarted, HoldLifted, HoldPlaced, Merchant, MerchantId, MerchantImported,
        MerchantReopened, Money,
    },
    engine::{Answer, View},
    proto::v1,
};

/// What was imported.
pub fn merchant_imported(answer: &Answer<MerchantImported>) -> v1::ImportMerchantResponse {
    let fact = &answer.fact;
    let releasing: Money = fact.releasing.iter().map(|release| release.amount).sum();
    let unlisted: Money = fact.pending.iter().map(|pending| pending.profit).sum();
    let listed = fact.orders.iter().filter(|order| order.settles_at > answer.effective_at);
    let pending = unlisted + listed.map(|order| order.profit).sum();
    v1::ImportMerchantResponse {
        historical_profit: fact.historical_profit.to_string(),
        available: fact.available.to_string(),
        multiple: fact.receipt.multiple,
        policy_version: fact.receipt.policy_version,
        imported_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        guarantee: fact.guarantee.to_string(),
        frozen: fact.frozen.to_string(),
        releasing: releasing.to_string(),
        pending: pending.to_string(),
        debt: fact.debt.to_string(),
        orders: fact.orders.len() as u64,
        receipt: Some(receipt(&fact.receipt)),
    }
}

/// What categories require.
pub fn categories_set(answer: &Answer<CategoriesSet>) -> v1::SetCategoriesResponse {
    let fact = &answer.fact;
    v1::SetCategoriesResponse {
        required_guarantee: fact.required.to_string(),
        shortfall: fact.shortfall.to_string(),
        set_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
    }
}

/// What a hold did.
pub fn hold_placed(answer: &Answer<HoldPlaced>) -> v1::PlaceHoldResponse {
    v1::PlaceHoldResponse {
        placed_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&answer.fact.receipt)),
    }
}

/// What lifting a hold did.
pub fn hold_lifted(answer: &Answer<HoldLifted>) -> v1::LiftHoldResponse {
    v1::LiftHoldResponse {
        lifted_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&answer.fact.receipt)),
    }
}

/// What closing did.
pub fn closing_started(answer: &Answer<ClosingStarted>) -> v1::CloseMerchantResponse {
    let fact = &answer.fact;
    v1::CloseMerchantResponse {
        previous_guarantee: fact.change.previous.to_string(),
        release: released(&fact.change, answer.effective_at),
        closing_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&fact.receipt)),
    }
}

/// What reopening did.
pub fn merchant_reopened(answer: &Answer<MerchantReopened>) -> v1::ReopenMerchantResponse {
    v1::ReopenMerchantResponse {
        reopened_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&answer.fact.receipt)),
    }
}

/// How a merchant stands.
pub fn merchant(id: &MerchantId, view: &View) -> v1::Merchant {
    let (merchant, policy): (&Merchant, _) = (&view.merchant, &view.policies().at(view.now).policy);
    let required = policy.required(&merchant.categories);
    v1::Merchant {
        merchant_id: id.to_string(),
        state: state(merchant.stage).into(),
        guarantee: merchant.guarantee.to_string(),
        categories: merchant.categories.iter().map(ToString::to_string).collect(),
        required_guarantee: required.to_string(),
        shortfall: required.less_at_most(merchant.guarantee).to_string(),
        holds: count(merchant.holds.len()),
        open_appeals: count(merchant.open_appeals()),
        historical_profit: merchant.historical_profit.to_string(),
        multiple: policy.multiple(merchant.historical_profit),
        entries: merchant.facts(),
    }
}

/// A merchant's measures, as of now.
pub fn ranked_merchant(id: &MerchantId, view: &View) -> v1::RankedMerchant {
    let merchant: &Merchant = &view.merchant;
    let day = merchant.totals(view.policies().day_of(view.now));
    v1::RankedMerchant {
        merchant_id: id.to_string(),
        day_total: day.all.to_string(),
        day_quick: day.quick.to_string(),
        pending: merchant.pending().to_string(),
        guarantee: merchant.guarantee.to_string(),
        gap: merchant.gap().to_string(),
        debt: merchant.debt.to_string(),
    }
}

/// A number that limits keep small.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
