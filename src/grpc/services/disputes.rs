//! Deductions and appeals.

use tonic::{Request, Response, Status, async_trait};

use super::Services;
use crate::{
    grpc::convert,
    proto::v1::{
        DeductMarginRequest, DeductMarginResponse, OpenAppealRequest, OpenAppealResponse, ResolveAppealRequest,
        ResolveAppealResponse, dispute_service_server::DisputeService,
    },
};

#[async_trait]
impl DisputeService for Services {
    async fn deduct_margin(
        &self,
        request: Request<DeductMarginRequest>,
    ) -> Result<Response<DeductMarginResponse>, Status> {
        let command = convert::deduct_margin(&request.into_inner())?;
        let answer = self.execute(command).await?;
        Ok(Response::new(convert::margin_deducted(&answer)))
    }

    async fn open_appeal(&self, request: Request<OpenAppealRequest>) -> Result<Response<OpenAppealResponse>, Status> {
        let command = convert::open_appeal(&request.into_inner())?;
        let answer = self.execute(command).await?;
        Ok(Response::new(convert::appeal_opened(&answer)))
    }

    async fn resolve_appeal(
        &self,
        request: Request<ResolveAppealRequest>,
    ) -> Result<Response<ResolveAppealResponse>, Status> {
        let command = convert::resolve_appeal(&request.into_inner())?;
        let answer = self.execute(command).await?;
        Ok(Response::new(convert::appeal_resolved(&answer)))
    }
}
