//! What is asked and what is answered, as plain data: amounts are texts with exactly two decimals, instants are
//! microseconds since 1970. Field by field the answers follow the public API, so that a driver compares them whole.

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cycle {
    Quick,
    Standard,
}

/// A concrete request, to be sent to the model and to an engine alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    Classify(ClassifyRequest),
    Modify(ModifyRequest),
    Import(ImportRequest),
    Read {
        merchant_id: String,
    },
    /// Move the manual clock to this instant, never before now.
    Advance {
        to: i64,
    },
    /// Stop the engine and start it again; for the model nothing happens.
    Restart,
    /// Have the engine write a checkpoint; for the model nothing happens.
    Checkpoint,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassifyRequest {
    pub merchant_id: String,
    pub order_id: String,
    pub price: String,
    pub profit: Option<String>,
    pub completed_at: Option<i64>,
    pub validate_only: bool,
    pub not_after: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModifyRequest {
    pub merchant_id: String,
    pub request_id: String,
    /// Whole dollars.
    pub guarantee: Option<u64>,
    pub validate_only: bool,
    pub not_after: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportRequest {
    pub merchant_id: String,
    pub request_id: String,
    pub historical_profit: Option<String>,
    pub available: Option<String>,
    pub validate_only: bool,
    pub not_after: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelAnswer {
    Classified(Classified),
    Modified(Modified),
    Imported(Imported),
    Margin(ModelMargin),
    Advanced { now: i64 },
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub policy_version: u64,
    pub multiple: u32,
    pub quota: String,
    pub day_total_before: String,
    pub day_total_after: String,
    pub remaining: String,
    pub resets_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified {
    pub cycle: Cycle,
    pub settles_at: i64,
    pub completed_at: i64,
    pub replayed: bool,
    pub receipt: Receipt,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRelease {
    pub amount: String,
    pub created_at: i64,
    pub due_at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modified {
    pub guarantee: String,
    pub previous_guarantee: String,
    pub frozen: String,
    pub gap: String,
    pub available: String,
    pub taken_from_releasing: String,
    pub taken_from_available: String,
    pub release: Option<ShownRelease>,
    pub modified_at: i64,
    pub replayed: bool,
    pub receipt: Receipt,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub historical_profit: String,
    pub available: String,
    pub multiple: u32,
    pub policy_version: u64,
    pub imported_at: i64,
    pub replayed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelMargin {
    pub merchant_id: String,
    pub as_of: i64,
    pub guarantee: String,
    pub frozen: String,
    pub gap: String,
    pub gap_since: Option<i64>,
    /// First due first, then first created.
    pub releasing: Vec<ShownRelease>,
    pub releasing_total: String,
    pub available: String,
    /// First due first, then the older day, then QUICK.
    pub pending: Vec<ShownPending>,
    pub pending_total: String,
    pub debt: String,
    pub historical_profit: String,
    pub multiple: u32,
    pub next_multiple: Option<ShownNextMultiple>,
    pub quota: ShownQuota,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownPending {
    pub settles_at: i64,
    pub cycle: Cycle,
    /// The instant the settlement day of completion starts at.
    pub completed_day: i64,
    pub orders: u64,
    pub profit: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownNextMultiple {
    pub multiple: u32,
    pub above: String,
    pub missing: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownQuota {
    pub limit: String,
    pub limit_by_frozen: String,
    pub limit_by_guarantee: String,
    pub used_all: String,
    pub used_quick: String,
    pub remaining: String,
    pub resets_at: i64,
    pub policy_version: u64,
}

/// Why a request was refused; nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelRefusal {
    MalformedMerchantId,
    MalformedOrderId,
    MalformedRequestId,
    MalformedPrice,
    MalformedProfit,
    MalformedGuarantee,
    MalformedHistoricalProfit,
    MalformedAvailable,
    /// A known id with other content. A request_id that another method has used differs in `request_id`.
    Conflict {
        field: &'static str,
    },
    NotAfterPassed,
    TooOld,
    TooFarAhead,
    NotFound,
    MerchantExists,
    TooManyReleases,
    GuaranteeAboveMaximum,
}

impl ModelRefusal {
    /// The gRPC status code the public API promises for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MalformedMerchantId
            | Self::MalformedOrderId
            | Self::MalformedRequestId
            | Self::MalformedPrice
            | Self::MalformedProfit
            | Self::MalformedGuarantee
            | Self::MalformedHistoricalProfit
            | Self::MalformedAvailable => "INVALID_ARGUMENT",
            Self::Conflict { .. } => "ALREADY_EXISTS",
            Self::NotFound => "NOT_FOUND",
            Self::NotAfterPassed
            | Self::TooOld
            | Self::TooFarAhead
            | Self::MerchantExists
            | Self::TooManyReleases
            | Self::GuaranteeAboveMaximum => "FAILED_PRECONDITION",
        }
    }

    /// The field of the request it is about.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::MalformedMerchantId => Some("merchant_id"),
            Self::MalformedOrderId => Some("order_id"),
            Self::MalformedRequestId => Some("request_id"),
            Self::MalformedPrice => Some("price"),
            Self::MalformedProfit => Some("profit"),
            Self::MalformedHistoricalProfit => Some("historical_profit"),
            Self::MalformedAvailable => Some("available"),
            Self::MalformedGuarantee | Self::GuaranteeAboveMaximum | Self::TooManyReleases => Some("guarantee"),
            Self::Conflict { field } => Some(field),
            Self::NotAfterPassed => Some("not_after"),
            Self::TooOld | Self::TooFarAhead => Some("completed_at"),
            Self::NotFound | Self::MerchantExists => None,
        }
    }
}

impl ClassifyRequest {
    pub fn new(merchant_id: &str, order_id: &str, price: &str) -> Self {
        Self { merchant_id: merchant_id.into(), order_id: order_id.into(), price: price.into(), ..Self::default() }
    }

    pub fn profit(self, profit: &str) -> Self {
        Self { profit: Some(profit.into()), ..self }
    }

    pub fn completed_at(self, instant: i64) -> Self {
        Self { completed_at: Some(instant), ..self }
    }
}

impl ModifyRequest {
    pub fn new(merchant_id: &str, request_id: &str, guarantee: u64) -> Self {
        Self {
            merchant_id: merchant_id.into(),
            request_id: request_id.into(),
            guarantee: Some(guarantee),
            ..Self::default()
        }
    }
}

impl ImportRequest {
    pub fn new(merchant_id: &str, request_id: &str, historical_profit: &str, available: &str) -> Self {
        Self {
            merchant_id: merchant_id.into(),
            request_id: request_id.into(),
            historical_profit: Some(historical_profit.into()),
            available: Some(available.into()),
            ..Self::default()
        }
    }
}
