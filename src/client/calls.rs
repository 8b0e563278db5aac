//! All calls with one answer, by their requests.

use tonic::{Request, Response, Status, transport::Channel};

use crate::proto::v1;

/// The largest answer that is taken: as many orders as a call may have, with their receipts, fit several times.
pub(super) const LARGEST_ANSWER: usize = 64 << 20;

/// A request that has one answer. All of them may be made again with the same content.
pub trait Call: Clone + Send + Sync + sealed::Sealed + 'static {
    /// What it is answered with.
    type Answer: Send;

    /// Makes the call once.
    #[doc(hidden)]
    fn send(
        request: Request<Self>,
        channel: Channel,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! calls {
    ($($client:path { $($method:ident: $request:ident -> $answer:ident,)* })*) => {
        $($(
            impl sealed::Sealed for v1::$request {}

            impl Call for v1::$request {
                type Answer = v1::$answer;

                async fn send(request: Request<Self>, channel: Channel) -> Result<Response<Self::Answer>, Status> {
                    use $client as Client;
                    Client::new(channel).max_decoding_message_size(LARGEST_ANSWER).$method(request).await
                }
            }
        )*)*

        /// The names of their requests.
        #[cfg(test)]
        const REQUESTS: &[&str] = &[$($(stringify!($request),)*)*];
    };
}

calls! {
    v1::order_service_client::OrderServiceClient {
        classify_order: ClassifyOrderRequest -> ClassifyOrderResponse,
        classify_orders: ClassifyOrdersRequest -> ClassifyOrdersResponse,
        reverse_order: ReverseOrderRequest -> ReverseOrderResponse,
        get_order: GetOrderRequest -> GetOrderResponse,
        list_orders: ListOrdersRequest -> ListOrdersResponse,
    }
    v1::guarantee_service_client::GuaranteeServiceClient {
        modify_guarantee: ModifyGuaranteeRequest -> ModifyGuaranteeResponse,
        quote_guarantee: QuoteGuaranteeRequest -> QuoteGuaranteeResponse,
        batch_get_guarantees: BatchGetGuaranteesRequest -> BatchGetGuaranteesResponse,
        get_release: GetReleaseRequest -> GetReleaseResponse,
        list_releases: ListReleasesRequest -> ListReleasesResponse,
    }
    v1::margin_service_client::MarginServiceClient {
        get_margin: GetMarginRequest -> GetMarginResponse,
        get_cash_forecast: GetCashForecastRequest -> GetCashForecastResponse,
        pay_margin: PayMarginRequest -> PayMarginResponse,
        return_payment: ReturnPaymentRequest -> ReturnPaymentResponse,
        withdraw: WithdrawRequest -> WithdrawResponse,
        fail_withdrawal: FailWithdrawalRequest -> FailWithdrawalResponse,
        adjust_balance: AdjustBalanceRequest -> AdjustBalanceResponse,
        get_margin_entry: GetMarginEntryRequest -> GetMarginEntryResponse,
        list_margin_entries: ListMarginEntriesRequest -> ListMarginEntriesResponse,
        get_settlement_statement: GetSettlementStatementRequest -> GetSettlementStatementResponse,
        get_trial_balance: GetTrialBalanceRequest -> GetTrialBalanceResponse,
    }
    v1::dispute_service_client::DisputeServiceClient {
        deduct_margin: DeductMarginRequest -> DeductMarginResponse,
        get_deduction: GetDeductionRequest -> GetDeductionResponse,
        list_deductions: ListDeductionsRequest -> ListDeductionsResponse,
        open_appeal: OpenAppealRequest -> OpenAppealResponse,
        resolve_appeal: ResolveAppealRequest -> ResolveAppealResponse,
        get_appeal: GetAppealRequest -> GetAppealResponse,
        list_appeals: ListAppealsRequest -> ListAppealsResponse,
    }
    v1::merchant_service_client::MerchantServiceClient {
        import_merchant: ImportMerchantRequest -> ImportMerchantResponse,
        get_merchant: GetMerchantRequest -> GetMerchantResponse,
        list_merchants: ListMerchantsRequest -> ListMerchantsResponse,
        set_categories: SetCategoriesRequest -> SetCategoriesResponse,
        place_hold: PlaceHoldRequest -> PlaceHoldResponse,
        lift_hold: LiftHoldRequest -> LiftHoldResponse,
        get_hold: GetHoldRequest -> GetHoldResponse,
        list_holds: ListHoldsRequest -> ListHoldsResponse,
        close_merchant: CloseMerchantRequest -> CloseMerchantResponse,
        reopen_merchant: ReopenMerchantRequest -> ReopenMerchantResponse,
        get_exposure: GetExposureRequest -> GetExposureResponse,
        rank_merchants: RankMerchantsRequest -> RankMerchantsResponse,
    }
    v1::policy_service_client::PolicyServiceClient {
        get_policy: GetPolicyRequest -> GetPolicyResponse,
        list_policies: ListPoliciesRequest -> ListPoliciesResponse,
        set_policy: SetPolicyRequest -> SetPolicyResponse,
        evaluate_policy: EvaluatePolicyRequest -> EvaluatePolicyResponse,
    }
    v1::approval_service_client::ApprovalServiceClient {
        propose_change: ProposeChangeRequest -> ProposeChangeResponse,
        approve_proposal: ApproveProposalRequest -> ApproveProposalResponse,
        reject_proposal: RejectProposalRequest -> RejectProposalResponse,
        withdraw_proposal: WithdrawProposalRequest -> WithdrawProposalResponse,
        get_proposal: GetProposalRequest -> GetProposalResponse,
        list_proposals: ListProposalsRequest -> ListProposalsResponse,
    }
    v1::clock_service_client::ClockServiceClient {
        get_clock: GetClockRequest -> GetClockResponse,
        advance_clock: AdvanceClockRequest -> AdvanceClockResponse,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_call_with_one_answer_is_there() {
        let files = FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap().file;
        let services = files.iter().filter(|file| file.package() == "tplus.v1").flat_map(|file| &file.service);
        let methods = services.flat_map(|service| &service.method);
        let one_answer = methods.filter(|method| !method.client_streaming() && !method.server_streaming());
        let expected: BTreeSet<_> =
            one_answer.map(|method| method.input_type().trim_start_matches(".tplus.v1.")).collect();
        assert_eq!(REQUESTS.iter().copied().collect::<BTreeSet<_>>(), expected);
    }
}
