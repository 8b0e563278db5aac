//! Deductions and appeals.

use tonic::Status;

use super::{Fields, any_id};
use crate::{
    domain::{
        AppealOutcome, Beneficiary, DeductMargin, DeductionReason, Disputed, MerchantId, OpenAppeal, ResolveAppeal,
    },
    engine,
    proto::v1::{self, DeductMarginRequest, OpenAppealRequest, ResolveAppealRequest, deduct_margin_request::Reference},
};

/// A deduction.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn deduct_margin(request: &DeductMarginRequest) -> Result<engine::Request<DeductMargin>, Status> {
    let mut fields = Fields::default();
    let (merchant, command) = deduction(&mut fields, request);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    fields.request(merchant, command, request.validate_only, not_after)
}

/// The deduction itself, and from whom.
pub(super) fn deduction(
    fields: &mut Fields,
    request: &DeductMarginRequest,
) -> (Option<MerchantId>, Option<DeductMargin>) {
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let amount = fields.amount("amount", &request.amount);
    let reason = fields.choice("reason", request.reason, deduction_reason);
    let disputed = disputed(fields, request.reference.as_ref());
    let beneficiary = fields.choice("beneficiary", request.beneficiary, |who| match who {
        v1::Beneficiary::Unspecified => None,
        v1::Beneficiary::Buyer => Some(Beneficiary::Buyer),
        v1::Beneficiary::Platform => Some(Beneficiary::Platform),
    });
    let note = fields.text("note", &request.note);
    let request_id = fields.id("request_id", &request.request_id);
    // What is bad has been blamed; anything stands in for it while the amount is judged.
    let reason = reason.unwrap_or(DeductionReason::Other);
    let disputed = disputed.unwrap_or_else(|| Disputed::Dispute(note.clone()));
    let beneficiary = beneficiary.unwrap_or(Beneficiary::Platform);
    let judged = request_id.or_else(any_id).zip(amount);
    let command = judged
        .and_then(|(id, amount)| fields.judged(DeductMargin::new(id, amount, reason, disputed, beneficiary, note)));
    (merchant, command)
}

fn disputed(fields: &mut Fields, reference: Option<&Reference>) -> Option<Disputed> {
    match reference {
        Some(Reference::OrderId(id)) => fields.id("order_id", id).map(Disputed::Order),
        Some(Reference::Dispute(name)) => Some(Disputed::Dispute(fields.written("dispute", name))),
        None => {
            fields.blame("reference", "is missing: give order_id or dispute");
            None
        }
    }
}

const fn deduction_reason(reason: v1::DeductionReason) -> Option<DeductionReason> {
    match reason {
        v1::DeductionReason::Unspecified => None,
        v1::DeductionReason::Fraud => Some(DeductionReason::Fraud),
        v1::DeductionReason::LateDelivery => Some(DeductionReason::LateDelivery),
        v1::DeductionReason::LowQuality => Some(DeductionReason::LowQuality),
        v1::DeductionReason::IntellectualProperty => Some(DeductionReason::IntellectualProperty),
        v1::DeductionReason::DisputeCompensation => Some(DeductionReason::DisputeCompensation),
        v1::DeductionReason::Other => Some(DeductionReason::Other),
    }
}

/// An appeal.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn open_appeal(request: &OpenAppealRequest) -> Result<engine::Request<OpenAppeal>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let deduction_id = fields.id("deduction_id", &request.deduction_id);
    let statement = fields.text("statement", &request.statement);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let ids = request_id.zip(deduction_id);
    let command = ids.map(|(request_id, deduction_id)| OpenAppeal { request_id, deduction_id, statement });
    fields.request(merchant, command, request.validate_only, not_after)
}

/// What becomes of an appeal.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn resolve_appeal(request: &ResolveAppealRequest) -> Result<engine::Request<ResolveAppeal>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let deduction_id = fields.id("deduction_id", &request.deduction_id);
    let outcome = fields.choice("outcome", request.outcome, |outcome| match outcome {
        v1::AppealOutcome::Unspecified => None,
        v1::AppealOutcome::Upheld => Some(AppealOutcome::Upheld),
        v1::AppealOutcome::Overturned => Some(AppealOutcome::Overturned),
    });
    let amount = fields.optional_amount("amount", &request.amount);
    let reason = fields.text("reason", &request.reason);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    // An outcome that is bad has been blamed; this one lets an amount be judged by itself.
    let outcome = outcome.unwrap_or(AppealOutcome::Overturned);
    let ids = request_id.or_else(any_id).zip(deduction_id.or_else(any_id));
    let command = ids.and_then(|(request_id, deduction_id)| {
        fields.judged(ResolveAppeal::new(request_id, deduction_id, outcome, amount, reason))
    });
    fields.request(merchant, command, request.validate_only, not_after)
}
