//! What is asked, as plain data: amounts are texts as they are written on the wire, instants are microseconds since 1970. Field by
//! field the requests follow the public API, so that a driver sends them as they are.

use super::policy::ModelPolicy;
use super::reads::Query;

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
    /// Any other command about a merchant.
    Command(Command),
    SetPolicy(PolicyRequest),
    /// A change that another caller has to approve.
    Propose(Propose),
    /// What becomes of one.
    Decide(Decide),
    /// GetMargin as of now.
    Read {
        merchant_id: String,
    },
    /// Any other question.
    Ask(Query),
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
    pub debt: Option<String>,
    /// Whole dollars.
    pub guarantee: u64,
    pub frozen: Option<String>,
    pub releasing: Vec<ImportedRelease>,
    pub pending: Vec<ImportedPending>,
    pub orders: Vec<ImportedOrder>,
    pub validate_only: bool,
    pub not_after: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedRelease {
    pub amount: String,
    pub due_at: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedPending {
    pub settles_at: Option<i64>,
    pub cycle: Option<Cycle>,
    pub orders: u64,
    pub profit: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedOrder {
    pub order_id: String,
    pub price: String,
    pub profit: Option<String>,
    pub completed_at: Option<i64>,
    pub cycle: Option<Cycle>,
    pub settles_at: Option<i64>,
}

/// A command about a merchant that is safe to repeat by its request_id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub merchant_id: String,
    pub request_id: String,
    pub action: Action,
    pub validate_only: bool,
    pub not_after: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    ReverseOrder { order_id: String, amount: String, profit: Option<String>, reason: String },
    PayMargin { amount: String, reference: String },
    ReturnPayment { payment_id: String, reason: String },
    Withdraw { amount: String, reference: String },
    FailWithdrawal { withdrawal_id: String, reason: String },
    AdjustBalance { direction: Option<Direction>, amount: String, reason: String, reference: String },
    DeductMargin(Deduct),
    OpenAppeal { deduction_id: String, statement: String },
    ResolveAppeal { deduction_id: String, outcome: Option<Outcome>, amount: Option<String>, reason: String },
    PlaceHold { reason: String },
    LiftHold { hold_id: String, reason: String },
    SetCategories { categories: Vec<String> },
    CloseMerchant { reason: String },
    ReopenMerchant { reason: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deduct {
    pub amount: String,
    /// As it is numbered on the wire, 1 to 6.
    pub reason: i32,
    pub about: Option<About>,
    pub beneficiary: Option<Beneficiary>,
    pub note: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    Order(String),
    Dispute(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beneficiary {
    Buyer,
    Platform,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Credit,
    Debit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Upheld,
    Overturned,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRequest {
    pub policy: ModelPolicy,
    pub effective_at: Option<i64>,
    /// 0: do not compare.
    pub expected_version: u64,
    pub reason: String,
    pub request_id: String,
    pub validate_only: bool,
    pub not_after: Option<i64>,
}

/// Somebody whom the rules of access name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    Ann,
    Ben,
    Cleo,
}

impl Caller {
    pub const ALL: [Self; 3] = [Self::Ann, Self::Ben, Self::Cleo];

    /// As in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ann => "dns:ann",
            Self::Ben => "dns:ben",
            Self::Cleo => "dns:cleo",
        }
    }

    pub fn next(self) -> Self {
        match self {
            Self::Ann => Self::Ben,
            Self::Ben => Self::Cleo,
            Self::Cleo => Self::Ann,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propose {
    /// Nothing: nobody is asked who he is.
    pub caller: Option<Caller>,
    pub request_id: String,
    pub change: Option<Change>,
    pub not_after: Option<i64>,
}

/// What may be proposed. Only deductions and adjustments are commands that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Command(Command),
    Policy(PolicyRequest),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decide {
    /// Nothing: nobody is asked who he is.
    pub caller: Option<Caller>,
    pub verdict: Verdict,
    pub proposal_id: String,
    /// An approval has none.
    pub reason: String,
    pub not_after: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Approve,
    Reject,
    Withdraw,
}

/// Why a request was refused; nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModelRefusal {
    /// Missing, malformed or out of bounds.
    Malformed {
        field: &'static str,
    },
    /// A known id with other content. A request_id that another method has used differs in `request_id`.
    Conflict {
        field: &'static str,
    },
    NotAfterPassed,
    TooOld,
    TooFarAhead,
    /// The merchant was never opened.
    NotFound,
    /// The order, payment, withdrawal, deduction, appeal, hold, release, entry or version does not exist.
    Unknown {
        field: &'static str,
    },
    /// The instant lies in the future.
    OutOfRange,
    MerchantExists,
    TooManyReleases,
    TooManyHolds,
    TooManyAppeals,
    TooManyCategories,
    TooManyImported {
        field: &'static str,
    },
    GuaranteeAboveMaximum,
    BelowRequired,
    NoCleanRecord,
    /// Raising while closing, or closing again.
    ClosingAlready,
    NotClosing,
    /// What an import says does not fit the present time.
    Untimely {
        field: &'static str,
    },
    /// More than is left of the order.
    MoreThanLeft {
        field: &'static str,
    },
    NotAvailable,
    Held,
    /// Returned, failed, lifted, appealed against or resolved before.
    DoneAlready {
        field: &'static str,
    },
    AppealWindowPassed,
    MoreThanDeducted,
    OtherVersion,
    PolicyTooEarly,
    NotBetweenDays,
    /// Nobody is asked who he is.
    IdentityRequired,
    UnknownProposal,
    /// The id of a proposal that another caller has made.
    OtherProposer,
    ProposalExpired,
    TooManyProposals,
    ProposalClosed,
    /// What is proposed, or was, was made already.
    DecidedAlready,
    ApproverIsProposer,
    NotTheProposer,
}

impl ModelRefusal {
    /// The gRPC status code the public API promises for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "INVALID_ARGUMENT",
            Self::Conflict { .. } | Self::OtherProposer => "ALREADY_EXISTS",
            Self::NotFound | Self::Unknown { .. } | Self::UnknownProposal => "NOT_FOUND",
            Self::ApproverIsProposer | Self::NotTheProposer => "PERMISSION_DENIED",
            Self::OtherVersion => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            _ => "FAILED_PRECONDITION",
        }
    }

    /// The field of the request it is about.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Malformed { field }
            | Self::Conflict { field }
            | Self::Unknown { field }
            | Self::TooManyImported { field }
            | Self::Untimely { field }
            | Self::MoreThanLeft { field }
            | Self::DoneAlready { field } => Some(field),
            Self::GuaranteeAboveMaximum | Self::BelowRequired => Some("guarantee"),
            Self::NotAfterPassed => Some("not_after"),
            Self::TooOld | Self::TooFarAhead => Some("completed_at"),
            Self::TooManyCategories => Some("categories"),
            Self::NotAvailable | Self::MoreThanDeducted => Some("amount"),
            Self::OtherVersion => Some("expected_version"),
            Self::PolicyTooEarly | Self::NotBetweenDays => Some("effective_at"),
            Self::NotFound
            | Self::OutOfRange
            | Self::MerchantExists
            | Self::TooManyReleases
            | Self::TooManyHolds
            | Self::TooManyAppeals
            | Self::NoCleanRecord
            | Self::ClosingAlready
            | Self::NotClosing
            | Self::Held
            | Self::AppealWindowPassed
            | Self::IdentityRequired
            | Self::UnknownProposal
            | Self::OtherProposer
            | Self::ProposalExpired
            | Self::TooManyProposals
            | Self::ProposalClosed
            | Self::DecidedAlready
            | Self::ApproverIsProposer
            | Self::NotTheProposer => None,
        }
    }

    /// Which of the reasons in the README, where several have one code and no field.
    pub fn reason(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotAfterPassed => "NOT_AFTER_PASSED",
            Self::IdentityRequired => "IDENTITY_REQUIRED",
            Self::UnknownProposal => "PROPOSAL_NOT_FOUND",
            Self::OtherProposer => "ID_REUSED",
            Self::ProposalExpired => "PROPOSAL_EXPIRED",
            Self::TooManyProposals => "TOO_MANY_PROPOSALS",
            Self::ProposalClosed => "PROPOSAL_CLOSED",
            Self::DecidedAlready => "DECIDED_ALREADY",
            Self::ApproverIsProposer => "APPROVER_IS_PROPOSER",
            Self::NotTheProposer => "NOT_THE_PROPOSER",
            _ => return None,
        })
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

impl Command {
    pub fn new(merchant_id: &str, request_id: &str, action: Action) -> Self {
        Self {
            merchant_id: merchant_id.into(),
            request_id: request_id.into(),
            action,
            validate_only: false,
            not_after: None,
        }
    }
}

impl PolicyRequest {
    pub fn new(request_id: &str, policy: ModelPolicy) -> Self {
        Self {
            policy,
            effective_at: None,
            expected_version: 0,
            reason: String::new(),
            request_id: request_id.into(),
            validate_only: false,
            not_after: None,
        }
    }
}
