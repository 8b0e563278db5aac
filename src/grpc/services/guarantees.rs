//! The guarantee.

use tonic::{Request, Response, Status, async_trait};

use super::Services;
use crate::{
    grpc::convert,
    proto::v1::{
        BatchGetGuaranteesRequest, BatchGetGuaranteesResponse, GetReleaseRequest, GetReleaseResponse,
        ListReleasesRequest, ListReleasesResponse, ModifyGuaranteeRequest, ModifyGuaranteeResponse,
        QuoteGuaranteeRequest, QuoteGuaranteeResponse, guarantee_service_server::GuaranteeService,
    },
};

#[async_trait]
impl GuaranteeService for Services {
    async fn modify_guarantee(
        &self,
        request: Request<ModifyGuaranteeRequest>,
    ) -> Result<Response<ModifyGuaranteeResponse>, Status> {
        let command = convert::modify_guarantee(&request.into_inner())?;
        let answer = self.execute(command).await?;
        Ok(Response::new(convert::guarantee_modified(&answer)))
    }

    async fn quote_guarantee(
        &self,
        request: Request<QuoteGuaranteeRequest>,
    ) -> Result<Response<QuoteGuaranteeResponse>, Status> {
        let (merchant, prices) = convert::quote_guarantee(&request.into_inner())?;
        let view = self.view(&merchant).await?;
        Ok(Response::new(convert::quote(&view.merchant.quote(&prices, view.now, view.policies()))))
    }

    async fn batch_get_guarantees(
        &self,
        request: Request<BatchGetGuaranteesRequest>,
    ) -> Result<Response<BatchGetGuaranteesResponse>, Status> {
        let merchants = convert::batch_get_guarantees(&request.into_inner())?;
        let guarantees = self.engine()?.views(&merchants, |_, view| view.merchant.guarantee).await;
        Ok(Response::new(convert::guarantees(&merchants, &guarantees.map_err(convert::failed)?)))
    }

    async fn get_release(&self, request: Request<GetReleaseRequest>) -> Result<Response<GetReleaseResponse>, Status> {
        Ok(Response::new(self.past()?.get_release(&request.into_inner()).await?))
    }

    async fn list_releases(
        &self,
        request: Request<ListReleasesRequest>,
    ) -> Result<Response<ListReleasesResponse>, Status> {
        Ok(Response::new(self.past()?.list_releases(&request.into_inner()).await?))
    }
}
