//! Where a merchant's money is, and how it moves in and out.

use tonic::{Request, Response, Status, async_trait};

use super::{Services, admitted};
use crate::{
    domain::Change,
    grpc::convert,
    proto::v1::{
        AdjustBalanceRequest, AdjustBalanceResponse, FailWithdrawalRequest, FailWithdrawalResponse,
        GetCashForecastRequest, GetCashForecastResponse, GetMarginEntryRequest, GetMarginEntryResponse,
        GetMarginRequest, GetMarginResponse, GetSettlementStatementRequest, GetSettlementStatementResponse,
        GetTrialBalanceRequest, GetTrialBalanceResponse, ListMarginEntriesRequest, ListMarginEntriesResponse,
        PayMarginRequest, PayMarginResponse, ReturnPaymentRequest, ReturnPaymentResponse, WithdrawRequest,
        WithdrawResponse, margin_service_server::MarginService,
    },
};

#[async_trait]
impl MarginService for Services {
    async fn pay_margin(&self, request: Request<PayMarginRequest>) -> Result<Response<PayMarginResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::pay_margin(&request)?).await?;
        Ok(Response::new(convert::margin_paid(&answer)))
    }

    async fn return_payment(
        &self,
        request: Request<ReturnPaymentRequest>,
    ) -> Result<Response<ReturnPaymentResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::return_payment(&request)?).await?;
        Ok(Response::new(convert::payment_returned(&answer)))
    }

    async fn withdraw(&self, request: Request<WithdrawRequest>) -> Result<Response<WithdrawResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::withdraw(&request)?).await?;
        Ok(Response::new(convert::withdrawn(&answer)))
    }

    async fn fail_withdrawal(
        &self,
        request: Request<FailWithdrawalRequest>,
    ) -> Result<Response<FailWithdrawalResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::fail_withdrawal(&request)?).await?;
        Ok(Response::new(convert::withdrawal_failed(&answer)))
    }

    async fn adjust_balance(
        &self,
        request: Request<AdjustBalanceRequest>,
    ) -> Result<Response<AdjustBalanceResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute_alone(&session, convert::adjust_balance(&request)?, Change::Adjustment).await?;
        Ok(Response::new(convert::balance_adjusted(&answer)))
    }

    async fn get_margin(&self, request: Request<GetMarginRequest>) -> Result<Response<GetMarginResponse>, Status> {
        let (_, request) = admitted(request)?;
        let (merchant, as_of) = convert::get_margin(&request)?;
        let margin = match as_of {
            None => self.view(&merchant).await?.margin(),
            Some((clock, at)) => self.past()?.margin_as_of(&merchant, clock, at).await?,
        };
        Ok(Response::new(convert::margin(&merchant, &margin)))
    }

    async fn get_cash_forecast(
        &self,
        request: Request<GetCashForecastRequest>,
    ) -> Result<Response<GetCashForecastResponse>, Status> {
        let (_, request) = admitted(request)?;
        let merchant = convert::get_cash_forecast(&request)?;
        let view = self.view(&merchant).await?;
        let forecast = view.merchant.forecast(view.policies());
        Ok(Response::new(convert::cash_forecast(&merchant, view.now, &forecast)))
    }

    async fn get_margin_entry(
        &self,
        request: Request<GetMarginEntryRequest>,
    ) -> Result<Response<GetMarginEntryResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.get_entry(&request).await?))
    }

    async fn list_margin_entries(
        &self,
        request: Request<ListMarginEntriesRequest>,
    ) -> Result<Response<ListMarginEntriesResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.list_entries(&request).await?))
    }

    async fn get_settlement_statement(
        &self,
        request: Request<GetSettlementStatementRequest>,
    ) -> Result<Response<GetSettlementStatementResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.statement(&request).await?))
    }

    async fn get_trial_balance(
        &self,
        request: Request<GetTrialBalanceRequest>,
    ) -> Result<Response<GetTrialBalanceResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.trial_balance(&request).await?))
    }
}
