//! The calls about one merchant.

use super::{
    AppealOpened, AppealResolved, Client, Deducted, Error, GuaranteeModified, Margin, OrderStatus, Paid, Reversed,
    Withdrawn, read::wire,
};
use crate::{
    domain::{AppealOutcome, Beneficiary, DeductionReason, Money, Timestamp},
    proto::v1,
};

/// A merchant of a server. Every command takes the `request_id` that makes it safe to repeat: choose it before the first try, and
/// keep it until there is an answer.
#[derive(Clone, Debug)]
pub struct Merchant {
    client: Client,
    id: String,
    validate_only: bool,
    not_after: Option<Timestamp>,
}

/// Money to be taken from a merchant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deduction {
    /// How much.
    pub amount: Money,
    /// Why.
    pub reason: DeductionReason,
    /// Who gets it.
    pub beneficiary: Beneficiary,
    /// What it is about.
    pub about: About,
    /// More about it; may be empty.
    pub note: String,
}

/// What a deduction is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// An order of the merchant. It need not be known here.
    Order(String),
    /// A dispute, as it is called elsewhere.
    Dispute(String),
}

impl Merchant {
    pub(super) fn new(client: Client, id: String) -> Self {
        Self { client, id, validate_only: false, not_after: None }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The same merchant for commands that only tell what would happen: they change nothing and use up no id.
    #[must_use]
    pub fn validate_only(mut self) -> Self {
        self.validate_only = true;
        self
    }

    /// The same merchant for commands that are refused once the engine's time is past this instant. So whoever gives up knows from when on
    /// a command cannot happen any more.
    #[must_use]
    pub fn not_after(mut self, instant: Timestamp) -> Self {
        self.not_after = Some(instant);
        self
    }

    /// All balances of now, with everything applied that has come due.
    ///
    /// # Errors
    /// `MERCHANT_NOT_FOUND`; see [`Client::call`].
    pub async fn margin(&self) -> Result<Margin, Error> {
        self.client.call(v1::GetMarginRequest { merchant_id: self.id.clone(), as_of: None }).await?.try_into()
    }

    /// An order, how it was decided and what became of it.
    ///
    /// # Errors
    /// `MERCHANT_NOT_FOUND`, `ORDER_NOT_FOUND`; see [`Client::call`].
    pub async fn order(&self, order_id: &str) -> Result<OrderStatus, Error> {
        let request = v1::GetOrderRequest { merchant_id: self.id.clone(), order_id: order_id.into() };
        self.client.call(request).await?.try_into()
    }

    /// Sets the guarantee, in whole dollars; 0 gives it up.
    ///
    /// # Errors
    /// Such as `GUARANTEE_ABOVE_MAXIMUM`, `MERCHANT_CLOSING`, `NO_CLEAN_RECORD`; see [`Client::call`].
    pub async fn modify_guarantee(&self, dollars: u64, request_id: &str) -> Result<GuaranteeModified, Error> {
        let request = v1::ModifyGuaranteeRequest {
            merchant_id: self.id.clone(),
            guarantee: Some(dollars),
            request_id: request_id.into(),
            validate_only: self.validate_only,
            not_after: self.not_after.map(wire),
        };
        self.client.call(request).await?.try_into()
    }

    /// Takes a payment in, which the request id names. `reference` is what it is called elsewhere, and may be empty.
    ///
    /// # Errors
    /// See [`Client::call`].
    pub async fn pay(&self, amount: Money, reference: &str, request_id: &str) -> Result<Paid, Error> {
        let request = v1::PayMarginRequest {
            merchant_id: self.id.clone(),
            amount: amount.to_string(),
            reference: reference.into(),
            request_id: request_id.into(),
            validate_only: self.validate_only,
            not_after: self.not_after.map(wire),
        };
        self.client.call(request).await?.try_into()
    }

    /// Pays out, at most what is available. `reference` is what it is called elsewhere, and may be empty.
    ///
    /// # Errors
    /// `INSUFFICIENT_AVAILABLE`, `MERCHANT_HELD`; see [`Client::call`].
    pub async fn withdraw(&self, amount: Money, reference: &str, request_id: &str) -> Result<Withdrawn, Error> {
        let request = v1::WithdrawRequest {
            merchant_id: self.id.clone(),
            amount: amount.to_string(),
            reference: reference.into(),
            request_id: request_id.into(),
            validate_only: self.validate_only,
            not_after: self.not_after.map(wire),
        };
        self.client.call(request).await?.try_into()
    }

    /// Gives an order back, in part or in full; its profit falls in proportion. `reason` may be empty.
    ///
    /// # Errors
    /// `ORDER_NOT_FOUND`, `REVERSAL_EXCEEDS_ORDER`; see [`Client::call`].
    pub async fn reverse(
        &self,
        order_id: &str,
        amount: Money,
        reason: &str,
        request_id: &str,
    ) -> Result<Reversed, Error> {
        let request = v1::ReverseOrderRequest {
            merchant_id: self.id.clone(),
            order_id: order_id.into(),
            amount: amount.to_string(),
            profit: String::new(),
            reason: reason.into(),
            request_id: request_id.into(),
            validate_only: self.validate_only,
            not_after: self.not_after.map(wire),
        };
        self.client.call(request).await?.try_into()
    }

    /// Takes money for a violation or a dispute. The request id names the deduction.
    ///
    /// # Errors
    /// See [`Client::call`].
    pub async fn deduct(&self, deduction: Deduction, request_id: &str) -> Result<Deducted, Error> {
        use v1::deduct_margin_request::Reference;
        let request = v1::DeductMarginRequest {
            merchant_id: self.id.clone(),
            amount: deduction.amount.to_string(),
            reason: reason(deduction.reason).into(),
            reference: Some(match deduction.about {
                About::Order(order_id) => Reference::OrderId(order_id),
                About::Dispute(dispute) => Reference::Dispute(dispute),
            }),
            beneficiary: match deduction.beneficiary {
                Beneficiary::Buyer => v1::Beneficiary::Buyer,
                Beneficiary::Platform => v1::Beneficiary::Platform,
            }
            .into(),
            note: deduction.note,
            request_id: request_id.into(),
            validate_only: self.validate_only,
            not_after: self.not_after.map(wire),
        };
        self.client.call(request).await?.try_into()
    }

    /// Appeals against a deduction, which its request id names. `statement` may be empty.
    ///
    /// # Errors
    /// `DEDUCTION_NOT_FOUND`, `APPEALED_ALREADY`, `APPEAL_TOO_LATE`, `TOO_MANY_APPEALS`; see [`Client::call`].
    pub async fn open_appeal(
        &self,
        deduction_id: &str,
        statement: &str,
        request_id: &str,
    ) -> Result<AppealOpened, Error> {
        let request = v1::OpenAppealRequest {
            merchant_id: self.id.clone(),
            deduction_id: deduction_id.into(),
            statement: statement.into(),
            request_id: request_id.into(),
            validate_only: self.validate_only,
            not_after: self.not_after.map(wire),
        };
        self.client.call(request).await?.try_into()
    }

    /// Resolves the appeal against a deduction: upheld, or overturned by this amount (none: by all of it). `reason` may be empty.
    ///
    /// # Errors
    /// `APPEAL_NOT_FOUND`, `APPEAL_RESOLVED`, `OVERTURN_EXCEEDS_DEDUCTION`; see [`Client::call`].
    pub async fn resolve_appeal(
        &self,
        deduction_id: &str,
        outcome: AppealOutcome,
        amount: Option<Money>,
        reason: &str,
        request_id: &str,
    ) -> Result<AppealResolved, Error> {
        let outcome = match outcome {
            AppealOutcome::Upheld => v1::AppealOutcome::Upheld,
            AppealOutcome::Overturned => v1::AppealOutcome::Overturned,
        };
        let request = v1::ResolveAppealRequest {
            merchant_id: self.id.clone(),
            deduction_id: deduction_id.into(),
            outcome: outcome.into(),
            amount: amount.map(|amount| amount.to_string()).unwrap_or_default(),
            reason: reason.into(),
            request_id: request_id.into(),
            validate_only: self.validate_only,
            not_after: self.not_after.map(wire),
        };
        self.client.call(request).await?.try_into()
    }
}

const fn reason(reason: DeductionReason) -> v1::DeductionReason {
    match reason {
        DeductionReason::Fraud => v1::DeductionReason::Fraud,
        DeductionReason::LateDelivery => v1::DeductionReason::LateDelivery,
        DeductionReason::LowQuality => v1::DeductionReason::LowQuality,
        DeductionReason::IntellectualProperty => v1::DeductionReason::IntellectualProperty,
        DeductionReason::DisputeCompensation => v1::DeductionReason::DisputeCompensation,
        DeductionReason::Other => v1::DeductionReason::Other,
    }
}
