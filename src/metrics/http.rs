//! The port for scrapers.

use std::sync::Arc;

use ::http::{StatusCode, header};
use axum::{Router, routing};

use super::Metrics;
use crate::grpc::EngineSlot;

/// What `/metrics` answers with.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics` for Prometheus, `GET /healthz` for whoever cannot speak gRPC.
pub fn routes(metrics: Arc<Metrics>, slot: Arc<EngineSlot>) -> Router {
    let served = Arc::clone(&metrics);
    let scrape = move || async move {
        // Directories are looked at, which may have to wait for the disk.
        let look = tokio::task::spawn_blocking(move || {
            let stats = slot.serving().ok().map(|serving| (serving.engine.stats(), serving.history.stats()));
            metrics.render(stats.as_ref().map(|(now, past)| (now, past)))
        });
        match look.await {
            Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, CONTENT_TYPE)], text),
            Err(broke_off) => {
                (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain")], broke_off.to_string())
            }
        }
    };
    let health = move || async move {
        if served.is_serving() {
            (StatusCode::OK, "SERVING\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "NOT_SERVING\n")
        }
    };
    Router::new().route("/metrics", routing::get(scrape)).route("/healthz", routing::get(health))
}
