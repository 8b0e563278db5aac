//! What callers may ask for and what they do, by their names in the rules of access: who is not named there makes no series, and who
//! leaves them leaves the metrics.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::figures::signed;
use crate::access::{Access, CallerUse};

/// Looks at the callers when somebody scrapes. Clones look at the same.
#[derive(Clone, Debug)]
pub(super) struct Callers(Arc<OnceLock<Arc<Access>>>);

impl Callers {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let callers = Self(Arc::default());
        registry.register_collector(Box::new(callers.clone()));
        callers
    }

    /// These rules say who they are; a process has no others.
    pub(super) fn are(&self, access: &Arc<Access>) {
        self.0.get_or_init(|| Arc::clone(access));
    }
}

impl Collector for Callers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(access) = self.0.get() else { return Ok(()) };
        let callers = access.callers();
        let all = |value: fn(&CallerUse) -> i64| callers.iter().map(move |of| (of, Some(value(of))));
        let limits = callers.iter().map(|of| (of, of.limits.rate.map(|rate| i64::from(rate.get()))));
        let help = "Calls and orders that a caller may make in a second, if there is a limit";
        gauges(&mut encoder, "tplus_caller_rate_limit", help, limits)?;
        let limits = callers.iter().map(|of| (of, of.limits.concurrent.map(|most| i64::from(most.get()))));
        let help = "Calls of a caller that may be under way, if there is a limit";
        gauges(&mut encoder, "tplus_caller_under_way_limit", help, limits)?;
        let help = "Calls of a caller that are not answered yet";
        gauges(&mut encoder, "tplus_caller_under_way", help, all(|of| signed(of.under_way)))?;
        let taken = callers.iter().map(|of| (vec![("caller", &*of.caller)], of.taken));
        counters(&mut encoder, "tplus_caller_taken", "Calls and orders of a caller that its limits let in", taken)?;
        let refused = callers.iter().flat_map(|of| {
            [("rate", of.over_rate), ("concurrency", of.over_concurrency)]
                .map(|(limit, refused)| (vec![("caller", &*of.caller), ("limit", limit)], refused))
        });
        counters(&mut encoder, "tplus_caller_refused", "Calls and orders that a limit of the caller kept out", refused)
    }
}

fn gauges<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    callers: impl Iterator<Item = (&'a CallerUse, Option<i64>)>,
) -> fmt::Result {
    let values = callers.filter_map(|(of, value)| Some((vec![("caller", &*of.caller)], ConstGauge::new(value?))));
    family(encoder, (name, help, MetricType::Gauge), values)
}

fn counters<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (Vec<(&'a str, &'a str)>, u64)>,
) -> fmt::Result {
    let values = values.map(|(labels, value)| (labels, ConstCounter::new(value)));
    family(encoder, (name, help, MetricType::Counter), values)
}

/// A family, unless nobody is in it.
fn family<'a, M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help, kind): (&str, &str, MetricType),
    values: impl Iterator<Item = (Vec<(&'a str, &'a str)>, M)>,
) -> fmt::Result {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    values.try_for_each(|(labels, value)| value.encode(family.encode_family(&labels)?))
}
