//! Requests to commands. All bad fields of a request are reported together.

use std::fmt::Display;

use tonic::Status;

use super::status;
use crate::{
    domain::{ClassifyOrder, Id, ImportMerchant, MerchantId, ModifyGuarantee, Money, Rejection, Timestamp},
    engine,
    proto::v1::{
        AdvanceClockRequest, ClassifyOrderRequest, GetMarginRequest, ImportMerchantRequest, ModifyGuaranteeRequest,
    },
};

/// An order to be classified.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn classify_order(request: &ClassifyOrderRequest) -> Result<engine::Request<ClassifyOrder>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let order_id = fields.id("order_id", &request.order_id);
    let price = fields.amount("price", &request.price);
    let profit = fields.optional_amount("profit", &request.profit);
    let completed_at = fields.instant("completed_at", request.completed_at.as_ref());
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    // The amounts are judged even without an order id, so that the caller hears everything at once.
    let judged = order_id.or_else(any_id).zip(price);
    let command = judged.and_then(|(id, price)| fields.judged(ClassifyOrder::new(id, price, profit, completed_at)));
    fields.request(merchant, command, request.validate_only, not_after)
}

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

/// A merchant to be imported.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn import_merchant(request: &ImportMerchantRequest) -> Result<engine::Request<ImportMerchant>, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let historical_profit = fields.optional_amount("historical_profit", &request.historical_profit).unwrap_or_default();
    let available = fields.optional_amount("available", &request.available).unwrap_or_default();
    let request_id = fields.id("request_id", &request.request_id);
    let not_after = fields.instant("not_after", request.not_after.as_ref());
    let command = request_id.map(|request_id| ImportMerchant {
        historical_profit,
        available,
        ..ImportMerchant::empty(request_id)
    });
    fields.request(merchant, command, request.validate_only, not_after)
}

/// The merchant to be shown.
///
/// # Errors
/// `INVALID_FIELD`, naming the bad field.
pub fn get_margin(request: &GetMarginRequest) -> Result<MerchantId, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    merchant.ok_or_else(|| fields.refusal())
}

/// Where to move the manual clock.
///
/// # Errors
/// `INVALID_FIELD`, naming the bad field.
pub fn advance_clock(request: &AdvanceClockRequest) -> Result<Timestamp, Status> {
    let mut fields = Fields::default();
    let to = fields.present("to", request.to.as_ref()).and_then(|to| fields.instant("to", Some(to)));
    if to.is_some_and(|to| to > Timestamp::MAX) {
        fields.blame("to", format_args!("has to be at most {}", Timestamp::MAX));
    }
    to.filter(|_| fields.bad.is_empty()).ok_or_else(|| fields.refusal())
}

/// Reads the fields of a request and collects what is wrong with them.
#[derive(Default)]
struct Fields {
    bad: Vec<(&'static str, String)>,
}

impl Fields {
    fn id<Kind>(&mut self, field: &'static str, text: &str) -> Option<Id<Kind>> {
        let text = self.present(field, Some(text).filter(|text| !text.is_empty()))?;
        self.read(field, Id::parse(text))
    }

    fn amount(&mut self, field: &'static str, text: &str) -> Option<Money> {
        let text = self.present(field, Some(text).filter(|text| !text.is_empty()))?;
        self.read(field, Money::parse(text))
    }

    /// An amount that may be left out, which in proto3 is the empty text.
    fn optional_amount(&mut self, field: &'static str, text: &str) -> Option<Money> {
        if text.is_empty() { None } else { self.read(field, Money::parse(text)) }
    }

    fn instant(&mut self, field: &'static str, instant: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
        instant.and_then(|instant| self.read(field, read_instant(instant)))
    }

    fn present<T>(&mut self, field: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.blame(field, "is missing");
        }
        value
    }

    fn read<T>(&mut self, field: &'static str, value: Result<T, impl Display>) -> Option<T> {
        value.map_err(|reason| self.blame(field, reason)).ok()
    }

    /// What the domain makes of fields that are well-formed each.
    fn judged<C>(&mut self, command: Result<C, Rejection>) -> Option<C> {
        match command {
            Ok(command) => Some(command),
            Err(Rejection::Invalid { field, reason }) => {
                self.blame(field, reason);
                None
            }
            Err(other) => {
                self.blame("request", other);
                None
            }
        }
    }

    fn blame(&mut self, field: &'static str, reason: impl Display) {
        self.bad.push((field, reason.to_string()));
    }

    fn request<C>(
        self,
        merchant: Option<MerchantId>,
        command: Option<C>,
        validate_only: bool,
        not_after: Option<Timestamp>,
    ) -> Result<engine::Request<C>, Status> {
        match merchant.zip(command) {
            Some((merchant, command)) if self.bad.is_empty() => {
                // Nobody is authenticated yet, so nobody is named.
                Ok(engine::Request { merchant, command, caller: String::new(), validate_only, not_after })
            }
            _ => Err(self.refusal()),
        }
    }

    fn refusal(self) -> Status {
        status::invalid(self.bad)
    }
}

/// Stands in for an id that is bad itself, while the other fields are judged.
fn any_id<Kind>() -> Option<Id<Kind>> {
    Id::parse("-").ok()
}

/// Keeps microseconds and cuts off finer digits.
fn read_instant(instant: &prost_types::Timestamp) -> Result<Timestamp, &'static str> {
    const YEARS_1_TO_9999: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
    if !YEARS_1_TO_9999.contains(&instant.seconds) {
        return Err("has to lie between the years 1 and 9999");
    }
    if !(0..=999_999_999).contains(&instant.nanos) {
        return Err("has nanos outside 0 to 999,999,999");
    }
    Ok(Timestamp::from_micros(instant.seconds * 1_000_000 + i64::from(instant.nanos / 1_000)))
}
