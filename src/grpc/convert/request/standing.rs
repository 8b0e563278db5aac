//! Holds, categories, closing.

use tonic::Status;

use super::{Field, Fields, any_id};
use crate::{
    domain::{CloseMerchant, LiftHold, PlaceHold, ReopenMerchant, SetCategories},
    engine,
    proto::v1::{CloseMerchantRequest, LiftHoldRequest, PlaceHoldRequest, ReopenMerchantRequest, SetCategoriesRequest},
};

/// A hold.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn place_hold(request: &PlaceHoldRequest) -> Result<engine::Request<PlaceHold>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let reason = fields.text("reason", &request.reason);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let judged = request_id.or_else(any_id);
    let command = judged.and_then(|id| fields.judged(PlaceHold::new(id, reason)));
    fields.request(merchant, command, request.validate_only, not_after)
}

/// A hold to be lifted.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn lift_hold(request: &LiftHoldRequest) -> Result<engine::Request<LiftHold>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let hold_id = fields.id("hold_id", &request.hold_id);
    let reason = fields.text("reason", &request.reason);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let ids = request_id.zip(hold_id);
    let command = ids.map(|(request_id, hold_id)| LiftHold { request_id, hold_id, reason });
    fields.request(merchant, command, request.validate_only, not_after)
}

/// What a merchant trades in.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn set_categories(request: &SetCategoriesRequest) -> Result<engine::Request<SetCategories>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let named = request.categories.iter().enumerate();
    let categories = named.filter_map(|(index, text)| fields.id(Field::item("categories", index), text)).collect();
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let judged = request_id.or_else(any_id);
    let command = judged.and_then(|id| fields.judged(SetCategories::new(id, categories)));
    fields.request(merchant, command, request.validate_only, not_after)
}

/// A merchant that wants to end.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn close_merchant(request: &CloseMerchantRequest) -> Result<engine::Request<CloseMerchant>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let reason = fields.text("reason", &request.reason);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let command = request_id.map(|request_id| CloseMerchant { request_id, reason });
    fields.request(merchant, command, request.validate_only, not_after)
}

/// A merchant that wants to trade again.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn reopen_merchant(request: &ReopenMerchantRequest) -> Result<engine::Request<ReopenMerchant>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let reason = fields.text("reason", &request.reason);
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let command = request_id.map(|request_id| ReopenMerchant { request_id, reason });
    fields.request(merchant, command, request.validate_only, not_after)
}
