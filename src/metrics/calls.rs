//! Calls over gRPC, by method and outcome.

use std::{collections::HashMap, sync::Arc, time::Instant};

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Code;

use crate::{grpc::convert::code_name, proto};

/// What there is to be called, as every server of ours offers it.
const DESCRIPTORS: [&[u8]; 4] = [
    proto::v1::DESCRIPTORS,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

const CODES: usize = 17;

/// Counters of every method there is, and one set for all that there is not: a client cannot make new series.
#[derive(Debug)]
pub(super) struct Calls {
    by_path: HashMap<String, Arc<Method>>,
    unknown: Arc<Method>,
}

#[derive(Debug)]
struct Method {
    started: Counter,
    handled: [Counter; CODES],
    handling: Histogram,
}

type MethodLabels = [(&'static str, String); 2];
type OutcomeLabels = [(&'static str, String); 3];

struct Families {
    started: Family<MethodLabels, Counter>,
    handled: Family<OutcomeLabels, Counter>,
    handling: Family<MethodLabels, Histogram>,
}

impl Calls {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let families = Families {
            started: Family::default(),
            handled: Family::default(),
            handling: Family::new_with_constructor(|| Histogram::new(exponential_buckets(10e-6, 2.0, 20))),
        };
        registry.register("grpc_server_started", "Calls that arrived", families.started.clone());
        registry.register("grpc_server_handled", "Calls that ended, by code", families.handled.clone());
        let help = "From the arrival of a call to the end of its answer";
        registry.register_with_unit("grpc_server_handling", help, Unit::Seconds, families.handling.clone());
        let known =
            methods().map(|(service, method)| (format!("/{service}/{method}"), families.method(&service, &method)));
        Self { by_path: known.collect(), unknown: families.method("unknown", "unknown") }
    }

    pub(super) fn start(&self, path: &str) -> Call {
        let method = Arc::clone(self.by_path.get(path).unwrap_or(&self.unknown));
        method.started.inc();
        Call { method: Some(method), started: Instant::now() }
    }
}

impl Families {
    /// All series of a method at once, so that a rate over them has a zero to start from.
    fn method(&self, service: &str, method: &str) -> Arc<Method> {
        let labels = [("grpc_service", service.to_owned()), ("grpc_method", method.to_owned())];
        let [service, method] = labels.clone();
        let handled = std::array::from_fn(|code| {
            let code = code_name(Code::from_i32(i32::try_from(code).unwrap_or_default()));
            let labels = [service.clone(), method.clone(), ("grpc_code", code.to_owned())];
            self.handled.get_or_create_owned(&labels)
        });
        Arc::new(Method {
            started: self.started.get_or_create_owned(&labels),
            handled,
            handling: self.handling.get_or_create_owned(&labels),
        })
    }
}

/// Service and method names.
fn methods() -> impl Iterator<Item = (String, String)> {
    // They were compiled in, so they can be read; and what cannot be read is counted as unknown.
    let sets = DESCRIPTORS.into_iter().filter_map(|bytes| FileDescriptorSet::decode(bytes).ok());
    sets.flat_map(|set| set.file).flat_map(|file| {
        let package = file.package().to_owned();
        file.service.into_iter().flat_map(move |service| {
            let name = format!("{package}.{}", service.name());
            service.method.into_iter().map(move |method| (name.clone(), method.name().to_owned()))
        })
    })
}

/// A call that is being answered. One that is dropped before it ended was cancelled.
#[derive(Debug)]
pub(super) struct Call {
    method: Option<Arc<Method>>,
    started: Instant,
}

impl Call {
    /// It ended; what is said later changes nothing.
    pub(super) fn end(&mut self, code: Code) {
        if let Some(method) = self.method.take() {
            method.handling.observe(self.started.elapsed().as_secs_f64());
            if let Some(handled) = usize::try_from(code as i32).ok().and_then(|code| method.handled.get(code)) {
                handled.inc();
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(if std::thread::panicking() { Code::Internal } else { Code::Cancelled });
    }
}
