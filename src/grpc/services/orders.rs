//! Orders.

use tonic::{Request, Response, Status, Streaming, async_trait};

use super::{Services, about::session, admitted, chunks};
use crate::{
    engine::Manner,
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
        let (session, request) = admitted(request)?;
        let (order, manner) = convert::classify_order(&request)?.into_order();
        let manner = Manner { caller: session.caller().to_owned(), ..manner };
        trace::about(&order.merchant);
        let classified = self.engine()?.classify_one(&order, &manner).await;
        let classified = classified.map_err(|error| convert::failed_about(&order.merchant, error))?;
        Ok(Response::new(convert::order_classified(&classified)))
    }

    async fn classify_orders(
        &self,
        request: Request<ClassifyOrdersRequest>,
    ) -> Result<Response<ClassifyOrdersResponse>, Status> {
        let session = session(&request)?;
        let mut chunk = request.into_inner().chunk;
        let engine = self.engine()?;
        let manner = Manner { caller: session.caller().to_owned(), ..convert::manner(&chunk)? };
        // The call itself is one of those that it may make.
        session.demand(chunk.count() - 1).map_err(|denied| convert::denied(&denied))?;
        chunks::refuse_others(&session, &mut chunk);
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
        let session = session(&request)?;
        let (engine, chunks) = (self.engine()?, request.into_inner());
        Ok(Response::new(chunks::answers(engine, session, &self.deciders, chunks, self.slot.draining())))
    }

    async fn reverse_order(
        &self,
        request: Request<ReverseOrderRequest>,
    ) -> Result<Response<ReverseOrderResponse>, Status> {
        let (session, request) = admitted(request)?;
        let answer = self.execute(&session, convert::reverse_order(&request)?).await?;
        Ok(Response::new(convert::order_reversed(&answer)))
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.get_order(&request).await?))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.list_orders(&request).await?))
    }
}
