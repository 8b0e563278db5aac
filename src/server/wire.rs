//! The gRPC server as it is set up: services, layers, HTTP/2.

use std::{sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::oneshot};
use tonic::{
    codec::CompressionEncoding,
    transport::server::{Router, TcpIncoming},
};
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_reflection::server::Builder as Reflection;
use tower::{
    layer::util::{Identity, Stack},
    util::{MapRequestLayer, MapResponseLayer},
};

use super::{ServerOptions, admission::Admission, connections::Bounded, gate::Gate, tls::Tls, whole};
use crate::{
    grpc::{EngineSlot, Services, convert},
    metrics::{Connections, Measure, Metrics},
    proto::{self, v1},
    trace::Trace,
};

const MIB: u32 = 1024 * 1024;

/// A connection that shows no sign of life is asked for one, and closed when none comes.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

type Body = tonic::body::Body;
type Explain = MapResponseLayer<fn(http::Response<Body>) -> http::Response<Body>>;
type Complete = MapRequestLayer<fn(http::Request<Body>) -> http::Request<Body>>;
type Layers = Stack<Complete, Stack<Admission, Stack<Gate, Stack<Explain, Stack<Measure, Stack<Trace, Identity>>>>>>;

/// All services behind the layers.
pub(super) fn router(
    options: &ServerOptions,
    metrics: &Arc<Metrics>,
    slot: &Arc<EngineSlot>,
    health: HealthServer<impl Health>,
) -> Router<Layers> {
    let services = Services::new(Arc::clone(slot));
    let most = options.max_message_bytes;
    let explain: fn(_) -> _ = convert::explain::<Body>;
    let complete: fn(_) -> _ = whole::messages;
    let mut builder = tonic::transport::Server::builder()
        // h2 closes connections with small windows when a client sends many small frames, so they start large.
        .initial_connection_window_size(4 * MIB)
        .initial_stream_window_size(MIB)
        .http2_adaptive_window(Some(false))
        .max_concurrent_streams(options.max_concurrent_streams)
        .http2_max_header_list_size(16 * 1024)
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
        .layer(options.trace.clone())
        .layer(Measure::new(Arc::clone(metrics)))
        .layer(MapResponseLayer::new(explain))
        .layer(Gate::new(options.access.clone()))
        .layer(Admission::new(Arc::clone(slot)))
        .layer(MapRequestLayer::new(complete));
    macro_rules! service {
        ($($server:ident)::+) => {
            $($server)::+::new(services.clone())
                .accept_compressed(CompressionEncoding::Gzip)
                .max_decoding_message_size(most)
        };
    }
    let mut router = builder
        .add_service(service!(proto::orders::order_service_server::OrderServiceServer))
        .add_service(service!(v1::guarantee_service_server::GuaranteeServiceServer))
        .add_service(service!(v1::margin_service_server::MarginServiceServer))
        .add_service(service!(v1::merchant_service_server::MerchantServiceServer))
        .add_service(service!(v1::approval_service_server::ApprovalServiceServer))
        .add_service(service!(v1::dispute_service_server::DisputeServiceServer))
        .add_service(service!(v1::policy_service_server::PolicyServiceServer))
        .add_service(service!(v1::event_service_server::EventServiceServer))
        .add_service(service!(v1::clock_service_server::ClockServiceServer))
        .add_service(health.max_decoding_message_size(most));
    if !options.reflection {
        return router;
    }
    match reflection().build_v1() {
        Ok(service) => router = router.add_service(service.max_decoding_message_size(most)),
        Err(error) => tracing::error!(%error, "reflection is not served"),
    }
    match reflection().build_v1alpha() {
        Ok(service) => router = router.add_service(service.max_decoding_message_size(most)),
        Err(error) => tracing::error!(%error, "reflection (v1alpha) is not served"),
    }
    router
}

fn reflection() -> Reflection<'static> {
    Reflection::configure()
        .register_encoded_file_descriptor_set(proto::v1::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // So that clients which know the services by reflection alone can read the details of errors.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}

/// Serves until it is told to stop, and then until the last connection has closed.
pub(super) async fn serve(
    router: Router<Layers>,
    (listener, tls): (TcpListener, Option<Arc<Tls>>),
    connections: (usize, Connections),
    stopped: oneshot::Receiver<()>,
) -> Result<(), tonic::transport::Error> {
    // The server's own settings do not reach a listener that is given to it. Keepalive of TCP finds those who vanish before
    // they have said a word of HTTP/2.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).with_keepalive(Some(KEEPALIVE.0));
    // A sender that is gone means stop as well.
    let stopped = async { stopped.await.unwrap_or_default() };
    router.serve_with_incoming_shutdown(Bounded::new(incoming, tls, connections), stopped).await
}
