//! Refusals, by the reason that the API gives.

use std::collections::HashMap;

use ::http::HeaderMap;
use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use tonic_types::StatusExt as _;

use crate::grpc::convert::{REASONS, status_in};

/// A counter for each reason there is, and one for errors that have none of ours: a client cannot make new series.
#[derive(Debug)]
pub(super) struct Refused {
    by_reason: HashMap<&'static str, Counter>,
    other: Counter,
}

impl Refused {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let family = Family::<[(&'static str, &'static str); 1], Counter>::default();
        let counter = |reason| family.get_or_create_owned(&[("reason", reason)]);
        let by_reason = REASONS.iter().map(|reason| (reason.name, counter(reason.name))).collect();
        let refused = Self { by_reason, other: counter("OTHER") };
        registry.register("tplus_refused", "Calls and orders of chunks that were refused, by reason", family);
        refused
    }

    pub(super) fn count(&self, reason: &str, many: u64) {
        self.by_reason.get(reason).unwrap_or(&self.other).inc_by(many);
    }

    /// A call ended with an error, of which this is told.
    pub(super) fn count_call(&self, headers: &HeaderMap) {
        let info = status_in(headers).get_details_error_info();
        self.count(info.as_ref().map_or("", |info| &info.reason), 1);
    }
}
