//! Spans on their way to a collector.

use std::time::Duration;

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tonic::transport::Endpoint;

use super::Trace;
use crate::config::TraceConfig;

/// How long the last spans may take to be sent.
const LAST: Duration = Duration::from_secs(3);

/// Why nothing can be traced.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address of the collector is none.
    #[error("the collector's address cannot be used: {0}")]
    Endpoint(#[from] tonic::transport::Error),
    /// The exporter cannot be made.
    #[error("spans cannot be sent: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Sends spans, in batches, from a thread of its own. What a collector does not take in time is dropped, and the log says so.
#[derive(Debug)]
pub struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Sends what is left, within a few seconds. Blocks.
    pub fn stop(self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// The layer, and who sends what it records. Nobody is connected to before there is something to send. Needs a runtime.
///
/// # Errors
/// See [`StartError`].
pub fn start(config: &TraceConfig) -> Result<(Trace, Option<Exporter>), StartError> {
    let Some(endpoint) = &config.endpoint else { return Ok((Trace::default(), None)) };
    let channel = Endpoint::from_shared(endpoint.clone())?.connect_lazy();
    let exporter = SpanExporter::builder().with_tonic().with_channel(channel).build()?;
    let resource = Resource::builder()
        .with_service_name("tplus")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let provider = SdkTracerProvider::builder()
        // The layer has decided before.
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource.build())
        .with_batch_exporter(exporter)
        .build();
    Ok((Trace::new(provider.tracer("tplus"), config.sample_of_a_million), Some(Exporter(provider))))
}
