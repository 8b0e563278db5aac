//! Reads, and the clock.

use tonic::Status;

use super::{Field, Fields};
use crate::{
    domain::{MerchantId, Money, Timestamp},
    history,
    proto::v1::{
        AdvanceClockRequest, BatchGetGuaranteesRequest, GetCashForecastRequest, GetMarginRequest, GetMerchantRequest,
        GetPolicyRequest, QuoteGuaranteeRequest, as_of::Clock,
    },
};

/// The most merchants or prices of one call.
const MOST_ITEMS: usize = 1_000;

/// A past instant, by one of the two clocks.
pub type AsOf = (history::Clock, Timestamp);

/// The merchant to be shown, and the past instant that is asked for, if one is.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn get_margin(request: &GetMarginRequest) -> Result<(MerchantId, Option<AsOf>), Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let as_of = request.as_of.as_ref().and_then(|as_of| match &as_of.clock {
        Some(Clock::EffectiveAt(at)) => {
            fields.instant("as_of.effective_at", Some(at)).map(|at| (history::Clock::Effective, at))
        }
        Some(Clock::RecordedAt(at)) => {
            fields.instant("as_of.recorded_at", Some(at)).map(|at| (history::Clock::Recorded, at))
        }
        None => {
            fields.blame("as_of", "names no clock");
            None
        }
    });
    fields.unless_bad(merchant.map(|merchant| (merchant, as_of)))
}

/// The merchant whose future is asked for.
///
/// # Errors
/// `INVALID_FIELD`, naming the bad field.
pub fn get_cash_forecast(request: &GetCashForecastRequest) -> Result<MerchantId, Status> {
    merchant(&request.merchant_id)
}

/// The merchant to be shown.
///
/// # Errors
/// `INVALID_FIELD`, naming the bad field.
pub fn get_merchant(request: &GetMerchantRequest) -> Result<MerchantId, Status> {
    merchant(&request.merchant_id)
}

fn merchant(text: &str) -> Result<MerchantId, Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", text);
    fields.unless_bad(merchant)
}

/// The merchant, and the prices of the orders that should settle on T+2.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn quote_guarantee(request: &QuoteGuaranteeRequest) -> Result<(MerchantId, Vec<Money>), Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &request.merchant_id);
    let price = |fields: &mut Fields, item, text: &String| {
        let price = fields.amount(item, text)?;
        if price.is_zero() {
            fields.blame(item, "has to be above 0");
        }
        Some(price)
    };
    let prices = items(&mut fields, "prices", &request.prices, price);
    fields.unless_bad(merchant.map(|merchant| (merchant, prices)))
}

/// The merchants whose guarantees are asked for.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn batch_get_guarantees(request: &BatchGetGuaranteesRequest) -> Result<Vec<MerchantId>, Status> {
    let mut fields = Fields::default();
    let id = |fields: &mut Fields, item, text: &String| fields.id(item, text);
    let merchants = items(&mut fields, "merchant_ids", &request.merchant_ids, id);
    fields.unless_bad(Some(merchants))
}

/// What stands in a list of 1 to [`MOST_ITEMS`].
fn items<T>(
    fields: &mut Fields,
    list: &'static str,
    given: &[String],
    read: impl Fn(&mut Fields, Field, &String) -> Option<T>,
) -> Vec<T> {
    if given.is_empty() {
        fields.blame(list, "is missing");
    }
    if given.len() > MOST_ITEMS {
        fields.blame(list, "has to have at most 1,000 entries");
    }
    given.iter().enumerate().filter_map(|(index, text)| read(fields, Field::item(list, index), text)).collect()
}

/// The version to be shown; none: the one in force.
pub fn get_policy(request: &GetPolicyRequest) -> Option<u64> {
    Some(request.version).filter(|version| *version != 0)
}

/// Where to move the manual clock.
///
/// # Errors
/// `INVALID_FIELD`, naming the bad field.
pub fn advance_clock(request: &AdvanceClockRequest) -> Result<Timestamp, Status> {
    let mut fields = Fields::default();
    let to = fields.required_instant("to", request.to.as_ref());
    if to.is_some_and(|to| to > Timestamp::MAX) {
        fields.blame("to", format_args!("has to be at most {}", Timestamp::MAX));
    }
    fields.unless_bad(to)
}
