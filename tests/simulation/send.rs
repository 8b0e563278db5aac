//! From the model's requests to the messages of the API.

use tonic::Request;
use tplus::{access::Session, proto::v1};

use crate::{
    model::{
        Basis, Counts, ModelPolicy,
        api::{
            About, Action, Beneficiary, ClassifyRequest, Command, Cycle, Deduct, Direction, ImportRequest,
            ModifyRequest, Outcome, PolicyRequest,
        },
    },
    wire::timestamp,
};

/// A call as the gate lets it through where nobody is asked who he is.
pub(crate) fn admitted<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Session::anybody());
    request
}

pub(crate) fn classify(order: &ClassifyRequest) -> v1::ClassifyOrderRequest {
    let order = order.clone();
    v1::ClassifyOrderRequest {
        merchant_id: order.merchant_id,
        order_id: order.order_id,
        price: order.price,
        profit: order.profit.unwrap_or_default(),
        completed_at: order.completed_at.map(timestamp),
        validate_only: order.validate_only,
        not_after: order.not_after.map(timestamp),
    }
}

pub(crate) fn modify(change: &ModifyRequest) -> v1::ModifyGuaranteeRequest {
    let change = change.clone();
    v1::ModifyGuaranteeRequest {
        merchant_id: change.merchant_id,
        guarantee: change.guarantee,
        request_id: change.request_id,
        validate_only: change.validate_only,
        not_after: change.not_after.map(timestamp),
    }
}

pub(crate) fn import(import: &ImportRequest) -> v1::ImportMerchantRequest {
    let import = import.clone();
    let release = |release: crate::model::api::ImportedRelease| v1::ImportedRelease {
        amount: release.amount,
        due_at: release.due_at.map(timestamp),
    };
    let pending = |bulk: crate::model::api::ImportedPending| v1::ImportedPending {
        settles_at: bulk.settles_at.map(timestamp),
        cycle: cycle(bulk.cycle),
        orders: bulk.orders,
        profit: bulk.profit,
    };
    let order = |order: crate::model::api::ImportedOrder| v1::ImportedOrder {
        order_id: order.order_id,
        price: order.price,
        profit: order.profit.unwrap_or_default(),
        completed_at: order.completed_at.map(timestamp),
        cycle: cycle(order.cycle),
        settles_at: order.settles_at.map(timestamp),
    };
    v1::ImportMerchantRequest {
        merchant_id: import.merchant_id,
        historical_profit: import.historical_profit.unwrap_or_default(),
        available: import.available.unwrap_or_default(),
        request_id: import.request_id,
        validate_only: import.validate_only,
        not_after: import.not_after.map(timestamp),
        debt: import.debt.unwrap_or_default(),
        guarantee: import.guarantee,
        frozen: import.frozen.unwrap_or_default(),
        releasing: import.releasing.into_iter().map(release).collect(),
        pending: import.pending.into_iter().map(pending).collect(),
        orders: import.orders.into_iter().map(order).collect(),
    }
}

fn cycle(cycle: Option<Cycle>) -> i32 {
    let cycle = match cycle {
        None => v1::SettlementCycle::Unspecified,
        Some(Cycle::Quick) => v1::SettlementCycle::Quick,
        Some(Cycle::Standard) => v1::SettlementCycle::Standard,
    };
    cycle.into()
}

pub(crate) fn deduct(command: &Command, deduct: &Deduct) -> v1::DeductMarginRequest {
    use v1::deduct_margin_request::Reference;
    let about = |about: &About| match about {
        About::Order(order) => Reference::OrderId(order.clone()),
        About::Dispute(dispute) => Reference::Dispute(dispute.clone()),
    };
    v1::DeductMarginRequest {
        merchant_id: command.merchant_id.clone(),
        amount: deduct.amount.clone(),
        reason: deduct.reason,
        beneficiary: match deduct.beneficiary {
            None => 0,
            Some(Beneficiary::Buyer) => v1::Beneficiary::Buyer.into(),
            Some(Beneficiary::Platform) => v1::Beneficiary::Platform.into(),
        },
        note: deduct.note.clone(),
        request_id: command.request_id.clone(),
        validate_only: command.validate_only,
        not_after: command.not_after.map(timestamp),
        reference: deduct.about.as_ref().map(about),
    }
}

pub(crate) fn adjust(command: &Command) -> v1::AdjustBalanceRequest {
    let Action::AdjustBalance { direction: way, amount, reason, reference } = command.action.clone() else {
        panic!("no adjustment: {command:?}")
    };
    v1::AdjustBalanceRequest {
        merchant_id: command.merchant_id.clone(),
        direction: direction(way),
        amount,
        reason,
        reference,
        request_id: command.request_id.clone(),
        validate_only: command.validate_only,
        not_after: command.not_after.map(timestamp),
    }
}

pub(crate) fn direction(direction: Option<Direction>) -> i32 {
    let direction = match direction {
        None => v1::AdjustmentDirection::Unspecified,
        Some(Direction::Credit) => v1::AdjustmentDirection::Credit,
        Some(Direction::Debit) => v1::AdjustmentDirection::Debit,
    };
    direction.into()
}

pub(crate) fn outcome(outcome: Option<Outcome>) -> i32 {
    let outcome = match outcome {
        None => v1::AppealOutcome::Unspecified,
        Some(Outcome::Upheld) => v1::AppealOutcome::Upheld,
        Some(Outcome::Overturned) => v1::AppealOutcome::Overturned,
    };
    outcome.into()
}

pub(crate) fn set_policy(request: &PolicyRequest) -> v1::SetPolicyRequest {
    v1::SetPolicyRequest {
        policy: Some(policy(&request.policy)),
        effective_at: request.effective_at.map(timestamp),
        expected_version: request.expected_version,
        reason: request.reason.clone(),
        request_id: request.request_id.clone(),
        validate_only: request.validate_only,
        not_after: request.not_after.map(timestamp),
    }
}

fn policy(policy: &ModelPolicy) -> v1::Policy {
    let tier =
        |&(above, multiple): &(i128, u32)| v1::MultipleTier { above: crate::model::plain::money(above), multiple };
    let days = |days: i64| u32::try_from(days).expect("few days");
    v1::Policy {
        base_multiple: policy.base_multiple,
        tiers: policy.tiers.iter().map(tier).collect(),
        quota_counts: match policy.counts {
            Counts::All => v1::QuotaCounts::All.into(),
            Counts::Quick => v1::QuotaCounts::Quick.into(),
        },
        quota_basis: match policy.basis {
            Basis::Guarantee => v1::QuotaBasis::Guarantee.into(),
            Basis::Frozen => v1::QuotaBasis::Frozen.into(),
        },
        day_start: Some(duration(policy.day_start)),
        quick_days: days(policy.quick_days),
        standard_days: days(policy.standard_days),
        release_after: Some(duration(policy.release_after)),
        max_guarantee: policy.max_guarantee,
        max_lateness: Some(duration(policy.max_lateness)),
        max_ahead: Some(duration(policy.max_ahead)),
        appeal_window: Some(duration(policy.appeal_window)),
        clean_record: policy.clean_record.map(duration),
        category_minimums: policy.category_minimums.clone().into_iter().collect(),
        warn_gap_after: policy.warn_gap_after.map(duration),
        warn_debt_after: policy.warn_debt_after.map(duration),
        warn_quota_percent: policy.warn_quota_percent,
    }
}

pub(crate) fn duration(micros: i64) -> prost_types::Duration {
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    prost_types::Duration { seconds, nanos: (rest * 1_000) as i32 }
}
