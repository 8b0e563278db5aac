//! Between the model's plain data and the messages of the API.

use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use tplus::proto::v1;

use crate::model::api::{
    Classified, ClassifyRequest, Cycle, ImportRequest, Imported, ModelAnswer, ModelMargin, ModelRefusal, Modified,
    ModifyRequest, Receipt, ShownNextMultiple, ShownPending, ShownQuota, ShownRelease,
};

/// A refusal as a client sees it: code, and the fields it blames.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    code: String,
    fields: Vec<String>,
}

impl PartialEq for Refusal {
    /// The model blames one field, or none; the server blames all that are to blame.
    fn eq(&self, other: &Self) -> bool {
        let within = |few: &[String], many: &[String]| few.iter().all(|field| many.contains(field));
        self.code == other.code && (within(&self.fields, &other.fields) || within(&other.fields, &self.fields))
    }
}

impl From<ModelRefusal> for Refusal {
    fn from(refusal: ModelRefusal) -> Self {
        Self { code: refusal.code().into(), fields: refusal.field().map(str::to_owned).into_iter().collect() }
    }
}

impl From<&Status> for Refusal {
    fn from(status: &Status) -> Self {
        let details = status.get_error_details();
        assert!(details.error_info().is_some(), "an error without a reason: {status:?}");
        let code = match status.code() {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::NotFound => "NOT_FOUND",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            other => panic!("{other:?} is no answer: {status:?}"),
        };
        let violations = details.bad_request().map(|bad| bad.field_violations.clone()).unwrap_or_default();
        Self { code: code.into(), fields: violations.into_iter().map(|violation| violation.field).collect() }
    }
}

pub(crate) fn timestamp(micros: i64) -> prost_types::Timestamp {
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    prost_types::Timestamp { seconds, nanos: (rest * 1_000) as i32 }
}

pub(crate) fn instant(timestamp: Option<prost_types::Timestamp>) -> i64 {
    let timestamp = timestamp.expect("an instant");
    assert_eq!(timestamp.nanos % 1_000, 0, "finer than a microsecond");
    timestamp.seconds * 1_000_000 + i64::from(timestamp.nanos) / 1_000
}

pub(crate) fn classify(order: &ClassifyRequest) -> Request<v1::ClassifyOrderRequest> {
    let order = order.clone();
    Request::new(v1::ClassifyOrderRequest {
        merchant_id: order.merchant_id,
        order_id: order.order_id,
        price: order.price,
        profit: order.profit.unwrap_or_default(),
        completed_at: order.completed_at.map(timestamp),
        validate_only: order.validate_only,
        not_after: order.not_after.map(timestamp),
    })
}

pub(crate) fn modify(change: &ModifyRequest) -> Request<v1::ModifyGuaranteeRequest> {
    let change = change.clone();
    Request::new(v1::ModifyGuaranteeRequest {
        merchant_id: change.merchant_id,
        guarantee: change.guarantee,
        request_id: change.request_id,
        validate_only: change.validate_only,
        not_after: change.not_after.map(timestamp),
    })
}

pub(crate) fn import(import: &ImportRequest) -> Request<v1::ImportMerchantRequest> {
    let import = import.clone();
    Request::new(v1::ImportMerchantRequest {
        merchant_id: import.merchant_id,
        historical_profit: import.historical_profit.unwrap_or_default(),
        available: import.available.unwrap_or_default(),
        request_id: import.request_id,
        validate_only: import.validate_only,
        not_after: import.not_after.map(timestamp),
    })
}

pub(crate) fn classified(answer: v1::ClassifyOrderResponse) -> ModelAnswer {
    ModelAnswer::Classified(Classified {
        cycle: cycle(answer.cycle()),
        settles_at: instant(answer.settles_at),
        completed_at: instant(answer.completed_at),
        replayed: answer.replayed,
        receipt: receipt(answer.receipt),
    })
}

pub(crate) fn modified(answer: v1::ModifyGuaranteeResponse) -> ModelAnswer {
    ModelAnswer::Modified(Modified {
        guarantee: answer.guarantee,
        previous_guarantee: answer.previous_guarantee,
        frozen: answer.frozen,
        gap: answer.gap,
        available: answer.available,
        taken_from_releasing: answer.taken_from_releasing,
        taken_from_available: answer.taken_from_available,
        release: answer.release.map(release),
        modified_at: instant(answer.modified_at),
        replayed: answer.replayed,
        receipt: receipt(answer.receipt),
    })
}

pub(crate) fn imported(answer: v1::ImportMerchantResponse) -> ModelAnswer {
    ModelAnswer::Imported(Imported {
        historical_profit: answer.historical_profit,
        available: answer.available,
        multiple: answer.multiple,
        policy_version: answer.policy_version,
        imported_at: instant(answer.imported_at),
        replayed: answer.replayed,
    })
}

pub(crate) fn margin(answer: v1::GetMarginResponse) -> ModelAnswer {
    let quota = answer.quota.expect("a quota");
    ModelAnswer::Margin(ModelMargin {
        merchant_id: answer.merchant_id,
        as_of: instant(answer.as_of),
        guarantee: answer.guarantee,
        frozen: answer.frozen,
        gap: answer.gap,
        gap_since: answer.gap_since.map(|since| instant(Some(since))),
        releasing: answer.releasing.into_iter().map(release).collect(),
        releasing_total: answer.releasing_total,
        available: answer.available,
        pending: answer.pending.into_iter().map(pending).collect(),
        pending_total: answer.pending_total,
        debt: answer.debt,
        historical_profit: answer.historical_profit,
        multiple: answer.multiple,
        next_multiple: answer.next_multiple.map(|next| ShownNextMultiple {
            multiple: next.multiple,
            above: next.above,
            missing: next.missing,
        }),
        quota: ShownQuota {
            limit: quota.limit,
            limit_by_frozen: quota.limit_by_frozen,
            limit_by_guarantee: quota.limit_by_guarantee,
            used_all: quota.used_all,
            used_quick: quota.used_quick,
            remaining: quota.remaining,
            resets_at: instant(quota.resets_at),
            policy_version: quota.policy_version,
        },
    })
}

fn pending(pending: v1::PendingSettlement) -> ShownPending {
    ShownPending {
        settles_at: instant(pending.settles_at),
        cycle: cycle(pending.cycle()),
        completed_day: instant(pending.completed_day),
        orders: pending.orders,
        profit: pending.profit,
    }
}

fn release(release: v1::Release) -> ShownRelease {
    ShownRelease { amount: release.amount, created_at: instant(release.created_at), due_at: instant(release.due_at) }
}

fn receipt(receipt: Option<v1::Receipt>) -> Receipt {
    let receipt = receipt.expect("a receipt");
    Receipt {
        policy_version: receipt.policy_version,
        multiple: receipt.multiple,
        quota: receipt.quota,
        day_total_before: receipt.day_total_before,
        day_total_after: receipt.day_total_after,
        remaining: receipt.remaining,
        resets_at: instant(receipt.resets_at),
    }
}

fn cycle(cycle: v1::SettlementCycle) -> Cycle {
    match cycle {
        v1::SettlementCycle::Quick => Cycle::Quick,
        v1::SettlementCycle::Standard => Cycle::Standard,
        v1::SettlementCycle::Unspecified => panic!("no cycle"),
    }
}
