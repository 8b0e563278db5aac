//! Orders.

use tonic::{Request, Response, Status, async_trait};

use super::Services;
use crate::{
    grpc::convert,
    proto::v1::{
        ClassifyOrderRequest, ClassifyOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
        ListOrdersResponse, ReverseOrderRequest, ReverseOrderResponse, order_service_server::OrderService,
    },
};

#[async_trait]
impl OrderService for Services {
    async fn classify_order(
        &self,
        request: Request<ClassifyOrderRequest>,
    ) -> Result<Response<ClassifyOrderResponse>, Status> {
        let command = convert::classify_order(&request.into_inner())?;
        let answer = self.execute(command).await?;
        Ok(Response::new(convert::order_classified(&answer)))
    }

    async fn reverse_order(
        &self,
        request: Request<ReverseOrderRequest>,
    ) -> Result<Response<ReverseOrderResponse>, Status> {
        let command = convert::reverse_order(&request.into_inner())?;
        let answer = self.execute(command).await?;
        Ok(Response::new(convert::order_reversed(&answer)))
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        Ok(Response::new(self.past()?.get_order(&request.into_inner()).await?))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        Ok(Response::new(self.past()?.list_orders(&request.into_inner()).await?))
    }
}
