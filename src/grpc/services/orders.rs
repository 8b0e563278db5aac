//! Orders.

use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{Services, chunks};
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
    trace,
};

#[async_trait]
impl OrderService for Services {
    async fn classify_order(
        &self,
        request: Request<ClassifyOrderRequest>,
    ) -> Result<Response<ClassifyOrderResponse>, Status> {
        let (order, manner) = convert::classify_order(&request.into_inner())?.into_order();
        trace::about(&order.merchant);
        let classified = self.engine()?.classify_one(&order, &manner).await;
        let classified = classified.map_err(|error| convert::failed_about(&order.merchant, error))?;
        Ok(Response::new(convert::order_classified(&classified)))
    }

    async fn classify_orders(
        &self,
        request: Request<ClassifyOrdersRequest>,
    ) -> Result<Response<ClassifyOrdersResponse>, Status> {
        let chunk = request.into_inner().chunk;
        let (engine, manner) = (self.engine()?, convert::manner(&chunk)?);
        let mut results = Results::of_call(chunk.count(), chunk.with_receipts);
        let mut room = engine.room_now(chunk.count()).map_err(convert::failed)?;
        engine.next_segment(chunk.count()).await;
        chunks::decide_chunk(&engine, chunk, &manner, &mut room, &mut results).await;
        engine.durable(room).await.map_err(convert::failed)?;
        chunks::count_refused(&engine, &results);
        Ok(Response::new(results.written()))
    }

    type StreamClassifyOrdersStream = chunks::Answers;

    async fn stream_classify_orders(
        &self,
        request: Request<Streaming<StreamClassifyOrdersRequest>>,
    ) -> Result<Response<chunks::Answers>, Status> {
        let (engine, chunks) = (self.engine()?, request.into_inner());
        Ok(Response::new(chunks::answers(engine, &self.deciders, chunks, self.slot.draining())))
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
