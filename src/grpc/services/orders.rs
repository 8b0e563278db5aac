//! Orders.

use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{
    Services,
    chunks::{self, Decided},
};
use crate::{
    grpc::convert,
    proto::v1::{
        ClassifyOrderRequest, ClassifyOrderResponse, ClassifyOrdersRequest, ClassifyOrdersResponse, GetOrderRequest,
        GetOrderResponse, ListOrdersRequest, ListOrdersResponse, ReverseOrderRequest, ReverseOrderResponse,
        StreamClassifyOrdersRequest, order_service_server::OrderService,
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

    async fn classify_orders(
        &self,
        request: Request<ClassifyOrdersRequest>,
    ) -> Result<Response<ClassifyOrdersResponse>, Status> {
        let chunk = convert::classify_orders(&request.into_inner())?;
        let engine = self.engine()?;
        let room = engine.room_now(chunk.orders.len()).map_err(convert::failed)?;
        let results = Decided::of(&engine, chunk, room).await.results(&engine).await?;
        Ok(Response::new(ClassifyOrdersResponse { results }))
    }

    type StreamClassifyOrdersStream = chunks::Answers;

    async fn stream_classify_orders(
        &self,
        request: Request<Streaming<StreamClassifyOrdersRequest>>,
    ) -> Result<Response<chunks::Answers>, Status> {
        Ok(Response::new(chunks::answers(self.engine()?, request.into_inner(), self.slot.draining())))
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
