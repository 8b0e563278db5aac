//! Which merchants a request is about: whoever may not touch them hears nothing else about it.

use tonic::{Request, Status};

use crate::{
    access::Session,
    grpc::convert,
    proto::v1::{self, propose_change_request::Change},
};

/// Which merchants a request is about, by their ids as they were given.
pub(super) enum About<'a> {
    /// Nobody's affairs.
    Nobody,
    /// One.
    One(&'a str),
    /// These.
    Some(&'a [String]),
    /// All there are.
    All,
}

/// A request of which can be told whom it is about.
pub(super) trait Concerns {
    /// Whom it is about.
    fn about(&self) -> About<'_>;
}

/// Who is asking and what, once it is clear that it is about nobody whom he may not touch.
pub(super) fn admitted<R: Concerns>(request: Request<R>) -> Result<(Session, R), Status> {
    let session = session(&request)?;
    let request = request.into_inner();
    let allowed = match request.about() {
        About::Nobody => Ok(()),
        About::One(merchant) => session.may_touch(merchant),
        About::Some(merchants) => merchants.iter().try_for_each(|merchant| session.may_touch(merchant)),
        About::All => session.may_touch_all(),
    };
    allowed.map_err(|denied| convert::denied(&denied))?;
    Ok((session, request))
}

/// Who is asking. A call that the gate has not seen is nobody's, and is refused.
pub(super) fn session<R>(request: &Request<R>) -> Result<Session, Status> {
    request.extensions().get().cloned().ok_or_else(convert::not_admitted)
}

macro_rules! about {
    ($($message:ident),* $(,)? => $this:ident $about:expr) => {
        $(impl Concerns for v1::$message {
            fn about(&self) -> About<'_> {
                let $this = self;
                $about
            }
        })*
    };
}

about! {
    AdjustBalanceRequest,
    ClassifyOrderRequest,
    CloseMerchantRequest,
    DeductMarginRequest,
    FailWithdrawalRequest,
    GetAppealRequest,
    GetCashForecastRequest,
    GetDeductionRequest,
    GetExposureRequest,
    GetHoldRequest,
    GetMarginRequest,
    GetMarginEntryRequest,
    GetMerchantRequest,
    GetOrderRequest,
    GetReleaseRequest,
    GetSettlementStatementRequest,
    ImportMerchantRequest,
    LiftHoldRequest,
    ListAppealsRequest,
    ListDeductionsRequest,
    ListHoldsRequest,
    ListMarginEntriesRequest,
    ListOrdersRequest,
    ListReleasesRequest,
    ModifyGuaranteeRequest,
    OpenAppealRequest,
    PayMarginRequest,
    PlaceHoldRequest,
    QuoteGuaranteeRequest,
    ReopenMerchantRequest,
    ResolveAppealRequest,
    ReturnPaymentRequest,
    ReverseOrderRequest,
    SetCategoriesRequest,
    WithdrawRequest => this About::One(&this.merchant_id)
}

// About nobody until it is clear whom the proposal is about, which the service asks.
about! {
    ApproveProposalRequest, GetProposalRequest, RejectProposalRequest, WithdrawProposalRequest => _this About::Nobody
}

about! {
    ListProposalsRequest => this match this.merchant_id.as_str() {
        "" => About::All,
        merchant => About::One(merchant),
    }
}

about! {
    ProposeChangeRequest => this match &this.change {
        Some(Change::DeductMargin(change)) => About::One(&change.merchant_id),
        Some(Change::AdjustBalance(change)) => About::One(&change.merchant_id),
        Some(Change::SetPolicy(_)) => About::All,
        None => About::Nobody,
    }
}

about! {
    BatchGetGuaranteesRequest => this About::Some(&this.merchant_ids)
}

// Without a merchant these are about all.
about! {
    EvaluatePolicyRequest, WatchEventsRequest => this match this.merchant_ids.as_slice() {
        [] => About::All,
        these => About::Some(these),
    }
}

// Whoever changes the rules or the time of all, or looks at the books of all, touches all.
about! {
    AdvanceClockRequest, GetTrialBalanceRequest, ListMerchantsRequest, RankMerchantsRequest, SetPolicyRequest => _this About::All
}

about! {
    GetClockRequest, GetPolicyRequest, ListPoliciesRequest => _this About::Nobody
}
