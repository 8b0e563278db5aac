//! A call that is traced, and where those who work for it find it.

use std::{
    fmt::Display,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, SpanKind, Status as SpanStatus, TraceContextExt as _, Tracer as _},
};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    domain::Cycle,
    grpc::convert::{code_name, status_in},
};

/// A stream may last for days, and its trace must not.
const MOST_STAGES: usize = 256;

tokio::task_local! {
    static CALL: Call;
}

/// A call that is traced, or none that is.
#[derive(Clone, Debug)]
pub struct Call(Option<Arc<Traced>>);

#[derive(Debug)]
struct Traced {
    tracer: SdkTracer,
    /// None, once it has ended.
    span: Mutex<Option<Span>>,
    /// With the span as the parent of what begins in it.
    context: Context,
    stages: AtomicUsize,
    quick: AtomicU64,
    standard: AtomicU64,
    replayed: AtomicU64,
}

impl Call {
    /// Begins a call of a method, by its path, within what its caller is doing.
    pub(super) fn begin(tracer: &SdkTracer, path: &str, caller: &Context) -> Self {
        let name = path.trim_start_matches('/').to_owned();
        let (service, method) = name.split_once('/').unwrap_or((&name, ""));
        let attributes = [
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.service", service.to_owned()),
            KeyValue::new("rpc.method", method.to_owned()),
        ];
        let begun = tracer.span_builder(name).with_kind(SpanKind::Server).with_attributes(attributes);
        let span = begun.start_with_context(tracer, caller);
        let context = Context::new().with_remote_span_context(span.span_context().clone());
        Self(Some(Arc::new(Traced {
            tracer: tracer.clone(),
            span: Mutex::new(Some(span)),
            context,
            stages: AtomicUsize::new(0),
            quick: AtomicU64::new(0),
            standard: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
        })))
    }

    /// Does the work as part of the call, in whatever task.
    pub async fn go_on<F: Future>(self, work: F) -> F::Output {
        CALL.scope(self, work).await
    }

    fn stage(&self, name: &'static str) -> Option<Span> {
        let traced = self.0.as_deref()?;
        let goes = traced.stages.fetch_add(1, Ordering::Relaxed) < MOST_STAGES;
        goes.then(|| traced.tracer.span_builder(name).start_with_context(&traced.tracer, &traced.context))
    }

    /// It ended as its headers or trailers say; what is said later changes nothing.
    pub(super) fn end(&self, headers: &HeaderMap) {
        let status = status_in(headers);
        let info = status.get_details_error_info();
        self.finish(status.code(), info.map(|info| info.reason));
    }

    /// The same with a code alone.
    pub(super) fn finish(&self, code: Code, reason: Option<String>) {
        let Some(traced) = self.0.as_deref() else { return };
        let Some(mut span) = traced.span().take() else { return };
        span.set_attribute(KeyValue::new("rpc.grpc.status_code", i64::from(code as i32)));
        if let Some(reason) = reason {
            span.set_attribute(KeyValue::new("tplus.reason", reason));
        }
        span.set_attributes(traced.tally());
        if is_fault(code) {
            span.set_status(SpanStatus::error(code_name(code)));
        }
        span.end();
    }
}

impl Traced {
    fn span(&self) -> MutexGuard<'_, Option<Span>> {
        self.span.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cycle of one order, or how many were of which.
    fn tally(&self) -> Vec<KeyValue> {
        let load = |count: &AtomicU64| i64::try_from(count.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        let (quick, standard, replayed) = (load(&self.quick), load(&self.standard), load(&self.replayed));
        let mut told = match (quick, standard) {
            (0, 0) => Vec::new(),
            (1, 0) => vec![KeyValue::new("tplus.cycle", "quick")],
            (0, 1) => vec![KeyValue::new("tplus.cycle", "standard")],
            _ => vec![KeyValue::new("tplus.orders.quick", quick), KeyValue::new("tplus.orders.standard", standard)],
        };
        if replayed > 0 {
            told.push(KeyValue::new("tplus.orders.replayed", replayed));
        }
        let left_out = self.stages.load(Ordering::Relaxed).saturating_sub(MOST_STAGES);
        if left_out > 0 {
            told.push(KeyValue::new("tplus.stages_left_out", i64::try_from(left_out).unwrap_or(i64::MAX)));
        }
        told
    }
}

/// Codes that a server answers for; the others are answers to what was asked.
const fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// The call of this task, to be gone on with in another.
pub fn current() -> Call {
    CALL.try_with(Clone::clone).unwrap_or(Call(None))
}

fn with_current(tell: impl FnOnce(&Traced)) {
    let told = CALL.try_with(|call| call.0.as_deref().map(tell));
    // Most calls are not traced.
    told.unwrap_or_default().unwrap_or_default();
}

/// Says which merchant the call of this task is about.
pub fn about(merchant: &impl Display) {
    with_current(|traced| {
        if let Some(span) = &mut *traced.span() {
            span.set_attribute(KeyValue::new("tplus.merchant", merchant.to_string()));
        }
    });
}

/// So many orders of the call of this task were classified, for the first time or again.
pub fn classified(cycle: Cycle, replayed: bool, orders: u64) {
    if orders == 0 {
        return;
    }
    with_current(|traced| {
        let count = if cycle == Cycle::Quick { &traced.quick } else { &traced.standard };
        count.fetch_add(orders, Ordering::Relaxed);
        if replayed {
            traced.replayed.fetch_add(orders, Ordering::Relaxed);
        }
    });
}

fn begin_stage(name: &'static str) -> Option<Span> {
    CALL.try_with(|call| call.stage(name)).ok().flatten()
}

/// Does something that takes its time as a stage of the call of this task.
pub async fn stage<F: Future>(name: &'static str, work: F) -> F::Output {
    let _until_it_is_dropped = begin_stage(name);
    work.await
}

/// The same without waiting.
pub fn timed<T>(name: &'static str, work: impl FnOnce() -> T) -> T {
    let _until_it_is_dropped = begin_stage(name);
    work()
}
