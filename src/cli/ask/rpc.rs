//! The calls that can be asked for: what each is called, what it takes and what it answers.

use tonic::{Response, Status};

use crate::{
    cli::{
        Failure,
        call::{CallError, patiently},
        target::{Connection, Server},
    },
    proto::v1::{self, *},
};

/// How often a call is tried for a person who waits: long enough for a server that is being restarted by a supervisor.
const TRIES: u32 = 5;

/// A request, which knows the call it is made for.
pub(super) trait Rpc: prost::Message + Clone + Send + 'static {
    /// What comes back.
    type Answer: prost::Message + Default + Send;

    /// `tplus.v1.Service/Method`, as grpcurl takes it.
    const METHOD: &'static str;

    /// Makes the call once.
    fn call(self, over: Connection) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
}

/// A request for a page of a list.
pub(super) trait Page: Rpc {
    /// What is listed.
    type Item: prost::Message + Default;

    /// Sets how many to answer, and where to go on.
    fn turn(&mut self, size: i32, token: String);

    /// What is on a page, and the token of the next one, which is empty for the last.
    fn leaf(answer: Self::Answer) -> (Vec<Self::Item>, String);
}

macro_rules! calls {
    ($($service:literal by $client:path { $($method:literal $call:ident($request:ty) -> $answer:ty $([$items:ident: $item:ty])?;)+ })+) => {
        /// Every call of the table.
        #[cfg(test)]
        pub(super) const METHODS: &[(&str, &str, &str)] =
            &[$($((<$request as Rpc>::METHOD, stringify!($request), stringify!($answer)),)+)+];

        $($(
            impl Rpc for $request {
                type Answer = $answer;
                const METHOD: &'static str = concat!("tplus.v1.", $service, "/", $method);

                async fn call(self, over: Connection) -> Result<Response<$answer>, Status> {
                    <$client>::new(over).$call(self).await
                }
            }

            $(impl Page for $request {
                type Item = $item;

                fn turn(&mut self, size: i32, token: String) {
                    (self.page_size, self.page_token) = (size, token);
                }

                fn leaf(answer: $answer) -> (Vec<$item>, String) {
                    (answer.$items, answer.next_page_token)
                }
            })?
        )+)+
    };
}

