//! A server that answers at once, whatever it is asked: what remains is the cost of the wire.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status, Streaming,
    codegen::{BoxStream, tokio_stream::StreamExt as _},
    transport::{Server, server::TcpIncoming},
};

use crate::{
    cli::{Exit, Failure, print},
    grpc::{NotReady, convert},
    proto::v1::{
        order_service_server::{OrderService, OrderServiceServer},
        *,
    },
};

/// Windows as those of the real server.
const CONNECTION_WINDOW: u32 = 4 << 20;
const STREAM_WINDOW: u32 = 1 << 20;

/// Serves until it is ended.
pub(super) fn run() -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Failed, error).during("an empty server");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        print(&format!("empty server\n  gRPC       {address}\n  metrics    off\n"))?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder()
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .http2_adaptive_window(Some(false))
            .max_concurrent_streams(256)
            .add_service(OrderServiceServer::new(Empty))
            .serve_with_incoming(incoming)
            .await
            .map_err(|error| Failure::new(Exit::Failed, error))
    })
}

/// Decodes what it is sent, and answers T+7 to everything.
struct Empty;

fn settles_at() -> Option<prost_types::Timestamp> {
    // As long as that of an order of these days.
    Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 })
}

fn results(orders: &[CompletedOrder]) -> Vec<OrderResult> {
    let result =
        || OrderResult { cycle: SettlementCycle::Standard.into(), settles_at: settles_at(), ..OrderResult::default() };
    orders.iter().map(|_| result()).collect()
}

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(convert::not_ready(NotReady::Stopping))
}

#[tonic::async_trait]
impl OrderService for Empty {
    async fn classify_order(
        &self,
        request: Request<ClassifyOrderRequest>,
    ) -> Result<Response<ClassifyOrderResponse>, Status> {
        let completed_at = request.into_inner().completed_at.or_else(settles_at);
        Ok(Response::new(ClassifyOrderResponse {
            cycle: SettlementCycle::Standard.into(),
            settles_at: settles_at(),
            completed_at,
            ..ClassifyOrderResponse::default()
        }))
    }

    async fn classify_orders(
        &self,
        request: Request<ClassifyOrdersRequest>,
    ) -> Result<Response<ClassifyOrdersResponse>, Status> {
        Ok(Response::new(ClassifyOrdersResponse { results: results(&request.get_ref().orders) }))
    }

    type StreamClassifyOrdersStream = BoxStream<StreamClassifyOrdersResponse>;

    async fn stream_classify_orders(
        &self,
        request: Request<Streaming<StreamClassifyOrdersRequest>>,
    ) -> Result<Response<Self::StreamClassifyOrdersStream>, Status> {
        let answers = request.into_inner().map(|chunk| {
            let chunk = chunk?;
            Ok(StreamClassifyOrdersResponse { sequence: chunk.sequence, results: results(&chunk.orders) })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn reverse_order(&self, _: Request<ReverseOrderRequest>) -> Result<Response<ReverseOrderResponse>, Status> {
        not_here()
    }

    async fn get_order(&self, _: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        not_here()
    }

    async fn list_orders(&self, _: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        not_here()
    }
}
