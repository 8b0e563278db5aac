//! Deductions and appeals.

use tonic::{Request, Response, Status, async_trait};

use super::{Services, admitted};
use crate::{
    domain::Change,
    grpc::convert,
    proto::v1::{
        DeductMarginRequest, DeductMarginResponse, GetAppealRequest, GetAppealResponse, GetDeductionRequest,
        GetDeductionResponse, ListAppealsRequest, ListAppealsResponse, ListDeductionsRequest, ListDeductionsResponse,
        OpenAppealRequest, OpenAppealResponse, ResolveAppealRequest, ResolveAppealResponse,
        dispute_service_server::DisputeService,
    },
};

#[async_trait]
impl DisputeService for Services {
    async fn deduct_margin(
        &self,
        request: Request<DeductMarginRequest>,
    ) -> Result<Response<DeductMarginResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute_alone(&session, convert::deduct_margin(&request)?, Change::Deduction).await?;
        Ok(Response::new(convert::margin_deducted(&answer)))
    }

    async fn open_appeal(&self, request: Request<OpenAppealRequest>) -> Result<Response<OpenAppealResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::open_appeal(&request)?).await?;
        Ok(Response::new(convert::appeal_opened(&answer)))
    }

    async fn resolve_appeal(
        &self,
        request: Request<ResolveAppealRequest>,
    ) -> Result<Response<ResolveAppealResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::resolve_appeal(&request)?).await?;
        Ok(Response::new(convert::appeal_resolved(&answer)))
    }

    async fn get_deduction(
        &self,
        request: Request<GetDeductionRequest>,
    ) -> Result<Response<GetDeductionResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.get_deduction(&request).await?))
    }

    async fn list_deductions(
        &self,
        request: Request<ListDeductionsRequest>,
    ) -> Result<Response<ListDeductionsResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.list_deductions(&request).await?))
    }

    async fn get_appeal(&self, request: Request<GetAppealRequest>) -> Result<Response<GetAppealResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.get_appeal(&request).await?))
    }

    async fn list_appeals(
        &self,
        request: Request<ListAppealsRequest>,
    ) -> Result<Response<ListAppealsResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.list_appeals(&request).await?))
    }
}
