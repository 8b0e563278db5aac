//! Requests for what was.

use std::time::Duration;

use chrono::NaiveDate;
use tonic::Status;

use super::fields::{Field, Fields};
use crate::{
    domain::{Day, MerchantId, OrderId, RequestId, Stage, Timestamp},
    grpc::convert::{Cursor, Page, page},
    history::{Clock, Kind, Order, Position, Wanted},
    proto::v1,
};

/// A list of a merchant's things.
#[derive(Clone, Debug)]
pub struct ListOf<R> {
    /// Whose.
    pub merchant: MerchantId,
    /// In which order.
    pub order: Order,
    /// Which page.
    pub page: Page<R>,
}

impl<R> ListOf<R> {
    /// The number of the last item of the page before.
    pub fn after(&self) -> Option<u64> {
        self.page.after.as_ref().map(|cursor| cursor.number)
    }
}

/// Which orders to list.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Whose, in which order, which page.
    pub list: ListOf<v1::ListOrdersRequest>,
    /// The first instant of settlement.
    pub from: Option<Timestamp>,
    /// The instant of settlement before which they lie.
    pub to: Option<Timestamp>,
}

/// Which entries to list.
#[derive(Clone, Debug)]
pub struct Entries {
    /// Whose, in which order, which page.
    pub list: ListOf<v1::ListMarginEntriesRequest>,
    /// Of which kinds; empty: all.
    pub kinds: Vec<Kind>,
    /// From which instant on.
    pub from: Option<Timestamp>,
    /// Before which instant.
    pub to: Option<Timestamp>,
}

/// Which statement to show.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Whose, and which page of its orders.
    pub list: ListOf<v1::GetSettlementStatementRequest>,
    /// The settlement date begins here,
    pub from: Timestamp,
    /// and ends before this instant.
    pub to: Timestamp,
}

/// What exposure to show.
#[derive(Clone, Debug)]
pub struct ExposureWanted {
    /// How long an order may be disputed.
    pub window: Duration,
    /// How many of the worst to name.
    pub worst: usize,
    /// One merchant alone.
    pub merchant: Option<MerchantId>,
}

/// Which merchants to list.
#[derive(Clone, Debug)]
pub struct Merchants {
    /// How they have to stand; none: any way.
    pub stage: Option<Stage>,
    /// After which id.
    pub after: Option<MerchantId>,
    /// How many.
    pub page: Page<v1::ListMerchantsRequest>,
}

/// What to follow.
#[derive(Clone, Debug)]
pub struct Watch {
    /// After which position; none: after everything there is.
    pub after: Option<Position>,
    /// What of it.
    pub wanted: Wanted,
}

/// The most merchants that may be named at once.
const MOST_MERCHANTS: usize = 1_000;

/// The order to be shown.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn get_order(request: &v1::GetOrderRequest) -> Result<(MerchantId, OrderId), Status> {
    let mut fields = Fields::default();
    let (merchant, order) = (fields.id("merchant_id", &request.merchant_id), fields.id("order_id", &request.order_id));
    fields.unless_bad(merchant.zip(order))
}

/// A deduction, appeal or hold to be shown, by the request that made it.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn by_request(merchant: &str, field: &'static str, id: &str) -> Result<(MerchantId, RequestId), Status> {
    let mut fields = Fields::default();
    let (merchant, id) = (fields.id("merchant_id", merchant), fields.id(field, id));
    fields.unless_bad(merchant.zip(id))
}

/// An entry or a release to be shown, by its number.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn by_number(merchant: &str, number: u64) -> Result<(MerchantId, u64), Status> {
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", merchant);
    let number = fields.present("number", Some(number).filter(|number| *number > 0));
    fields.unless_bad(merchant.zip(number))
}

/// Which orders to list.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn list_orders(request: &v1::ListOrdersRequest) -> Result<Orders, Status> {
    let page = page(request)?;
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &page.request.merchant_id);
    let from = date(&mut fields, "settles_from", &page.request.settles_from).map(start);
    let to = date(&mut fields, "settles_to", &page.request.settles_to).map(end);
    let order = order(page.request.newest_first);
    let list = merchant.map(|merchant| ListOf { merchant, order, page });
    fields.unless_bad(list.map(|list| Orders { list, from, to }))
}

/// Which entries to list.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn list_entries(request: &v1::ListMarginEntriesRequest) -> Result<Entries, Status> {
    let page = page(request)?;
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &page.request.merchant_id);
    let kinds = kinds(&mut fields, &page.request.kinds);
    let from = fields.instant("from", page.request.from.as_ref());
    let to = fields.instant("to", page.request.to.as_ref());
    let order = order(page.request.newest_first);
    let list = merchant.map(|merchant| ListOf { merchant, order, page });
    fields.unless_bad(list.map(|list| Entries { list, kinds, from, to }))
}

