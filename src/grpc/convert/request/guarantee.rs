//! The guarantee.

use tonic::Status;

use super::{Fields, any_id};
use crate::{domain::ModifyGuarantee, engine, proto::v1::ModifyGuaranteeRequest};

/// A guarantee to be modified.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn modify_guarantee(request: &ModifyGuaranteeRequest) -> Result<engine::Request<ModifyGuarantee>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let dollars = fields.present("guarantee", request.guarantee);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let judged = request_id.or_else(any_id).zip(dollars);
    let command = judged.and_then(|(id, dollars)| fields.judged(ModifyGuarantee::new(id, dollars)));
    fields.request(merchant, command, request.validate_only, not_after)
}
