//! What is noted of every answer: how long it took, what it was, and of some whether it is right.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use hdrhistogram::Histogram;

use super::{
    check::{Checker, Expected, Faults, Span, scan},
    load::Sample,
    options::Plan,
    pace::Timing,
    wire::Refusals,
};
use crate::{
    cli::{Exit, Failure},
    proto::v1::{ClassifyOrderRequest, ClassifyOrderResponse},
};

/// Latencies are told apart from 100 ns up to ten minutes, to three digits.
const LATENCIES: (u64, u64, u8) = (100, 600_000_000_000, 3);

/// Which method answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// ClassifyOrder.
    Order,
    /// ClassifyOrders.
    Chunk,
    /// StreamClassifyOrders.
    Stream,
}

/// Counts on all threads, for those who watch.
#[derive(Debug, Default)]
pub(super) struct Progress {
    orders: AtomicU64,
}

impl Progress {
    /// Orders that were answered. Those of calls that were refused do not count.
    pub(super) fn orders(&self) -> u64 {
        self.orders.load(Ordering::Relaxed)
    }
}

/// How long messages took, in nanoseconds.
#[derive(Debug)]
pub(super) struct Latencies {
    /// Those that were answered.
    pub(super) answered: Histogram<u64>,
    /// Those that were refused as a whole, which is told apart: it is to be quick, and work that is done is not to look quick by it.
    pub(super) refused: Histogram<u64>,
}

impl Latencies {
    /// Of nothing yet.
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self { answered: histogram()?, refused: histogram()? })
    }

    /// Adds what another thread has noted.
    pub(super) fn add(&mut self, other: &Self) -> Result<(), Failure> {
        let added = self.answered.add(&other.answered).and_then(|()| self.refused.add(&other.refused));
        added.map_err(|error| Failure::new(Exit::Failed, error))
    }
}

/// What was answered.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Orders that settle on T+2.
    pub(super) quick: u64,
    /// Orders that settle on T+7.
    pub(super) standard: u64,
    /// Orders that were refused, by reason.
    pub(super) refused: Refusals,
    /// Orders whose answers were checked.
    pub(super) checked: u64,
    /// Repeats among them whose first answer was known and compared.
    pub(super) compared: u64,
    /// What was wrong.
    pub(super) faults: Faults,
}

/// Takes the notes of a thread.
#[derive(Debug)]
pub(super) struct Recorder {
    timing: Timing,
    per_message: u64,
    check_every: u64,
    answers: u64,
    latencies: Latencies,
    progress: Arc<Progress>,
    tally: Tally,
    checker: Checker,
}

impl Recorder {
    /// With nothing noted.
    pub(super) fn new(
        plan: &Plan,
        timing: Timing,
        expected: Arc<Expected>,
        progress: Arc<Progress>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            timing,
            per_message: u64::from(plan.chunk),
            check_every: plan.check_every,
            answers: 0,
            latencies: Latencies::new()?,
            progress,
            tally: Tally::default(),
            checker: Checker::new(expected),
        })
    }

    /// Latencies, and everything else.
    pub(super) fn finish(self) -> (Latencies, Tally) {
        (self.latencies, self.tally)
    }

    /// Looks at the answer to a message: at its results, and at whether they are right if there is a sample.
    pub(super) fn answer(&mut self, method: Method, answer: &[u8], sample: Option<&Sample>, span: Span) {
        let counted = scan(method, answer, &mut self.tally);
        if counted != self.per_message {
            let wrong = || format!("{counted} results for {} orders", self.per_message);
            self.tally.faults.add(wrong);
        }
        if let Some(sample) = sample {
            self.checker.message(method, sample, answer, span, &mut self.tally);
        }
    }

    /// Notes the answer to an order, which is checked if the order is there; it says whether it was sent before.
    pub(super) fn order_answered(
        &mut self,
        since: Instant,
        now: Instant,
        answer: &ClassifyOrderResponse,
        sample: Option<(ClassifyOrderRequest, bool)>,
    ) {
        self.measured(since, now, 1);
        self.tally.count(answer.cycle);
        if let Some((request, repeat)) = sample {
            self.checker.order(request, repeat, answer, (since, now), &mut self.tally);
        }
    }

    /// Notes that a message was refused.
    pub(super) fn refused(&mut self, since: Instant, now: Instant, reason: &str) {
        if self.timing.measures(since) {
            self.latencies.refused.saturating_record(nanos(since, now));
        }
        *self.tally.refused.entry(reason.to_owned()).or_default() += self.per_message;
    }

    /// Notes an answer to nothing.
    pub(super) fn unasked(&mut self) {
        self.tally.faults.add(|| "an answer that nobody asked for".into());
    }

    /// Whether the next message is to be checked.
    pub(super) const fn wants_sample(&mut self) -> bool {
        self.answers = self.answers.wrapping_add(1);
        matches!((self.answers - 1).checked_rem(self.check_every), Some(0))
    }

    /// Notes how long so many messages took that were sent together.
    pub(super) fn measured(&mut self, since: Instant, now: Instant, messages: u64) {
        if messages == 0 {
            return;
        }
        self.progress.orders.fetch_add(self.per_message * messages, Ordering::Relaxed);
        if self.timing.measures(since) {
            self.latencies.answered.saturating_record_n(nanos(since, now), messages);
        }
    }
}

fn nanos(since: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(since).as_nanos()).unwrap_or(u64::MAX)
}

impl Tally {
    /// Counts the cycle of an answer.
    pub(super) fn count(&mut self, cycle: i32) {
        match cycle {
            1 => self.quick += 1,
            2 => self.standard += 1,
            _ => self.faults.add(|| format!("an answer with cycle {cycle}")),
        }
    }

    /// Adds what another thread has noted.
    pub(super) fn add(&mut self, other: Self) {
        self.quick += other.quick;
        self.standard += other.standard;
        self.checked += other.checked;
        self.compared += other.compared;
        for (reason, orders) in other.refused {
            *self.refused.entry(reason).or_default() += orders;
        }
        self.faults.append(other.faults);
    }
}

fn histogram() -> Result<Histogram<u64>, Failure> {
    let (low, high, digits) = LATENCIES;
    Histogram::new_with_bounds(low, high, digits).map_err(|error| Failure::new(Exit::Failed, error))
}