/// Which statement to show.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn statement(request: &v1::GetSettlementStatementRequest) -> Result<Statement, Status> {
    let page = page(request)?;
    let mut fields = Fields::default();
    let merchant = fields.id("merchant_id", &page.request.merchant_id);
    let text = &page.request.date;
    let date = fields
        .present("date", Some(text).filter(|text| !text.is_empty()))
        .cloned()
        .and_then(|text| date(&mut fields, "date", &text));
    let list = merchant.map(|merchant| ListOf { merchant, order: Order::OldestFirst, page });
    let wanted = list.zip(date).map(|(list, date)| Statement { list, from: start(date), to: end(date) });
    fields.unless_bad(wanted)
}

macro_rules! lists {
    ($($(#[doc = $meaning:literal])+ $name:ident($request:ident);)*) => {
        $($(#[doc = $meaning])+
        ///
        /// # Errors
        /// `INVALID_FIELD`, naming every bad field.
        pub fn $name(request: &v1::$request) -> Result<ListOf<v1::$request>, Status> {
            let page = page(request)?;
            let mut fields = Fields::default();
            let merchant = fields.id("merchant_id", &page.request.merchant_id);
            let order = order(page.request.newest_first);
            fields.unless_bad(merchant.map(|merchant| ListOf { merchant, order, page }))
        })*
    };
}

lists! {
    /// Which deductions to list.
    list_deductions(ListDeductionsRequest);
    /// Which appeals to list.
    list_appeals(ListAppealsRequest);
    /// Which holds to list.
    list_holds(ListHoldsRequest);
    /// Which releases to list.
    list_releases(ListReleasesRequest);
}

/// How appeals have to stand to be listed.
///
/// # Errors
/// `INVALID_FIELD` for a state that is not known.
pub fn appeal_state_wanted(number: i32) -> Result<Option<v1::AppealState>, Status> {
    let mut fields = Fields::default();
    let state = match v1::AppealState::try_from(number) {
        Ok(v1::AppealState::Unspecified) => None,
        Ok(state) => Some(state),
        Err(_) => unknown(&mut fields, "state"),
    };
    fields.unless_bad(Some(state))
}

/// How releases have to stand to be listed.
///
/// # Errors
/// `INVALID_FIELD` for a state that is not known.
pub fn release_state_wanted(number: i32) -> Result<Option<v1::ReleaseState>, Status> {
    let mut fields = Fields::default();
    let state = match v1::ReleaseState::try_from(number) {
        Ok(v1::ReleaseState::Unspecified) => None,
        Ok(state) => Some(state),
        Err(_) => unknown(&mut fields, "state"),
    };
    fields.unless_bad(Some(state))
}

/// Which merchants to list.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn list_merchants(request: &v1::ListMerchantsRequest) -> Result<Merchants, Status> {
    let page = page(request)?;
    let mut fields = Fields::default();
    let stage = match v1::MerchantState::try_from(page.request.state) {
        Ok(v1::MerchantState::Unspecified) => None,
        Ok(v1::MerchantState::Open) => Some(Stage::Open),
        Ok(v1::MerchantState::Closing) => Some(Stage::Closing),
        Ok(v1::MerchantState::Closed) => Some(Stage::Closed),
        Err(_) => unknown(&mut fields, "state"),
    };
    let after = page.after.as_ref().and_then(|cursor| fields.id("page_token", &cursor.id));
    fields.unless_bad(Some(Merchants { stage, after, page }))
}

/// Which day to add up, by which clock; no day: the current one.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn trial_balance(request: &v1::GetTrialBalanceRequest) -> Result<(Option<Day>, Clock), Status> {
    let mut fields = Fields::default();
    let day = date(&mut fields, "day", &request.day);
    let clock = match v1::FactClock::try_from(request.clock) {
        Ok(v1::FactClock::Unspecified | v1::FactClock::Effective) => Clock::Effective,
        Ok(v1::FactClock::Recorded) => Clock::Recorded,
        Err(_) => unknown(&mut fields, "clock").unwrap_or(Clock::Effective),
    };
    fields.unless_bad(Some((day, clock)))
}

/// What exposure to show.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn exposure_wanted(request: &v1::GetExposureRequest) -> Result<ExposureWanted, Status> {
    const DAY: Duration = Duration::from_secs(24 * 3_600);
    let mut fields = Fields::default();
    let window = fields.duration("dispute_window", request.dispute_window.as_ref()).unwrap_or(30 * DAY);
    if window > 365 * DAY {
        fields.blame("dispute_window", "has to be at most 365 days");
    }
    let worst = match usize::try_from(request.worst) {
        Ok(0) => 20,
        Ok(worst) if worst <= MOST_MERCHANTS => worst,
        _ => {
            fields.blame("worst", "has to be 0 to 1,000");
            0
        }
    };
    let one = Some(&request.merchant_id).filter(|id| !id.is_empty());
    let merchant = one.and_then(|id| fields.id("merchant_id", id));
    fields.unless_bad(Some(ExposureWanted { window, worst, merchant }))
}

