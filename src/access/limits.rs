//! How much a caller may ask for.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;

/// What is left of a caller's limits; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    limits: Limits,
    rate: Option<Arc<DefaultDirectRateLimiter>>,
    concurrent: Option<Arc<Semaphore>>,
}

/// A limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// More than in a second are wanted.
    #[error("too many calls or orders in a second")]
    Rate {
        /// When there will be as many as were wanted.
        retry_after: Duration,
    },
    /// More at once are wanted than there ever are.
    #[error("at most {most} orders may come at once")]
    Burst {
        /// How many there are at most.
        most: u32,
    },
    /// Too many are not answered yet.
    #[error("at most {most} calls may be under way")]
    Concurrent {
        /// How many may be.
        most: u32,
    },
}

/// A call that is not answered yet.
#[derive(Debug)]
pub struct UnderWay(Option<OwnedSemaphorePermit>);

impl UnderWay {
    /// Whether it takes one of the places that there are.
    pub const fn is_counted(&self) -> bool {
        self.0.is_some()
    }
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        let rate = limits.rate.zip(limits.most_at_once());
        let rate = rate.map(|(rate, burst)| Arc::new(RateLimiter::direct(Quota::per_second(rate).allow_burst(burst))));
        let concurrent = limits.concurrent.map(|most| Arc::new(Semaphore::new(size(most))));
        Self { limits, rate, concurrent }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Takes so many of the calls that may come, or none of them.
    pub(super) fn take(&self, calls: NonZeroU32) -> Result<(), Exceeded> {
        let Some(rate) = &self.rate else { return Ok(()) };
        match rate.check_n(calls) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_yet)) => {
                Err(Exceeded::Rate { retry_after: not_yet.wait_time_from(DefaultClock::default().now()) })
            }
            Err(insufficient) => Err(Exceeded::Burst { most: insufficient.0 }),
        }
    }

    /// One more call that is not answered, until it is dropped.
    pub(super) fn begin(&self) -> Result<UnderWay, Exceeded> {
        let Some(places) = &self.concurrent else { return Ok(UnderWay(None)) };
        let place = Arc::clone(places).try_acquire_owned();
        let most = self.limits.concurrent.map_or(0, NonZeroU32::get);
        place.map(|place| UnderWay(Some(place))).map_err(|_| Exceeded::Concurrent { most })
    }
}

fn size(most: NonZeroU32) -> usize {
    usize::try_from(most.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const fn some(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn nothing_is_limited_that_has_no_limit() {
        let budget = Budget::new(Limits::default());
        budget.take(NonZeroU32::MAX).unwrap();
        let _places = [budget.begin().unwrap(), budget.begin().unwrap()];
    }

    #[test]
    fn a_rate_lets_a_burst_through_and_says_when_to_come_back() {
        // One in a second, so that none comes back while this runs; were it slow, there would be one more.
        let budget = Budget::new(Limits { rate: Some(some(1)), burst: Some(some(4)), concurrent: None });
        budget.take(some(3)).unwrap();
        assert_eq!(budget.take(some(5)), Err(Exceeded::Burst { most: 4 }));
        let Err(Exceeded::Rate { retry_after }) = budget.take(some(4)) else { panic!("four are not there") };
        assert!(retry_after > Duration::ZERO && retry_after <= Duration::from_secs(3), "{retry_after:?}");
    }

    #[test]
    fn a_place_comes_back_with_the_answer() {
        let budget = Budget::new(Limits { concurrent: Some(some(1)), ..Limits::default() });
        let place = budget.begin().unwrap();
        assert_eq!(budget.clone().begin().unwrap_err(), Exceeded::Concurrent { most: 1 });
        drop(place);
        budget.begin().unwrap();
    }
}
