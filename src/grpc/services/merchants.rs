//! Merchants as such: how they come, stand and go.

use tonic::{Request, Response, Status, async_trait};

use super::{Services, admitted};
use crate::{
    grpc::convert,
    proto::v1::{
        CloseMerchantRequest, CloseMerchantResponse, GetExposureRequest, GetExposureResponse, GetHoldRequest,
        GetHoldResponse, GetMerchantRequest, GetMerchantResponse, ImportMerchantRequest, ImportMerchantResponse,
        LiftHoldRequest, LiftHoldResponse, ListHoldsRequest, ListHoldsResponse, ListMerchantsRequest,
        ListMerchantsResponse, PlaceHoldRequest, PlaceHoldResponse, RankMerchantsRequest, RankMerchantsResponse,
        ReopenMerchantRequest, ReopenMerchantResponse, SetCategoriesRequest, SetCategoriesResponse,
        merchant_service_server::MerchantService,
    },
};

#[async_trait]
impl MerchantService for Services {
    async fn import_merchant(
        &self,
        request: Request<ImportMerchantRequest>,
    ) -> Result<Response<ImportMerchantResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::import_merchant(&request)?).await?;
        Ok(Response::new(convert::merchant_imported(&answer)))
    }

    async fn set_categories(
        &self,
        request: Request<SetCategoriesRequest>,
    ) -> Result<Response<SetCategoriesResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::set_categories(&request)?).await?;
        Ok(Response::new(convert::categories_set(&answer)))
    }

    async fn place_hold(&self, request: Request<PlaceHoldRequest>) -> Result<Response<PlaceHoldResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::place_hold(&request)?).await?;
        Ok(Response::new(convert::hold_placed(&answer)))
    }

    async fn lift_hold(&self, request: Request<LiftHoldRequest>) -> Result<Response<LiftHoldResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::lift_hold(&request)?).await?;
        Ok(Response::new(convert::hold_lifted(&answer)))
    }

    async fn close_merchant(
        &self,
        request: Request<CloseMerchantRequest>,
    ) -> Result<Response<CloseMerchantResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::close_merchant(&request)?).await?;
        Ok(Response::new(convert::closing_started(&answer)))
    }

    async fn reopen_merchant(
        &self,
        request: Request<ReopenMerchantRequest>,
    ) -> Result<Response<ReopenMerchantResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::reopen_merchant(&request)?).await?;
        Ok(Response::new(convert::merchant_reopened(&answer)))
    }

    async fn get_merchant(
        &self,
        request: Request<GetMerchantRequest>,
    ) -> Result<Response<GetMerchantResponse>, Status> {
        let (_, request) = admitted(request)?;
        let merchant = convert::get_merchant(&request)?;
        let view = self.view(&merchant).await?;
        Ok(Response::new(GetMerchantResponse { merchant: Some(convert::merchant(&merchant, &view)) }))
    }

    async fn list_merchants(
        &self,
        request: Request<ListMerchantsRequest>,
    ) -> Result<Response<ListMerchantsResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.list_merchants(&request).await?))
    }

    async fn get_hold(&self, request: Request<GetHoldRequest>) -> Result<Response<GetHoldResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.get_hold(&request).await?))
    }

    async fn list_holds(&self, request: Request<ListHoldsRequest>) -> Result<Response<ListHoldsResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.list_holds(&request).await?))
    }

    async fn get_exposure(
        &self,
        request: Request<GetExposureRequest>,
    ) -> Result<Response<GetExposureResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.exposure(&request).await?))
    }

    async fn rank_merchants(
        &self,
        request: Request<RankMerchantsRequest>,
    ) -> Result<Response<RankMerchantsResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.rank_merchants(&request).await?))
    }
}
