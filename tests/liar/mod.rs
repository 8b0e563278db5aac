//! A server that answers as tplus would to orders within a quota, but for one lie.

use std::{collections::HashSet, net::SocketAddr, thread};

use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};
use tonic::{
    Request, Response, Status, Streaming,
    codegen::tokio_stream::wrappers::ReceiverStream,
    transport::{Server, server::TcpIncoming},
};
use tplus::proto::v1::{
    clock_service_server::{ClockService, ClockServiceServer},
    order_service_server::{OrderService, OrderServiceServer},
    policy_service_server::{PolicyService, PolicyServiceServer},
    *,
};

/// What is not true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    None,
    /// T+2, with the date of T+7.
    Cycle,
    /// One result is missing.
    Fewer,
    /// Everything is a repeat.
    Replayed,
    /// Nothing is.
    Forgotten,
    /// Another chunk than was asked for.
    Sequence,
    /// A quota that the order is not within.
    Quota,
    /// A refusal that no rule knows.
    Refused,
}

pub struct Liar {
    pub address: String,
    _stop: oneshot::Sender<()>,
}

/// Noon of a day, at which its clock stands.
const NOW: i64 = 20_000 * DAY + DAY / 2;
const DAY: i64 = 86_400;

impl Liar {
    pub fn start(lie: Lie) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let router = Server::builder()
                    .add_service(OrderServiceServer::new(Teller(lie)))
                    .add_service(PolicyServiceServer::new(Teller(lie)))
                    .add_service(ClockServiceServer::new(Teller(lie)));
                tokio::select! {
                    served = router.serve_with_incoming(TcpIncoming::from(listener)) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address: format!("http://{}", told.recv().unwrap()), _stop: stop }
    }
}

#[derive(Clone, Copy)]
struct Teller(Lie);

fn at(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

impl Teller {
    fn result(self, order: &CompletedOrder, known: &mut HashSet<String>) -> OrderResult {
        let replayed = !known.insert(order.order_id.clone());
        let days = if self.0 == Lie::Cycle { 7 } else { 2 };
        let price: f64 = order.price.parse().unwrap();
        let quota = if self.0 == Lie::Quota { 0.5 } else { 1000.0 };
        OrderResult {
            cycle: SettlementCycle::Quick.into(),
            settles_at: at((20_000 + days) * DAY),
            replayed: match self.0 {
                Lie::Replayed => true,
                Lie::Forgotten => false,
                _ => replayed,
            },
            refusal: None,
            completed_at: at(NOW),
            receipt: Some(Receipt {
                policy_version: 1,
                multiple: 1,
                quota: format!("{quota:.2}"),
                day_total_before: "0.00".into(),
                day_total_after: order.price.clone(),
                remaining: format!("{:.2}", (quota - price).max(0.0)),
                resets_at: at(20_001 * DAY),
            }),
        }
    }

    fn answer(self, chunk: &StreamClassifyOrdersRequest, known: &mut HashSet<String>) -> StreamClassifyOrdersResponse {
        let mut results: Vec<_> = chunk.orders.iter().map(|order| self.result(order, known)).collect();
        if self.0 == Lie::Fewer {
            results.pop();
        }
        if self.0 == Lie::Refused {
            let refusal = OrderRefusal { reason: "LIAR".into(), ..OrderRefusal::default() };
            results[0] = OrderResult { refusal: Some(refusal), ..OrderResult::default() };
        }
        StreamClassifyOrdersResponse { sequence: chunk.sequence + u64::from(self.0 == Lie::Sequence), results }
    }
}

fn not_here<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not here"))
}

#[tonic::async_trait]
impl ClockService for Teller {
    async fn get_clock(&self, _: Request<GetClockRequest>) -> Result<Response<GetClockResponse>, Status> {
        Ok(Response::new(GetClockResponse { now: at(NOW), mode: ClockMode::Manual.into() }))
    }

    async fn advance_clock(&self, _: Request<AdvanceClockRequest>) -> Result<Response<AdvanceClockResponse>, Status> {
        not_here()
    }
}

#[tonic::async_trait]
impl PolicyService for Teller {
    async fn get_policy(&self, _: Request<GetPolicyRequest>) -> Result<Response<GetPolicyResponse>, Status> {
        let policy = Policy {
            quota_counts: QuotaCounts::All.into(),
            quota_basis: QuotaBasis::Guarantee.into(),
            quick_days: 2,
            standard_days: 7,
            ..Policy::default()
        };
        let policy = PolicyVersion { version: 1, policy: Some(policy), ..PolicyVersion::default() };
        Ok(Response::new(GetPolicyResponse { policy: Some(policy), latest_version: 1 }))
    }

    async fn list_policies(&self, _: Request<ListPoliciesRequest>) -> Result<Response<ListPoliciesResponse>, Status> {
        not_here()
    }

    async fn set_policy(&self, _: Request<SetPolicyRequest>) -> Result<Response<SetPolicyResponse>, Status> {
        not_here()
    }

    async fn evaluate_policy(
        &self,
        _: Request<EvaluatePolicyRequest>,
    ) -> Result<Response<EvaluatePolicyResponse>, Status> {
        not_here()
    }
}

#[tonic::async_trait]
impl OrderService for Teller {
    type StreamClassifyOrdersStream = ReceiverStream<Result<StreamClassifyOrdersResponse, Status>>;

    async fn stream_classify_orders(
        &self,
        request: Request<Streaming<StreamClassifyOrdersRequest>>,
    ) -> Result<Response<Self::StreamClassifyOrdersStream>, Status> {
        let (teller, mut chunks) = (*self, request.into_inner());
        let (answers, told) = mpsc::channel(16);
        tokio::spawn(async move {
            let mut known = HashSet::new();
            while let Ok(Some(chunk)) = chunks.message().await {
                if answers.send(Ok(teller.answer(&chunk, &mut known))).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(told)))
    }

    async fn classify_order(
        &self,
        _: Request<ClassifyOrderRequest>,
    ) -> Result<Response<ClassifyOrderResponse>, Status> {
        not_here()
    }

    async fn classify_orders(
        &self,
        _: Request<ClassifyOrdersRequest>,
    ) -> Result<Response<ClassifyOrdersResponse>, Status> {
        not_here()
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
