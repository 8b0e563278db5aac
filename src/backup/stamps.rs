//! What a backup has to know of a record: when it was recorded, and what it says of the clock.

use prost::Message as _;

use crate::{
    journal::VisitError,
    proto::journal::{ClockAdvanced, ClockLease, Record, record::Body},
};

/// What records say of time, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamps {
    /// The earliest and the latest time at which one was recorded, in microseconds.
    pub(super) span: Option<(i64, i64)>,
    /// Up to where the clock was given out or moved.
    clock: Option<Clock>,
}

/// What the clock is, and the latest time that the journal tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    System(i64),
    Manual(i64),
}

impl Stamps {
    /// Notes a record.
    pub(super) fn note(&mut self, record: &Record) {
        let at = record.recorded_at;
        self.span = Some(self.span.map_or((at, at), |(earliest, latest)| (earliest.min(at), latest.max(at))));
        let until = |clock: &Option<Clock>, to: i64| match clock {
            Some(Clock::System(until) | Clock::Manual(until)) => to.max(*until),
            None => to,
        };
        match record.body {
            Some(Body::ClockLease(ClockLease { until: to })) => {
                self.clock = Some(Clock::System(until(&self.clock, to)));
            }
            Some(Body::ClockAdvanced(ClockAdvanced { to })) => {
                self.clock = Some(Clock::Manual(until(&self.clock, to)));
            }
            _ => {}
        }
    }

    /// The record that says where time stands behind what was noted; none where the journal told of no clock.
    pub(super) fn closing(&self) -> Option<Record> {
        let (_, latest) = self.span?;
        // A record may have a later time than the leases that are kept, if only some of the records are.
        let body = match self.clock? {
            Clock::System(until) => Body::ClockLease(ClockLease { until: until.max(latest) }),
            Clock::Manual(to) => Body::ClockAdvanced(ClockAdvanced { to: to.max(latest) }),
        };
        let recorded_at = match &body {
            Body::ClockAdvanced(advanced) => advanced.to,
            _ => latest,
        };
        Some(Record { recorded_at, body: Some(body), ..Record::default() })
    }
}

/// Reads a record.
pub(super) fn read(record: &[u8]) -> Result<Record, VisitError> {
    Record::decode(record).map_err(VisitError::new)
}
