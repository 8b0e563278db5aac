//! Services that no gate stands before, by a fault of the program's own: nobody may do anything there.

use std::sync::Arc;

use http::uri::PathAndQuery;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio::net::TcpListener;
use tonic::{
    Code, Request,
    client::Grpc,
    transport::{Channel, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tplus::{
    grpc::{EngineSlot, Services},
    proto::{
        orders::order_service_server::OrderServiceServer,
        v1::{
            self, GetClockRequest, approval_service_server::ApprovalServiceServer,
            clock_service_server::ClockServiceServer, dispute_service_server::DisputeServiceServer,
            event_service_server::EventServiceServer, guarantee_service_server::GuaranteeServiceServer,
            margin_service_server::MarginServiceServer, merchant_service_server::MerchantServiceServer,
            policy_service_server::PolicyServiceServer,
        },
    },
};

use super::told;

/// All services, and nothing before them.
async fn ungated() -> Channel {
    let services = Services::new(Arc::new(EngineSlot::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .add_service(OrderServiceServer::new(services.clone()))
        .add_service(GuaranteeServiceServer::new(services.clone()))
        .add_service(MarginServiceServer::new(services.clone()))
        .add_service(MerchantServiceServer::new(services.clone()))
        .add_service(DisputeServiceServer::new(services.clone()))
        .add_service(PolicyServiceServer::new(services.clone()))
        .add_service(EventServiceServer::new(services.clone()))
        .add_service(ApprovalServiceServer::new(services.clone()))
        .add_service(ClockServiceServer::new(services));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

/// The paths of all methods of ours.
fn methods() -> Vec<String> {
    let files = FileDescriptorSet::decode(v1::DESCRIPTORS).unwrap().file;
    let ours = files.into_iter().filter(|file| file.package() == "tplus.v1").flat_map(|file| file.service);
    let paths = |service: prost_types::ServiceDescriptorProto| {
        let name = service.name().to_owned();
        service.method.into_iter().map(move |method| format!("/tplus.v1.{name}/{}", method.name()))
    };
    ours.flat_map(paths).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_has_admitted_is_refused_whatever_it_asks_for() {
    let mut raw = Grpc::new(ungated().await);
    let methods = methods();
    assert!(methods.len() > 40, "{methods:?}");
    for path in methods {
        raw.ready().await.unwrap();
        // Without a field it is a message of any kind, and a stream of one.
        let (path_of_it, nothing) = (PathAndQuery::from_maybe_shared(path.clone()).unwrap(), GetClockRequest {});
        let codec = ProstCodec::<GetClockRequest, GetClockRequest>::default();
        let refused = raw.unary(Request::new(nothing), path_of_it, codec).await.unwrap_err();
        assert_eq!(told(&refused), (Code::Internal, "INTERNAL".to_owned()), "{path}");
    }
}
