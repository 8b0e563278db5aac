//! Orders.

use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{
    Services,
    chunks::{self, Decided},
};
use crate::{
    grpc::{
        convert,
        wire::{ClassifyOrdersRequest, ClassifyOrdersResponse, Results, StreamClassifyOrdersRequest},
    },
    proto::{
        orders::order_service_server::OrderService,
        v1::{
            ClassifyOrderRequest, ClassifyOrderResponse, GetOrderRequest, GetOrderResponse, ListOrdersRequest,
            ListOrdersResponse, ReverseOrderRequest, ReverseOrderResponse,
        },
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
        let chunk = request.into_inner().chunk;
        let engine = self.engine()?;
        let results = Results::of_call(chunk.count(), chunk.with_receipts);
        let decided = Decided::of(&engine, chunk, results, async |orders| engine.room_now(orders)).await?;
        Ok(Response::new(decided.written(&engine).await?))
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
