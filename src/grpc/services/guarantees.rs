//! The guarantee.

use tonic::{Request, Response, Status, async_trait};

use super::{Services, admitted};
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
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::modify_guarantee(&request)?).await?;
        Ok(Response::new(convert::guarantee_modified(&answer)))
    }

    async fn quote_guarantee(
        &self,
        request: Request<QuoteGuaranteeRequest>,
    ) -> Result<Response<QuoteGuaranteeResponse>, Status> {
        let (_, request) = admitted(request)?;
        let (merchant, prices) = convert::quote_guarantee(&request)?;
        let view = self.view(&merchant).await?;
        Ok(Response::new(convert::quote(&view.merchant.quote(&prices, view.now, view.policies()))))
    }

    async fn batch_get_guarantees(
        &self,
        request: Request<BatchGetGuaranteesRequest>,
    ) -> Result<Response<BatchGetGuaranteesResponse>, Status> {
        let (_, request) = admitted(request)?;
        let merchants = convert::batch_get_guarantees(&request)?;
        let guarantees = self.engine()?.views(&merchants, |_, view| view.merchant.guarantee).await;
        Ok(Response::new(convert::guarantees(&merchants, &guarantees.map_err(convert::failed)?)))
    }

    async fn get_release(&self, request: Request<GetReleaseRequest>) -> Result<Response<GetReleaseResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.get_release(&request).await?))
    }

    async fn list_releases(
        &self,
        request: Request<ListReleasesRequest>,
    ) -> Result<Response<ListReleasesResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.list_releases(&request).await?))
    }
}
