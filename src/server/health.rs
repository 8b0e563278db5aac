//! What health checks are told.

use tonic::server::NamedService;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health as HealthApi, HealthServer},
    server::{HealthReporter, health_reporter},
};

use crate::{
    grpc::Services,
    proto::{orders, v1},
};

const NAMES: [&str; 10] = [
    "",
    orders::order_service_server::OrderServiceServer::<Services>::NAME,
    v1::guarantee_service_server::GuaranteeServiceServer::<Services>::NAME,
    v1::margin_service_server::MarginServiceServer::<Services>::NAME,
    v1::merchant_service_server::MerchantServiceServer::<Services>::NAME,
    v1::approval_service_server::ApprovalServiceServer::<Services>::NAME,
    v1::dispute_service_server::DisputeServiceServer::<Services>::NAME,
    v1::policy_service_server::PolicyServiceServer::<Services>::NAME,
    v1::event_service_server::EventServiceServer::<Services>::NAME,
    v1::clock_service_server::ClockServiceServer::<Services>::NAME,
];

/// The health of the server as a whole, which has no name, and of every service; they are always the same.
pub(super) struct Health(HealthReporter);

impl Health {
    /// Not serving, under all names.
    pub(super) async fn new() -> (Self, HealthServer<impl HealthApi>) {
        let (reporter, service) = health_reporter();
        let health = Self(reporter);
        health.not_serving().await;
        (health, service)
    }

    pub(super) async fn serving(&self) {
        self.set(ServingStatus::Serving).await;
    }

    pub(super) async fn not_serving(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Ends the calls of those who watch, after the last news has reached them.
    pub(super) async fn dismiss(&mut self) {
        for name in NAMES {
            self.0.clear_service_status(name).await;
        }
    }

    async fn set(&self, status: ServingStatus) {
        for name in NAMES {
            self.0.set_service_status(name, status).await;
        }
    }
}