/// By what to rank merchants, and how many to name.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn rank_wanted(request: &v1::RankMerchantsRequest) -> Result<(v1::MerchantMeasure, usize), Status> {
    let mut fields = Fields::default();
    let by = v1::MerchantMeasure::try_from(request.by).ok().or_else(|| unknown(&mut fields, "by"));
    let most = match usize::try_from(request.most) {
        Ok(0) => 20,
        Ok(most) if most <= 100 => most,
        _ => {
            fields.blame("most", "has to be 0 to 100");
            0
        }
    };
    fields.unless_bad(by.map(|by| (by, most)))
}

/// What to follow.
///
/// # Errors
/// `INVALID_FIELD`, naming every bad field.
pub fn watch(request: &v1::WatchEventsRequest) -> Result<Watch, Status> {
    use v1::watch_events_request::Start;
    let mut fields = Fields::default();
    let after = match &request.start {
        None => Some(Position::START),
        Some(Start::Latest(true)) => None,
        Some(Start::Latest(false)) => {
            fields.blame("latest", "has to be true, or left out");
            None
        }
        Some(Start::AfterPosition(text)) => fields.read("after_position", text.parse()),
    };
    let merchants = merchants(&mut fields, "merchant_ids", &request.merchant_ids);
    let kinds = kinds(&mut fields, &request.kinds);
    fields.unless_bad(Some(Watch { after, wanted: Wanted { merchants, kinds } }))
}

/// The merchants that are named; none twice.
pub(super) fn merchants(fields: &mut Fields, list: &'static str, ids: &[String]) -> Vec<MerchantId> {
    if ids.len() > MOST_MERCHANTS {
        fields.blame(list, "has to have at most 1,000 items");
        return Vec::new();
    }
    ids.iter().enumerate().filter_map(|(index, id)| fields.id(Field::item(list, index), id)).collect()
}

fn kinds(fields: &mut Fields, numbers: &[i32]) -> Vec<Kind> {
    let kind = |number: &i32| u8::try_from(*number).ok().and_then(Kind::from_number);
    let mut found = Vec::with_capacity(numbers.len());
    for (index, number) in numbers.iter().enumerate() {
        match kind(number) {
            Some(kind) => found.push(kind),
            None => fields.blame(Field::item("kinds", index), "is no kind of entry"),
        }
    }
    found
}

fn unknown<T>(fields: &mut Fields, field: &'static str) -> Option<T> {
    fields.blame(field, "has a value that is not known");
    None
}

const fn order(newest_first: bool) -> Order {
    if newest_first { Order::NewestFirst } else { Order::OldestFirst }
}

/// The settlement day that begins on a date; none for an empty text.
fn date(fields: &mut Fields, field: &'static str, text: &str) -> Option<Day> {
    if text.is_empty() {
        return None;
    }
    let day = parse_date(text);
    if day.is_none() {
        fields.blame(field, "is no date like 2026-01-31");
    }
    day
}

fn parse_date(text: &str) -> Option<Day> {
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == "2026-01-31".len())?;
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    i32::try_from(days).ok().map(Day)
}

/// A date as it is written: the one on which a settlement day begins.
pub fn written_date(Day(day): Day) -> String {
    let date = NaiveDate::default().checked_add_signed(chrono::Duration::days(day.into()));
    date.unwrap_or_default().format("%Y-%m-%d").to_string()
}

/// What settles on a date does so in UTC from here on,
fn start(Day(day): Day) -> Timestamp {
    Timestamp::from_micros(i64::from(day).saturating_mul(DAY_MICROS))
}

/// and before this instant.
fn end(Day(day): Day) -> Timestamp {
    start(Day(day.saturating_add(1)))
}

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// The cursor behind an order.
pub fn order_cursor(settles_at: Timestamp, number: u64) -> Cursor {
    Cursor { number, instant: settles_at.micros(), id: String::new() }
}

/// The order behind which a page begins.
pub fn after_order(cursor: Option<&Cursor>) -> Option<(Timestamp, u64)> {
    cursor.map(|cursor| (Timestamp::from_micros(cursor.instant), cursor.number))
}
