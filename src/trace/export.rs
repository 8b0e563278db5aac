//! Spans on their way to a collector.

use std::{error::Error, fs, io, iter, path::PathBuf, time::Duration};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithTonicConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::Trace;
use crate::config::TraceConfig;

/// How long the last spans may take to be sent.
const LAST: Duration = Duration::from_secs(3);

/// Why nothing can be traced.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address of the collector is none.
    #[error("the collector's address cannot be used: {}", innermost(.0))]
    Endpoint(tonic::transport::Error),
    /// The authorities that its certificate may be from cannot be read.
    #[error("trace.ca: {} cannot be read: {error}", path.display())]
    CaUnreadable {
        /// The file as it was named.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// There are none in the file.
    #[error("trace.ca: {} has no certificate", .0.display())]
    CaEmpty(PathBuf),
    /// There are none that the system trusts, or they cannot be used.
    #[error("trace.endpoint: TLS cannot be set up with the authorities that there are: {}", innermost(.0))]
    Tls(tonic::transport::Error),
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
    let Some(address) = &config.endpoint else { return Ok((Trace::default(), None)) };
    let channel = collector(address, config)?.connect_lazy();
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

/// What is behind an error that says no more than where it was.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let causes = iter::successors(Some(error), |error| (*error).source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

/// How the collector is reached: over TLS, if its address says so.
fn collector(address: &str, config: &TraceConfig) -> Result<Endpoint, StartError> {
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(StartError::Endpoint)?;
    if endpoint.uri().scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let tls = match config.ca.clone() {
        None => ClientTlsConfig::new().with_native_roots(),
        Some(path) => {
            let text = match fs::read(&path) {
                Ok(text) => text,
                Err(error) => return Err(StartError::CaUnreadable { path, error }),
            };
            if CertificateDer::pem_slice_iter(&text).next().is_none_or(|first| first.is_err()) {
                return Err(StartError::CaEmpty(path));
            }
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(text))
        }
    };
    endpoint.tls_config(tls).map_err(StartError::Tls)
}