calls! {
    "OrderService" by v1::order_service_client::OrderServiceClient::<Connection> {
        "ClassifyOrders" classify_orders(ClassifyOrdersRequest) -> ClassifyOrdersResponse;
        "ReverseOrder" reverse_order(ReverseOrderRequest) -> ReverseOrderResponse;
        "GetOrder" get_order(GetOrderRequest) -> GetOrderResponse;
        "ListOrders" list_orders(ListOrdersRequest) -> ListOrdersResponse [orders: Order];
    }
    "GuaranteeService" by v1::guarantee_service_client::GuaranteeServiceClient::<Connection> {
        "ModifyGuarantee" modify_guarantee(ModifyGuaranteeRequest) -> ModifyGuaranteeResponse;
        "QuoteGuarantee" quote_guarantee(QuoteGuaranteeRequest) -> QuoteGuaranteeResponse;
        "BatchGetGuarantees" batch_get_guarantees(BatchGetGuaranteesRequest) -> BatchGetGuaranteesResponse;
        "ListReleases" list_releases(ListReleasesRequest) -> ListReleasesResponse [releases: ReleaseStatus];
    }
    "MarginService" by v1::margin_service_client::MarginServiceClient::<Connection> {
        "GetMargin" get_margin(GetMarginRequest) -> GetMarginResponse;
        "GetCashForecast" get_cash_forecast(GetCashForecastRequest) -> GetCashForecastResponse;
        "PayMargin" pay_margin(PayMarginRequest) -> PayMarginResponse;
        "ReturnPayment" return_payment(ReturnPaymentRequest) -> ReturnPaymentResponse;
        "Withdraw" withdraw(WithdrawRequest) -> WithdrawResponse;
        "FailWithdrawal" fail_withdrawal(FailWithdrawalRequest) -> FailWithdrawalResponse;
        "AdjustBalance" adjust_balance(AdjustBalanceRequest) -> AdjustBalanceResponse;
        "GetMarginEntry" get_margin_entry(GetMarginEntryRequest) -> GetMarginEntryResponse;
        "ListMarginEntries" list_margin_entries(ListMarginEntriesRequest) -> ListMarginEntriesResponse [entries: MarginEntry];
        "GetSettlementStatement" get_settlement_statement(GetSettlementStatementRequest) -> GetSettlementStatementResponse;
        "GetTrialBalance" get_trial_balance(GetTrialBalanceRequest) -> GetTrialBalanceResponse;
    }
    "DisputeService" by v1::dispute_service_client::DisputeServiceClient::<Connection> {
        "DeductMargin" deduct_margin(DeductMarginRequest) -> DeductMarginResponse;
        "ListDeductions" list_deductions(ListDeductionsRequest) -> ListDeductionsResponse [deductions: Deduction];
        "OpenAppeal" open_appeal(OpenAppealRequest) -> OpenAppealResponse;
        "ResolveAppeal" resolve_appeal(ResolveAppealRequest) -> ResolveAppealResponse;
        "ListAppeals" list_appeals(ListAppealsRequest) -> ListAppealsResponse [appeals: Appeal];
    }
    "MerchantService" by v1::merchant_service_client::MerchantServiceClient::<Connection> {
        "GetMerchant" get_merchant(GetMerchantRequest) -> GetMerchantResponse;
        "ListMerchants" list_merchants(ListMerchantsRequest) -> ListMerchantsResponse [merchants: Merchant];
        "SetCategories" set_categories(SetCategoriesRequest) -> SetCategoriesResponse;
        "PlaceHold" place_hold(PlaceHoldRequest) -> PlaceHoldResponse;
        "LiftHold" lift_hold(LiftHoldRequest) -> LiftHoldResponse;
        "ListHolds" list_holds(ListHoldsRequest) -> ListHoldsResponse [holds: Hold];
        "CloseMerchant" close_merchant(CloseMerchantRequest) -> CloseMerchantResponse;
        "ReopenMerchant" reopen_merchant(ReopenMerchantRequest) -> ReopenMerchantResponse;
        "GetExposure" get_exposure(GetExposureRequest) -> GetExposureResponse;
    }
    "PolicyService" by v1::policy_service_client::PolicyServiceClient::<Connection> {
        "GetPolicy" get_policy(GetPolicyRequest) -> GetPolicyResponse;
        "ListPolicies" list_policies(ListPoliciesRequest) -> ListPoliciesResponse [policies: PolicyVersion];
        "SetPolicy" set_policy(SetPolicyRequest) -> SetPolicyResponse;
        "EvaluatePolicy" evaluate_policy(EvaluatePolicyRequest) -> EvaluatePolicyResponse;
    }
    "ApprovalService" by v1::approval_service_client::ApprovalServiceClient::<Connection> {
        "ProposeChange" propose_change(ProposeChangeRequest) -> ProposeChangeResponse;
        "ApproveProposal" approve_proposal(ApproveProposalRequest) -> ApproveProposalResponse;
        "RejectProposal" reject_proposal(RejectProposalRequest) -> RejectProposalResponse;
        "WithdrawProposal" withdraw_proposal(WithdrawProposalRequest) -> WithdrawProposalResponse;
        "GetProposal" get_proposal(GetProposalRequest) -> GetProposalResponse;
        "ListProposals" list_proposals(ListProposalsRequest) -> ListProposalsResponse [proposals: Proposal];
    }
    "ClockService" by v1::clock_service_client::ClockServiceClient::<Connection> {
        "GetClock" get_clock(GetClockRequest) -> GetClockResponse;
        "AdvanceClock" advance_clock(AdvanceClockRequest) -> AdvanceClockResponse;
    }
}

impl Server {
    /// Asks until there is an answer or a refusal, or it was tried too often.
    ///
    /// # Errors
    /// What the server said; where it said nothing, with its address and what may help.
    pub(super) async fn ask<R: Rpc>(&self, request: &R) -> Result<R::Answer, Failure> {
        patiently(TRIES, || request.clone().call(self.connection())).await.map_err(|error| self.failed(error))
    }

    /// What to say of a call that came to nothing.
    pub(super) fn failed(&self, error: CallError) -> Failure {
        if error.is_an_answer() {
            return error.plain();
        }
        let hint = error.hint();
        error.during(&format!("asking {}", self.address())).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::ask::json;

    #[test]
    fn every_call_is_what_the_proto_files_say() {
        for (method, request, answer) in METHODS {
            let found = json::method(method).unwrap();
            assert_eq!((found.input().name(), found.output().name()), (*request, *answer), "{method}");
        }
    }

    /// What cannot be asked for is left out on purpose.
    #[test]
    fn no_call_is_forgotten() {
        let asked: BTreeSet<String> = METHODS.iter().map(|(method, ..)| (*method).to_owned()).collect();
        let left: Vec<String> = json::methods().filter(|method| !asked.contains(method)).collect();
        assert_eq!(
            left,
            [
                "tplus.v1.DisputeService/GetAppeal",
                "tplus.v1.DisputeService/GetDeduction",
                "tplus.v1.EventService/WatchEvents",
                "tplus.v1.GuaranteeService/GetRelease",
                "tplus.v1.MerchantService/GetHold",
                "tplus.v1.MerchantService/ImportMerchant",
                "tplus.v1.MerchantService/RankMerchants",
                "tplus.v1.OrderService/ClassifyOrder",
                "tplus.v1.OrderService/StreamClassifyOrders",
            ]
        );
    }
}
