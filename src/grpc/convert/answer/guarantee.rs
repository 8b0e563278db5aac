//! The guarantee.

use super::{dollars, receipt, released, timestamp};
use crate::{
    domain::{GuaranteeModified, MerchantId, Money, Quote},
    engine::Answer,
    proto::v1,
};

/// What a change of the guarantee did.
pub fn guarantee_modified(answer: &Answer<GuaranteeModified>) -> v1::ModifyGuaranteeResponse {
    let change = &answer.fact.change;
    v1::ModifyGuaranteeResponse {
        guarantee: change.guarantee.to_string(),
        previous_guarantee: change.previous.to_string(),
        frozen: change.frozen.to_string(),
        gap: change.guarantee.less_at_most(change.frozen).to_string(),
        available: change.available.to_string(),
        taken_from_releasing: change.from_releasing.to_string(),
        taken_from_available: change.from_available.to_string(),
        release: released(change, answer.effective_at),
        modified_at: Some(timestamp(answer.effective_at)),
        replayed: answer.replayed,
        receipt: Some(receipt(&answer.fact.receipt)),
    }
}

/// What shoppers may see of these merchants; those that were never opened have no guarantee here.
pub fn guarantees(merchants: &[MerchantId], guarantees: &[Option<Money>]) -> v1::BatchGetGuaranteesResponse {
    let mut answer = v1::BatchGetGuaranteesResponse::default();
    for (merchant, guarantee) in merchants.iter().zip(guarantees) {
        let merchant_id = merchant.to_string();
        match guarantee {
            Some(guarantee) => {
                answer.guarantees.push(v1::MerchantGuarantee { merchant_id, guarantee: guarantee.to_string() });
            }
            None => answer.unknown_merchant_ids.push(merchant_id),
        }
    }
    answer
}

/// What guarantee it would take.
pub fn quote(quote: &Quote) -> v1::QuoteGuaranteeResponse {
    v1::QuoteGuaranteeResponse {
        guarantee: quote.guarantee.map(dollars),
        raise: quote.raise.to_string(),
        covered: quote.covered.to_string(),
        multiple: quote.multiple,
        quota: quote.quota.to_string(),
        day_total: quote.day_total.to_string(),
        orders_total: quote.orders_total.to_string(),
        resets_at: Some(timestamp(quote.resets_at)),
        policy_version: quote.policy_version,
        obstacle: quote.obstacle.map(|obstacle| obstacle.to_string()).unwrap_or_default(),
    }
}
